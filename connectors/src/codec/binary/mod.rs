//! The codec `binary`: our own compact format for gateways and benches. `docs/BINARY.md` says it byte by byte.
//!
//! A datagram is a packet of frames, if need be with a trailer that proves who sent it. In a file or a stream each
//! packet has its length in front. A packet whose lengths do not add up is rejected whole, of a stream with its
//! length; a frame whose vehicle id is not UTF-8 is rejected alone.

mod encoder;
mod keys;
mod packet;

pub use self::encoder::{BinaryEncoder, EncodeError, Positions};
pub use self::keys::{Key, REPLAY_WINDOW, SECRET_MIN};
pub use self::packet::{FRAMES_MAX, PACKET_MAX};

use self::keys::KeyRing;
use self::packet::{HEADER, MAGIC, Packet, VERSION};
use super::{Codec, Place, RECORD_MAX};
use rhumb_engine::builder::FrameBuilder;
use rhumb_engine::reject::Reason;

/// Whom to believe.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BinaryConfig {
    /// With keys, every packet needs a trailer made with one of them. Without, trailers are not looked at.
    pub keys: Vec<Key>,
}

impl BinaryConfig {
    pub(super) fn mistakes(&self) -> Vec<String> {
        keys::mistakes(&self.keys)
    }

    pub(super) fn describe(&self) -> String {
        match self.keys.len() {
            0 => String::new(),
            1 => "authenticated by 1 key".to_owned(),
            many => format!("authenticated by {many} keys"),
        }
    }
}

/// Length of the field that stands before each packet of a stream.
const LENGTH: usize = 4;

pub struct BinaryCodec {
    keys: KeyRing,
}

impl BinaryCodec {
    pub fn new(config: &BinaryConfig) -> BinaryCodec {
        BinaryCodec { keys: KeyRing::new(&config.keys) }
    }

    /// Decodes a packet; the error is why its bytes are no frames.
    fn packet(&mut self, bytes: &[u8], out: &mut FrameBuilder) -> Result<(), (Reason, String)> {
        let packet = Packet::open(bytes).map_err(|complaint| (Reason::Undecodable, complaint))?;
        self.keys.verify(&packet, bytes).map_err(|complaint| (Reason::Authentication, complaint))?;
        packet.check().map_err(|complaint| (Reason::Undecodable, complaint))?;
        packet.frames(out);
        Ok(())
    }

    /// Decodes a record of a stream whose length is known, and says where the next begins.
    fn record(&mut self, record: &[u8], out: &mut FrameBuilder) -> usize {
        let packet = &record[LENGTH..];
        match self.packet(packet, out) {
            Ok(()) => record.len(),
            Err((Reason::Authentication, complaint)) => {
                out.reject(Reason::Authentication, packet, complaint);
                record.len()
            }
            // The length may be what is wrong: nothing that looks like a packet is passed over.
            Err((_, complaint)) => broken(&record[..next_packet(record).unwrap_or(record.len())], complaint, out),
        }
    }
}

impl Codec for BinaryCodec {
    /// Takes no bytes, but says so if these are not ours.
    fn preamble(&mut self, bytes: &[u8], last: bool) -> Result<Option<usize>, String> {
        let Some(head) = bytes.get(LENGTH..LENGTH + MAGIC.len() + 1) else {
            return Ok(last.then_some(0));
        };
        match head.strip_prefix(MAGIC) {
            Some([VERSION]) => Ok(Some(0)),
            Some(version) => Err(format!("binary version {}; this build reads version {VERSION}", version[0])),
            None => Err("not a file of the binary codec: \"RHB\" is missing at byte 4".to_owned()),
        }
    }

    fn stream(&mut self, bytes: &[u8], last: bool, place: Place, out: &mut FrameBuilder) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            place.at(at, out);
            let window = &bytes[at..bytes.len().min(at + RECORD_MAX)];
            let full = window.len() == RECORD_MAX;
            at += match packet_length(window) {
                Some(length) if window.len() >= LENGTH + length => self.record(&window[..LENGTH + length], out),
                Some(length) if last => {
                    broken(&window[..next_packet(window).unwrap_or(window.len())], cut(window, length), out)
                }
                None if last || window.len() >= LENGTH + HEADER => match next_packet(window) {
                    Some(next) => broken(&window[..next], NO_PACKET, out),
                    None if full => broken(&window[..RECORD_MAX - LENGTH - MAGIC.len()], NO_PACKET, out),
                    None if last => broken(window, NO_PACKET, out),
                    None => return at,
                },
                _ => return at,
            };
        }
        at
    }

    fn datagram(&mut self, bytes: &[u8], out: &mut FrameBuilder) {
        if let Err((reason, complaint)) = self.packet(bytes, out) {
            out.reject(reason, bytes, complaint);
        }
    }
}

/// The length of the packet that begins after it; `None` if no packet of ours begins here.
#[inline]
fn packet_length(window: &[u8]) -> Option<usize> {
    let length = u32::from_le_bytes(*window.first_chunk()?) as usize;
    let ours = window[LENGTH..].starts_with(MAGIC) && (HEADER..=PACKET_MAX).contains(&length);
    ours.then_some(length)
}

/// Where the next packet may begin after something that is none.
fn next_packet(window: &[u8]) -> Option<usize> {
    let after = LENGTH + 1;
    let found = memchr::memmem::find(window.get(after..)?, MAGIC)?;
    Some(found + after - LENGTH)
}

const NO_PACKET: &str = "no packet begins here";

#[cold]
fn broken(raw: &[u8], complaint: impl Into<String>, out: &mut FrameBuilder) -> usize {
    out.reject(Reason::Undecodable, raw, complaint);
    raw.len()
}

#[cold]
fn cut(window: &[u8], length: usize) -> String {
    format!("the input ends inside a packet: {} of its {length} bytes are there", window.len() - LENGTH)
}

#[cfg(test)]
mod tests;
