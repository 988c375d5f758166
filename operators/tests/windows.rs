//! Windows against their definition: the newest revision of every window and key is the fold of the frames that were
//! accepted for it, whatever the batches, shards, barriers and restarts.

use arrow::array::{Array, AsArray, Float64Array, RecordBatch};
use arrow::datatypes::{DataType, FieldRef, Float64Type};
use proptest::prelude::*;
use rhumb_engine::builder::{ClockRules, FrameBuilder};
use rhumb_engine::chain::Chain;
use rhumb_engine::current::CurrentShard;
use rhumb_engine::frame::{Frame, Origin, core_columns};
use rhumb_engine::lane::{Lane, hash_of};
use rhumb_engine::message::Output;
use rhumb_engine::operator::{Merger, OperatorPlan, ShardContext};
use rhumb_engine::state::{StateReader, StateTable, StateWriter, of_lanes};
use rhumb_engine::time::{EventTime, SECOND_US};
use rhumb_engine::vehicle::Vehicles;
use rhumb_geofence::{ZoneOptions, Zones};
use rhumb_operators::enrich::{EnrichConfig, EnrichPlan, VehicleTable};
use rhumb_operators::geofence::{GeofenceConfig, GeofencePlan};
use rhumb_operators::window::{Aggregate, WindowConfig, WindowPlan};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

const LATENESS_S: i64 = 20;
const EVERY_S: i64 = 30;
const VEHICLES: [(&str, Option<&str>); 6] =
    [("v0", Some("red")), ("v1", Some("blue")), ("v2", Some("red")), ("v3", None), ("v4", Some("blue")), ("v5", None)];
/// West, south, side in cells of 0.001 degrees; frames stand in the middle of a cell.
const ZONES: [(&str, i32, i32, i32); 3] = [("a", 0, 0, 4), ("b", 2, 2, 4), ("c", 6, 0, 3)];

#[derive(Debug, Clone)]
struct Drawn {
    vehicle: usize,
    time_s: i64,
    lat: i32,
    lon: i32,
    speed: Option<u8>,
}

fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
    let one = (0..VEHICLES.len(), 0i64..40, -1i32..7, -1i32..10, prop::option::of(0u8..40), 0i64..100);
    prop::collection::vec(one, 1..150).prop_map(|all| {
        let mut now = 1_000;
        let of = |(vehicle, back, lat, lon, speed, jump): (usize, i64, i32, i32, Option<u8>, i64)| {
            // Mostly forward in time, with some disorder and some silence.
            now += if jump == 0 { 120 } else { 3 };
            Drawn { vehicle, time_s: now - 3 * back * i64::from(back % 3 == 0), lat, lon, speed }
        };
        all.into_iter().map(of).collect()
    })
}

fn zones() -> Arc<Zones> {
    let square = |(id, west, south, side): &(&str, i32, i32, i32)| {
        let [west, south, side] = [west, south, side].map(|cells| f64::from(*cells) * 0.001);
        let (east, north) = (west + side, south + side);
        format!(
            r#"{{"type":"Feature","id":"{id}","properties":{{}},"geometry":{{"type":"Polygon","coordinates":
            [[[{west},{south}],[{east},{south}],[{east},{north}],[{west},{north}],[{west},{south}]]]}}}}"#
        )
    };
    let features: Vec<String> = ZONES.iter().map(square).collect();
    let text = format!(r#"{{"type":"FeatureCollection","features":[{}]}}"#, features.join(","));
    Arc::new(Zones::from_geojson(&text, &ZoneOptions::default()).expect("valid zones").0)
}

fn config(key: &[&str]) -> WindowConfig {
    let aggregates = ["count", "min(speed_mps)", "max(speed_mps)", "sum(speed_mps)", "first(lat)", "last(lat)"];
    let parse = |(n, text): (usize, &&str)| (format!("v{n}"), Aggregate::parse(text).expect("an aggregate"));
    WindowConfig {
        name: "w".to_owned(),
        every_us: EVERY_S * SECOND_US,
        key: key.iter().map(|k| (*k).to_owned()).collect(),
        aggregates: aggregates.iter().enumerate().map(parse).collect(),
        lateness_us: LATENESS_S * SECOND_US,
    }
}

