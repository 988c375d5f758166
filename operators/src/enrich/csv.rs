//! Tables of vehicles in CSV.

use super::table::{TableError, TablePlace, VehicleTable, places};
use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use std::io::Read;
use std::sync::Arc;

/// With a header line. A column is of integers, floats or booleans if every value in it reads as one, else of strings;
/// an empty value is null.
pub fn read(input: impl Read, key: &str, only: Option<&[String]>) -> Result<VehicleTable, TableError> {
    let mut reader = ::csv::ReaderBuilder::new().trim(::csv::Trim::All).from_reader(input);
    let header: Vec<String> = reader.headers()?.iter().map(str::to_owned).collect();
    let (key_at, taken) = places(&header, key, only)?;
    let mut vehicles = Vec::new();
    let mut values: Vec<Vec<Option<String>>> = vec![Vec::new(); taken.len()];
    for record in reader.records() {
        let record = record?;
        let value = |at: usize| record.get(at).filter(|value| !value.is_empty()).map(str::to_owned);
        vehicles.push((value(key_at), TablePlace::Line(record.position().map_or(0, |p| p.line()))));
        for (column, at) in values.iter_mut().zip(&taken) {
            column.push(value(*at));
        }
    }
    let columns = taken.iter().zip(values).map(|(at, values)| typed(&header[*at], values)).collect();
    VehicleTable::new(key, vehicles.into_iter(), columns)
}

impl VehicleTable {
    /// Reads CSV with a header line: see [`VehicleTable::read`].
    pub fn from_csv(input: impl Read, key: &str, only: Option<&[String]>) -> Result<VehicleTable, TableError> {
        read(input, key, only)
    }
}

fn typed(name: &str, values: Vec<Option<String>>) -> (FieldRef, ArrayRef) {
    fn all<T>(values: &[Option<String>], read: impl Fn(&str) -> Option<T>) -> Option<Vec<Option<T>>> {
        values.iter().map(|v| v.as_deref().map(&read).map_or(Some(None), |read| read.map(Some))).collect()
    }
    let some = values.iter().any(Option::is_some);
    let array: ArrayRef = if let Some(v) = all(&values, |v| v.parse::<i64>().ok()).filter(|_| some) {
        Arc::new(Int64Array::from(v))
    } else if let Some(v) = all(&values, |v| v.parse::<f64>().ok()).filter(|_| some) {
        Arc::new(Float64Array::from(v))
    } else if let Some(v) = all(&values, |v| v.parse::<bool>().ok()).filter(|_| some) {
        Arc::new(BooleanArray::from(v))
    } else {
        Arc::new(StringArray::from(values))
    };
    let data_type: DataType = array.data_type().clone();
    (Arc::new(Field::new(name, data_type, true)), array)
}
