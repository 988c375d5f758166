//! Columns beyond the core that a codec fills, such as the ignition of a tracker.

use crate::builder::Optional;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringArray};
use arrow::buffer::{BooleanBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, FieldRef, Float64Type, Int64Type};
use std::sync::Arc;

/// A value for a column beyond the core.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Extra<'a> {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
}

impl<'a> Extra<'a> {
    /// The value in a row of such a column, if there is one. A column of another type has none.
    pub fn of(column: &'a ArrayRef, row: usize) -> Option<Extra<'a>> {
        if column.is_null(row) {
            return None;
        }
        match column.data_type() {
            DataType::Boolean => Some(Extra::Bool(column.as_boolean().value(row))),
            DataType::Int64 => Some(Extra::Int(column.as_primitive::<Int64Type>().value(row))),
            DataType::Float64 => Some(Extra::Float(column.as_primitive::<Float64Type>().value(row))),
            DataType::Utf8 => Some(Extra::Text(column.as_string::<i32>().value(row))),
            _ => None,
        }
    }
}

/// The row of a frame that has just been pushed.
pub struct Row<'a> {
    pub(crate) row: usize,
    pub(crate) columns: &'a mut [ExtraColumn],
}

impl Row<'_> {
    /// Sets the value of a column, by its number in `FrameBuilder::with_columns`. Of several the last counts.
    ///
    /// # Panics
    /// If there is no such column, or it is of another type.
    #[inline]
    pub fn set(&mut self, column: usize, value: Extra) {
        self.columns[column].push(self.row, value);
    }
}

/// One such column while it grows.
pub(crate) struct ExtraColumn {
    field: FieldRef,
    values: Values,
}

enum Values {
    Bool(Optional<bool>),
    Int(Optional<i64>),
    Float(Optional<f64>),
    /// Of each row that has one, where its text ends; all texts one after the other.
    Text(Optional<i32>, String),
}

impl ExtraColumn {
    pub(crate) fn new(field: &FieldRef) -> ExtraColumn {
        let values = match field.data_type() {
            DataType::Boolean => Values::Bool(Optional::default()),
            DataType::Int64 => Values::Int(Optional::default()),
            DataType::Float64 => Values::Float(Optional::default()),
            DataType::Utf8 => Values::Text(Optional::default(), String::new()),
            other => panic!("column {} is of type {other}, which no codec fills", field.name()),
        };
        ExtraColumn { field: field.clone(), values }
    }

    #[inline]
    pub(crate) fn push(&mut self, row: usize, value: Extra) {
        match (&mut self.values, value) {
            (Values::Bool(values), Extra::Bool(value)) => set(values, row, value),
            (Values::Int(values), Extra::Int(value)) => set(values, row, value),
            (Values::Float(values), Extra::Float(value)) => set(values, row, value),
            (Values::Text(ends, texts), Extra::Text(value)) => {
                if ends.values.len() > row {
                    texts.truncate(end_before(ends, row));
                }
                texts.push_str(value);
                set(ends, row, texts.len() as i32);
            }
            _ => panic!("a value of column {} has another type", self.field.name()),
        }
    }

    /// The column of so many rows; `None` if no row has a value. Leaves an empty column.
    pub(crate) fn finish(&mut self, rows: usize) -> Option<(FieldRef, ArrayRef)> {
        let array: ArrayRef = match &mut self.values {
            Values::Bool(values) => {
                let (values, nulls) = values.take(rows)?;
                Arc::new(BooleanArray::new(BooleanBuffer::from(values), nulls))
            }
            Values::Int(values) => Arc::new(values.finish::<Int64Type>(rows)?),
            Values::Float(values) => Arc::new(values.finish::<Float64Type>(rows)?),
            Values::Text(ends, texts) => {
                let (ends, nulls) = ends.take(rows)?;
                // A row without a text ends where the one before it does.
                let offsets: Vec<i32> = std::iter::once(0)
                    .chain(ends.into_iter().scan(0, |last, end| {
                        *last = end.max(*last);
                        Some(*last)
                    }))
                    .collect();
                let texts = std::mem::take(texts).into_bytes();
                Arc::new(StringArray::new(OffsetBuffer::new(offsets.into()), texts.into(), nulls))
            }
        };
        Some((self.field.clone(), array))
    }
}

