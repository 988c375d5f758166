//! Segments: Parquet files, written under a name that no reader looks at, and durable before anyone hears of them. They
//! grow by row groups, so that memory does not grow with the epoch.

use super::deltas;
use super::durable::failed;
use super::growing::{Growing, Writing};
use super::keys::{self, KeyRows, Lists, Values};
use super::pages::{Chunk, ChunkPlan};
use super::schema::{HASHES, SCHEMA_VERSION, SCHEMA_VERSION_KEY};
use super::stats;
use arrow::array::{Array, ArrayRef, AsArray, NullBufferBuilder, RecordBatch, StringArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{
    DataType, Field, Float32Type, Float64Type, Int64Type, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType,
    UInt32Type,
};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, ArrowWriterOptions, compute_leaves};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{BloomFilterPosition, EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{ColumnDescPtr, ColumnPath};
use rhumb_engine::sink::SinkError;
use std::collections::HashSet;
use std::hash::Hash;
use std::io::Write;
use std::ops::Range;
#[cfg(test)]
use std::path::Path;
use std::path::PathBuf;

/// Rows that say how the columns of a segment are best encoded.
pub const SAMPLE_ROWS: usize = 8192;
/// A column with a smaller share of distinct values in the sample has about as few in a whole segment as fit into a
/// dictionary page: 131,072 evenly spread values of a million rows give 0.97.
const DISTINCT_MAX: f64 = 0.97;
/// Holds 131,072 coordinates. A dictionary that grows beyond it is given up in the middle of the column.
const DICTIONARY_BYTES: usize = 1 << 20;
/// Rows of a page: small enough that the page index finds one vehicle without reading many others.
const PAGE_ROWS: usize = 20_000;
/// Rows of a column that are put together and encoded at a time: they stay in the processor's cache.
const CHUNK_ROWS: usize = 16_384;
/// Values that the encoders take at a time.
const WRITE_BATCH: usize = 4096;
/// Share of absent vehicles that the bloom filter does not recognise.
const BLOOM_FALSE_POSITIVES: f64 = 0.01;
/// Longer strings are cut in statistics.
const STATISTICS_BYTES: usize = 64;
/// Rows a value of a dictionary from which the dictionary pays for itself, however its values are used.
const ROWS_PER_VALUE: usize = 4;

/// What is known of a segment before it is written.
pub struct Shape<'a> {
    pub schema: SchemaRef,
    /// Rows are in order of these columns.
    pub sorted_by: &'a [&'a str],
    /// There is a column `vehicle_id` that people look vehicles up by.
    pub has_bloom: bool,
}

/// Gives some rows of a column.
pub type Read<'a> = Box<dyn Fn(Range<usize>) -> ArrayRef + 'a>;

/// Rows whose columns are made as they are wanted.
pub trait Rows {
    fn len(&self) -> usize;

    fn column(&self, column: usize) -> Read<'_>;

    /// The number or time that all rows of a column have, if that is known without looking at each.
    fn constant(&self, column: usize) -> Option<i64>;

    /// Up to `SAMPLE_ROWS` rows of a column, spread evenly.
    fn sample(&self, column: usize) -> ArrayRef;
}

impl Rows for RecordBatch {
    fn len(&self) -> usize {
        self.num_rows()
    }

    fn column(&self, column: usize) -> Read<'_> {
        let column = RecordBatch::column(self, column);
        Box::new(|rows| column.slice(rows.start, rows.len()))
    }

    fn constant(&self, column: usize) -> Option<i64> {
        constant(RecordBatch::column(self, column))
    }

    fn sample(&self, column: usize) -> ArrayRef {
        let every = self.num_rows().div_ceil(SAMPLE_ROWS).max(1);
        let rows = UInt32Array::from_iter_values((0..self.num_rows() as u32).step_by(every));
        take(RecordBatch::column(self, column), &rows, None).expect("rows that there are")
    }
}

/// A segment as written.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    pub rows: u64,
    pub bytes: u64,
    pub checksum: String,
    /// As a Delta log has them.
    pub statistics: String,
}

/// A segment while it grows, a row group at a time. What is left of one that was not finished is no segment.
pub struct SegmentWriter {
    path: PathBuf,
    schema: SchemaRef,
    has_bloom: bool,
    writer: SerializedFileWriter<Growing>,
    encoders: ArrowRowGroupWriterFactory,
    descriptions: Vec<ColumnDescPtr>,
    not_numbers: stats::NotNumbers,
    rows: u64,
}

