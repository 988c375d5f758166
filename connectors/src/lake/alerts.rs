//! The alerts on their way into segments.

use super::gather::{Dictionaries, Pick, pick, repeating};
use super::order::Part;
use super::table::SortedColumns;
use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::buffer::{BooleanBuffer, Buffer, OffsetBuffer};
use arrow::datatypes::SchemaRef;
use rhumb_engine::alert::{ALERT_ID_DIGITS, AlertBatch, AlertId, AlertKind, AlertPoint};
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
            "late" => self.late(),
            "reason" => {
                let all = self.each(|b, row| b.reason[row].name());
                Box::new(move |rows| Arc::new(StringArray::from(pick(&all, rows))))
            }
            "supersedes" => {
                let all = self.each(|b, row| b.supersedes(row).map(AlertId::digits));
                let text = |digits: &Option<[u8; ALERT_ID_DIGITS]>| {
                    digits.as_ref().map(|digits| String::from_utf8_lossy(digits).into_owned())
                };
                Box::new(move |rows| Arc::new(rows.iter().map(|r| text(&all[*r as usize])).collect::<StringArray>()))
            }
            "left_time" => {
                let all = self.left(|left| left.time.0);
                Box::new(move |rows| Arc::new(TimestampMicrosecondArray::from(pick(&all, rows)).with_timezone("UTC")))
            }
            "left_lat" => self.left_degrees(|left| left.lat),
            "left_lon" => self.left_degrees(|left| left.lon),
            "zone_version" => {
                let of = |b: &&AlertBatch| std::iter::repeat_n(b.zones.version, b.len());
                let all: Vec<i64> = self.batches.iter().flat_map(of).collect();
                Box::new(move |rows| Arc::new(Int64Array::from(pick(&all, rows))))
            }
            "epoch" => Box::new(|rows| Arc::new(Int64Array::from_value(self.epoch, rows.len()))),
            other => unreachable!("{other} is no column of the alerts"),
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

impl<'a> AlertColumns<'a> {
    /// A column of all batches.
    fn all<T: Copy>(&self, column: impl Fn(&AlertBatch) -> &[T]) -> Vec<T> {
        let mut all = Vec::with_capacity(self.batches.iter().map(|b| b.len()).sum());
        self.batches.iter().for_each(|b| all.extend_from_slice(column(b)));
        all
    }

    /// A column of all batches that is not stored as one.
    fn each<T>(&self, value: impl Fn(&'a AlertBatch, usize) -> T) -> Vec<T> {
        let value = &value;
        self.batches.iter().flat_map(|b| (0..b.len()).map(move |row| value(b, row))).collect()
    }

    /// What is nearly always so costs nothing: no frame was late.
    fn late(&self) -> Pick<'static> {
        if self.batches.iter().all(|b| !b.late.contains(&true)) {
            return Box::new(|rows| Arc::new(BooleanArray::new(BooleanBuffer::new_unset(rows.len()), None)));
        }
        let all = self.all(|b| &b.late);
        Box::new(move |rows| Arc::new(BooleanArray::from(pick(&all, rows))))
    }

    fn left<T>(&self, value: impl Fn(AlertPoint) -> T) -> Vec<Option<T>> {
        self.each(|b, row| b.left(row).map(&value))
    }

    fn left_degrees(&self, value: impl Fn(AlertPoint) -> f64) -> Pick<'static> {
        let all = self.left(value);
        Box::new(move |rows| Arc::new(Float64Array::from(pick(&all, rows))))
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
