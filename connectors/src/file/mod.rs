//! The file source: recordings, plain or compressed, one or many, as fast as they can be read or at a chosen pace.
//!
//! One file is one partition. Many files are merged by event time into one stream of frames, in which each frame and
//! reject still names its file; the position is one of each file: see `merge`.

mod head;
mod merge;
mod pace;
mod paths;
mod reader;
mod recording;
mod stream;
#[cfg(test)]
mod tests;
mod track;

pub use head::{Head, head};
pub use pace::{Pause, Speed};
pub use paths::{NotFound, find};

use crate::MakeCodec;
use arrow::datatypes::FieldRef;
use merge::Merge;
use pace::Pace;
use paths::Inputs;
use reader::{FileReader, Reading};
use recording::Recording;
use rhumb_engine::source::{Source, SourceError, SourcePlan, Tempo};
use rhumb_engine::time::Clock;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stream::Stream;

/// Files that are read at the same time, and so files that one pattern may match.
pub const FILES_MAX: usize = 256;

/// Bytes read at a time, from one file and from each of many.
const CHUNK_BYTES: usize = 1 << 20;
const CHUNK_BYTES_OF_MANY: usize = 128 << 10;

/// What `[source.file]` means once checked.
#[derive(Debug, Clone, PartialEq)]
pub struct FileConfig {
    /// A file, or a pattern such as `day-*/*.csv.gz` (`*`, `?`, `[a-z]`, `**`).
    pub path: PathBuf,
    pub speed: Speed,
}

/// A file that is read as a whole, such as zones or a table: unpacked as recordings are.
pub struct Unpacked(Stream);

impl Unpacked {
    pub fn open(path: &Path) -> io::Result<Unpacked> {
        Stream::open(path).map(Unpacked)
    }
}

impl io::Read for Unpacked {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.0.read(room)
    }
}

/// Why a file cannot be read on. What was whole before has been delivered.
#[derive(Debug)]
enum Failure {
    Io { action: String, cause: io::Error },
    Damaged(String),
}

impl Failure {
    fn io(action: impl Into<String>, cause: io::Error) -> Failure {
        Failure::Io { action: action.into(), cause }
    }

    fn of_source(self, source: &str) -> SourceError {
        let source_name = source.to_owned();
        match self {
            Failure::Io { action, cause } => SourceError::Io { source_name, action, cause },
            Failure::Damaged(detail) => SourceError::Damaged { source_name, detail },
        }
    }
}

/// The source as planned. Files are found and opened by `open`.
pub struct FilePlan {
    name: Arc<str>,
    config: FileConfig,
    make_codec: MakeCodec,
    columns: Vec<FieldRef>,
    pause: Pause,
}

impl FilePlan {
    #[allow(clippy::disallowed_methods, reason = "the pause of a recording that is played at a pace")]
    pub fn new(name: &str, config: FileConfig, make_codec: MakeCodec) -> FilePlan {
        let pause = Arc::new(std::thread::sleep);
        FilePlan { name: name.into(), config, make_codec, columns: Vec::new(), pause }
    }

    /// Columns of the codec beyond the core: `CodecConfig::columns`.
    pub fn with_columns(self, columns: Vec<FieldRef>) -> FilePlan {
        FilePlan { columns, ..self }
    }

    /// With something else than sleeping to let time pass: tests move their clock on.
    pub fn with_pause(self, pause: Pause) -> FilePlan {
        FilePlan { pause, ..self }
    }

    fn recordings(&self, inputs: Inputs, chunk_bytes: usize) -> Result<Vec<Recording>, Failure> {
        let open = |input| Recording::open(input, (self.make_codec)(), chunk_bytes);
        inputs.files.into_iter().map(open).collect()
    }

    fn read(&self, clock: Arc<dyn Clock>) -> Result<FileReader, Failure> {
        let path = &self.config.path;
        let inputs =
            Inputs::find(path).map_err(|cause| Failure::io(format!("open {}", path.display()), cause.into()))?;
        let received_at = clock.now();
        let (many, name) = (inputs.files.len() > 1, inputs.name.clone());
        let chunk_bytes = if many { CHUNK_BYTES_OF_MANY } else { CHUNK_BYTES };
        let mut recordings = self.recordings(inputs, chunk_bytes)?;
        let pace = match self.config.speed {
            Speed::Max => None,
            Speed::Times(times) => Some(Pace::new(times, clock, self.pause.clone())),
        };
        let reading = match (recordings.pop(), &pace) {
            (Some(only), None) if !many => Reading::One(Box::new(only)),
            (last, _) => {
                recordings.extend(last);
                Reading::Merged(Box::new(Merge::new(&name, recordings, self.columns.clone())), pace)
            }
        };
        Ok(FileReader::new(self.name.clone(), reading, received_at))
    }
}

impl SourcePlan for FilePlan {
    fn name(&self) -> &str {
        &self.name
    }

    fn tempo(&self) -> Tempo {
        Tempo::Recorded
    }

    fn columns(&self) -> Vec<FieldRef> {
        self.columns.clone()
    }

    fn open(&self, clock: Arc<dyn Clock>) -> Result<Vec<Box<dyn Source>>, SourceError> {
        let reader = self.read(clock).map_err(|failure| failure.of_source(&self.name))?;
        Ok(vec![Box::new(reader)])
    }
}
