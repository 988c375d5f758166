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

/// A disk that takes nothing is tried again for so long, while the socket's buffer fills up and then drops.
const TRY_FOR: Duration = Duration::from_secs(60);
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
    is_on: bool,
    /// Of sockets that there are.
    sockets: usize,
    folder: PathBuf,
    replay: Option<Replay>,
    /// Of the replay.
    tick: Option<Clocked>,
    /// When the clock was last told before this run; until it is told anew.
    ticked_before: Option<EventTime>,
    held: Option<Held>,
    replayed: u64,
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
        Ok(Some(Journaled {
            log,
            keep_us,
            is_on,
            sockets,
            folder,
            replay: None,
            tick: None,
            ticked_before,
            held: None,
            replayed: 0,
        }))
    }

    /// Reads from `offset` on, and appends after that. What acknowledgements wait for, if it is synced.
    pub fn start(
        &mut self,
        source: &str,
        partition: &str,
        offset: i64,
        position: &Position,
    ) -> io::Result<Option<Arc<dyn Durability>>> {
        self.refuse_orphans(position)?;
        let unread = self.log.next() - offset;
        if unread > 0 {
            tracing::info!(source, "{partition}: {unread} entries of the journal are not committed and are read again");
            self.replay = Some(self.log.replay(offset));
        }
        if !self.is_on {
            return Ok(None);
        }
        self.log.start(partition, offset)?;
        Ok(self.log.synced().map(|synced| Arc::new(synced) as Arc<dyn Durability>))
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

    /// Whether there may be something to be read again.
    pub fn has_unread(&self) -> bool {
        self.replay.is_some()
    }

    /// Gives a block of what is to be read again; false: there is no more.
    pub fn replay(&mut self, mut on: impl FnMut(EventTime, i64, Entry)) -> io::Result<bool> {
        let Some(replay) = &mut self.replay else { return Ok(false) };
        let (tick, replayed) = (&mut self.tick, &mut self.replayed);
        let more = replay.next(|head, offset, entry| {
            match entry {
                Entry::Tick(at) => *tick = Some(at),
                Entry::Datagram { .. } => *replayed += 1,
                // Those are of other logs.
                Entry::Record(_) => return,
            }
            on(head.received_at, offset, entry);
        })?;
        if !more {
            self.replay = None;
        }
        Ok(more)
    }

    /// The clock went on here.
    pub fn has_tick(&self) -> bool {
        self.tick.is_some()
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
        if now - held.since >= TRY_FOR {
            return Err(error);
        }
        if held.said.is_none_or(|said| now - said >= SAY_EVERY) {
            held.said = Some(now);
            let limit = duration_text(TRY_FOR.as_micros() as i64);
            tracing::warn!(
                "journal {}: {error}; tried again for up to {limit}, while the socket keeps what comes and drops what \
                 it has no room for",
                self.folder.display()
            );
        }
        std::thread::park_timeout(TRY_EVERY);
        Ok(())
    }

    /// A tick of the replay, or a new one, which is written; and whether it is new.
    pub fn tick(&mut self, now: EventTime, last: EventTime) -> Option<(Clocked, bool)> {
        if let Some(tick) = self.tick.take() {
            return Some((tick, false));
        }
        if self.replay.is_some() || self.held.is_some() || now <= last {
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
        Some((clocked, self.is_on))
    }

    /// Entries before `offset` are not needed any more, but for those that are to be kept or recalled.
    pub fn committed(&mut self, offset: i64, now: EventTime, is_recalled: bool) {
        let keep_us = if is_recalled { self.keep_us.max(RECALL_US) } else { self.keep_us };
        if let Err(error) = self.log.remove_before(offset, now.minus(keep_us)) {
            tracing::warn!("journal {}: old files could not be removed: {error}", self.folder.display());
        }
    }

    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![("journal_replayed", self.replayed), ("journal_bytes", self.log.written_bytes())]
    }
}

/// The folder, and the partition, of a socket.
fn name(number: usize) -> String {
    format!("socket-{number}")
}
