//! Redriving: rejects as a source. What was refused is read from the rejects table in the order in which it was refused,
//! and goes in once more, with the time of receipt and the place that it had.
//!
//! Each reason of a source is a partition of its own, and how far it has been read stands in the manifest like every
//! other position: a reject goes in once, whatever crashes, and however often somebody asks. What is refused again is a
//! reject anew, marked as redriven, in partitions of its own, which are read only if asked for.

mod row;

use self::row::RejectRows;
use crate::codec::{Codec, CodecConfig, Place};
use arrow::array::RecordBatch;
use arrow::datatypes::FieldRef;
use rhumb_engine::builder::FrameBuilder;
use rhumb_engine::reject::{FrameJson, Reason};
use rhumb_engine::source::{Polled, Position, Source, SourceError, SourcePlan, Tempo};
use rhumb_engine::time::{Clock, EventTime};
use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Under this name the manifest keeps how far rejects have been redriven. No source of a pipeline is called so.
pub const POSITION: &str = "/redrive";
/// Ends the names of partitions of rejects that were redriven before.
const AGAIN: &str = "/again";
/// A place is an epoch and a number in it; so many bits are the number's.
const NUMBER_BITS: u32 = 32;

/// The partition of rejects of a source, for a reason.
pub fn partition(source: &str, reason: &str, again: bool) -> String {
    format!("{source}/{reason}{}", if again { AGAIN } else { "" })
}

/// What a place is multiplied by to make room for the number.
pub const EPOCH_PLACES: i64 = 1 << NUMBER_BITS;

/// Where a reject stands in its partition.
pub fn place(epoch: i64, number: i64) -> i64 {
    epoch * EPOCH_PLACES + number
}

/// Whether rejects of a reason can go in again at all: of others only the head was kept, or nothing.
pub fn is_kept(reason: Reason) -> bool {
    !matches!(reason, Reason::EmptyDatagram | Reason::OversizeDatagram)
}

/// Whether rejects of a reason go in again only if it is named: they come from strangers.
pub fn is_only_if_named(reason: Reason) -> bool {
    matches!(reason, Reason::Sender | Reason::Authentication)
}

/// Rejects, batch by batch, in the order of their places.
pub trait Rejected: Send {
    fn next(&mut self) -> Result<Option<RecordBatch>, Box<dyn Error + Send + Sync>>;
}

/// Opens the rejects of a source that have not gone in yet: given the next unread place of each partition. The batches
/// have the columns `epoch`, `number`, `reason`, `redriven`, `partition`, `offset`, `received_at`, `lat`, `lon` and `raw`.
pub type OpenRejected =
    Arc<dyn Fn(&BTreeMap<String, i64>) -> Result<Box<dyn Rejected>, Box<dyn Error + Send + Sync>> + Send + Sync>;

/// What stands before the first record of a partition, by its name; `None`: nothing, or it is gone.
pub type Preamble = Arc<dyn Fn(&str) -> Option<Vec<u8>> + Send + Sync>;

/// How the bytes of a source came.
#[derive(Clone)]
pub enum Came {
    Datagrams,
    /// As datagrams, of partitions that are lanes.
    Records,
    Stream(Preamble),
}

/// The rejects of one source of a pipeline.
pub struct RedrivePlan {
    /// Of the pipeline's source: its frames stand under its name.
    pub source: String,
    pub codec: CodecConfig,
    pub came: Came,
    pub open: OpenRejected,
}

impl SourcePlan for RedrivePlan {
    fn name(&self) -> &str {
        &self.source
    }

    fn position_name(&self) -> &str {
        POSITION
    }

    fn tempo(&self) -> Tempo {
        Tempo::Timeless
    }

    fn columns(&self) -> Vec<FieldRef> {
        self.codec.columns()
    }

    fn open(&self, _: Arc<dyn Clock>) -> Result<Vec<Box<dyn Source>>, SourceError> {
        Ok(vec![Box::new(Redrive {
            source: self.source.clone(),
            columns: self.codec.columns(),
            config: self.codec.clone(),
            came: self.came.clone(),
            open: self.open.clone(),
            next: BTreeMap::new(),
            rejected: None,
            rows: None,
            codec: None,
            redriven: 0,
            empty: 0,
        })])
    }
}

/// The reader of a `RedrivePlan`.
struct Redrive {
    source: String,
    columns: Vec<FieldRef>,
    config: CodecConfig,
    came: Came,
    open: OpenRejected,
    /// By partition: the next unread place.
    next: BTreeMap<String, i64>,
    rejected: Option<Box<dyn Rejected>>,
    /// The batch that is being read.
    rows: Option<RejectRows>,
    /// For bytes of the partition of this name.
    codec: Option<(Arc<str>, Box<dyn Codec>)>,
    redriven: u64,
    empty: u64,
}

impl Redrive {
    fn failed(&self, action: &str, cause: Box<dyn Error + Send + Sync>) -> SourceError {
        SourceError::Io { source_name: self.source.clone(), action: action.to_owned(), cause: io::Error::other(cause) }
    }

