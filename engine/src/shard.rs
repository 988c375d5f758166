//! A shard's thread: runs the whole chain over each batch, for the lanes that are its own.

use crate::chain::Chain;
use crate::effects::Effects;
use crate::message::{Barrier, BarrierKind, Message, Output, ReaderReport, ShardReport};
use crate::reader::ToShard;
use crate::reference::Change;
use crossbeam_channel::{Receiver, Select, Sender};
use std::sync::Arc;

pub type ToWriter = Message<Output, ShardReport>;

/// What a shard needs to run: its chain, a channel from each reader, one to the writer.
pub struct Shard {
    pub chain: Chain,
    pub readers: Vec<Receiver<ToShard>>,
    pub writer: Sender<ToWriter>,
    /// What came after the state that the chain has taken up, before any frame.
    pub begin: Arc<[Change]>,
}

/// The writer is gone: the run is failing, and the writer says why.
struct Gone;

impl Shard {
    /// Runs until the last barrier, or until readers or writer are gone.
    pub fn run(mut self) {
        let begin = std::mem::take(&mut self.begin);
        if begin.iter().try_for_each(|change| self.change(change)).is_err() {
            return;
        }
        let mut reports: Vec<Option<(Barrier, Arc<ReaderReport>)>> = vec![None; self.readers.len()];
        loop {
            // A reader that has put its barrier is not listened to until all others have put theirs.
            let Some((reader, message)) = self.receive(|reader| reports[reader].is_none()) else { return };
            let sent = match message {
                Message::Data(delivery) => {
                    let output = self.chain.process(delivery, reader);
                    self.send(Message::Data(output))
                }
                Message::Tick(tick) => {
                    let effects = self.chain.tick(tick);
                    self.send_effects(effects).and_then(|()| self.send(Message::Tick(tick)))
                }
                Message::Barrier(barrier, report) => {
                    reports[reader] = Some((barrier.clone(), report));
                    if reports.iter().any(Option::is_none) {
                        continue;
                    }
                    let readers = reports.iter_mut().filter_map(Option::take).map(|(_, report)| report).collect();
                    let sent = self.pass_barrier(barrier.clone(), readers);
                    if barrier.kind != BarrierKind::Epoch {
                        return;
                    }
                    // Behind the barrier, so that nobody sees what they mean before a manifest names them.
                    sent.and_then(|()| barrier.changes.iter().try_for_each(|new| self.change(&new.change)))
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

    fn pass_barrier(&mut self, barrier: Barrier, readers: Vec<Arc<ReaderReport>>) -> Result<(), Gone> {
        if barrier.kind == BarrierKind::End {
            let effects = self.chain.end();
            self.send_effects(effects)?;
        }
        let report = ShardReport { readers, state: self.chain.snapshot(), clocks: self.chain.clocks() };
        self.send(Message::Barrier(barrier, report))
    }

    /// Of several readers' barriers all carry the same changes.
    fn change(&mut self, change: &Change) -> Result<(), Gone> {
        let effects = self.chain.change(change);
        self.send_effects(effects)
    }

    fn send(&self, message: ToWriter) -> Result<(), Gone> {
        self.writer.send(message).map_err(|_| Gone)
    }

    fn send_effects(&self, effects: Effects) -> Result<(), Gone> {
        match effects.is_empty() {
            true => Ok(()),
            false => self.send(Message::Data(Output::of_effects(self.chain.index(), effects))),
        }
    }
}
