//! Results as text or files, written as they come.

use crate::error::QueryError;
use crate::geojson::GeoJson;
use crate::text::Table;
use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow::csv;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::json::writer::{LineDelimited, WriterBuilder};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use std::io::{self, Write};
use std::str::FromStr;
use std::sync::Arc;

/// How a result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people: aligned columns, the first rows of a long result.
    Table,
    /// The same where a line should not be too long: long values are cut, and how many is said.
    Screen,
    /// With a header; times as RFC 3339, null as nothing, lists as JSON.
    Csv,
    /// One object a line (NDJSON); null as an absent field.
    Json,
    /// One file, zstd.
    Parquet,
    /// A FeatureCollection of points from the columns `lat` and `lon`; the other columns are properties.
    GeoJson,
}

impl Format {
    /// Those that have a name of their own.
    pub const ALL: &[Format] = &[Format::Table, Format::Csv, Format::Json, Format::Parquet, Format::GeoJson];

    /// What suits a person at a terminal.
    pub fn on_a_terminal(self) -> Format {
        if self == Format::Table { Format::Screen } else { self }
    }

    pub fn name(self) -> &'static str {
        match self {
            Format::Table | Format::Screen => "table",
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
            Format::Table => Kind::Table(Table::new(schema, usize::MAX, to)),
            Format::Screen => Kind::Table(Table::new(schema, SCREEN_CHARS_MAX, to)),
            Format::Csv => {
                let mut writer = csv::WriterBuilder::new().with_header(true).build(to);
                // The header stands even if no row follows.
                writer.write(&flat(&RecordBatch::new_empty(schema.clone()))?).map_err(of_arrow)?;
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
            Kind::Csv(writer) => writer.write(&flat(batch)?).map_err(of_arrow),
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

/// Longer values are cut on a screen: one of them must not push all others out of sight.
const SCREEN_CHARS_MAX: usize = 60;

/// The batch with JSON texts in the place of lists and the like, which a cell of CSV cannot hold otherwise.
fn flat(batch: &RecordBatch) -> Result<RecordBatch, QueryError> {
    let schema = batch.schema();
    if !schema.fields().iter().any(|field| field.data_type().is_nested()) {
        return Ok(batch.clone());
    }
    let mut columns: Vec<(&String, ArrayRef, bool)> = Vec::with_capacity(batch.num_columns());
    for (field, array) in schema.fields().iter().zip(batch.columns()) {
        columns.push(match field.data_type().is_nested() {
            true => (field.name(), Arc::new(json_texts(array)?), true),
            false => (field.name(), array.clone(), field.is_nullable()),
        });
    }
    RecordBatch::try_from_iter_with_nullable(columns).map_err(of_arrow)
}

/// Each value as JSON; null stays null.
fn json_texts(array: &ArrayRef) -> Result<StringArray, QueryError> {
    const BEFORE: &str = "{\"v\":";
    let one = RecordBatch::try_from_iter([("v", array.clone())]).map_err(of_arrow)?;
    let mut lines = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(Vec::new());
    lines.write(&one).and_then(|()| lines.finish()).map_err(of_arrow)?;
    let lines = String::from_utf8_lossy(&lines.into_inner()).into_owned();
    let value = |line: &str| line.strip_prefix(BEFORE).and_then(|rest| rest.strip_suffix('}')).map(str::to_owned);
    let texts = lines.lines().enumerate().map(|(row, line)| value(line).filter(|_| array.is_valid(row)));
    Ok(texts.collect())
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
    use arrow::array::{Float64Array, Int64Array, ListBuilder, StringBuilder};

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
    fn lists_stand_in_csv_as_json() {
        let mut lists = ListBuilder::new(StringBuilder::new());
        lists.append_value([Some("a"), Some("b \"c\", d"), None]);
        lists.append_value([None::<&str>; 0]);
        lists.append_null();
        let lists: ArrayRef = Arc::new(lists.finish());
        let rows = RecordBatch::try_from_iter([("zones", lists)]).unwrap();
        let mut bytes = Vec::new();
        let mut writer = Writer::new(Format::Csv, &rows.schema(), &mut bytes).unwrap();
        writer.write(&rows).unwrap();
        writer.finish().unwrap();
        let expected = "zones\n\"[\"\"a\"\",\"\"b \\\"\"c\\\"\", d\"\",null]\"\n[]\n\"\"\n";
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }

    #[test]
    fn long_values_are_cut_on_a_screen_alone_and_that_is_said() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(60), "y".repeat(61), "z".repeat(70)]));
        let rows = RecordBatch::try_from_iter([("text", texts)]).unwrap();
        let shown = |format: Format| {
            let mut bytes = Vec::new();
            let mut writer = Writer::new(format, &rows.schema(), &mut bytes).unwrap();
            writer.write(&rows).unwrap();
            writer.finish().unwrap();
            String::from_utf8(bytes).unwrap()
        };
        let whole = shown(Format::Table);
        assert!(whole.contains(&"z".repeat(70)) && whole.ends_with("3 rows\n"), "{whole}");
        let cut = shown(Format::Table.on_a_terminal());
        assert!(cut.contains(&"x".repeat(60)) && cut.contains(&format!("{}…", "z".repeat(59))), "{cut}");
        assert!(
            cut.ends_with("3 rows; 2 values cut to 60 characters, which csv, json and a pipe have whole\n"),
            "{cut}"
        );
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
