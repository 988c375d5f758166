//! A shard's thread: runs the whole chain over each batch, for the lanes that are its own.

use crate::builder::Delivery;
use crate::chain::Chain;
use crate::effects::Effects;
use crate::inputs::Inputs;
use crate::message::{Barrier, BarrierKind, Message, Output, ReaderReport, ShardReport};
use crate::reader::ToShard;
use crate::reference::Change;
use crossbeam_channel::Sender;
use std::sync::Arc;

pub type ToWriter = Message<Output, ShardReport>;

/// What a shard needs to run: its chain, a channel from each reader, one to the writer.
pub struct Shard {
    pub chain: Chain,
    pub readers: Inputs<Delivery, Arc<ReaderReport>>,
    pub writer: Sender<ToWriter>,
    /// What came after the state that the chain has taken up, before any frame.
    pub begin: Arc<[Change]>,
}

/// The writer is gone: the run is failing, and the writer says why.
struct Gone;

impl Shard {
    /// Runs until the last barrier, or until readers or writer are gone.
    pub fn run(mut self) {
        while let Some((reader, message)) = self.readers.receive() {
            if !self.take(reader, message).is_ok_and(|is_going_on| is_going_on) {
                return;
            }
        }
    }

    /// Takes one message of a reader, if there is one; false when the run is over.
    pub fn step(&mut self, reader: usize) -> bool {
        let Some(message) = self.readers.take(reader) else { return true };
        self.take(reader, message).is_ok_and(|is_going_on| is_going_on)
    }

    /// False after the last barrier.
    fn take(&mut self, reader: usize, message: ToShard) -> Result<bool, Gone> {
        for change in &*std::mem::take(&mut self.begin) {
            self.change(change)?;
        }
        match message {
            Message::Data(delivery) => {
                let output = self.chain.process(delivery, reader);
                self.send(Message::Data(output))?;
            }
            Message::Tick(tick) => {
                let effects = self.chain.tick(tick);
                self.send_effects(effects)?;
                self.send(Message::Tick(tick))?;
            }
            Message::Barrier(barrier, report) => {
                let Some(readers) = self.readers.put(reader, report) else { return Ok(true) };
                self.pass_barrier(barrier.clone(), readers)?;
                if barrier.kind != BarrierKind::Epoch {
                    return Ok(false);
                }
                // Behind the barrier, so that nobody sees what they mean before a manifest names them.
                barrier.changes.iter().try_for_each(|new| self.change(&new.change))?;
            }
        }
        Ok(true)
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
