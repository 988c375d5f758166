//! Sources: where frames come from.

use crate::builder::FrameBuilder;
use crate::lane::hash_of;
use crate::manifest::Partitions;
use crate::time::{Clock, EventTime};
use arrow::datatypes::FieldRef;
use std::collections::BTreeMap;
use std::fmt;
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
    /// How partitions begin that could be replaced by others of the same name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub heads: BTreeMap<String, Head>,
}

/// The first bytes of a partition, as records are counted in it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Head {
    pub bytes: u64,
    /// Of these bytes; a text, because readers of JSON may not hold 64 bits.
    hash: String,
}

impl Head {
    /// More than these are not looked at.
    pub const BYTES_MAX: usize = 4096;

    /// Of a partition that begins with `bytes`.
    pub fn of(bytes: &[u8]) -> Head {
        let bytes = &bytes[..bytes.len().min(Head::BYTES_MAX)];
        Head { bytes: bytes.len() as u64, hash: format!("{:016x}", hash_of(bytes)) }
    }

    /// Whether a partition that begins with `bytes` can be the one that this is of: it may have grown.
    pub fn begins(&self, bytes: &[u8]) -> bool {
        let length = usize::try_from(self.bytes).unwrap_or(usize::MAX);
        bytes.get(..length).is_some_and(|bytes| Head::of(bytes) == *self)
    }
}

/// Partitions that are named where all cannot be.
const PARTITIONS_SHOWN: usize = 4;

/// For the log: which partition goes on where.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        // What begins with a slash is a source's own, and no partition.
        let mut partitions = self.offsets.iter().filter(|(name, _)| !name.starts_with('/'));
        let shown: Vec<String> =
            partitions.by_ref().take(PARTITIONS_SHOWN).map(|(name, offset)| format!("{name} at {offset}")).collect();
        f.write_str(&shown.join(", "))?;
        match partitions.count() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
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

/// How far the clock of a source has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clocked {
    pub now: EventTime,
    /// For so long before it nothing ran, in microseconds.
    pub away_us: i64,
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

/// Counts what was dropped before it could be read, up to some limit where it begins anew: asked by any thread, also while
/// the reader waits.
pub type Shed = Box<dyn Fn() -> u32 + Send>;

/// One reader of a source. Called from one thread.
pub trait Source: Send {
    /// Pushes what is there, about one batch of it, of one partition; waits up to `timeout` if nothing is.
    /// After an error or `End` it is not polled again.
    fn poll(&mut self, out: &mut FrameBuilder, timeout: Duration) -> Result<Polled, SourceError>;

    /// Called once after the last poll of a live source that is told to stop, with a builder that holds nothing: pushes
    /// what was kept back because more could have come.
    fn stop(&mut self, _out: &mut FrameBuilder) {}

    /// Right after a poll or `stop`: everything pushed so far is before it, everything else after.
    fn position(&self) -> Position;

    /// Called once, before the first poll; with `Position::default()` where nothing is committed yet.
    fn seek(&mut self, position: &Position) -> Result<(), SourceError>;

    /// The epoch that ends at `position` is committed: nothing before it will be asked for again. Between two polls, in
    /// order of epochs, perhaps not for each; also after an error or `End`.
    fn committed(&mut self, position: &Position) {
        let _ = position;
    }

    /// How many records of each partition are there and not read, as far as it is known.
    fn lags(&self) -> Vec<(String, u64)> {
        Vec::new()
    }

    /// How to count what is dropped in front of it, if that can be.
    fn shed(&self) -> Option<Shed> {
        None
    }

    /// Whether a partition that is a lane has records and none of them has been read in this run: windows of all lanes
    /// wait for it.
    fn has_unheard(&self) -> bool {
        false
    }

    /// Between two polls of a live source, which may have been silent: how far the clock has come, if further than `last`,
    /// which was told before. A source that will be read again after a crash remembers where it said so, and says it
    /// there again.
    fn tick(&mut self, now: EventTime, last: EventTime) -> Option<Clocked> {
        (now > last).then_some(Clocked { now, away_us: 0 })
    }

    /// Whether ticks are told again after a crash, and with them how long nothing ran.
    fn remembers_ticks(&self) -> bool {
        false
    }

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
    /// Not at all: its frames are of the past, and say nothing of how far time has come.
    Timeless,
}

/// A source as planned.
pub trait SourcePlan: Send + Sync {
    fn name(&self) -> &str;

    fn tempo(&self) -> Tempo;

    /// Whether what is unread when a run is told to stop is there for the next run.
    fn keeps_unread(&self) -> bool {
        self.tempo() == Tempo::Recorded
    }

    /// Which partitions this instance is to read, of a source whose partitions are shared by instances; `None`: they cannot
    /// be shared.
    fn partitions(&self) -> Option<Partitions> {
        None
    }

    /// Under which name the manifest keeps its position: its own, but for sources that read beside another.
    fn position_name(&self) -> &str {
        self.name()
    }

    /// Columns that its frames have beyond the core, in the order in which its codec numbers them.
    fn columns(&self) -> Vec<FieldRef> {
        Vec::new()
    }

    /// Opens it: one reader a thread.
    fn open(&self, clock: Arc<dyn Clock>) -> Result<Vec<Box<dyn Source>>, SourceError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partition_is_known_by_its_head_as_long_as_it_only_grows() {
        let long: Vec<u8> = (0..5000u32).map(|n| (n % 251) as u8).collect();
        let mut other = long.clone();
        other[Head::BYTES_MAX - 1] ^= 1;
        let mut later = long.clone();
        later[Head::BYTES_MAX] ^= 1;
        for (was, is, same) in [
            (&long[..], &long[..], true),
            (&long[..10], &long[..], true),
            (&long[..], &later[..], true),
            (&long[..0], &long[..], true),
            (&long[..], &other[..], false),
            (&long[..10], &long[..9], false),
            (&long[..10], &other[1..], false),
        ] {
            assert_eq!(Head::of(was).begins(is), same, "{} and {} bytes", was.len(), is.len());
        }
    }

    #[test]
    fn position_names_a_few_partitions() {
        let offsets = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), 7)).collect();
        let text = |names| Position { offsets: offsets(names), ..Position::default() }.to_string();
        assert_eq!(text(&["/merged_up_to", "a", "b"]), "a at 7, b at 7");
        assert_eq!(text(&["a", "b", "c", "d", "e", "f"]), "a at 7, b at 7, c at 7, d at 7 and 2 more");
    }

    #[test]
    fn position_of_an_older_version_can_be_read() {
        let position: Position = serde_json::from_str(r#"{"offsets": {"a": 3}}"#).unwrap();
        assert_eq!(position, Position { offsets: [("a".to_owned(), 3)].into(), ..Position::default() });
    }
}
