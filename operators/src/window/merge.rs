//! Putting together what the lanes found. Results are the fold of the lanes' parts in order of lane, so that neither
//! the number of shards nor the order in which parts came shows, not even in the last bit of a sum.

use super::key::{Key, RowKeys};
use super::rows::{RowPlan, Rows};
use super::state::{self, Stored};
use arrow::array::RecordBatch;
use hashbrown::HashMap;
use rhumb_engine::operator::Merger;
use rhumb_engine::state::{StateError, StateReader, StateWriter};
use rhumb_engine::time::EventTime;
use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a batch closed, in columns: each row is what one lane has in one window for one key so far, and replaces what
/// the lane said of it before.
#[derive(Debug, Default)]
pub struct Parts {
    pub shard: usize,
    /// Keys that the shard had not named before: their numbers go on from those before.
    pub new_keys: Vec<Key>,
    pub lanes: Vec<u16>,
    pub starts: Vec<i64>,
    /// Numbers of keys, of the shard's own count.
    pub keys: Vec<u32>,
    /// Cells of all rows, one after the other.
    pub cells: Vec<f64>,
}

/// One window.
#[derive(Debug, Default)]
struct Merged {
    by_key_and_lane: HashMap<(u32, u16), u32, foldhash::fast::RandomState>,
    parts: Vec<(u32, u16)>,
    /// Cells of all parts, one after the other.
    cells: Vec<f64>,
    /// Keys that changed since the last result, some more than once.
    dirty: Vec<u32>,
    /// Of the next result; 0 where there is none.
    revisions: HashMap<u32, u32, foldhash::fast::RandomState>,
}

impl Merged {
    fn take(&mut self, key: u32, lane: u16, cells: &[f64]) {
        self.dirty.push(key);
        match self.by_key_and_lane.entry((key, lane)) {
            hashbrown::hash_map::Entry::Occupied(part) => {
                let at = *part.get() as usize * cells.len();
                self.cells[at..at + cells.len()].copy_from_slice(cells);
            }
            hashbrown::hash_map::Entry::Vacant(place) => {
                place.insert(self.parts.len() as u32);
                self.parts.push((key, lane));
                self.cells.extend_from_slice(cells);
            }
        }
    }

    /// Tells the result of every dirty key, with its revision.
    fn fire(&mut self, plan: &RowPlan, mut tell: impl FnMut(u32, &[f64], u32)) {
        self.dirty.sort_unstable();
        self.dirty.dedup();
        let mut of_dirty: Vec<u32> = (0..self.parts.len() as u32)
            .filter(|part| self.dirty.binary_search(&self.parts[*part as usize].0).is_ok())
            .collect();
        of_dirty.sort_unstable_by_key(|part| self.parts[*part as usize]);
        let width = plan.layouts.cells;
        for of_key in of_dirty.chunk_by(|a, b| self.parts[*a as usize].0 == self.parts[*b as usize].0) {
            let mut cells = plan.layouts.empty.clone();
            for part in of_key {
                let at = *part as usize * width;
                plan.layouts.merge(&mut cells, &self.cells[at..at + width]);
            }
            let key = self.parts[of_key[0] as usize].0;
            let revision = self.revisions.entry(key).or_default();
            tell(key, &cells, *revision);
            *revision += 1;
        }
        self.dirty.clear();
    }
}

pub struct WindowMerger {
    plan: Arc<RowPlan>,
    keys: RowKeys,
    /// By shard, then by the shard's number of a key: our number.
    numbers: Vec<Vec<u32>>,
    /// By start.
    windows: BTreeMap<i64, Merged>,
}

impl WindowMerger {
    pub fn new(plan: Arc<RowPlan>) -> WindowMerger {
        WindowMerger { plan, keys: RowKeys::default(), numbers: Vec::new(), windows: BTreeMap::new() }
    }
}

impl Merger for WindowMerger {
    fn accept(&mut self, parts: Box<dyn Any + Send>) {
        let parts = *parts.downcast::<Parts>().expect("parts come from this window's shards");
        if self.numbers.len() <= parts.shard {
            self.numbers.resize_with(parts.shard + 1, Vec::new);
        }
        let numbers = &mut self.numbers[parts.shard];
        numbers.extend(parts.new_keys.iter().map(|key| self.keys.number(key)));
        let width = self.plan.layouts.cells;
        for (row, lane) in parts.lanes.iter().enumerate() {
            let window = self.windows.entry(parts.starts[row]).or_default();
            window.take(numbers[parts.keys[row] as usize], *lane, &parts.cells[row * width..(row + 1) * width]);
        }
    }

    fn fire(&mut self, clock: EventTime) -> Vec<RecordBatch> {
        let widths = self.plan.widths;
        let watermark = widths.watermark(clock.0);
        let mut rows = Rows::new(self.plan.clone());
        for (start, window) in self.windows.iter_mut().take_while(|(start, _)| widths.end_of(**start) <= watermark) {
            window.fire(&self.plan, |key, cells, revision| rows.push(*start, self.keys.values(key), cells, revision));
        }
        // No lane is behind `clock`, so none will ever speak of these again.
        while clock != EventTime::MAX
            && let Some(first) = self.windows.first_entry().filter(|w| widths.gone_at(*w.key()) <= watermark)
        {
            first.remove();
        }
        if rows.is_empty() { Vec::new() } else { vec![rows.finish()] }
    }

    fn snapshot(&self, state: &mut StateWriter) {
        let width = self.plan.layouts.cells;
        let stored = self.windows.iter().flat_map(|(start, window)| {
            window.parts.iter().enumerate().map(move |(part, (key, lane))| Stored {
                lane: *lane,
                start: *start,
                closed: false,
                key: self.keys.values(*key),
                revision: window.revisions.get(key).copied().unwrap_or_default(),
                dirty: window.dirty.contains(key),
                cells: &window.cells[part * width..(part + 1) * width],
            })
        });
        state::put(state, stored);
    }

    fn restore(&mut self, state: &StateReader) -> Result<(), StateError> {
        for rows in state.rows(state::TABLE, state::VERSION)? {
            state::read(&rows, |stored| {
                let key = self.keys.number(stored.key);
                let window = self.windows.entry(stored.start).or_default();
                window.take(key, stored.lane, stored.cells);
                if !stored.dirty {
                    window.dirty.pop();
                }
                if stored.revision > 0 {
                    window.revisions.insert(key, stored.revision);
                }
            })?;
        }
        Ok(())
    }
}
