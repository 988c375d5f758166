//! What a codec has to say to whoever sent the bytes: acknowledgements, and answers to logins.

use std::collections::VecDeque;
use std::net::SocketAddr;

/// Bytes of a reply, at most.
pub const REPLY_MAX: usize = 8;
/// Replies that wait to be fetched, at most; a source fetches them after each datagram and each stretch of a stream.
const REPLIES_MAX: usize = 64 * 1024;

/// When a reply may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    AtOnce,
    /// When what it answers is as safe as this pipeline makes it: see `acknowledge::Durability`.
    Durable,
}

/// Bytes for the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    bytes: [u8; REPLY_MAX],
    length: u8,
    pub when: When,
    /// Of a stream: where what it answers begins.
    pub offset: i64,
}

impl Reply {
    /// # Panics
    /// If there are more bytes than `REPLY_MAX`.
    pub fn new(text: &[u8], when: When, offset: i64) -> Reply {
        let mut bytes = [0; REPLY_MAX];
        bytes[..text.len()].copy_from_slice(text);
        Reply { bytes, length: text.len() as u8, when, offset }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// The side of a codec that looks at who sends, and answers. A codec that is never told who sends, answers nothing.
pub trait Conversation {
    /// Tells who sends the next datagram; for a stream once, before its first bytes.
    fn from(&mut self, sender: SocketAddr);

    /// The next reply, oldest first.
    fn reply(&mut self) -> Option<Reply> {
        None
    }

    /// The stream is not what this codec reads, or its sender was turned away: the connection is to be closed.
    fn is_over(&self) -> bool {
        false
    }
}

/// Replies in the order in which they arose.
#[derive(Default)]
pub(super) struct Replies(VecDeque<Reply>);

impl Replies {
    pub fn push(&mut self, reply: Reply) {
        if self.0.len() < REPLIES_MAX {
            self.0.push_back(reply);
        }
    }

    pub fn pop(&mut self) -> Option<Reply> {
        self.0.pop_front()
    }
}
