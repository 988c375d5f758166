//! The columns that aggregates read, as floats.

use super::cells::{Layouts, Source};
use super::key::VEHICLE;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type, UInt32Type};
use rhumb_engine::frame::FrameBatch;
use rhumb_engine::lane::hash_of;
use rhumb_engine::sketch::bucket;
use rhumb_engine::vehicle::Vehicles;
use std::sync::Arc;

/// The inputs of a shard, gathered batch by batch.
pub struct Inputs {
    /// `None` is the distance from the vehicle's frame before, which `set` says.
    names: Vec<Option<String>>,
    /// By input and row; NaN for null. Their memory is used again.
    values: Vec<Vec<f64>>,
    hashed: Vec<String>,
    /// By hashed column and row; 0 for null.
    hashes: Vec<Vec<u64>>,
    sketches: Vec<Source>,
    vehicles: Arc<Vehicles>,
}

impl Inputs {
    pub fn new(layouts: &Layouts, vehicles: Arc<Vehicles>) -> Inputs {
        Inputs {
            names: layouts.inputs.clone(),
            values: vec![Vec::new(); layouts.inputs.len()],
            hashed: layouts.hashed.clone(),
            hashes: vec![Vec::new(); layouts.hashed.len()],
            sketches: layouts.sketches.clone(),
            vehicles,
        }
    }

    pub fn gather(&mut self, frames: &FrameBatch) {
        for (name, values) in self.names.iter().zip(&mut self.values) {
            values.clear();
            match name.as_deref().map(|name| frames.column(name)) {
                None | Some(None) => values.resize(frames.len(), f64::NAN),
                Some(Some(array)) => floats(&array, values),
            }
        }
        for (name, hashes) in self.hashed.iter().zip(&mut self.hashes) {
            hashes.clear();
            match (name.as_str(), frames.column(name)) {
                (VEHICLE, _) => hashes.extend(frames.slots().iter().map(|slot| self.vehicles.get(*slot).hash.max(1))),
                ("source", _) => hashes.resize(frames.len(), hash(frames.origin.source.as_bytes())),
                (_, None) => hashes.resize(frames.len(), 0),
                (_, Some(array)) => hash_all(&array, hashes),
            }
        }
    }

    /// What a row adds to each sketch.
    pub fn items(&self, row: usize) -> impl Iterator<Item = (usize, u64)> {
        let item = move |source: &Source| match *source {
            Source::Quantiles(input) => {
                let value = self.values[input][row];
                (!value.is_nan()).then(|| i64::from(bucket(value)) as u64)
            }
            Source::Distinct(column) => Some(self.hashes[column][row]).filter(|hash| *hash != 0),
        };
        self.sketches.iter().enumerate().filter_map(move |(at, source)| Some((at, item(source)?)))
    }

    #[inline]
    pub fn value(&self, input: usize, row: usize) -> f64 {
        self.values[input][row]
    }

    /// Says how far a row is from the frame before, which is known frame by frame only.
    pub fn set(&mut self, input: usize, row: usize, value: f64) {
        self.values[input][row] = value;
    }
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

/// A hash that is not 0, stable over versions and machines: sketches are stored.
fn hash(bytes: &[u8]) -> u64 {
    hash_of(bytes).max(1)
}

/// Hashes of a column's values, by what they are and not by how the column holds them.
fn hash_all(array: &ArrayRef, into: &mut Vec<u64>) {
    match array.data_type() {
        DataType::Utf8 => {
            let texts = array.as_string::<i32>().iter();
            into.extend(texts.map(|text| text.map_or(0, |t| hash(t.as_bytes()))));
        }
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_dictionary::<UInt32Type>();
            let values = dictionary.values().as_string::<i32>().iter();
            let values: Vec<u64> = values.map(|text| text.map_or(0, |t| hash(t.as_bytes()))).collect();
            into.extend(dictionary.keys().iter().map(|key| key.map_or(0, |key| values[key as usize])));
        }
        DataType::Float32 | DataType::Float64 => {
            let mut values = Vec::with_capacity(array.len());
            floats(array, &mut values);
            // Zero is one value, whatever its sign.
            let hash_float = |v: &f64| if v.is_nan() { 0 } else { hash(&(v + 0.0).to_bits().to_le_bytes()) };
            into.extend(values.iter().map(hash_float));
        }
        _ => {
            let whole = cast(array, &DataType::Int64).expect("flags, whole numbers and times are whole numbers");
            let whole = whole.as_primitive::<Int64Type>();
            into.extend(whole.iter().map(|value| value.map_or(0, |value| hash(&value.to_le_bytes()))));
        }
    }
}
