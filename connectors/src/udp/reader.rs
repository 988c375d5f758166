//! The reader of one socket: datagrams to frames and rejects, by way of the journal if there is one.

use super::allow::{AllowedNet, refusal};
use super::intake::{Intake, Tended};
use super::journaled::{Journaled, Unread};
use crate::acknowledge::{Durability, Waiting};
use crate::codec::Codec;
use crate::codec::reply::When;
use crate::journal::Entry;
use rhumb_engine::builder::{ClockRules, FrameBuilder};
use rhumb_engine::frame::Origin;
use rhumb_engine::source::{Clocked, Polled, Position, Shed, Source, SourceError};
use rhumb_engine::time::{Clock, EventTime};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A poll ends once it has this many frames or has taken this many datagrams.
const POLL_FRAMES: usize = 16_384;
/// While replies wait for the disk, a poll is no longer than this.
const REPLIES_EVERY: Duration = Duration::from_millis(1);

pub(super) struct UdpReader {
    source: Arc<str>,
    partition: Arc<str>,
    intake: Tended,
    /// What comes from the journal before anything from the socket.
    unread: Unread,
    decoder: Decoder,
    /// There is a journal.
    is_journaled: bool,
    durability: Arc<dyn Durability>,
    /// Datagrams before this offset have been given to the engine.
    handed_over: i64,
    replies: u64,
    /// Replies that could not be sent.
    replies_lost: u64,
    clock: Arc<dyn Clock>,
    /// Number of the next datagram: its offset.
    next_offset: i64,
    /// The newest time of receipt or tick in the journal.
    clocked: EventTime,
}

/// What becomes of a datagram, whether it has just come or was in the journal.
struct Decoder {
    codec: Box<dyn Codec>,
    /// The codec looks at who sends, or answers.
    converses: bool,
    allow: Arc<[AllowedNet]>,
    waiting: Waiting<SocketAddr>,
}

impl Decoder {
    /// `offset`: of the datagram; the builder has been told. `length`: bytes that were sent.
    #[inline]
    fn decode(
        &mut self,
        bytes: &[u8],
        length: usize,
        sender: impl Fn() -> SocketAddr,
        offset: i64,
        out: &mut FrameBuilder,
    ) {
        match refusal(bytes, length, &sender, &self.allow) {
            None if self.converses => {
                let sender = sender();
                self.codec.conversation().into_iter().for_each(|conversation| conversation.from(sender));
                self.codec.datagram(bytes, out);
                while let Some(reply) = self.codec.conversation().and_then(|conversation| conversation.reply()) {
                    // What need not wait is before everything.
                    let offset = if reply.when == When::AtOnce { i64::MIN } else { offset };
                    self.waiting.push(offset, sender, reply);
                }
            }
            None => self.codec.datagram(bytes, out),
            Some((reason, detail)) => out.reject(reason, bytes, detail),
        }
    }
}

/// What a reader is made from.
pub(super) struct Parts {
    pub source: Arc<str>,
    pub number: usize,
    pub intake: Tended,
    pub codec: Box<dyn Codec>,
    pub durability: Arc<dyn Durability>,
    pub allow: Arc<[AllowedNet]>,
    pub clock: Arc<dyn Clock>,
}

impl UdpReader {
    pub(super) fn new(parts: Parts) -> UdpReader {
        let Parts { source, number, intake, mut codec, durability, allow, clock } = parts;
        let converses = codec.conversation().is_some();
        let is_journaled = intake.lock().journal.is_some();
        UdpReader {
            source,
            partition: format!("socket-{number}").into(),
            intake,
            is_journaled,
            unread: Unread::default(),
            decoder: Decoder { codec, converses, allow, waiting: Waiting::default() },
            durability,
            handed_over: 0,
            replies: 0,
            replies_lost: 0,
            clock,
            next_offset: 0,
            clocked: EventTime::MIN,
        }
    }

    /// Sends the replies to what is safe by now.
    fn send_replies(&mut self) {
        if !self.decoder.converses {
            return;
        }
        let safe_before = self.durability.safe_before(&self.partition, self.handed_over);
        let intake = self.intake.lock();
        while let Some((to, reply)) = self.decoder.waiting.next_before(safe_before) {
            match intake.receiver.send(reply.bytes(), to) {
                Ok(()) => self.replies += 1,
                // As with any datagram: it may get lost, and then the device sends again.
                Err(_) => self.replies_lost += 1,
            }
        }
    }

