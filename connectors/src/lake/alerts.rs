//! The alerts on their way into segments.

use super::gather::{Dictionaries, repeating};
use super::order::{Part, Row};
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
    fn column(&self, column: usize, rows: &[Row], vehicles: &[u32], ids: &Arc<StringArray>) -> ArrayRef {
        match self.schema.field(column).name().as_str() {
            "alert_id" => self.ids(rows, |b, r| b.id[r]),
            "visit_id" => self.ids(rows, |b, r| b.visit[r]),
            "sequence" => self.sequence(rows),
            "kind" => repeating(self.pick(rows, |b, r| u32::from(b.kind[r].number())), self.kinds.clone()),
            "vehicle_id" => repeating(vehicles.to_vec(), ids.clone()),
            "zone_id" => self.of_zone(rows, &self.zones, &self.joint.0),
            "zone_attributes" => self.of_zone(rows, &self.attributes, &self.joint.1),
            "event_time" => Arc::new(timestamps(self.pick(rows, |b, r| b.event_time[r]))),
            "frame_time" => Arc::new(timestamps(self.pick(rows, |b, r| b.frame_time[r]))),
            "received_at" => Arc::new(timestamps(self.pick(rows, |b, r| b.received_at[r]))),
            "lat" => Arc::new(Float64Array::from(self.pick(rows, |b, r| b.lat[r]))),
            "lon" => Arc::new(Float64Array::from(self.pick(rows, |b, r| b.lon[r]))),
            "late" => Arc::new(BooleanArray::new(BooleanBuffer::new_unset(rows.len()), None)),
            "zone_version" => Arc::new(Int64Array::from(self.pick(rows, |b, _| b.zones.version))),
            "epoch" => Arc::new(Int64Array::from_value(self.epoch, rows.len())),
            // What no operator says yet: why, and what it corrects.
            _ => new_null_array(&DataType::Utf8, rows.len()),
        }
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
    fn pick<T>(&self, rows: &[Row], value: impl Fn(&AlertBatch, usize) -> T) -> Vec<T> {
        rows.iter().map(|r| value(self.batches[r.part as usize], r.row as usize)).collect()
    }

    /// Ids as text.
    fn ids(&self, rows: &[Row], id: impl Fn(&AlertBatch, usize) -> AlertId) -> ArrayRef {
        let digits = |row: &Row| id(self.batches[row.part as usize], row.row as usize).digits();
        let text: Vec<[u8; ALERT_ID_DIGITS]> = rows.iter().map(digits).collect();
        let offsets = OffsetBuffer::from_repeated_length(ALERT_ID_DIGITS, rows.len());
        Arc::new(StringArray::new(offsets, Buffer::from_vec(text.into_flattened()), None))
    }

    fn sequence(&self, rows: &[Row]) -> ArrayRef {
        if self.batches.iter().all(|b| b.sequence.is_some()) {
            let value = |r: &Row| self.batches[r.part as usize].sequence.as_ref().map(|s| s.values()[r.row as usize]);
            return Arc::new(Int64Array::from_iter_values(rows.iter().filter_map(value)));
        }
        let value = |r: &Row| self.batches[r.part as usize].sequence.as_ref().map(|s| s.value(r.row as usize));
        Arc::new(rows.iter().map(value).collect::<Int64Array>())
    }

    fn of_zone(&self, rows: &[Row], dictionaries: &Dictionaries, joint: &ArrayRef) -> ArrayRef {
        let key = |r: &Row| self.batches[r.part as usize].zone[r.row as usize] + dictionaries.start(r.part);
        repeating(rows.iter().map(key).collect(), joint.clone())
    }
}
