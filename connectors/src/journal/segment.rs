//! The files of a journal: which there are, and reading their blocks.

use super::block::{HEAD_BYTES, Head, is_whole};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"RHUMBJ1\n";
/// Bytes before the first block: the mark of a journal, and the offset of the first entry.
pub const PREFACE_BYTES: u64 = 16;
const ENDING: &str = "journal";

/// A file of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    pub path: PathBuf,
    /// Offset of its first entry, which names it.
    pub first: i64,
}

impl Segment {
    pub fn new(folder: &Path, first: i64) -> Segment {
        Segment { path: folder.join(format!("{first:020}.{ENDING}")), first }
    }

    /// Makes the file, which must not be there.
    pub fn create(&self) -> io::Result<File> {
        let mut file = File::options().read(true).write(true).create_new(true).open(&self.path)?;
        let mut preface = Vec::from(MAGIC);
        preface.extend_from_slice(&self.first.to_le_bytes());
        file.write_all(&preface)?;
        Ok(file)
    }

    /// In order; a folder that is not there has none.
    pub fn list(folder: &Path) -> io::Result<Vec<Segment>> {
        let found = match std::fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            found => found?,
        };
        let mut segments = Vec::new();
        for entry in found {
            let path = entry?.path();
            let first = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            if let Some(first) = first.filter(|_| path.extension().is_some_and(|ending| ending == ENDING)) {
                segments.push(Segment { path, first });
            }
        }
        segments.sort_unstable_by_key(|segment| segment.first);
        Ok(segments)
    }
}

/// What comes next in a file.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// A whole block; its body is `Blocks::body`.
    Block(Head),
    /// The file ends after a block.
    End,
    /// What follows is no whole block.
    Torn,
}

/// Reads the blocks of a file.
pub struct Blocks {
    file: BufReader<File>,
    block: Vec<u8>,
    /// Bytes before the next block.
    pub read: u64,
    /// Offset of the next block's first entry.
    pub next: i64,
}

impl Blocks {
    /// `None`: the file does not begin as a journal's.
    pub fn open(segment: &Segment) -> io::Result<Option<Blocks>> {
        let mut file = BufReader::with_capacity(1 << 20, File::open(&segment.path)?);
        let mut preface = [0; PREFACE_BYTES as usize];
        if !read_whole(&mut file, &mut preface)? {
            return Ok(None);
        }
        let (magic, first) = preface.split_at(MAGIC.len());
        let is_ours = magic == MAGIC && first == segment.first.to_le_bytes();
        Ok(is_ours.then_some(Blocks { file, block: Vec::new(), read: PREFACE_BYTES, next: segment.first }))
    }

    pub fn next(&mut self) -> io::Result<Next> {
        let mut head = [0; HEAD_BYTES];
        if self.file.fill_buf()?.is_empty() {
            return Ok(Next::End);
        }
        if !read_whole(&mut self.file, &mut head)? {
            return Ok(Next::Torn);
        }
        let Some(found) = Head::of(&head).filter(|found| found.first == self.next) else { return Ok(Next::Torn) };
        self.block.clear();
        self.block.extend_from_slice(&head);
        self.block.resize(HEAD_BYTES + found.body_bytes, 0);
        if !read_whole(&mut self.file, &mut self.block[HEAD_BYTES..])? || !is_whole(&mut self.block) {
            return Ok(Next::Torn);
        }
        (self.read, self.next) = (self.read + self.block.len() as u64, found.end());
        Ok(Next::Block(found))
    }

    /// Of the block that `next` gave last.
    pub fn body(&self) -> &[u8] {
        &self.block[HEAD_BYTES.min(self.block.len())..]
    }
}

/// False if the file ends before.
fn read_whole(file: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(bytes) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| true),
    }
}