    /// Makes `rows` a batch that is not read to its end; false if there is none.
    fn fill(&mut self) -> Result<bool, SourceError> {
        let reading = "read the rejects";
        while self.rows.as_ref().is_none_or(RejectRows::is_read) {
            if self.rejected.is_none() {
                self.rejected = Some((self.open)(&self.next).map_err(|cause| self.failed(reading, cause))?);
            }
            let rejected = self.rejected.as_mut().expect("it was just opened");
            let Some(batch) = rejected.next().map_err(|cause| self.failed(reading, cause))? else { return Ok(false) };
            self.rows = Some(RejectRows::new(&batch).map_err(|cause| self.failed(reading, cause.into()))?);
        }
        Ok(true)
    }

    /// Pushes what became of one reject.
    fn push(&mut self, row: &row::Row, out: &mut FrameBuilder) -> Result<(), SourceError> {
        out.at(row.offset, row.received_at);
        if !row.reason.is_some_and(Reason::is_of_bytes)
            && let Some(frame) = FrameJson::read(row.raw)
        {
            let received_at = frame.received_at.map_or(row.received_at, EventTime);
            if let Some(mut pushed) = out.push_row(&frame.frame(received_at, row.lat, row.lon)) {
                for (number, column) in self.columns.iter().enumerate() {
                    if let Some(value) = frame.extra(column.name(), column.data_type()) {
                        pushed.set(number, value);
                    }
                }
            }
            return Ok(());
        }
        self.decode(row, out)
    }

    /// Bytes go through the codec again, as it is set now.
    fn decode(&mut self, row: &row::Row, out: &mut FrameBuilder) -> Result<(), SourceError> {
        if let Came::Datagrams | Came::Records = self.came {
            let (_, codec) = self.codec.get_or_insert_with(|| (row.partition.into(), self.config.open()));
            codec.datagram(row.raw, out);
            // Those after it came at other times.
            codec.release(None, out);
            return Ok(());
        }
        if self.codec.as_ref().is_none_or(|(of, _)| **of != *row.partition) {
            self.codec = Some((row.partition.into(), self.begun(row.partition)?));
        }
        let (_, codec) = self.codec.as_mut().expect("it was just put there");
        let place = Place { offset: row.offset, received_at: row.received_at };
        codec.stream(row.raw, true, place, out);
        Ok(())
    }

    /// A codec that has read what stands before the first record of a partition.
    fn begun(&self, partition: &str) -> Result<Box<dyn Codec>, SourceError> {
        let mut codec = self.config.open();
        codec.called(partition.rsplit('/').next().and_then(|name| name.split('.').next()).unwrap_or_default());
        let Came::Stream(preamble) = &self.came else { return Ok(codec) };
        let damaged = |detail: String| SourceError::Damaged { source_name: self.source.clone(), detail };
        match (preamble(partition), &self.config) {
            (Some(head), _) => {
                let read = codec.preamble(&head, true);
                read.map_err(|why| damaged(format!("the head of {partition}: {why}")))?;
            }
            (None, CodecConfig::Csv(csv)) if csv.header && csv.columns.is_none() => {
                return Err(damaged(format!(
                    "the first line of {partition} says what the columns of its rejects are, and the file is gone: put it \
                     back, or write `columns`"
                )));
            }
            (None, _) => {}
        }
        Ok(codec)
    }
}

impl Source for Redrive {
    fn poll(&mut self, out: &mut FrameBuilder, _: Duration) -> Result<Polled, SourceError> {
        if !self.fill()? {
            return Ok(Polled::End);
        }
        let mut rows = self.rows.take().expect("it is filled");
        let partition: Arc<str> = rows.row().partition.into();
        let is_lane = matches!(self.came, Came::Records) && out.set_lane_of(partition.clone());
        if !is_lane {
            out.set_partition(partition.clone(), None);
        }
        // A batch of frames comes from one partition.
        while !rows.is_read() && *rows.row().partition == *partition {
            let row = rows.row();
            let before = out.len();
            if let Err(error) = self.push(&row, out) {
                self.rows = Some(rows);
                return Err(error);
            }
            self.redriven += 1;
            self.empty += u64::from(out.len() == before);
            let of = self::partition(&self.source, row.reason_name, row.redriven);
            self.next.insert(of, place(row.epoch, row.number) + 1);
            rows.next();
        }
        self.rows = Some(rows);
        Ok(Polled::Some)
    }

    fn position(&self) -> Position {
        Position { offsets: self.next.clone(), ..Position::default() }
    }

    fn seek(&mut self, position: &Position) -> Result<(), SourceError> {
        let is_own =
            |partition: &String| partition.strip_prefix(&self.source).is_some_and(|rest| rest.starts_with('/'));
        let own = position.offsets.iter().filter(|(partition, _)| is_own(partition));
        self.next = own.map(|(partition, place)| (partition.clone(), *place)).collect();
        Ok(())
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![("redriven", self.redriven), ("redriven_empty", self.empty)]
    }
}

#[cfg(test)]
mod tests;
