//! What takes datagrams off a socket and writes them: the reader itself, or a stand-in while the reader is held up,
//! because a sink stands still or there is much to read again. So the journal, not the socket, keeps what comes then.

use super::journaled::Journaled;
use super::receiver::Receiver;
use rhumb_engine::threads::spawn;
use rhumb_engine::time::{Clock, EventTime, monotonic_now};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A reader that has not taken anything for so long is held up: far less than a receive buffer lasts.
const HELD_UP: Duration = Duration::from_millis(50);
/// Between two looks of the stand-in: while the reader does its work, and while it does not.
const LOOK_EVERY: Duration = Duration::from_millis(25);
const TAKE_EVERY: Duration = Duration::from_millis(1);
/// From then on it is worth a line of the log.
const SAY_AFTER: Duration = Duration::from_secs(5);
/// Datagrams between two looks at the kernel's counter of drops, which wraps at 2^32.
const DROPS_EVERY: u64 = 1 << 24;

/// A socket and its journal.
pub(super) struct Intake {
    pub receiver: Receiver,
    pub journal: Option<Journaled>,
    pub datagrams: u64,
    pub bytes: u64,
    clock: Arc<dyn Clock>,
    /// When the reader last took from the socket, and when it last took anything.
    tended: Instant,
    polled: Instant,
    /// It has been said that it is held up.
    is_said: bool,
    /// Why the stand-in ended.
    failed: Option<io::Error>,
}

impl Intake {
    pub fn new(receiver: Receiver, journal: Option<Journaled>, clock: Arc<dyn Clock>) -> Intake {
        let now = monotonic_now();
        Intake {
            receiver,
            journal,
            datagrams: 0,
            bytes: 0,
            clock,
            tended: now,
            polled: now,
            is_said: false,
            failed: None,
        }
    }

    /// Takes one system call's worth of datagrams, which then stand in the receiver and in the journal, if there is one. How
    /// many, and when they came; `None`: there are none, or the disk does not take them now.
    pub fn take(&mut self) -> io::Result<Option<(usize, EventTime)>> {
        // What could not be written is still there.
        let is_held = self.journal.as_ref().is_some_and(Journaled::holds);
        let count = if is_held { self.receiver.datagrams().count() } else { self.receiver.receive()? };
        if count == 0 {
            return Ok(None);
        }
        let mut received_at = self.clock.now();
        if let Some(journal) = &mut self.journal {
            match journal.write(self.receiver.datagrams(), received_at)? {
                Some(written_at) => received_at = written_at,
                None => return Ok(None),
            }
        }
        let before = self.datagrams;
        self.datagrams += count as u64;
        self.bytes += self.receiver.datagrams().map(|datagram| datagram.length as u64).sum::<u64>();
        if before / DROPS_EVERY != self.datagrams / DROPS_EVERY {
            self.receiver.kernel_drops();
        }
        Ok(Some((count, received_at)))
    }

    /// The reader takes from the socket now.
    pub fn tend(&mut self, source: &str) {
        self.tended = monotonic_now();
        if std::mem::take(&mut self.is_said) {
            tracing::info!(source, "the pipeline has taken what the journal kept for it");
        }
    }

    /// Takes what is there, until the reader wants to.
    fn stand_in(&mut self, source: &str, is_wanted: &AtomicBool) -> io::Result<bool> {
        let now = monotonic_now();
        if now.saturating_duration_since(self.tended) < HELD_UP {
            return Ok(false);
        }
        if now.saturating_duration_since(self.polled) >= SAY_AFTER && !self.is_said {
            self.is_said = true;
            tracing::warn!(source, "the pipeline takes no datagrams; they are kept in the journal until it does");
        }
        while !is_wanted.load(Ordering::Relaxed) && self.take()?.is_some() {}
        Ok(true)
    }
}

struct Shared {
    intake: Mutex<Intake>,
    /// The reader waits for the intake.
    is_wanted: AtomicBool,
    is_over: AtomicBool,
}

/// An intake and who stands in for the reader, which ends with it.
pub(super) struct Tended {
    shared: Arc<Shared>,
    stand_in: Option<JoinHandle<()>>,
}

impl Tended {
    pub fn new(intake: Intake) -> Tended {
        let (is_wanted, is_over) = (AtomicBool::new(false), AtomicBool::new(false));
        Tended { shared: Arc::new(Shared { intake: Mutex::new(intake), is_wanted, is_over }), stand_in: None }
    }

    pub fn lock(&self) -> MutexGuard<'_, Intake> {
        self.shared.is_wanted.store(true, Ordering::Relaxed);
        let intake = self.shared.intake.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.is_wanted.store(false, Ordering::Relaxed);
        intake
    }

    /// The reader takes something now, from wherever. Why the stand-in ended, if it did.
    pub fn poll(&self) -> Option<io::Error> {
        let mut intake = self.lock();
        intake.polled = monotonic_now();
        intake.failed.take()
    }

    /// From here on somebody stands in for a reader that is held up.
    pub fn stand_in(&mut self, name: String, source: Arc<str>) -> io::Result<()> {
        let shared = self.shared.clone();
        // The reader hears of its errors; nobody else waits for its end.
        let (ended, _) = crossbeam_channel::unbounded();
        self.stand_in = Some(spawn(name, ended, move || run(&shared, &source))?);
        Ok(())
    }
}

impl Drop for Tended {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        if let Some(thread) = self.stand_in.take() {
            thread.thread().unpark();
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

fn run(shared: &Shared, source: &str) {
    let mut every = LOOK_EVERY;
    loop {
        std::thread::park_timeout(every);
        if shared.is_over.load(Ordering::Acquire) {
            return;
        }
        let mut intake = match shared.intake.try_lock() {
            Ok(intake) => intake,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => continue,
        };
        match intake.stand_in(source, &shared.is_wanted) {
            Ok(is_held_up) => every = if is_held_up { TAKE_EVERY } else { LOOK_EVERY },
            Err(error) => {
                intake.failed = Some(error);
                return;
            }
        }
    }
}
