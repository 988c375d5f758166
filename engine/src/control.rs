//! How the run asks its readers for a barrier, and how they wait for one.

use crate::message::{Barrier, BarrierKind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// The barrier that every reader is to put into its channels next. Only the newest counts.
pub struct Control {
    newest: Mutex<Barrier>,
    changed: Condvar,
    /// Epoch of `newest`, to be looked at between polls without the lock.
    epoch: AtomicU64,
    /// Frames read since the run began, by all readers.
    frames: AtomicU64,
}

impl Control {
    /// `epoch` is the last that is committed.
    pub fn new(epoch: u64) -> Control {
        Control {
            newest: Mutex::new(Barrier { epoch, kind: BarrierKind::Epoch }),
            changed: Condvar::new(),
            epoch: AtomicU64::new(epoch),
            frames: AtomicU64::new(0),
        }
    }

    pub fn order(&self, barrier: Barrier) {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = barrier;
        self.epoch.store(barrier.epoch, Ordering::Release);
        self.changed.notify_all();
    }

    /// The barrier ordered after `epoch`, if there is one.
    pub fn ordered_after(&self, epoch: u64) -> Option<Barrier> {
        let newer = self.epoch.load(Ordering::Acquire) > epoch;
        newer.then(|| *self.newest.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// As `ordered_after`, but waits for one.
    pub fn wait_after(&self, epoch: u64, timeout: Duration) -> Option<Barrier> {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let older = |b: &mut Barrier| b.epoch <= epoch;
        let waited = self.changed.wait_timeout_while(newest, timeout, older);
        let (newest, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (newest.epoch > epoch).then_some(*newest)
    }

    /// Adds frames read, and gives how many there are now.
    pub fn add_frames(&self, frames: u64) -> u64 {
        self.frames.fetch_add(frames, Ordering::Relaxed) + frames
    }

    pub fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }
}
