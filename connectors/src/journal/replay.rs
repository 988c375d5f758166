//! Reading a journal again: what came after the last commit.

use super::block::{Entry, Head, entries};
use super::segment::{Blocks, Next, Segment};
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

/// Entries from an offset on, up to another.
pub struct Replay {
    segments: VecDeque<Segment>,
    /// The file that is being read.
    blocks: Option<(Blocks, PathBuf)>,
    next: i64,
    end: i64,
    /// First entry of the newest file that is known.
    newest: i64,
}

impl Replay {
    pub fn new(segments: Vec<Segment>, offset: i64, end: i64) -> Replay {
        let mut segments = VecDeque::from(segments);
        while segments.get(1).is_some_and(|after| after.first <= offset) {
            segments.pop_front();
        }
        let newest = segments.back().map_or(i64::MIN, |segment| segment.first);
        Replay { segments, blocks: None, next: offset, end, newest }
    }

    /// There is more now, in the last file or in further ones. `segments`: all.
    pub fn go_on<'a>(&mut self, segments: impl Iterator<Item = &'a Segment>, end: i64) -> io::Result<()> {
        if end == self.end {
            return Ok(());
        }
        self.segments.extend(segments.filter(|segment| segment.first > self.newest).cloned());
        self.newest = self.segments.back().map_or(self.newest, |segment| segment.first);
        self.end = end;
        // What was behind the last whole block may have been half of one.
        self.blocks.as_mut().map_or(Ok(()), |(blocks, _)| blocks.again())
    }

    /// Gives the next block's entries that are asked for, with their offsets. False: there are no more.
    pub fn next(&mut self, mut on: impl FnMut(&Head, i64, Entry)) -> io::Result<bool> {
        loop {
            if self.next >= self.end {
                return Ok(false);
            }
            let Some((blocks, path)) = &mut self.blocks else {
                let Some(Segment { path, first }) = self.segments.pop_front() else {
                    return Err(missing(self.next, self.end));
                };
                if first > self.next {
                    return Err(missing(self.next, first));
                }
                let opened = Blocks::open(&Segment { path: path.clone(), first })?;
                let blocks = opened.ok_or_else(|| damaged(&path, 0))?;
                self.blocks = Some((blocks, path));
                continue;
            };
            match blocks.next()? {
                Next::End => self.blocks = None,
                Next::Torn => return Err(damaged(path, blocks.read)),
                Next::Block(head) if head.end() <= self.next => {}
                Next::Block(head) => {
                    for (offset, entry) in (head.first..).zip(entries(blocks.body())) {
                        if offset >= self.next {
                            on(&head, offset, entry);
                        }
                    }
                    self.next = head.end();
                    return Ok(true);
                }
            }
        }
    }
}

fn missing(first: i64, end: i64) -> io::Error {
    let detail = format!("entries {first} to {} are missing in the journal; was a file of it removed?", end - 1);
    io::Error::new(io::ErrorKind::InvalidData, detail)
}

fn damaged(path: &Path, at: u64) -> io::Error {
    let detail = format!("{}: what follows byte {at} is not as it was written", path.display());
    io::Error::new(io::ErrorKind::InvalidData, detail)
}
