//! Pages of one column chunk: compressed, numbered by their places, and described for the page index.
//!
//! Format: <https://parquet.apache.org/docs/file-format/data-pages/>, pages of version 1.

use super::hybrid;
use bytes::Bytes;
use parquet::basic::{BoundaryOrder, Compression, Encoding, PageType};
use parquet::bloom_filter::Sbbf;
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder, PageEncodingStats};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use std::io::Write;

/// A column chunk, to be appended to a row group.
pub struct Chunk {
    pub bytes: Bytes,
    pub close: ColumnCloseResult,
}

/// What a chunk is to be like.
#[derive(Clone)]
pub struct ChunkPlan {
    pub column: ColumnDescPtr,
    pub compression: Compression,
    pub page_rows: usize,
}

/// What the index says of one page.
pub struct PageOf {
    pub rows: usize,
    /// Values and what stands for those that are not there.
    pub entries: usize,
    pub nulls: usize,
    /// Least and greatest value, plain; `None` if there is no value.
    pub bounds: Option<(Vec<u8>, Vec<u8>)>,
}

/// The pages of one chunk, in the making.
pub struct Pages<'a, W: Write + Send> {
    plan: &'a ChunkPlan,
    encoding: Encoding,
    writer: SerializedPageWriter<'a, W>,
    zstd: Option<zstd::bulk::Compressor<'static>>,
    index: ColumnIndexBuilder,
    offsets: OffsetIndexBuilder,
    /// Bytes so far, headers included.
    compressed: i64,
    uncompressed: i64,
    has_dictionary: bool,
    data_offset: Option<i64>,
    data_pages: i32,
    rows: u64,
    entries: i64,
    nulls: u64,
}

impl<'a, W: Write + Send> Pages<'a, W> {
    /// `encoding`: of the values in data pages.
    pub fn new(plan: &'a ChunkPlan, encoding: Encoding, sink: &'a mut TrackedWrite<W>) -> Result<Pages<'a, W>> {
        Ok(Pages {
            plan,
            encoding,
            writer: SerializedPageWriter::new(sink),
            zstd: match plan.compression {
                Compression::ZSTD(level) => Some(zstd::bulk::Compressor::new(level.compression_level())?),
                _ => None,
            },
            index: ColumnIndexBuilder::new(plan.column.physical_type()),
            offsets: OffsetIndexBuilder::new(),
            compressed: 0,
            uncompressed: 0,
            has_dictionary: false,
            data_offset: None,
            data_pages: 0,
            rows: 0,
            entries: 0,
            nulls: 0,
        })
    }

    /// The dictionary, plain. Comes before all data.
    pub fn dictionary(&mut self, plain: Vec<u8>, values: usize) -> Result<()> {
        self.has_dictionary = true;
        let (num_values, encoding, is_sorted) = (values as u32, Encoding::PLAIN, false);
        self.write(plain, |buf| Page::DictionaryPage { buf, num_values, encoding, is_sorted }).map(drop)
    }

    /// A page of levels and values as they are stored.
    pub fn data(&mut self, bytes: Vec<u8>, of: PageOf) -> Result<()> {
        let encoding = self.encoding;
        let (offset, size) = self.write(bytes, |buf| Page::DataPage {
            buf,
            num_values: of.entries as u32,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        })?;
        self.data_offset.get_or_insert(offset);
        self.data_pages += 1;
        self.rows += of.rows as u64;
        self.entries += of.entries as i64;
        self.nulls += of.nulls as u64;
        self.offsets.append_row_count(of.rows as i64);
        self.offsets.append_offset_and_size(offset, size);
        let is_null = of.bounds.is_none();
        let (min, max) = of.bounds.unwrap_or_default();
        self.index.append(is_null, min, max, of.nulls as i64);
        Ok(())
    }

    /// Gives the page's place in the chunk and its size.
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

    /// `bounds` makes the statistics of the whole chunk from its number of nulls; `is_sorted`: neither the least nor
    /// the greatest values of pages ever fall.
    pub fn close(
        mut self,
        bounds: impl FnOnce(Option<u64>) -> Statistics,
        is_sorted: bool,
        bloom_filter: Option<Sbbf>,
    ) -> Result<ColumnCloseResult> {
        if is_sorted {
            self.index.set_boundary_order(BoundaryOrder::ASCENDING);
        }
        let dictionary =
            PageEncodingStats { page_type: PageType::DICTIONARY_PAGE, encoding: Encoding::PLAIN, count: 1 };
        let data =
            PageEncodingStats { page_type: PageType::DATA_PAGE, encoding: self.encoding, count: self.data_pages };
        let (encodings, pages) = match self.has_dictionary {
            true => (vec![Encoding::PLAIN, Encoding::RLE, self.encoding], vec![dictionary, data]),
            false => (vec![Encoding::RLE, self.encoding], vec![data]),
        };
        let metadata = ColumnChunkMetaData::builder(self.plan.column.clone())
            .set_compression(self.plan.compression)
            .set_encodings(encodings)
            .set_page_encoding_stats(pages)
            .set_num_values(self.entries)
            .set_total_compressed_size(self.compressed)
            .set_total_uncompressed_size(self.uncompressed)
            .set_dictionary_page_offset(self.has_dictionary.then_some(0))
            .set_data_page_offset(self.data_offset.unwrap_or_default())
            .set_statistics(bounds(Some(self.nulls)))
            .build()?;
        self.writer.close()?;
        Ok(ColumnCloseResult {
            bytes_written: self.compressed as u64,
            rows_written: self.rows,
            metadata,
            bloom_filter,
            column_index: Some(self.index.build()?),
            offset_index: Some(self.offsets.build()),
        })
    }
}

/// Definition levels of an optional column that has no nulls; nothing for a required one.
pub fn all_present(plan: &ChunkPlan, rows: usize, out: &mut Vec<u8>) {
    if plan.column.max_def_level() > 0 {
        levels(&vec![1; rows], 1, out);
    }
}

/// Levels, their length first.
pub fn levels(numbers: &[u32], max: u32, out: &mut Vec<u8>) {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    hybrid::encode(numbers, hybrid::bits_of(max), out);
    let len = (out.len() - at - 4) as u32;
    out[at..at + 4].copy_from_slice(&len.to_le_bytes());
}
