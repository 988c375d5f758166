//! Runs trips over reports, and reads what they tell.
#![allow(dead_code, reason = "each test file uses its part")]

use crate::trip_oracle::Fix;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use rhumb_engine::builder::{ClockRules, FrameBuilder};
use rhumb_engine::chain::Chain;
use rhumb_engine::current::CurrentShard;
use rhumb_engine::effects::Effects;
use rhumb_engine::extra::Extra;
use rhumb_engine::frame::{Frame, Origin};
use rhumb_engine::operator::{OperatorPlan, ShardContext};
use rhumb_engine::state::{StateTable, decode, encode};
use rhumb_engine::time::{DAY_US, EventTime, SECOND_US};
use rhumb_engine::vehicle::Vehicles;
use std::collections::BTreeMap;
use std::sync::Arc;

pub const LATENESS_US: i64 = 300 * SECOND_US;

#[derive(Debug, Clone)]
pub struct Report {
    pub vehicle: &'static str,
    pub fix: Fix,
}

/// A trip or a stop as its table has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub table: String,
    pub vehicle: String,
    pub start: i64,
    pub end: i64,
    pub numbers: BTreeMap<String, f64>,
    pub zones: BTreeMap<String, Option<Vec<String>>>,
    pub ended: String,
    pub revision: i32,
    pub id: String,
}

impl Row {
    pub fn line(&self) -> String {
        let seconds = |time: i64| time / SECOND_US;
        let number = |name: &str| match self.numbers.get(name) {
            Some(value) => format!(", {} {:.0}", name.rsplit_once('_').map_or(name, |(name, _)| name), value),
            None => String::new(),
        };
        let numbers: String = ["distance_m", "standing_s", "idle_s", "frames"].into_iter().map(number).collect();
        let zones: Vec<String> = self.zones.values().flatten().map(|ids| ids.join("+")).collect();
        let zones = if zones.is_empty() { String::new() } else { format!(", zones {}", zones.join(" > ")) };
        let revision = if self.revision == 0 { String::new() } else { format!(", revision {}", self.revision) };
        let Row { table, vehicle, start, end, ended, .. } = self;
        format!("{table} of {vehicle} {}..{}{numbers}{zones}, {ended}{revision}\n", seconds(*start), seconds(*end))
    }
}

pub fn rows(table: &str, batch: &RecordBatch) -> Vec<Row> {
    let column = |name: &str| batch.column_by_name(name).unwrap_or_else(|| panic!("{table} has {name}"));
    let time = |name: &str, row| column(name).as_primitive::<TimestampMicrosecondType>().value(row);
    let text = |name: &str, row| column(name).as_string::<i32>().value(row).to_owned();
    let id = if table == "trips" { "trip_id" } else { "stop_id" };
    let list = |array: &ArrayRef, row: usize| {
        let array = array.as_list::<i32>();
        let ids = |ids: ArrayRef| ids.as_string::<i32>().iter().flatten().map(str::to_owned).collect();
        array.is_valid(row).then(|| ids(array.value(row)))
    };
    let row = |row: usize| {
        let (mut numbers, mut zones) = (BTreeMap::new(), BTreeMap::new());
        for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
            let name = field.name().clone();
            match field.data_type() {
                DataType::List(_) => drop(zones.insert(name, list(array, row))),
                _ if array.is_null(row) => {}
                DataType::Float64 => drop(numbers.insert(name, array.as_primitive::<Float64Type>().value(row))),
                DataType::Int64 => drop(numbers.insert(name, array.as_primitive::<Int64Type>().value(row) as f64)),
                _ => {}
            }
        }
        // In the order in which they are gone through.
        let zones = zones.into_iter().map(|(name, ids)| (if name == "end_zone_ids" { "zz".into() } else { name }, ids));
        Row {
            table: table.trim_end_matches('s').to_owned(),
            vehicle: text("vehicle_id", row),
            start: time("start_time", row),
            end: time("end_time", row),
            numbers,
            zones: zones.collect(),
            ended: text("ended", row),
            revision: column("revision").as_primitive::<Int32Type>().value(row),
            id: text(id, row),
        }
    };
    (0..batch.num_rows()).map(row).collect()
}

