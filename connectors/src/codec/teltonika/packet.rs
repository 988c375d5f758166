//! AVL data: the codec's id, how many records, the records, and how many once more. It stands in a TCP packet as it
//! does in a UDP datagram.

use super::TeltonikaConfig;
use super::io::{IoColumns, fields};
use super::record::{Codec8, Codec8Extended, Codec16, Fault, Layout, elements, measure, read_frame, read_head};
use arrow::datatypes::FieldRef;
use rhumb_engine::builder::FrameBuilder;
use rhumb_engine::frame::Frame;

/// Records of one packet: their number is a byte.
const RECORDS_MAX: usize = 255;

pub(super) const CODEC_8: u8 = 0x08;
pub(super) const CODEC_8_EXTENDED: u8 = 0x8E;
pub(super) const CODEC_16: u8 = 0x10;

/// Reads AVL data into columns.
pub struct Records {
    io: IoColumns,
    /// Where each record of the packet ends.
    ends: Box<[u32; RECORDS_MAX]>,
}

/// AVL data that is whole: every record can be read.
#[derive(Clone, Copy)]
pub struct Whole<'a> {
    data: &'a [u8],
    pub count: u8,
}

impl Records {
    pub fn new(config: &TeltonikaConfig) -> Records {
        Records { io: IoColumns::new(&config.keep, &config.io), ends: Box::new([0; RECORDS_MAX]) }
    }

    /// Looks at all of the data; the error says what is wrong with it. A packet is taken whole or not at all.
    #[inline]
    pub fn check<'a>(&mut self, data: &'a [u8]) -> Result<Whole<'a>, String> {
        let [codec, count, .., again] = *data else {
            return Err(format!("{} bytes of AVL data; the least there can be are 3", data.len()));
        };
        let end = match codec {
            CODEC_8 => self.measure::<Codec8>(data, count),
            CODEC_8_EXTENDED => self.measure::<Codec8Extended>(data, count),
            CODEC_16 => self.measure::<Codec16>(data, count),
            other => return Err(no_positions(other)),
        }?;
        match () {
            () if end + 1 != data.len() => Err(left_over(data.len() - end, count)),
            () if again != count => Err(format!("says {count} records at its head and {again} at its end")),
            () if count == 0 => Err("has no records".to_owned()),
            () => Ok(Whole { data, count }),
        }
    }

    #[inline(always)]
    fn measure<L: Layout>(&mut self, data: &[u8], count: u8) -> Result<usize, String> {
        // The last byte is the number of records again.
        let records = &data[..data.len() - 1];
        let mut at = 2;
        for (n, end) in self.ends[..usize::from(count)].iter_mut().enumerate() {
            match measure::<L>(&records[at..]) {
                Ok(length) => at += length,
                Err(fault) => return Err(complaint::<L>(n, count, at, fault)),
            }
            *end = at as u32;
        }
        Ok(at)
    }

    /// Pushes the frames of what the last `check` found whole.
    #[inline]
    pub fn push(&mut self, whole: Whole, vehicle: &str, out: &mut FrameBuilder) {
        match whole.data[0] {
            CODEC_8 => self.push_with::<Codec8>(whole, vehicle, out),
            CODEC_8_EXTENDED => self.push_with::<Codec8Extended>(whole, vehicle, out),
            _ => self.push_with::<Codec16>(whole, vehicle, out),
        }
    }

    #[inline(always)]
    fn push_with<L: Layout>(&mut self, whole: Whole, vehicle: &str, out: &mut FrameBuilder) {
        let mut frame = Frame { vehicle, ..Frame::default() };
        let mut at = 2;
        for end in &self.ends[..usize::from(whole.count)] {
            let record = &whole.data[at..*end as usize];
            at = *end as usize;
            read_frame(record, &mut frame);
            match self.io.is_empty() {
                true => out.push(&frame),
                false => {
                    if let Some(row) = out.push_row(&frame) {
                        self.io.fill(read_head::<L>(record), elements::<L>(record), row);
                    }
                }
            }
        }
    }
}

/// The columns beyond the core that a configuration asks for.
pub(super) fn columns(config: &TeltonikaConfig) -> Vec<FieldRef> {
    fields(&config.keep, &config.io)
}

#[cold]
fn no_positions(codec: u8) -> String {
    let what = match codec {
        0x07 => "codec 7 (GH3000), which this build does not read",
        0x0C..=0x0F => return format!("codec {codec} carries commands and their answers, no positions"),
        _ => return format!("codec id {codec:#04x} is unknown; positions come in 0x08, 0x8e and 0x10"),
    };
    what.to_owned()
}

#[cold]
fn left_over(bytes: usize, count: u8) -> String {
    let found = bytes.saturating_sub(1);
    format!("{found} bytes after the last of {count} records")
}

#[cold]
fn complaint<L: Layout>(n: usize, count: u8, at: usize, fault: Fault) -> String {
    let what = match fault {
        Fault::Short => "does not fit into the packet".to_owned(),
        Fault::Priority(priority) => format!("has priority {priority}; there are 0, 1 and 2"),
        Fault::Time(time) => format!("has a time of {time} ms, after the year 9999"),
        Fault::Elements { said, there } => format!("says {said} IO elements and has {there}"),
    };
    format!("byte {at} of the AVL data: record {} of {count} of codec {} {what}", n + 1, L::NAME)
}
