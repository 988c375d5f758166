//! A socket's journal: what has come is written before it counts, and what is not committed comes out again at a start.

use super::receiver::Datagram;
use crate::acknowledge::Durability;
use crate::journal::{Entry, Log, Replay};
use rhumb_engine::source::{Clocked, Position};
use rhumb_engine::time::{EventTime, SECOND_US, duration_text, monotonic_now};
use rhumb_engine::trouble::{Verdict, verdict};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Codecs that remember are shown again what came for so long before the first datagram that counts.
const RECALL_US: i64 = 60 * SECOND_US;
/// Between two tries: the socket that keeps what comes would have the reader try without end.
const TRY_EVERY: Duration = Duration::from_millis(10);
/// Between two lines of the log that say so.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// The journals of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketJournals {
    /// Holds a folder a socket.
    pub folder: PathBuf,
    pub config: crate::journal::JournalConfig,
    /// A disk that takes nothing is tried again for so long, while the socket's buffer fills up and then drops.
    pub try_for: Duration,
    /// False: what is in it is read, and nothing more is written.
    pub is_on: bool,
}

/// Datagrams that could not be written yet. They stay in the receiver.
struct Held {
    received_at: EventTime,
    since: Instant,
    said: Option<Instant>,
}

pub(super) struct Journaled {
    log: Log,
    keep_us: i64,
    try_for: Duration,
    is_on: bool,
    /// Of sockets that there are.
    sockets: usize,
    folder: PathBuf,
    /// When the clock was last told before this run; until it is told anew.
    ticked_before: Option<EventTime>,
    held: Option<Held>,
}

/// What a journal holds and the reader has not read.
#[derive(Default)]
pub(super) struct Unread {
    replay: Option<Replay>,
    tick: Option<Clocked>,
    /// Entries before this offset are of an earlier run.
    begun_at: i64,
    /// Datagrams that were read again after a start, and those that somebody else took in this run.
    replayed: u64,
    caught_up: u64,
}

impl Journaled {
    /// `None`: there is nothing to read and nothing is to be written.
    pub fn open(
        journals: &SocketJournals,
        number: usize,
        sockets: usize,
        source: &str,
    ) -> io::Result<Option<Journaled>> {
        let folder = journals.folder.join(name(number));
        if !journals.is_on && !folder.exists() {
            return Ok(None);
        }
        let (log, found) = Log::open(&folder, journals.config)?;
        if found.cut_bytes > 0 {
            tracing::warn!(
                source,
                "journal {}: its last {} bytes were not whole, as a crash leaves them; they are cut off",
                folder.display(),
                found.cut_bytes
            );
        }
        let (keep_us, is_on) = (journals.config.keep_us, journals.is_on);
        let folder = journals.folder.clone();
        let ticked_before = log.ticked();
        let try_for = journals.try_for;
        Ok(Some(Journaled { log, keep_us, try_for, is_on, sockets, folder, ticked_before, held: None }))
    }

    /// Reads from `offset` on, and appends after that. What acknowledgements wait for, if it is synced.
    pub fn start(
        &mut self,
        source: &str,
        partition: &str,
        offset: i64,
        position: &Position,
    ) -> io::Result<(Unread, Option<Arc<dyn Durability>>)> {
        self.refuse_orphans(position)?;
        let mut unread = Unread { begun_at: self.log.next(), ..Unread::default() };
        let entries = self.log.next() - offset;
        if entries > 0 {
            tracing::info!(
                source,
                "{partition}: {entries} entries of the journal are not committed and are read again"
            );
            unread.replay = Some(self.log.replay(offset));
        }
        if !self.is_on {
            return Ok((unread, None));
        }
        self.log.start(partition, offset)?;
        Ok((unread, self.log.synced().map(|synced| Arc::new(synced) as Arc<dyn Durability>)))
    }

    /// Sockets that there were and that have something that nobody would read.
    fn refuse_orphans(&self, position: &Position) -> io::Result<()> {
        let unread = |number: &usize| -> io::Result<bool> {
            let known = position.offsets.get(&name(*number)).copied().unwrap_or(0);
            Ok(crate::journal::end(&self.folder.join(name(*number)))? > known)
        };
        for number in self.sockets..super::SOCKETS_MAX {
            if unread(&number)? {
                let (sockets, folder) = (number + 1, self.folder.join(name(number)));
                return Err(io::Error::other(format!(
                    "{} has datagrams that are not committed; run with sockets = {sockets} until they are",
                    folder.display()
                )));
            }
        }
        Ok(())
    }

    /// What came before `offset`, for a codec that remembers it.
    pub fn recall(&self, offset: i64, mut on: impl FnMut(EventTime, i64, Entry)) -> io::Result<()> {
        self.log.recall(offset, RECALL_US, |head, at, entry| on(head.received_at, at, entry))
    }

    /// Whether datagrams are written.
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// Offset of the next entry.
    pub fn next(&self) -> i64 {
        self.log.next()
    }

