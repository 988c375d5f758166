//! When lanes last had frames, and how far silence carries their clocks: for each lane by the clock of the reader whose
//! frames it had.

use crate::frame::FrameBatch;
use crate::message::Tick;
use crate::state::{StateError, StateRows};
use crate::time::EventTime;
use arrow::array::{Array, BooleanArray, Int64Array, StringArray};
use arrow::datatypes::Int64Type;
use std::sync::Arc;

/// When a lane last had frames.
#[derive(Debug, Clone, Copy)]
struct Heard {
    /// Whose frames they were; `None` where that is not known any more: the first reader that ticks.
    reader: Option<usize>,
    /// There were some since that reader's last tick.
    is_fresh: bool,
    /// That reader's clock at the first tick after them, and the lane's own then.
    at: EventTime,
    clock: i64,
}

impl Heard {
    const NEVER: Heard = Heard { reader: None, is_fresh: true, at: EventTime::MIN, clock: i64::MIN };
}

/// What a run that goes on from a snapshot knows of one of its readers.
#[derive(Debug, Clone)]
pub struct Resumed {
    /// Name of its source.
    pub source: Arc<str>,
    /// The wall clock, where that is the reader's and its ticks do not say it: as long as nothing ran, nobody could be
    /// heard.
    pub now: Option<EventTime>,
    /// Its frames are of the past: that they come says nothing of who is silent.
    pub is_timeless: bool,
}

#[derive(Debug, Clone, Default)]
struct Ticked {
    /// Name of the source, once frames of it have come.
    source: Option<Arc<str>>,
    /// The last tick.
    at: Option<EventTime>,
}

pub struct Silence {
    /// By lane.
    heard: Vec<Heard>,
    /// By reader.
    readers: Vec<Ticked>,
    idle_after_us: i64,
    /// By reader.
    timeless: Vec<bool>,
}

impl Silence {
    pub fn new(idle_after_us: i64) -> Silence {
        Silence { heard: Vec::new(), readers: Vec::new(), idle_after_us, timeless: Vec::new() }
    }

    /// What readers there are.
    pub fn know(&mut self, readers: &[Resumed]) {
        self.timeless = readers.iter().map(|reader| reader.is_timeless).collect();
    }

    /// Frames of a reader have come.
    pub fn hear(&mut self, reader: usize, frames: &FrameBatch) {
        if self.timeless.get(reader).copied().unwrap_or(false) {
            return;
        }
        let lanes = frames.lane.values();
        self.reach(lanes.iter().max().map_or(0, |lane| usize::from(*lane) + 1));
        for lane in lanes {
            let heard = &mut self.heard[usize::from(*lane)];
            (heard.reader, heard.is_fresh) = (Some(reader), true);
        }
        self.reader(reader).source.get_or_insert_with(|| frames.origin.source.clone());
    }

    pub fn tick(&mut self, tick: Tick) {
        self.reader(tick.reader).at = Some(tick.now);
        if tick.away_us > 0 {
            let of_reader = self.heard.iter_mut().filter(|heard| heard.reader == Some(tick.reader));
            of_reader.for_each(|heard| heard.at = EventTime(heard.at.0.saturating_add(tick.away_us)));
        }
    }

    /// How far a tick carries the clock of a lane that has had frames.
    pub fn carries(&mut self, lane: usize, tick: Tick, clock: EventTime) -> Option<i64> {
        self.reach(lane + 1);
        let heard = &mut self.heard[lane];
        if *heard.reader.get_or_insert(tick.reader) != tick.reader {
            return None;
        }
        if std::mem::take(&mut heard.is_fresh) {
            // A lane that is ahead of its reader, as of a recording that is not sorted, waits for it.
            (heard.at, heard.clock) = (tick.now, clock.0.min(tick.now.0));
            return None;
        }
        let idle_us = tick.now.0.saturating_sub(heard.at.0).saturating_sub(self.idle_after_us);
        (idle_us > 0).then(|| heard.clock.saturating_add(idle_us))
    }

    /// Columns of a snapshot, a row for each of these lanes.
    pub fn columns(&self, lanes: impl Iterator<Item = usize>) -> Vec<(&'static str, Arc<dyn Array>)> {
        let heard: Vec<Heard> = lanes.map(|lane| self.heard.get(lane).copied().unwrap_or(Heard::NEVER)).collect();
        let reader = |heard: &Heard| self.readers.get(heard.reader?);
        let sources: StringArray = heard.iter().map(|of| reader(of)?.source.as_deref()).collect();
        let ticked: Int64Array = heard.iter().map(|of| Some(reader(of)?.at?.0)).collect();
        let fresh: BooleanArray = heard.iter().map(|of| Some(of.is_fresh)).collect();
        let at: Int64Array = heard.iter().map(|of| Some(of.at.0)).collect();
        let clock: Int64Array = heard.iter().map(|of| Some(of.clock)).collect();
        vec![
            ("source", Arc::new(sources)),
            ("ticked", Arc::new(ticked)),
            ("fresh", Arc::new(fresh)),
            ("heard_at", Arc::new(at)),
            ("heard_clock", Arc::new(clock)),
        ]
    }

    /// Lanes of a source that is gone, and of state that an older version wrote, were never heard.
    pub fn restore(&mut self, rows: &StateRows, readers: &[Resumed]) -> Result<(), StateError> {
        let Ok(sources) = rows.strings("source") else { return Ok(()) };
        let lanes = rows.lanes()?;
        let [ticked, at, clock] = ["ticked", "heard_at", "heard_clock"].map(|name| rows.primitive::<Int64Type>(name));
        let (ticked, at, clock, fresh) = (ticked?, at?, clock?, rows.booleans("fresh")?);
        for row in (0..rows.len()).filter(|row| sources.is_valid(*row)) {
            let Some(reader) = readers.iter().position(|reader| *reader.source == *sources.value(row)) else {
                continue;
            };
            let ticked = ticked.is_valid(row).then(|| ticked.value(row));
            let away_us =
                readers[reader].now.zip(ticked).map_or(0, |(now, ticked)| now.0.saturating_sub(ticked).max(0));
            let lane = usize::from(lanes.value(row));
            self.reach(lane + 1);
            self.heard[lane] = Heard {
                reader: Some(reader),
                is_fresh: fresh.value(row),
                at: EventTime(at.value(row).saturating_add(away_us)),
                clock: clock.value(row),
            };
            let known = self.reader(reader);
            known.source = Some(readers[reader].source.clone());
            known.at = readers[reader].now.or(ticked.map(EventTime));
        }
        Ok(())
    }

    fn reach(&mut self, lanes: usize) {
        if self.heard.len() < lanes {
            self.heard.resize(lanes, Heard::NEVER);
        }
    }

    fn reader(&mut self, reader: usize) -> &mut Ticked {
        if self.readers.len() <= reader {
            self.readers.resize(reader + 1, Ticked::default());
        }
        &mut self.readers[reader]
    }
}
