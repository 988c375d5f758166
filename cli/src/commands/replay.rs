//! `rhumb replay`: a stretch of history, sent again in the order of its times.

use super::outgoing::{CODECS, codec, in_datagrams, in_files, in_records, kafka, to_file, to_kafka, to_udp};
use super::query::Whose;
use super::rejects::{all_of, one_of};
use super::{Exit, usage};
use crate::terminal::Instant;
use arrow::array::{
    Array, ArrayRef, AsArray, Float32Array, Float64Array, Int16Array, Int64Array, RecordBatch, StringArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int16Type, Int64Type};
use rhumb_connectors::file::Speed;
use rhumb_connectors::simulate::{Outgoing, Rate, SendOptions};
use rhumb_engine::frame::{Frame, timestamp};
use rhumb_engine::time::EventTime;
use rhumb_query::{Limits, RowStream};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Replay {
    #[command(flatten)]
    whose: Whose,
    /// From this event time on, such as 2026-01-05T06:00:00Z; without it from the first frame
    #[arg(long, value_name = "TIME")]
    from: Option<Instant>,
    /// Before this event time; without it to the last frame
    #[arg(long, value_name = "TIME")]
    to: Option<Instant>,
    /// Of these vehicles
    #[arg(long, value_name = "ID")]
    vehicle: Vec<String>,
    /// Event time against wall time: 1x, 60x, or max; to a file max without it, to a network 1x
    #[arg(long)]
    speed: Option<Speed>,
    #[command(flatten)]
    target: Target,
    /// Brokers of the topic, with commas between
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', default_value = "localhost:9092")]
    brokers: Vec<String>,
    /// csv (to a file), json (one object a line) or binary; without it as the file is named, else json
    #[arg(long, value_parser = CODECS)]
    codec: Option<String>,
    /// Frames in a datagram; of json alone
    #[arg(long, default_value_t = 1, requires = "to_udp", value_parser = clap::value_parser!(u16).range(1..=100))]
    frames_per_datagram: u16,
}

/// Where to: one of them.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Target {
    /// Send to this address
    #[arg(long, value_name = "ADDRESS")]
    to_udp: Option<SocketAddr>,
    /// Send to this topic, each frame a record with the vehicle as its key
    #[arg(long, value_name = "TOPIC")]
    to_kafka: Option<String>,
    /// Write to this file, with times of receipt (not binary); - is standard output
    #[arg(long, value_name = "FILE")]
    to_file: Option<PathBuf>,
}

impl Replay {
    pub fn run(self) -> anyhow::Result<Exit> {
        let file = self.target.to_file.as_deref().filter(|file| *file != Path::new("-"));
        let codec = match codec(self.codec.as_deref(), file) {
            Ok(codec) => codec,
            Err(why) => return Ok(usage(why)),
        };
        if self.frames_per_datagram > 1 && codec == "binary" {
            let what = "binary sends one frame a datagram here; leave --frames-per-datagram out, or send json";
            return Ok(usage(what));
        }
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from >= to
        {
            return Ok(usage("--from is not before --to: nothing is between them"));
        }
        let in_pieces = match (self.target.to_udp, &self.target.to_kafka) {
            (Some(_), _) => in_datagrams(codec).map(Some),
            (None, Some(_)) => in_records(codec).map(Some),
            (None, None) => Ok(None),
        };
        let in_pieces = match in_pieces {
            Ok(encode) => encode,
            Err(why) => return Ok(usage(why)),
        };
        let Some(lake) = self.whose.lake()? else { return Ok(Exit::Configuration) };
        let speed =
            self.speed.unwrap_or(if file.is_some() || in_pieces.is_none() { Speed::Max } else { Speed::Times(1.0) });
        let rate = match speed {
            Speed::Max => Rate::Max,
            Speed::Times(_) => Rate::AsItArrives { start: EventTime(0), end: EventTime::MAX },
        };
        let rows = lake.open(Limits::default())?.stream(&self.sql())?;
        let mut frames = History { rows, batch: None, first: None, speed };
        match (self.target.to_udp, &self.target.to_kafka, in_pieces) {
            (_, Some(topic), Some(mut encode)) => {
                to_kafka(&mut frames, &mut *encode, &kafka(&self.brokers, topic, rate))
            }
            (Some(to), None, Some(mut encode)) => {
                let options = SendOptions { to, rate, frames_per_datagram: self.frames_per_datagram.into() };
                to_udp(&mut frames, &mut *encode, options)
            }
            _ => to_file(&mut frames, &mut *in_files(codec, true), rate, file),
        }
    }

