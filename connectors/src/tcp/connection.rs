//! One connection: its socket, its codec, what of its bytes waits for more, and what waits to be sent to it.

use crate::codec::reply::{Reply, When};
use crate::codec::{Codec, Place, RECORD_MAX};
use mio::net::TcpStream;
use rhumb_engine::builder::FrameBuilder;
use rhumb_engine::reject::Reason;
use rhumb_engine::time::{EventTime, SECOND_US};
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

/// Bytes that are read of one connection before another has its turn.
const TURN_BYTES: usize = 64 * 1024;
/// Bytes of replies that a peer may leave unread before it is taken for dead.
const UNSENT_MAX: usize = 4 * 1024;

/// Room for the bytes of one turn behind what a codec has not taken yet; shared by all connections of a reader.
pub(super) struct Scratch(Vec<u8>);

impl Default for Scratch {
    fn default() -> Scratch {
        Scratch(vec![0; RECORD_MAX + TURN_BYTES])
    }
}

/// How a turn of a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing more to read for now.
    Drained,
    /// There may be more.
    More,
    /// It has sent its share of this second, and may go on at the time.
    Paused(EventTime),
    /// To be closed: `Connection::end` comes next.
    Over,
}

pub(super) struct Connection {
    pub stream: TcpStream,
    pub peer: SocketAddr,
    codec: Box<dyn Codec>,
    /// What the codec has not taken yet.
    rest: Vec<u8>,
    /// What stands before the first record has been read.
    begun: bool,
    /// Replies that the peer has not taken yet.
    unsent: Vec<u8>,
    /// Replies that wait for their frames to be safe.
    pub unsafe_replies: usize,
    pub last_bytes_at: EventTime,
    pub has_sent: bool,
    /// The second that `in_second` bytes came in.
    second: i64,
    in_second: u64,
    /// It is in the queue of those that are to be read.
    pub queued: bool,
}

impl Connection {
    pub fn new(stream: TcpStream, peer: SocketAddr, mut codec: Box<dyn Codec>, now: EventTime) -> Connection {
        codec.conversation().into_iter().for_each(|conversation| conversation.from(peer));
        Connection {
            stream,
            peer,
            codec,
            rest: Vec::new(),
            begun: false,
            unsent: Vec::new(),
            unsafe_replies: 0,
            last_bytes_at: now,
            has_sent: false,
            second: 0,
            in_second: 0,
            queued: false,
        }
    }

    /// Reads and decodes one turn. `next_offset` counts all bytes of the reader.
    pub fn turn(
        &mut self,
        scratch: &mut Scratch,
        now: EventTime,
        rate_max_bytes: u64,
        next_offset: &mut i64,
        out: &mut FrameBuilder,
    ) -> Turn {
        let second = now.0.div_euclid(SECOND_US);
        if second != self.second {
            (self.second, self.in_second) = (second, 0);
        }
        let share = rate_max_bytes.saturating_sub(self.in_second);
        if share == 0 {
            return Turn::Paused(EventTime((second + 1) * SECOND_US));
        }
        let held = self.rest.len();
        let room = TURN_BYTES.min(usize::try_from(share).unwrap_or(TURN_BYTES));
        scratch.0[..held].copy_from_slice(&self.rest);
        let got = match self.stream.read(&mut scratch.0[held..held + room]) {
            Ok(0) => return Turn::Over,
            Ok(got) => got,
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Turn::Drained,
            Err(e) if e.kind() == ErrorKind::Interrupted => return Turn::More,
            Err(_) => return Turn::Over,
        };
        self.in_second += got as u64;
        (self.last_bytes_at, self.has_sent) = (now, true);
        // A record that began before these bytes stands as if all of it had come with them.
        let place = Place { offset: *next_offset - held as i64, received_at: now };
        *next_offset += got as i64;
        match self.decode(&scratch.0[..held + got], false, place, out) {
            true => Turn::More,
            false => Turn::Over,
        }
    }

    /// The last of its bytes: nothing of a record that is not whole is lost without a word.
    pub fn end(&mut self, now: EventTime, next_offset: i64, out: &mut FrameBuilder) {
        let rest = std::mem::take(&mut self.rest);
        let place = Place { offset: next_offset - rest.len() as i64, received_at: now };
        self.decode(&rest, true, place, out);
    }

    /// Decodes what is whole and keeps the rest; false if the connection is to be closed.
    fn decode(&mut self, bytes: &[u8], last: bool, place: Place, out: &mut FrameBuilder) -> bool {
        let mut at = 0;
        if !self.begun {
            match self.codec.preamble(bytes, last) {
                Ok(Some(length)) => (at, self.begun) = (length, true),
                Ok(None) if bytes.len() < RECORD_MAX => {
                    self.keep(bytes);
                    return true;
                }
                Ok(None) => return self.refuse(bytes, "no head of a stream in 64 KiB", place, out),
                Err(what) => return self.refuse(bytes, &what, place, out),
            }
        }
        let here = Place { offset: place.offset + at as i64, ..place };
        let used = self.codec.stream(&bytes[at..], last, here, out);
        let rest = &bytes[at + used..];
        self.keep(rest);
        if rest.len() > RECORD_MAX {
            return self.refuse(rest, "a record of more than 64 KiB", here, out);
        }
        !self.codec.conversation().is_some_and(|conversation| conversation.is_over())
    }

    fn keep(&mut self, rest: &[u8]) {
        // The memory of ten thousand connections is worth more than that of one.
        match rest.is_empty() {
            true => self.rest = Vec::new(),
            false => {
                self.rest.clear();
                self.rest.extend_from_slice(rest);
            }
        }
    }

    #[cold]
    fn refuse(&mut self, bytes: &[u8], what: &str, place: Place, out: &mut FrameBuilder) -> bool {
        out.at(place.offset, place.received_at);
        out.reject(Reason::Undecodable, bytes, format!("sent by {}: {what}", self.peer));
        self.rest = Vec::new();
        false
    }

    /// The codec's next reply, and whether it has to wait.
    pub fn reply(&mut self) -> Option<(Reply, bool)> {
        let reply = self.codec.conversation()?.reply()?;
        // None overtakes another.
        Some((reply, reply.when == When::Durable || self.unsafe_replies > 0))
    }

    /// Sends bytes as far as the peer takes them; false: it is dead or takes none.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.unsent.extend_from_slice(bytes);
        self.flush() && self.unsent.len() <= UNSENT_MAX
    }

    pub fn flush(&mut self) -> bool {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return e.kind() == ErrorKind::WouldBlock,
            }
        }
        true
    }

    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        self.codec.counters()
    }
}

/// Sets what a device's connection needs: small replies at once, and a probe where the peer has gone without a word.
pub(super) fn prepare(stream: &TcpStream) -> io::Result<()> {
    let socket = socket2::SockRef::from(stream);
    let seconds = std::time::Duration::from_secs;
    socket.set_tcp_nodelay(true)?;
    let keepalive = socket2::TcpKeepalive::new().with_time(seconds(60)).with_interval(seconds(20)).with_retries(3);
    socket.set_tcp_keepalive(&keepalive)
}
