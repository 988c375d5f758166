//! The reader of one listening socket and its connections.

use super::TcpConfig;
use super::connection::{Connection, Scratch, Turn, prepare};
use crate::MakeCodec;
use crate::acknowledge::{Durability, Waiting};
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use rhumb_engine::builder::FrameBuilder;
use rhumb_engine::source::{Polled, Position, Source, SourceError};
use rhumb_engine::time::{Clock, EventTime, SECOND_US, SystemClock};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

/// A poll ends once it has this many frames, or somewhat more.
const POLL_FRAMES: usize = 16_384;
/// Events that one wait fetches.
const EVENTS: usize = 1024;
/// Connections accepted before those that there are have their turn.
const ACCEPT_MAX: usize = 256;
const LISTENER: Token = Token(usize::MAX);

/// A place in the table of connections, and which of all that ever had it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Who {
    slot: usize,
    generation: u64,
}

#[derive(Default)]
struct Counts {
    accepted: u64,
    refused: u64,
    idle: u64,
    bytes: u64,
    replies: u64,
    /// Of codecs whose connection is closed.
    of_codecs: BTreeMap<&'static str, u64>,
}

pub(super) struct TcpReader {
    source: Arc<str>,
    partition: Arc<str>,
    config: Arc<TcpConfig>,
    make_codec: MakeCodec,
    durability: Arc<dyn Durability>,
    clock: Arc<dyn Clock>,
    poll: Poll,
    events: Events,
    listener: TcpListener,
    /// There may be connections to accept.
    accepting: bool,
    connections: Vec<(u64, Option<Box<Connection>>)>,
    free: Vec<usize>,
    /// Connections with something to read, in turn.
    ready: VecDeque<usize>,
    paused: Vec<(EventTime, Who)>,
    waiting: Waiting<Who>,
    scratch: Scratch,
    next_offset: i64,
    handed_over: i64,
    next_sweep: EventTime,
    counts: Counts,
}

