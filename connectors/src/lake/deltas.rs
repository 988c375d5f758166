//! A column of whole numbers or times, as a Parquet column chunk of packed differences.
//!
//! Format: <https://parquet.apache.org/docs/file-format/data-pages/encodings/>, `DELTA_BINARY_PACKED`. The encoder of
//! the `parquet` crate takes four times as long for the same bytes.

use super::hybrid::{pack, varint, zigzag};
use super::pages::{Chunk, ChunkPlan, PageOf, Pages, all_present};
use parquet::basic::Encoding;
use parquet::errors::Result;
use parquet::file::statistics::Statistics;
use parquet::file::writer::TrackedWrite;
use std::ops::RangeInclusive;

/// Differences that share their least one.
const BLOCK: usize = 128;
/// Differences that share a width.
const MINIBLOCK: usize = 32;
const MINIBLOCKS: usize = BLOCK / MINIBLOCK;

/// Encodes rows that have no nulls.
pub fn encode(plan: &ChunkPlan, values: &[i64]) -> Result<Chunk> {
    let mut out = Vec::new();
    let mut sink = TrackedWrite::new(&mut out);
    let mut pages = Pages::new(plan, Encoding::DELTA_BINARY_PACKED, &mut sink)?;
    let mut bounds: Vec<RangeInclusive<i64>> = Vec::new();
    for page in values.chunks(plan.page_rows) {
        let mut bytes = Vec::with_capacity(page.len() * 2);
        all_present(plan, page.len(), &mut bytes);
        encode_page(page, &mut bytes);
        let (min, max) = page.iter().fold((i64::MAX, i64::MIN), |(min, max), v| (min.min(*v), max.max(*v)));
        bounds.push(min..=max);
        let (rows, plain) = (page.len(), (min.to_le_bytes().to_vec(), max.to_le_bytes().to_vec()));
        pages.data(bytes, PageOf { rows, entries: rows, nulls: 0, bounds: Some(plain) })?;
    }
    let is_sorted = bounds.is_sorted_by(|a, b| a.start() <= b.start() && a.end() <= b.end());
    let (min, max) = (bounds.iter().map(|b| *b.start()).min(), bounds.iter().map(|b| *b.end()).max());
    let close = pages.close(|nulls| Statistics::int64(min, max, None, nulls, false), is_sorted, None)?;
    drop(sink);
    Ok(Chunk { bytes: out.into(), close })
}

fn encode_page(values: &[i64], out: &mut Vec<u8>) {
    varint(BLOCK as u64, out);
    varint(MINIBLOCKS as u64, out);
    varint(values.len() as u64, out);
    varint(zigzag(values.first().copied().unwrap_or_default()), out);
    let mut deltas = [0_i64; BLOCK];
    for block in (1..values.len()).step_by(BLOCK) {
        let n = BLOCK.min(values.len() - block);
        for (delta, pair) in deltas[..n].iter_mut().zip(values[block - 1..block + n].windows(2)) {
            // Differences wrap, and readers add them wrapping.
            *delta = pair[1].wrapping_sub(pair[0]);
        }
        encode_block(&mut deltas, n, out);
    }
}

/// The first `n` differences.
fn encode_block(deltas: &mut [i64; BLOCK], n: usize, out: &mut Vec<u8>) {
    let least = deltas[..n].iter().copied().min().unwrap_or_default();
    // What fills up the last miniblock is as small as can be.
    deltas[n..].fill(least);
    varint(zigzag(least), out);
    let above = deltas.map(|delta| delta.wrapping_sub(least) as u64);
    let mut widths = [0_u8; MINIBLOCKS];
    for (width, miniblock) in widths.iter_mut().zip(above[..n.next_multiple_of(MINIBLOCK)].chunks(MINIBLOCK)) {
        let all = miniblock.iter().fold(0, |all, delta| all | delta);
        *width = (u64::BITS - all.leading_zeros()) as u8;
    }
    out.extend_from_slice(&widths);
    for (width, miniblock) in widths.into_iter().zip(above[..n.next_multiple_of(MINIBLOCK)].chunks(MINIBLOCK)) {
        pack(miniblock.iter().copied(), width, out);
    }
}

#[cfg(test)]
mod tests {
    use crate::lake::segment::{Shape, write};
    use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use proptest::prelude::*;
    use std::fs::File;
    use std::sync::Arc;

    /// Reads back what was written, with Parquet's own reader.
    fn check(values: Vec<i64>, nullable: bool) {
        let column: ArrayRef = Arc::new(Int64Array::from(values.clone()));
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, nullable)]));
        let rows = RecordBatch::try_new(schema.clone(), vec![column]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let written = write(&path, &Shape { schema, sorted_by: &[], has_bloom: false }, &rows).unwrap();
        let statistics: serde_json::Value = serde_json::from_str(&written.statistics).unwrap();
        assert_eq!(statistics["minValues"]["n"].as_i64(), values.iter().min().copied());
        assert_eq!(statistics["maxValues"]["n"].as_i64(), values.iter().max().copied());
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap().build().unwrap();
        let found: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
        let found: Vec<i64> =
            found.iter().flat_map(|b| b.column(0).as_primitive::<Int64Type>().values().to_vec()).collect();
        assert_eq!(found, values);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn numbers_of_every_width_read_back(
            widths in prop::collection::vec((0..64_u32, any::<i64>()), 1..700),
            nullable in any::<bool>(),
        ) {
            check(widths.into_iter().map(|(shift, n)| n >> shift).collect(), nullable);
        }
    }

    #[test]
    fn numbers_that_rise_equal_numbers_and_extremes_read_back() {
        check((0..50_000).map(|n| 1_700_000_000_000_000 + n * 1_000_003).collect(), false);
        check(vec![7; 50_000], true);
        check(vec![i64::MIN, i64::MAX, 0, i64::MIN, i64::MIN, i64::MAX], false);
    }
}