fn plans(config: &WindowConfig) -> Vec<Arc<dyn OperatorPlan>> {
    let line = |(vehicle, fleet): &(&str, Option<&str>)| format!("{vehicle},{}\n", fleet.unwrap_or_default());
    let table = format!("vehicle_id,fleet\n{}", VEHICLES.iter().map(line).collect::<String>());
    let table = VehicleTable::from_csv(table.as_bytes(), "vehicle_id", None).expect("a table");
    let enrich = EnrichPlan::new("enrich", EnrichConfig { table: Some(Arc::new(table)), add: Vec::new() });
    let mut columns: Vec<FieldRef> = core_columns();
    columns.extend(enrich.columns());
    let geofence = GeofenceConfig { zones: zones(), alerts: Vec::new(), pipeline: "laws".to_owned() };
    vec![
        Arc::new(enrich),
        Arc::new(GeofencePlan::new("geofence", geofence)),
        Arc::new(WindowPlan::new(config.clone(), &columns)),
    ]
}

/// One engine with one window.
struct Engine {
    config: WindowConfig,
    vehicles: Vec<Arc<Vehicles>>,
    chains: Vec<Chain>,
    merger: Option<Box<dyn Merger>>,
    builder: FrameBuilder,
    rows: Vec<RecordBatch>,
    too_late: u64,
}

impl Engine {
    fn new(config: &WindowConfig, shards: usize) -> Engine {
        let vehicles: Vec<Arc<Vehicles>> = (0..shards).map(|_| Arc::default()).collect();
        let plans = plans(config);
        let chain = |shard: usize| {
            let context = ShardContext { shard, shards, vehicles: vehicles[shard].clone() };
            let current = Arc::new(CurrentShard::new(vehicles[shard].clone()));
            Chain::new(&plans, &context, current, 3600 * SECOND_US, config.lateness_us)
        };
        let origin = Origin { source: "test".into(), partition: "0".into() };
        Engine {
            chains: (0..shards).map(chain).collect(),
            merger: plans.iter().find_map(|plan| plan.merger()),
            builder: FrameBuilder::new(&vehicles, origin, ClockRules { rollover: false, skew_max_us: 0 }),
            vehicles,
            config: config.clone(),
            rows: Vec::new(),
            too_late: 0,
        }
    }

    fn batch(&mut self, frames: &[Drawn]) {
        for drawn in frames {
            self.builder.at(0, EventTime(100_000 * SECOND_US));
            self.builder.push(&Frame {
                vehicle: VEHICLES[drawn.vehicle].0,
                event_time: EventTime(drawn.time_s * SECOND_US),
                lat: (f64::from(drawn.lat) + 0.5) * 0.001,
                lon: (f64::from(drawn.lon) + 0.5) * 0.001,
                speed_mps: drawn.speed.map(f32::from),
                ..Frame::default()
            });
        }
        for (shard, delivery) in self.builder.finish().into_iter().enumerate() {
            let output = self.chains[shard].process(delivery);
            self.take(output);
        }
    }

    fn take(&mut self, mut output: Output) {
        self.rows.extend(output.effects.rows.drain(..).map(|rows| rows.rows));
        self.too_late += output.effects.counts.values().sum::<u64>();
        for partial in output.effects.partials.drain(..) {
            self.merger.as_mut().expect("a merger").accept(partial.part);
        }
    }

    fn barrier(&mut self) {
        let clock = self.chains.iter().flat_map(Chain::clocks).map(|(_, clock)| clock).min();
        if let (Some(merger), Some(clock)) = (&mut self.merger, clock) {
            self.rows.extend(merger.fire(clock));
        }
    }

    /// Stops at a barrier and goes on as another engine with another number of shards.
    fn restart(mut self, shards: usize) -> Engine {
        self.barrier();
        let mut state: Vec<StateTable> = self.chains.iter().flat_map(Chain::snapshot).collect();
        let mut merged = StateWriter::default();
        merged.begin("merger");
        self.merger.iter().for_each(|merger| merger.snapshot(&mut merged));
        let merged = merged.finish();
        let through = |t: StateTable| {
            let rows = rhumb_engine::state::encode(&t.rows);
            StateTable { rows: rhumb_engine::state::decode(&t.table, &rows).expect("its own bytes"), ..t }
        };
        state = state.into_iter().map(through).collect();
        let merged: Vec<StateTable> = merged.into_iter().map(through).collect();
        let mut next = Engine::new(&self.config, shards);
        for (shard, chain) in next.chains.iter_mut().enumerate() {
            let own = of_lanes(&state, |lane| lane.shard(shards) == shard).expect("state");
            chain.restore(&own).expect("its own state");
        }
        if let Some(merger) = &mut next.merger {
            merger.restore(&StateReader::new(&merged, "merger")).expect("its own state");
        }
        (next.rows, next.too_late) = (self.rows, self.too_late);
        next
    }

