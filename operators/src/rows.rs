//! Frames as rows that expressions read: the columns that they ask for, as the history table has them.

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{FieldRef, SchemaRef};
use rhumb_engine::frame::FrameBatch;
use rhumb_engine::vehicle::Vehicles;
use std::sync::Arc;

/// The columns of a schema for all frames of a batch. What no frame has a value for is null.
pub fn of_frames(frames: &FrameBatch, vehicles: &Vehicles, schema: &SchemaRef) -> RecordBatch {
    let columns: Vec<ArrayRef> = schema.fields().iter().map(|field| column(frames, vehicles, field)).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(frames.len()));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options).expect("columns are of their fields' types")
}

fn column(frames: &FrameBatch, vehicles: &Vehicles, field: &FieldRef) -> ArrayRef {
    let rows = frames.len();
    match field.name().as_str() {
        "vehicle_id" => Arc::new(StringArray::from_iter_values(frames.slots().iter().map(|slot| vehicles.id(*slot)))),
        "source" => Arc::new(StringArray::from_iter_values(std::iter::repeat_n(&*frames.origin.source, rows))),
        name => match frames.column(name) {
            None => new_null_array(field.data_type(), rows),
            Some(values) if values.data_type() == field.data_type() => values,
            // Texts that repeat come as keys into a dictionary.
            Some(values) => cast(&values, field.data_type()).expect("a dictionary casts to its texts"),
        },
    }
}
