//! The alerts on their way into segments.

use super::gather::{Dictionaries, Pick, pick, repeating};
use super::order::Part;
use super::table::SortedColumns;
use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, new_null_array};
use arrow::buffer::{BooleanBuffer, Buffer, OffsetBuffer};
use arrow::datatypes::{DataType, SchemaRef};
use rhumb_engine::alert::{ALERT_ID_DIGITS, AlertBatch, AlertId, AlertKind};
use rhumb_engine::frame::timestamps;
use std::sync::Arc;

/// Batches of alerts, with the shard of each.
#[derive(Default)]
pub struct Alerts {
    batches: Vec<(usize, Arc<AlertBatch>)>,
    rows: usize,
}

impl Alerts {
    /// Shares the alerts.
    pub fn push(&mut self, shard: usize, alerts: &Arc<AlertBatch>) {
        if !alerts.is_empty() {
            self.rows += alerts.len();
            self.batches.push((shard, alerts.clone()));
        }
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn parts(&self) -> Vec<Part<'_>> {
        self.batches.iter().map(|(shard, b)| Part { shard: *shard, slots: &b.vehicle, times: &b.event_time }).collect()
    }

    /// Forgets the batches.
    pub fn clear(&mut self) {
        self.batches.clear();
        self.rows = 0;
    }

    pub fn columns(&self, schema: &SchemaRef, epoch: i64) -> AlertColumns<'_> {
        let (mut zones, mut attributes) = (Dictionaries::default(), Dictionaries::default());
        for (_, batch) in &self.batches {
            zones.push(&batch.zones.ids);
            attributes.push(&batch.zones.attributes);
        }
        let joint = (zones.joint(), attributes.joint());
        let kinds = AlertKind::ALL.iter().map(|k| k.name());
        AlertColumns {
            schema: schema.clone(),
            epoch,
            batches: self.batches.iter().map(|(_, b)| &**b).collect(),
            kinds: Arc::new(StringArray::from_iter_values(kinds)),
            zones,
            attributes,
            joint,
        }
    }
}

/// The columns of all batches, from which rows are picked.
pub struct AlertColumns<'a> {
    schema: SchemaRef,
    epoch: i64,
    batches: Vec<&'a AlertBatch>,
    kinds: ArrayRef,
    zones: Dictionaries,
    attributes: Dictionaries,
    /// Ids and attributes of all zones.
    joint: (ArrayRef, ArrayRef),
}

impl SortedColumns for AlertColumns<'_> {
    fn column(&self, column: usize) -> Option<Pick<'_>> {
        Some(match self.schema.field(column).name().as_str() {
            "vehicle_id" => return None,
            "alert_id" => self.ids(|b| &b.id),
            "visit_id" => self.ids(|b| &b.visit),
            "sequence" => self.sequence(),
            "kind" => {
                let kinds = self.batches.iter().flat_map(|b| b.kind.iter().map(|kind| u32::from(kind.number())));
                keys(kinds.collect(), self.kinds.clone())
            }
            "zone_id" => self.of_zone(&self.zones, &self.joint.0),
            "zone_attributes" => self.of_zone(&self.attributes, &self.joint.1),
            "event_time" => self.times(|b| &b.event_time),
            "frame_time" => self.times(|b| &b.frame_time),
            "received_at" => self.times(|b| &b.received_at),
            "lat" => self.degrees(|b| &b.lat),
            "lon" => self.degrees(|b| &b.lon),
            "late" => Box::new(|rows| Arc::new(BooleanArray::new(BooleanBuffer::new_unset(rows.len()), None))),
            "zone_version" => {
                let of = |b: &&AlertBatch| std::iter::repeat_n(b.zones.version, b.len());
                let all: Vec<i64> = self.batches.iter().flat_map(of).collect();
                Box::new(move |rows| Arc::new(Int64Array::from(pick(&all, rows))))
            }
            "epoch" => Box::new(|rows| Arc::new(Int64Array::from_value(self.epoch, rows.len()))),
            // What no operator says yet: why, and what it corrects.
            _ => Box::new(|rows| new_null_array(&DataType::Utf8, rows.len())),
        })
    }

    fn constant(&self, column: usize) -> Option<i64> {
        match self.schema.field(column).name().as_str() {
            "epoch" => Some(self.epoch),
            "zone_version" => {
                let version = self.batches.first()?.zones.version;
                self.batches.iter().all(|b| b.zones.version == version).then_some(version)
            }
            _ => None,
        }
    }
}

impl AlertColumns<'_> {
    /// A column of all batches.
    fn all<T: Copy>(&self, column: impl Fn(&AlertBatch) -> &[T]) -> Vec<T> {
        let mut all = Vec::with_capacity(self.batches.iter().map(|b| b.len()).sum());
        self.batches.iter().for_each(|b| all.extend_from_slice(column(b)));
        all
    }

    fn times(&self, column: impl Fn(&AlertBatch) -> &[i64]) -> Pick<'static> {
        let all = self.all(column);
        Box::new(move |rows| Arc::new(timestamps(pick(&all, rows))))
    }

    fn degrees(&self, column: impl Fn(&AlertBatch) -> &[f64]) -> Pick<'static> {
        let all = self.all(column);
        Box::new(move |rows| Arc::new(Float64Array::from(pick(&all, rows))))
    }

    /// Ids as text.
    fn ids(&self, column: impl Fn(&AlertBatch) -> &[AlertId]) -> Pick<'static> {
        let all = self.all(column);
        Box::new(move |rows| {
            let text: Vec<[u8; ALERT_ID_DIGITS]> = rows.iter().map(|row| all[*row as usize].digits()).collect();
            let offsets = OffsetBuffer::from_repeated_length(ALERT_ID_DIGITS, rows.len());
            Arc::new(StringArray::new(offsets, Buffer::from_vec(text.into_flattened()), None))
        })
    }

    fn sequence(&self) -> Pick<'static> {
        let unnumbered = |b: &&AlertBatch| b.sequence.is_none();
        if self.batches.iter().any(unnumbered) {
            let of = |b: &&AlertBatch| -> Vec<Option<i64>> {
                (0..b.len()).map(|row| b.sequence.as_ref().map(|s| s.value(row))).collect()
            };
            let all: Vec<Option<i64>> = self.batches.iter().flat_map(of).collect();
            return Box::new(move |rows| Arc::new(Int64Array::from(pick(&all, rows))));
        }
        let all = self.all(|b| b.sequence.as_ref().map_or(&[][..], |s| s.values()));
        Box::new(move |rows| Arc::new(Int64Array::from(pick(&all, rows))))
    }

    fn of_zone(&self, dictionaries: &Dictionaries, joint: &ArrayRef) -> Pick<'static> {
        let of = |(part, b): (u32, &&AlertBatch)| {
            let start = dictionaries.start(part);
            b.zone.iter().map(move |zone| zone + start).collect::<Vec<u32>>()
        };
        keys((0..).zip(&self.batches).flat_map(of).collect(), joint.clone())
    }
}

fn keys(all: Vec<u32>, values: ArrayRef) -> Pick<'static> {
    Box::new(move |rows| repeating(pick(&all, rows), values.clone()))
}
