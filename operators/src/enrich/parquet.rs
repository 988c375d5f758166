//! Tables of vehicles in Parquet, as Spark, pandas, Polars and DuckDB write them.

use super::table::{TableError, TablePlace, VehicleTable, places};
use arrow::array::{Array, ArrayRef, AsArray, new_empty_array};
use arrow::compute::{CastOptions, cast, cast_with_options, concat};
use arrow::datatypes::{DataType, Field, FieldRef};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use rhumb_engine::frame::timestamp;
use std::sync::Arc;

/// What every such file begins with.
pub const MAGIC: &[u8] = b"PAR1";

/// Types are those of the file, as frames have them: whole numbers of 64 bits, fractions of 64 bits, times in
/// microseconds of UTC (those without a time zone are taken as UTC, a date as its midnight).
pub fn read(bytes: Vec<u8>, key: &str, only: Option<&[String]>) -> Result<VehicleTable, TableError> {
    // The reader takes lengths in damaged files at their word, and panics where they lead nowhere.
    let read = std::panic::catch_unwind(|| read_whole(bytes, key, only));
    read.unwrap_or_else(|_| Err(ParquetError::General("the file is damaged".to_owned()).into()))
}

fn read_whole(bytes: Vec<u8>, key: &str, only: Option<&[String]>) -> Result<VehicleTable, TableError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes))?;
    let fields: Vec<FieldRef> = builder.schema().fields().iter().cloned().collect();
    let names: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
    let (key_at, taken) = places(&names, key, only)?;
    if !is_vehicle(fields[key_at].data_type()) {
        return Err(TableError::KeyType { key: key.to_owned(), data_type: fields[key_at].data_type().clone() });
    }
    let targets = taken.iter().map(|at| target(&fields[*at])).collect::<Result<Vec<DataType>, _>>()?;
    let roots = taken.iter().copied().chain([key_at]);
    let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
    let batches = builder.with_projection(mask).build()?.collect::<Result<Vec<_>, _>>();
    let batches = batches.map_err(ParquetError::from)?;
    let column = |at: usize| -> Result<ArrayRef, TableError> {
        let parts: Vec<&dyn Array> =
            batches.iter().filter_map(|batch| batch.column_by_name(&names[at])).map(AsRef::as_ref).collect();
        match parts.is_empty() {
            true => Ok(new_empty_array(fields[at].data_type())),
            false => concat(&parts).map_err(|cause| wrong(&names[at], &cause)),
        }
    };
    let mut columns = Vec::with_capacity(taken.len());
    for (at, target) in taken.iter().zip(targets) {
        let values = cast_with_options(&column(*at)?, &target, &CastOptions { safe: false, ..CastOptions::default() })
            .map_err(|cause| wrong(&names[*at], &cause))?;
        columns.push((Arc::new(Field::new(&names[*at], target, true)) as FieldRef, values));
    }
    let vehicles = cast(&column(key_at)?, &DataType::Utf8).map_err(|cause| wrong(key, &cause))?;
    let vehicles = vehicles.as_string::<i32>().iter().map(|vehicle| vehicle.map(str::to_owned));
    let placed = vehicles.zip((1..).map(TablePlace::Row));
    VehicleTable::new(key, placed, columns)
}

fn wrong(column: &str, cause: &arrow::error::ArrowError) -> TableError {
    TableError::Value { column: column.to_owned(), cause: cause.to_string() }
}

fn is_vehicle(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => is_vehicle(value),
        other => other.is_integer() || is_text(other),
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// The type in which frames have a column of the file.
fn target(field: &FieldRef) -> Result<DataType, TableError> {
    fn of(data_type: &DataType) -> Option<DataType> {
        Some(match data_type {
            DataType::Dictionary(_, value) => of(value)?,
            DataType::Boolean => DataType::Boolean,
            text if is_text(text) => DataType::Utf8,
            whole if whole.is_integer() => DataType::Int64,
            fraction if fraction.is_floating() => DataType::Float64,
            DataType::Decimal32(_, 0) | DataType::Decimal64(_, 0) | DataType::Decimal128(_, 0) => DataType::Int64,
            decimal if decimal.is_decimal() => DataType::Float64,
            DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => timestamp(),
            // A column of nulls has no type of its own.
            DataType::Null => DataType::Utf8,
            _ => return None,
        })
    }
    let unfit = || TableError::Type { column: field.name().clone(), data_type: field.data_type().clone() };
    of(field.data_type()).ok_or_else(unfit)
}
