//! How the run asks its readers for a barrier, and how they wait for one.

use crate::message::{Barrier, BarrierKind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// The barrier that every reader is to put into its channels next. Only the newest counts.
pub struct Control {
    newest: Mutex<Barrier>,
    changed: Condvar,
    /// Epoch of `newest`, to be looked at between polls without the lock.
    epoch: AtomicU64,
    /// Frames read since the run began, by all readers.
    frames: AtomicU64,
    /// Of those, how many came before the newest barrier was ordered.
    epoch_start: AtomicU64,
    /// Frames after which an epoch is full.
    epoch_rows: u64,
    /// Somebody has been told that this epoch is full.
    is_full: AtomicBool,
}

impl Control {
    /// `epoch` is the last that is committed; `epoch_rows` so many frames of all readers together fill one.
    pub fn new(epoch: u64, epoch_rows: u64) -> Control {
        Control {
            newest: Mutex::new(Barrier { epoch, kind: BarrierKind::Epoch, changes: Arc::default() }),
            changed: Condvar::new(),
            epoch: AtomicU64::new(epoch),
            frames: AtomicU64::new(0),
            epoch_start: AtomicU64::new(0),
            epoch_rows,
            is_full: AtomicBool::new(false),
        }
    }

    pub fn order(&self, barrier: Barrier) {
        self.epoch_start.store(self.frames(), Ordering::Release);
        self.is_full.store(false, Ordering::Release);
        let epoch = barrier.epoch;
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = barrier;
        self.epoch.store(epoch, Ordering::Release);
        self.changed.notify_all();
    }

    /// The barrier ordered after `epoch`, if there is one.
    pub fn ordered_after(&self, epoch: u64) -> Option<Barrier> {
        let newer = self.epoch.load(Ordering::Acquire) > epoch;
        newer.then(|| self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// As `ordered_after`, but waits for one.
    pub fn wait_after(&self, epoch: u64, timeout: Duration) -> Option<Barrier> {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let older = |b: &mut Barrier| b.epoch <= epoch;
        let waited = self.changed.wait_timeout_while(newest, timeout, older);
        let (newest, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (newest.epoch > epoch).then(|| newest.clone())
    }

    /// Adds frames read, and says whether the epoch is full now: true once an epoch, to whichever reader comes first.
    /// Readers that add just as a barrier is ordered may be told once too often, which makes an epoch short; none is
    /// missed for long, because whoever adds next looks again.
    #[must_use]
    pub fn add_frames(&self, frames: u64) -> bool {
        let all = self.frames.fetch_add(frames, Ordering::AcqRel) + frames;
        let in_epoch = all.saturating_sub(self.epoch_start.load(Ordering::Acquire));
        in_epoch >= self.epoch_rows
            && !self.is_full.load(Ordering::Acquire)
            && !self.is_full.swap(true, Ordering::AcqRel)
    }

    pub fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(epoch: u64) -> Barrier {
        Barrier { epoch, kind: BarrierKind::Epoch, changes: Arc::default() }
    }

    #[test]
    fn an_epoch_is_full_once_by_the_frames_of_all_readers_since_it_was_ordered() {
        let control = Control::new(0, 100);
        // Whoever adds is nobody's business: 60 of one reader, 60 of another.
        assert_eq!([60, 60, 500].map(|frames| control.add_frames(frames)), [false, true, false]);
        control.order(epoch(1));
        assert_eq!([99, 1, 1].map(|frames| control.add_frames(frames)), [false, true, false]);
        control.order(epoch(2));
        // One batch may hold many epochs' worth, and fills one.
        assert_eq!([1_000, 0].map(|frames| control.add_frames(frames)), [true, false]);
        control.order(epoch(3));
        assert_eq!([0, 99].map(|frames| control.add_frames(frames)), [false, false]);
        assert_eq!(control.frames(), 1_820);
    }
}
