//! Putting together what the shards found. Adding is commutative to the last bit, so that neither the number of shards
//! nor the order in which their deltas came shows.

use super::config::Shape;
use super::deltas::{Deltas, Item};
use super::key::{Key, Keys, Value};
use super::open::Open;
use super::rows::{RowPlan, Rows};
use super::state;
use crate::geofence::Shared;
use arrow::array::RecordBatch;
use rhumb_engine::operator::Merger;
use rhumb_engine::reference::Change;
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

/// Windows in a row without any frame that are told; what is beyond them was not watched, or is not awaited.
const EMPTY_WINDOWS_MAX: i64 = 10_000;

/// Windows that are told together: no part knows what another has told.
struct Part {
    id: i32,
    open: Open,
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
    /// Keys for which windows without frames are told too: zones.
    known: Vec<Key>,
    tells_empty: bool,
    filled: Option<Filled>,
}

/// The key of a window that is keyed by zone alone.
fn zone_key(id: &str) -> Key {
    [Value::Text(id.into())].into()
}

/// Windows of our own part, by start, that have a row for every known key.
#[derive(Debug, Clone, Copy)]
struct Filled {
    from: i64,
    /// Exclusive.
    to: i64,
    /// The last one before `to` that has frames.
    last: i64,
}

impl WindowMerger {
    /// `part`: which engine this is. `direct`: keys are few, and most of them in most windows.
    pub fn new(plan: Arc<RowPlan>, part: i32, direct: bool) -> WindowMerger {
        let parts = vec![Part { id: part, open: Open::new(&plan, direct) }];
        let (keys, numbers) = (Keys::default(), Vec::new());
        WindowMerger {
            plan,
            direct,
            keys,
            numbers,
            parts,
            more: 0,
            known: Vec::new(),
            tells_empty: false,
            filled: None,
        }
    }

    /// Tells of windows without frames, too, for these zones, and for others once the zones are others.
    pub fn with_empty(self, zones: &[String]) -> WindowMerger {
        let known: Vec<Key> = zones.iter().map(|zone| zone_key(zone)).collect();
        WindowMerger { tells_empty: !known.is_empty(), known, ..self }
    }

    fn part(&mut self, id: i32) -> &mut Part {
        let at = self.parts.iter().position(|part| part.id == id).unwrap_or_else(|| {
            self.parts.push(Part { id, open: Open::new(&self.plan, self.direct) });
            self.parts.len() - 1
        });
        &mut self.parts[at]
    }

    /// The part for a window that our own has let go. A lane that is first heard of when others have gone on starts with
    /// its own clock, and its frames are not late: they are told as a part of their own.
    #[cold]
    fn part_for(&mut self, refused_at: i64) -> usize {
        let own = self.parts[0].id;
        let is_ours = |part: &Part| (part.id - own) % PART_STEP == 0;
        if let Some(at) = self.parts.iter().position(|part| is_ours(part) && part.open.floor < refused_at) {
            return at;
        }
        self.more = (self.more + 1).min(PARTS_MAX - 1);
        let id = own + self.more * PART_STEP;
        self.part(id);
        self.parts.iter().position(|part| part.id == id).expect("it was made if it was not there")
    }

    /// Gives every window that has closed, from the first with frames on, a row for every known key.
    fn fill(&mut self, watermark: i64) {
        let Shape::Fixed { every_us, size_us } = self.plan.widths.shape else { return };
        let Some(panes) = self.parts[0].open.panes().filter(|_| !self.known.is_empty()) else { return };
        let known: Vec<u32> = self.known.iter().map(|key| self.keys.number(key)).collect();
        let starts: Vec<i64> = panes.starts().collect();
        // Frames are in windows that start so much before their pane.
        let before_us = size_us - every_us;
        let begun = starts.first().map(|first| first - before_us);
        let begun = begun.map(|first| Filled { from: first, to: first, last: first });
        let Some(mut filled) = self.filled.or(begun) else { return };
        let first = begun.map_or(filled.from, |begun| begun.from);
        let closed_to = match watermark {
            i64::MAX => starts.last().map_or(filled.to, |last| last + every_us),
            i64::MIN => return,
            _ => watermark.saturating_sub(size_us).div_euclid(every_us) * every_us + every_us,
        };
        let mut fill = |from: i64, to: i64, mut last: i64| {
            let mut start = from;
            while start < to {
                let next = starts.get(starts.partition_point(|known| *known < start));
                if next.is_some_and(|next| *next < start + size_us) {
                    last = start;
                } else if start - last > EMPTY_WINDOWS_MAX * every_us {
                    start = next.map_or(to, |next| (*next - before_us).min(to));
                    continue;
                }
                for key in &known {
                    panes.expect(start, *key, &self.plan.layouts);
                }
                start += every_us;
            }
            last
        };
        if first < filled.from && filled.from <= closed_to {
            // A lane that was first heard of after the others began.
            fill(first, filled.from, first);
            filled.from = first;
        }
        if filled.to < closed_to {
            filled.last = fill(filled.to, closed_to, filled.last);
            filled.to = closed_to;
        }
        self.filled = Some(filled);
    }

