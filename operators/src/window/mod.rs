//! `window`: aggregates over stretches of event time, by key.
//!
//! A window closes when its lane's clock is `lateness` past its end, and takes late frames, each second's worth giving
//! a new revision, until it is twice as far; frames after that are counted in `too_late.<name>`. Keyed by vehicle it
//! closes in its shard. Keyed by anything else, shards give parts by lane, and the merger puts them together.

mod cells;
mod config;
mod key;
mod merge;
mod open;
mod rows;
mod state;

pub use config::{Aggregate, AggregateError, WindowConfig};

use crate::fix::{Fix, Newest};
use arrow::array::{Array, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Float64Type};
use key::{RowKeys, VEHICLE};
use merge::{Parts, WindowMerger};
use open::LaneWindows;
use rhumb_engine::effects::{Effects, Partial, TableRows};
use rhumb_engine::frame::FrameBatch;
use rhumb_engine::lane::Lane;
use rhumb_engine::operator::{Merger, Operator, OperatorPlan, ShardContext, TablePlan};
use rhumb_engine::state::{StateError, StateReader, StateWriter};
use rhumb_engine::time::EventTime;
use rhumb_engine::vehicle::Vehicles;
use rows::{RowPlan, Rows};
use state::Stored;
use std::sync::Arc;

/// `[operator.window]`, planned.
pub struct WindowPlan {
    name: Arc<str>,
    table: Arc<str>,
    config: WindowConfig,
    rows: Arc<RowPlan>,
}

impl WindowPlan {
    /// `columns`: all columns of the frames that reach the window.
    pub fn new(config: WindowConfig, columns: &[FieldRef]) -> WindowPlan {
        WindowPlan {
            name: format!("window.{}", config.name).into(),
            table: format!("windows_{}", config.name).into(),
            rows: Arc::new(RowPlan::new(&config, columns)),
            config,
        }
    }

    /// Every frame of a vehicle is in the vehicle's lane, so that nothing is left to put together.
    fn closes_in_shard(&self) -> bool {
        self.config.key.iter().any(|column| column == VEHICLE)
    }
}

impl OperatorPlan for WindowPlan {
    fn name(&self) -> &str {
        &self.name
    }

    fn tables(&self) -> Vec<TablePlan> {
        vec![TablePlan { name: self.table.clone(), schema: self.rows.schema.clone(), date_from: "window_start" }]
    }

    fn build(&self, context: &ShardContext) -> Box<dyn Operator> {
        Box::new(Window {
            name: self.name.clone(),
            table: self.table.clone(),
            too_late: format!("too_late.{}", self.config.name),
            closes_in_shard: self.closes_in_shard(),
            shard: context.shard,
            plan: self.rows.clone(),
            vehicles: context.vehicles.clone(),
            keys: RowKeys::new(self.config.key.clone()),
            keys_told: 0,
            lanes: Vec::new(),
            newest: Newest::default(),
            offsets: Vec::new(),
            numbers: Vec::new(),
        })
    }

    fn merger(&self) -> Option<Box<dyn Merger>> {
        (!self.closes_in_shard()).then(|| Box::new(WindowMerger::new(self.rows.clone())) as Box<dyn Merger>)
    }
}

/// The machine of one shard.
struct Window {
    name: Arc<str>,
    table: Arc<str>,
    too_late: String,
    closes_in_shard: bool,
    shard: usize,
    plan: Arc<RowPlan>,
    vehicles: Arc<Vehicles>,
    keys: RowKeys,
    /// Keys that the merger has been told.
    keys_told: usize,
    /// By lane.
    lanes: Vec<LaneWindows>,
    /// Empty unless distance is asked for.
    newest: Newest,
    /// Keys of the batch at hand, reused.
    offsets: Vec<u32>,
    numbers: Vec<u32>,
}

impl Operator for Window {
    fn process(&mut self, frames: FrameBatch, effects: &mut Effects) -> FrameBatch {
        let plan = self.plan.clone();
        let (layouts, widths) = (&plan.layouts, &plan.widths);
        let inputs: Vec<Float64Array> =
            layouts.inputs.iter().map(|name| self.input(&frames, name.as_deref())).collect();
        let (mut offsets, mut numbers) = (std::mem::take(&mut self.offsets), std::mem::take(&mut self.numbers));
        self.keys.of_batch(&frames, &self.vehicles, &mut offsets, &mut numbers);
        let mut told = Told::default();
        let mut too_late = 0;
        for row in 0..frames.len() {
            let lane = usize::from(frames.lane.values()[row]);
            self.reach(lane);
            let watermark = widths.watermark(frames.lane_clock[row]);
            if watermark >= self.lanes[lane].due {
                self.fire(lane, watermark, &mut told);
            }
            let time = frames.times()[row];
            let start = widths.start_of(time);
            let keys = &numbers[offsets[row] as usize..offsets[row + 1] as usize];
            if widths.gone_at(start) <= watermark {
                too_late += keys.len() as u64;
                continue;
            }
            let value = |input: usize| {
                let array = &inputs[input];
                if array.is_valid(row) { array.value(row) } else { f64::NAN }
            };
            for key in keys {
                layouts.add(self.lanes[lane].cells(start, *key, watermark, widths, layouts), time, value);
            }
        }
        (self.offsets, self.numbers) = (offsets, numbers);
        effects.count(&self.too_late, too_late);
        self.tell(told, effects);
        frames
    }

