//! A column of strings that repeat, as a Parquet column chunk made straight from its keys. `ArrowWriter` looks every row's
//! string up again; here a vehicle's whole run costs as much as one row.
//!
//! Formats: <https://parquet.apache.org/docs/file-format/data-pages/encodings/>, `RLE_DICTIONARY`.

use arrow::array::{Array, StringArray};
use bytes::Bytes;
use parquet::basic::{BoundaryOrder, Compression, Encoding, PageType, Type};
use parquet::bloom_filter::Sbbf;
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder, PageEncodingStats};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use std::ops::RangeInclusive;

/// Equal keys in a row from which they are written as a run.
const RUN_MIN: usize = 8;

/// What the chunk is to be like.
pub struct KeyColumn<'a> {
    pub column: ColumnDescPtr,
    pub values: &'a StringArray,
    pub compression: Compression,
    pub page_rows: usize,
    /// False positives of the bloom filter; `None` for none.
    pub bloom: Option<f64>,
}

/// A column chunk, to be appended to a row group.
pub struct KeyChunk {
    pub bytes: Bytes,
    pub close: ColumnCloseResult,
}

impl KeyColumn<'_> {
    /// Encodes rows that have no nulls, given as keys into the values.
    ///
    /// # Panics
    /// If a key has no value.
    pub fn encode(&self, keys: &[u32]) -> Result<KeyChunk> {
        let mut out = Vec::new();
        let mut sink = TrackedWrite::new(&mut out);
        let mut pages = Pages {
            writer: SerializedPageWriter::new(&mut sink),
            zstd: match self.compression {
                Compression::ZSTD(level) => Some(zstd::bulk::Compressor::new(level.compression_level())?),
                _ => None,
            },
            compressed: 0,
            uncompressed: 0,
        };
        pages.dictionary(self.values)?;
        let data_offset = pages.compressed;
        let bits = (u32::BITS - (self.values.len().max(2) as u32 - 1).leading_zeros()) as u8;
        let ranks = Ranks::new(self.values);
        let (mut index, mut offsets) = (ColumnIndexBuilder::new(Type::BYTE_ARRAY), OffsetIndexBuilder::new());
        let mut bounds: Vec<RangeInclusive<u32>> = Vec::new();
        for page in keys.chunks(self.page_rows) {
            let mut bytes = Vec::with_capacity(page.len() * usize::from(bits) / 8 + 64);
            bytes.push(bits);
            encode_keys(page, bits, &mut bytes);
            let (offset, size) = pages.data(bytes, page.len())?;
            offsets.append_row_count(page.len() as i64);
            offsets.append_offset_and_size(offset, size);
            let of_page = ranks.bounds(page);
            let text = |rank: u32| self.values.value(ranks.key(rank) as usize).as_bytes().to_vec();
            index.append(false, text(*of_page.start()), text(*of_page.end()), 0);
            bounds.push(of_page);
        }
        if bounds.is_sorted_by(|a, b| a.start() <= b.start() && a.end() <= b.end()) {
            index.set_boundary_order(BoundaryOrder::ASCENDING);
        }
        let (compressed, uncompressed) = (pages.compressed, pages.uncompressed);
        pages.writer.close()?;
        drop(pages);
        drop(sink);
        let encodings = [
            (PageType::DICTIONARY_PAGE, Encoding::PLAIN, 1),
            (PageType::DATA_PAGE, Encoding::RLE_DICTIONARY, bounds.len()),
        ];
        let encodings =
            encodings.map(|(page_type, encoding, n)| PageEncodingStats { page_type, encoding, count: n as i32 });
        let bound = |rank: Option<&u32>| {
            rank.map(|rank| ByteArray::from(self.values.value(ranks.key(*rank) as usize).as_bytes().to_vec()))
        };
        let (min, max) = (bounds.iter().map(|b| b.start()).min(), bounds.iter().map(|b| b.end()).max());
        let metadata = ColumnChunkMetaData::builder(self.column.clone())
            .set_compression(self.compression)
            .set_encodings(vec![Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY])
            .set_page_encoding_stats(encodings.to_vec())
            .set_num_values(keys.len() as i64)
            .set_total_compressed_size(compressed)
            .set_total_uncompressed_size(uncompressed)
            .set_dictionary_page_offset(Some(0))
            .set_data_page_offset(data_offset)
            .set_statistics(Statistics::new(bound(min), bound(max), None, Some(0), false))
            .build()?;
        let close = ColumnCloseResult {
            bytes_written: compressed as u64,
            rows_written: keys.len() as u64,
            metadata,
            bloom_filter: self.bloom.map(|fpp| self.bloom_filter(keys, fpp)).transpose()?,
            column_index: Some(index.build()?),
            offset_index: Some(offsets.build()),
        };
        Ok(KeyChunk { bytes: out.into(), close })
    }

    fn bloom_filter(&self, keys: &[u32], fpp: f64) -> Result<Sbbf> {
        let mut is_there = vec![false; self.values.len()];
        keys.iter().for_each(|k| is_there[*k as usize] = true);
        let distinct = is_there.iter().filter(|there| **there).count();
        let mut bloom = Sbbf::new_with_ndv_fpp(distinct.max(1) as u64, fpp)?;
        for (key, _) in is_there.iter().enumerate().filter(|(_, there)| **there) {
            bloom.insert(self.values.value(key));
        }
        Ok(bloom)
    }
}

