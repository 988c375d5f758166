//! Putting together what the lanes found. Results are the fold of the lanes' parts in order of lane, so that neither
//! the number of shards nor the order in which parts came shows, not even in the last bit of a sum.

use super::key::{Key, RowKeys};
use super::open::Group;
use super::rows::{RowPlan, Rows};
use super::state::{self, Stored};
use arrow::array::RecordBatch;
use rhumb_engine::operator::Merger;
use rhumb_engine::state::{StateError, StateReader, StateWriter};
use rhumb_engine::time::EventTime;
use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What one lane has in one window for one key, so far: it replaces what the lane said before.
#[derive(Debug, Clone)]
pub struct Part {
    pub start: i64,
    pub key: Key,
    pub cells: Vec<f64>,
}

/// The parts that one fire of a lane gave.
#[derive(Debug)]
pub struct Parts {
    pub lane: u16,
    pub parts: Vec<Part>,
}

/// One key of one window.
#[derive(Debug, Default)]
struct Merged {
    /// Ascending by lane.
    parts: Vec<(u16, Vec<f64>)>,
    revision: u32,
    dirty: bool,
}

pub struct WindowMerger {
    plan: Arc<RowPlan>,
    keys: RowKeys,
    /// By start, then key.
    windows: BTreeMap<i64, BTreeMap<u32, Merged>>,
    /// Windows that were let go are before this.
    gone_before: i64,
}

impl WindowMerger {
    pub fn new(plan: Arc<RowPlan>) -> WindowMerger {
        WindowMerger { plan, keys: RowKeys::default(), windows: BTreeMap::new(), gone_before: i64::MIN }
    }

    fn take(&mut self, lane: u16, part: Part) {
        let number = self.keys.number(&part.key);
        let merged = self.windows.entry(part.start).or_default().entry(number).or_default();
        merged.dirty = true;
        match merged.parts.binary_search_by_key(&lane, |(lane, _)| *lane) {
            Ok(at) => merged.parts[at].1 = part.cells,
            Err(at) => merged.parts.insert(at, (lane, part.cells)),
        }
    }
}

impl Merger for WindowMerger {
    fn accept(&mut self, parts: Box<dyn Any + Send>) {
        let Parts { lane, parts } = *parts.downcast::<Parts>().expect("parts come from this window's shards");
        let (late, in_time): (Vec<Part>, Vec<Part>) = parts.into_iter().partition(|part| part.start < self.gone_before);
        in_time.into_iter().for_each(|part| self.take(lane, part));
        if let Some(part) = late.first() {
            tracing::warn!(
                lane,
                window_start = part.start,
                parts = late.len(),
                "a lane that was idle is too late for its windows"
            );
        }
    }

    fn fire(&mut self, clock: EventTime) -> Vec<RecordBatch> {
        let widths = self.plan.widths;
        let watermark = widths.watermark(clock.0);
        let mut rows = Rows::new(self.plan.clone());
        for (start, groups) in self.windows.iter_mut().take_while(|(start, _)| widths.end_of(**start) <= watermark) {
            for (number, merged) in groups.iter_mut().filter(|(_, merged)| merged.dirty) {
                let mut cells = self.plan.layouts.empty();
                merged.parts.iter().for_each(|(_, part)| self.plan.layouts.merge(&mut cells, part));
                rows.push(*start, self.keys.values(*number), &Group { cells, revision: merged.revision, dirty: false });
                merged.revision += 1;
                merged.dirty = false;
            }
        }
        if clock != EventTime::MAX {
            while let Some(first) = self.windows.first_entry().filter(|w| widths.gone_at(*w.key()) <= watermark) {
                self.gone_before = widths.end_of(*first.key());
                first.remove();
            }
        }
        if rows.is_empty() { Vec::new() } else { vec![rows.finish()] }
    }

    fn snapshot(&self, state: &mut StateWriter) {
        let mut groups = Vec::new();
        for (start, window) in &self.windows {
            for (number, merged) in window {
                for (lane, cells) in &merged.parts {
                    let group = Group { cells: cells.clone(), revision: merged.revision, dirty: merged.dirty };
                    groups.push((*lane, *start, self.keys.values(*number), group));
                }
            }
        }
        let stored = groups.iter().map(|(lane, start, key, group)| Stored {
            lane: *lane,
            start: *start,
            closed: false,
            key,
            group,
        });
        state::put(state, stored);
    }

    fn restore(&mut self, state: &StateReader) -> Result<(), StateError> {
        for rows in state.rows(state::TABLE, state::VERSION)? {
            state::read(&rows, |lane, start, _, key, group| {
                self.take(lane, Part { start, key: key.clone(), cells: group.cells });
                let number = self.keys.number(&key);
                if let Some(merged) = self.windows.get_mut(&start).and_then(|window| window.get_mut(&number)) {
                    merged.revision = group.revision;
                    merged.dirty = group.dirty;
                }
            })?;
        }
        Ok(())
    }
}
