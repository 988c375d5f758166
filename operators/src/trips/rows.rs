//! The tables `trips` and `stops`: their columns, and rows for them.

use super::track::{Told, What};
use super::zones::ZoneSets;
use arrow::array::{
    ArrayRef, Float64Array, Int32Array, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder,
};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use rhumb_engine::alert::AlertId;
use rhumb_engine::frame::{timestamp, timestamps, zone_ids_column};
use rhumb_engine::lane::hash_of;
use rhumb_engine::operator::TablePlan;
use rhumb_engine::time::SECOND_US;
use rhumb_engine::vehicle::{Slot, Vehicles};
use std::collections::HashMap;
use std::sync::Arc;

/// Metadata of a schema: the columns that tell rows apart, whose newest revision counts.
const KEYS: &str = "rhumb.keys";
const START: &str = "start_time";

fn field(name: &str, data_type: DataType, nullable: bool) -> FieldRef {
    Arc::new(Field::new(name, data_type, nullable))
}

fn zone_ids(name: &str) -> FieldRef {
    field(name, zone_ids_column().data_type().clone(), true)
}

fn table(name: &str, fields: Vec<FieldRef>) -> TablePlan {
    let metadata = HashMap::from([(KEYS.to_owned(), fields[0].name().clone())]);
    let schema: SchemaRef = Arc::new(Schema::new_with_metadata(fields, metadata));
    TablePlan { name: name.into(), schema, date_from: START }
}

/// Names and types of all columns; units are in the names, `_s` for seconds.
pub fn trips() -> TablePlan {
    use DataType::{Float64, Int32, Int64, Utf8};
    let fields = vec![
        field("trip_id", Utf8, false),
        field("vehicle_id", Utf8, false),
        field(START, timestamp(), false),
        field("end_time", timestamp(), false),
        field("duration_s", Float64, false),
        field("distance_m", Float64, false),
        field("speed_avg_mps", Float64, false),
        field("speed_max_mps", Float64, true),
        field("standing_s", Float64, false),
        field("idle_s", Float64, true),
        field("start_lat", Float64, false),
        field("start_lon", Float64, false),
        field("end_lat", Float64, false),
        field("end_lon", Float64, false),
        zone_ids("start_zone_ids"),
        zone_ids("end_zone_ids"),
        field("frames", Int64, false),
        field("ended", Utf8, false),
        field("revision", Int32, false),
    ];
    table("trips", fields)
}

pub fn stops() -> TablePlan {
    use DataType::{Float64, Int32, Int64, Utf8};
    let fields = vec![
        field("stop_id", Utf8, false),
        field("vehicle_id", Utf8, false),
        field(START, timestamp(), false),
        field("end_time", timestamp(), false),
        field("duration_s", Float64, false),
        field("idle_s", Float64, true),
        field("lat", Float64, false),
        field("lon", Float64, false),
        zone_ids("zone_ids"),
        field("frames", Int64, false),
        field("ended", Utf8, false),
        field("revision", Int32, false),
    ];
    table("stops", fields)
}

/// What rows are made with.
pub struct Writer<'a> {
    pub vehicles: &'a Vehicles,
    pub zones: &'a ZoneSets,
    /// Hash of pipeline and operator: what ids are made from.
    pub hash: u64,
}

