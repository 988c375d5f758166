//! Writes what `BinaryCodec` reads.

use super::LENGTH;
use super::keys::Key;
use super::packet::{
    EXACT, FRAMES_MAX, HAS_TRAILER, HEADER, MAGIC, NO_POSITION, PACKET_MAX, TAG, TRAILER, VERSION, id_at, present,
};
use hmac::{Hmac, Mac};
use rhumb_engine::frame::Frame;
use sha2::Sha256;

/// How positions are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Positions {
    /// Four bytes each, rounded to 1e-7 degrees: 11 mm at the equator, at most 6 mm off. What is out of reach (beyond
    /// ±214.7 degrees, or not a number) is read back as not a number.
    #[default]
    Compact,
    /// Eight bytes each, every bit of the `f64`.
    Exact,
}

/// Why a frame was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    #[error("the packet is full")]
    Full,
    #[error("a vehicle id of {0} bytes; the most is 255")]
    VehicleId(usize),
}

/// Puts frames into packets: `push` until it says `Full`, or until it is time to send; then `datagram` or `record`,
/// and so on.
pub struct BinaryEncoder {
    positions: Positions,
    packet_max: usize,
    key: Option<Signer>,
    /// Room for the length, then the packet.
    buffer: Vec<u8>,
    count: usize,
    done: bool,
}

struct Signer {
    id: u16,
    mac: Hmac<Sha256>,
    counter: u64,
}

impl BinaryEncoder {
    /// Packets will be at most `packet_max` bytes long, and `PACKET_MAX` in any case. 1400 fits into a datagram that
    /// is not split on its way.
    pub fn new(positions: Positions, packet_max: usize) -> BinaryEncoder {
        let mut encoder = BinaryEncoder {
            positions,
            packet_max: packet_max.min(PACKET_MAX),
            key: None,
            buffer: Vec::new(),
            count: 0,
            done: false,
        };
        encoder.clear();
        encoder
    }

    /// Adds a trailer to each packet. The first gets `counter`, each further one a counter higher by one. A counter
    /// must never be used twice with a key: start from the microseconds of the clock, and it need not be stored.
    pub fn sign(mut self, key: &Key, counter: u64) -> BinaryEncoder {
        self.key = Some(Signer { id: key.id, mac: key.mac(), counter });
        self.clear();
        self
    }

    /// Frames in the packet so far.
    pub fn len(&self) -> usize {
        if self.done { 0 } else { self.count }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a frame. After an error the packet is as it was. A packet takes its first frame whatever its length.
    pub fn push(&mut self, frame: &Frame) -> Result<(), EncodeError> {
        if self.done {
            self.clear();
        }
        let id = frame.vehicle.as_bytes();
        let id_length = u8::try_from(id.len()).map_err(|_| EncodeError::VehicleId(id.len()))?;
        let before = self.buffer.len();
        self.buffer.extend([0, id_length]);
        self.buffer.extend(frame.event_time.0.to_le_bytes());
        match self.positions {
            Positions::Exact => [frame.lat, frame.lon].map(|deg| self.buffer.extend(deg.to_le_bytes())),
            Positions::Compact => [frame.lat, frame.lon].map(|deg| self.buffer.extend(units(deg).to_le_bytes())),
        };
        debug_assert_eq!(self.buffer.len() - before, id_at(self.positions == Positions::Exact));
        self.buffer.extend(id);
        self.buffer[before] = self.optional(frame);
        let trailer = if self.key.is_some() { TRAILER } else { 0 };
        let length = self.buffer.len() - LENGTH + trailer;
        if self.count > 0 && length > self.packet_max || self.count == FRAMES_MAX {
            self.buffer.truncate(before);
            return Err(EncodeError::Full);
        }
        self.count += 1;
        Ok(())
    }

    /// Writes the values that the frame has, and says which.
    fn optional(&mut self, frame: &Frame) -> u8 {
        let mut mask = if frame.no_fix { present::NO_FIX } else { 0 };
        let mut put = |bit, bytes: Option<&[u8]>| {
            if let Some(bytes) = bytes {
                self.buffer.extend(bytes);
                mask |= bit;
            }
        };
        put(present::ALTITUDE, frame.altitude_m.map(f32::to_le_bytes).as_ref().map(|b| &b[..]));
        put(present::SPEED, frame.speed_mps.map(f32::to_le_bytes).as_ref().map(|b| &b[..]));
        put(present::HEADING, frame.heading_deg.map(f32::to_le_bytes).as_ref().map(|b| &b[..]));
        put(present::ACCURACY, frame.accuracy_m.map(f32::to_le_bytes).as_ref().map(|b| &b[..]));
        put(present::HDOP, frame.hdop.map(f32::to_le_bytes).as_ref().map(|b| &b[..]));
        put(present::SATELLITES, frame.satellites.map(i16::to_le_bytes).as_ref().map(|b| &b[..]));
        put(present::RECEIVED_AT, frame.received_at.map(|t| t.0.to_le_bytes()).as_ref().map(|b| &b[..]));
        mask
    }

    /// Ends the packet and gives it, to be sent as one datagram. The next `push` begins another.
    pub fn datagram(&mut self) -> &[u8] {
        self.end();
        &self.buffer[LENGTH..]
    }

    /// Ends the packet and gives it with its length in front, as it stands in files and streams. The next `push`
    /// begins another.
    pub fn record(&mut self) -> &[u8] {
        self.end();
        &self.buffer
    }

    fn end(&mut self) {
        if self.done {
            self.clear();
        }
        self.done = true;
        let count = (self.count as u16).to_le_bytes();
        self.buffer[LENGTH + HEADER - 2..LENGTH + HEADER].copy_from_slice(&count);
        if let Some(key) = &mut self.key {
            self.buffer.extend(key.id.to_le_bytes());
            self.buffer.extend(key.counter.to_le_bytes());
            let tag = key.mac.clone().chain_update(&self.buffer[LENGTH..]).finalize().into_bytes();
            self.buffer.extend(&tag[..TAG]);
            key.counter += 1;
        }
        let length = (self.buffer.len() - LENGTH) as u32;
        self.buffer[..LENGTH].copy_from_slice(&length.to_le_bytes());
    }

    fn clear(&mut self) {
        let exact = if self.positions == Positions::Exact { EXACT } else { 0 };
        let trailer = if self.key.is_some() { HAS_TRAILER } else { 0 };
        self.buffer.clear();
        self.buffer.extend([0; LENGTH]);
        self.buffer.extend(MAGIC);
        self.buffer.extend([VERSION, exact | trailer, 0, 0, 0]);
        self.count = 0;
        self.done = false;
    }
}

/// Degrees in steps of 1e-7.
fn units(degrees: f64) -> i32 {
    let units = (degrees * 1e7).round();
    if units.abs() <= f64::from(i32::MAX) { units as i32 } else { NO_POSITION }
}
