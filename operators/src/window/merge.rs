//! Putting together what the shards found. Adding is commutative to the last bit, so that neither the number of shards
//! nor the order in which their deltas came shows.

use super::deltas::Deltas;
use super::key::Keys;
use super::panes::Panes;
use super::rows::{RowPlan, Rows};
use super::state::{self, Stored};
use arrow::array::RecordBatch;
use rhumb_engine::operator::Merger;
use rhumb_engine::state::{StateError, StateReader, StateWriter};
use rhumb_engine::time::EventTime;
use std::any::Any;
use std::sync::Arc;

/// The lane that a merger's state belongs to: the lowest of its engine. Whoever takes that lane over adopts what is
/// open, as the part that it was.
const HOME_LANE: u16 = 0;

/// Parts of one engine differ by multiples of this: its own, then those for windows that it had let go.
const PART_STEP: i32 = 1 << 16;
/// Most parts of one engine; from then on the last one takes what comes.
const PARTS_MAX: i32 = 1 << 14;

/// Windows that are told together: no part knows what another has told.
struct Part {
    id: i32,
    /// What takes no more frames at this watermark has been let go.
    floor: i64,
    panes: Panes,
}

pub struct WindowMerger {
    plan: Arc<RowPlan>,
    direct: bool,
    keys: Keys,
    /// By shard, then by the shard's number of a key: our number.
    numbers: Vec<Vec<u32>>,
    /// Our own first, then more of ours, then those taken over, which get no more frames.
    parts: Vec<Part>,
    /// Parts of ours that there have been, beside the first.
    more: i32,
}

impl WindowMerger {
    /// `part`: which engine this is. `direct`: keys are few, and most of them in most windows.
    pub fn new(plan: Arc<RowPlan>, part: i32, direct: bool) -> WindowMerger {
        let own = Part { id: part, floor: i64::MIN, panes: Panes::new(direct) };
        WindowMerger { plan, direct, keys: Keys::default(), numbers: Vec::new(), parts: vec![own], more: 0 }
    }

    fn part(&mut self, id: i32) -> &mut Part {
        let at = self.parts.iter().position(|part| part.id == id).unwrap_or_else(|| {
            self.parts.push(Part { id, floor: i64::MIN, panes: Panes::new(self.direct) });
            self.parts.len() - 1
        });
        &mut self.parts[at]
    }

    /// The part for a window that our own has let go. A lane that is first heard of when others have gone on starts with
    /// its own clock, and its frames are not late: they are told as a part of their own.
    #[cold]
    fn part_for(&mut self, gone_at: i64) -> usize {
        let own = self.parts[0].id;
        let is_ours = |part: &Part| (part.id - own) % PART_STEP == 0;
        if let Some(at) = self.parts.iter().position(|part| is_ours(part) && part.floor < gone_at) {
            return at;
        }
        self.more = (self.more + 1).min(PARTS_MAX - 1);
        let id = own + self.more * PART_STEP;
        self.part(id);
        self.parts.iter().position(|part| part.id == id).expect("it was made if it was not there")
    }

    /// Lets go of keys that no open window has and no shard may name again.
    fn compact(&mut self) {
        let mut used = vec![false; self.keys.len()];
        self.numbers.iter().flatten().for_each(|number| used[*number as usize] = true);
        self.parts.iter().for_each(|part| part.panes.mark(&mut used));
        let new = self.keys.compact(&used);
        self.numbers.iter_mut().flatten().for_each(|number| *number = new[*number as usize]);
        self.parts.iter_mut().for_each(|part| part.panes.renumber(&new));
    }
}

impl Merger for WindowMerger {
    fn accept(&mut self, deltas: Box<dyn Any + Send>) {
        let deltas = *deltas.downcast::<Deltas>().expect("deltas come from this window's shards");
        if self.numbers.len() <= deltas.shard {
            self.numbers.resize_with(deltas.shard + 1, Vec::new);
        }
        let numbers = &mut self.numbers[deltas.shard];
        if deltas.anew {
            numbers.clear();
        }
        numbers.extend(deltas.new_keys.iter().map(|key| self.keys.number(key)));
        let plan = self.plan.clone();
        let RowPlan { layouts, widths, .. } = &*plan;
        let rows = deltas.starts.iter().zip(&deltas.keys).zip(deltas.words.chunks_exact(layouts.width()));
        for ((start, key), delta) in rows {
            let gone_at = widths.gone_at(*start);
            let part = if gone_at > self.parts[0].floor { 0 } else { self.part_for(gone_at) };
            let key = self.numbers[deltas.shard][*key as usize];
            // Results are told at barriers only, so that when they are due does not matter here.
            let words = self.parts[part].panes.words(*start, key, i64::MIN, widths, layouts);
            layouts.merge(words, delta);
        }
    }

