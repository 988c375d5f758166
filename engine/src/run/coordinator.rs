//! The coordinator: says when an epoch ends and when the run does. It waits for nothing and runs no threads; it is told
//! what happened.

use super::{Progress, Until, with_causes};
use crate::control::Control;
use crate::message::{Barrier, BarrierKind};
use crate::reader::ReaderEvent;
use crate::reference::Followed;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub struct Coordinator {
    control: Arc<Control>,
    progress: Arc<Progress>,
    /// Versions that wait for a barrier.
    pub references: Followed,
    /// The last that was ordered.
    epoch: u64,
    readers: usize,
    ended: usize,
    until: Until,
    /// A barrier must reach every reader before the next is ordered.
    is_under_way: bool,
    is_due: bool,
    is_to_stop: bool,
    damaged: Vec<String>,
    last: Option<BarrierKind>,
}

impl Coordinator {
    /// `epoch` is the last that is committed.
    pub fn new(
        control: Arc<Control>,
        progress: Arc<Progress>,
        references: Followed,
        epoch: u64,
        readers: usize,
    ) -> Coordinator {
        Coordinator {
            control,
            progress,
            references,
            epoch,
            readers,
            ended: 0,
            until: Until::Stopped,
            is_under_way: false,
            is_due: false,
            is_to_stop: false,
            damaged: Vec::new(),
            last: None,
        }
    }

    /// When the run ends by itself.
    pub fn ends(&mut self, until: Until) {
        self.until = until;
    }

    /// Whether nothing more will come from any source.
    pub fn has_all_input_ended(&self) -> bool {
        self.ended == self.readers
    }

    pub fn hear(&mut self, event: ReaderEvent) {
        match event {
            ReaderEvent::EpochFull => self.is_due = true,
            ReaderEvent::Ended(how) => {
                self.ended += 1;
                if let Err(error) = how {
                    tracing::error!("{}", with_causes(&error));
                    self.damaged.push(with_causes(&error));
                }
            }
        }
    }

    /// The barrier under way is committed; epochs go on after this one.
    pub fn hear_committed(&mut self, epoch: u64) {
        self.is_under_way = false;
        self.epoch = self.epoch.max(epoch);
        self.progress.epochs.fetch_add(1, Ordering::Relaxed);
        self.references.committed();
    }

    /// The epoch has been open for long enough.
    pub fn epoch_is_due(&mut self) {
        self.is_due = true;
    }

    /// The run is to end, whatever is still unread.
    pub fn stop(&mut self) {
        self.is_to_stop = true;
    }

    /// What is under way will not be committed: who should do it is gone.
    pub fn forsake(&mut self) {
        self.is_under_way = false;
    }

    /// Orders the barrier that is due, if the one before has been committed.
    ///
    /// A source that fails ends there; the others run on. Once all have ended and one has failed, there is nothing to
    /// wait for, so the run ends too; windows stay open then, for the rest of that input.
    pub fn order_what_is_due(&mut self) {
        if self.is_under_way || self.last.is_some() {
            return;
        }
        let ends = self.has_all_input_ended() && (self.until != Until::Stopped || !self.damaged.is_empty());
        if ends || self.is_to_stop {
            let is_whole = ends && self.until == Until::End && self.damaged.is_empty();
            let kind = if is_whole { BarrierKind::End } else { BarrierKind::Stop };
            self.last = Some(kind);
            self.order(kind);
        } else if std::mem::take(&mut self.is_due) {
            self.is_under_way = true;
            self.order(BarrierKind::Epoch);
        }
    }

    fn order(&mut self, kind: BarrierKind) {
        self.epoch += 1;
        // What waits at the end of a run is found by the next one.
        let changes = if kind == BarrierKind::Epoch { self.references.take_waiting() } else { Arc::default() };
        self.control.order(Barrier { epoch: self.epoch, kind, changes });
    }

    /// Kind of the last barrier, once it is ordered.
    pub fn last(&self) -> Option<BarrierKind> {
        self.last
    }

    /// What was wrong with inputs that were not whole.
    pub fn damaged(&self) -> Option<String> {
        (!self.damaged.is_empty()).then(|| self.damaged.join("; "))
    }
}
