//! The table `zones` as `rhumb query` shows it: the pipeline's zones as they are now.

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::{Field, Schema};
use rhumb_geofence::{Zone, Zones};
use serde_json::Value;
use std::sync::Arc;

/// A row a zone, in the order of the file.
pub fn zone_table(zones: &Zones) -> anyhow::Result<RecordBatch> {
    let text = |of: fn(&Zone) -> String| -> ArrayRef { Arc::new(StringArray::from_iter_values(zones.iter().map(of))) };
    let around = |at: usize| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(zones.iter().map(|zone| zone.shape.around()[at])))
    };
    let columns: [(&str, bool, ArrayRef); 9] = [
        ("id", false, text(|zone| zone.id.clone())),
        ("name", true, Arc::new(StringArray::from_iter(zones.iter().map(name)))),
        ("kind", false, text(|zone| zone.shape.kind().to_owned())),
        ("area_m2", true, Arc::new(Float64Array::from_iter(zones.iter().map(|zone| zone.shape.area_m2())))),
        ("west", false, around(0)),
        ("south", false, around(1)),
        ("east", false, around(2)),
        ("north", false, around(3)),
        ("properties", false, text(|zone| Value::from(zone.attributes.clone()).to_string())),
    ];
    let fields = columns.iter().map(|(name, nullable, array)| Field::new(*name, array.data_type().clone(), *nullable));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    Ok(RecordBatch::try_new(schema, columns.into_iter().map(|(.., array)| array).collect())?)
}

/// The property `name`, in whichever case.
fn name(zone: &Zone) -> Option<&str> {
    let mut properties = zone.attributes.iter();
    properties.find_map(|(key, value)| value.as_str().filter(|_| key.eq_ignore_ascii_case("name")))
}
