//! A column whose values are few, as a Parquet column chunk made straight from its keys. `ArrowWriter` looks every row's
//! value up again; here a vehicle's whole run costs as much as one row.

use super::hybrid;
use super::pages::{Chunk, ChunkPlan, PageOf, Pages, all_present, levels};
use arrow::array::{Array, StringArray};
use arrow::buffer::NullBuffer;
use parquet::basic::Encoding;
use parquet::bloom_filter::Sbbf;
use parquet::data_type::ByteArray;
use parquet::errors::Result;
use parquet::file::statistics::Statistics;
use parquet::file::writer::TrackedWrite;
use std::cmp::Ordering;
use std::ops::{Range, RangeInclusive};

/// The values that keys stand for.
#[derive(Debug, Clone)]
pub enum Values {
    Text(StringArray),
    Numbers(Vec<i64>),
}

impl Values {
    pub fn len(&self) -> usize {
        match self {
            Values::Text(values) => values.len(),
            Values::Numbers(values) => values.len(),
        }
    }

    fn bytes(&self, key: u32) -> Vec<u8> {
        match self {
            Values::Text(values) => values.value(key as usize).as_bytes().to_vec(),
            Values::Numbers(values) => values[key as usize].to_le_bytes().to_vec(),
        }
    }

    fn compare(&self, a: u32, b: u32) -> Ordering {
        match self {
            Values::Text(values) => values.value(a as usize).cmp(values.value(b as usize)),
            Values::Numbers(values) => values[a as usize].cmp(&values[b as usize]),
        }
    }

    fn plain(&self) -> Vec<u8> {
        match self {
            Values::Numbers(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Values::Text(values) => {
                let mut plain = Vec::with_capacity(values.value_data().len() + 4 * values.len());
                for value in values.iter().map(Option::unwrap_or_default) {
                    plain.extend_from_slice(&(value.len() as u32).to_le_bytes());
                    plain.extend_from_slice(value.as_bytes());
                }
                plain
            }
        }
    }

    fn statistics(&self, bounds: Option<(u32, u32)>, nulls: Option<u64>) -> Statistics {
        let (min, max) = bounds.unzip();
        match self {
            Values::Text(_) => {
                let text = |key: Option<u32>| key.map(|key| ByteArray::from(self.bytes(key)));
                Statistics::byte_array(text(min), text(max), None, nulls, false)
            }
            Values::Numbers(values) => {
                let number = |key: Option<u32>| key.map(|key| values[key as usize]);
                Statistics::int64(number(min), number(max), None, nulls, false)
            }
        }
    }

    fn bloom_filter(&self, keys: &[u32], fpp: f64) -> Result<Sbbf> {
        let mut is_there = vec![false; self.len()];
        keys.iter().for_each(|k| is_there[*k as usize] = true);
        let distinct = is_there.iter().filter(|there| **there).count();
        let mut bloom = Sbbf::new_with_ndv_fpp(distinct.max(1) as u64, fpp)?;
        for (key, _) in (0..).zip(&is_there).filter(|(_, there)| **there) {
            bloom.insert(&self.bytes(key)[..]);
        }
        Ok(bloom)
    }
}

/// Rows as keys into the values.
pub struct KeyRows<'a> {
    pub keys: &'a [u32],
    /// The keys of each row, if rows are lists; otherwise there is one key a row.
    pub lists: Option<Lists<'a>>,
}

/// Lists whose elements are never null.
#[derive(Clone, Copy)]
pub struct Lists<'a> {
    /// One more than there are rows.
    pub offsets: &'a [i32],
    /// Which lists there are at all; `None`: all.
    pub valid: Option<&'a NullBuffer>,
}