/// Pages of one chunk.
struct Pages<'a, W: std::io::Write + Send> {
    writer: SerializedPageWriter<'a, W>,
    zstd: Option<zstd::bulk::Compressor<'static>>,
    /// Bytes so far, headers included.
    compressed: i64,
    uncompressed: i64,
}

impl<W: std::io::Write + Send> Pages<'_, W> {
    fn dictionary(&mut self, values: &StringArray) -> Result<()> {
        let mut plain = Vec::with_capacity(values.value_data().len() + 4 * values.len());
        for value in values.iter().flatten() {
            plain.extend_from_slice(&(value.len() as u32).to_le_bytes());
            plain.extend_from_slice(value.as_bytes());
        }
        let (num_values, encoding, is_sorted) = (values.len() as u32, Encoding::PLAIN, false);
        self.write(plain, |buf| Page::DictionaryPage { buf, num_values, encoding, is_sorted }).map(drop)
    }

    /// Gives the page's place in the chunk and its size.
    fn data(&mut self, keys: Vec<u8>, rows: usize) -> Result<(i64, i32)> {
        self.write(keys, |buf| Page::DataPage {
            buf,
            num_values: rows as u32,
            encoding: Encoding::RLE_DICTIONARY,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        })
    }

    fn write(&mut self, plain: Vec<u8>, page: impl FnOnce(Bytes) -> Page) -> Result<(i64, i32)> {
        let plain_len = plain.len();
        let bytes = match &mut self.zstd {
            Some(zstd) => zstd.compress(&plain)?,
            None => plain,
        };
        let len = bytes.len();
        let written = self.writer.write_page(CompressedPage::new(page(bytes.into()), plain_len))?;
        self.compressed += written.bytes_written as i64;
        self.uncompressed += written.bytes_written as i64 + plain_len as i64 - len as i64;
        let size = i32::try_from(written.bytes_written).map_err(|e| ParquetError::General(e.to_string()))?;
        Ok((written.offset as i64, size))
    }
}

/// The order of the values.
struct Ranks {
    /// Empty if keys are in order of their values.
    rank_of: Vec<u32>,
    key_of: Vec<u32>,
}

impl Ranks {
    fn new(values: &StringArray) -> Ranks {
        if values.iter().is_sorted() {
            return Ranks { rank_of: Vec::new(), key_of: Vec::new() };
        }
        let mut key_of: Vec<u32> = (0..values.len() as u32).collect();
        key_of.sort_by_key(|key| values.value(*key as usize));
        let mut rank_of = vec![0; values.len()];
        key_of.iter().enumerate().for_each(|(rank, key)| rank_of[*key as usize] = rank as u32);
        Ranks { rank_of, key_of }
    }

    fn key(&self, rank: u32) -> u32 {
        self.key_of.get(rank as usize).copied().unwrap_or(rank)
    }

    /// Least and greatest rank of a page, which has rows.
    fn bounds(&self, keys: &[u32]) -> RangeInclusive<u32> {
        let widen = |(min, max): (u32, u32), rank: u32| (min.min(rank), max.max(rank));
        let none = (u32::MAX, 0);
        let (min, max) = match self.rank_of.is_empty() {
            true => keys.iter().fold(none, |b, key| widen(b, *key)),
            false => keys.iter().fold(none, |b, key| widen(b, self.rank_of[*key as usize])),
        };
        min..=max
    }
}

