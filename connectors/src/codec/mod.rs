//! Codecs: what the bytes of a source mean. One file each; all decode straight into the columns of a
//! `FrameBuilder`, allocate nothing a frame, and answer any bytes with frames or rejects, never with a panic.

pub mod binary;
pub mod csv;
pub mod decode;
pub mod extra;
pub mod fields;
pub mod json;
pub mod likely;
pub mod mapping;
pub mod nmea;
pub mod number;
pub mod reply;
mod scan;
pub mod teltonika;
#[cfg(test)]
mod tests;
pub mod time;
pub mod units;
mod value;

use self::binary::{BinaryCodec, BinaryConfig};
use self::csv::{CsvCodec, CsvConfig};
use self::json::{JsonCodec, JsonConfig};
use self::nmea::{NmeaCodec, NmeaConfig};
use self::reply::Conversation;
use self::teltonika::{TeltonikaCodec, TeltonikaConfig};
use arrow::datatypes::FieldRef;
use rhumb_engine::builder::FrameBuilder;
use rhumb_engine::time::EventTime;

/// A longer record of a stream is rejected in pieces of this size. A reader must be able to hold so many bytes.
pub const RECORD_MAX: usize = 64 * 1024;

/// Ends the names of counters of values that could not be read and were left out; the field stands before it.
pub const UNREADABLE: &str = "_unreadable";

/// Decodes the bytes of one partition: one instance a socket or a file.
pub trait Codec: Send {
    /// Reads what stands before the first record of a stream, such as the header line of CSV, and says how many bytes
    /// that was. `None`: more bytes are needed (never when `last`). An error says what is wrong with the file as a
    /// whole.
    fn preamble(&mut self, bytes: &[u8], last: bool) -> Result<Option<usize>, String>;

    /// Decodes whole records at the head of `bytes`, which starts at a record, and says how many bytes they were;
    /// with `last`, all of them. `place` tells the builder where each record stands. However a stream is cut, the
    /// frames, the rejects and their places are the same; `RECORD_MAX` bytes are always enough to get on.
    fn stream(&mut self, bytes: &[u8], last: bool, place: Place, out: &mut FrameBuilder) -> usize;

    /// Decodes one datagram, all of it, at the place that the builder has been told.
    fn datagram(&mut self, bytes: &[u8], out: &mut FrameBuilder);

    /// Of datagrams: hands on what waits for more of them and has done so long enough by `now`; `None`: there will be no
    /// more.
    fn release(&mut self, _now: Option<EventTime>, _out: &mut FrameBuilder) {}

    /// Whether what a datagram means can depend on those that came up to a minute before it.
    fn remembers(&self) -> bool {
        false
    }

    /// Tells what the input is called, for codecs whose frames need not name their vehicle. Before anything is decoded.
    fn called(&mut self, _name: &str) {}

    /// For codecs that look at who sends, or answer.
    fn conversation(&mut self) -> Option<&mut dyn Conversation> {
        None
    }

    /// Counters of its own since the start, such as `sentences_ignored`.
    fn counters(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

/// Where a stretch of a stream stands: a record that begins at `bytes[n]` has the offset `offset + n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub offset: i64,
    pub received_at: EventTime,
}

impl Place {
    /// Tells the builder that the next record begins at `bytes[n]`.
    #[inline]
    fn at(self, n: usize, out: &mut FrameBuilder) {
        out.at(self.offset + n as i64, self.received_at);
    }
}

/// Which codec, and how it is set. `default` of each needs no more said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodecConfig {
    Json(JsonConfig),
    Csv(CsvConfig),
    Binary(BinaryConfig),
    Teltonika(TeltonikaConfig),
    Nmea(NmeaConfig),
}

impl CodecConfig {
    /// Names of all codecs, as they are written in a pipeline.
    pub const NAMES: &[&str] = &["json", "csv", "binary", "teltonika", "nmea"];

    /// The codec of a name, with nothing set.
    pub fn named(name: &str) -> Option<CodecConfig> {
        match name {
            "json" => Some(CodecConfig::Json(JsonConfig::default())),
            "csv" => Some(CodecConfig::Csv(CsvConfig::default())),
            "binary" => Some(CodecConfig::Binary(BinaryConfig::default())),
            "teltonika" => Some(CodecConfig::Teltonika(TeltonikaConfig::default())),
            "nmea" => Some(CodecConfig::Nmea(NmeaConfig::default())),
            _ => None,
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            CodecConfig::Json(_) => "json",
            CodecConfig::Csv(_) => "csv",
            CodecConfig::Binary(_) => "binary",
            CodecConfig::Teltonika(_) => "teltonika",
            CodecConfig::Nmea(_) => "nmea",
        }
    }

    /// All that is wrong with what is set, a sentence each. Empty: `open` gives a codec that works.
    pub fn mistakes(&self) -> Vec<String> {
        match self {
            CodecConfig::Json(json) => json.mistakes(),
            CodecConfig::Csv(csv) => csv.mistakes(),
            CodecConfig::Binary(binary) => binary.mistakes(),
            CodecConfig::Teltonika(teltonika) => teltonika.mistakes(),
            CodecConfig::Nmea(_) => Vec::new(),
        }
    }

    /// A codec for one partition. If there are `mistakes` in the configuration, one that rejects.
    pub fn open(&self) -> Box<dyn Codec> {
        match self {
            CodecConfig::Json(json) => Box::new(JsonCodec::new(json)),
            CodecConfig::Csv(csv) => Box::new(CsvCodec::new(csv)),
            CodecConfig::Binary(binary) => Box::new(BinaryCodec::new(binary)),
            CodecConfig::Teltonika(teltonika) => Box::new(TeltonikaCodec::new(teltonika)),
            CodecConfig::Nmea(nmea) => Box::new(NmeaCodec::new(nmea)),
        }
    }

    /// Columns that frames of this codec have beyond the core; what `FrameBuilder::with_columns` needs to be given.
    pub fn columns(&self) -> Vec<FieldRef> {
        match self {
            CodecConfig::Json(json) => json.fields.columns(),
            CodecConfig::Csv(csv) => csv.fields.columns(),
            CodecConfig::Teltonika(teltonika) => teltonika.columns(),
            CodecConfig::Binary(_) | CodecConfig::Nmea(_) => Vec::new(),
        }
    }

    /// For a person, in one line: `csv, columns id, t, y, x, event_time from t in ms`. Names no secret.
    pub fn describe(&self) -> String {
        let settings = match self {
            CodecConfig::Json(json) => json.fields.describe(),
            CodecConfig::Csv(csv) => csv.describe(),
            CodecConfig::Binary(binary) => binary.describe(),
            CodecConfig::Teltonika(teltonika) => teltonika.describe(),
            CodecConfig::Nmea(nmea) => nmea.describe(),
        };
        let parts = [self.name(), &settings];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
    }
}
