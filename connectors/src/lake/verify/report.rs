//! What a verification found.

use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// A manifest, a state file or an account that cannot be used.
    Manifest,
    /// A table's log that cannot be read.
    Log,
    /// A commit that the log must have had and has not.
    MissingCommit,
    /// An epoch, or a file, that is in the log twice.
    DoubledCommit,
    /// A file that is named and not there.
    MissingFile,
    /// A file whose bytes are not those that were written.
    DamagedFile,
    /// A file that nothing names.
    Orphan,
    /// Rows that are too few or too many.
    Rows,
    /// frames in is not history + rejects.
    Frames,
    /// A number that is missing or there twice.
    Numbering,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    pub kind: Wrong,
    /// The file, relative to the data folder, or the table.
    pub at: String,
    pub detail: String,
}

/// Files of a table that its log names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct TableSum {
    pub files: u64,
    pub rows: u64,
    pub bytes: u64,
}

/// All that was found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub data: PathBuf,
    pub pipeline: String,
    /// Number of the newest manifest.
    pub manifest: u64,
    /// The last epoch that is committed.
    pub epoch: u64,
    pub tables: BTreeMap<String, TableSum>,
    pub problems: Vec<Problem>,
    /// What cannot be told, and what is no mistake and worth knowing.
    pub notes: Vec<String>,
}

/// Equal mistakes beyond these are counted, not listed.
const SHOWN_MAX: usize = 20;

impl Report {
    pub(super) fn wrong(&mut self, kind: Wrong, at: impl Into<String>, detail: impl Into<String>) {
        self.problems.push(Problem { kind, at: at.into(), detail: detail.into() });
    }

    pub(super) fn note(&mut self, what: impl Into<String>) {
        self.notes.push(what.into());
    }

    pub fn is_fine(&self) -> bool {
        self.problems.is_empty()
    }
}

/// For a person.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Report { data, pipeline, manifest, epoch, tables, problems, notes } = self;
        writeln!(f, "{}: pipeline {pipeline}, manifest {manifest}, epoch {epoch}", data.display())?;
        for (name, TableSum { files, rows, bytes }) in tables {
            writeln!(f, "  {name}: {rows} rows in {files} files, {bytes} bytes")?;
        }
        notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))?;
        let mut of_kind: BTreeMap<Wrong, usize> = BTreeMap::new();
        for Problem { kind, at, detail } in problems {
            let n = of_kind.entry(*kind).or_default();
            *n += 1;
            if *n <= SHOWN_MAX {
                writeln!(f, "wrong: {at}: {detail}")?;
            }
        }
        for (kind, n) in of_kind.into_iter().filter(|(_, n)| *n > SHOWN_MAX) {
            let name = serde_json::to_value(kind).unwrap_or_default();
            writeln!(f, "wrong: and {} more of the kind {}", n - SHOWN_MAX, name.as_str().unwrap_or_default())?;
        }
        match problems.len() {
            0 => f.write_str("ok"),
            1 => f.write_str("1 thing is wrong"),
            n => write!(f, "{n} things are wrong"),
        }
    }
}
