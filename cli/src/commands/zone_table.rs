//! The table `zones` as `rhumb query` shows it: the pipeline's zones as they are now.

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use rhumb_geofence::{Zone, Zones};
use serde_json::Value;
use std::sync::Arc;

pub fn schema() -> SchemaRef {
    use DataType::{Float64, Utf8};
    let field = |name: &str, data_type, nullable| Field::new(name, data_type, nullable);
    Arc::new(Schema::new(vec![
        field("id", Utf8, false),
        field("name", Utf8, true),
        field("kind", Utf8, false),
        field("area_m2", Float64, true),
        field("west", Float64, false),
        field("south", Float64, false),
        field("east", Float64, false),
        field("north", Float64, false),
        field("properties", Utf8, false),
    ]))
}

/// A row a zone, in the order of the file.
pub fn rows(zones: &Zones) -> Result<RecordBatch, ArrowError> {
    let text = |of: fn(&Zone) -> String| -> ArrayRef { Arc::new(StringArray::from_iter_values(zones.iter().map(of))) };
    let around = |at: usize| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(zones.iter().map(|zone| zone.shape.around()[at])))
    };
    let columns = vec![
        text(|zone| zone.id.clone()),
        Arc::new(StringArray::from_iter(zones.iter().map(name))),
        text(|zone| zone.shape.kind().to_owned()),
        Arc::new(Float64Array::from_iter(zones.iter().map(|zone| zone.shape.area_m2()))),
        around(0),
        around(1),
        around(2),
        around(3),
        text(|zone| Value::from(zone.attributes.clone()).to_string()),
    ];
    RecordBatch::try_new(schema(), columns)
}

/// The property `name`, in whichever case.
fn name(zone: &Zone) -> Option<&str> {
    let mut properties = zone.attributes.iter();
    properties.find_map(|(key, value)| value.as_str().filter(|_| key.eq_ignore_ascii_case("name")))
}
