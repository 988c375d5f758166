//! AVL records: position, time and IO elements, as codec 8, 8 Extended and 16 lay them out. All numbers are big-endian.
//! After Teltonika's own description of its data sending protocols (wiki.teltonika-gps.com, "Codec").

use super::io::RecordHead;
use rhumb_engine::frame::Frame;
use rhumb_engine::time::EventTime;

/// Sizes in which the three codecs differ.
pub trait Layout {
    const NAME: &str;
    /// Bytes of an IO element's id.
    const ID: usize;
    /// Bytes of a number of elements.
    const COUNT: usize;
    /// A byte tells what caused the record.
    const GENERATION: bool;
    /// Elements of any length follow those of 1, 2, 4 and 8 bytes.
    const VARIABLE: bool;
}

pub struct Codec8;
pub struct Codec8Extended;
pub struct Codec16;

impl Layout for Codec8 {
    const NAME: &str = "8";
    const ID: usize = 1;
    const COUNT: usize = 1;
    const GENERATION: bool = false;
    const VARIABLE: bool = false;
}

impl Layout for Codec8Extended {
    const NAME: &str = "8 Extended";
    const ID: usize = 2;
    const COUNT: usize = 2;
    const GENERATION: bool = false;
    const VARIABLE: bool = true;
}

impl Layout for Codec16 {
    const NAME: &str = "16";
    const ID: usize = 2;
    const COUNT: usize = 1;
    const GENERATION: bool = true;
    const VARIABLE: bool = false;
}

/// Time, priority and position.
const FIXED: usize = 24;
/// Low, high, panic.
const PRIORITY_MAX: u8 = 2;
/// The end of the year 9999.
const TIME_MAX_MS: u64 = 253_402_300_799_999;

/// Bytes of the values of each group of elements.
const WIDTHS: [usize; 4] = [1, 2, 4, 8];

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Short,
    Priority(u8),
    Time(u64),
    /// The record says that it has so many elements, and has others.
    Elements {
        said: usize,
        there: usize,
    },
}

const fn head_length<L: Layout>() -> usize {
    FIXED + L::ID + L::GENERATION as usize + L::COUNT
}

/// The length of the record at the head of `bytes`, all of it looked at.
#[inline(always)]
pub fn measure<L: Layout>(bytes: &[u8]) -> Result<usize, Fault> {
    let head = bytes.get(..head_length::<L>()).ok_or(Fault::Short)?;
    let time = u64::from_be_bytes(*head.first_chunk().ok_or(Fault::Short)?);
    if time > TIME_MAX_MS {
        return Err(Fault::Time(time));
    }
    if head[8] > PRIORITY_MAX {
        return Err(Fault::Priority(head[8]));
    }
    let said = number::<L>(bytes, head.len() - L::COUNT).ok_or(Fault::Short)?;
    let (mut at, mut there) = (head.len(), 0);
    for width in WIDTHS {
        let count = number::<L>(bytes, at).ok_or(Fault::Short)?;
        at += L::COUNT + count * (L::ID + width);
        there += count;
    }
    let fixed = there;
    if L::VARIABLE {
        let count = number::<L>(bytes, at).ok_or(Fault::Short)?;
        at += L::COUNT;
        there += count;
        for _ in 0..count {
            at += L::ID + 2 + usize::from(u16_at(bytes, at + L::ID).ok_or(Fault::Short)?);
        }
    }
    if at > bytes.len() {
        return Err(Fault::Short);
    }
    // Devices count elements of any length in; the description's formula leaves them out.
    if said != there && said != fixed {
        return Err(Fault::Elements { said, there });
    }
    Ok(at)
}

/// Reads the position of a record that `measure` found whole; the vehicle stays as it is.
#[inline(always)]
pub fn read_frame(record: &[u8], frame: &mut Frame) {
    let Some(fixed) = record.first_chunk::<FIXED>() else { return };
    let [t0, t1, t2, t3, t4, t5, t6, t7, _, rest @ ..] = *fixed;
    let [x0, x1, x2, x3, y0, y1, y2, y3, altitude @ .., h0, h1, satellites, s0, s1] = rest;
    let time = u64::from_be_bytes([t0, t1, t2, t3, t4, t5, t6, t7]);
    frame.event_time = EventTime(time as i64 * 1000);
    frame.lon = degrees([x0, x1, x2, x3]);
    frame.lat = degrees([y0, y1, y2, y3]);
    frame.altitude_m = Some(f32::from(i16::from_be_bytes(altitude)));
    frame.heading_deg = Some(f32::from(u16::from_be_bytes([h0, h1])));
    frame.speed_mps = Some((f64::from(u16::from_be_bytes([s0, s1])) / 3.6) as f32);
    frame.satellites = Some(i16::from(satellites));
    // Without a fix a device sends its last position, with satellites, speed and direction 0.
    frame.no_fix = satellites == 0;
}

/// One division gives the `f64` nearest to the decimal number.
#[inline(always)]
fn degrees(bytes: [u8; 4]) -> f64 {
    f64::from(i32::from_be_bytes(bytes)) / 1e7
}

/// What a whole record says beside its position.
#[inline]
pub fn read_head<L: Layout>(record: &[u8]) -> RecordHead {
    RecordHead {
        priority: record.get(8).copied().unwrap_or(0),
        event_io_id: id::<L>(record, FIXED).unwrap_or(0),
        generation_type: if L::GENERATION { record.get(FIXED + L::ID).copied() } else { None },
    }
}

/// An IO element of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    pub id: u16,
    pub bytes: &'a [u8],
    /// Its length stood with it.
    pub variable: bool,
}

/// The IO elements of a whole record, in their order.
pub struct Elements<'a, L> {
    record: &'a [u8],
    at: usize,
    /// Elements that are left of this group.
    left: usize,
    /// Groups that have been begun.
    groups: usize,
    layout: std::marker::PhantomData<L>,
}

impl<L> Clone for Elements<'_, L> {
    fn clone(&self) -> Self {
        Elements { layout: self.layout, ..*self }
    }
}

pub fn elements<L: Layout>(record: &[u8]) -> Elements<'_, L> {
    Elements { record, at: head_length::<L>(), left: 0, groups: 0, layout: std::marker::PhantomData }
}

impl<'a, L: Layout> Iterator for Elements<'a, L> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        while self.left == 0 {
            if self.groups == WIDTHS.len() + usize::from(L::VARIABLE) {
                return None;
            }
            self.left = number::<L>(self.record, self.at)?;
            self.at += L::COUNT;
            self.groups += 1;
        }
        self.left -= 1;
        let id = id::<L>(self.record, self.at)?;
        self.at += L::ID;
        let width = WIDTHS.get(self.groups - 1).copied();
        let length = match width {
            Some(width) => width,
            None => {
                self.at += 2;
                usize::from(u16_at(self.record, self.at - 2)?)
            }
        };
        let bytes = self.record.get(self.at..self.at + length)?;
        self.at += length;
        Some(Element { id, bytes, variable: width.is_none() })
    }
}

#[inline(always)]
fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).map(|two| u16::from_be_bytes([two[0], two[1]]))
}

#[inline(always)]
fn number<L: Layout>(bytes: &[u8], at: usize) -> Option<usize> {
    match L::COUNT {
        1 => bytes.get(at).map(|byte| usize::from(*byte)),
        _ => u16_at(bytes, at).map(usize::from),
    }
}

#[inline(always)]
fn id<L: Layout>(bytes: &[u8], at: usize) -> Option<u16> {
    match L::ID {
        1 => bytes.get(at).map(|byte| u16::from(*byte)),
        _ => u16_at(bytes, at),
    }
}
