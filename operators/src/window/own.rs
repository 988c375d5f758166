//! Sessions that are not keyed by vehicle, as far as each lane's own frames make them: what decides in a shard whether a
//! frame that comes late lies in an open one. What the merger knows more, depends on which lane came first.

use super::config::WindowConfig;
use super::key::Keys;
use super::open::{Open, Span};
use super::rows::RowPlan;
use super::state;
use rhumb_engine::state::{StateError, StateReader, StateWriter};

/// The sessions of a shard's lanes, without anything that is summed up.
pub struct Own {
    plan: RowPlan,
    /// By lane.
    lanes: Vec<Open>,
}

impl Own {
    pub fn new(config: &WindowConfig) -> Own {
        let bare = WindowConfig { aggregates: Vec::new(), ..config.clone() };
        Own { plan: RowPlan::new(&bare, &[]), lanes: Vec::new() }
    }

    fn lane(&mut self, lane: usize) -> &mut Open {
        if self.lanes.len() <= lane {
            self.lanes.resize_with(lane + 1, || Open::new(&self.plan, false));
        }
        &mut self.lanes[lane]
    }

    /// The open session that a frame lies in.
    pub fn holding(&self, lane: usize, time: i64, key: u32, watermark: i64) -> Option<Span> {
        let session = self.lanes.get(lane)?.session_for(time, key, watermark, &self.plan);
        // What would begin it earlier might lie near one of other lanes that has been let go.
        session.filter(|session| session.start <= time)
    }

    /// A frame was taken.
    pub fn add(&mut self, lane: usize, span: Span, key: u32, watermark: i64) {
        self.advance(lane, watermark);
        self.lanes[lane].cells(span, key, watermark, &self.plan);
    }

    /// Lets go of what takes no more frames.
    pub fn advance(&mut self, lane: usize, watermark: i64) {
        let due = self.lane(lane).due;
        if watermark >= due && watermark != i64::MAX {
            self.lanes[lane].fire(watermark, &self.plan, |_| {});
        }
    }

    /// Marks the keys that are in use.
    pub fn mark(&self, used: &mut [bool]) {
        self.lanes.iter().for_each(|open| open.mark(used));
    }

    /// Keys have new numbers: those in use all have one.
    pub fn renumber(&mut self, new: &[u32]) {
        self.lanes.iter_mut().for_each(|open| open.renumber(new));
    }

    pub fn snapshot(&self, keys: &Keys, state: &mut StateWriter) {
        let mut rows = state::Table::new(&self.plan);
        for (lane, open) in self.lanes.iter().enumerate() {
            open.for_each_group(&self.plan, |group| rows.push(lane as u16, 0, keys.values(group.key), &group));
        }
        rows.put(state);
    }

    pub fn restore(&mut self, keys: &mut Keys, state: &StateReader) -> Result<(), StateError> {
        let plan = self.plan.clone();
        state::read(state, &plan, |stored| {
            let key = keys.number(stored.key);
            let open = self.lane(usize::from(stored.lane));
            open.put_back(stored.group.of_key(key), &plan);
            // What is to be let go is found with the next frame.
            open.due = i64::MIN;
        })
    }
}