/// Encodes rows, which have no nulls but lists that are not there. `bloom`: share of false positives of a bloom filter.
///
/// # Panics
/// If a key has no value.
pub fn encode(plan: &ChunkPlan, values: &Values, rows: &KeyRows, bloom: Option<f64>) -> Result<Chunk> {
    let mut out = Vec::new();
    let mut sink = TrackedWrite::new(&mut out);
    let mut pages = Pages::new(plan, Encoding::RLE_DICTIONARY, &mut sink)?;
    pages.dictionary(values.plain(), values.len())?;
    let bits = hybrid::bits_of(values.len().max(2) as u32 - 1);
    let ranks = Ranks::new(values);
    let mut bounds: Vec<RangeInclusive<u32>> = Vec::new();
    let count = rows.lists.map_or(rows.keys.len(), |lists| lists.offsets.len() - 1);
    for from in (0..count).step_by(plan.page_rows) {
        let page = from..count.min(from + plan.page_rows);
        let mut bytes = Vec::new();
        let (keys, nulls) = match rows.lists {
            None => {
                all_present(plan, page.len(), &mut bytes);
                (&rows.keys[page.clone()], 0)
            }
            Some(lists) => (&rows.keys[elements(lists, &page)], list_levels(plan, lists, &page, &mut bytes)),
        };
        bytes.push(bits);
        hybrid::encode(keys, bits, &mut bytes);
        let of_page = (!keys.is_empty()).then(|| ranks.bounds(keys));
        let plain = of_page.as_ref().map(|b| (values.bytes(ranks.key(*b.start())), values.bytes(ranks.key(*b.end()))));
        pages.data(bytes, PageOf { rows: page.len(), entries: keys.len() + nulls, nulls, bounds: plain })?;
        bounds.extend(of_page);
    }
    let is_sorted = rows.lists.is_none() && bounds.is_sorted_by(|a, b| a.start() <= b.start() && a.end() <= b.end());
    let least = bounds.iter().map(|b| *b.start()).min();
    let greatest = bounds.iter().map(|b| *b.end()).max();
    let all = least.zip(greatest).map(|(min, max)| (ranks.key(min), ranks.key(max)));
    let bloom = bloom.map(|fpp| values.bloom_filter(rows.keys, fpp)).transpose()?;
    let close = pages.close(|nulls| values.statistics(all, nulls), is_sorted, bloom)?;
    drop(sink);
    Ok(Chunk { bytes: out.into(), close })
}

fn elements(lists: Lists, rows: &Range<usize>) -> Range<usize> {
    lists.offsets[rows.start] as usize..lists.offsets[rows.end] as usize
}

/// Repetition and definition levels of lists; gives the number of lists that are empty or not there.
fn list_levels(plan: &ChunkPlan, lists: Lists, rows: &Range<usize>, out: &mut Vec<u8>) -> usize {
    let present = plan.column.max_def_level() as u32;
    let entries = elements(lists, rows).len() + rows.len();
    let (mut repeated, mut defined) = (Vec::with_capacity(entries), Vec::with_capacity(entries));
    let mut nulls = 0;
    for row in rows.clone() {
        let len = (lists.offsets[row + 1] - lists.offsets[row]) as usize;
        if len == 0 {
            nulls += 1;
            let is_there = lists.valid.is_none_or(|valid| valid.is_valid(row));
            repeated.push(0);
            // Of an optional list of required elements: 0 no list, 1 an empty one, 2 an element.
            defined.push(if is_there { present - 1 } else { 0 });
            continue;
        }
        repeated.push(0);
        repeated.resize(repeated.len() + len - 1, 1);
        defined.resize(defined.len() + len, present);
    }
    levels(&repeated, 1, out);
    levels(&defined, present, out);
    nulls
}

/// The order of the values.
struct Ranks {
    /// Empty if keys are in order of their values.
    rank_of: Vec<u32>,
    key_of: Vec<u32>,
}

impl Ranks {
    fn new(values: &Values) -> Ranks {
        let all = 0..values.len() as u32;
        if all.clone().is_sorted_by(|a, b| values.compare(*a, *b).is_le()) {
            return Ranks { rank_of: Vec::new(), key_of: Vec::new() };
        }
        let mut key_of: Vec<u32> = all.collect();
        key_of.sort_by(|a, b| values.compare(*a, *b));
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
