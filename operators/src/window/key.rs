//! Keys of a window: the values of its key columns, as a dense number inside a shard and as strings outside.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, UInt32Type};
use h3o::{LatLng, Resolution};
use hashbrown::HashTable;
use rhumb_engine::frame::FrameBatch;
use rhumb_engine::vehicle::Vehicles;
use std::hash::BuildHasher;
use std::sync::Arc;

/// One value of a key column.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    /// Bits of an f64.
    Float(u64),
    Text(Arc<str>),
    /// A cell of H3.
    Cell(u64),
}

/// The values of all key columns.
pub type Key = Box<[Value]>;

/// Keys that a table may hold beside those that are in use, before it lets go of those that are not: trips and the
/// like never come again.
pub const KEYS_SPARE: usize = 1 << 16;

/// A map by the numbers of keys. Nobody outside can choose a number, so that a fixed seed harms nothing, and walking it
/// is the same in every run.
pub type Numbered<T> = hashbrown::HashMap<u32, T, foldhash::fast::FixedState>;

/// Numbers for keys, as they come.
#[derive(Debug, Default)]
pub struct Keys {
    numbers: HashTable<u32>,
    values: Vec<Key>,
    /// Seeded anew by every process: whoever sends frames chooses the keys, and must not be able to choose a hundred
    /// thousand that collide. No result depends on it: numbers follow the order in which keys come, and nothing walks
    /// the table. Maps by number, which are walked, have a fixed seed (`Numbered`).
    hasher: foldhash::fast::RandomState,
    /// At so many keys it is time to let go of some; less than `KEYS_SPARE` means never asked.
    full_at: usize,
}

impl Keys {
    pub fn number(&mut self, key: &[Value]) -> u32 {
        let Keys { numbers, values, hasher, .. } = self;
        let hash = hasher.hash_one(key);
        let is_it = |number: &u32| *values[*number as usize] == *key;
        if let Some(number) = numbers.find(hash, is_it) {
            return *number;
        }
        let number = values.len() as u32;
        values.push(key.into());
        numbers.insert_unique(hash, number, |number| hasher.hash_one(&*values[*number as usize]));
        number
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn values(&self, number: u32) -> &Key {
        &self.values[number as usize]
    }

    /// Keys whose numbers are `from` and more.
    pub fn since(&self, from: usize) -> &[Key] {
        &self.values[from..]
    }

    /// Whether it holds so many keys that those not in use should go.
    pub fn is_full(&self) -> bool {
        self.values.len() >= self.full_at.max(KEYS_SPARE)
    }

    /// Lets go of all keys that `used` does not say, and gives the new numbers of the others, by old number.
    pub fn compact(&mut self, used: &[bool]) -> Vec<u32> {
        let old = std::mem::take(&mut self.values);
        self.numbers.clear();
        let new = old.iter().zip(used).map(|(key, used)| if *used { self.number(key) } else { UNKNOWN }).collect();
        self.full_at = 2 * self.values.len() + KEYS_SPARE;
        new
    }
}

/// Gives each row of a batch the numbers of its keys: one, or with `zone_id` one for each of its zones.
#[derive(Debug, Default)]
pub struct RowKeys {
    pub keys: Keys,
    columns: Vec<String>,
    /// By vehicle slot or zone ordinal, where that alone is the key; `UNKNOWN` before it is known.
    dense: Vec<u32>,
    /// The zone ids that `dense` was made for.
    zone_ids: Option<Arc<StringArray>>,
}

/// No number.
pub const UNKNOWN: u32 = u32::MAX;
pub const VEHICLE: &str = "vehicle_id";
pub const ZONE: &str = "zone_id";

/// The resolution in `h3_0` to `h3_15`; `None` for other columns.
pub fn cell_resolution(column: &str) -> Option<Resolution> {
    let digits = column.strip_prefix("h3_").filter(|digits| *digits == "0" || !digits.starts_with(['0', '+']))?;
    Resolution::try_from(digits.parse::<u8>().ok()?).ok()
}

impl RowKeys {
    pub fn new(columns: Vec<String>) -> RowKeys {
        RowKeys { columns, ..RowKeys::default() }
    }

    /// Whether keys are zones and nothing else: there are no more than zones.
    pub fn are_zones(&self) -> bool {
        matches!(&self.columns[..], [only] if only == ZONE)
    }

    /// To be called when the numbers of keys have changed.
    pub fn forget(&mut self) {
        self.dense.clear();
        self.zone_ids = None;
    }

    /// Fills `offsets` (rows + 1, from 0) and `numbers`.
    pub fn of_batch(
        &mut self,
        frames: &FrameBatch,
        vehicles: &Vehicles,
        offsets: &mut Vec<u32>,
        numbers: &mut Vec<u32>,
    ) {
        offsets.clear();
        numbers.clear();
        offsets.push(0);
        match &self.columns[..] {
            [only] if only == VEHICLE => self.by_vehicle(frames, vehicles, offsets, numbers),
            [only] if only == ZONE => self.by_zone(frames, offsets, numbers),
            _ => self.by_values(frames, vehicles, offsets, numbers),
        }
    }

