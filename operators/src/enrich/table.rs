//! The table that frames are joined with, by vehicle.

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;

#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error("{0}")]
    Csv(#[from] csv::Error),
    #[error("no column \"{key}\"; the columns are {columns}")]
    NoKey { key: String, columns: String },
    #[error("no column \"{column}\"; the columns are {columns}")]
    NoColumn { column: String, columns: String },
    #[error("line {line}: vehicle \"{vehicle}\" stands in line {first} already")]
    Twice { vehicle: String, line: u64, first: u64 },
}

/// One row a vehicle. A column is of integers, floats or booleans if every value in it reads as one, else of
/// strings; an empty value is null.
#[derive(Debug)]
pub struct VehicleTable {
    rows: HashMap<String, u32>,
    columns: Vec<(FieldRef, ArrayRef)>,
}

impl VehicleTable {
    /// Reads CSV with a header line. `key` names the column that holds the vehicle; `only` the columns to take, in
    /// that order, all but the key if `None`.
    pub fn from_csv(input: impl Read, key: &str, only: Option<&[String]>) -> Result<VehicleTable, TableError> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(input);
        let header: Vec<String> = reader.headers()?.iter().map(str::to_owned).collect();
        let columns = || header.join(", ");
        let place = |name: &str| header.iter().position(|h| h == name);
        let key_at = place(key).ok_or_else(|| TableError::NoKey { key: key.to_owned(), columns: columns() })?;
        let taken: Vec<usize> = match only {
            None => (0..header.len()).filter(|at| *at != key_at).collect(),
            Some(only) => only
                .iter()
                .map(|c| place(c).ok_or_else(|| TableError::NoColumn { column: c.clone(), columns: columns() }))
                .collect::<Result<_, _>>()?,
        };
        let mut rows = HashMap::new();
        let mut lines = Vec::new();
        let mut values: Vec<Vec<Option<String>>> = vec![Vec::new(); taken.len()];
        for record in reader.records() {
            let record = record?;
            let line = record.position().map_or(0, |p| p.line());
            let vehicle = record.get(key_at).unwrap_or_default().to_owned();
            if let Some(first) = rows.insert(vehicle.clone(), lines.len() as u32) {
                return Err(TableError::Twice { vehicle, line, first: lines[first as usize] });
            }
            lines.push(line);
            for (column, at) in values.iter_mut().zip(&taken) {
                column.push(record.get(*at).filter(|v| !v.is_empty()).map(str::to_owned));
            }
        }
        let columns = taken.iter().zip(values).map(|(at, values)| typed(&header[*at], values)).collect();
        Ok(VehicleTable { rows, columns })
    }

    /// The same vehicles with other columns.
    pub(super) fn with_columns(self, columns: Vec<(FieldRef, ArrayRef)>) -> VehicleTable {
        VehicleTable { columns, ..self }
    }

    /// The row of a vehicle.
    pub fn row(&self, vehicle: &str) -> Option<u32> {
        self.rows.get(vehicle).copied()
    }

    pub fn vehicles(&self) -> impl Iterator<Item = &str> {
        self.rows.keys().map(String::as_str)
    }

    pub fn columns(&self) -> &[(FieldRef, ArrayRef)] {
        &self.columns
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