    fn advance(&mut self, lane: Lane, now: EventTime, effects: &mut Effects) {
        let lane = usize::from(lane.0);
        self.reach(lane);
        let watermark = self.plan.widths.watermark(now.0);
        if watermark >= self.lanes[lane].due || now == EventTime::MAX {
            let mut told = Told::default();
            self.fire(lane, watermark, &mut told);
            self.tell(told, effects);
        }
    }

    fn snapshot(&self, state: &mut StateWriter) {
        let stored = self.lanes.iter().enumerate().flat_map(|(lane, windows)| {
            let of_lane = windows.open.iter().flat_map(|(start, open)| open.groups().map(move |g| (start, open, g)));
            of_lane.map(move |(start, open, group)| Stored {
                lane: lane as u16,
                start: *start,
                closed: open.closed,
                key: self.keys.values(group.key),
                revision: group.revision,
                dirty: group.dirty,
                cells: group.cells,
            })
        });
        state::put(state, stored);
        self.newest.snapshot("before", &self.vehicles, state);
    }

    fn restore(&mut self, state: &StateReader) -> Result<(), StateError> {
        for rows in state.rows(state::TABLE, state::VERSION)? {
            state::read(&rows, |stored| {
                let lane = usize::from(stored.lane);
                self.reach(lane);
                let number = self.keys.number(stored.key);
                state::put_back(&mut self.lanes[lane], &stored, number, &self.plan);
            })?;
        }
        self.newest.restore("before", &self.vehicles, state)
    }
}

/// What a batch gave: rows for the table, or parts for the merger.
#[derive(Default)]
struct Told {
    rows: Option<Rows>,
    parts: Parts,
}

impl Window {
    fn reach(&mut self, lane: usize) {
        if self.lanes.len() <= lane {
            self.lanes.resize_with(lane + 1, LaneWindows::default);
        }
    }

    fn fire(&mut self, lane: usize, watermark: i64, told: &mut Told) {
        let (windows, keys, widths) = (&mut self.lanes[lane], &self.keys, self.plan.widths);
        if self.closes_in_shard {
            let rows = told.rows.get_or_insert_with(|| Rows::new(self.plan.clone()));
            windows.fire(watermark, &widths, |start, group| {
                rows.push(start, keys.values(group.key), group.cells, group.revision);
            });
        } else {
            windows.fire(watermark, &widths, |start, group| {
                told.parts.lanes.push(lane as u16);
                told.parts.starts.push(start);
                told.parts.keys.push(group.key);
                told.parts.cells.extend_from_slice(group.cells);
            });
        }
    }

    fn tell(&mut self, mut told: Told, effects: &mut Effects) {
        if let Some(rows) = told.rows.filter(|rows| !rows.is_empty()) {
            effects.rows.push(TableRows { table: self.table.clone(), rows: rows.finish() });
        }
        if !told.parts.lanes.is_empty() {
            told.parts.shard = self.shard;
            told.parts.new_keys = self.keys.since(self.keys_told).to_vec();
            self.keys_told += told.parts.new_keys.len();
            effects.partials.push(Partial { operator: self.name.clone(), part: Box::new(told.parts) });
        }
    }

    /// An input as floats; `None` is the distance from the vehicle's frame before.
    fn input(&mut self, frames: &FrameBatch, name: Option<&str>) -> Float64Array {
        let Some(name) = name else { return self.distances(frames) };
        match frames.column(name) {
            None => Float64Array::new_null(frames.len()),
            Some(array) => {
                let floats = cast(&array, &DataType::Float64).expect("the configuration was checked to be numeric");
                floats.as_primitive::<Float64Type>().clone()
            }
        }
    }

    fn distances(&mut self, frames: &FrameBatch) -> Float64Array {
        self.newest.reach(self.vehicles.len());
        let step = |row: usize| {
            if frames.late.value(row) {
                return None;
            }
            let now = Fix::of(frames, row);
            self.newest.replace(frames.slots()[row], now).map(|before| before.distance_m(&now))
        };
        (0..frames.len()).map(step).collect()
    }
}
