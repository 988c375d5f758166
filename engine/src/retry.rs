//! Trying again what storage refuses: after waits that grow, for a limited time, and said. The one place that does.

use crate::health::Health;
use crate::run::with_causes;
use crate::time::{Clock, SystemClock, duration_text, monotonic_now};
use crate::trouble::{Verdict, advice, verdict};
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Name of the trouble in the run's status.
const STORAGE: &str = "storage";
/// The first wait, which doubles up to the longest.
const WAIT_FIRST: Duration = Duration::from_millis(100);
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Between two lines of the log that say that it still refuses.
const SAY_EVERY: Duration = Duration::from_secs(30);

/// Lets time pass between two tries: in a run by waiting, in a test by moving a clock on.
pub trait Pause: Send + Sync {
    /// Since some fixed moment; never goes back.
    fn elapsed(&self) -> Duration;

    fn pause(&self, wait: Duration);
}

/// Waits by the machine's clock.
#[derive(Debug)]
pub struct SystemPause(Instant);

impl Default for SystemPause {
    fn default() -> SystemPause {
        SystemPause(monotonic_now())
    }
}

impl Pause for SystemPause {
    fn elapsed(&self) -> Duration {
        monotonic_now() - self.0
    }

    fn pause(&self, wait: Duration) {
        let _ = crossbeam_channel::after(wait).recv();
    }
}

/// An error that can say more than what happened.
pub trait Failure: Error + Sized + 'static {
    fn with(self, more: &str) -> Self;
}

impl Failure for io::Error {
    fn with(self, more: &str) -> io::Error {
        io::Error::new(self.kind(), More { cause: self, more: more.to_owned() })
    }
}

impl Failure for object_store::Error {
    fn with(self, more: &str) -> object_store::Error {
        let source = Box::new(More { cause: self, more: more.to_owned() });
        object_store::Error::Generic { store: STORAGE, source }
    }
}

#[derive(Debug)]
struct More<E> {
    cause: E,
    more: String,
}

impl<E: Error> fmt::Display for More<E> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}{}", self.cause, self.more)
    }
}

impl<E: Error + 'static> Error for More<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

/// How a run meets storage that refuses. Before `begin` nothing is tried again: what is wrong at a start is told at once.
pub struct Retry {
    limit: Duration,
    /// For the status.
    clock: Arc<dyn Clock>,
    pause: Arc<dyn Pause>,
    health: Arc<Health>,
    /// Spreads the waits of engines that share a store.
    salt: u64,
    has_begun: AtomicBool,
}

impl Retry {
    /// Tries for so long after the first failure.
    pub fn new(limit: Duration, clock: Arc<dyn Clock>, pause: Arc<dyn Pause>, health: Arc<Health>, salt: u64) -> Retry {
        Retry { limit, clock, pause, health, salt, has_begun: AtomicBool::new(false) }
    }

    /// Tries once.
    pub fn off() -> Retry {
        let (clock, pause) = (Arc::new(SystemClock), Arc::new(SystemPause::default()));
        Retry::new(Duration::ZERO, clock, pause, Arc::default(), 0)
    }

    /// From here on.
    pub fn begin(&self) {
        self.has_begun.store(true, Ordering::Relaxed);
    }

    pub fn health(&self) -> &Arc<Health> {
        &self.health
    }

    /// Does something until it is done, never helps, or has been tried for too long. `attempt` must be such that doing it
    /// again after a failure is right, whatever the failed one did. `what` is a verb and its object: `write a/b`.
    pub fn run<T, E: Failure>(
        &self,
        what: impl fmt::Display,
        mut attempt: impl FnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        let mut trouble: Option<Trouble> = None;
        loop {
            let error = match attempt() {
                Ok(done) => {
                    trouble.iter().for_each(|trouble| self.mended(trouble));
                    return Ok(done);
                }
                Err(error) => error,
            };
            if !self.has_begun.load(Ordering::Relaxed) || verdict(&error) == Verdict::Never {
                return Err(error);
            }
            let now = self.pause.elapsed();
            let trouble = trouble.get_or_insert(Trouble { since: now, tries: 0, said: None });
            let left = (trouble.since + self.limit).saturating_sub(now);
            if left.is_zero() {
                return Err(error.with(&self.given_up()));
            }
            self.ails(trouble, now, &what, &error);
            self.pause.pause(self.wait(trouble.tries).min(left));
            trouble.tries += 1;
        }
    }

    /// Half to all of a time that doubles with each try: no two engines that were refused together come back together.
    fn wait(&self, tries: u32) -> Duration {
        let whole = WAIT_FIRST.saturating_mul(1 << tries.min(16)).min(WAIT_MAX);
        let bytes = [self.salt.to_le_bytes(), u64::from(tries).to_le_bytes()].concat();
        let share = (twox_hash::XxHash3_64::oneshot(&bytes) % 1024) as u32;
        whole / 2 + whole / 2 * share / 1024
    }

    fn ails(&self, trouble: &mut Trouble, now: Duration, what: &dyn fmt::Display, error: &(dyn Error + 'static)) {
        let (told, advice) = (with_causes(error), advice(error));
        let advice = if told.contains(advice) { "" } else { advice };
        let why = format!("{what}: {told}{advice}");
        if trouble.said.is_none_or(|said| now.saturating_sub(said) >= SAY_EVERY) {
            trouble.said = Some(now);
            let (limit, since) = (text(self.limit), text(now - trouble.since));
            tracing::warn!(
                "storage refuses, since {since}: {why}; tried again for up to {limit} while sources wait; nothing that was accepted is lost"
            );
        }
        self.health.ails(STORAGE, self.clock.now(), why);
    }

    fn mended(&self, trouble: &Trouble) {
        let refused = text(self.pause.elapsed().saturating_sub(trouble.since));
        tracing::info!("storage works again after {refused} ({} tries): the run goes on", trouble.tries + 1);
        self.health.mends(STORAGE, self.clock.now());
    }

    fn given_up(&self) -> String {
        format!(
            "; tried again for {} (retry_for), then stopped before the commit: the last commit is whole, start again once this \
             is mended",
            text(self.limit)
        )
    }
}

/// Something that has been refused.
struct Trouble {
    since: Duration,
    tries: u32,
    said: Option<Duration>,
}

/// Whole seconds, or milliseconds of what is shorter.
fn text(duration: Duration) -> String {
    let us = match duration.as_secs() {
        0 => duration.as_millis() as i64 * 1_000,
        seconds => seconds as i64 * 1_000_000,
    };
    duration_text(us)
}

#[cfg(test)]
mod tests;
