//! Reading the alert log, also while it is written.

use super::record::Record;
use crate::journal::{Blocks, Entry, Next, Segment, entries};
use rhumb_engine::time::EventTime;
use std::io;
use std::path::{Path, PathBuf};

/// Reads alerts from a number on.
pub struct Tail {
    folder: PathBuf,
    /// Number of the next alert.
    next: i64,
    reading: Option<(Segment, Blocks)>,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tailed {
    Some,
    /// Nothing more for now.
    End,
    /// The alerts from this number on, up to the second, are not there any more.
    Gap(i64, i64),
}

impl Tail {
    pub fn new(folder: &Path, from: i64) -> Tail {
        Tail { folder: folder.to_owned(), next: from, reading: None }
    }

    /// Gives the next alerts, each with its number and when it was told.
    pub fn next(&mut self, mut on: impl FnMut(i64, EventTime, &Record)) -> io::Result<Tailed> {
        loop {
            let Some((segment, blocks)) = &mut self.reading else {
                match self.open()? {
                    Some(gap) => return Ok(gap),
                    None => continue,
                }
            };
            match blocks.next()? {
                Next::Block(head) if head.end() <= self.next => {}
                Next::Block(head) => {
                    for (number, entry) in (head.first..).zip(entries(blocks.body())) {
                        if let Entry::Record(bytes) = entry
                            && number >= self.next
                        {
                            let record = Record::decode(bytes).ok_or_else(|| unreadable(segment, number))?;
                            on(number, head.received_at, &record);
                        }
                    }
                    self.next = head.end();
                    return Ok(Tailed::Some);
                }
                torn => {
                    let newest = Segment::list(&self.folder)?.pop().map(|newest| newest.first);
                    if newest.is_none_or(|newest| newest <= segment.first) {
                        // Whoever writes may be half-way through a block.
                        blocks.again()?;
                        return Ok(Tailed::End);
                    }
                    if torn == Next::Torn {
                        return Err(unreadable(segment, blocks.next));
                    }
                    self.reading = None;
                }
            }
        }
    }

    /// Opens the file that holds the next alert, if it is there; else says what there is.
    fn open(&mut self) -> io::Result<Option<Tailed>> {
        let segments = Segment::list(&self.folder)?;
        let after = segments.partition_point(|segment| segment.first <= self.next);
        // The file before may have ended, and the next one begin later: what is between was never kept.
        let opened = match after.checked_sub(1) {
            Some(at) => Blocks::open(&segments[at])?.map(|blocks| (segments[at].clone(), blocks)),
            None => None,
        };
        match (opened, segments.get(after)) {
            (None, None) => Ok(Some(Tailed::End)),
            (Some((segment, mut blocks)), following) => {
                let ends =
                    following.map_or(Ok(None), |following| end_of(&segment).map(|end| Some((following, end))))?;
                match ends {
                    Some((following, end)) if end <= self.next => Ok(Some(self.skip_to(following.first))),
                    _ => {
                        blocks.again()?;
                        self.reading = Some((segment, blocks));
                        Ok(None)
                    }
                }
            }
            (None, Some(following)) => Ok(Some(self.skip_to(following.first))),
        }
    }

    fn skip_to(&mut self, first: i64) -> Tailed {
        let from = std::mem::replace(&mut self.next, first);
        Tailed::Gap(from, first)
    }
}

/// Number after the last alert of a file that is not written any more.
fn end_of(segment: &Segment) -> io::Result<i64> {
    let Some(mut blocks) = Blocks::open(segment)? else { return Ok(segment.first) };
    while let Next::Block(_) = blocks.next()? {}
    Ok(blocks.next)
}

fn unreadable(segment: &Segment, number: i64) -> io::Error {
    let detail = format!("{}: alert {number} is not as it was written", segment.path.display());
    io::Error::new(io::ErrorKind::InvalidData, detail)
}
