//! Functions of shapes: a point, or a text of WKT or GeoJSON. A column of one row stands for a value that all rows have: a
//! constant text is read once for a batch, and so is a text that the row before had.

use super::shape::Shape;
use super::{numbers, on_earth, places};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use std::ops::Deref;
use std::rc::Rc;

pub fn contains(arguments: &[ArrayRef]) -> ArrayRef {
    flags(arguments, |a, b| a.contains(b))
}

pub fn within(arguments: &[ArrayRef]) -> ArrayRef {
    flags(arguments, |a, b| b.contains(a))
}

pub fn intersects(arguments: &[ArrayRef]) -> ArrayRef {
    flags(arguments, Shape::intersects)
}

pub fn distance(arguments: &[ArrayRef]) -> ArrayRef {
    std::sync::Arc::new(metres(arguments).into_iter().collect::<Float64Array>())
}

pub fn within_metres(arguments: &[ArrayRef]) -> ArrayRef {
    let most = cast(&arguments[2], &DataType::Float64).expect("every number is one of 64 bits");
    let most: Vec<Option<f64>> = numbers(&most).collect();
    let near = |(row, metres): (usize, Option<f64>)| {
        let (metres, most) = (metres?, most[row_of(row, most.len())]?);
        (!most.is_nan()).then_some(metres <= most)
    };
    std::sync::Arc::new(metres(arguments).into_iter().enumerate().map(near).collect::<BooleanArray>())
}

pub fn length(arguments: &[ArrayRef]) -> ArrayRef {
    measured(arguments, Shape::length_m)
}

pub fn area(arguments: &[ArrayRef]) -> ArrayRef {
    measured(arguments, Shape::area_m2)
}

/// The text itself, if it is one of a shape.
pub fn from_text(arguments: &[ArrayRef]) -> ArrayRef {
    let texts = arguments[0].as_string::<i32>();
    let mut shapes = Shapes::new(&arguments[0]);
    let checked = (0..texts.len()).map(|row| shapes.at(row).map(|_| texts.value(row)));
    std::sync::Arc::new(checked.collect::<StringArray>())
}

fn flags(arguments: &[ArrayRef], of: impl Fn(&Shape, &Shape) -> bool) -> ArrayRef {
    let flags = pairs(arguments, |a, b| Some(of(a, b)));
    std::sync::Arc::new(flags.into_iter().collect::<BooleanArray>())
}

fn metres(arguments: &[ArrayRef]) -> Vec<Option<f64>> {
    pairs(arguments, Shape::distance_m)
}

fn measured(arguments: &[ArrayRef], of: impl Fn(&Shape) -> f64) -> ArrayRef {
    let mut shapes = Shapes::new(&arguments[0]);
    let of = |row| shapes.at(row).map(|shape| of(&shape));
    std::sync::Arc::new((0..arguments[0].len()).map(of).collect::<Float64Array>())
}

fn pairs<T>(arguments: &[ArrayRef], of: impl Fn(&Shape, &Shape) -> Option<T>) -> Vec<Option<T>> {
    let lengths = || arguments.iter().map(|column| column.len());
    let rows = if lengths().any(|rows| rows == 0) { 0 } else { lengths().max().unwrap_or(0) };
    let (mut a, mut b) = (Shapes::new(&arguments[0]), Shapes::new(&arguments[1]));
    (0..rows).map(|row| of(&*a.at(row)?, &*b.at(row)?)).collect()
}

/// Where a row stands in a column that may stand for all of them.
fn row_of(row: usize, len: usize) -> usize {
    if len == 1 { 0 } else { row }
}

/// The shapes of a column.
struct Shapes<'a> {
    column: &'a ArrayRef,
    /// The last text, and what it means.
    last: Option<(&'a str, Option<Rc<Shape>>)>,
}

/// A row's own shape, or one that rows have in common.
enum Found {
    Own(Shape),
    Common(Rc<Shape>),
}

impl Deref for Found {
    type Target = Shape;

    fn deref(&self) -> &Shape {
        match self {
            Found::Own(shape) => shape,
            Found::Common(shape) => shape,
        }
    }
}

impl<'a> Shapes<'a> {
    fn new(column: &'a ArrayRef) -> Shapes<'a> {
        Shapes { column, last: None }
    }

    fn at(&mut self, row: usize) -> Option<Found> {
        let row = row_of(row, self.column.len());
        if self.column.is_null(row) {
            return None;
        }
        if let DataType::Struct(_) = self.column.data_type() {
            let (lat, lon) = on_earth(places::coordinates_at(self.column.as_struct(), row)?)?;
            return Some(Found::Own(Shape::point(lat, lon)));
        }
        let text = self.column.as_string::<i32>().value(row);
        if self.last.as_ref().is_none_or(|(last, _)| *last != text) {
            self.last = Some((text, Shape::read(text).map(Rc::new)));
        }
        self.last.as_ref().and_then(|(_, shape)| shape.clone()).map(Found::Common)
    }
}
