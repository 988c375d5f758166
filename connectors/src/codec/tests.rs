//! What holds for every codec, and what the tests of each are made with.

mod laws;
mod traces;

use super::extra::{ColumnType, ExtraColumn};
use super::{CodecConfig, Place, RECORD_MAX};
use arrow::array::ArrayRef;
use rhumb_engine::builder::{ClockRules, FrameBuilder};
use rhumb_engine::extra::Extra;
use rhumb_engine::frame::{Frame, Origin};
use rhumb_engine::reject::Reject;
use rhumb_engine::time::EventTime;
use rhumb_engine::vehicle::Vehicles;
use std::sync::Arc;

/// Time of receipt of everything in these tests.
pub const RECEIVED_AT: EventTime = EventTime(2_000_000_000_000_000);

/// What comes out of a codec, one after the other.
pub enum Out<'a> {
    Frame(Frame<'a>, i64),
    Reject(&'a Reject),
}

/// A reader of one partition.
pub struct Reader {
    vehicles: Arc<Vehicles>,
    pub out: FrameBuilder,
}

impl Reader {
    pub fn new() -> Reader {
        let vehicles = Arc::new(Vehicles::default());
        let origin = Origin { source: "test".into(), partition: "0".into() };
        let clocks = ClockRules { rollover: false, skew_max_us: i64::MAX / 2 };
        let mut out = FrameBuilder::new(std::slice::from_ref(&vehicles), origin, clocks);
        out.at(0, RECEIVED_AT);
        Reader { vehicles, out }
    }

    /// One that takes the columns of a codec.
    pub fn of(config: &CodecConfig) -> Reader {
        let Reader { vehicles, out } = Reader::new();
        Reader { vehicles, out: out.with_columns(&config.columns()) }
    }

    /// Hands over what has been decoded, in the order of the input.
    pub fn each(&mut self, mut each: impl FnMut(Out)) {
        let delivery = self.out.finish().remove(0);
        let mut rejects = delivery.rejected_after.iter().zip(&delivery.rejects).peekable();
        for row in 0..=delivery.frames.len() {
            while let Some((_, reject)) = rejects.next_if(|(after, _)| **after == row) {
                each(Out::Reject(reject));
            }
            if row < delivery.frames.len() {
                let frame = delivery.frames.frame(row, &self.vehicles);
                let received_at = frame.received_at.filter(|t| *t != RECEIVED_AT);
                each(Out::Frame(Frame { received_at, ..frame }, delivery.frames.offset.value(row)));
            }
        }
    }

    /// The columns beyond the core: their names, and their values row by row, `ignition true -`.
    pub fn extras(&mut self) -> Vec<String> {
        let batch = self.out.finish().remove(0).frames;
        let value = |column: &ArrayRef, row| match Extra::of(column, row) {
            None => "-".to_owned(),
            Some(Extra::Bool(value)) => value.to_string(),
            Some(Extra::Int(value)) => value.to_string(),
            Some(Extra::Float(value)) => format!("{value:?}"),
            Some(Extra::Text(value)) => format!("{value:?}"),
        };
        let values =
            |column: &ArrayRef| (0..batch.len()).map(|row| format!(" {}", value(column, row))).collect::<String>();
        batch.extra.iter().map(|(field, column)| format!("{}{}", field.name(), values(column))).collect()
    }

    pub fn lines(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        self.each(|out| lines.push(line(&out)));
        lines
    }
}

/// `0 a 1.5s 10 20 speed 3` for a frame at offset 0, `0 reject undecodable "raw": detail` for a reject.
pub fn line(out: &Out) -> String {
    let (frame, offset) = match out {
        Out::Frame(frame, offset) => (frame, offset),
        Out::Reject(reject) => {
            let raw = reject.raw.escape_ascii();
            return format!("{} reject {} \"{raw}\": {}", reject.offset, reject.reason.name(), reject.detail);
        }
    };
    let mut text =
        format!("{offset} {} {}s {} {}", frame.vehicle, frame.event_time.0 as f64 / 1e6, frame.lat, frame.lon);
    let mut add = |name, value: Option<f64>| value.into_iter().for_each(|value| text += &format!(" {name} {value}"));
    add("altitude", frame.altitude_m.map(f64::from));
    add("speed", frame.speed_mps.map(f64::from));
    add("heading", frame.heading_deg.map(f64::from));
    add("accuracy", frame.accuracy_m.map(f64::from));
    add("hdop", frame.hdop.map(f64::from));
    add("satellites", frame.satellites.map(f64::from));
    add("received", frame.received_at.map(|t| t.0 as f64 / 1e6));
    add("no_fix", frame.no_fix.then_some(1.0));
    text
}

/// A column of each type.
pub fn columns() -> Vec<ExtraColumn> {
    vec![
        ExtraColumn::new("ignition", "ignition", ColumnType::Bool),
        ExtraColumn::new("trips", "n", ColumnType::Int),
        ExtraColumn::new("fuel_l", "tank.fuel", ColumnType::Float),
        ExtraColumn::new("fleet", "fleet", ColumnType::Text),
    ]
}

/// A datagram, decoded.
pub fn datagram(config: &CodecConfig, bytes: &[u8]) -> Vec<String> {
    let mut reader = Reader::of(config);
    let mut codec = config.open();
    codec.datagram(bytes, &mut reader.out);
    codec.release(None, &mut reader.out);
    reader.lines()
}

/// A stream, decoded at once; the first line is the error of the preamble, if it has one.
pub fn stream(config: &CodecConfig, bytes: &[u8]) -> Vec<String> {
    cut_stream(config, bytes, &[])
}

/// A stream that comes in pieces, cut at these places.
pub fn cut_stream(config: &CodecConfig, bytes: &[u8], cuts: &[usize]) -> Vec<String> {
    let mut reader = Reader::of(config);
    let mut codec = config.open();
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).chain([bytes.len()]).collect();
    ends.sort_unstable();
    let (mut at, mut begun) = (0, false);
    // The end of the input may be known with its last bytes, or only after them.
    let ends = ends.iter().map(|end| (*end, false)).chain([(bytes.len(), true)]);
    for (end, last) in ends {
        if !begun {
            match codec.preamble(&bytes[at..end], last) {
                Ok(Some(taken)) => (at, begun) = (at + taken, true),
                Ok(None) => {
                    assert!(!last, "the preamble waits for more than there is");
                    continue;
                }
                Err(error) => return vec![error],
            }
        }
        let place = Place { offset: at as i64, received_at: RECEIVED_AT };
        at += codec.stream(&bytes[at..end], last, place, &mut reader.out);
        assert!(at <= end && (end - at < RECORD_MAX) && (!last || at == end), "{at} of {end}");
    }
    reader.lines()
}
