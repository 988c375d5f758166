//! Windows that are not keyed by vehicle, in a shard: each batch is summed up by window and key, and sent to the merger.
//! The shard itself keeps no window.

use super::WindowPlan;
use super::inputs::Inputs;
use super::key::{Key, RowKeys};
use super::rows::RowPlan;
use rhumb_engine::effects::{Effects, Partial};
use rhumb_engine::frame::FrameBatch;
use rhumb_engine::operator::{Operator, ShardContext};
use rhumb_engine::state::{StateError, StateReader, StateWriter};
use rhumb_engine::vehicle::Vehicles;
use std::sync::Arc;

/// What a batch adds to windows, in columns. A window and key may have several rows: all of them count.
#[derive(Debug, Default)]
pub struct Deltas {
    pub shard: usize,
    /// The shard numbers its keys from 0 again: the numbers that it gave before are void.
    pub anew: bool,
    /// Keys that the shard has not named yet: their numbers go on from those before.
    pub new_keys: Vec<Key>,
    pub starts: Vec<i64>,
    /// Numbers of keys, of the shard's own count.
    pub keys: Vec<u32>,
    /// Of all rows, one after the other.
    pub words: Vec<u64>,
}

/// The delta that a key was added to last.
#[derive(Debug, Clone, Copy, Default)]
struct Recent {
    start: i64,
    row: u32,
    /// In which batch; 0 is none.
    batch: u32,
}

/// The machine of one shard.
pub struct InDeltas {
    name: Arc<str>,
    too_late: String,
    shard: usize,
    plan: Arc<RowPlan>,
    vehicles: Arc<Vehicles>,
    inputs: Inputs,
    keys: RowKeys,
    /// Keys that the merger has been told.
    keys_told: usize,
    /// The merger has not been told yet that keys have new numbers.
    anew: bool,
    /// By key.
    recent: Vec<Recent>,
    batch: u32,
    /// Keys of the batch at hand; their memory is used again.
    offsets: Vec<u32>,
    numbers: Vec<u32>,
}

impl InDeltas {
    pub fn new(of: &WindowPlan, context: &ShardContext) -> InDeltas {
        InDeltas {
            name: of.name.clone(),
            too_late: of.too_late(),
            shard: context.shard,
            plan: of.rows.clone(),
            vehicles: context.vehicles.clone(),
            inputs: Inputs::new(of.rows.layouts.inputs.clone(), context.vehicles.clone()),
            keys: RowKeys::new(of.config.key.clone()),
            keys_told: 0,
            anew: false,
            recent: Vec::new(),
            batch: 0,
            offsets: Vec::new(),
            numbers: Vec::new(),
        }
    }

    /// Forgets all keys: nothing that is kept knows their numbers.
    fn start_anew(&mut self) {
        self.keys.keys.clear();
        self.keys.forget();
        self.recent.clear();
        (self.keys_told, self.anew) = (0, true);
    }

    fn next_batch(&mut self) {
        self.recent.resize(self.keys.keys.len().max(self.recent.len()), Recent::default());
        self.batch = self.batch.wrapping_add(1);
        if self.batch == 0 {
            self.recent.fill(Recent::default());
            self.batch = 1;
        }
    }

    fn tell(&mut self, mut deltas: Deltas, effects: &mut Effects) {
        if deltas.starts.is_empty() {
            return;
        }
        deltas.shard = self.shard;
        deltas.anew = std::mem::take(&mut self.anew);
        deltas.new_keys = self.keys.keys.since(self.keys_told).to_vec();
        self.keys_told += deltas.new_keys.len();
        effects.partials.push(Partial { operator: self.name.clone(), part: Box::new(deltas) });
    }
}

impl Operator for InDeltas {
    fn process(&mut self, frames: FrameBatch, effects: &mut Effects) -> FrameBatch {
        if self.keys.keys.is_full() && !self.keys.are_zones() {
            self.start_anew();
        }
        let plan = self.plan.clone();
        let (layouts, widths) = (&plan.layouts, &plan.widths);
        self.inputs.gather(&frames);
        self.keys.of_batch(&frames, &self.vehicles, &mut self.offsets, &mut self.numbers);
        self.next_batch();
        let mut deltas = Deltas::default();
        let mut too_late = 0;
        // Of the row before: most rows are in the same window.
        let (mut start, mut end) = (0, i64::MIN);
        for (row, time) in frames.times().iter().enumerate() {
            if !(start <= *time && *time < end) {
                start = widths.start_of(*time);
                end = widths.end_of(start);
            }
            let keys = &self.numbers[self.offsets[row] as usize..self.offsets[row + 1] as usize];
            if widths.gone_at(start) <= widths.watermark(frames.lane_clock[row]) {
                too_late += keys.len() as u64;
                continue;
            }
            for key in keys {
                let recent = &mut self.recent[*key as usize];
                if recent.batch != self.batch || recent.start != start {
                    *recent = Recent { start, row: deltas.starts.len() as u32, batch: self.batch };
                    deltas.starts.push(start);
                    deltas.keys.push(*key);
                    deltas.words.extend_from_slice(&layouts.empty);
                }
                let at = recent.row as usize * layouts.width();
                let words = &mut deltas.words[at..at + layouts.width()];
                layouts.add(words, *time, |input| self.inputs.value(input, row));
            }
        }
        effects.count(&self.too_late, too_late);
        self.tell(deltas, effects);
        frames
    }

    fn snapshot(&self, state: &mut StateWriter) {
        self.inputs.snapshot(state);
    }

    fn restore(&mut self, state: &StateReader) -> Result<(), StateError> {
        self.inputs.restore(state)
    }
}
