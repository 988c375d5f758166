//! A pipeline's output without a pipeline: seeded batches of frames with all that can come with them, and the same rows
//! one by one, for comparison.

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use rhumb_connectors::lake::{KEYS_KEY, LakePlan};
use rhumb_engine::alert::{Alert, AlertBatch, AlertId, AlertKind, AlertReason, AlertZones};
use rhumb_engine::builder::{ClockRules, FrameBuilder};
use rhumb_engine::effects::{Effects, TableRows};
use rhumb_engine::frame::{Frame, Origin, ZoneLists, core_columns, timestamp, timestamps, zone_ids_column};
use rhumb_engine::message::Output;
use rhumb_engine::operator::TablePlan;
use rhumb_engine::reject::{Reason, Reject};
use rhumb_engine::retry::Retry;
use rhumb_engine::sink::{Sink, SinkContext, SinkPlan};
use rhumb_engine::time::{DAY_US, EventTime};
use rhumb_engine::vehicle::Vehicles;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// 2025-10-09T00:00:00Z.
pub const START: i64 = 20_370 * DAY_US;
pub const SHARDS: usize = 2;
const ZONES: u64 = 5;

/// A frame of the history as its sender would tell it.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub struct Row {
    pub vehicle_id: String,
    pub event_time: i64,
    pub received_at: i64,
    pub lat: f64,
    pub lon: f64,
    pub speed_mps: Option<f32>,
    pub satellites: Option<i16>,
    pub source: String,
    pub zone_ids: Option<Vec<String>>,
    pub fleet: Option<String>,
}

/// A generator that is the same everywhere: xorshift.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}

/// The column that an enrich operator would add.
pub fn fleet_column() -> FieldRef {
    Arc::new(Field::new("fleet", DataType::Utf8, true))
}

/// The table that a window operator would write.
pub fn windows_plan() -> TablePlan {
    let column = |name: &str, data_type, nullable| Field::new(name, data_type, nullable);
    let fields = vec![
        column("window_start", timestamp(), false),
        column("window_end", timestamp(), false),
        column("zone_id", DataType::Utf8, false),
        column("frames", DataType::UInt64, false),
        column("speed_avg", DataType::Float64, true),
        column("revision", DataType::Int64, false),
        column("part", DataType::Int64, false),
    ];
    let keys = HashMap::from([(KEYS_KEY.to_owned(), "zone_id".to_owned())]);
    let schema = Arc::new(Schema::new_with_metadata(fields, keys));
    TablePlan { name: "windows_zones".into(), schema, date_from: "window_start" }
}

pub fn context(data: &Path, claim: u64) -> SinkContext {
    let mut history = core_columns();
    history.extend([zone_ids_column(), fleet_column()]);
    SinkContext {
        pipeline: "test".to_owned(),
        data: data.to_owned(),
        bucket: None,
        retry: Arc::new(Retry::off()),
        claim,
        instance: None,
        live_claims: Default::default(),
        vehicles: (0..SHARDS).map(|_| Arc::new(Vehicles::default())).collect(),
        history,
        tables: vec![windows_plan()],
    }
}

pub fn open(context: &SinkContext) -> Box<dyn Sink> {
    LakePlan::default().with_group_rows(1000).open(context).expect("the lake opens")
}