    /// Takes what is there from the socket; `None`: there is something in the journal that comes first.
    fn fill(&mut self, out: &mut FrameBuilder, timeout: Duration) -> std::io::Result<Option<Polled>> {
        let UdpReader { intake, unread, decoder, next_offset, clocked, .. } = self;
        let mut intake = intake.lock();
        if let Some(journal) = &intake.journal
            && journal.is_ahead(*next_offset, unread)?
        {
            return Ok(None);
        }
        intake.tend(&self.source);
        let before = out.len();
        // Silence ends what a codec waits for, as a later datagram would. With a journal the clock is what stands there, so that
        // it ends at the same place when it is read again.
        let is_journaled = intake.journal.as_ref().is_some_and(Journaled::is_on);
        let now = if is_journaled { *clocked } else { self.clock.now() };
        decoder.codec.release(Some(now), out);
        let mut take = |intake: &mut Intake, out: &mut FrameBuilder| -> std::io::Result<usize> {
            let Some((count, received_at)) = intake.take()? else { return Ok(0) };
            *clocked = received_at.max(*clocked);
            decoder.codec.release(Some(*clocked), out);
            for datagram in intake.receiver.datagrams() {
                out.at(*next_offset, received_at);
                decoder.decode(datagram.bytes, datagram.length, || datagram.sender(), *next_offset, out);
                *next_offset += 1;
            }
            Ok(count)
        };
        let mut taken = take(&mut intake, out)?;
        if taken == 0 && intake.receiver.wait(timeout)? {
            taken = take(&mut intake, out)?;
        }
        let mut more = taken;
        while more == super::sys::DATAGRAMS_PER_CALL && (out.len() - before).max(taken) < POLL_FRAMES {
            more = take(&mut intake, out)?;
            taken += more;
        }
        intake.tend(&self.source);
        Ok(Some(if out.len() > before { Polled::Some } else { Polled::Nothing }))
    }

    /// Takes what is in the journal and has not been read; `None`: there is no more of it for now.
    fn replay(&mut self, out: &mut FrameBuilder) -> std::io::Result<Option<Polled>> {
        if self.unread.is_empty() {
            return Ok(None);
        }
        let (decoder, next_offset, clocked) = (&mut self.decoder, &mut self.next_offset, &mut self.clocked);
        let before = out.len();
        decoder.codec.release(Some(*clocked), out);
        let mut taken = 0;
        while (out.len() - before).max(taken) < POLL_FRAMES {
            let more = self.unread.next(|received_at, offset, entry| {
                *next_offset = offset + 1;
                if let Entry::Datagram { sender, length, bytes } = entry {
                    *clocked = received_at.max(*clocked);
                    decoder.codec.release(Some(*clocked), out);
                    out.at(offset, received_at);
                    decoder.decode(bytes, length as usize, || sender, offset, out);
                    taken += 1;
                }
            })?;
            if self.unread.is_replayed(*next_offset - 1) {
                // Whoever waited for an answer before the start has asked again since.
                while decoder.waiting.next_before(i64::MAX).is_some() {}
            }
            if !more {
                return Ok((taken > 0).then_some(Polled::Some));
            }
            if self.unread.has_tick() {
                break;
            }
        }
        Ok(Some(Polled::Some))
    }

    /// Shows the codec what came before the first datagram that counts; what it makes of it has been committed.
    fn recall(&mut self) -> std::io::Result<()> {
        let intake = self.intake.lock();
        let Some(journal) = intake.journal.as_ref().filter(|_| self.decoder.codec.remembers()) else { return Ok(()) };
        let origin = Origin { source: self.source.clone(), partition: self.partition.clone() };
        let clocks = ClockRules { rollover: false, skew_max_us: i64::MAX };
        let mut nowhere = FrameBuilder::new(&[Arc::default()], origin, clocks);
        let (decoder, clocked) = (&mut self.decoder, &mut self.clocked);
        journal.recall(self.next_offset, |received_at, offset, entry| {
            *clocked = match entry {
                Entry::Tick(tick) => tick.now.max(*clocked),
                _ => received_at.max(*clocked),
            };
            decoder.codec.release(Some(*clocked), &mut nowhere);
            if let Entry::Datagram { sender, length, bytes } = entry {
                nowhere.at(offset, received_at);
                decoder.decode(bytes, length as usize, || sender, offset, &mut nowhere);
            }
            if nowhere.len() >= POLL_FRAMES {
                nowhere.finish();
            }
        })?;
        while decoder.waiting.next_before(i64::MAX).is_some() {}
        Ok(())
    }

    fn failed(&self, action: &str, cause: std::io::Error) -> SourceError {
        let (source_name, action) = (self.source.to_string(), format!("{action} {}", self.partition));
        SourceError::Io { source_name, action, cause }
    }
}