impl TcpReader {
    pub fn new(
        source: &Arc<str>,
        number: usize,
        listener: std::net::TcpListener,
        config: &Arc<TcpConfig>,
        make_codec: &MakeCodec,
        durability: &Arc<dyn Durability>,
    ) -> io::Result<TcpReader> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::from_std(listener);
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(TcpReader {
            source: source.clone(),
            partition: format!("listener-{number}").into(),
            config: config.clone(),
            make_codec: make_codec.clone(),
            durability: durability.clone(),
            clock: Arc::new(SystemClock),
            poll,
            events: Events::with_capacity(EVENTS),
            listener,
            accepting: true,
            connections: Vec::new(),
            free: Vec::new(),
            ready: VecDeque::new(),
            paused: Vec::new(),
            waiting: Waiting::default(),
            scratch: Scratch::default(),
            next_offset: 0,
            handed_over: 0,
            next_sweep: EventTime::MIN,
            counts: Counts::default(),
        })
    }

    pub fn with_clock(self, clock: Arc<dyn Clock>) -> TcpReader {
        TcpReader { clock, ..self }
    }

    fn fill(&mut self, out: &mut FrameBuilder, timeout: Duration) -> io::Result<Polled> {
        let before = out.len();
        let now = self.clock.now();
        self.send_replies(now, out);
        self.sweep(now, out);
        let timeout = if self.ready.is_empty() && !self.accepting { timeout } else { Duration::ZERO };
        self.wait(timeout, out)?;
        let now = self.clock.now();
        self.accept(now);
        // Each has its turn before any has a second one.
        for _ in 0..self.ready.len() {
            if out.len() - before >= POLL_FRAMES {
                break;
            }
            if let Some(slot) = self.ready.pop_front() {
                self.turn(slot, now, out);
            }
        }
        Ok(if out.len() > before { Polled::Some } else { Polled::Nothing })
    }

    /// Waits for something to happen, and notes what has.
    fn wait(&mut self, timeout: Duration, out: &mut FrameBuilder) -> io::Result<()> {
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(e) if e.kind() == ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        let mut dead = Vec::new();
        for event in &self.events {
            if event.token() == LISTENER {
                self.accepting = true;
                continue;
            }
            let slot = event.token().0;
            let Some((_, Some(connection))) = self.connections.get_mut(slot) else { continue };
            if event.is_writable() && !connection.flush() {
                dead.push(slot);
            } else if !std::mem::replace(&mut connection.queued, true) {
                self.ready.push_back(slot);
            }
        }
        for slot in dead {
            self.close(slot, self.clock.now(), out);
        }
        Ok(())
    }

    fn accept(&mut self, now: EventTime) {
        for _ in 0..ACCEPT_MAX {
            if !self.accepting {
                return;
            }
            let (stream, peer) = match self.listener.accept() {
                Ok(accepted) => accepted,
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    self.accepting = false;
                    return;
                }
                // It has gone again, or this process has no more descriptors: the next poll tries anew.
                Err(error) => {
                    tracing::debug!(source = &*self.source, %error, "a connection could not be accepted");
                    return;
                }
            };
            let peer = std::net::SocketAddr::new(peer.ip().to_canonical(), peer.port());
            let allow = &self.config.allow;
            let allowed = allow.is_empty() || allow.iter().any(|net| net.contains(peer.ip()));
            let open = self.connections.len() - self.free.len();
            if !allowed || open >= self.config.connections_max || self.add(stream, peer, now).is_err() {
                self.counts.refused += 1;
            }
        }
    }

    fn add(&mut self, mut stream: mio::net::TcpStream, peer: std::net::SocketAddr, now: EventTime) -> io::Result<()> {
        prepare(&stream)?;
        let slot = self.free.last().copied().unwrap_or(self.connections.len());
        self.poll.registry().register(&mut stream, Token(slot), Interest::READABLE | Interest::WRITABLE)?;
        if self.free.pop().is_none() {
            self.connections.push((0, None));
        }
        let mut connection = Box::new(Connection::new(stream, peer, (self.make_codec)(), now));
        connection.queued = true;
        self.connections[slot].1 = Some(connection);
        self.ready.push_back(slot);
        self.counts.accepted += 1;
        Ok(())
    }

    fn turn(&mut self, slot: usize, now: EventTime, out: &mut FrameBuilder) {
        let (generation, Some(connection)) = &mut self.connections[slot] else { return };
        let who = Who { slot, generation: *generation };
        connection.queued = false;
        let before = self.next_offset;
        let turn = connection.turn(&mut self.scratch, now, self.config.rate_max_bytes, &mut self.next_offset, out);
        self.counts.bytes += (self.next_offset - before) as u64;
        let alive = self.take_replies(who);
        match turn {
            Turn::Over => self.close(slot, now, out),
            _ if !alive => self.close(slot, now, out),
            Turn::Drained => {}
            Turn::More => self.queue(slot),
            Turn::Paused(until) => self.paused.push((until, who)),
        }
    }

    fn queue(&mut self, slot: usize) {
        if let (_, Some(connection)) = &mut self.connections[slot]
            && !std::mem::replace(&mut connection.queued, true)
        {
            self.ready.push_back(slot);
        }
    }

    /// Sends what may be sent at once, and keeps the rest; false: the peer takes nothing.
    fn take_replies(&mut self, who: Who) -> bool {
        let (_, Some(connection)) = &mut self.connections[who.slot] else { return true };
        while let Some((reply, waits)) = connection.reply() {
            if waits {
                connection.unsafe_replies += 1;
                // It is among the bytes that have come, so these tell when it is safe.
                self.waiting.push(self.next_offset - 1, who, reply);
            } else if !connection.send(reply.bytes()) {
                return false;
            } else {
                self.counts.replies += 1;
            }
        }
        true
    }

    fn send_replies(&mut self, now: EventTime, out: &mut FrameBuilder) {
        let safe_before = self.durability.safe_before(&self.partition, self.handed_over);
        while let Some((who, reply)) = self.waiting.next_before(safe_before) {
            let (generation, Some(connection)) = &mut self.connections[who.slot] else { continue };
            if *generation != who.generation {
                continue;
            }
            connection.unsafe_replies -= 1;
            match connection.send(reply.bytes()) {
                true => self.counts.replies += 1,
                false => self.close(who.slot, now, out),
            }
        }
    }

    /// Once a second: closes connections that have been silent too long, and lets paused ones go on.
    fn sweep(&mut self, now: EventTime, out: &mut FrameBuilder) {
        let paused = std::mem::take(&mut self.paused);
        for (until, who) in paused {
            match () {
                () if until > now => self.paused.push((until, who)),
                () if self.connections[who.slot].0 == who.generation => self.queue(who.slot),
                () => {}
            }
        }
        if now < self.next_sweep {
            return;
        }
        self.next_sweep = EventTime(now.0.saturating_add(SECOND_US));
        for slot in 0..self.connections.len() {
            let Some(connection) = &self.connections[slot].1 else { continue };
            let limit = if connection.has_sent { self.config.idle_max_us } else { self.config.first_bytes_max_us };
            if now.0.saturating_sub(connection.last_bytes_at.0) > limit && !connection.queued {
                self.counts.idle += 1;
                self.close(slot, now, out);
            }
        }
    }

    fn close(&mut self, slot: usize, now: EventTime, out: &mut FrameBuilder) {
        let (generation, connection) = &mut self.connections[slot];
        let Some(mut connection) = connection.take() else { return };
        *generation += 1;
        self.free.push(slot);
        self.ready.retain(|ready| *ready != slot);
        connection.end(now, self.next_offset, out);
        for (name, count) in connection.counters() {
            *self.counts.of_codecs.entry(name).or_default() += count;
        }
        // A socket that cannot be taken out of the queue leaves it when it is closed, here.
        let _ = self.poll.registry().deregister(&mut connection.stream);
    }
}