/// Frames of about fifty vehicles over two days, a tenth of them out of order, in batches as readers cut them. `seed`
/// also decides when they start, so that different seeds give different frames.
pub fn frames(context: &SinkContext, seed: u64, rows: usize) -> (Vec<Output>, Vec<Row>) {
    let mut random = Random::new(seed);
    let (mut outputs, mut expected) = (Vec::new(), Vec::new());
    let clocks = ClockRules { rollover: false, skew_max_us: i64::MAX / 2 };
    let zone_ids = Arc::new(StringArray::from_iter_values((0..ZONES).map(|z| format!("zone-{z}"))));
    while expected.len() < rows {
        let source = format!("source-{}", random.below(2));
        let origin = Origin { source: source.as_str().into(), partition: "0".into() };
        let mut builder = FrameBuilder::new(&context.vehicles, origin, clocks);
        let has_speed = random.below(3) > 0;
        let mut of_shard: Vec<Vec<usize>> = vec![Vec::new(); SHARDS];
        for _ in 0..=random.below(300).min((rows - expected.len()) as u64 - 1) {
            let row = expected.len();
            let time = START + seed as i64 + (row as i64 * 2 * DAY_US / rows as i64);
            let late = if random.below(10) == 0 { random.below(3_600_000_000) as i64 } else { 0 };
            let of = Row {
                vehicle_id: format!("v{}", random.below(50)),
                event_time: time - late,
                received_at: time + 250_000,
                lat: random.below(180_000) as f64 / 1000.0 - 90.0,
                lon: random.below(360_000_000) as f64 / 1_000_000.0 - 180.0,
                speed_mps: (has_speed && random.below(4) > 0).then(|| random.below(400) as f32 / 10.0),
                satellites: (random.below(2) > 0).then(|| random.below(20) as i16),
                source: source.clone(),
                zone_ids: None,
                fleet: None,
            };
            builder.at(row as i64, EventTime(of.received_at));
            builder.push(&Frame {
                vehicle: &of.vehicle_id,
                event_time: EventTime(of.event_time),
                lat: of.lat,
                lon: of.lon,
                speed_mps: of.speed_mps,
                satellites: of.satellites,
                ..Frame::default()
            });
            expected.push(of);
        }
        let (with_zones, with_fleet) = (random.below(4) > 0, random.below(2) > 0);
        for (shard, delivery) in builder.finish().into_iter().enumerate() {
            let mut frames = delivery.frames;
            of_shard[shard] = frames.offset.values().iter().map(|row| *row as usize).collect();
            if with_zones {
                let inside: Vec<Vec<u32>> = of_shard[shard]
                    .iter()
                    .map(|_| (0..ZONES as u32).filter(|_| random.below(5) == 0).collect())
                    .collect();
                for (row, zones) in of_shard[shard].iter().zip(&inside) {
                    expected[*row].zone_ids = Some(zones.iter().map(|z| format!("zone-{z}")).collect());
                }
                frames.zones = Some(ZoneLists {
                    offsets: OffsetBuffer::from_lengths(inside.iter().map(Vec::len)),
                    zones: inside.concat().into(),
                    ids: zone_ids.clone(),
                });
            }
            if with_fleet {
                let fleets = of_shard[shard].iter().map(|row| (row % 3 > 0).then(|| format!("fleet-{}", row % 3)));
                let fleets: Vec<Option<String>> = fleets.collect();
                for (row, fleet) in of_shard[shard].iter().zip(&fleets) {
                    expected[*row].fleet = fleet.clone();
                }
                frames.extra.push((fleet_column(), Arc::new(StringArray::from(fleets)) as ArrayRef));
            }
            outputs.push(Output { shard, frames, effects: Effects::default() });
        }
    }
    (outputs, expected)
}

/// An alert for each of the first rows of each batch.
pub fn add_alerts(outputs: &mut [Output], per_batch: usize) -> u64 {
    let zones = Arc::new(AlertZones {
        ids: Arc::new(StringArray::from(vec!["harbour", "airport"])),
        attributes: Arc::new(StringArray::from(vec!["{\"name\":\"Harbour\"}", "{}"])),
        hashes: vec![1, 2],
        version: 3,
    });
    let mut sequence = 0;
    for output in outputs {
        let mut alerts = AlertBatch::with_capacity(zones.clone(), 0);
        for row in 0..per_batch.min(output.frames.len()) {
            let id = AlertId::new(1, 2, AlertKind::Enter, EventTime(sequence + row as i64), 0);
            alerts.push(Alert {
                kind: if row % 2 == 0 { AlertKind::Enter } else { AlertKind::Exit },
                vehicle: output.frames.vehicle.value(row),
                zone: (row % 2) as u32,
                event_time: EventTime(output.frames.event_time.value(row) - 1),
                frame_time: EventTime(output.frames.event_time.value(row)),
                received_at: EventTime(output.frames.received_at.value(row)),
                lat: output.frames.lat.value(row),
                lon: output.frames.lon.value(row),
                id,
                visit: id,
                reason: AlertReason::Moved,
                late: false,
                supersedes: None,
                left: None,
            });
        }
        let next = sequence + alerts.len() as i64;
        alerts.sequence = Some(Int64Array::from_iter_values(sequence..next));
        sequence = next;
        output.effects.alerts.push(Arc::new(alerts));
    }
    sequence as u64
}

pub fn add_reject(output: &mut Output, event_time: Option<i64>) {
    output.effects.reject(Reject {
        reason: Reason::Range,
        measured: Some(91.0),
        threshold: Some(90.0),
        event_time: event_time.map(EventTime),
        received_at: EventTime(START),
        raw: b"\xff{}".as_slice().into(),
        ..Reject::default()
    });
}

/// Rows of `windows_zones`: (window, zone, frames, revision).
pub fn add_windows(output: &mut Output, rows: &[(i64, &str, u64, i64)]) {
    let starts: Vec<i64> = rows.iter().map(|r| START + r.0 * 60_000_000).collect();
    let ends: Vec<i64> = starts.iter().map(|s| s + 60_000_000).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(timestamps(starts)),
        Arc::new(timestamps(ends)),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|r| r.1))),
        Arc::new(arrow::array::UInt64Array::from_iter_values(rows.iter().map(|r| r.2))),
        Arc::new(Float64Array::from_iter(rows.iter().map(|_| Some(1.5)))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.3))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|_| 0))),
    ];
    let plan = windows_plan();
    let rows = RecordBatch::try_new(plan.schema, columns).expect("columns as the plan has them");
    output.effects.rows.push(TableRows { table: plan.name, rows });
}
