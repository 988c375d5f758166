//! How a run is: whether anything that it needs has been refusing, what, and since when.

use crate::time::EventTime;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a run says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Status {
    #[default]
    Ready,
    /// Something is being tried again; what is accepted waits, and is safe.
    Degraded {
        /// By our own clock.
        since: EventTime,
        why: String,
    },
    /// It has been told to end.
    Stopping,
}

impl Status {
    pub fn name(&self) -> &'static str {
        match self {
            Status::Ready => "ready",
            Status::Degraded { .. } => "degraded",
            Status::Stopping => "stopping",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Status::Degraded { why, .. } => write!(f, "degraded ({why})"),
            other => f.write_str(other.name()),
        }
    }
}

/// How often and how long something refused, over a whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Degraded {
    pub times: u64,
    pub for_us: i64,
}

/// Shared by those who meet trouble and those who tell of it.
#[derive(Debug, Default)]
pub struct Health(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// By what refuses, such as `storage`: since when, and why.
    troubles: BTreeMap<&'static str, (EventTime, String)>,
    is_stopping: bool,
    so_far: Degraded,
}

impl Health {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something refuses, or still does.
    pub fn ails(&self, what: &'static str, now: EventTime, why: String) {
        let mut state = self.lock();
        let is_new = !state.troubles.contains_key(what);
        state.so_far.times += u64::from(is_new);
        state.troubles.entry(what).or_insert((now, String::new())).1 = why;
    }

    /// It works again.
    pub fn mends(&self, what: &'static str, now: EventTime) {
        let mut state = self.lock();
        if let Some((since, _)) = state.troubles.remove(what) {
            state.so_far.for_us += now.0.saturating_sub(since.0).max(0);
        }
    }

    pub fn stops(&self) {
        self.lock().is_stopping = true;
    }

    /// Trouble is told also while the run stops: it is what the stop waits for.
    pub fn status(&self) -> Status {
        let state = self.lock();
        match state.troubles.values().min() {
            Some((since, why)) => Status::Degraded { since: *since, why: why.clone() },
            None if state.is_stopping => Status::Stopping,
            None => Status::Ready,
        }
    }

    /// Trouble that is over by now.
    pub fn so_far(&self) -> Degraded {
        self.lock().so_far
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_trouble_is_told_until_all_is_mended() {
        let health = Health::default();
        assert_eq!(health.status(), Status::Ready);
        health.ails("storage", EventTime(5), "full".to_owned());
        health.ails("broker", EventTime(7), "away".to_owned());
        health.ails("storage", EventTime(8), "still full".to_owned());
        assert_eq!(health.status(), Status::Degraded { since: EventTime(5), why: "still full".to_owned() });
        health.mends("storage", EventTime(9));
        health.stops();
        assert_eq!(health.status().to_string(), "degraded (away)");
        health.mends("broker", EventTime(9));
        health.mends("broker", EventTime(20));
        assert_eq!(health.status(), Status::Stopping);
        assert_eq!(health.so_far(), Degraded { times: 2, for_us: 6 });
    }
}
