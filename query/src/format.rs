//! Results as text or files, written as they come.

use crate::error::QueryError;
use crate::geojson::GeoJson;
use crate::text::Table;
use arrow::array::RecordBatch;
use arrow::csv;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::json::writer::{LineDelimited, WriterBuilder};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use std::io::{self, Write};
use std::str::FromStr;

/// How a result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people: aligned columns, the first rows of a long result.
    Table,
    /// With a header; times as RFC 3339, null as nothing.
    Csv,
    /// One object a line (NDJSON); null as an absent field.
    Json,
    /// One file, zstd.
    Parquet,
    /// A FeatureCollection of points from the columns `lat` and `lon`; the other columns are properties.
    GeoJson,
}

impl Format {
    pub const ALL: &[Format] = &[Format::Table, Format::Csv, Format::Json, Format::Parquet, Format::GeoJson];

    pub fn name(self) -> &'static str {
        match self {
            Format::Table => "table",
            Format::Csv => "csv",
            Format::Json => "json",
            Format::Parquet => "parquet",
            Format::GeoJson => "geojson",
        }
    }
}

impl FromStr for Format {
    type Err = QueryError;

    fn from_str(name: &str) -> Result<Format, QueryError> {
        let unknown = || {
            let all: Vec<&str> = Format::ALL.iter().map(|f| f.name()).collect();
            QueryError::Format(format!("unknown format \"{name}\"; there are {}", all.join(", ")))
        };
        Format::ALL.iter().copied().find(|f| f.name() == name).ok_or_else(unknown)
    }
}

/// Rows of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowCount {
    pub rows: u64,
    /// Those that were written: fewer if the format shows only the first ones.
    pub shown: u64,
}

/// Takes batches and writes them.
pub(crate) struct Writer<'a> {
    kind: Kind<'a>,
    rows: u64,
}

