//! What the pipeline reads: a few logs that can be read again from any offset, as a broker's partitions can.

use crate::broken::Broken;
use crate::dice::Dice;
use rhumb_engine::builder::FrameBuilder;
use rhumb_engine::frame::Frame;
use rhumb_engine::reject::Reason;
use rhumb_engine::source::{Polled, Position, Source, SourceError, SourcePlan, Tempo};
use rhumb_engine::time::{Clock, EventTime, SECOND_US};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Long after all frames.
const RECEIVED: EventTime = EventTime(1_000_000 * SECOND_US);
pub const SOURCE: &str = "logs";

/// A record of a log; no fix: bytes that are no frame.
#[derive(Debug, Clone)]
pub struct Record {
    pub vehicle: String,
    pub time_s: i64,
    /// On a grid of 0.001 degrees.
    pub fix: Option<(i32, i32)>,
}

impl Record {
    pub fn place(fix: (i32, i32)) -> (f64, f64) {
        (f64::from(fix.0) * 0.001 + 0.0005, f64::from(fix.1) * 0.001 + 0.0005)
    }
}

/// By partition. Vehicles wander over the zones; some records are garbage, come twice, or are of no place.
pub fn logs(dice: &mut Dice) -> Vec<Vec<Record>> {
    let partitions = 1 + dice.below(3);
    let log = |partition: usize, dice: &mut Dice| {
        let mut fixes = vec![(0, 0); 1 + dice.below(5)];
        let mut records: Vec<Record> = Vec::new();
        for n in 0..dice.below(160) {
            let vehicle = dice.below(fixes.len());
            let fix = &mut fixes[vehicle];
            *fix = (step(fix.0, dice), step(fix.1, dice));
            let record = Record { vehicle: format!("v{partition}{vehicle}"), time_s: 3 * n as i64, fix: Some(*fix) };
            match dice.below(20) {
                0 => records.push(Record { fix: None, ..record }),
                1 => records.push(Record { fix: Some((95_000, 0)), ..record }),
                2 => records.extend([record.clone(), record]),
                _ => records.push(record),
            }
        }
        records
    };
    (0..partitions).map(|partition| log(partition, dice)).collect()
}

fn step(at: i32, dice: &mut Dice) -> i32 {
    (at + dice.below(5) as i32 - 2).clamp(-3, 9)
}

pub struct Logs {
    pub partitions: Arc<Vec<Vec<Record>>>,
    pub dice: Arc<Mutex<Dice>>,
    pub broken: Option<Broken>,
}

impl SourcePlan for Logs {
    fn name(&self) -> &str {
        SOURCE
    }

    fn tempo(&self) -> Tempo {
        Tempo::Recorded
    }

    /// Two readers, who share the partitions between them.
    fn open(&self, _: Arc<dyn Clock>) -> Result<Vec<Box<dyn Source>>, SourceError> {
        let reader = |own: usize| -> Box<dyn Source> {
            let at: Vec<(usize, usize)> = (0..self.partitions.len()).filter(|p| p % 2 == own).map(|p| (p, 0)).collect();
            let sought = vec![0; at.len()];
            let (partitions, dice) = (self.partitions.clone(), self.dice.clone());
            Box::new(Reading { partitions, at, sought, before: Vec::new(), dice, broken: self.broken })
        };
        Ok((0..self.partitions.len().min(2)).map(reader).collect())
    }
}

struct Reading {
    partitions: Arc<Vec<Vec<Record>>>,
    /// Partitions of this reader, with the offset of the next record.
    at: Vec<(usize, usize)>,
    /// By partition of this reader, where this run began.
    sought: Vec<usize>,
    /// `at` before the newest poll.
    before: Vec<(usize, usize)>,
    dice: Arc<Mutex<Dice>>,
    broken: Option<Broken>,
}

impl Source for Reading {
    fn poll(&mut self, out: &mut FrameBuilder, _: Duration) -> Result<Polled, SourceError> {
        self.before.clone_from(&self.at);
        let mut dice = self.dice.lock().expect("one thread");
        let unread: Vec<usize> =
            (0..self.at.len()).filter(|n| self.at[*n].1 < self.partitions[self.at[*n].0].len()).collect();
        if unread.is_empty() {
            return Ok(Polled::End);
        }
        let (partition, offset) = &mut self.at[unread[dice.below(unread.len())]];
        assert!(out.set_lane_of(partition.to_string().into()), "there are lanes enough");
        let records = &self.partitions[*partition][*offset..];
        let records = &records[..(1 + dice.below(24)).min(records.len())];
        for record in records {
            out.at(*offset as i64, RECEIVED);
            *offset += 1;
            match record.fix.map(Record::place) {
                None => out.reject(Reason::Undecodable, b"?", "no frame"),
                Some((lat, lon)) => {
                    let event_time = EventTime(record.time_s * SECOND_US);
                    out.push(&Frame { vehicle: &record.vehicle, event_time, lat, lon, ..Frame::default() });
                }
            }
        }
        Ok(Polled::Some)
    }

    fn position(&self) -> Position {
        let mut at = self.at.clone();
        match self.broken {
            Some(Broken::PositionBehindRows) if !self.before.is_empty() => at.clone_from(&self.before),
            Some(Broken::PositionAheadOfRows) => {
                at.iter_mut().for_each(|(p, offset)| *offset = (*offset + 1).min(self.partitions[*p].len()));
            }
            _ => {}
        }
        let offsets = at.iter().map(|(partition, offset)| (partition.to_string(), *offset as i64)).collect();
        Position { offsets, ..Position::default() }
    }

    fn has_unheard(&self) -> bool {
        let is_unheard = |(at, (partition, offset)): (usize, &(usize, usize))| {
            *offset == self.sought[at] && *offset < self.partitions[*partition].len()
        };
        self.at.iter().enumerate().any(is_unheard)
    }

    fn seek(&mut self, position: &Position) -> Result<(), SourceError> {
        for (partition, offset) in &mut self.at {
            *offset = position.offsets.get(&partition.to_string()).map_or(0, |at| *at as usize);
        }
        self.sought = self.at.iter().map(|(_, offset)| *offset).collect();
        Ok(())
    }
}
