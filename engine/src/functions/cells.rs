//! Cells of H3 and of geohash, as the texts that everybody writes them with.

use super::{geohash, positions};
use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, StringArray};
use arrow::datatypes::Int64Type;
use h3o::{CellIndex, LatLng, Resolution};
use std::sync::Arc;

pub fn cell(arguments: &[ArrayRef]) -> ArrayRef {
    let of = |(place, resolution): (Option<(f64, f64)>, Option<i64>)| {
        let ((lat, lon), resolution) = (place?, resolution_of(resolution?)?);
        Some(LatLng::new(lat, lon).ok()?.to_cell(resolution).to_string())
    };
    let places = positions(&arguments[0], &arguments[1]);
    Arc::new(places.zip(wholes(&arguments[2])).map(of).collect::<StringArray>())
}

pub fn parent(arguments: &[ArrayRef]) -> ArrayRef {
    let of = |(cell, resolution): (Option<CellIndex>, Option<i64>)| {
        Some(cell?.parent(resolution_of(resolution?)?)?.to_string())
    };
    Arc::new(cells(&arguments[0]).zip(wholes(&arguments[1])).map(of).collect::<StringArray>())
}

pub fn resolution(arguments: &[ArrayRef]) -> ArrayRef {
    Arc::new(cells(&arguments[0]).map(|cell| Some(i64::from(u8::from(cell?.resolution())))).collect::<Int64Array>())
}

pub fn lat(arguments: &[ArrayRef]) -> ArrayRef {
    Arc::new(cells(&arguments[0]).map(|cell| Some(LatLng::from(cell?).lat())).collect::<Float64Array>())
}

pub fn lon(arguments: &[ArrayRef]) -> ArrayRef {
    Arc::new(cells(&arguments[0]).map(|cell| Some(LatLng::from(cell?).lng())).collect::<Float64Array>())
}

/// Steps from cell to cell; null where H3 cannot count them, as between resolutions or across a pentagon.
pub fn steps(arguments: &[ArrayRef]) -> ArrayRef {
    let between = |(from, to): (Option<CellIndex>, Option<CellIndex>)| from?.grid_distance(to?).ok().map(i64::from);
    Arc::new(cells(&arguments[0]).zip(cells(&arguments[1])).map(between).collect::<Int64Array>())
}

pub fn geohash_cell(arguments: &[ArrayRef]) -> ArrayRef {
    let of = |(place, length): (Option<(f64, f64)>, Option<i64>)| {
        let length = u8::try_from(length?).ok().filter(|length| (1..=geohash::LENGTH_MAX).contains(length))?;
        let (lat, lon) = place?;
        Some(geohash::text(geohash::bits(lat, lon, length), length))
    };
    let places = positions(&arguments[0], &arguments[1]);
    Arc::new(places.zip(wholes(&arguments[2])).map(of).collect::<StringArray>())
}

fn resolution_of(resolution: i64) -> Option<Resolution> {
    Resolution::try_from(u8::try_from(resolution).ok()?).ok()
}

fn wholes(column: &ArrayRef) -> impl Iterator<Item = Option<i64>> {
    column.as_primitive::<Int64Type>().iter()
}

fn cells(column: &ArrayRef) -> impl Iterator<Item = Option<CellIndex>> {
    column.as_string::<i32>().iter().map(|text| text?.parse().ok())
}
