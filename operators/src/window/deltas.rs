//! Windows that are not keyed by vehicle, in a shard: each batch is summed up by window and key, and sent to the merger.
//! The shard itself keeps no window.

use super::WindowPlan;
use super::config::Shape;
use super::inputs::Inputs;
use super::key::{Key, RowKeys};
use super::open::Span;
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
    /// Where the frames lie.
    pub spans: Vec<Span>,
    /// Numbers of keys, of the shard's own count.
    pub keys: Vec<u32>,
    /// Of all rows, one after the other.
    pub words: Vec<u64>,
    /// What sketches are to take.
    pub items: Vec<Item>,
}

/// Something for a sketch.
#[derive(Debug, Clone, Copy)]
pub struct Item {
    pub row: u32,
    pub sketch: u32,
    pub item: u64,
}

/// The delta that a key was added to last.
#[derive(Debug, Clone, Copy, Default)]
struct Recent {
    start: i64,
    /// Of the last frame of a session.
    last: i64,
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
            inputs: Inputs::new(&of.rows.layouts, context.vehicles.clone()),
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
        if deltas.spans.is_empty() {
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
        let gap_us = match widths.shape {
            Shape::Session { gap_us } => Some(gap_us),
            Shape::Fixed { .. } => None,
        };
        let sketched = !layouts.sketches.is_empty();
        self.inputs.gather(&frames);
        self.keys.of_batch(&frames, &self.vehicles, &mut self.offsets, &mut self.numbers);
        self.next_batch();
        let mut deltas = Deltas::default();
        let mut too_late = 0;
        // Of the row before: most rows are in the same window.
        let mut span = Span { start: 0, last: 0, end: i64::MIN };
        for (row, time) in frames.times().iter().enumerate() {
            if gap_us.is_some() || !(span.start <= *time && *time < span.end) {
                span = widths.span(*time);
            }
            let keys = &self.numbers[self.offsets[row] as usize..self.offsets[row + 1] as usize];
            if widths.refused_at(span) <= widths.watermark(frames.lane_clock[row]) {
                too_late += keys.len() as u64;
                continue;
            }
            for key in keys {
                let recent = &mut self.recent[*key as usize];
                let fits = match gap_us {
                    None => recent.start == span.start,
                    Some(gap_us) => recent.start - gap_us <= *time && *time <= recent.last + gap_us,
                };
                if recent.batch != self.batch || !fits {
                    let row = deltas.spans.len() as u32;
                    *recent = Recent { start: span.start, last: span.last, row, batch: self.batch };
                    deltas.spans.push(span);
                    deltas.keys.push(*key);
                    deltas.words.extend_from_slice(&layouts.empty);
                } else if gap_us.is_some() {
                    (recent.start, recent.last) = (recent.start.min(*time), recent.last.max(*time));
                    deltas.spans[recent.row as usize] = widths.span_of(recent.start, recent.last);
                }
                let at = recent.row as usize * layouts.width();
                let words = &mut deltas.words[at..at + layouts.width()];
                layouts.add(words, *time, |input| self.inputs.value(input, row));
                if sketched {
                    let item = |(sketch, item)| Item { row: recent.row, sketch: sketch as u32, item };
                    deltas.items.extend(self.inputs.items(row).map(item));
                }
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
