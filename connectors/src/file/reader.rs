//! The reader of a file source.

use super::Failure;
use super::merge::{Merge, Stopped};
use super::pace::Pace;
use super::recording::Recording;
use rhumb_engine::builder::FrameBuilder;
use rhumb_engine::source::{Polled, Position, Source, SourceError};
use rhumb_engine::time::EventTime;
use std::sync::Arc;
use std::time::Duration;

/// A poll ends once it has this many frames and rejects, or a few thousand more.
const POLL_FRAMES: usize = 16_384;

/// How the files are read.
pub(super) enum Reading {
    /// Straight from the codec into the columns of the shards.
    One(Box<Recording>),
    /// Through a private batch of each file, to be merged or held back.
    Merged(Box<Merge>, Option<Pace>),
}

pub(super) struct FileReader {
    source: Arc<str>,
    reading: Reading,
    /// Time of receipt of frames that have none of their own: when the first run began.
    received_at: EventTime,
}

impl FileReader {
    pub fn new(source: Arc<str>, reading: Reading, received_at: EventTime) -> FileReader {
        FileReader { source, reading, received_at }
    }

    fn fill(&mut self, out: &mut FrameBuilder, timeout: Duration) -> Result<Polled, Failure> {
        let before = out.len();
        match &mut self.reading {
            Reading::One(recording) => {
                if out.is_empty() {
                    out.set_partition(recording.name.as_str().into(), None);
                }
                let more = recording.decode(POLL_FRAMES, self.received_at, out)?;
                let pushed = out.len() > before;
                Ok(if pushed || more { Polled::Some } else { Polled::End })
            }
            Reading::Merged(merge, pace) => play(merge, pace.as_mut(), self.received_at, out, timeout),
        }
    }
}

fn play(
    merge: &mut Merge,
    mut pace: Option<&mut Pace>,
    received_at: EventTime,
    out: &mut FrameBuilder,
    timeout: Duration,
) -> Result<Polled, Failure> {
    let before = out.len();
    let mut left = timeout;
    loop {
        let stopped = merge.hand_on(POLL_FRAMES, received_at, pace.as_deref_mut(), out);
        if out.len() > before {
            return Ok(Polled::Some);
        }
        match (stopped, &pace) {
            (Stopped::Early(wait), Some(pace)) if !left.is_zero() => {
                let step = wait.min(left);
                pace.pause(step);
                left -= step;
            }
            (Stopped::End, _) => return merge.take_failure().map_or(Ok(Polled::End), Err),
            _ => return Ok(Polled::Nothing),
        }
    }
}

impl Source for FileReader {
    fn poll(&mut self, out: &mut FrameBuilder, timeout: Duration) -> Result<Polled, SourceError> {
        self.fill(out, timeout).map_err(|failure| failure.of_source(&self.source))
    }

    fn position(&self) -> Position {
        let position = match &self.reading {
            Reading::One(recording) => Position {
                offsets: [(recording.name.clone(), recording.offset())].into(),
                heads: recording.head().into_iter().collect(),
                received_at: None,
            },
            Reading::Merged(merge, _) => merge.position(),
        };
        Position { received_at: Some(self.received_at), ..position }
    }

    /// A file that the position does not name is read from its head.
    fn seek(&mut self, position: &Position) -> Result<(), SourceError> {
        // What is wrong with a file's beginning is for the first poll to say.
        if *position == Position::default() {
            return Ok(());
        }
        self.received_at = position.received_at.unwrap_or(self.received_at);
        let sought = match &mut self.reading {
            Reading::One(recording) => recording.seek(position),
            Reading::Merged(merge, _) => merge.seek(position),
        };
        sought.map_err(|failure| failure.of_source(&self.source))
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        match &self.reading {
            Reading::One(recording) => recording.counters(),
            Reading::Merged(merge, _) => merge.counters(),
        }
    }
}
