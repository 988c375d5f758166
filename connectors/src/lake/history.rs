//! The history on its way into segments: batches are kept as they are until a segment's worth is there, then sorted
//! and put together column by column.

use super::gather::{Column, Pick, ZoneColumn, pick, repeating};
use super::order::Part;
use super::table::SortedColumns;
use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::datatypes::SchemaRef;
use rhumb_engine::frame::FrameBatch;
use std::sync::Arc;

/// Batches of frames, with the shard of each.
#[derive(Default)]
pub struct History {
    batches: Vec<(usize, FrameBatch)>,
    rows: usize,
}

impl History {
    /// Shares the batch's columns, those that the history has.
    pub fn push(&mut self, shard: usize, frames: &FrameBatch) {
        if !frames.is_empty() {
            self.rows += frames.len();
            let mut kept = frames.clone();
            kept.forget_position();
            self.batches.push((shard, kept));
        }
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn parts(&self) -> Vec<Part<'_>> {
        self.batches.iter().map(|(shard, b)| Part { shard: *shard, slots: b.slots(), times: b.times() }).collect()
    }

    /// Forgets the batches.
    pub fn clear(&mut self) {
        self.batches.clear();
        self.rows = 0;
    }

    pub fn columns(&self, schema: &SchemaRef, epoch: i64) -> HistoryColumns<'_> {
        let rows = || self.batches.iter().map(|(_, b)| b.len()).collect();
        let of = |name: &str| match name {
            "vehicle_id" => Source::Vehicle,
            "source" => Source::Origin(OriginColumn::new(&self.batches)),
            "epoch" => Source::Epoch,
            "zone_ids" if self.batches.iter().any(|(_, b)| b.zones.is_some()) => {
                Source::Zones(ZoneColumn::new(self.batches.iter().map(|(_, b)| b.zones.as_ref()).collect(), rows()))
            }
            "zone_ids" => Source::Any(Column::new(field(schema, name), vec![None; self.batches.len()], rows())),
            _ => {
                let parts = self.batches.iter().map(|(_, b)| b.column(name)).collect();
                Source::Any(Column::new(field(schema, name), parts, rows()))
            }
        };
        HistoryColumns { epoch, sources: schema.fields().iter().map(|f| of(f.name())).collect() }
    }
}

fn field(schema: &SchemaRef, name: &str) -> arrow::datatypes::FieldRef {
    Arc::new(schema.field_with_name(name).expect("a column of this schema").clone())
}

enum Source<'a> {
    Vehicle,
    Origin(OriginColumn),
    Epoch,
    Zones(ZoneColumn<'a>),
    Any(Column),
}

/// The columns of all batches, from which rows are picked.
pub struct HistoryColumns<'a> {
    epoch: i64,
    sources: Vec<Source<'a>>,
}

impl SortedColumns for HistoryColumns<'_> {
    fn column(&self, column: usize) -> Option<Pick<'_>> {
        Some(match &self.sources[column] {
            Source::Vehicle => return None,
            Source::Origin(column) => column.picker(),
            Source::Epoch => Box::new(|rows| Arc::new(Int64Array::from_value(self.epoch, rows.len()))),
            Source::Zones(column) => column.picker(),
            Source::Any(column) => column.picker(),
        })
    }

    fn constant(&self, column: usize) -> Option<i64> {
        match &self.sources[column] {
            Source::Epoch => Some(self.epoch),
            Source::Any(column) => column.constant(),
            Source::Vehicle | Source::Origin(_) | Source::Zones(_) => None,
        }
    }
}

/// The source's name, which is the same for all rows of a batch.
struct OriginColumn {
    names: ArrayRef,
    /// By row; empty if there is one name.
    keys: Vec<u32>,
}

impl OriginColumn {
    fn new(batches: &[(usize, FrameBatch)]) -> OriginColumn {
        let mut names: Vec<Arc<str>> = Vec::new();
        let mut key = |name: &Arc<str>| match names.iter().position(|n| n == name) {
            Some(key) => key as u32,
            None => {
                names.push(name.clone());
                names.len() as u32 - 1
            }
        };
        let mut keys: Vec<u32> =
            batches.iter().flat_map(|(_, b)| std::iter::repeat_n(key(&b.origin.source), b.len())).collect();
        if names.len() == 1 {
            keys.clear();
        }
        OriginColumn { names: Arc::new(StringArray::from_iter_values(names)), keys }
    }

    fn picker(&self) -> Pick<'_> {
        Box::new(|rows| {
            let keys = if self.keys.is_empty() { vec![0; rows.len()] } else { pick(&self.keys, rows) };
            repeating(keys, self.names.clone())
        })
    }
}