/// A chain of one shard, and what came out of it.
pub struct Engine {
    plans: Vec<Arc<dyn OperatorPlan>>,
    vehicles: Arc<Vehicles>,
    chain: Chain,
    pub rows: Vec<Row>,
    pub too_late: u64,
    frames: i64,
}

impl Engine {
    pub fn new(plans: Vec<Arc<dyn OperatorPlan>>) -> Engine {
        let vehicles: Arc<Vehicles> = Arc::default();
        let context = ShardContext { shard: 0, shards: 1, vehicles: vehicles.clone() };
        let current = Arc::new(CurrentShard::new(vehicles.clone()));
        let chain = Chain::new(&plans, &context, current, i64::MAX, LATENESS_US);
        Engine { plans, vehicles, chain, rows: Vec::new(), too_late: 0, frames: 0 }
    }

    pub fn batch(&mut self, reports: &[Report]) {
        let column: FieldRef = Arc::new(Field::new("ignition", DataType::Boolean, true));
        let origin = Origin { source: "test".into(), partition: "0".into() };
        let clocks = ClockRules { rollover: false, skew_max_us: 0 };
        let vehicles = std::slice::from_ref(&self.vehicles);
        let mut builder = FrameBuilder::new(vehicles, origin, clocks).with_columns(&[column]);
        for Report { vehicle, fix } in reports {
            builder.at(self.frames, EventTime(10_000 * DAY_US));
            self.frames += 1;
            let (event_time, speed_mps) = (EventTime(fix.time), fix.speed_mps);
            let frame = Frame { vehicle, event_time, lat: fix.lat, lon: fix.lon, speed_mps, ..Frame::default() };
            let row = builder.push_row(&frame);
            if let (Some(mut row), Some(on)) = (row, fix.ignition) {
                row.set(0, Extra::Bool(on));
            }
        }
        let output = self.chain.process(builder.finish().remove(0), 0);
        self.take(output.effects);
    }

    fn take(&mut self, effects: Effects) {
        self.rows.extend(effects.rows.iter().flat_map(|of| rows(&of.table, &of.rows)));
        self.too_late += effects.counts.get("too_late.trips").copied().unwrap_or_default();
    }

    pub fn end(&mut self) {
        let effects = self.chain.end();
        self.take(effects);
    }

    /// Stops here and goes on as another engine.
    pub fn restart(self) -> Engine {
        let plans = self.plans.clone();
        self.restart_with(plans)
    }

    pub fn restart_with(self, plans: Vec<Arc<dyn OperatorPlan>>) -> Engine {
        let through = |t: StateTable| StateTable { rows: decode(&t.table, &encode(&t.rows)).expect("its own"), ..t };
        let state: Vec<StateTable> = self.chain.snapshot().into_iter().map(through).collect();
        let mut next = Engine::new(plans);
        next.chain.restore(&state, &[]).expect("its own state");
        Engine { rows: self.rows, too_late: self.too_late, frames: self.frames, ..next }
    }

    /// Every row that was told, one a line, in order.
    pub fn lines(&self) -> String {
        self.rows.iter().map(Row::line).collect()
    }

    /// The newest revision of each trip and stop.
    pub fn newest(&self) -> Vec<Row> {
        let mut newest: BTreeMap<&str, &Row> = BTreeMap::new();
        for row in &self.rows {
            let known = newest.insert(&row.id, row);
            assert!(known.is_none_or(|known| known.revision + 1 == row.revision), "{known:?} {row:?}");
        }
        let mut rows: Vec<Row> = newest.into_values().cloned().collect();
        rows.sort_by(|a, b| (&a.vehicle, a.start, &a.table).cmp(&(&b.vehicle, b.start, &b.table)));
        rows
    }
}
