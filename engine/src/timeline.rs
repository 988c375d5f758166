//! The timeline: which accepted frames are late, and how far each lane's clock has come. Runs once a batch, right
//! after the operators that decide which frames are accepted.

use crate::effects::Effects;
use crate::frame::FrameBatch;
use crate::lane::Lane;
use crate::message::Tick;
use crate::operator::{Operator, ShardContext};
use crate::state::{StateError, StateReader, StateWriter};
use crate::steady::SteadyClock;
use crate::time::{EventTime, SECOND_US};
use crate::vehicle::{Slot, Vehicles};
use arrow::array::{BooleanArray, Int64Array, StringArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::Int64Type;
use std::sync::Arc;

pub const NAME: &str = "timeline";
const VERSION: u32 = 1;

/// Marks late frames and keeps the clocks of the lanes of one shard.
pub struct Timeline {
    vehicles: Arc<Vehicles>,
    /// By slot: newest accepted event time.
    newest: Vec<i64>,
    /// By lane: newest accepted event time, one frame far ahead of all others apart, or how far silence has carried it.
    clocks: Vec<SteadyClock>,
    /// By lane.
    heard: Vec<Heard>,
    /// Lanes whose clock moved since `moved` was last called.
    moved: Vec<Lane>,
    is_moved: Vec<bool>,
    idle_after_us: i64,
    step_max_us: i64,
}

/// A longer step of a lane's clock counts with the second frame, also if `lateness` is shorter: in a minute a fleet has been
/// heard of again.
const STEP_MAX_LEAST_US: i64 = 60 * SECOND_US;

/// When a lane last had frames.
#[derive(Debug, Clone, Copy)]
struct Heard {
    /// Whose frames they were; `None` after a restart: the first reader that ticks.
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

impl Timeline {
    pub fn new(context: &ShardContext, idle_after_us: i64, lateness_us: i64) -> Timeline {
        Timeline {
            vehicles: context.vehicles.clone(),
            newest: Vec::new(),
            clocks: Vec::new(),
            heard: Vec::new(),
            moved: Vec::new(),
            is_moved: Vec::new(),
            idle_after_us,
            step_max_us: lateness_us.max(STEP_MAX_LEAST_US),
        }
    }

    /// Frames of a reader are about to be processed.
    pub fn hear(&mut self, reader: usize, frames: &FrameBatch) {
        let lanes = frames.lane.values();
        self.reach(0, lanes.iter().max().map_or(0, |lane| usize::from(*lane) + 1));
        for lane in lanes {
            let heard = &mut self.heard[usize::from(*lane)];
            (heard.reader, heard.is_fresh) = (Some(reader), true);
        }
    }

    /// A reader's clock has come so far. Lanes that have had no frames of it for longer than `idle_after` go on as its clock
    /// does, that far behind where they would be: a fleet that reports late stays late, one that falls silent does not
    /// stop time.
    pub fn tick(&mut self, tick: Tick) {
        for lane in 0..self.clocks.len() {
            let clock = self.clocks[lane].now();
            let heard = &mut self.heard[lane];
            if clock.is_unset() || *heard.reader.get_or_insert(tick.reader) != tick.reader {
                continue;
            }
            if std::mem::take(&mut heard.is_fresh) {
                (heard.at, heard.clock) = (tick.now, clock.0);
                continue;
            }
            let idle_us = tick.now.0.saturating_sub(heard.at.0).saturating_sub(self.idle_after_us);
            if idle_us > 0 && self.clocks[lane].reach(heard.clock.saturating_add(idle_us)) {
                self.mark_moved(lane);
            }
        }
    }

    /// Lanes whose clock moved since the last call, with their clocks, in order of lane.
    pub fn moved(&mut self) -> Vec<(Lane, EventTime)> {
        self.moved.sort_unstable();
        let moved = self.moved.drain(..).map(|lane| (lane, self.clocks[usize::from(lane.0)].now())).collect();
        self.is_moved.fill(false);
        moved
    }

    /// Clocks of all lanes that have seen a frame.
    pub fn clocks(&self) -> Vec<(Lane, EventTime)> {
        let clocks = self.clocks.iter().map(SteadyClock::now).enumerate();
        clocks.filter(|(_, clock)| !clock.is_unset()).map(|(lane, clock)| (Lane(lane as u16), clock)).collect()
    }

    fn mark_moved(&mut self, lane: usize) {
        if !self.is_moved[lane] {
            self.is_moved[lane] = true;
            self.moved.push(Lane(lane as u16));
        }
    }

    fn reach(&mut self, slots: usize, lanes: usize) {
        if self.newest.len() < slots {
            self.newest.resize(slots, i64::MIN);
        }
        if self.clocks.len() < lanes {
            self.clocks.resize(lanes, SteadyClock::default());
            self.heard.resize(lanes, Heard::NEVER);
            self.is_moved.resize(lanes, false);
        }
    }
}

impl Operator for Timeline {
    fn process(&mut self, mut frames: FrameBatch, _: &mut Effects) -> FrameBatch {
        let lanes = frames.lane.values().iter().copied().max().map_or(0, |lane| usize::from(lane) + 1);
        self.reach(self.vehicles.len(), lanes);
        let mut late = Vec::with_capacity(frames.len());
        let mut lane_clock = Vec::with_capacity(frames.len());
        for ((slot, lane), time) in frames.slots().iter().zip(frames.lane.values()).zip(frames.times()) {
            let newest = &mut self.newest[*slot as usize];
            late.push(*time < *newest);
            *newest = (*newest).max(*time);
            let lane = usize::from(*lane);
            if self.clocks[lane].see(*time, self.step_max_us) {
                self.mark_moved(lane);
            }
            lane_clock.push(self.clocks[lane].now().0);
        }
        frames.late = BooleanArray::new(BooleanBuffer::from(late), None);
        frames.lane_clock = lane_clock.into();
        frames
    }

    fn snapshot(&self, state: &mut StateWriter) {
        let seen: Vec<Slot> = (0..self.newest.len() as Slot).filter(|s| self.newest[*s as usize] != i64::MIN).collect();
        let lanes = seen.iter().map(|s| self.vehicles.get(*s).lane.0).collect();
        let ids = StringArray::from_iter_values(seen.iter().map(|s| self.vehicles.id(*s)));
        let newest = crate::frame::timestamps(seen.iter().map(|s| self.newest[*s as usize]).collect::<Vec<_>>());
        state.put("newest", VERSION, lanes, vec![("vehicle_id", Arc::new(ids)), ("event_time", Arc::new(newest))]);
        let seen = self.clocks();
        let held = seen.iter().map(|(lane, _)| self.clocks[usize::from(lane.0)].held().0).collect::<Int64Array>();
        let clocks = seen.iter().map(|(_, clock)| clock.0).collect::<Int64Array>();
        let lanes = seen.iter().map(|(lane, _)| lane.0).collect();
        state.put("clocks", VERSION, lanes, vec![("clock", Arc::new(clocks)), ("held", Arc::new(held))]);
    }

    fn restore(&mut self, state: &StateReader) -> Result<(), StateError> {
        for rows in state.rows("newest", VERSION)? {
            let (lanes, ids) = (rows.lanes()?, rows.strings("vehicle_id")?);
            let times = rows.primitive::<arrow::datatypes::TimestampMicrosecondType>("event_time")?;
            for row in 0..rows.len() {
                let slot = self.vehicles.intern(ids.value(row), Lane(lanes.value(row)));
                self.reach(slot as usize + 1, 0);
                self.newest[slot as usize] = times.value(row);
            }
        }
        for rows in state.rows("clocks", VERSION)? {
            let (lanes, clocks) = (rows.lanes()?, rows.primitive::<Int64Type>("clock")?);
            let held = rows.primitive::<Int64Type>("held")?;
            for row in 0..rows.len() {
                let lane = usize::from(lanes.value(row));
                self.reach(0, lane + 1);
                self.clocks[lane] = SteadyClock::restored(EventTime(clocks.value(row)), EventTime(held.value(row)));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::{ClockRules, FrameBuilder};
    use crate::frame::{Frame, Origin};

    const MINUTE_US: i64 = 60 * SECOND_US;

    /// A timeline with its own vehicles; `idle_after` is a minute, `lateness` nothing.
    struct Site {
        vehicles: Arc<Vehicles>,
        timeline: Timeline,
    }

    impl Site {
        fn new() -> Site {
            let vehicles: Arc<Vehicles> = Arc::default();
            let context = ShardContext { shard: 0, shards: 1, vehicles: vehicles.clone() };
            Site { vehicles, timeline: Timeline::new(&context, MINUTE_US, 0) }
        }

        /// Frames of one vehicle at these seconds, from this reader; which of them are late.
        fn frames(&mut self, reader: usize, vehicle: &str, seconds: &[i64]) -> Vec<bool> {
            let origin = Origin { source: "s".into(), partition: "p".into() };
            let clocks = ClockRules { rollover: false, skew_max_us: i64::MAX };
            let mut builder = FrameBuilder::new(std::slice::from_ref(&self.vehicles), origin, clocks);
            builder.at(0, EventTime(0));
            for second in seconds {
                let event_time = EventTime(second * SECOND_US);
                builder.push(&Frame { vehicle, event_time, lat: 1.0, lon: 1.0, ..Frame::default() });
            }
            let frames = builder.finish().remove(0).frames;
            self.timeline.hear(reader, &frames);
            let frames = self.timeline.process(frames, &mut Effects::default());
            frames.late.values().iter().collect()
        }

        fn tick(&mut self, reader: usize, second: i64) {
            self.timeline.tick(Tick { reader, now: EventTime(second * SECOND_US) });
        }

        /// Clocks of lanes, seconds, ascending.
        fn clocks(&self) -> Vec<i64> {
            let mut clocks: Vec<i64> = self.timeline.clocks().iter().map(|(_, c)| c.0 / SECOND_US).collect();
            clocks.sort_unstable();
            clocks
        }
    }

    #[test]
    fn frame_older_than_its_vehicles_newest_is_late() {
        let mut site = Site::new();
        assert_eq!(site.frames(0, "a", &[10, 20, 15, 20, 21]), [false, false, true, false, false]);
        assert_eq!(site.frames(0, "b", &[15]), [false]);
    }

    #[test]
    fn fleet_that_reports_late_is_not_idle() {
        let mut site = Site::new();
        for second in 0..600 {
            site.frames(0, "a", &[second]);
            site.tick(0, second + 900);
            assert_eq!(site.clocks(), [second]);
        }
    }

    #[test]
    fn silent_lane_goes_on_as_its_readers_clock_does() {
        let mut site = Site::new();
        site.frames(0, "a", &[100]);
        for (now, clock) in [(1000, 100), (1060, 100), (1070, 110), (1500, 540)] {
            site.tick(0, now);
            assert_eq!(site.clocks(), [clock], "at {now}");
        }
        site.frames(0, "a", &[580]);
        site.tick(0, 1501);
        assert_eq!(site.clocks(), [580]);
    }

    #[test]
    fn clock_of_another_reader_moves_nothing() {
        let mut site = Site::new();
        site.frames(1, "a", &[100]);
        for now in [1_000_000, 2_000_000] {
            site.tick(0, now);
            assert_eq!(site.clocks(), [100]);
        }
    }

    #[test]
    fn one_wrong_clock_moves_nothing_and_two_frames_do() {
        let mut site = Site::new();
        site.frames(0, "a", &[100, 43_300, 101, 102]);
        assert_eq!(site.clocks(), [102]);
        site.frames(0, "a", &[5000, 5001]);
        assert_eq!(site.clocks(), [5001]);
    }
}
