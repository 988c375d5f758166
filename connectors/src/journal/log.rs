//! The journal of one partition: appending, and what it holds when it is opened.

use super::JournalConfig;
use super::block::{BlockWriter, Entry, Head, entries};
use super::replay::Replay;
use super::segment::{Blocks, Next, PREFACE_BYTES, Segment};
use super::sync::{Synced, Syncer};
use rhumb_engine::time::EventTime;
use rhumb_engine::trouble::unsettled;
use std::cell::Cell;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Appends to the newest file, and removes old ones.
pub struct Log {
    folder: PathBuf,
    config: JournalConfig,
    block: BlockWriter,
    /// With the time of its newest entry, the newest file last.
    segments: VecDeque<(Segment, EventTime)>,
    /// The newest file, and its bytes; none before the first entry.
    file: Option<(Arc<File>, u64)>,
    /// Offset of the next entry.
    next: i64,
    syncer: Option<Syncer>,
    written_bytes: u64,
    /// Half a block may stand at the end of the newest file.
    is_torn: bool,
    /// Of the newest tick in the newest file.
    ticked: Option<EventTime>,
    /// A sync has failed.
    unsettled: Cell<Option<io::ErrorKind>>,
}

/// What was found when a journal was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Offset of the oldest entry; that of the next one if there is none.
    pub first: i64,
    /// Offset of the next entry.
    pub next: i64,
    /// Bytes at the end that were no whole block, and have been cut off.
    pub cut_bytes: u64,
}

impl Log {
    /// Opens the journal in a folder, which is made if it is not there, and cuts off what a crash left half-written.
    pub fn open(folder: &Path, config: JournalConfig) -> io::Result<(Log, Found)> {
        std::fs::create_dir_all(folder)?;
        let mut segments: VecDeque<(Segment, EventTime)> = VecDeque::new();
        for segment in Segment::list(folder)? {
            let newest = modified(&segment.path)?;
            segments.push_back((segment, newest));
        }
        let (mut next, mut cut_bytes, mut file, mut ticked) = (0, 0, None, None);
        while let Some((segment, _)) = segments.back() {
            let bytes = std::fs::metadata(&segment.path)?.len();
            let Some((whole, newest_tick)) = whole_blocks(segment)? else {
                // A crash came between making the file and its first bytes.
                cut_bytes += bytes;
                std::fs::remove_file(&segment.path)?;
                segments.pop_back();
                continue;
            };
            let open = File::options().append(true).open(&segment.path)?;
            if whole.read < bytes {
                cut_bytes += bytes - whole.read;
                open.set_len(whole.read)?;
                open.sync_all()?;
            }
            (next, file, ticked) = (whole.next, Some((Arc::new(open), whole.read)), newest_tick);
            break;
        }
        let first = segments.front().map_or(next, |(segment, _)| segment.first);
        let log = Log {
            folder: folder.to_owned(),
            config,
            block: BlockWriter::default(),
            segments,
            file,
            next,
            syncer: None,
            written_bytes: 0,
            is_torn: false,
            ticked,
            unsettled: Cell::default(),
        };
        Ok((log, Found { first, next, cut_bytes }))
    }

    /// Gets ready to append, the next entry having the offset `next` or, if it holds more, the one after the last.
    pub fn start(&mut self, partition: &str, next: i64) -> io::Result<()> {
        if next > self.next {
            // The entries in between are committed, and were lost here with the machine's memory.
            (self.next, self.file) = (next, None);
        }
        if let Some(group) = self.config.sync {
            // What an earlier process has written counts as safe from here on.
            self.sync()?;
            self.syncer = Some(Syncer::start(format!("rhumb-journal-{partition}"), group, self.next)?);
        }
        Ok(())
    }

    /// How far it is synced; `None` if it is not to be.
    pub fn synced(&self) -> Option<Synced> {
        self.syncer.as_ref().map(Syncer::synced)
    }

    /// Offset of the next entry.
    pub fn next(&self) -> i64 {
        self.next
    }

    /// When the clock was last told before it was opened, if that is in the newest file.
    pub fn ticked(&self) -> Option<EventTime> {
        self.ticked
    }

    /// Bytes of all blocks since it was opened.
    pub fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    /// Reads what is in it from `offset` on.
    pub fn replay(&self, offset: i64) -> Replay {
        Replay::new(self.segments.iter().map(|(segment, _)| segment.clone()).collect(), offset, self.next)
    }

    /// Goes on with a reading, up to what is in it now.
    pub fn follow(&self, replay: &mut Replay) -> io::Result<()> {
        replay.go_on(self.segments.iter().map(|(segment, _)| segment), self.next)
    }

    /// What came in the time before the entry at `offset`, as far as its file and the one before it go back.
    pub fn recall(&self, offset: i64, for_us: i64, mut on: impl FnMut(&Head, i64, Entry)) -> io::Result<()> {
        let offset = offset.min(self.next);
        let after = self.segments.partition_point(|(segment, _)| segment.first < offset);
        let files = || self.segments.range(after.saturating_sub(2)..after).map(|(segment, _)| segment.clone());
        let Some(first) = files().map(|segment| segment.first).next() else { return Ok(()) };
        let replay = || Replay::new(files().collect(), first, offset);
        let mut newest = EventTime::MIN;
        let mut blocks = replay();
        while blocks.next(|head, at, _| newest = if at < offset { head.received_at } else { newest })? {}
        let since = newest.minus(for_us);
        let mut blocks = replay();
        while blocks.next(|head, at, entry| {
            if at < offset && head.received_at >= since {
                on(head, at, entry);
            }
        })? {}
        Ok(())
    }

