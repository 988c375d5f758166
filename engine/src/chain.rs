//! The chain: all operators of a shard in their order, the timeline in its place among them. No threads, no channels:
//! what a shard's thread runs, and what tests and benches run without one.

use crate::builder::Delivery;
use crate::current::{self, CurrentShard};
use crate::effects::Effects;
use crate::lane::Lane;
use crate::message::{Output, Tick};
use crate::operator::{Operator, OperatorPlan, ShardContext};
use crate::reference::Change;
use crate::state::{StateError, StateReader, StateTable, StateWriter};
use crate::time::EventTime;
use crate::timeline::{self, Resumed, Timeline};
use std::sync::Arc;

/// The operators of a shard in their order, the timeline in its place among them.
pub struct Chain {
    index: usize,
    /// Decide which frames are accepted.
    accepting: Vec<(String, Box<dyn Operator>)>,
    timeline: Timeline,
    following: Vec<(String, Box<dyn Operator>)>,
    current: Arc<CurrentShard>,
}

impl Chain {
    pub fn new(
        plans: &[Arc<dyn OperatorPlan>],
        context: &ShardContext,
        current: Arc<CurrentShard>,
        idle_after_us: i64,
        lateness_us: i64,
    ) -> Chain {
        let (accepting, following): (Vec<_>, Vec<_>) = plans.iter().partition(|plan| plan.accepts());
        let build = |plans: Vec<&Arc<dyn OperatorPlan>>| {
            plans.into_iter().map(|plan| (plan.name().to_owned(), plan.build(context))).collect()
        };
        Chain {
            index: context.shard,
            accepting: build(accepting),
            timeline: Timeline::new(context, idle_after_us, lateness_us),
            following: build(following),
            current,
        }
    }

    /// Number of the shard.
    pub fn index(&self) -> usize {
        self.index
    }

    /// `state` holds rows of this shard's lanes only; `readers` are those of this run, in their order.
    pub fn restore(&mut self, state: &[StateTable], readers: &[Resumed]) -> Result<(), StateError> {
        for (name, operator) in self.accepting.iter_mut().chain(&mut self.following) {
            operator.restore(&StateReader::new(state, name))?;
        }
        self.timeline.resume(&StateReader::new(state, timeline::NAME), readers)?;
        self.current.restore(&StateReader::new(state, current::NAME))
    }

    /// `reader` is whose ticks the lanes of these frames follow when they fall silent.
    pub fn process(&mut self, delivery: Delivery, reader: usize) -> Output {
        let mut effects = Effects { rejects: delivery.rejects, ..Effects::default() };
        let mut frames = delivery.frames;
        for (_, operator) in &mut self.accepting {
            frames = operator.process(frames, &mut effects);
        }
        self.timeline.hear(reader, &frames);
        frames = self.timeline.process(frames, &mut effects);
        for (_, operator) in &mut self.following {
            frames = operator.process(frames, &mut effects);
        }
        self.current.update(&frames);
        self.advance(&mut effects);
        Output { shard: self.index, frames, effects }
    }

    /// Tells operators how far lanes have come.
    fn advance(&mut self, effects: &mut Effects) {
        let moved = self.timeline.moved();
        for (lane, clock) in &moved {
            for (_, operator) in self.accepting.iter_mut().chain(&mut self.following) {
                operator.advance(*lane, *clock, effects);
            }
        }
        if !moved.is_empty() {
            let least = self.timeline.clocks().into_iter().map(|(_, clock)| clock).min();
            self.current.advance(least.unwrap_or(EventTime::MIN));
        }
    }

    pub fn tick(&mut self, tick: Tick) -> Effects {
        let mut effects = Effects::default();
        self.timeline.tick(tick);
        self.advance(&mut effects);
        effects
    }

    /// All input has ended: whatever waits for time to pass, happens. The lanes' clocks stay, because a later run may
    /// bring more.
    pub fn end(&mut self) -> Effects {
        let mut effects = Effects::default();
        for (lane, _) in self.timeline.clocks() {
            for (_, operator) in self.accepting.iter_mut().chain(&mut self.following) {
                operator.advance(lane, EventTime::MAX, &mut effects);
            }
        }
        effects
    }

    /// A version of a reference is in force from here on. Comes before `restore`, too, with the one that the state was made
    /// under.
    pub fn change(&mut self, change: &Change) -> Effects {
        let mut effects = Effects::default();
        for (_, operator) in self.accepting.iter_mut().chain(&mut self.following) {
            operator.change(change, &mut effects);
        }
        for moved in effects.zones_moved.drain(..) {
            self.current.change_zones(&moved);
        }
        effects
    }

    pub fn snapshot(&self) -> Vec<StateTable> {
        let mut state = StateWriter::default();
        for (name, operator) in self.accepting.iter().chain(&self.following) {
            state.begin(name);
            operator.snapshot(&mut state);
        }
        state.begin(timeline::NAME);
        self.timeline.snapshot(&mut state);
        self.current.snapshot(&mut state);
        state.finish()
    }

    pub fn clocks(&self) -> Vec<(Lane, EventTime)> {
        self.timeline.clocks()
    }
}
