//! The journal: what came over the network, as it came, in checksummed files, so that it can be read again after a
//! crash. One folder a partition; an entry is a datagram or a tick of the clock, and its number is its offset.
//!
//! Nobody waits for the disk: a thread syncs what was written, in groups, and acknowledgements wait for that
//! (`crate::acknowledge`). A block that a crash left half-written at the end is cut off at the next start.

mod block;
mod log;
mod replay;
mod segment;
mod sync;
#[cfg(test)]
mod tests;

pub use block::{Entry, Head};
pub use log::{Found, Log, end};
pub use replay::Replay;
pub use sync::{Group, Synced};

/// How a journal is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalConfig {
    /// `None`: what was written is left to the operating system, which keeps it when the process dies, but not when the
    /// machine does.
    pub sync: Option<Group>,
    /// A file that is this long is followed by another.
    pub segment_bytes: u64,
    /// Entries are kept so long, in microseconds, also when they are committed.
    pub keep_us: i64,
}
