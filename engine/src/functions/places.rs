//! Points and the ways between them, on the sphere of `sphere.rs`.

use super::{on_earth, point_fields};
use crate::sphere::bearing_deg;
use arrow::array::{Array, ArrayRef, AsArray, Float64Array, StructArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::Float64Type;
use std::sync::Arc;

/// `ST_Point(lon, lat)`: null where one of them is.
pub fn point(arguments: &[ArrayRef]) -> ArrayRef {
    let (lon, lat) = (&arguments[0], &arguments[1]);
    let nulls = NullBuffer::union(lon.nulls(), lat.nulls());
    Arc::new(StructArray::new(point_fields(), vec![lon.clone(), lat.clone()], nulls))
}

pub fn x(arguments: &[ArrayRef]) -> ArrayRef {
    Arc::new(coordinates(&arguments[0]).map(|point| Some(point?.1)).collect::<Float64Array>())
}

pub fn y(arguments: &[ArrayRef]) -> ArrayRef {
    Arc::new(coordinates(&arguments[0]).map(|point| Some(point?.0)).collect::<Float64Array>())
}

/// Radians clockwise from north, at the first point; null where both are one.
pub fn azimuth(arguments: &[ArrayRef]) -> ArrayRef {
    let bearing = |from: Option<_>, to: Option<_>| {
        let (from, to) = (on_earth(from?)?, on_earth(to?)?);
        (from != to).then(|| bearing_deg(from, to).to_radians())
    };
    let pairs = coordinates(&arguments[0]).zip(coordinates(&arguments[1]));
    Arc::new(pairs.map(|(from, to)| bearing(from, to)).collect::<Float64Array>())
}

/// Latitude and longitude of each point.
fn coordinates(points: &ArrayRef) -> impl Iterator<Item = Option<(f64, f64)>> {
    let points = points.as_struct();
    (0..points.len()).map(|row| coordinates_at(points, row))
}

/// Latitude and longitude of one point.
pub fn coordinates_at(points: &StructArray, row: usize) -> Option<(f64, f64)> {
    let number = |column: usize| {
        let column = points.column(column).as_primitive::<Float64Type>();
        column.is_valid(row).then(|| column.value(row))
    };
    points.is_valid(row).then_some(())?;
    Some((number(1)?, number(0)?))
}
