//! The sink of an engine: rows as lines of text, in segments of a lake.

use crate::broken::Broken;
use crate::disk::{Fate, Fuse, Lake, failed};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::DataType;
use arrow::util::display::array_value_to_string;
use rhumb_engine::message::Output;
use rhumb_engine::sink::{Segment, Sink, SinkContext, SinkError, SinkPlan};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

pub struct LakePlan {
    pub lake: Arc<Mutex<Lake>>,
    pub fuse: Arc<Fuse>,
    pub broken: Option<Broken>,
}

impl SinkPlan for LakePlan {
    fn name(&self) -> &str {
        "lake"
    }

    fn describe(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    fn open(&self, context: &SinkContext) -> Result<Box<dyn Sink>, SinkError> {
        let LakePlan { lake, fuse, broken } = self;
        Ok(Box::new(Segments {
            lake: lake.clone(),
            fuse: fuse.clone(),
            broken: *broken,
            context: context.clone(),
            rows: BTreeMap::new(),
            has_prepared: false,
        }))
    }
}

struct Segments {
    lake: Arc<Mutex<Lake>>,
    fuse: Arc<Fuse>,
    broken: Option<Broken>,
    context: SinkContext,
    /// By table.
    rows: BTreeMap<String, Vec<String>>,
    has_prepared: bool,
}

impl Segments {
    fn table(&mut self, name: &str) -> &mut Vec<String> {
        self.rows.entry(name.to_owned()).or_default()
    }

    /// Does something to the lake, if the fuse lets it.
    fn act(&self, what: &str, act: impl Fn(&mut Lake)) -> Result<(), SinkError> {
        self.context.retry.run(what, || {
            let fate = self.fuse.fate(what);
            if matches!(fate, Fate::Done | Fate::Unheard) {
                act(&mut self.lake.lock().expect("one thread"));
            }
            if fate == Fate::Done { Ok(()) } else { Err(SinkError::new(what, failed(fate))) }
        })
    }
}

impl Sink for Segments {
    fn write(&mut self, output: &Output) -> Result<(), SinkError> {
        let vehicles = self.context.vehicles[output.shard].clone();
        let frames = &output.frames;
        for row in 0..frames.len() {
            let zones = frames
                .zones
                .as_ref()
                .map_or(Vec::new(), |zones| zones.of(row).iter().map(|zone| zones.ids.value(*zone as usize)).collect());
            let (frame, offset) = (frames.frame(row, &vehicles), frames.offset.value(row));
            let line = format!("{}@{offset} {} {}", frames.origin.partition, frame.vehicle, zones.join("+"));
            self.table("history").push(line);
        }
        for reject in &output.effects.rejects {
            let line = format!("{}@{} {}", reject.partition, reject.offset, reject.reason.name());
            self.table("rejects").push(line);
        }
        for alerts in &output.effects.alerts {
            let numbers = alerts.sequence.as_ref().expect("the writer numbers them");
            for row in 0..alerts.len() {
                let (alert, number) = (alerts.get(row), numbers.value(row));
                let (vehicle, zone) = (vehicles.id(alert.vehicle), alerts.zones.ids.value(alert.zone as usize));
                let id = String::from_utf8_lossy(&alert.id.digits()).into_owned();
                self.table("alerts").push(format!(
                    "{vehicle} {} {zone} {} {id} {number}",
                    alert.kind.name(),
                    alert.frame_time.0
                ));
            }
        }
        for rows in &output.effects.rows {
            let lines = lines(&rows.rows);
            self.table(&rows.table).extend(lines);
        }
        Ok(())
    }

    fn prepare(&mut self, epoch: u64) -> Result<Vec<Segment>, SinkError> {
        self.has_prepared = true;
        let mut segments = Vec::new();
        for (table, rows) in std::mem::take(&mut self.rows) {
            let path = format!("{table}/{}-{epoch}", self.context.claim);
            let segment = Segment {
                table,
                path: path.clone(),
                rows: rows.len() as u64,
                bytes: 0,
                checksum: None,
                event_date: 0,
                statistics: String::new(),
            };
            self.act(&format!("write {path}"), |lake| lake.write(&path, rows.clone()))?;
            if self.broken != Some(Broken::CommitBeforeSync) {
                self.act(&format!("sync {path}"), |lake| lake.sync(&path))?;
            }
            if self.broken == Some(Broken::VisibleBeforeCommit) {
                self.act("show", |lake| lake.add(&segment.table, std::slice::from_ref(&path), None))?;
            }
            segments.push(segment);
        }
        Ok(segments)
    }

    fn committed(&mut self, epoch: u64, segments: &[Segment]) -> Result<(), SinkError> {
        let skips = match self.broken {
            Some(Broken::VisibleBeforeCommit) => true,
            Some(Broken::NotRepeatedAfterCommit) => !self.has_prepared,
            _ => false,
        };
        let epoch = (self.broken != Some(Broken::RepeatedTwice)).then_some(epoch);
        for segment in segments.iter().filter(|_| !skips) {
            let path = std::slice::from_ref(&segment.path);
            self.act(&format!("add {}", segment.path), |lake| lake.add(&segment.table, path, epoch))?;
        }
        Ok(())
    }
}

/// One line a row, `column=value` each; times as numbers.
fn lines(rows: &RecordBatch) -> Vec<String> {
    let plain = |array: &ArrayRef| match array.data_type() {
        DataType::Timestamp(..) => arrow::compute::cast(array, &DataType::Int64).expect("a time is a number"),
        _ => array.clone(),
    };
    let columns: Vec<ArrayRef> = rows.columns().iter().map(plain).collect();
    let names: Vec<String> = rows.schema().fields().iter().map(|field| field.name().clone()).collect();
    let value = |(column, name): (&ArrayRef, &String), row: usize| {
        format!("{name}={}", array_value_to_string(column, row).expect("a value"))
    };
    let line = |row: usize| {
        let values: Vec<String> = columns.iter().zip(&names).map(|column| value(column, row)).collect();
        values.join(" ")
    };
    (0..rows.num_rows()).map(line).collect()
}
