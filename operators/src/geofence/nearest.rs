//! The nearest zone of each frame, as columns.

use arrow::array::{ArrayRef, DictionaryArray, Float64Array, StringArray, UInt32Array};
use arrow::datatypes::{DataType, Field, FieldRef};
use rhumb_engine::frame::FrameBatch;
use rhumb_geofence::{Nearest, NearestScratch, Position, ZoneLists, Zones};
use std::sync::Arc;

/// The columns that are added.
pub fn nearest_columns() -> [FieldRef; 2] {
    let text = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
    [("nearest_zone_id", text), ("nearest_zone_m", DataType::Float64)]
        .map(|(name, data_type)| Arc::new(Field::new(name, data_type, true)))
}

/// `found` are the zones that hold each frame, `ids` those of all zones.
pub(super) fn add(
    nearest: &Nearest,
    zones: &Zones,
    found: &ZoneLists,
    ids: &Arc<StringArray>,
    frames: &mut FrameBatch,
) {
    let mut scratch = NearestScratch::default();
    let mut of_row = |row: usize| match found.row(row).first() {
        Some(zone) => Some((*zone, 0.0)),
        None => {
            let at = Position::new(frames.lat.value(row), frames.lon.value(row)).ok()?;
            nearest.outside(zones, at, &mut scratch)
        }
    };
    let (zone, metres): (Vec<Option<u32>>, Vec<Option<f64>>) = (0..frames.len())
        .map(|row| of_row(row).map_or((None, None), |(zone, metres)| (Some(zone), Some(metres))))
        .unzip();
    let columns: [ArrayRef; 2] =
        [Arc::new(DictionaryArray::new(UInt32Array::from(zone), ids.clone())), Arc::new(Float64Array::from(metres))];
    frames.extra.extend(nearest_columns().into_iter().zip(columns));
}
