//! A packet: header, frames, trailer. All numbers are little-endian.

use super::RECORD_MAX;
use crate::codec::scan;
use rhumb_engine::builder::FrameBuilder;
use rhumb_engine::frame::Frame;
use rhumb_engine::reject::Reason;
use rhumb_engine::time::EventTime;

pub(super) const MAGIC: &[u8] = b"RHB";
pub(super) const VERSION: u8 = 1;
/// Magic, version, flags, a zero, count of frames.
pub(super) const HEADER: usize = 8;
/// Key id, counter, tag.
pub(super) const TRAILER: usize = KEY_AND_COUNTER + TAG;
pub(super) const KEY_AND_COUNTER: usize = 2 + 8;
pub(super) const TAG: usize = 16;

/// Positions are two `f64` in degrees; without it two `i32` in 1e-7 degrees.
pub(super) const EXACT: u8 = 1;
pub(super) const HAS_TRAILER: u8 = 2;

/// A packet is no longer than this, so that a stream's record with its length is at most `RECORD_MAX`.
pub const PACKET_MAX: usize = RECORD_MAX - super::LENGTH;
/// Frames of one packet, at most.
pub const FRAMES_MAX: usize = u16::MAX as usize;

/// Bits of the presence byte, and how many bytes a value takes. The values stand in this order.
pub(super) mod present {
    pub const ALTITUDE: u8 = 1;
    pub const SPEED: u8 = 2;
    pub const HEADING: u8 = 4;
    pub const ACCURACY: u8 = 8;
    pub const HDOP: u8 = 16;
    pub const SATELLITES: u8 = 32;
    pub const RECEIVED_AT: u8 = 64;
    /// No bytes: the bit says all.
    pub const NO_FIX: u8 = 128;
    pub const SIZES: [usize; 8] = [4, 4, 4, 4, 4, 2, 8, 0];
}

/// Bytes that the optional values of a frame take, by its presence byte.
const OPTIONAL_SIZE: [u8; 256] = {
    let mut sizes = [0; 256];
    let mut mask = 0;
    while mask < 256 {
        let mut bit = 0;
        while bit < 8 {
            sizes[mask] += (present::SIZES[bit] * (mask >> bit & 1)) as u8;
            bit += 1;
        }
        mask += 1;
    }
    sizes
};

/// Where the id of a frame begins: after presence, length of the id, time and position.
pub(super) const fn id_at(exact: bool) -> usize {
    2 + 8 + if exact { 16 } else { 8 }
}

/// A position that the compact form cannot hold, read back as not a number.
pub(super) const NO_POSITION: i32 = i32::MIN;

/// What proves a packet: all but the tag is what the tag was made from.
#[derive(Debug, Clone, Copy)]
pub struct Trailer<'a> {
    pub key_id: u16,
    pub counter: u64,
    pub tag: &'a [u8],
}

/// A packet whose header has been read, and nothing else of it.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    exact: bool,
    count: usize,
    body: &'a [u8],
    pub trailer: Option<Trailer<'a>>,
}