    /// An entry of the block that `write` will write.
    pub fn push(&mut self, entry: Entry) {
        self.block.push(entry);
    }

    /// Writes what was pushed as one block. After an error nothing of it is there.
    pub fn write(&mut self, received_at: EventTime) -> io::Result<()> {
        self.try_write(received_at).inspect_err(|_| self.block.clear())
    }

    /// As `write`, but after an error what was pushed is still to be written.
    pub fn try_write(&mut self, received_at: EventTime) -> io::Result<()> {
        let entries = self.block.entries();
        if entries == 0 {
            return Ok(());
        }
        self.append(received_at)?;
        self.block.clear();
        self.next += i64::from(entries);
        if let Some((_, newest)) = self.segments.back_mut() {
            *newest = received_at.max(*newest);
        }
        Ok(())
    }

    fn append(&mut self, received_at: EventTime) -> io::Result<()> {
        if let Some(failure) = self.syncer.as_ref().and_then(Syncer::failure) {
            return Err(unsettled(failure));
        }
        if self.file.as_ref().is_none_or(|(_, bytes)| *bytes >= self.config.segment_bytes) {
            self.begin_segment(received_at)?;
        }
        let Some((file, bytes)) = &mut self.file else { unreachable!("a segment was begun") };
        // What comes behind half a block is lost with it at the next start.
        if self.is_torn {
            file.set_len(*bytes)?;
            self.is_torn = false;
        }
        let block = self.block.finish(self.next, received_at);
        if let Err(error) = (&**file).write_all(block) {
            self.is_torn = file.set_len(*bytes).is_err();
            return Err(error);
        }
        *bytes += block.len() as u64;
        self.written_bytes += block.len() as u64;
        if let Some(syncer) = &self.syncer {
            syncer.wrote(file, block.len() as u64, self.next + i64::from(self.block.entries()));
        }
        Ok(())
    }

    fn begin_segment(&mut self, received_at: EventTime) -> io::Result<()> {
        self.sync()?;
        let segment = Segment::new(&self.folder, self.next);
        let is_synced = self.config.sync.is_some();
        let sync_folder = |_| if is_synced { File::open(&self.folder)?.sync_all() } else { Ok(()) };
        // As with what is found at the start: each write goes to the end of the file, wherever an error left it.
        let open = || File::options().append(true).open(&segment.path);
        let file = segment.create().and_then(sync_folder).and_then(|()| open()).inspect_err(|_| {
            // Tried again later, it must not be in its own way.
            let _ = std::fs::remove_file(&segment.path);
        })?;
        self.is_torn = false;
        self.segments.push_back((segment, received_at));
        self.file = Some((Arc::new(file), PREFACE_BYTES));
        Ok(())
    }

    /// Makes what was written safe now, if it is to be. Once that has failed it does ever after: the system would tell the
    /// next sync that all is well.
    pub fn sync(&self) -> io::Result<()> {
        if let Some(kind) = self.unsettled.get() {
            return Err(unsettled(kind.into()));
        }
        match &self.file {
            Some((file, _)) if self.config.sync.is_some() => file.sync_data().map_err(|cause| {
                self.unsettled.set(Some(cause.kind()));
                unsettled(cause)
            }),
            _ => Ok(()),
        }
    }

    /// Removes files all of whose entries are before `offset`, and were received no later than `kept_until`.
    pub fn remove_before(&mut self, offset: i64, kept_until: EventTime) -> io::Result<()> {
        while self.segments.len() > 1
            && self.segments[1].0.first <= offset
            && let Some((segment, _)) = self.segments.pop_front_if(|(_, newest)| *newest <= kept_until)
        {
            std::fs::remove_file(&segment.path)?;
        }
        Ok(())
    }
}

/// Offset after the last entry of the journal in a folder; 0 if there is none. Changes nothing.
pub fn end(folder: &Path) -> io::Result<i64> {
    for segment in Segment::list(folder)?.iter().rev() {
        if let Some((whole, _)) = whole_blocks(segment)? {
            return Ok(whole.next);
        }
    }
    Ok(0)
}

/// When the file was last written.
fn modified(path: &Path) -> io::Result<EventTime> {
    let since = std::fs::metadata(path)?.modified()?.duration_since(std::time::UNIX_EPOCH);
    Ok(EventTime(since.unwrap_or_default().as_micros() as i64))
}

/// The blocks of a file, read up to the first that is not whole, and the newest tick in them. `None`: it does not begin as
/// a journal's.
fn whole_blocks(segment: &Segment) -> io::Result<Option<(Blocks, Option<EventTime>)>> {
    let Some(mut blocks) = Blocks::open(segment)? else { return Ok(None) };
    let mut ticked = None;
    while let Next::Block(_) = blocks.next()? {
        let tick = |entry| if let Entry::Tick(clocked) = entry { Some(clocked.now) } else { None };
        ticked = entries(blocks.body()).filter_map(tick).last().or(ticked);
    }
    Ok(Some((blocks, ticked)))
}
