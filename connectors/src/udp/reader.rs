//! The reader of one socket: datagrams to frames and rejects, by way of the journal if there is one.

use super::allow::{AllowedNet, refusal};
use super::journaled::Journaled;
use super::receiver::Receiver;
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
/// Datagrams between two looks at the kernel's counter of drops, which wraps at 2^32.
const DROPS_EVERY: u64 = 1 << 24;

pub(super) struct UdpReader {
    source: Arc<str>,
    partition: Arc<str>,
    receiver: Receiver,
    decoder: Decoder,
    journal: Option<Journaled>,
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
    datagrams: u64,
    bytes: u64,
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
    pub receiver: Receiver,
    pub codec: Box<dyn Codec>,
    pub journal: Option<Journaled>,
    pub durability: Arc<dyn Durability>,
    pub allow: Arc<[AllowedNet]>,
    pub clock: Arc<dyn Clock>,
}

impl UdpReader {
    pub(super) fn new(parts: Parts) -> UdpReader {
        let Parts { source, number, receiver, mut codec, journal, durability, allow, clock } = parts;
        let converses = codec.conversation().is_some();
        UdpReader {
            source,
            partition: format!("socket-{number}").into(),
            receiver,
            decoder: Decoder { codec, converses, allow, waiting: Waiting::default() },
            journal,
            durability,
            handed_over: 0,
            replies: 0,
            replies_lost: 0,
            clock,
            next_offset: 0,
            clocked: EventTime::MIN,
            datagrams: 0,
            bytes: 0,
        }
    }

    /// Sends the replies to what is safe by now.
    fn send_replies(&mut self) {
        if !self.decoder.converses {
            return;
        }
        let safe_before = self.durability.safe_before(&self.partition, self.handed_over);
        while let Some((to, reply)) = self.decoder.waiting.next_before(safe_before) {
            match self.receiver.send(reply.bytes(), to) {
                Ok(()) => self.replies += 1,
                // As with any datagram: it may get lost, and then the device sends again.
                Err(_) => self.replies_lost += 1,
            }
        }
    }

    /// Takes one system call's worth of datagrams and says how many they were.
    fn take(&mut self, out: &mut FrameBuilder) -> std::io::Result<usize> {
        // What could not be written is still there.
        let is_held = self.journal.as_ref().is_some_and(Journaled::holds);
        let count = if is_held { self.receiver.datagrams().count() } else { self.receiver.receive()? };
        if count == 0 {
            return Ok(0);
        }
        let mut received_at = self.clock.now();
        if let Some(journal) = &mut self.journal {
            match journal.write(self.receiver.datagrams(), received_at)? {
                Some(written_at) => received_at = written_at,
                None => return Ok(0),
            }
        }
        self.clocked = received_at.max(self.clocked);
        self.decoder.codec.release(Some(self.clocked), out);
        for datagram in self.receiver.datagrams() {
            out.at(self.next_offset, received_at);
            self.bytes += datagram.length as u64;
            self.decoder.decode(datagram.bytes, datagram.length, || datagram.sender(), self.next_offset, out);
            self.next_offset += 1;
        }
        let before = self.datagrams;
        self.datagrams += count as u64;
        if before / DROPS_EVERY != self.datagrams / DROPS_EVERY {
            self.receiver.kernel_drops();
        }
        Ok(count)
    }

    fn fill(&mut self, out: &mut FrameBuilder, timeout: Duration) -> std::io::Result<Polled> {
        let before = out.len();
        // Silence ends what a codec waits for, as a later datagram would. With a journal the clock is what stands there, so that
        // it ends at the same place when it is read again.
        let is_journaled = self.journal.as_ref().is_some_and(Journaled::is_on);
        let now = if is_journaled { self.clocked } else { self.clock.now() };
        self.decoder.codec.release(Some(now), out);
        let mut taken = self.take(out)?;
        if taken == 0 && self.receiver.wait(timeout)? {
            taken = self.take(out)?;
        }
        let mut more = taken;
        while more == super::sys::DATAGRAMS_PER_CALL && (out.len() - before).max(taken) < POLL_FRAMES {
            more = self.take(out)?;
            taken += more;
        }
        Ok(if out.len() > before { Polled::Some } else { Polled::Nothing })
    }

