//! When devices are told that their frames have arrived.
//!
//! A device that waits for an acknowledgement forgets what was acknowledged, so it may be sent only when the frames are
//! safe. How far that is, a `Durability` says. Without a journal it is `HandedOver`: a frame counts as safe once the
//! engine has it, and what the engine holds is lost if the process dies before its epoch is committed: at most once.
//! A journal answers with what it has synced, and the same frames are then kept at least once.

use crate::codec::reply::Reply;
use std::collections::VecDeque;

/// How far the input of a source is safe.
pub trait Durability: Send + Sync {
    /// The first offset of a partition that is not safe. `handed_over` is the first one that the engine has not been
    /// given. Asked at each poll from the reader's thread; does not wait and does not go back.
    fn safe_before(&self, partition: &str, handed_over: i64) -> i64;
}

/// What the engine has been given counts as safe.
#[derive(Debug, Clone, Copy, Default)]
pub struct HandedOver;

impl Durability for HandedOver {
    fn safe_before(&self, _: &str, handed_over: i64) -> i64 {
        handed_over
    }
}

/// Replies that wait, at most. A device whose reply is dropped sends its frames again.
pub const WAITING_MAX: usize = 1 << 18;

/// Replies that wait for their frames to be safe, by offset, with whom each is for.
pub(crate) struct Waiting<To> {
    replies: VecDeque<(i64, To, Reply)>,
    /// Replies that had no room.
    pub dropped: u64,
}

impl<To> Default for Waiting<To> {
    fn default() -> Self {
        Waiting { replies: VecDeque::new(), dropped: 0 }
    }
}

impl<To> Waiting<To> {
    /// Offsets come in ascending order.
    pub fn push(&mut self, offset: i64, to: To, reply: Reply) {
        match self.replies.len() < WAITING_MAX {
            true => self.replies.push_back((offset, to, reply)),
            false => self.dropped += 1,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.replies.is_empty()
    }

    /// The next reply whose frames are safe.
    pub fn next_before(&mut self, safe_before: i64) -> Option<(To, Reply)> {
        let (_, to, reply) = self.replies.pop_front_if(|(offset, ..)| *offset < safe_before)?;
        Some((to, reply))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::reply::When;

    #[test]
    fn replies_wait_until_what_they_answer_is_safe() {
        let mut waiting = Waiting::default();
        for offset in 0..4 {
            waiting.push(offset, "a", Reply::new(&[offset as u8], When::Durable, offset));
        }
        let mut safe = |before| -> Vec<u8> {
            std::iter::from_fn(|| waiting.next_before(before)).map(|(_, reply)| reply.bytes()[0]).collect()
        };
        assert!(safe(0).is_empty());
        assert_eq!(safe(2), [0, 1]);
        assert!(safe(2).is_empty());
        assert_eq!(safe(100), [2, 3]);
        assert_eq!(HandedOver.safe_before("socket-0", 7), 7);
    }
}