impl Source for TcpReader {
    fn poll(&mut self, out: &mut FrameBuilder, timeout: Duration) -> Result<Polled, SourceError> {
        if out.is_empty() {
            out.set_partition(self.partition.clone(), None);
        }
        let filled = self.fill(out, timeout).map_err(|cause| SourceError::Io {
            source_name: self.source.to_string(),
            action: format!("wait for connections on {}", self.partition),
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
        let now = self.clock.now();
        (0..self.connections.len()).for_each(|slot| self.close(slot, now, out));
    }

    fn position(&self) -> Position {
        Position { offsets: [(self.partition.to_string(), self.next_offset)].into(), ..Position::default() }
    }

    /// Only the numbering goes on: what was sent in between is gone, unless the device sends it again.
    fn seek(&mut self, position: &Position) -> Result<(), SourceError> {
        self.next_offset = position.offsets.get(&*self.partition).copied().unwrap_or(0);
        self.handed_over = self.next_offset;
        Ok(())
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let open = (self.connections.len() - self.free.len()) as u64;
        let Counts { accepted, refused, idle, bytes, replies, of_codecs } = &self.counts;
        let mut of_codecs = of_codecs.clone();
        for (_, connection) in self.connections.iter().filter(|(_, connection)| connection.is_some()) {
            for (name, count) in connection.iter().flat_map(|connection| connection.counters()) {
                *of_codecs.entry(name).or_default() += count;
            }
        }
        let own = [
            ("connections", open),
            ("connections_accepted", *accepted),
            ("connections_refused", *refused),
            ("connections_idle", *idle),
            ("bytes", *bytes),
            ("replies", *replies),
            ("replies_lost", self.waiting.dropped),
        ];
        own.into_iter().chain(of_codecs).collect()
    }
}
