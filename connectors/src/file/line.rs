//! The smallest codec there can be, for the tests of sources: `vehicle,event_time_us,lat,lon`, one frame a line.
//! A line `many,...` holds two frames.

use crate::MakeCodec;
use crate::codec::{Codec, Place};
use rhumb_engine::builder::FrameBuilder;
use rhumb_engine::frame::Frame;
use rhumb_engine::reject::Reason;
use rhumb_engine::time::EventTime;
use std::sync::Arc;

#[derive(Default)]
pub struct LineCodec {
    /// The first line is a header that says so.
    header: bool,
    /// A last line without its end is half a record.
    strict: bool,
}

impl LineCodec {
    pub fn plain() -> MakeCodec {
        Arc::new(|| Box::new(LineCodec::default()))
    }

    pub fn with_header() -> MakeCodec {
        Arc::new(|| Box::new(LineCodec { header: true, strict: false }))
    }

    pub fn strict() -> MakeCodec {
        Arc::new(|| Box::new(LineCodec { header: false, strict: true }))
    }
}

impl Codec for LineCodec {
    fn preamble(&mut self, bytes: &[u8], last: bool) -> Result<Option<usize>, String> {
        match bytes.iter().position(|b| *b == b'\n') {
            _ if !self.header => Ok(Some(0)),
            Some(end) if bytes.starts_with(b"vehicle") => Ok(Some(end + 1)),
            None if !last => Ok(None),
            _ => Err("has no header".to_owned()),
        }
    }

    fn stream(&mut self, bytes: &[u8], last: bool, place: Place, out: &mut FrameBuilder) -> usize {
        let mut used = 0;
        for line in bytes.split_inclusive(|b| *b == b'\n') {
            let whole = line.ends_with(b"\n");
            if !whole && (!last || self.strict) {
                break;
            }
            out.at(place.offset + used as i64, place.received_at);
            self.datagram(line.strip_suffix(b"\n").unwrap_or(line), out);
            used += line.len();
        }
        used
    }

    fn datagram(&mut self, bytes: &[u8], out: &mut FrameBuilder) {
        match frame(bytes) {
            Some(frame) if frame.vehicle == "many" => {
                out.push(&Frame { vehicle: "first", ..frame });
                out.push(&Frame { vehicle: "second", ..frame });
            }
            Some(frame) => out.push(&frame),
            None => out.reject(Reason::Undecodable, bytes, "not a line of four fields"),
        }
    }
}

fn frame(line: &[u8]) -> Option<Frame<'_>> {
    let mut fields = std::str::from_utf8(line).ok()?.split(',');
    let mut field = || fields.next();
    Some(Frame {
        vehicle: field()?,
        event_time: EventTime(field()?.parse().ok()?),
        lat: field()?.parse().ok()?,
        lon: field()?.parse().ok()?,
        ..Frame::default()
    })
}
