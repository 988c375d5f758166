//! The alert log: gives alerts their numbers, and keeps them where they can be read as they arise, before their epoch is
//! committed. After a crash the same alerts arise again; those that stand in the log are known by their ids.

use crate::alert::AlertBatch;
use crate::sink::{SinkContext, SinkError};
use crate::time::Clock;
use std::sync::Arc;

/// What a manifest says of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogPosition {
    /// Number of the next alert.
    pub next: i64,
    /// Alerts of this number and later ones may stand in the log and will arise again: those before it are of committed
    /// epochs.
    pub unmatched: i64,
}

/// Called from the writer's thread only.
pub trait AlertLog: Send {
    /// Gives the alerts of a shard their numbers: those that stand in the log from before a crash keep theirs, the others
    /// are appended.
    fn number(&mut self, shard: usize, alerts: &AlertBatch) -> Result<Vec<i64>, SinkError>;

    /// Makes what was appended readable by others.
    fn write(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    /// Makes everything so far durable, before the manifest that names it. After the end of all input nothing will arise
    /// again.
    fn prepare(&mut self, is_end: bool) -> Result<LogPosition, SinkError>;

    /// The manifest that names the position stands.
    fn committed(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// A log as planned.
pub trait AlertLogPlan: Send + Sync {
    fn describe(&self) -> Vec<(String, String)>;

    /// The position is that of the last manifest.
    fn open(
        &self,
        context: &SinkContext,
        position: LogPosition,
        clock: Arc<dyn Clock>,
    ) -> Result<Box<dyn AlertLog>, SinkError>;
}

/// Numbers without a log: alerts are read from the lake alone, with their epoch.
#[derive(Debug)]
pub struct Unlogged {
    /// Number of the next alert.
    pub next: i64,
}

impl AlertLog for Unlogged {
    fn number(&mut self, _: usize, alerts: &AlertBatch) -> Result<Vec<i64>, SinkError> {
        let first = self.next;
        self.next += alerts.len() as i64;
        Ok((first..self.next).collect())
    }

    fn prepare(&mut self, _: bool) -> Result<LogPosition, SinkError> {
        Ok(LogPosition { next: self.next, unmatched: self.next })
    }
}
