//! The timeline: which accepted frames are late, and how far each lane's clock has come. Runs once a batch, right
//! after the operators that decide which frames are accepted.

mod silence;
#[cfg(test)]
mod tests;

pub use silence::Resumed;

use crate::effects::Effects;
use crate::frame::FrameBatch;
use crate::lane::Lane;
use crate::message::Tick;
use crate::operator::{Operator, ShardContext};
use crate::state::{StateError, StateReader, StateWriter};
use crate::steady::SteadyClock;
use crate::time::{EventTime, SECOND_US};
use crate::vehicle::{Slot, Vehicles};
use arrow::array::{Array, BooleanArray, Int64Array, StringArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use silence::Silence;
use std::collections::HashMap;
use std::sync::Arc;

pub const NAME: &str = "timeline";
const VERSION: u32 = 1;

/// Marks late frames and keeps the clocks of the lanes of one shard.
pub struct Timeline {
    vehicles: Arc<Vehicles>,
    /// By slot: newest accepted event time.
    newest: Vec<i64>,
    /// Of vehicles whose newest frame was once far ahead of its lane.
    doubts: HashMap<Slot, Doubt>,
    /// By lane: newest accepted event time, one frame far ahead of all others apart, or how far silence has carried it.
    clocks: Vec<SteadyClock>,
    /// By lane: the same by its frames alone. What is late must not depend on when silence was looked at.
    seen: Vec<SteadyClock>,
    silence: Silence,
    /// Lanes whose clock moved since `moved` was last called.
    moved: Vec<Lane>,
    is_moved: Vec<bool>,
    step_max_us: i64,
}

/// A longer step of a lane's clock counts with the second frame, also if `lateness` is shorter: in a minute a fleet has been
/// heard of again.
const STEP_MAX_LEAST_US: i64 = 60 * SECOND_US;

/// A vehicle's newest frame that is far ahead of its lane's clock, and of which the time of receipt says nothing. It counts
/// as long as nothing speaks against it: an older frame of the vehicle does, while the lane's clock has not come near.
#[derive(Debug, Clone, Copy)]
struct Doubt {
    /// What is in doubt, while it is the newest.
    at: i64,
    /// The newest before it that is not, or `i64::MIN`.
    before: i64,
    /// How many frames of the vehicle in a row are in doubt.
    frames: i64,
}

/// A vehicle that has sent more frames than these, each far ahead of its lane, is believed: as a clock goes wrong it mostly
/// comes right at once, and a recording that is not sorted has whole days of them. The paths of operators reach as far back.
const DOUBTS_MAX: i64 = 4;

impl Timeline {
    pub fn new(context: &ShardContext, idle_after_us: i64, lateness_us: i64) -> Timeline {
        Timeline {
            vehicles: context.vehicles.clone(),
            newest: Vec::new(),
            doubts: HashMap::new(),
            clocks: Vec::new(),
            seen: Vec::new(),
            silence: Silence::new(idle_after_us),
            moved: Vec::new(),
            is_moved: Vec::new(),
            step_max_us: lateness_us.max(STEP_MAX_LEAST_US),
        }
    }

    /// Frames of a reader are about to be processed.
    pub fn hear(&mut self, reader: usize, frames: &FrameBatch) {
        self.silence.hear(reader, frames);
    }

    /// A reader's clock has come so far. Lanes that have had no frames of it for longer than `idle_after` go on as its clock
    /// does, that far behind where they would be: a fleet that reports late stays late, one that falls silent does not
    /// stop time.
    pub fn tick(&mut self, tick: Tick) {
        // Of a reader that has no clock, or none yet.
        if tick.now.is_unset() {
            return;
        }
        self.silence.tick(tick);
        for lane in 0..self.clocks.len() {
            let clock = self.clocks[lane].now();
            if !clock.is_unset()
                && let Some(carried) = self.silence.carries(lane, tick, clock)
                && self.clocks[lane].reach(carried)
            {
                self.mark_moved(lane);
            }
        }
    }

    /// Takes up what `snapshot` wrote. `readers`: those of this run, in their order.
    pub fn resume(&mut self, state: &StateReader, readers: &[Resumed]) -> Result<(), StateError> {
        self.silence.know(readers);
        self.restore(state)?;
        state.rows("clocks", VERSION)?.iter().try_for_each(|rows| self.silence.restore(rows, readers))
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

    /// Takes the time of a vehicle's next frame and says whether it is late. `clock` is that of its lane by its frames, this
    /// one included.
    #[inline]
    fn is_late(&mut self, slot: Slot, time: i64, received_at: i64, clock: i64) -> bool {
        let newest = self.newest[slot as usize];
        if time < newest && self.doubt(slot, clock).is_none_or(|doubt| time < doubt.before) {
            return true;
        }
        // A frame that came soon after its time is no doubtful one, however long its lane was silent.
        if time > clock.saturating_add(self.step_max_us) && received_at.saturating_sub(time) > self.step_max_us {
            let Doubt { before, frames, .. } =
                self.doubt(slot, clock).unwrap_or(Doubt { at: newest, before: newest, frames: 0 });
            if frames < DOUBTS_MAX {
                self.doubts.insert(slot, Doubt { at: time, before, frames: frames + 1 });
            }
        }
        self.newest[slot as usize] = time;
        false
    }

    /// The doubt about a vehicle's newest frame, if there is one and the lane's clock has not settled it.
    #[cold]
    fn doubt(&self, slot: Slot, clock: i64) -> Option<Doubt> {
        let near = clock.saturating_add(self.step_max_us);
        let doubt = self.doubts.get(&slot).copied();
        doubt.filter(|doubt| doubt.at == self.newest[slot as usize] && near < doubt.at)
    }

    fn reach(&mut self, slots: usize, lanes: usize) {
        if self.newest.len() < slots {
            self.newest.resize(slots, i64::MIN);
        }
        if self.clocks.len() < lanes {
            self.clocks.resize(lanes, SteadyClock::default());
            self.seen.resize(lanes, SteadyClock::default());
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
        let received = frames.received_at.values();
        for (row, ((slot, lane), time)) in
            frames.slots().iter().zip(frames.lane.values()).zip(frames.times()).enumerate()
        {
            let lane = usize::from(*lane);
            if self.clocks[lane].see(*time, self.step_max_us) {
                self.mark_moved(lane);
            }
            self.seen[lane].see(*time, self.step_max_us);
            late.push(self.is_late(*slot, *time, received[row], self.seen[lane].now().0));
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
        let doubt = |slot: &Slot| self.doubts.get(slot).filter(|doubt| doubt.at == self.newest[*slot as usize]);
        let before = seen.iter().map(|slot| doubt(slot).map(|doubt| doubt.before)).collect::<Int64Array>();
        let frames = seen.iter().map(|slot| doubt(slot).map(|doubt| doubt.frames)).collect::<Int64Array>();
        let columns: Vec<(&str, Arc<dyn Array>)> = vec![
            ("vehicle_id", Arc::new(ids)),
            ("event_time", Arc::new(newest)),
            ("sure_time", Arc::new(before)),
            ("doubts", Arc::new(frames)),
        ];
        state.put("newest", VERSION, lanes, columns);
        let seen = self.clocks();
        let of = |clocks: &[SteadyClock], value: fn(&SteadyClock) -> EventTime| -> Arc<dyn Array> {
            let values = seen.iter().map(|(lane, _)| value(&clocks[usize::from(lane.0)]).0);
            Arc::new(values.collect::<Int64Array>())
        };
        let mut columns = vec![
            ("clock", of(&self.clocks, SteadyClock::now)),
            ("held", of(&self.clocks, SteadyClock::held)),
            ("seen", of(&self.seen, SteadyClock::now)),
            ("seen_held", of(&self.seen, SteadyClock::held)),
        ];
        columns.extend(self.silence.columns(seen.iter().map(|(lane, _)| usize::from(lane.0))));
        state.put("clocks", VERSION, seen.iter().map(|(lane, _)| lane.0).collect(), columns);
    }

    fn restore(&mut self, state: &StateReader) -> Result<(), StateError> {
        for rows in state.rows("newest", VERSION)? {
            let (lanes, ids) = (rows.lanes()?, rows.strings("vehicle_id")?);
            let times = rows.primitive::<TimestampMicrosecondType>("event_time")?;
            // State of an older version lacks them.
            let doubts = rows.primitive::<Int64Type>("sure_time").ok().zip(rows.primitive::<Int64Type>("doubts").ok());
            for row in 0..rows.len() {
                let slot = self.vehicles.intern(ids.value(row), Lane(lanes.value(row)));
                self.reach(slot as usize + 1, 0);
                self.newest[slot as usize] = times.value(row);
                if let Some((sure, frames)) = doubts.filter(|(sure, _)| sure.is_valid(row)) {
                    let doubt = Doubt { at: times.value(row), before: sure.value(row), frames: frames.value(row) };
                    self.doubts.insert(slot, doubt);
                }
            }
        }
        for rows in state.rows("clocks", VERSION)? {
            let lanes = rows.lanes()?;
            let (clocks, held) = (rows.primitive::<Int64Type>("clock")?, rows.primitive::<Int64Type>("held")?);
            let seen = rows.primitive::<Int64Type>("seen").ok().zip(rows.primitive::<Int64Type>("seen_held").ok());
            let clock = |(now, held): (&Int64Array, &Int64Array), row: usize| {
                SteadyClock::restored(EventTime(now.value(row)), EventTime(held.value(row)))
            };
            for row in 0..rows.len() {
                let lane = usize::from(lanes.value(row));
                self.reach(0, lane + 1);
                self.clocks[lane] = clock((clocks, held), row);
                self.seen[lane] = clock(seen.unwrap_or((clocks, held)), row);
            }
        }
        Ok(())
    }
}
