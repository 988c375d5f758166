//! Sources: where frames come from.

use crate::builder::FrameBuilder;
use crate::time::{Clock, EventTime};
use arrow::datatypes::FieldRef;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Where reading goes on: the next unread offset of each partition.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Position {
    pub offsets: BTreeMap<String, i64>,
    /// The time of receipt of a recording that has none of its own: the start of its first run, kept ever after, so
    /// that reading it again gives the same frames.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_at: Option<EventTime>,
}

/// What a poll found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Polled {
    /// Frames or rejects were pushed.
    Some,
    /// Nothing came before the timeout.
    Nothing,
    /// The input has ended; there will never be more.
    End,
}

#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("source {source_name}: {action}")]
    Io {
        source_name: String,
        action: String,
        #[source]
        cause: std::io::Error,
    },
    /// What was whole has been delivered.
    #[error("source {source_name}: {detail}")]
    Damaged { source_name: String, detail: String },
}

/// One reader of a source. Called from one thread.
pub trait Source: Send {
    /// Pushes what is there, about one batch of it, of one partition; waits up to `timeout` if nothing is.
    /// After an error or `End` it is not polled again.
    fn poll(&mut self, out: &mut FrameBuilder, timeout: Duration) -> Result<Polled, SourceError>;

    /// Right after a poll: everything pushed so far is before it, everything else after.
    fn position(&self) -> Position;

    /// Called once, before the first poll.
    fn seek(&mut self, position: &Position) -> Result<(), SourceError>;

    /// Counters of its own since the start, such as `kernel_drops`.
    fn counters(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

/// How a source's time goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tempo {
    /// As the wall clock: silence means that time passes.
    Live,
    /// By the event times of its frames alone.
    Recorded,
}

/// A source as planned.
pub trait SourcePlan: Send + Sync {
    fn name(&self) -> &str;

    fn tempo(&self) -> Tempo;

    /// What `rhumb explain` says of it: codec, address, partitions.
    fn describe(&self) -> Vec<(String, String)>;

    /// Columns that its frames have beyond the core, in the order in which its codec numbers them.
    fn columns(&self) -> Vec<FieldRef> {
        Vec::new()
    }

    /// Opens it: one reader a thread.
    fn open(&self, clock: Arc<dyn Clock>) -> Result<Vec<Box<dyn Source>>, SourceError>;
}
