//! How entries stand in a journal's files: in blocks, each with a checksum.
//!
//! A block, all numbers little-endian: bytes of the body (u32), entries in it (u32), offset of the first (i64), when
//! they were received (i64, microseconds since 1970), XXH3-64 of all of the block but itself (u64), the body. An entry:
//! its kind (u8); then of a datagram the sender's address (4 or 16 bytes by kind) and port (u16), bytes that were sent
//! (u32), bytes that are kept (u32) and these; of a tick its time and how long nothing ran before it (i64 both).

use rhumb_engine::lane::hash_of;
use rhumb_engine::source::Clocked;
use rhumb_engine::time::EventTime;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

/// Bytes before the body.
pub const HEAD_BYTES: usize = 32;
const HASH: Range<usize> = 24..32;
/// No body is longer: what says so is no block.
pub const BODY_MAX: usize = 64 << 20;

const DATAGRAM_V4: u8 = 4;
const DATAGRAM_V6: u8 = 6;
const TICK: u8 = 1;

/// Something that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    Datagram {
        sender: SocketAddr,
        /// Bytes that were sent, of which `bytes` may be the head alone.
        length: u32,
        bytes: &'a [u8],
    },
    /// The clock went on.
    Tick(Clocked),
}

/// Appends a block. Entries that came at one time: datagrams of one system call, or a tick.
#[derive(Debug, Default)]
pub struct BlockWriter {
    bytes: Vec<u8>,
    entries: u32,
}

impl BlockWriter {
    pub fn push(&mut self, entry: Entry) {
        if self.bytes.is_empty() {
            self.bytes.resize(HEAD_BYTES, 0);
        }
        match entry {
            Entry::Datagram { sender, length, bytes } => {
                match sender.ip() {
                    IpAddr::V4(ip) => {
                        self.bytes.push(DATAGRAM_V4);
                        self.bytes.extend_from_slice(&ip.octets());
                    }
                    IpAddr::V6(ip) => {
                        self.bytes.push(DATAGRAM_V6);
                        self.bytes.extend_from_slice(&ip.octets());
                    }
                }
                self.bytes.extend_from_slice(&sender.port().to_le_bytes());
                self.bytes.extend_from_slice(&length.to_le_bytes());
                self.bytes.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
                self.bytes.extend_from_slice(bytes);
            }
            Entry::Tick(Clocked { now, away_us }) => {
                self.bytes.push(TICK);
                self.bytes.extend_from_slice(&now.0.to_le_bytes());
                self.bytes.extend_from_slice(&away_us.to_le_bytes());
            }
        }
        self.entries += 1;
    }

    pub fn entries(&self) -> u32 {
        self.entries
    }

    /// The whole block; empty if nothing was pushed.
    pub fn finish(&mut self, first: i64, received_at: EventTime) -> &[u8] {
        if self.entries > 0 {
            let body = (self.bytes.len() - HEAD_BYTES) as u32;
            self.bytes[0..4].copy_from_slice(&body.to_le_bytes());
            self.bytes[4..8].copy_from_slice(&self.entries.to_le_bytes());
            self.bytes[8..16].copy_from_slice(&first.to_le_bytes());
            self.bytes[16..24].copy_from_slice(&received_at.0.to_le_bytes());
            self.bytes[HASH].fill(0);
            let hash = hash_of(&self.bytes);
            self.bytes[HASH].copy_from_slice(&hash.to_le_bytes());
        }
        &self.bytes
    }

    /// For the next block.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries = 0;
    }
}

/// What stands before the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub body_bytes: usize,
    pub entries: u32,
    pub first: i64,
    pub received_at: EventTime,
}

impl Head {
    /// `None`: no block begins so.
    pub fn of(bytes: &[u8; HEAD_BYTES]) -> Option<Head> {
        let i64_at = |at: usize| i64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let head = Head {
            body_bytes: u32_at(0) as usize,
            entries: u32_at(4),
            first: i64_at(8),
            received_at: EventTime(i64_at(16)),
        };
        ((1..=BODY_MAX).contains(&head.body_bytes) && head.entries > 0).then_some(head)
    }

    /// The offset after the last entry.
    pub fn end(&self) -> i64 {
        self.first.saturating_add(i64::from(self.entries))
    }
}

/// Whether a block is as it was written.
pub fn is_whole(block: &mut [u8]) -> bool {
    let told = block[HASH].to_vec();
    block[HASH].fill(0);
    let is_whole = hash_of(block).to_le_bytes() == *told;
    block[HASH].copy_from_slice(&told);
    is_whole
}

/// The entries of a whole block's body, in order.
pub fn entries(body: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    let mut rest = body;
    std::iter::from_fn(move || entry(&mut rest))
}

fn entry<'a>(rest: &mut &'a [u8]) -> Option<Entry<'a>> {
    let (kind, mut bytes) = rest.split_first()?;
    let ip = match *kind {
        TICK => {
            let now = EventTime(i64::from_le_bytes(take(&mut bytes)?));
            let away_us = i64::from_le_bytes(take(&mut bytes)?);
            *rest = bytes;
            return Some(Entry::Tick(Clocked { now, away_us }));
        }
        DATAGRAM_V4 => IpAddr::from(take::<4>(&mut bytes)?),
        DATAGRAM_V6 => IpAddr::from(take::<16>(&mut bytes)?),
        _ => return None,
    };
    let port = u16::from_le_bytes(take(&mut bytes)?);
    let length = u32::from_le_bytes(take(&mut bytes)?);
    let kept = u32::from_le_bytes(take(&mut bytes)?) as usize;
    let (kept, after) = bytes.split_at_checked(kept)?;
    *rest = after;
    Some(Entry::Datagram { sender: SocketAddr::new(ip, port), length, bytes: kept })
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_as_they_were_put_in() {
        let put = [
            Entry::Datagram { sender: "127.0.0.1:5027".parse().unwrap(), length: 3, bytes: b"abc" },
            Entry::Tick(Clocked { now: EventTime(-7), away_us: 3 }),
            Entry::Datagram { sender: "[::1]:1".parse().unwrap(), length: 70_000, bytes: b"" },
        ];
        let mut writer = BlockWriter::default();
        put.iter().for_each(|entry| writer.push(*entry));
        let mut block = writer.finish(41, EventTime(9)).to_vec();
        let head = Head::of(block.first_chunk().unwrap()).unwrap();
        assert_eq!((head.first, head.end(), head.received_at), (41, 44, EventTime(9)));
        assert_eq!(head.body_bytes, block.len() - HEAD_BYTES);
        assert!(is_whole(&mut block));
        assert_eq!(entries(&block[HEAD_BYTES..]).collect::<Vec<_>>(), put);
        for at in 0..block.len() {
            block[at] ^= 1;
            assert!(!is_whole(&mut block), "byte {at}");
            block[at] ^= 1;
        }
    }

    #[test]
    fn a_body_that_is_cut_ends_early() {
        let mut writer = BlockWriter::default();
        writer.push(Entry::Datagram { sender: "127.0.0.1:5027".parse().unwrap(), length: 3, bytes: b"abc" });
        let block = writer.finish(0, EventTime(0)).to_vec();
        for end in HEAD_BYTES..block.len() {
            assert_eq!(entries(&block[HEAD_BYTES..end]).count(), 0);
        }
    }
}