impl SegmentWriter {
    /// Creates the file. How columns are encoded is chosen by the first rows, of which there is at least one.
    pub fn create(
        path: PathBuf,
        shape: &Shape,
        first: &impl Rows,
        writing: &Writing,
    ) -> Result<SegmentWriter, SinkError> {
        let file = Growing::create(&path, writing)?;
        let options = ArrowWriterOptions::new()
            .with_properties(properties(shape, first))
            // Readers see plain strings, not the dictionaries that columns came with.
            .with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(file, shape.schema.clone(), options);
        let (writer, encoders) =
            writer.and_then(ArrowWriter::into_serialized_writer).map_err(failed("write", &path))?;
        Ok(SegmentWriter {
            path,
            schema: shape.schema.clone(),
            has_bloom: shape.has_bloom,
            descriptions: writer.schema_descr().columns().to_vec(),
            writer,
            encoders,
            not_numbers: stats::NotNumbers::new(&shape.schema),
            rows: 0,
        })
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Writes rows as a row group.
    pub fn append(&mut self, rows: &impl Rows) -> Result<(), SinkError> {
        self.rows += rows.len() as u64;
        self.write_columns(rows).map_err(failed("write", &self.path))
    }

    /// Column after column: what an encoder remembers of a column stays in the processor's cache.
    fn write_columns(&mut self, rows: &impl Rows) -> ParquetResult<()> {
        let encoders = self.encoders.create_column_writers(self.writer.flushed_row_groups().len())?;
        let mut group = self.writer.next_row_group()?;
        for (c, encoder) in encoders.into_iter().enumerate() {
            let (field, column) = (self.schema.field(c), self.descriptions[c].clone());
            let bloom = (self.has_bloom && field.name() == "vehicle_id").then_some(BLOOM_FALSE_POSITIVES);
            if let Some(chunk) = chunk(field, column, bloom, rows, c)? {
                group.append_column(&chunk.bytes, chunk.close)?;
            } else {
                write_values(&mut group, encoder, field, rows, c, |values| self.not_numbers.look(c, values))?;
            }
        }
        group.close().map(drop)
    }

    /// Makes the segment durable; its name is durable once the caller has synced the folder.
    pub fn finish(mut self) -> Result<Written, SinkError> {
        let metadata = self.writer.finish().map_err(failed("write", &self.path))?;
        let file = self.writer.inner_mut();
        file.settle()?;
        let (bytes, checksum) = (file.bytes(), file.checksum());
        Ok(Written { rows: self.rows, bytes, checksum, statistics: stats::of(&metadata, &self.not_numbers) })
    }
}

/// A segment of one row group.
#[cfg(test)]
pub fn write(path: &Path, shape: &Shape, rows: &impl Rows) -> Result<Written, SinkError> {
    let writing =
        Writing { retry: std::sync::Arc::new(rhumb_engine::retry::Retry::off()), sync: std::fs::File::sync_all };
    let mut writer = SegmentWriter::create(path.to_owned(), shape, rows, &writing)?;
    writer.append(rows)?;
    writer.finish()
}

/// The number or time that all rows have, none of which is null.
pub fn constant(column: &ArrayRef) -> Option<i64> {
    let numbers = numbers(column)?;
    let first = *numbers.first()?;
    numbers.iter().all(|n| *n == first).then_some(first)
}

/// A column of 64-bit numbers or times without nulls.
fn numbers(column: &ArrayRef) -> Option<&[i64]> {
    if column.null_count() > 0 {
        return None;
    }
    match column.data_type() {
        DataType::Int64 => column.as_primitive_opt::<Int64Type>().map(|a| &a.values()[..]),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            column.as_primitive_opt::<TimestampMicrosecondType>().map(|a| &a.values()[..])
        }
        _ => None,
    }
}

fn chunks(rows: usize) -> impl Iterator<Item = Range<usize>> {
    (0..rows).step_by(CHUNK_ROWS).map(move |from| from..rows.min(from + CHUNK_ROWS))
}

/// The column in an encoding of our own, if there is one that is better than `ArrowWriter`'s.
fn chunk(
    field: &Field,
    column: ColumnDescPtr,
    bloom: Option<f64>,
    rows: &impl Rows,
    c: usize,
) -> ParquetResult<Option<Chunk>> {
    let plan = |compression| ChunkPlan { column: column.clone(), compression, page_rows: PAGE_ROWS };
    if let Some(value) = rows.constant(c) {
        let keys = vec![0; rows.len()];
        let rows = KeyRows { keys: &keys, lists: None };
        return keys::encode(&plan(Compression::UNCOMPRESSED), &Values::Numbers(vec![value]), &rows, None).map(Some);
    }
    match field.data_type() {
        DataType::Int64 | DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let (mut values, read) = (Vec::with_capacity(rows.len()), rows.column(c));
            for chunk in chunks(rows.len()) {
                let column = read(chunk);
                let Some(numbers) = numbers(&column) else { return Ok(None) };
                values.extend_from_slice(numbers);
            }
            deltas::encode(&plan(Compression::UNCOMPRESSED), &values).map(Some)
        }
        DataType::Dictionary(..) => {
            let (mut keys, read) = (Vec::with_capacity(rows.len()), rows.column(c));
            let Some(values) = dictionary(&read(0..1), rows.len()) else { return Ok(None) };
            for chunk in chunks(rows.len()) {
                let column = read(chunk);
                let Some(of) = keys_of(&column) else { return Ok(None) };
                keys.extend_from_slice(of);
            }
            let rows = KeyRows { keys: &keys, lists: None };
            keys::encode(&plan(zstd()), &Values::Text(values), &rows, bloom).map(Some)
        }
        DataType::List(_) => lists(&plan(zstd()), rows, c),
        _ => Ok(None),
    }
}