    /// Lets go of keys that no open window has and no shard may name again.
    fn compact(&mut self) {
        let mut used = vec![false; self.keys.len()];
        self.numbers.iter().flatten().for_each(|number| used[*number as usize] = true);
        self.parts.iter().for_each(|part| part.open.mark(&mut used));
        let new = self.keys.compact(&used);
        self.numbers.iter_mut().flatten().for_each(|number| *number = new[*number as usize]);
        self.parts.iter_mut().for_each(|part| part.open.renumber(&new));
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
        let (width, picks) = (plan.layouts.width(), plan.layouts.picks().count());
        let mut parts = Vec::new();
        for (row, span) in deltas.spans.iter().enumerate() {
            let refused_at = plan.widths.refused_at(*span);
            let part = if refused_at > self.parts[0].open.floor { 0 } else { self.part_for(refused_at) };
            let key = self.numbers[deltas.shard][deltas.keys[row] as usize];
            // Results are told at barriers only, so that when they are due does not matter here.
            let cells = self.parts[part].open.cells(*span, key, i64::MIN, &plan);
            plan.layouts.merge(cells.words, &deltas.words[row * width..(row + 1) * width]);
            for (text, (side, _, _)) in deltas.texts[row * picks..].iter().zip(plan.layouts.picks()) {
                cells.sides[side].merge_text(text);
            }
            if !deltas.items.is_empty() {
                parts.push(part);
            }
        }
        for Item { row, side, item } in deltas.items {
            let row = row as usize;
            let key = self.numbers[deltas.shard][deltas.keys[row] as usize];
            let cells = self.parts[parts[row]].open.holding(deltas.spans[row], key, &plan);
            cells.expect("its row was added").sides[side as usize].add(item);
        }
    }

    fn fire(&mut self, clock: EventTime) -> Vec<RecordBatch> {
        let plan = self.plan.clone();
        let watermark = plan.widths.watermark(clock.0);
        self.fill(watermark);
        let mut rows = Rows::new(plan.clone());
        for part in &mut self.parts {
            part.open.fire(watermark, &plan, |group| rows.push(part.id, &group, self.keys.values(group.key)));
        }
        let own = self.parts[0].id;
        self.parts.retain(|part| part.id == own || !part.open.is_empty());
        if self.keys.is_full() {
            self.compact();
        }
        if rows.is_empty() { Vec::new() } else { vec![rows.finish()] }
    }

    fn change(&mut self, change: &Change) {
        if self.tells_empty
            && let Some(zones) = Shared::of(&change.content)
        {
            self.known = zones.zone_ids().map(zone_key).collect();
        }
    }

    fn snapshot(&self, state: &mut StateWriter) {
        let mut rows = state::Table::new(&self.plan);
        for part in &self.parts {
            part.open.for_each_group(&self.plan, |group| {
                rows.push(HOME_LANE, part.id, self.keys.values(group.key), &group);
            });
        }
        rows.put(state);
        state::put_parts(state, HOME_LANE, self.more, self.parts.iter().map(|part| (part.id, part.open.floor)));
        state::put_filled(state, HOME_LANE, self.filled.map(|filled| [filled.from, filled.to, filled.last]));
    }

    fn restore(&mut self, state: &StateReader) -> Result<(), StateError> {
        let own = self.parts[0].id;
        state::read_parts(state, |id, floor, more| {
            self.part(id).open.floor = floor;
            if id == own {
                self.more = more;
            }
        })?;
        self.filled = state::read_filled(state)?.map(|[from, to, last]| Filled { from, to, last });
        let plan = self.plan.clone();
        state::read(state, &plan, |stored| {
            let key = self.keys.number(stored.key);
            self.part(stored.part).open.put_back(stored.group.of_key(key), &plan);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::{Aggregate, WindowConfig};
    use super::super::key::{KEYS_SPARE, Value};
    use super::super::open::{ALL, Span};
    use super::*;
    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;

    fn key(n: usize) -> Key {
        [Value::Text(format!("trip {n}").into())].into()
    }

    /// One frame each for the given keys, of which the shard names those that are new to it.
    fn deltas(start: i64, anew: bool, new: impl Iterator<Item = usize>, keys: Vec<u32>) -> Box<dyn Any + Send> {
        let new_keys = new.map(key).collect();
        let spans = vec![Span { start, last: start, end: start + 10, from: ALL }; keys.len()];
        let words = vec![1; keys.len()];
        Box::new(Deltas { shard: 0, anew, new_keys, spans, keys, words, items: Vec::new(), texts: Vec::new() })
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
            shape: Shape::tumbling(10),
            key: vec!["trip_id".to_owned()],
            aggregates: vec![("n".to_owned(), Aggregate::Count)],
            lateness_us: 5,
            path_keep: 16,
            empty_zones: Vec::new(),
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