    fn end(mut self) -> (Vec<RecordBatch>, u64) {
        for shard in 0..self.chains.len() {
            let effects = self.chains[shard].end();
            self.take(Output::of_effects(shard, effects));
        }
        if let Some(merger) = &mut self.merger {
            self.rows.extend(merger.fire(EventTime::MAX));
        }
        assert_eq!(self.vehicles.len(), self.chains.len());
        (self.rows, self.too_late)
    }
}

/// Window's start (s) and key.
type Place = (i64, String);

/// A row as numbers: end (s), then the aggregates with what stands beside them.
type Row = (i64, BTreeMap<String, Option<f64>>);

/// The newest revision of each window and key, its parts put together, as text.
fn newest(rows: &[RecordBatch], keys: usize) -> BTreeMap<Place, String> {
    let mut newest: BTreeMap<(Place, i32), (i32, Row)> = BTreeMap::new();
    for batch in rows {
        let number = |column: &str| {
            let column = batch.column_by_name(column).expect("a column");
            let whole = match column.data_type() {
                DataType::Timestamp(..) => &arrow::compute::cast(column, &DataType::Int64).expect("a time is a number"),
                _ => column,
            };
            arrow::compute::cast(whole, &DataType::Float64).expect("a number").as_primitive::<Float64Type>().clone()
        };
        let schema = batch.schema();
        let names = schema
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .filter(|name| name.starts_with("v") && !name.starts_with("vehicle"));
        let columns: Vec<(String, Float64Array)> = names.map(|name| (name.clone(), number(&name))).collect();
        let [starts, ends, revisions, parts] = ["window_start", "window_end", "revision", "part"].map(number);
        for row in 0..batch.num_rows() {
            let text = |at: usize| match batch.column(at).is_null(row) {
                true => "-".to_owned(),
                false => arrow::util::display::array_value_to_string(batch.column(at), row).expect("a value"),
            };
            let key = (2..2 + keys).map(text).collect::<Vec<_>>().join("/");
            let values = columns.iter().map(|(name, of)| (name.clone(), of.is_valid(row).then(|| of.value(row))));
            let seconds = |times: &Float64Array| times.value(row) as i64 / SECOND_US;
            let revision = revisions.value(row) as i32;
            let place = ((seconds(&starts), key), parts.value(row) as i32);
            let said = (revision, (seconds(&ends), values.collect()));
            if let Some((before, _)) = newest.get(&place) {
                assert_ne!(*before, revision, "one revision, two rows: {place:?}");
            }
            if newest.get(&place).is_none_or(|(before, _)| *before < revision) {
                newest.insert(place, said);
            }
        }
    }
    let mut merged: BTreeMap<Place, Vec<Row>> = BTreeMap::new();
    newest.into_iter().for_each(|((place, _), (_, row))| merged.entry(place).or_default().push(row));
    merged.into_iter().map(|(place, rows)| (place, merge(&rows))).collect()
}

fn merge(rows: &[Row]) -> String {
    let of = |name: &str| rows.iter().filter_map(|row| row.1[name]).collect::<Vec<f64>>();
    let text = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:?}"));
    let dated = |name: &str| {
        let time = |row: &Row| row.1[&format!("{name}__time")];
        rows.iter().filter_map(|row| Some((time(row)? as i64, row.1[name]?))).collect::<Vec<_>>()
    };
    let by_time = |a: &(i64, f64), b: &(i64, f64)| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1));
    [
        rows.iter().map(|row| row.0).max().expect("a row").to_string(),
        of("v0").iter().sum::<f64>().to_string(),
        text(of("v1").into_iter().reduce(f64::min)),
        text(of("v2").into_iter().reduce(f64::max)),
        text(of("v3").into_iter().reduce(|a, b| a + b)),
        text(dated("v4").into_iter().min_by(by_time).map(|found| found.1)),
        text(dated("v5").into_iter().max_by(by_time).map(|found| found.1)),
    ]
    .join(" ")
}