impl Source for UdpReader {
    fn poll(&mut self, out: &mut FrameBuilder, timeout: Duration) -> Result<Polled, SourceError> {
        if out.is_empty() {
            out.set_partition(self.partition.clone(), None);
        }
        if let Some(cause) = self.intake.poll() {
            return Err(self.failed("write the journal of", cause));
        }
        self.send_replies();
        // Who waits for an answer is not made to wait for somebody else's datagram.
        let timeout = if self.decoder.waiting.is_empty() { timeout } else { timeout.min(REPLIES_EVERY) };
        let polled = loop {
            match self.replay(out) {
                Ok(None) => {}
                Ok(Some(polled)) => break polled,
                Err(cause) => return Err(self.failed("read the journal of", cause)),
            }
            match self.fill(out, timeout) {
                Ok(None) => {}
                Ok(Some(polled)) => break polled,
                Err(cause) => return Err(self.failed("receive datagrams on", cause)),
            }
        };
        // The engine has it before it polls again.
        self.handed_over = self.next_offset;
        Ok(polled)
    }

    fn stop(&mut self, out: &mut FrameBuilder) {
        if out.is_empty() {
            out.set_partition(self.partition.clone(), None);
        }
        self.decoder.codec.release(None, out);
    }

    fn position(&self) -> Position {
        Position { offsets: [(self.partition.to_string(), self.next_offset)].into(), ..Position::default() }
    }

    /// Without a journal only the numbering goes on: datagrams sent in between are gone.
    fn seek(&mut self, position: &Position) -> Result<(), SourceError> {
        self.next_offset = position.offsets.get(&*self.partition).copied().unwrap_or(0);
        let mut intake = self.intake.lock();
        let Some(journal) = &mut intake.journal else { return Ok(()) };
        let is_on = journal.is_on();
        let started = journal.start(&self.source, &self.partition, self.next_offset, position);
        drop(intake);
        let (unread, durability) = started.map_err(|cause| self.failed("open the journal of", cause))?;
        self.unread = unread;
        self.durability = durability.unwrap_or_else(|| self.durability.clone());
        self.recall().map_err(|cause| self.failed("read the journal of", cause))?;
        if is_on {
            let name = format!("rhumb-receive-{}", self.partition);
            let stands_in = self.intake.stand_in(name, self.source.clone());
            stands_in.map_err(|cause| self.failed("start a thread for", cause))?;
        }
        Ok(())
    }

    fn committed(&mut self, position: &Position) {
        if let (Some(journal), Some(offset)) = (&mut self.intake.lock().journal, position.offsets.get(&*self.partition))
        {
            journal.committed(*offset, self.clock.now(), self.decoder.codec.remembers());
        }
    }

    /// A tick is in the journal before it counts, and comes out of it at the same place.
    fn tick(&mut self, now: EventTime, last: EventTime) -> Option<Clocked> {
        let at = match (self.unread.take_tick(), &mut self.intake.lock().journal) {
            (Some(tick), _) => tick,
            (None, None) => return (now > last).then_some(Clocked { now, away_us: 0 }),
            (None, Some(journal)) => {
                let (tick, entries) = journal.tick(self.next_offset, now, last)?;
                self.next_offset += entries;
                tick
            }
        };
        self.clocked = at.now.max(self.clocked);
        Some(at)
    }

    fn shed(&self) -> Option<Shed> {
        self.intake.lock().receiver.shed()
    }

    /// Entries of the journal, ticks of the clock among them.
    fn lags(&self) -> Vec<(String, u64)> {
        let intake = self.intake.lock();
        let behind = |journal: &Journaled| journal.next().saturating_sub(self.next_offset);
        let behind = intake.journal.as_ref().filter(|journal| journal.is_on()).map(behind);
        behind.map(|behind| (self.partition.to_string(), behind.max(0) as u64)).into_iter().collect()
    }

    fn remembers_ticks(&self) -> bool {
        self.is_journaled
    }

    /// `kernel_drops` is missing if the kernel does not tell.
    fn counters(&self) -> Vec<(&'static str, u64)> {
        let intake = self.intake.lock();
        let mut counters = vec![("datagrams", intake.datagrams), ("bytes", intake.bytes)];
        if self.decoder.converses {
            let lost = self.replies_lost + self.decoder.waiting.dropped;
            counters.extend([("replies", self.replies), ("replies_lost", lost)]);
        }
        counters.extend(self.decoder.codec.counters());
        if let Some(journal) = &intake.journal {
            counters.extend(self.unread.counters());
            counters.push(("journal_bytes", journal.written_bytes()));
        }
        counters.extend(intake.receiver.kernel_drops().map(|drops| ("kernel_drops", drops)));
        counters
    }
}
