//! A shard's thread: runs the whole chain over each batch, for the lanes that are its own.

use crate::builder::Delivery;
use crate::current::CurrentShard;
use crate::effects::Effects;
use crate::message::{Barrier, BarrierKind, Message, Output, ReaderReport, ShardReport};
use crate::operator::{Operator, OperatorPlan, ShardContext};
use crate::reader::ToShard;
use crate::state::{StateError, StateReader, StateTable, StateWriter};
use crate::time::EventTime;
use crate::timeline::{self, Timeline};
use crossbeam_channel::{Receiver, Select, Sender};
use std::sync::Arc;

pub type ToWriter = Message<Output, ShardReport>;

/// The operators of a shard in their order, the timeline in its place among them.
pub struct Chain {
    index: usize,
    /// Decide which frames are accepted.
    accepting: Vec<(String, Box<dyn Operator>)>,
    timeline: Timeline,
    following: Vec<(String, Box<dyn Operator>)>,
    current: Arc<CurrentShard>,
    lateness_us: i64,
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
            timeline: Timeline::new(context, idle_after_us),
            following: build(following),
            current,
            lateness_us,
        }
    }

    /// `state` holds rows of this shard's lanes only.
    pub fn restore(&mut self, state: &[StateTable]) -> Result<(), StateError> {
        for (name, operator) in self.accepting.iter_mut().chain(&mut self.following) {
            operator.restore(&StateReader::new(state, name))?;
        }
        self.timeline.restore(&StateReader::new(state, timeline::NAME))?;
        self.current.restore(&StateReader::new(state, crate::current::NAME))
    }

    pub fn process(&mut self, delivery: Delivery) -> Output {
        let mut effects = Effects { rejects: delivery.rejects, ..Effects::default() };
        let mut frames = delivery.frames;
        for (_, operator) in &mut self.accepting {
            frames = operator.process(frames, &mut effects);
        }
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
            self.current.advance(least.unwrap_or(EventTime::MIN).minus(self.lateness_us));
        }
    }

    pub fn tick(&mut self, now: EventTime) -> Effects {
        let mut effects = Effects::default();
        self.timeline.tick(now);
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

    pub fn clocks(&self) -> Vec<(crate::lane::Lane, EventTime)> {
        self.timeline.clocks()
    }
}

/// What a shard needs to run: its chain, a channel from each reader, one to the writer.
pub struct Shard {
    pub chain: Chain,
    pub readers: Vec<Receiver<ToShard>>,
    pub writer: Sender<ToWriter>,
}

impl Shard {
    /// Runs until the last barrier, or until readers or writer are gone.
    pub fn run(mut self) {
        let mut reports: Vec<Option<(Barrier, Arc<ReaderReport>)>> = vec![None; self.readers.len()];
        loop {
            // A reader that has put its barrier is not listened to until all others have put theirs.
            let Some((reader, message)) = self.receive(|reader| reports[reader].is_none()) else { return };
            let sent = match message {
                Message::Data(delivery) => {
                    let output = self.chain.process(delivery);
                    self.writer.send(Message::Data(output))
                }
                Message::Tick(now) => {
                    let effects = self.chain.tick(now);
                    self.send_effects(effects).and_then(|()| self.writer.send(Message::Tick(now)))
                }
                Message::Barrier(barrier, report) => {
                    reports[reader] = Some((barrier, report));
                    if reports.iter().any(Option::is_none) {
                        continue;
                    }
                    let readers = reports.iter_mut().filter_map(Option::take).map(|(_, report)| report).collect();
                    let sent = self.pass_barrier(barrier, readers);
                    if barrier.kind != BarrierKind::Epoch {
                        return;
                    }
                    sent
                }
            };
            if sent.is_err() {
                return;
            }
        }
    }

    fn receive(&self, listening: impl Fn(usize) -> bool) -> Option<(usize, ToShard)> {
        if let [only] = &self.readers[..] {
            return only.recv().ok().map(|message| (0, message));
        }
        let open: Vec<usize> = (0..self.readers.len()).filter(|reader| listening(*reader)).collect();
        let mut select = Select::new();
        for reader in &open {
            select.recv(&self.readers[*reader]);
        }
        let chosen = select.select();
        let reader = open[chosen.index()];
        chosen.recv(&self.readers[reader]).ok().map(|message| (reader, message))
    }

    fn pass_barrier(
        &mut self,
        barrier: Barrier,
        readers: Vec<Arc<ReaderReport>>,
    ) -> Result<(), crossbeam_channel::SendError<ToWriter>> {
        if barrier.kind == BarrierKind::End {
            let effects = self.chain.end();
            self.send_effects(effects)?;
        }
        let report = ShardReport { readers, state: self.chain.snapshot(), clocks: self.chain.clocks() };
        self.writer.send(Message::Barrier(barrier, report))
    }

    fn send_effects(&self, effects: Effects) -> Result<(), crossbeam_channel::SendError<ToWriter>> {
        match effects.is_empty() {
            true => Ok(()),
            false => self.writer.send(Message::Data(Output::of_effects(self.chain.index, effects))),
        }
    }
}