/// Parquet's hybrid of runs and packed bits: runs where keys repeat, groups of eight packed keys between them.
fn encode_keys(keys: &[u32], bits: u8, out: &mut Vec<u8>) {
    let mut packed_from = 0;
    let mut at = 0;
    while at < keys.len() {
        let key = keys[at];
        let run = keys[at..].iter().take_while(|k| **k == key).count();
        // Packed keys come in eights, so the last group takes from the run what it lacks.
        let lacks = (at - packed_from).next_multiple_of(8) - (at - packed_from);
        if run >= RUN_MIN + lacks {
            pack(&keys[packed_from..at + lacks], bits, out);
            varint(((run - lacks) as u64) << 1, out);
            out.extend_from_slice(&key.to_le_bytes()[..usize::from(bits.div_ceil(8))]);
            packed_from = at + run;
        }
        at += run;
    }
    pack(&keys[packed_from..], bits, out);
}

/// Keys of `bits` each, the first in the lowest bits; filled up with zeros to a multiple of eight.
fn pack(keys: &[u32], bits: u8, out: &mut Vec<u8>) {
    if keys.is_empty() {
        return;
    }
    varint(((keys.len().div_ceil(8) as u64) << 1) | 1, out);
    for group in keys.chunks(8) {
        let (mut buffer, mut filled) = (0_u64, 0);
        for n in 0..8 {
            buffer |= u64::from(group.get(n).copied().unwrap_or_default()) << filled;
            filled += u32::from(bits);
            while filled >= 8 {
                out.push(buffer as u8);
                buffer >>= 8;
                filled -= 8;
            }
        }
    }
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use crate::lake::segment::{Shape, write};
    use arrow::array::{ArrayRef, AsArray, DictionaryArray, RecordBatch, StringArray, UInt32Array};
    use arrow::datatypes::{Field, Schema};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use proptest::prelude::*;
    use std::fs::File;
    use std::sync::Arc;

    /// Reads back what was written, with Parquet's own reader.
    fn check(values: &[String], keys: Vec<u32>) {
        let expected: Vec<&str> = keys.iter().map(|k| values[*k as usize].as_str()).collect();
        let values = Arc::new(StringArray::from_iter_values(values));
        let column: ArrayRef = Arc::new(DictionaryArray::new(UInt32Array::from(keys.clone()), values));
        let schema = Arc::new(Schema::new(vec![Field::new("vehicle_id", column.data_type().clone(), false)]));
        let rows = RecordBatch::try_new(schema.clone(), vec![column]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let written = write(&path, &Shape { schema, sorted_by: &[], has_bloom: true }, &rows).unwrap();
        let statistics: serde_json::Value = serde_json::from_str(&written.statistics).unwrap();
        assert_eq!(statistics["minValues"]["vehicle_id"].as_str(), expected.iter().min().copied());
        assert_eq!(statistics["maxValues"]["vehicle_id"].as_str(), expected.iter().max().copied());

        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap();
        let bloom = reader.get_row_group_column_bloom_filter(0, 0).unwrap().unwrap();
        assert!(expected.iter().all(|value| bloom.check(*value)));
        let found: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
        let found: Vec<&str> = found.iter().flat_map(|b| b.column(0).as_string::<i32>().iter().flatten()).collect();
        assert_eq!(found, expected);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_mixture_of_runs_reads_back(
            values in 1..600_u32,
            runs in prop::collection::vec((0..600_u32, 1..40_usize, any::<bool>()), 1..60),
        ) {
            let names: Vec<String> = (0..values).map(|v| format!("{}", (v * 7919) % 1000)).collect();
            let keys = runs.iter().flat_map(|(key, n, same)| {
                (0..*n as u32).map(move |i| if *same { key % values } else { (key + i) % values })
            });
            check(&names, keys.collect());
        }
    }

    #[test]
    fn long_columns_have_many_pages() {
        let names: Vec<String> = (0..300).map(|v| format!("v{v:05}")).collect();
        check(&names, (0..90_000).map(|row| row / 301).collect());
        check(&names[..1], vec![0; 50_000]);
    }
}
