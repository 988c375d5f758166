//! Points and the distances between them, in metres on the sphere of `sphere.rs`.

use super::{numbers, on_earth, point_fields};
use crate::sphere::distance_m;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, StructArray};
use arrow::buffer::NullBuffer;
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

pub fn distance(arguments: &[ArrayRef]) -> ArrayRef {
    Arc::new(metres(arguments).collect::<Float64Array>())
}

pub fn within(arguments: &[ArrayRef]) -> ArrayRef {
    let near = |(metres, most): (Option<f64>, Option<f64>)| {
        let (metres, most) = (metres?, most?);
        (!most.is_nan()).then_some(metres <= most)
    };
    Arc::new(metres(arguments).zip(numbers(&arguments[2])).map(near).collect::<BooleanArray>())
}

fn metres(points: &[ArrayRef]) -> impl Iterator<Item = Option<f64>> {
    coordinates(&points[0]).zip(coordinates(&points[1])).map(|(from, to)| {
        let (from, to) = (on_earth(from?)?, on_earth(to?)?);
        Some(distance_m(from, to))
    })
}

/// Latitude and longitude of each point.
fn coordinates(points: &ArrayRef) -> impl Iterator<Item = Option<(f64, f64)>> {
    let points = points.as_struct();
    let (lon, lat) = (numbers(points.column(0)), numbers(points.column(1)));
    lon.zip(lat).enumerate().map(|(row, (lon, lat))| {
        (!points.is_null(row)).then_some(())?;
        Some((lat?, lon?))
    })
}