    fn fire(&mut self, clock: EventTime) -> Vec<RecordBatch> {
        let plan = &self.plan;
        let mut rows = Rows::new(plan.clone());
        let watermark = plan.widths.watermark(clock.0);
        for part in &mut self.parts {
            part.panes.fire(watermark, &plan.widths, &plan.layouts, |group| {
                rows.push(part.id, &group, self.keys.values(group.key));
            });
            if clock != EventTime::MAX {
                part.floor = part.floor.max(watermark);
            }
        }
        let own = self.parts[0].id;
        self.parts.retain(|part| part.id == own || !part.panes.is_empty());
        if self.keys.is_full() {
            self.compact();
        }
        if rows.is_empty() { Vec::new() } else { vec![rows.finish()] }
    }

    fn snapshot(&self, state: &mut StateWriter) {
        let stored = self.parts.iter().flat_map(|part| {
            part.panes.groups(&self.plan.layouts).map(|group| Stored {
                lane: HOME_LANE,
                part: part.id,
                key: self.keys.values(group.key),
                group,
            })
        });
        state::put(state, stored);
        state::put_parts(state, HOME_LANE, self.more, self.parts.iter().map(|part| (part.id, part.floor)));
    }

    fn restore(&mut self, state: &StateReader) -> Result<(), StateError> {
        let own = self.parts[0].id;
        state::read_parts(state, |id, floor, more| {
            self.part(id).floor = floor;
            if id == own {
                self.more = more;
            }
        })?;
        let plan = self.plan.clone();
        state::read(state, plan.layouts.width(), |stored| {
            let key = self.keys.number(stored.key);
            self.part(stored.part).panes.put_back(stored.group.of_key(key), &plan.layouts);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::{Aggregate, WindowConfig};
    use super::super::key::{KEYS_SPARE, Key, Value};
    use super::*;
    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;

    fn key(n: usize) -> Key {
        [Value::Text(format!("trip {n}").into())].into()
    }

    /// One frame each for the given keys, of which the shard names those that are new to it.
    fn deltas(start: i64, anew: bool, new: impl Iterator<Item = usize>, keys: Vec<u32>) -> Box<dyn Any + Send> {
        let new_keys = new.map(key).collect();
        let (starts, words) = (vec![start; keys.len()], vec![1; keys.len()]);
        Box::new(Deltas { shard: 0, anew, new_keys, starts, keys, words })
    }

    fn counts(fired: &[RecordBatch]) -> Vec<(String, i64)> {
        let rows = |batch: &RecordBatch| {
            let counts = batch.column(3).as_primitive::<Int64Type>().values().to_vec();
            let keys = batch.column(2).as_string::<i32>().iter().map(|key| key.unwrap_or_default().to_owned());
            keys.zip(counts).collect::<Vec<_>>()
        };
        let mut counts: Vec<_> = fired.iter().flat_map(rows).collect();
        counts.sort();
        counts
    }

    #[test]
    fn keys_that_are_no_more_are_let_go_and_the_others_stay_right() {
        let config = WindowConfig {
            name: "w".to_owned(),
            every_us: 10,
            key: vec!["trip_id".to_owned()],
            aggregates: vec![("n".to_owned(), Aggregate::Count)],
            lateness_us: 5,
        };
        let mut merger = WindowMerger::new(Arc::new(RowPlan::new(&config, &[])), 0, false);
        let many = KEYS_SPARE + 1;
        merger.accept(deltas(0, false, 0..many, (0..many as u32).collect()));
        merger.accept(deltas(10, false, 0..0, vec![7]));
        assert_eq!(merger.fire(EventTime(20)).iter().map(RecordBatch::num_rows).sum::<usize>(), many);
        assert_eq!(merger.keys.len(), many, "the shard may name all of them");
        merger.accept(deltas(10, true, 5..9, vec![2, 3]));
        merger.keys.number(&key(many));
        let mut keys = many;
        while !merger.keys.is_full() {
            keys += 1;
            merger.keys.number(&key(keys));
        }
        let told = merger.fire(EventTime(25));
        assert_eq!(counts(&told), [("trip 7".to_owned(), 2), ("trip 8".to_owned(), 1)]);
        assert_eq!(merger.keys.len(), 4);
        merger.accept(deltas(10, false, 9..10, vec![4, 0]));
        let told = merger.fire(EventTime(26));
        assert_eq!(counts(&told), [("trip 5".to_owned(), 1), ("trip 9".to_owned(), 1)]);
    }
}