    /// Whether entries from `offset` on are there, which `unread` then gives.
    pub fn is_ahead(&self, offset: i64, unread: &mut Unread) -> io::Result<bool> {
        let is_ahead = self.log.next() > offset;
        match &mut unread.replay {
            Some(replay) if is_ahead => self.log.follow(replay)?,
            None if is_ahead => unread.replay = Some(self.log.replay(offset)),
            replay => *replay = None,
        }
        Ok(is_ahead)
    }

    /// Whether there are datagrams that could not be written.
    pub fn holds(&self) -> bool {
        self.held.is_some()
    }

    /// Writes datagrams and says when they were received; `None`: the disk does not take them now, and they are to be
    /// kept. An error: it has not for too long.
    pub fn write<'a>(
        &mut self,
        datagrams: impl Iterator<Item = Datagram<'a>>,
        received_at: EventTime,
    ) -> io::Result<Option<EventTime>> {
        if !self.is_on {
            return Ok(Some(received_at));
        }
        let received_at = self.held.as_ref().map_or(received_at, |held| held.received_at);
        for datagram in datagrams {
            let (sender, length) = (datagram.sender(), datagram.length as u32);
            self.log.push(Entry::Datagram { sender, length, bytes: datagram.bytes });
        }
        match self.log.write(received_at) {
            Ok(()) => {
                if self.held.take().is_some_and(|held| held.said.is_some()) {
                    tracing::info!("journal {}: the disk takes datagrams again", self.folder.display());
                }
                Ok(Some(received_at))
            }
            Err(error) => self.hold(received_at, error).map(|()| None),
        }
    }

    fn hold(&mut self, received_at: EventTime, error: io::Error) -> io::Result<()> {
        if verdict(&error) == Verdict::Never {
            return Err(error);
        }
        let now = monotonic_now();
        let held = self.held.get_or_insert(Held { received_at, since: now, said: None });
        if now - held.since >= self.try_for {
            return Err(error);
        }
        if held.said.is_none_or(|said| now - said >= SAY_EVERY) {
            held.said = Some(now);
            let limit = duration_text(self.try_for.as_micros() as i64);
            tracing::warn!(
                "journal {}: {error}; tried again for up to {limit}, while the socket keeps what comes and drops what \
                 it has no room for",
                self.folder.display()
            );
        }
        std::thread::park_timeout(TRY_EVERY);
        Ok(())
    }

    /// A tick after the entry before `offset`, which is written; `None`: the clock has not gone on, or there are entries in
    /// between, or the disk does not take it. And how many entries that are.
    pub fn tick(&mut self, offset: i64, now: EventTime, last: EventTime) -> Option<(Clocked, i64)> {
        if self.log.next() > offset || self.held.is_some() || now <= last {
            return None;
        }
        let away_us = self.ticked_before.map_or(0, |before| now.0.saturating_sub(before.0).max(0));
        let clocked = Clocked { now, away_us };
        if self.is_on {
            self.log.push(Entry::Tick(clocked));
            // A tick that cannot be written has not been: the next one tries again.
            self.log.write(now).ok()?;
        }
        self.ticked_before = None;
        Some((clocked, i64::from(self.is_on)))
    }

    /// Entries before `offset` are not needed any more, but for those that are to be kept or recalled.
    pub fn committed(&mut self, offset: i64, now: EventTime, is_recalled: bool) {
        let keep_us = if is_recalled { self.keep_us.max(RECALL_US) } else { self.keep_us };
        if let Err(error) = self.log.remove_before(offset, now.minus(keep_us)) {
            tracing::warn!("journal {}: old files could not be removed: {error}", self.folder.display());
        }
    }

    pub fn written_bytes(&self) -> u64 {
        self.log.written_bytes()
    }
}

impl Unread {
    /// Gives a block of it; false: there is no more.
    pub fn next(&mut self, mut on: impl FnMut(EventTime, i64, Entry)) -> io::Result<bool> {
        let Some(replay) = &mut self.replay else { return Ok(false) };
        replay.next(|head, offset, entry| {
            match entry {
                Entry::Tick(at) => self.tick = Some(at),
                Entry::Datagram { .. } if offset < self.begun_at => self.replayed += 1,
                Entry::Datagram { .. } => self.caught_up += 1,
                // Those are of other logs.
                Entry::Record(_) => return,
            }
            on(head.received_at, offset, entry);
        })
    }

    pub fn is_empty(&self) -> bool {
        self.replay.is_none()
    }

    /// Whether an entry is of an earlier run.
    pub fn is_replayed(&self, offset: i64) -> bool {
        offset < self.begun_at
    }

    /// The clock went on here.
    pub fn has_tick(&self) -> bool {
        self.tick.is_some()
    }

    pub fn take_tick(&mut self) -> Option<Clocked> {
        self.tick.take()
    }

    pub fn counters(&self) -> [(&'static str, u64); 2] {
        [("journal_replayed", self.replayed), ("journal_caught_up", self.caught_up)]
    }
}

/// The folder, and the partition, of a socket.
fn name(number: usize) -> String {
    format!("socket-{number}")
}
