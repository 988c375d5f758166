//! Windows keyed by vehicle: every frame of a vehicle is in one lane, so they close in their shard.

use super::WindowPlan;
use super::distance::{Behind, Counted, Paths};
use super::inputs::Inputs;
use super::key::RowKeys;
use super::open::{Open, Span};
use super::rows::{RowPlan, Rows};
use super::state;
use rhumb_engine::effects::{Effects, TableRows};
use rhumb_engine::frame::FrameBatch;
use rhumb_engine::lane::Lane;
use rhumb_engine::operator::{Operator, ShardContext};
use rhumb_engine::state::{StateError, StateReader, StateWriter};
use rhumb_engine::time::EventTime;
use rhumb_engine::vehicle::Vehicles;
use std::sync::Arc;

/// Rows of windows that close in a shard have this part whichever engine runs it: only one at a time has the lane.
const PART: i32 = 0;

/// The machine of one shard.
pub struct InShard {
    table: Arc<str>,
    too_late: String,
    plan: Arc<RowPlan>,
    vehicles: Arc<Vehicles>,
    inputs: Inputs,
    keys: RowKeys,
    /// If distance is asked for.
    paths: Option<Paths>,
    /// By lane.
    lanes: Vec<Open>,
    /// Keys of the batch at hand; their memory is used again.
    offsets: Vec<u32>,
    numbers: Vec<u32>,
}

impl InShard {
    pub fn new(of: &WindowPlan, context: &ShardContext) -> InShard {
        InShard {
            table: of.table.clone(),
            too_late: of.too_late(),
            plan: of.rows.clone(),
            vehicles: context.vehicles.clone(),
            inputs: Inputs::new(&of.rows.layouts, context.vehicles.clone()),
            keys: RowKeys::new(of.config.key.clone()),
            paths: of.paths(),
            lanes: Vec::new(),
            offsets: Vec::new(),
            numbers: Vec::new(),
        }
    }

    fn reach(&mut self, lane: usize) {
        if self.lanes.len() <= lane {
            self.lanes.resize_with(lane + 1, || Open::new(&self.plan, false));
        }
    }

    #[cold]
    fn fire(&mut self, lane: usize, watermark: i64, rows: &mut Option<Rows>) {
        let rows = rows.get_or_insert_with(|| Rows::new(self.plan.clone()));
        let keys = &self.keys.keys;
        self.lanes[lane].fire(watermark, &self.plan, |group| rows.push(PART, &group, keys.values(group.key)));
    }

    fn tell(&self, rows: Option<Rows>, effects: &mut Effects) {
        if let Some(rows) = rows.filter(|rows| !rows.is_empty()) {
            effects.rows.push(TableRows { table: self.table.clone(), rows: rows.finish() });
        }
    }

    /// Where a frame counts whose first window takes no more; `None` if no window takes it.
    #[cold]
    fn rest(&self, lane: usize, span: Span, key: u32, watermark: i64) -> Option<Span> {
        let joins = || {
            let of = self.lanes[lane].session_for(span.start, key, watermark, &self.plan)?;
            Some(Span { start: of.start.min(span.start), ..of })
        };
        self.plan.widths.rest(span, watermark).or_else(joins)
    }

    /// A late frame has changed the way to the one behind it.
    #[cold]
    fn correct(&mut self, lane: usize, behind: &Behind, watermark: i64) {
        let plan = self.plan.clone();
        for key in &behind.counted {
            let span = plan.widths.span(behind.time);
            let span = match plan.widths.refused_at(span) <= watermark {
                true => self.rest(lane, span, *key, watermark),
                false => Some(span),
            };
            if let Some(span) = span {
                let cells = self.lanes[lane].cells(span, *key, watermark, &plan);
                plan.layouts.correct(cells.words, behind.was, behind.is);
            }
        }
    }

    /// Lets go of keys that no open window has.
    fn compact(&mut self) {
        let mut used = vec![false; self.keys.keys.len()];
        self.lanes.iter().for_each(|open| open.mark(&mut used));
        self.paths.iter().for_each(|paths| paths.mark(&mut used));
        let new = self.keys.keys.compact(&used);
        self.paths.iter_mut().for_each(|paths| paths.renumber(&new));
        self.lanes.iter_mut().for_each(|open| open.renumber(&new));
        self.keys.forget();
    }
}

