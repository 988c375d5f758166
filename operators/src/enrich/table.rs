//! The table that frames are joined with, by vehicle.

use super::{csv, parquet};
use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, FieldRef};
use std::collections::HashMap;
use std::fmt;
use std::path::Path;

/// What a table is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    Csv,
    Parquet,
}

impl TableFormat {
    pub const ALL: [TableFormat; 2] = [TableFormat::Csv, TableFormat::Parquet];

    /// As in TOML.
    pub fn name(self) -> &'static str {
        match self {
            TableFormat::Csv => "csv",
            TableFormat::Parquet => "parquet",
        }
    }

    /// What the name of a file, packed or not, says of it; CSV where it says nothing.
    pub fn of_path(path: &Path) -> TableFormat {
        let name = path.to_string_lossy().to_lowercase();
        let name = [".gz", ".zst"].iter().find_map(|packed| name.strip_suffix(packed)).unwrap_or(&name);
        match [".parquet", ".pq"].iter().any(|ending| name.ends_with(ending)) {
            true => TableFormat::Parquet,
            false => TableFormat::Csv,
        }
    }
}

/// Where in a table something stands: lines of a text, rows of others; both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TablePlace {
    Line(u64),
    Row(u64),
}

impl fmt::Display for TablePlace {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            TablePlace::Line(line) => write!(f, "line {line}"),
            TablePlace::Row(row) => write!(f, "row {row}"),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error("{0}")]
    Csv(#[from] ::csv::Error),
    #[error("{0}")]
    Parquet(#[from] ::parquet::errors::ParquetError),
    #[error("it is not CSV but Parquet")]
    IsParquet,
    #[error("it is not Parquet")]
    NotParquet,
    #[error("no column \"{key}\"; the columns are {columns}")]
    NoKey { key: String, columns: String },
    #[error("column \"{key}\" is of type {data_type}, and vehicles are texts or whole numbers")]
    KeyType { key: String, data_type: DataType },
    #[error("no column \"{column}\"; the columns are {columns}")]
    NoColumn { column: String, columns: String },
    #[error("column \"{column}\" is of type {data_type}, which frames cannot have")]
    Type { column: String, data_type: DataType },
    #[error("column \"{column}\": {cause}")]
    Value { column: String, cause: String },
    #[error("{place}: no vehicle in column \"{key}\"")]
    NoVehicle { place: TablePlace, key: String },
    #[error("{place}: vehicle \"{vehicle}\" stands in {first} already")]
    Twice { vehicle: String, place: TablePlace, first: TablePlace },
}

/// One row a vehicle; columns of texts, integers, floats, booleans or times.
#[derive(Debug)]
pub struct VehicleTable {
    rows: HashMap<String, u32>,
    columns: Vec<(FieldRef, ArrayRef)>,
}

impl VehicleTable {
    /// Reads what a file holds once it is unpacked. `key` names the column that holds the vehicle; `only` the columns
    /// to take, in that order, all but the key if `None`.
    ///
    /// # Errors
    /// If it is not of that format, lacks a column, has a row without a vehicle, or two rows of one.
    pub fn read(
        bytes: Vec<u8>,
        format: TableFormat,
        key: &str,
        only: Option<&[String]>,
    ) -> Result<VehicleTable, TableError> {
        match format {
            TableFormat::Csv if bytes.starts_with(parquet::MAGIC) => Err(TableError::IsParquet),
            TableFormat::Parquet if !bytes.starts_with(parquet::MAGIC) => Err(TableError::NotParquet),
            TableFormat::Csv => csv::read(bytes.as_slice(), key, only),
            TableFormat::Parquet => parquet::read(bytes, key, only),
        }
    }

    /// `vehicles`: the vehicle of each row and its place; `columns` have one value a row.
    pub(super) fn new(
        key: &str,
        vehicles: impl Iterator<Item = (Option<String>, TablePlace)>,
        columns: Vec<(FieldRef, ArrayRef)>,
    ) -> Result<VehicleTable, TableError> {
        let mut rows: HashMap<String, u32> = HashMap::new();
        let mut places = Vec::new();
        for (vehicle, place) in vehicles {
            let vehicle = vehicle.filter(|vehicle| !vehicle.is_empty());
            let vehicle = vehicle.ok_or_else(|| TableError::NoVehicle { place, key: key.to_owned() })?;
            if let Some(first) = rows.insert(vehicle.clone(), places.len() as u32) {
                return Err(TableError::Twice { vehicle, place, first: places[first as usize] });
            }
            places.push(place);
        }
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

/// Places of the columns to take among those of a file, and of the key.
pub(super) fn places(names: &[String], key: &str, only: Option<&[String]>) -> Result<(usize, Vec<usize>), TableError> {
    let columns = || names.join(", ");
    let place = |name: &str| names.iter().position(|other| other == name);
    let key_at = place(key).ok_or_else(|| TableError::NoKey { key: key.to_owned(), columns: columns() })?;
    let taken = match only {
        None => (0..names.len()).filter(|at| *at != key_at).collect(),
        Some(only) => only
            .iter()
            .map(|c| place(c).ok_or_else(|| TableError::NoColumn { column: c.clone(), columns: columns() }))
            .collect::<Result<_, _>>()?,
    };
    Ok((key_at, taken))
}