/// The keys of a frame.
fn keys_of(frame: &Drawn, key: &[&str]) -> Vec<String> {
    let holds = |zone: &&(&str, i32, i32, i32)| {
        let inside = |at: i32, from: i32| from <= at && at < from + zone.3;
        inside(frame.lon, zone.1) && inside(frame.lat, zone.2)
    };
    let of = |column: &&str| -> Vec<String> {
        match *column {
            "vehicle_id" => vec![VEHICLES[frame.vehicle].0.to_owned()],
            "fleet" => vec![VEHICLES[frame.vehicle].1.unwrap_or("-").to_owned()],
            _ => ZONES.iter().filter(holds).map(|zone| zone.0.to_owned()).collect(),
        }
    };
    key.iter()
        .map(of)
        .reduce(|a, b| a.iter().flat_map(|a| b.iter().map(move |b| format!("{a}/{b}"))).collect())
        .expect("a key")
}

/// Frames by window and key, of those that are not too late, and how many keys of others there were.
fn by_definition(frames: &[Drawn], key: &[&str]) -> (BTreeMap<Place, String>, u64) {
    let mut clocks: HashMap<Lane, i64> = HashMap::new();
    let mut windows: BTreeMap<Place, Vec<&Drawn>> = BTreeMap::new();
    let mut too_late = 0;
    for frame in frames {
        let lane = Lane::of_hash(hash_of(VEHICLES[frame.vehicle].0.as_bytes()));
        let clock = clocks.entry(lane).or_insert(frame.time_s);
        *clock = frame.time_s.max(*clock);
        let keys = keys_of(frame, key);
        let start = frame.time_s / EVERY_S * EVERY_S;
        if start + EVERY_S + 2 * LATENESS_S <= *clock {
            too_late += keys.len() as u64;
            continue;
        }
        keys.into_iter().for_each(|key| windows.entry((start, key)).or_default().push(frame));
    }
    (windows.into_iter().map(|(place, frames)| (place.clone(), fold(place.0 + EVERY_S, &frames))).collect(), too_late)
}

fn fold(end: i64, frames: &[&Drawn]) -> String {
    let speeds = || frames.iter().filter_map(|frame| frame.speed);
    let text = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:?}"));
    let lat = |frame: &&Drawn| (frame.time_s, frame.lat);
    let degrees = |found: Option<(i64, i32)>| text(found.map(|(_, lat)| (f64::from(lat) + 0.5) * 0.001));
    [
        end.to_string(),
        frames.len().to_string(),
        text(speeds().min().map(f64::from)),
        text(speeds().max().map(f64::from)),
        text(speeds().map(f64::from).reduce(|a, b| a + b)),
        degrees(frames.iter().map(lat).min()),
        degrees(frames.iter().map(lat).max()),
    ]
    .join(" ")
}

fn check(frames: &[Drawn], key: &[&str], shards: usize, cut: usize, restart: Option<(usize, usize)>) {
    let mut engine = Engine::new(&config(key), shards);
    for (n, batch) in frames.chunks(cut).enumerate() {
        engine.batch(batch);
        if n % 2 == 0 {
            engine.barrier();
        }
        match restart {
            Some((at, shards)) if at == n => engine = engine.restart(shards),
            _ => {}
        }
    }
    let (rows, too_late) = engine.end();
    let (expected, expected_too_late) = by_definition(frames, key);
    assert_eq!(newest(&rows, key.len()), expected);
    assert_eq!(too_late, expected_too_late);
}

const KEYS: [&[&str]; 4] = [&["zone_id"], &["fleet"], &["vehicle_id"], &["fleet", "zone_id"]];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn windows_are_the_fold_of_their_frames(
        frames in drawn(), key in 0..KEYS.len(), shards in 1usize..5, cut in 1usize..40,
        restart in prop::option::of((0usize..8, 1usize..5)),
    ) {
        check(&frames, KEYS[key], shards, cut, restart);
    }
}

#[test]
fn a_lane_first_heard_of_when_windows_are_gone_adds_to_what_was_told() {
    let frame = |vehicle, time_s| Drawn { vehicle, time_s, lat: 0, lon: 0, speed: None };
    let mut frames: Vec<Drawn> = (0..50).map(|n| frame(1, 1_500 + 3 * n)).collect();
    frames.extend([frame(0, 1_501), frame(2, 1_502), frame(0, 1_560), frame(3, 1_503)]);
    for key in KEYS {
        check(&frames, key, 1, 1, None);
        check(&frames, key, 2, 1, Some((51, 3)));
    }
}