impl Operator for InShard {
    fn process(&mut self, frames: FrameBatch, effects: &mut Effects) -> FrameBatch {
        if self.keys.keys.is_full() {
            self.compact();
        }
        let plan = self.plan.clone();
        let widths = &plan.widths;
        self.inputs.gather(&frames);
        let (mut offsets, mut numbers) = (std::mem::take(&mut self.offsets), std::mem::take(&mut self.numbers));
        self.keys.of_batch(&frames, &self.vehicles, &mut offsets, &mut numbers);
        self.reach(frames.lane.values().iter().copied().max().map_or(0, usize::from));
        let mut rows = None;
        let mut too_late = 0;
        let distance = plan.layouts.distance().unwrap_or_default();
        self.paths.iter_mut().for_each(|paths| paths.reach(self.vehicles.len()));
        for row in 0..frames.len() {
            let lane = usize::from(frames.lane.values()[row]);
            let watermark = widths.watermark(frames.lane_clock[row]);
            if watermark >= self.lanes[lane].due {
                self.fire(lane, watermark, &mut rows);
            }
            let time = frames.times()[row];
            let span = widths.span(time);
            let keys = &numbers[offsets[row] as usize..offsets[row + 1] as usize];
            let place = self.paths.as_mut().map(|paths| paths.take_row(&frames, row, widths.horizon(watermark)));
            if let Some(place) = &place {
                self.inputs.set(distance, row, place.metres);
            }
            let mut counted = Counted::new();
            let is_late = widths.refused_at(span) <= watermark;
            for key in keys {
                let mut span = span;
                if is_late {
                    let rest = self.rest(lane, span, *key, watermark);
                    too_late += u64::from(!widths.is_whole(rest));
                    let Some(rest) = rest else { continue };
                    span = rest;
                }
                let cells = self.lanes[lane].cells(span, *key, watermark, &plan);
                let (value, whole) = (|input| self.inputs.value(input, row), |input| self.inputs.whole(input, row));
                plan.layouts.add(cells.words, time, value, whole);
                self.inputs.items(row).for_each(|(side, item)| cells.sides[side].add(item));
                self.inputs.texts(row).for_each(|(side, text)| cells.sides[side].add_text(time, text));
                if place.is_some() {
                    counted.push(*key);
                }
            }
            if let Some(place) = &place {
                if let Some(paths) = &mut self.paths {
                    paths.count(frames.slots()[row], place, counted);
                }
                if let Some(behind) = &place.behind {
                    self.correct(lane, behind, watermark);
                }
            }
        }
        (self.offsets, self.numbers) = (offsets, numbers);
        effects.count(&self.too_late, too_late);
        self.tell(rows, effects);
        frames
    }

    fn advance(&mut self, lane: Lane, now: EventTime, effects: &mut Effects) {
        let lane = usize::from(lane.0);
        self.reach(lane);
        let watermark = self.plan.widths.watermark(now.0);
        if watermark >= self.lanes[lane].due || now == EventTime::MAX {
            let mut rows = None;
            self.fire(lane, watermark, &mut rows);
            self.tell(rows, effects);
        }
    }

    fn snapshot(&self, state: &mut StateWriter) {
        let mut rows = state::Table::new(&self.plan);
        for (lane, open) in self.lanes.iter().enumerate() {
            open.for_each_group(&self.plan, |group| {
                rows.push(lane as u16, PART, self.keys.keys.values(group.key), &group);
            });
        }
        rows.put(state);
        let open = self.lanes.iter().enumerate().filter(|(_, open)| !open.is_empty());
        state::put_lanes(state, open.map(|(lane, open)| (lane as u16, open.due, open.floor)));
        self.paths.iter().for_each(|paths| paths.snapshot(&self.vehicles, &self.keys.keys, state));
    }

    fn restore(&mut self, state: &StateReader) -> Result<(), StateError> {
        let plan = self.plan.clone();
        state::read(state, &plan, |stored| {
            let lane = usize::from(stored.lane);
            self.reach(lane);
            let key = self.keys.keys.number(stored.key);
            self.lanes[lane].put_back(stored.group.of_key(key), &plan);
        })?;
        state::read_lanes(state, |lane, due, floor| {
            self.reach(usize::from(lane));
            let open = &mut self.lanes[usize::from(lane)];
            (open.due, open.floor) = (due, floor);
        })?;
        let (keys, columns) = (&mut self.keys.keys, plan.key_columns());
        self.paths.iter_mut().try_for_each(|paths| paths.restore(&self.vehicles, keys, columns, state))
    }
}
