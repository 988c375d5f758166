//! The columns that aggregates read, as floats.

use crate::fix::{Fix, Newest};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use rhumb_engine::frame::FrameBatch;
use rhumb_engine::state::{StateError, StateReader, StateWriter};
use rhumb_engine::vehicle::Vehicles;
use std::sync::Arc;

/// The inputs of a shard, gathered batch by batch.
pub struct Inputs {
    /// `None` is the distance from the vehicle's frame before.
    names: Vec<Option<String>>,
    /// By input and row; NaN for null. Their memory is used again.
    values: Vec<Vec<f64>>,
    vehicles: Arc<Vehicles>,
    /// Empty unless distance is asked for.
    newest: Newest,
}

impl Inputs {
    pub fn new(names: Vec<Option<String>>, vehicles: Arc<Vehicles>) -> Inputs {
        let values = names.iter().map(|_| Vec::new()).collect();
        Inputs { names, values, vehicles, newest: Newest::default() }
    }

    pub fn gather(&mut self, frames: &FrameBatch) {
        for (name, values) in self.names.iter().zip(&mut self.values) {
            values.clear();
            match name.as_deref().map(|name| frames.column(name)) {
                None => {
                    self.newest.reach(self.vehicles.len());
                    values.extend((0..frames.len()).map(|row| distance_m(&mut self.newest, frames, row)));
                }
                Some(None) => values.resize(frames.len(), f64::NAN),
                Some(Some(array)) => floats(&array, values),
            }
        }
    }

    #[inline]
    pub fn value(&self, input: usize, row: usize) -> f64 {
        self.values[input][row]
    }

    pub fn snapshot(&self, state: &mut StateWriter) {
        self.newest.snapshot("before", &self.vehicles, state);
    }

    pub fn restore(&mut self, state: &StateReader) -> Result<(), StateError> {
        self.newest.restore("before", &self.vehicles, state)
    }
}

fn distance_m(newest: &mut Newest, frames: &FrameBatch, row: usize) -> f64 {
    if frames.late.value(row) {
        return f64::NAN;
    }
    let now = Fix::of(frames, row);
    newest.replace(frames.slots()[row], now).map_or(f64::NAN, |before| before.distance_m(&now))
}

fn floats(array: &ArrayRef, into: &mut Vec<f64>) {
    match array.data_type() {
        DataType::Float64 => into.extend_from_slice(array.as_primitive::<Float64Type>().values()),
        DataType::Float32 => into.extend(array.as_primitive::<Float32Type>().values().iter().map(|v| f64::from(*v))),
        _ => {
            let floats = cast(array, &DataType::Float64).expect("the configuration was checked to be numeric");
            into.extend_from_slice(floats.as_primitive::<Float64Type>().values());
        }
    }
    if array.null_count() > 0 {
        (0..array.len()).filter(|row| array.is_null(*row)).for_each(|row| into[row] = f64::NAN);
    }
}