    fn by_vehicle(&mut self, frames: &FrameBatch, vehicles: &Vehicles, offsets: &mut Vec<u32>, numbers: &mut Vec<u32>) {
        self.dense.resize(self.dense.len().max(vehicles.len()), UNKNOWN);
        for slot in frames.slots() {
            let number = &mut self.dense[*slot as usize];
            if *number == UNKNOWN {
                *number = self.keys.number(&[Value::Text(vehicles.id(*slot).into())]);
            }
            numbers.push(*number);
            offsets.push(numbers.len() as u32);
        }
    }

    fn by_zone(&mut self, frames: &FrameBatch, offsets: &mut Vec<u32>, numbers: &mut Vec<u32>) {
        let Some(zones) = &frames.zones else {
            return offsets.resize(frames.len() + 1, 0);
        };
        if !self.zone_ids.as_ref().is_some_and(|known| Arc::ptr_eq(known, &zones.ids)) {
            self.dense = zones.ids.iter().flatten().map(|id| self.keys.number(&[Value::Text(id.into())])).collect();
            self.zone_ids = Some(zones.ids.clone());
        }
        numbers.extend(zones.zones.iter().map(|zone| self.dense[*zone as usize]));
        offsets.extend(zones.offsets[1..].iter().map(|offset| *offset as u32));
    }

    fn by_values(&mut self, frames: &FrameBatch, vehicles: &Vehicles, offsets: &mut Vec<u32>, numbers: &mut Vec<u32>) {
        let columns: Vec<Column> = self.columns.iter().map(|name| Column::of(frames, vehicles, name)).collect();
        let zone_at = self.columns.iter().position(|name| name == ZONE);
        let mut key = vec![Value::Null; columns.len()];
        for row in 0..frames.len() {
            for (value, column) in key.iter_mut().zip(&columns) {
                *value = column.value(row);
            }
            match (zone_at, &frames.zones) {
                (None, _) => numbers.push(self.keys.number(&key)),
                (Some(_), None) => {}
                (Some(at), Some(zones)) => {
                    for zone in zones.of(row) {
                        key[at] = Value::Text(zones.ids.value(*zone as usize).into());
                        numbers.push(self.keys.number(&key));
                    }
                }
            }
            offsets.push(numbers.len() as u32);
        }
    }
}

/// A key column of a batch, by the type of its values.
enum Column {
    Vehicle(Vec<Value>),
    /// Filled in zone by zone.
    Zone,
    /// Of this resolution.
    Cell(Float64Array, Float64Array, Resolution),
    Text(ArrayRef),
    TextDictionary {
        keys: arrow::array::UInt32Array,
        values: Vec<Value>,
    },
    Int(Int64Array),
    Float(Float64Array),
    Bool(BooleanArray),
    Missing,
}

impl Column {
    fn of(frames: &FrameBatch, vehicles: &Vehicles, name: &str) -> Column {
        match name {
            VEHICLE => Column::Vehicle(frames.slots().iter().map(|slot| text(vehicles.id(*slot))).collect()),
            ZONE => Column::Zone,
            "source" => Column::Vehicle(vec![text(&frames.origin.source); frames.len()]),
            _ => match cell_resolution(name) {
                Some(resolution) => Column::Cell(frames.lat.clone(), frames.lon.clone(), resolution),
                None => frames.column(name).map_or(Column::Missing, Column::of_array),
            },
        }
    }

    fn of_array(array: ArrayRef) -> Column {
        let to = |to: &DataType| cast(&array, to).expect("numbers cast to wider numbers");
        match array.data_type() {
            DataType::Utf8 => Column::Text(array),
            DataType::Dictionary(_, _) => {
                let dictionary = array.as_dictionary::<UInt32Type>();
                let values = dictionary.values().as_string::<i32>();
                let values = values.iter().map(|value| value.map_or(Value::Null, text)).collect();
                Column::TextDictionary { keys: dictionary.keys().clone(), values }
            }
            DataType::Boolean => Column::Bool(array.as_boolean().clone()),
            DataType::Float32 | DataType::Float64 => {
                Column::Float(to(&DataType::Float64).as_primitive::<Float64Type>().clone())
            }
            _ => Column::Int(to(&DataType::Int64).as_primitive::<Int64Type>().clone()),
        }
    }

    fn value(&self, row: usize) -> Value {
        match self {
            Column::Vehicle(values) => values[row].clone(),
            Column::Zone | Column::Missing => Value::Null,
            Column::Cell(lat, lon, resolution) => match LatLng::new(lat.value(row), lon.value(row)) {
                Ok(place) => Value::Cell(place.to_cell(*resolution).into()),
                Err(_) => Value::Null,
            },
            Column::Text(array) if array.is_null(row) => Value::Null,
            Column::Text(array) => text(array.as_string::<i32>().value(row)),
            Column::TextDictionary { keys, .. } if keys.is_null(row) => Value::Null,
            Column::TextDictionary { keys, values } => values[keys.value(row) as usize].clone(),
            Column::Int(array) => array.is_valid(row).then(|| array.value(row)).map_or(Value::Null, Value::Int),
            Column::Float(array) => {
                array.is_valid(row).then(|| array.value(row).to_bits()).map_or(Value::Null, Value::Float)
            }
            Column::Bool(array) => array.is_valid(row).then(|| array.value(row)).map_or(Value::Null, Value::Bool),
        }
    }
}

fn text(value: &str) -> Value {
    Value::Text(value.into())
}