    fn sql(&self) -> String {
        let mut all: Vec<String> = Vec::new();
        // Days first: they say which files need not be opened.
        for (at, compare) in [(self.from, ">="), (self.to, "<")] {
            let Some(at) = at else { continue };
            let day = if compare == "<" { "<=" } else { compare };
            all.push(format!("event_date {day} cast({} as date)", at.sql()));
            all.push(format!("event_time {compare} {}", at.sql()));
        }
        all.extend((!self.vehicle.is_empty()).then(|| one_of("vehicle_id", &self.vehicle)));
        format!(
            "select vehicle_id, event_time, received_at, lat, lon, altitude_m, speed_mps, heading_deg, accuracy_m, hdop, \
             satellites from history where {} order by event_time, received_at, vehicle_id",
            all_of(&all)
        )
    }
}

/// Frames of a history, in the order of their times.
struct History {
    rows: RowStream,
    /// What was read, and which row is next.
    batch: Option<(Columns, usize)>,
    /// Time of the first frame.
    first: Option<i64>,
    speed: Speed,
}

struct Columns {
    vehicle: StringArray,
    event_time: Int64Array,
    received_at: Int64Array,
    places: [Float64Array; 2],
    measures: [Float32Array; 5],
    satellites: Int16Array,
}

impl Columns {
    fn new(batch: &RecordBatch) -> Result<Columns, arrow::error::ArrowError> {
        let column = |at: usize, data_type: &DataType| -> Result<ArrayRef, _> { cast(batch.column(at), data_type) };
        let time = |at| column(at, &timestamp()).and_then(|times| cast(&times, &DataType::Int64));
        let f64_of = |at| {
            Ok::<_, arrow::error::ArrowError>(column(at, &DataType::Float64)?.as_primitive::<Float64Type>().clone())
        };
        let f32_of = |at| {
            Ok::<_, arrow::error::ArrowError>(column(at, &DataType::Float32)?.as_primitive::<Float32Type>().clone())
        };
        Ok(Columns {
            vehicle: column(0, &DataType::Utf8)?.as_string::<i32>().clone(),
            event_time: time(1)?.as_primitive::<Int64Type>().clone(),
            received_at: time(2)?.as_primitive::<Int64Type>().clone(),
            places: [f64_of(3)?, f64_of(4)?],
            measures: [f32_of(5)?, f32_of(6)?, f32_of(7)?, f32_of(8)?, f32_of(9)?],
            satellites: column(10, &DataType::Int16)?.as_primitive::<Int16Type>().clone(),
        })
    }

    fn frame(&self, row: usize) -> Frame<'_> {
        let measure = |at: usize| self.measures[at].is_valid(row).then(|| self.measures[at].value(row));
        Frame {
            vehicle: self.vehicle.value(row),
            event_time: EventTime(self.event_time.value(row)),
            received_at: Some(EventTime(self.received_at.value(row))),
            lat: self.places[0].value(row),
            lon: self.places[1].value(row),
            altitude_m: measure(0),
            speed_mps: measure(1),
            heading_deg: measure(2),
            accuracy_m: measure(3),
            hdop: measure(4),
            satellites: self.satellites.is_valid(row).then(|| self.satellites.value(row)),
            no_fix: false,
        }
    }
}

impl Outgoing for History {
    fn next(&mut self) -> io::Result<Option<(EventTime, Frame<'_>)>> {
        while self.batch.as_ref().is_none_or(|(columns, row)| *row >= columns.vehicle.len()) {
            let Some(batch) = self.rows.next_batch().map_err(io::Error::other)? else { return Ok(None) };
            self.batch = Some((Columns::new(&batch).map_err(io::Error::other)?, 0));
        }
        let (columns, row) = self.batch.as_mut().expect("there is one, with rows");
        let at = columns.event_time.value(*row);
        let after_us = at.saturating_sub(*self.first.get_or_insert(at));
        let due_us = match self.speed {
            Speed::Max => 0,
            Speed::Times(times) => (after_us as f64 / times) as i64,
        };
        *row += 1;
        Ok(Some((EventTime(due_us), columns.frame(*row - 1))))
    }
}
