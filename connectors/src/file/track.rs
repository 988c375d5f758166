//! One of many files: decoded a batch ahead, handed on record by record.

use super::Failure;
use super::recording::Recording;
use arrow::datatypes::FieldRef;
use rhumb_engine::builder::{Delivery, FrameBuilder};
use rhumb_engine::extra::Extra;
use rhumb_engine::source::Position;
use rhumb_engine::time::EventTime;
use rhumb_engine::vehicle::Vehicles;

/// Frames that each file is decoded ahead by, about.
const AHEAD_FRAMES: usize = 1024;

/// The next record of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Head {
    /// Newest event time of the file up to and with this record's first frame: never goes back.
    pub reached: EventTime,
    /// Of the record's first frame; `None` if it has only rejects.
    pub at: Option<EventTime>,
    offset: i64,
}

pub(super) struct Track {
    pub recording: Recording,
    batch: Option<Delivery>,
    next_row: usize,
    next_reject: usize,
    reached: EventTime,
    head: Option<Head>,
    failure: Option<Failure>,
}

impl Track {
    pub fn new(recording: Recording) -> Track {
        Track {
            recording,
            batch: None,
            next_row: 0,
            next_reject: 0,
            reached: EventTime::MIN,
            head: None,
            failure: None,
        }
    }

    /// Goes to where a position says that this file is, with the event time that the merge had reached.
    pub fn seek(&mut self, position: &Position, reached: EventTime) -> Result<(), Failure> {
        self.reached = reached;
        self.recording.seek(position)
    }

    /// The next record that has not been handed on.
    pub fn head(&self) -> Option<Head> {
        self.head
    }

    /// Its offset.
    pub fn offset(&self) -> i64 {
        self.head.map_or(self.recording.offset(), |head| head.offset)
    }

    pub fn take_failure(&mut self) -> Option<Failure> {
        self.failure.take()
    }

    /// Finds the next record, decoding on if need be through `private`, which all files share in turn. `None` at the
    /// end of the file or at damage.
    pub fn advance(&mut self, private: &mut FrameBuilder, received_at: EventTime) -> Option<Head> {
        self.head = loop {
            if let Some(head) = self.peek() {
                break Some(head);
            }
            private.set_partition(self.recording.name.as_str().into(), None);
            match self.recording.decode(AHEAD_FRAMES, received_at, private) {
                Ok(_) if !private.is_empty() => self.batch = private.finish().pop(),
                Ok(true) => continue,
                Ok(false) => break None,
                Err(failure) => {
                    self.failure = Some(failure);
                    break None;
                }
            }
            (self.next_row, self.next_reject) = (0, 0);
        };
        self.reached = self.head.map_or(self.reached, |head| head.reached);
        self.head
    }

    fn peek(&self) -> Option<Head> {
        let batch = self.batch.as_ref()?;
        let frame = batch.frames.offset.values().get(self.next_row).copied();
        let reject = batch.rejects.get(self.next_reject).map(|reject| reject.offset);
        let offset = frame.into_iter().chain(reject).min()?;
        let at = frame.filter(|at| *at == offset).map(|_| EventTime(batch.frames.times()[self.next_row]));
        Some(Head { reached: at.map_or(self.reached, |at| at.max(self.reached)), at, offset })
    }

    /// Pushes all frames and rejects of the record at the head.
    pub fn hand_on(&mut self, vehicles: &Vehicles, columns: &[FieldRef], out: &mut FrameBuilder) {
        let (Some(head), Some(batch)) = (self.head, &self.batch) else {
            return;
        };
        let offsets = batch.frames.offset.values();
        while offsets.get(self.next_row) == Some(&head.offset) {
            let frame = batch.frames.frame(self.next_row, vehicles);
            out.at(head.offset, frame.received_at.unwrap_or(EventTime::MIN));
            if let Some(mut row) = out.push_row(&frame) {
                // The columns of both builders are those of the codec, but a batch leaves out those without a value.
                for (field, array) in &batch.frames.extra {
                    let column = columns.iter().position(|column| column.name() == field.name());
                    if let (Some(column), Some(value)) = (column, Extra::of(array, self.next_row)) {
                        row.set(column, value);
                    }
                }
            }
            self.next_row += 1;
        }
        while let Some(reject) = batch.rejects.get(self.next_reject).filter(|reject| reject.offset == head.offset) {
            out.forward(reject);
            self.next_reject += 1;
        }
    }
}