fn lists(plan: &ChunkPlan, rows: &impl Rows, c: usize) -> ParquetResult<Option<Chunk>> {
    let (mut keys, mut offsets) = (Vec::new(), Vec::with_capacity(rows.len() + 1));
    let mut valid = NullBufferBuilder::new(rows.len());
    offsets.push(0);
    let (mut values, read) = (None, rows.column(c));
    for chunk in chunks(rows.len()) {
        let column = read(chunk);
        let list = column.as_list::<i32>();
        if values.is_none() {
            values = dictionary(list.values(), rows.len());
        }
        let (Some(_), Some(of)) = (&values, keys_of(list.values())) else { return Ok(None) };
        let (from, start) = (keys.len() as i32, list.offsets()[0]);
        offsets.extend(list.offsets()[1..].iter().map(|end| from + end - start));
        keys.extend_from_slice(&of[start as usize..*list.offsets().last().unwrap_or(&start) as usize]);
        match list.nulls() {
            Some(nulls) => valid.append_buffer(nulls),
            None => valid.append_n_non_nulls(list.len()),
        }
    }
    let (Some(values), valid) = (values, valid.finish()) else { return Ok(None) };
    let lists = Lists { offsets: &offsets, valid: valid.as_ref() };
    keys::encode(plan, &Values::Text(values), &KeyRows { keys: &keys, lists: Some(lists) }, None).map(Some)
}

/// The strings of a column that is best made from its keys: many rows for each string.
fn dictionary(column: &ArrayRef, rows: usize) -> Option<StringArray> {
    let values = column.as_dictionary_opt::<UInt32Type>()?.values().as_string_opt::<i32>()?;
    let is_small = values.len().saturating_mul(ROWS_PER_VALUE) <= rows + PAGE_ROWS;
    (is_small && values.null_count() == 0).then(|| values.clone())
}

/// The keys of a column of strings that has no nulls.
fn keys_of(column: &ArrayRef) -> Option<&[u32]> {
    let dictionary = column.as_dictionary_opt::<UInt32Type>()?;
    (dictionary.null_count() == 0).then(|| &dictionary.keys().values()[..])
}

fn write_values<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<W>,
    mut encoder: ArrowColumnWriter,
    field: &Field,
    rows: &impl Rows,
    column: usize,
    mut look: impl FnMut(&ArrayRef),
) -> ParquetResult<()> {
    let read = rows.column(column);
    for chunk in chunks(rows.len()) {
        let values = read(chunk);
        look(&values);
        for leaf in compute_leaves(field, &values)? {
            encoder.write(&leaf)?;
        }
    }
    encoder.close()?.append_to_row_group(group)
}

/// How the columns of a segment are stored.
fn properties(shape: &Shape, rows: &impl Rows) -> WriterProperties {
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
    if shape.has_bloom {
        let column = ColumnPath::from("vehicle_id");
        properties = properties
            .set_column_bloom_filter_fpp(column.clone(), BLOOM_FALSE_POSITIVES)
            .set_column_bloom_filter_max_ndv(column, rows.len() as u64);
    }
    for (c, field) in shape.schema.fields().iter().enumerate() {
        properties = encode_column(properties, field, || rows.sample(c));
    }
    properties.build()
}

fn zstd() -> Compression {
    Compression::ZSTD(ZstdLevel::try_new(1).expect("zstd has a level 1"))
}

fn encode_column(
    properties: WriterPropertiesBuilder,
    field: &Field,
    sample: impl Fn() -> ArrayRef,
) -> WriterPropertiesBuilder {
    let column = ColumnPath::from(field.name().as_str());
    let plain = |p: WriterPropertiesBuilder, c: ColumnPath, encoding| {
        p.set_column_dictionary_enabled(c.clone(), false).set_column_encoding(c, encoding)
    };
    match field.data_type() {
        // What is packed into bits compresses by a few percent, for half of the time that compression takes.
        DataType::Timestamp(..) | DataType::Int64 | DataType::Int32 | DataType::Date32 => {
            plain(properties, column.clone(), Encoding::DELTA_BINARY_PACKED)
                .set_column_compression(column, Compression::UNCOMPRESSED)
        }
        DataType::Float32 | DataType::Float64 if distinct_ratio(&sample()) > DISTINCT_MAX => {
            plain(properties, column, Encoding::BYTE_STREAM_SPLIT)
        }
        // Hashes neither compress nor tell files apart by their least and greatest.
        DataType::Utf8 if HASHES.contains(&field.name().as_str()) => {
            plain(properties, column.clone(), Encoding::DELTA_LENGTH_BYTE_ARRAY)
                .set_column_compression(column.clone(), Compression::UNCOMPRESSED)
                .set_column_statistics_enabled(column, EnabledStatistics::None)
        }
        DataType::Utf8 if distinct_ratio(&sample()) > DISTINCT_MAX => plain(properties, column, Encoding::PLAIN),
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
