//! The timeline: which accepted frames are late, and how far each lane's clock has come. Runs once a batch, right
//! after the operators that decide which frames are accepted.

use crate::effects::Effects;
use crate::frame::FrameBatch;
use crate::lane::Lane;
use crate::operator::{Operator, ShardContext};
use crate::state::{StateError, StateReader, StateWriter};
use crate::steady::SteadyClock;
use crate::time::EventTime;
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
    /// Lanes whose clock moved since `moved` was last called.
    moved: Vec<Lane>,
    is_moved: Vec<bool>,
    idle_after_us: i64,
}

impl Timeline {
    pub fn new(context: &ShardContext, idle_after_us: i64) -> Timeline {
        Timeline {
            vehicles: context.vehicles.clone(),
            newest: Vec::new(),
            clocks: Vec::new(),
            moved: Vec::new(),
            is_moved: Vec::new(),
            idle_after_us,
        }
    }

    /// A source's clock came to `now`: lanes silent for longer than `idle_after` follow at that distance.
    pub fn tick(&mut self, now: EventTime) {
        let floor = now.minus(self.idle_after_us).0;
        for lane in 0..self.clocks.len() {
            if !self.clocks[lane].now().is_unset() && self.clocks[lane].reach(floor) {
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
            if self.clocks[lane].see(*time) {
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