enum Kind<'a> {
    Table(Table<'a>),
    Csv(Box<csv::Writer<&'a mut dyn Write>>),
    Json(arrow::json::Writer<&'a mut dyn Write, LineDelimited>),
    Parquet(Box<ArrowWriter<Vec<u8>>>, &'a mut dyn Write),
    GeoJson(GeoJson<'a>),
}

impl<'a> Writer<'a> {
    pub(crate) fn new(format: Format, schema: &SchemaRef, to: &'a mut dyn Write) -> Result<Writer<'a>, QueryError> {
        let kind = match format {
            Format::Table => Kind::Table(Table::new(schema, to)),
            Format::Csv => {
                if let Some(field) = schema.fields().iter().find(|f| f.data_type().is_nested()) {
                    let name = field.name();
                    let advice =
                        format!("csv cannot hold the list {name}: select array_to_string({name}, ' ') or use json");
                    return Err(QueryError::Format(advice));
                }
                let mut writer = csv::WriterBuilder::new().with_header(true).build(to);
                // The header stands even if no row follows.
                writer.write(&RecordBatch::new_empty(schema.clone())).map_err(of_arrow)?;
                Kind::Csv(Box::new(writer))
            }
            Format::Json => Kind::Json(WriterBuilder::new().build::<_, LineDelimited>(to)),
            Format::Parquet => {
                let zstd = ZstdLevel::try_new(1).map_err(of_parquet)?;
                let properties = WriterProperties::builder().set_compression(Compression::ZSTD(zstd)).build();
                let writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties));
                Kind::Parquet(Box::new(writer.map_err(of_parquet)?), to)
            }
            Format::GeoJson => Kind::GeoJson(GeoJson::new(schema, to)?),
        };
        Ok(Writer { kind, rows: 0 })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        self.rows += batch.num_rows() as u64;
        match &mut self.kind {
            Kind::Table(table) => table.write(batch),
            Kind::Csv(writer) => writer.write(batch).map_err(of_arrow),
            Kind::Json(writer) => writer.write(batch).map_err(of_arrow),
            Kind::Parquet(writer, to) => {
                writer.write(batch).map_err(of_parquet)?;
                drain(writer, to)
            }
            Kind::GeoJson(writer) => writer.write(batch),
        }
    }

    pub(crate) fn finish(self) -> Result<RowCount, QueryError> {
        let rows = self.rows;
        let mut shown = rows;
        match self.kind {
            Kind::Table(table) => shown = table.finish(rows)?,
            Kind::Csv(writer) => writer.into_inner().flush()?,
            Kind::Json(mut writer) => {
                writer.finish().map_err(of_arrow)?;
                writer.into_inner().flush()?;
            }
            Kind::Parquet(mut writer, to) => {
                writer.finish().map_err(of_parquet)?;
                drain(&mut writer, to)?;
                to.flush()?;
            }
            Kind::GeoJson(writer) => writer.finish()?,
        }
        Ok(RowCount { rows, shown })
    }
}

/// Hands on the bytes of whole row groups.
fn drain(writer: &mut ArrowWriter<Vec<u8>>, to: &mut dyn Write) -> Result<(), QueryError> {
    writer.sync()?;
    to.write_all(&std::mem::take(writer.inner_mut()))?;
    Ok(())
}

/// True for columns whose values read best when their ends are below each other.
pub(crate) fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric()
}

pub(crate) fn of_arrow(error: arrow::error::ArrowError) -> QueryError {
    match error {
        arrow::error::ArrowError::IoError(_, cause) => QueryError::Output(cause),
        other => QueryError::Format(other.to_string()),
    }
}

fn of_parquet(error: parquet::errors::ParquetError) -> QueryError {
    match error {
        parquet::errors::ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(cause) => QueryError::Output(*cause),
            Err(other) => QueryError::Format(other.to_string()),
        },
        other => QueryError::Format(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
    use std::sync::Arc;

    fn batch() -> RecordBatch {
        let columns: [(&str, ArrayRef); 4] = [
            ("vehicle_id", Arc::new(StringArray::from(vec![Some("a\"b"), None]))),
            ("lat", Arc::new(Float64Array::from(vec![Some(37.5), None]))),
            ("lon", Arc::new(Float64Array::from(vec![Some(-122.25), Some(1.0)]))),
            ("n", Arc::new(Int64Array::from(vec![7, 12_345]))),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(n, a)| (n, a, true))).unwrap()
    }

    fn written(format: Format, batches: &[RecordBatch]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(format, &batch().schema(), &mut bytes).unwrap();
        batches.iter().for_each(|b| writer.write(b).unwrap());
        let count = writer.finish().unwrap();
        assert_eq!(count.rows, 2 * batches.len() as u64);
        bytes
    }

    fn check(format: Format, batches: &[RecordBatch], expected: &str) {
        assert_eq!(String::from_utf8(written(format, batches)).unwrap(), expected, "{format:?}");
    }

    #[test]
    fn every_text_format_writes_values_nulls_and_nothing() {
        let one = [batch()];
        check(
            Format::Table,
            &one,
            "vehicle_id   lat      lon      n\n----------  ----  -------  -----\na\"b         37.5  -122.25      7\n                      1.0  12345\n2 rows\n",
        );
        check(Format::Csv, &one, "vehicle_id,lat,lon,n\n\"a\"\"b\",37.5,-122.25,7\n,,1.0,12345\n");
        check(
            Format::Json,
            &one,
            "{\"vehicle_id\":\"a\\\"b\",\"lat\":37.5,\"lon\":-122.25,\"n\":7}\n{\"lon\":1.0,\"n\":12345}\n",
        );
        check(
            Format::GeoJson,
            &one,
            "{\"type\":\"FeatureCollection\",\"features\":[\n\
             {\"type\":\"Feature\",\"geometry\":{\"type\":\"Point\",\"coordinates\":[-122.25,37.5]},\"properties\":{\"vehicle_id\":\"a\\\"b\",\"n\":7}},\n\
             {\"type\":\"Feature\",\"geometry\":null,\"properties\":{\"n\":12345}}\n\
             ]}\n",
        );
        check(Format::Table, &[], "vehicle_id  lat  lon  n\n----------  ---  ---  -\n0 rows\n");
        check(Format::Csv, &[], "vehicle_id,lat,lon,n\n");
        check(Format::Json, &[], "");
        check(Format::GeoJson, &[], "{\"type\":\"FeatureCollection\",\"features\":[\n]}\n");
    }

    #[test]
    fn parquet_reads_back_as_it_was() {
        let bytes = bytes::Bytes::from(written(Format::Parquet, &[batch(), batch()]));
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(bytes, 100).unwrap();
        let rows: usize = reader.map(|b| b.unwrap().num_rows()).sum();
        assert_eq!(rows, 4);
    }

    #[test]
    fn geojson_without_positions_says_what_is_missing() {
        let rows = batch().project(&[0, 1]).unwrap();
        let error = Writer::new(Format::GeoJson, &rows.schema(), &mut Vec::new()).err().unwrap();
        assert_eq!(error.to_string(), "geojson needs the columns lat and lon, and the result has no lon");
    }

    #[test]
    fn unknown_format_lists_those_there_are() {
        let error = "yaml".parse::<Format>().unwrap_err().to_string();
        assert_eq!(error, "unknown format \"yaml\"; there are table, csv, json, parquet, geojson");
    }
}