#[inline]
fn set<T: Copy + Default>(values: &mut Optional<T>, row: usize, value: T) {
    values.values.truncate(row);
    values.present.truncate(row);
    values.push(row, Some(value));
}

/// Where the texts of the rows before this one end.
fn end_before(ends: &Optional<i32>, row: usize) -> usize {
    ends.values[..row].iter().rev().find(|end| **end > 0).map_or(0, |end| *end as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::{ClockRules, FrameBuilder};
    use crate::frame::{Frame, Origin};
    use crate::time::EventTime;
    use crate::vehicle::Vehicles;
    use arrow::datatypes::Field;

    fn builder(shards: usize) -> FrameBuilder {
        let columns: Vec<FieldRef> = [
            ("on", DataType::Boolean),
            ("count", DataType::Int64),
            ("volts", DataType::Float64),
            ("driver", DataType::Utf8),
        ]
        .map(|(name, data_type)| Arc::new(Field::new(name, data_type, true)))
        .to_vec();
        let directories: Vec<Arc<Vehicles>> = (0..shards).map(|_| Arc::default()).collect();
        let origin = Origin { source: "s".into(), partition: "p".into() };
        FrameBuilder::new(&directories, origin, ClockRules { rollover: false, skew_max_us: 0 }).with_columns(&columns)
    }

    fn push(out: &mut FrameBuilder, time: i64, values: &[(usize, Extra)]) {
        let frame = Frame { vehicle: "a", event_time: EventTime(time), ..Frame::default() };
        if let Some(mut row) = out.push_row(&frame) {
            values.iter().for_each(|(column, value)| row.set(*column, *value));
        }
    }

    #[test]
    fn values_stand_in_the_row_of_their_frame_and_nowhere_else() {
        let mut out = builder(1);
        out.at(0, EventTime(100));
        for _ in 0..2 {
            push(&mut out, 0, &[]);
            let (on, off) = (Extra::Bool(true), Extra::Bool(false));
            push(&mut out, 1, &[(0, on), (3, Extra::Text("ann"))]);
            push(&mut out, 2, &[(3, Extra::Text("")), (2, Extra::Float(12.5))]);
            // Ahead of its time of receipt: rejected, and its values with it.
            push(&mut out, 101, &[(0, on), (1, Extra::Int(7))]);
            push(&mut out, 3, &[(3, Extra::Text("bobby")), (3, Extra::Text("bo")), (0, on), (0, off)]);
            push(&mut out, 4, &[]);
            let batch = out.finish().remove(0).frames;
            let names: Vec<&str> = batch.extra.iter().map(|(field, _)| field.name().as_str()).collect();
            assert_eq!(names, ["on", "volts", "driver"], "no frame has a count");
            let values = |column: usize| -> Vec<Option<Extra>> {
                (0..batch.len()).map(|row| Extra::of(&batch.extra[column].1, row)).collect()
            };
            assert_eq!(values(0), [None, Some(on), None, Some(off), None]);
            assert_eq!(values(1), [None, None, Some(Extra::Float(12.5)), None, None]);
            let text = |text| Some(Extra::Text(text));
            assert_eq!(values(2), [None, text("ann"), text(""), text("bo"), None]);
        }
    }

    #[test]
    fn frames_without_values_have_no_columns() {
        let mut out = builder(3);
        out.at(0, EventTime(100));
        push(&mut out, 0, &[]);
        assert!(out.finish().iter().all(|delivery| delivery.frames.extra.is_empty()));
    }
}