impl Writer<'_> {
    pub fn trips(&self, schema: &SchemaRef, all: &[&(Slot, Told)]) -> RecordBatch {
        let average = |told: &Told| told.sums.distance_m / seconds(told.end.time - told.start.time);
        let columns: Vec<ArrayRef> = vec![
            self.ids(all),
            self.vehicle_ids(all),
            times(all, |told| told.start.time),
            times(all, |told| told.end.time),
            numbers(all, |told| Some(seconds(told.end.time - told.start.time))),
            numbers(all, |told| Some(told.sums.distance_m)),
            numbers(all, |told| Some(average(told))),
            numbers(all, |told| Some(f64::from(told.sums.speed_max_mps)).filter(|speed| !speed.is_nan())),
            numbers(all, |told| Some(seconds(told.sums.standing_us))),
            numbers(all, |told| told.sums.knows_ignition.then(|| seconds(told.sums.idle_us))),
            numbers(all, |told| Some(told.start.lat)),
            numbers(all, |told| Some(told.start.lon)),
            numbers(all, |told| Some(told.end.lat)),
            numbers(all, |told| Some(told.end.lon)),
            self.zone_ids(all, |told| told.start.marks.zones()),
            self.zone_ids(all, |told| told.end.marks.zones()),
            frames(all),
            ended(all),
            revisions(all),
        ];
        RecordBatch::try_new(schema.clone(), columns).expect("columns as the schema has them")
    }

    pub fn stops(&self, schema: &SchemaRef, all: &[&(Slot, Told)]) -> RecordBatch {
        let columns: Vec<ArrayRef> = vec![
            self.ids(all),
            self.vehicle_ids(all),
            times(all, |told| told.start.time),
            times(all, |told| told.end.time),
            numbers(all, |told| Some(seconds(told.end.time - told.start.time))),
            numbers(all, |told| told.sums.knows_ignition.then(|| seconds(told.sums.on_us))),
            numbers(all, |told| Some(told.place.lat)),
            numbers(all, |told| Some(told.place.lon)),
            self.zone_ids(all, |told| told.place.marks.zones()),
            frames(all),
            ended(all),
            revisions(all),
        ];
        RecordBatch::try_new(schema.clone(), columns).expect("columns as the schema has them")
    }

    /// The same trip or stop has the same id in every replay: it is a function of the vehicle and of when it began.
    fn ids(&self, all: &[&(Slot, Told)]) -> ArrayRef {
        let id = |(slot, told): &(Slot, Told)| {
            let mut bytes = [0; 25];
            bytes[0..8].copy_from_slice(&self.hash.to_le_bytes());
            bytes[8..16].copy_from_slice(&self.vehicles.get(*slot).hash.to_le_bytes());
            bytes[16..24].copy_from_slice(&told.start.time.to_le_bytes());
            bytes[24] = match told.what {
                What::Trip => 0,
                What::Stop => 1,
            };
            let low = hash_of(&bytes).to_le_bytes();
            bytes[24] += 2;
            let high = hash_of(&bytes).to_le_bytes();
            let mut id = [0; 12];
            id[..8].copy_from_slice(&low);
            id[8..].copy_from_slice(&high[..4]);
            let digits = AlertId::from(id).digits();
            String::from_utf8_lossy(&digits).into_owned()
        };
        Arc::new(StringArray::from_iter_values(all.iter().map(|row| id(row))))
    }

    fn vehicle_ids(&self, all: &[&(Slot, Told)]) -> ArrayRef {
        Arc::new(StringArray::from_iter_values(all.iter().map(|(slot, _)| self.vehicles.id(*slot))))
    }

    fn zone_ids(&self, all: &[&(Slot, Told)], code: impl Fn(&Told) -> u32) -> ArrayRef {
        let item = Field::new("element", DataType::Utf8, false);
        let mut lists = ListBuilder::new(StringBuilder::new()).with_field(item);
        for (_, told) in all {
            let ids = self.zones.ids(code(told));
            ids.iter().flat_map(|ids| ids.iter()).for_each(|id| lists.values().append_value(id));
            lists.append(ids.is_some());
        }
        Arc::new(lists.finish())
    }
}

fn seconds(us: i64) -> f64 {
    us as f64 / SECOND_US as f64
}

fn times(all: &[&(Slot, Told)], value: impl Fn(&Told) -> i64) -> ArrayRef {
    Arc::new(timestamps(all.iter().map(|(_, told)| value(told)).collect::<Vec<_>>()))
}

fn numbers(all: &[&(Slot, Told)], value: impl Fn(&Told) -> Option<f64>) -> ArrayRef {
    Arc::new(all.iter().map(|(_, told)| value(told)).collect::<Float64Array>())
}

/// From the first to the last, both included.
fn frames(all: &[&(Slot, Told)]) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(all.iter().map(|(_, told)| i64::from(told.sums.legs) + 1)))
}

fn ended(all: &[&(Slot, Told)]) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(all.iter().map(|(_, told)| told.ended.name())))
}

fn revisions(all: &[&(Slot, Told)]) -> ArrayRef {
    Arc::new(Int32Array::from_iter_values(all.iter().map(|(_, told)| told.revision as i32)))
}
