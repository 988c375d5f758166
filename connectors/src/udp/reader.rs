//! The reader of one socket: datagrams to frames and rejects.

use super::allow::{AllowedNet, refusal};
use super::receiver::Receiver;
use crate::acknowledge::{Durability, Waiting};
use crate::codec::Codec;
use crate::codec::reply::When;
use rhumb_engine::builder::FrameBuilder;
use rhumb_engine::source::{Polled, Position, Source, SourceError};
use rhumb_engine::time::Clock;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A poll ends once it has this many frames or has taken this many datagrams.
const POLL_FRAMES: usize = 16_384;
/// Datagrams between two looks at the kernel's counter of drops, which wraps at 2^32.
const DROPS_EVERY: u64 = 1 << 24;

pub(super) struct UdpReader {
    source: Arc<str>,
    partition: Arc<str>,
    receiver: Receiver,
    codec: Box<dyn Codec>,
    /// The codec looks at who sends, or answers.
    converses: bool,
    durability: Arc<dyn Durability>,
    waiting: Waiting<SocketAddr>,
    /// Datagrams before this offset have been given to the engine.
    handed_over: i64,
    replies: u64,
    /// Replies that could not be sent.
    replies_lost: u64,
    allow: Arc<[AllowedNet]>,
    clock: Arc<dyn Clock>,
    /// Number of the next datagram: its offset.
    next_offset: i64,
    datagrams: u64,
    bytes: u64,
}

impl UdpReader {
    pub(super) fn new(
        source: Arc<str>,
        number: usize,
        receiver: Receiver,
        mut codec: Box<dyn Codec>,
        durability: Arc<dyn Durability>,
        allow: Arc<[AllowedNet]>,
        clock: Arc<dyn Clock>,
    ) -> UdpReader {
        UdpReader {
            source,
            partition: format!("socket-{number}").into(),
            receiver,
            converses: codec.conversation().is_some(),
            codec,
            durability,
            waiting: Waiting::default(),
            handed_over: 0,
            replies: 0,
            replies_lost: 0,
            allow,
            clock,
            next_offset: 0,
            datagrams: 0,
            bytes: 0,
        }
    }

    /// Sends the replies to what is safe by now.
    fn send_replies(&mut self) {
        if !self.converses {
            return;
        }
        let safe_before = self.durability.safe_before(&self.partition, self.handed_over);
        while let Some((to, reply)) = self.waiting.next_before(safe_before) {
            match self.receiver.send(reply.bytes(), to) {
                Ok(()) => self.replies += 1,
                // As with any datagram: it may get lost, and then the device sends again.
                Err(_) => self.replies_lost += 1,
            }
        }
    }

    /// Takes one system call's worth of datagrams and says how many they were.
    fn take(&mut self, out: &mut FrameBuilder) -> std::io::Result<usize> {
        let count = self.receiver.receive()?;
        if count == 0 {
            return Ok(0);
        }
        let received_at = self.clock.now();
        for datagram in self.receiver.datagrams() {
            out.at(self.next_offset, received_at);
            self.next_offset += 1;
            self.bytes += datagram.length as u64;
            match refusal(&datagram, &self.allow) {
                None if self.converses => {
                    let sender = datagram.sender();
                    self.codec.conversation().into_iter().for_each(|conversation| conversation.from(sender));
                    self.codec.datagram(datagram.bytes, out);
                    while let Some(reply) = self.codec.conversation().and_then(|conversation| conversation.reply()) {
                        // What need not wait is before everything.
                        let offset = if reply.when == When::AtOnce { i64::MIN } else { self.next_offset - 1 };
                        self.waiting.push(offset, sender, reply);
                    }
                }
                None => self.codec.datagram(datagram.bytes, out),
                Some((reason, detail)) => out.reject(reason, datagram.bytes, detail),
            }
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
        let mut taken = self.take(out)?;
        if taken == 0 && self.receiver.wait(timeout)? {
            taken = self.take(out)?;
        }
        let mut more = taken;
        while more == super::sys::DATAGRAMS_PER_CALL && (out.len() - before).max(taken) < POLL_FRAMES {
            more = self.take(out)?;
            taken += more;
        }
        // Silence ends what a codec waits for, as a later datagram would.
        self.codec.release(Some(self.clock.now()), out);
        Ok(if out.len() > before { Polled::Some } else { Polled::Nothing })
    }
}

impl Source for UdpReader {
    fn poll(&mut self, out: &mut FrameBuilder, timeout: Duration) -> Result<Polled, SourceError> {
        if out.is_empty() {
            out.set_partition(self.partition.clone(), None);
        }
        self.send_replies();
        let filled = self.fill(out, timeout).map_err(|cause| SourceError::Io {
            source_name: self.source.to_string(),
            action: format!("receive datagrams on {}", self.partition),
            cause,
        });
        // The engine has it before it polls again.
        self.handed_over = self.next_offset;
        filled
    }

    fn stop(&mut self, out: &mut FrameBuilder) {
        if out.is_empty() {
            out.set_partition(self.partition.clone(), None);
        }
        self.codec.release(None, out);
    }

    fn position(&self) -> Position {
        Position { offsets: [(self.partition.to_string(), self.next_offset)].into(), ..Position::default() }
    }

    /// Only the numbering goes on: datagrams sent in between are gone.
    fn seek(&mut self, position: &Position) -> Result<(), SourceError> {
        self.next_offset = position.offsets.get(&*self.partition).copied().unwrap_or(0);
        Ok(())
    }

    /// `kernel_drops` is missing if the kernel does not tell.
    fn counters(&self) -> Vec<(&'static str, u64)> {
        let mut counters = vec![("datagrams", self.datagrams), ("bytes", self.bytes)];
        if self.converses {
            counters.extend([("replies", self.replies), ("replies_lost", self.replies_lost + self.waiting.dropped)]);
        }
        counters.extend(self.codec.counters());
        counters.extend(self.receiver.kernel_drops().map(|drops| ("kernel_drops", drops)));
        counters
    }
}