impl<'a> Packet<'a> {
    /// Reads header and trailer; the error says what is wrong with them.
    pub fn open(bytes: &'a [u8]) -> Result<Packet<'a>, String> {
        let Some((header, mut body)) = bytes.split_first_chunk::<HEADER>() else {
            return Err(format!("{} bytes; the header alone has {HEADER}", bytes.len()));
        };
        let [r, h, b, version, flags, zero, count @ ..] = *header;
        if [r, h, b] != *MAGIC {
            return Err("byte 0: expected \"RHB\"".to_owned());
        }
        if version != VERSION {
            return Err(format!("byte 3: version {version}; this build reads version {VERSION}"));
        }
        if flags & !(EXACT | HAS_TRAILER) != 0 || zero != 0 {
            return Err(format!("byte 4: flags {flags:#04x} {zero:#04x}; known are 0x01 and 0x02"));
        }
        let mut trailer = None;
        if flags & HAS_TRAILER != 0 {
            let Some((rest, end)) = body.split_last_chunk::<TRAILER>() else {
                return Err(format!("no room for the trailer of {TRAILER} bytes"));
            };
            let [k0, k1, counter @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = *end;
            let (key_id, counter) = (u16::from_le_bytes([k0, k1]), u64::from_le_bytes(counter));
            trailer = Some(Trailer { key_id, counter, tag: &end[KEY_AND_COUNTER..] });
            body = rest;
        }
        Ok(Packet { exact: flags & EXACT != 0, count: usize::from(u16::from_le_bytes(count)), body, trailer })
    }

    /// Whether the lengths of the frames add up to the packet; the error says where they do not.
    pub fn check(&self) -> Result<(), String> {
        let fixed = id_at(self.exact);
        let mut at = 0;
        for n in 0..self.count {
            let size = match self.body.get(at..at + 2) {
                Some([mask, id]) => fixed + usize::from(*id) + usize::from(OPTIONAL_SIZE[usize::from(*mask)]),
                _ => fixed,
            };
            if self.body.len() - at < size {
                return Err(self.short(n, at));
            }
            at += size;
        }
        if at == self.body.len() { Ok(()) } else { Err(self.left_over(at)) }
    }

    #[cold]
    fn short(&self, n: usize, at: usize) -> String {
        format!("byte {}: frame {} of {} does not fit into the packet", HEADER + at, n + 1, self.count)
    }

    #[cold]
    fn left_over(&self, at: usize) -> String {
        format!("byte {}: {} bytes after the last of {} frames", HEADER + at, self.body.len() - at, self.count)
    }

    /// Pushes the frames of a packet that `check` found right.
    pub fn frames(&self, out: &mut FrameBuilder) {
        match self.exact {
            true => self.frames_with::<true>(out),
            false => self.frames_with::<false>(out),
        }
    }

    #[inline]
    fn frames_with<const EXACT: bool>(&self, out: &mut FrameBuilder) {
        let mut rest = self.body;
        let mut frame = Frame::default();
        while let Some((id, after)) = read_frame::<EXACT>(rest, &mut frame) {
            match scan::utf8(id) {
                Some(vehicle) => {
                    frame.vehicle = vehicle;
                    out.push(&frame);
                }
                None => out.reject(Reason::Undecodable, &rest[..rest.len() - after.len()], "vehicle_id is not UTF-8"),
            }
            rest = after;
        }
    }
}

/// Reads all but the vehicle of the frame at the head of `bytes`; gives the vehicle's id and what follows the frame.
#[inline(always)]
fn read_frame<'a, const EXACT: bool>(bytes: &'a [u8], frame: &mut Frame<'a>) -> Option<(&'a [u8], &'a [u8])> {
    let mut rest = bytes;
    let [mask, id_length] = take(&mut rest)?;
    frame.event_time = EventTime(i64::from_le_bytes(take(&mut rest)?));
    (frame.lat, frame.lon) = match EXACT {
        true => (f64::from_le_bytes(take(&mut rest)?), f64::from_le_bytes(take(&mut rest)?)),
        false => (degrees(take(&mut rest)?), degrees(take(&mut rest)?)),
    };
    let (id, optional) = rest.split_at_checked(usize::from(id_length))?;
    rest = optional;
    let mut float = |bit| -> Option<Option<f32>> {
        if mask & bit == 0 {
            return Some(None);
        }
        let value = f32::from_le_bytes(take(&mut rest)?);
        Some(value.is_finite().then_some(value))
    };
    frame.altitude_m = float(present::ALTITUDE)?;
    frame.speed_mps = float(present::SPEED)?;
    frame.heading_deg = float(present::HEADING)?;
    frame.accuracy_m = float(present::ACCURACY)?;
    frame.hdop = float(present::HDOP)?;
    frame.satellites = match mask & present::SATELLITES != 0 {
        true => Some(i16::from_le_bytes(take(&mut rest)?)),
        false => None,
    };
    frame.received_at = match mask & present::RECEIVED_AT != 0 {
        true => Some(EventTime(i64::from_le_bytes(take(&mut rest)?))),
        false => None,
    };
    frame.no_fix = mask & present::NO_FIX != 0;
    Some((id, rest))
}

#[inline(always)]
fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*head)
}

/// One division gives the `f64` nearest to the decimal number.
#[inline(always)]
fn degrees(bytes: [u8; 4]) -> f64 {
    match i32::from_le_bytes(bytes) {
        NO_POSITION => f64::NAN,
        units => f64::from(units) / 1e7,
    }
}
