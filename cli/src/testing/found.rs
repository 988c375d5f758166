//! Rows that came, by name of the column.

use crate::config::Found;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType};
use rhumb_engine::alert::{AlertBatch, AlertId};
use rhumb_engine::frame::FrameBatch;
use rhumb_engine::reject::Reject;
use rhumb_engine::vehicle::Vehicles;

/// A row in the order of its table's columns.
pub type Row = Vec<(String, Found)>;
pub type Rows = Vec<Row>;

fn row<const N: usize>(cells: [(&str, Found); N]) -> Row {
    cells.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn text(text: impl Into<String>) -> Found {
    Found::Text(text.into())
}

fn optional<T>(value: Option<T>, found: impl Fn(T) -> Found) -> Found {
    value.map_or(Found::Null, found)
}

pub fn alerts(batch: &AlertBatch, vehicles: &Vehicles) -> Rows {
    let id = |id: AlertId| text(String::from_utf8_lossy(&id.digits()));
    let of = |at: usize| {
        let alert = batch.get(at);
        let zone = alert.zone as usize;
        row([
            ("kind", text(alert.kind.name())),
            ("vehicle_id", text(vehicles.id(alert.vehicle))),
            ("zone_id", text(batch.zones.ids.value(zone))),
            ("event_time", Found::Time(alert.event_time.0)),
            ("reason", optional(alert.reason.name(), text)),
            ("late", Found::Flag(alert.late)),
            ("lat", Found::Fraction(alert.lat)),
            ("lon", Found::Fraction(alert.lon)),
            ("frame_time", Found::Time(alert.frame_time.0)),
            ("received_at", Found::Time(alert.received_at.0)),
            ("left_time", optional(alert.left, |left| Found::Time(left.time.0))),
            ("left_lat", optional(alert.left, |left| Found::Fraction(left.lat))),
            ("left_lon", optional(alert.left, |left| Found::Fraction(left.lon))),
            ("alert_id", id(alert.id)),
            ("visit_id", id(alert.visit)),
            ("supersedes", optional(alert.supersedes, id)),
            ("zone_attributes", text(batch.zones.attributes.value(zone))),
        ])
    };
    (0..batch.len()).map(of).collect()
}

pub fn rejects(rejects: &[Reject]) -> Rows {
    let of = |reject: &Reject| {
        row([
            ("reason", text(reject.reason.name())),
            ("vehicle_id", optional(reject.vehicle_id.as_deref(), text)),
            ("event_time", optional(reject.event_time, |at| Found::Time(at.0))),
            ("measured", optional(reject.measured, Found::Fraction)),
            ("threshold", optional(reject.threshold, Found::Fraction)),
            ("detail", text(reject.detail.as_str())),
            ("lat", optional(reject.lat, Found::Fraction)),
            ("lon", optional(reject.lon, Found::Fraction)),
            ("received_at", Found::Time(reject.received_at.0)),
            ("source", text(&*reject.source)),
        ])
    };
    rejects.iter().map(of).collect()
}

pub fn history(frames: &FrameBatch, vehicles: &Vehicles) -> Rows {
    const CORE: [&str; 12] = [
        "event_time",
        "lat",
        "lon",
        "late",
        "zone_ids",
        "speed_mps",
        "heading_deg",
        "altitude_m",
        "accuracy_m",
        "hdop",
        "satellites",
        "received_at",
    ];
    let extra = frames.extra.iter().map(|(field, _)| field.name().as_str());
    let columns: Vec<(&str, Option<ArrayRef>)> =
        CORE.into_iter().chain(extra).map(|name| (name, frames.column(name))).collect();
    let of = |at: usize| {
        let mut cells = row([("vehicle_id", text(vehicles.id(frames.slots()[at])))]);
        let cell = |(name, column): &(&str, Option<ArrayRef>)| {
            ((*name).to_owned(), column.as_ref().map_or(Found::Null, |column| value(column, at)))
        };
        cells.extend(columns.iter().map(cell));
        cells.push(("source".to_owned(), text(&*frames.origin.source)));
        cells
    };
    (0..frames.len()).map(of).collect()
}

/// Rows of a table that an operator writes.
pub fn rows(batch: &RecordBatch) -> Rows {
    let schema = batch.schema();
    let columns: Vec<_> = schema.fields().iter().map(|field| field.name().clone()).zip(batch.columns()).collect();
    let of = |at: usize| columns.iter().map(|(name, column)| (name.clone(), value(column, at))).collect();
    (0..batch.num_rows()).map(of).collect()
}

/// A value of a type that tables have; others, such as sketches, are nothing to compare.
fn value(column: &ArrayRef, at: usize) -> Found {
    if column.is_null(at) {
        return Found::Null;
    }
    match column.data_type() {
        DataType::Utf8 => text(column.as_string::<i32>().value(at)),
        DataType::Boolean => Found::Flag(column.as_boolean().value(at)),
        DataType::Int16 => Found::Whole(column.as_primitive::<Int16Type>().value(at).into()),
        DataType::Int32 => Found::Whole(column.as_primitive::<Int32Type>().value(at).into()),
        DataType::Int64 => Found::Whole(column.as_primitive::<Int64Type>().value(at)),
        DataType::Float64 => Found::Fraction(column.as_primitive::<Float64Type>().value(at)),
        DataType::Float32 => Found::Fraction(shortest(column.as_primitive::<Float32Type>().value(at))),
        DataType::Timestamp(..) => Found::Time(column.as_primitive::<TimestampMicrosecondType>().value(at)),
        DataType::List(_) => {
            let values = column.as_list::<i32>().value(at);
            Found::List((0..values.len()).map(|n| value(&values, n).to_string()).collect())
        }
        DataType::Dictionary(_, of) => {
            arrow::compute::cast(&column.slice(at, 1), of).map_or(Found::Null, |column| value(&column, 0))
        }
        _ => Found::Null,
    }
}

/// The shortest fraction that is this number in 32 bits: 8.3, not 8.300000190734863.
fn shortest(number: f32) -> f64 {
    number.to_string().parse().unwrap_or(f64::NAN)
}
