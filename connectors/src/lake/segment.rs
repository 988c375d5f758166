//! Segments: Parquet files, written under a name that no reader looks at, and durable before anyone hears of them.

use super::durable::failed;
use super::schema::{SCHEMA_VERSION, SCHEMA_VERSION_KEY};
use super::stats;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{BloomFilterPosition, EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;
use rhumb_engine::sink::SinkError;
use std::collections::HashSet;
use std::fs::File;
use std::hash::Hash;
use std::path::Path;

/// Rows that say how the columns of a segment are best encoded.
pub const SAMPLE_ROWS: usize = 8192;
/// A column with a smaller share of distinct values in the sample has about as few in a whole segment as fit into a
/// dictionary page: 131,072 evenly spread values of a million rows give 0.97.
const DISTINCT_MAX: f64 = 0.97;
/// Holds 131,072 coordinates. A dictionary that grows beyond it is given up in the middle of the column.
const DICTIONARY_BYTES: usize = 1 << 20;
/// Rows of a page: small enough that the page index finds one vehicle without reading many others.
const PAGE_ROWS: usize = 20_000;
/// Values that the encoders take at a time.
const WRITE_BATCH: usize = 4096;
/// Share of absent vehicles that the bloom filter does not recognise.
const BLOOM_FALSE_POSITIVES: f64 = 0.01;
/// Longer strings are cut in statistics.
const STATISTICS_BYTES: usize = 64;

/// What is known of a segment before it is written.
pub struct Shape<'a> {
    pub schema: SchemaRef,
    /// Up to `SAMPLE_ROWS` rows, spread evenly.
    pub sample: &'a RecordBatch,
    /// Rows are in order of these columns.
    pub sorted_by: &'a [&'a str],
    /// Number of vehicles, for the bloom filter; `None` if there is no column `vehicle_id`.
    pub vehicles: Option<u64>,
}

/// A segment as written.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    pub rows: u64,
    pub bytes: u64,
    /// As a Delta log has them.
    pub statistics: String,
}

/// Writes a segment and makes it durable; the name is durable once the caller has synced the folder. What is left
/// after an error is no segment.
pub fn write(path: &Path, shape: &Shape, batches: impl Iterator<Item = RecordBatch>) -> Result<Written, SinkError> {
    let file = File::create(path).map_err(failed("create", path))?;
    let options = ArrowWriterOptions::new()
        .with_properties(properties(shape))
        // Readers see plain strings, not the dictionaries that columns came with.
        .with_skip_arrow_metadata(true);
    let mut writer =
        ArrowWriter::try_new_with_options(&file, shape.schema.clone(), options).map_err(failed("start", path))?;
    let mut not_numbers = stats::NotNumbers::new(&shape.schema);
    for batch in batches {
        not_numbers.look(&batch);
        writer.write(&batch).map_err(failed("write", path))?;
    }
    let metadata = writer.close().map_err(failed("write", path))?;
    file.sync_all().map_err(failed("make durable", path))?;
    let bytes = file.metadata().map_err(failed("look at", path))?.len();
    let rows = u64::try_from(metadata.file_metadata().num_rows()).expect("rows are counted from 0");
    Ok(Written { rows, bytes, statistics: stats::of(&metadata, &not_numbers) })
}

/// How the columns of a segment are stored.
pub fn properties(shape: &Shape) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_created_by(format!("rhumb version {}", env!("CARGO_PKG_VERSION")))
        .set_key_value_metadata(Some(vec![KeyValue::new(SCHEMA_VERSION_KEY.to_owned(), SCHEMA_VERSION.to_string())]))
        .set_compression(zstd())
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_statistics_truncate_length(Some(STATISTICS_BYTES))
        .set_column_index_truncate_length(Some(STATISTICS_BYTES))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(WRITE_BATCH)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_bloom_filter_position(BloomFilterPosition::End)
        .set_sorting_columns(sorting_columns(&shape.schema, shape.sorted_by));
    if let Some(vehicles) = shape.vehicles {
        let column = ColumnPath::from("vehicle_id");
        properties = properties
            .set_column_bloom_filter_fpp(column.clone(), BLOOM_FALSE_POSITIVES)
            .set_column_bloom_filter_max_ndv(column, vehicles.max(1));
    }
    for (field, sample) in shape.schema.fields().iter().zip(shape.sample.columns()) {
        properties = encode_column(properties, field.name(), sample);
    }
    properties.build()
}

fn zstd() -> Compression {
    Compression::ZSTD(ZstdLevel::try_new(1).expect("zstd has a level 1"))
}

fn encode_column(properties: WriterPropertiesBuilder, name: &str, sample: &ArrayRef) -> WriterPropertiesBuilder {
    let column = ColumnPath::from(name);
    let plain = |p: WriterPropertiesBuilder, c: ColumnPath, encoding| {
        p.set_column_dictionary_enabled(c.clone(), false).set_column_encoding(c, encoding)
    };
    match sample.data_type() {
        // What is packed into bits compresses by a few percent, for half of the time that compression takes.
        DataType::Timestamp(..) | DataType::Int64 | DataType::Int32 | DataType::Date32 => {
            plain(properties, column.clone(), Encoding::DELTA_BINARY_PACKED)
                .set_column_compression(column, Compression::UNCOMPRESSED)
        }
        DataType::Float32 | DataType::Float64 if distinct_ratio(sample) > DISTINCT_MAX => {
            plain(properties, column, Encoding::BYTE_STREAM_SPLIT)
        }
        DataType::Float32 | DataType::Float64 => properties,
        DataType::Utf8 if distinct_ratio(sample) > DISTINCT_MAX => plain(properties, column, Encoding::PLAIN),
        DataType::Binary => plain(properties, column, Encoding::PLAIN),
        _ => properties,
    }
}

/// Distinct values for each value of the sample; 0 where it has none.
fn distinct_ratio(sample: &ArrayRef) -> f64 {
    fn ratio<T: Hash + Eq>(values: impl Iterator<Item = T>) -> f64 {
        let (mut seen, mut all) = (HashSet::new(), 0_u32);
        for value in values {
            all += 1;
            seen.insert(value);
        }
        seen.len() as f64 / f64::from(all.max(1))
    }
    match sample.data_type() {
        DataType::Float32 => ratio(sample.as_primitive::<Float32Type>().iter().flatten().map(f32::to_bits)),
        DataType::Float64 => ratio(sample.as_primitive::<Float64Type>().iter().flatten().map(f64::to_bits)),
        DataType::Utf8 => ratio(sample.as_string::<i32>().iter().flatten()),
        _ => 0.0,
    }
}

/// Every column of the lake has one leaf, lists of strings too, so a column's place is its leaf's.
fn sorting_columns(schema: &Schema, sorted_by: &[&str]) -> Option<Vec<SortingColumn>> {
    let of = |name: &&str| {
        let column_idx = i32::try_from(schema.index_of(name).ok()?).ok()?;
        Some(SortingColumn { column_idx, descending: false, nulls_first: true })
    };
    sorted_by.iter().map(of).collect::<Option<Vec<_>>>().filter(|s| !s.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Float64Array;
    use std::sync::Arc;

    #[test]
    fn coordinates_that_repeat_are_told_from_those_that_do_not() {
        let ratio = |values: Vec<f64>| distinct_ratio(&(Arc::new(Float64Array::from(values)) as ArrayRef));
        assert!(ratio((0..8192).map(f64::from).collect()) > DISTINCT_MAX);
        assert!(ratio((0..8192).map(|i| f64::from(i % 5000)).collect()) < DISTINCT_MAX);
        assert_eq!(ratio(vec![]), 0.0);
    }
}
