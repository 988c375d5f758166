//! The columns that aggregates read: as floats, as whole numbers, as texts.

use super::cells::{Layouts, Source};
use super::key::VEHICLE;
use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray, UInt32Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type, UInt32Type};
use rhumb_engine::frame::{FrameBatch, timestamp};
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
    /// Columns of whole numbers and times, by name, and what the batch has of them.
    whole_names: Vec<String>,
    wholes: Vec<Option<Int64Array>>,
    text_names: Vec<String>,
    texts: Vec<Texts>,
    /// Texts that are kept: their side and their column.
    picks: Vec<(usize, usize)>,
    hashed: Vec<String>,
    /// By hashed column and row; 0 for null.
    hashes: Vec<Vec<u64>>,
    sides: Vec<Source>,
    vehicles: Arc<Vehicles>,
}

impl Inputs {
    pub fn new(layouts: &Layouts, vehicles: Arc<Vehicles>) -> Inputs {
        Inputs {
            names: layouts.inputs.clone(),
            values: vec![Vec::new(); layouts.inputs.len()],
            whole_names: layouts.wholes.clone(),
            wholes: Vec::new(),
            text_names: layouts.texts.clone(),
            texts: Vec::new(),
            picks: layouts.picks().map(|(side, column, _)| (side, column)).collect(),
            hashed: layouts.hashed.clone(),
            hashes: vec![Vec::new(); layouts.hashed.len()],
            sides: layouts.sides.clone(),
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
        self.wholes.clear();
        self.wholes.extend(self.whole_names.iter().map(|name| frames.column(name).map(|array| wholes(&array))));
        self.texts.clear();
        self.texts.extend(self.text_names.iter().map(|name| Texts::of(frames, name)));
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

    /// The texts of a row, by the side that is to know of them.
    #[inline]
    pub fn texts(&self, row: usize) -> impl Iterator<Item = (usize, &str)> {
        self.picks.iter().filter_map(move |(side, column)| Some((*side, self.text(*column, row)?)))
    }

    pub fn text(&self, column: usize, row: usize) -> Option<&str> {
        match &self.texts[column] {
            Texts::Missing => None,
            Texts::Vehicles(slots) => Some(self.vehicles.id(slots.value(row))),
            Texts::One(text) => Some(text),
            Texts::Plain(texts) => texts.is_valid(row).then(|| texts.value(row)),
            Texts::Dictionary(keys, texts) => {
                let at = keys.is_valid(row).then(|| keys.value(row) as usize);
                at.filter(|at| texts.is_valid(*at)).map(|at| texts.value(at))
            }
        }
    }

    /// A whole number, or a time in microseconds.
    #[inline]
    pub fn whole(&self, input: usize, row: usize) -> Option<i64> {
        self.wholes[input].as_ref().filter(|array| array.is_valid(row)).map(|array| array.value(row))
    }

    /// What a row adds to each sketch.
    pub fn items(&self, row: usize) -> impl Iterator<Item = (usize, u64)> {
        let item = move |source: &Source| match *source {
            Source::Quantiles(input) => {
                let value = self.values[input][row];
                (!value.is_nan()).then(|| i64::from(bucket(value)) as u64)
            }
            Source::Distinct(column) => Some(self.hashes[column][row]).filter(|hash| *hash != 0),
            Source::Text(..) => None,
        };
        self.sides.iter().enumerate().filter_map(move |(at, source)| Some((at, item(source)?)))
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

/// A text column of a batch.
enum Texts {
    Missing,
    Vehicles(UInt32Array),
    /// The same in every row.
    One(Arc<str>),
    Plain(StringArray),
    Dictionary(UInt32Array, StringArray),
}

impl Texts {
    fn of(frames: &FrameBatch, name: &str) -> Texts {
        match (name, frames.column(name)) {
            (VEHICLE, _) => Texts::Vehicles(frames.vehicle.clone()),
            ("source", _) => Texts::One(frames.origin.source.clone()),
            (_, None) => Texts::Missing,
            (_, Some(array)) => match array.as_dictionary_opt::<UInt32Type>() {
                Some(of) => Texts::Dictionary(of.keys().clone(), of.values().as_string::<i32>().clone()),
                None => Texts::Plain(array.as_string::<i32>().clone()),
            },
        }
    }
}

/// Whole numbers, and times in microseconds.
fn wholes(array: &ArrayRef) -> Int64Array {
    let to = |array: &ArrayRef, to: &DataType| cast(array, to).expect("whole numbers and times are whole numbers");
    let array = match array.data_type() {
        DataType::Timestamp(..) | DataType::Date32 => &to(array, &timestamp()),
        _ => array,
    };
    to(array, &DataType::Int64).as_primitive::<Int64Type>().clone()
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