    /// Takes what is in the journal and not committed; `None`: there is no more of it.
    fn replay(&mut self, out: &mut FrameBuilder) -> std::io::Result<Option<Polled>> {
        let Some(journal) = self.journal.as_mut().filter(|journal| journal.has_unread()) else { return Ok(None) };
        let (decoder, next_offset, clocked) = (&mut self.decoder, &mut self.next_offset, &mut self.clocked);
        let before = out.len();
        decoder.codec.release(Some(*clocked), out);
        let mut taken = 0;
        while (out.len() - before).max(taken) < POLL_FRAMES {
            let more = journal.replay(|received_at, offset, entry| {
                *next_offset = offset + 1;
                if let Entry::Datagram { sender, length, bytes } = entry {
                    *clocked = received_at.max(*clocked);
                    decoder.codec.release(Some(*clocked), out);
                    out.at(offset, received_at);
                    decoder.decode(bytes, length as usize, || sender, offset, out);
                    taken += 1;
                }
            })?;
            // Whoever waited for an answer then has asked again since.
            while decoder.waiting.next_before(i64::MAX).is_some() {}
            if !more {
                return Ok((taken > 0).then_some(Polled::Some));
            }
            if journal.has_tick() {
                break;
            }
        }
        Ok(Some(Polled::Some))
    }

    /// Shows the codec what came before the first datagram that counts; what it makes of it has been committed.
    fn recall(&mut self) -> std::io::Result<()> {
        let Some(journal) = self.journal.as_ref().filter(|_| self.decoder.codec.remembers()) else { return Ok(()) };
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
        match self.replay(out) {
            Ok(None) => {}
            Ok(Some(polled)) => return Ok(polled),
            Err(cause) => return Err(self.failed("read the journal of", cause)),
        }
        self.send_replies();
        // Who waits for an answer is not made to wait for somebody else's datagram.
        let timeout = if self.decoder.waiting.is_empty() { timeout } else { timeout.min(REPLIES_EVERY) };
        let filled = self.fill(out, timeout).map_err(|cause| self.failed("receive datagrams on", cause));
        // The engine has it before it polls again.
        self.handed_over = self.next_offset;
        filled
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
        let Some(journal) = &mut self.journal else { return Ok(()) };
        match journal.start(&self.source, &self.partition, self.next_offset, position) {
            Ok(Some(durability)) => self.durability = durability,
            Ok(None) => {}
            Err(cause) => return Err(self.failed("open the journal of", cause)),
        }
        self.recall().map_err(|cause| self.failed("read the journal of", cause))
    }

    fn committed(&mut self, position: &Position) {
        if let (Some(journal), Some(offset)) = (&mut self.journal, position.offsets.get(&*self.partition)) {
            journal.committed(*offset, self.clock.now(), self.decoder.codec.remembers());
        }
    }

    /// A tick is in the journal before it counts, and comes out of it at the same place.
    fn tick(&mut self, now: EventTime, last: EventTime) -> Option<Clocked> {
        let Some(journal) = &mut self.journal else {
            return (now > last).then_some(Clocked { now, away_us: 0 });
        };
        let (at, is_new) = journal.tick(now, last)?;
        self.clocked = at.now.max(self.clocked);
        self.next_offset += i64::from(is_new);
        Some(at)
    }

    fn shed(&self) -> Option<Shed> {
        self.receiver.shed()
    }

    fn remembers_ticks(&self) -> bool {
        self.journal.is_some()
    }

    /// `kernel_drops` is missing if the kernel does not tell.
    fn counters(&self) -> Vec<(&'static str, u64)> {
        let mut counters = vec![("datagrams", self.datagrams), ("bytes", self.bytes)];
        if self.decoder.converses {
            let lost = self.replies_lost + self.decoder.waiting.dropped;
            counters.extend([("replies", self.replies), ("replies_lost", lost)]);
        }
        counters.extend(self.decoder.codec.counters());
        counters.extend(self.journal.iter().flat_map(Journaled::counters));
        counters.extend(self.receiver.kernel_drops().map(|drops| ("kernel_drops", drops)));
        counters
    }
}
