//! Windows against their definition: the newest revision of every window and key is the fold of the frames that were
//! accepted for it, whatever the batches, shards, barriers and restarts.

mod chains;
mod window_rows;
mod windows_by_definition;
mod windows_in_order;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, FieldRef, Int32Type, Int64Type, TimestampMicrosecondType};
use chains::Chains;
use expect_test::expect;
use proptest::prelude::*;
use rhumb_engine::frame::{Frame, core_columns};
use rhumb_engine::lane::{Lane, hash_of};
use rhumb_engine::message::Output;
use rhumb_engine::operator::OperatorPlan;
use rhumb_engine::time::{EventTime, SECOND_US};
use rhumb_geofence::{ZoneOptions, Zones};
use rhumb_operators::enrich::{EnrichConfig, EnrichPlan, VehicleTable};
use rhumb_operators::geofence::{GeofenceConfig, GeofencePlan};
use rhumb_operators::window::{Aggregate, Shape, WindowConfig, WindowPlan};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use window_rows::{Place, Row, newest, read, text};
use windows_by_definition::by_definition;

const LATENESS_S: i64 = 20;
const GAP_S: i64 = 25;
/// Width and slide of windows (s); a session has neither.
const SHAPES: [Option<(i64, i64)>; 4] = [Some((30, 30)), Some((90, 30)), Some((20, 10)), None];
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

fn config(shape: Option<(i64, i64)>, key: &[&str]) -> WindowConfig {
    let aggregates = [
        "count",
        "min(speed_mps)",
        "max(speed_mps)",
        "sum(speed_mps)",
        "first(lat)",
        "last(lat)",
        "quantile(speed_mps, 0.7)",
        "count_distinct(vehicle_id)",
        "p20(speed_mps)",
    ];
    let parse = |(n, text): (usize, &&str)| (format!("v{n}"), Aggregate::parse(text).expect("an aggregate"));
    WindowConfig {
        name: "w".to_owned(),
        shape: match shape {
            Some((size, every)) => Shape::Fixed { every_us: every * SECOND_US, size_us: size * SECOND_US },
            None => Shape::Session { gap_us: GAP_S * SECOND_US },
        },
        key: key.iter().map(|k| (*k).to_owned()).collect(),
        aggregates: aggregates.iter().enumerate().map(parse).collect(),
        lateness_us: LATENESS_S * SECOND_US,
        path_keep: 16,
        empty_zones: Vec::new(),
    }
}

fn plans(config: &WindowConfig) -> Vec<Arc<dyn OperatorPlan>> {
    let line = |(vehicle, fleet): &(&str, Option<&str>)| format!("{vehicle},{}\n", fleet.unwrap_or_default());
    let table = format!("vehicle_id,fleet\n{}", VEHICLES.iter().map(line).collect::<String>());
    let table = VehicleTable::from_csv(table.as_bytes(), "vehicle_id", None).expect("a table");
    let enrich = EnrichPlan::new("enrich", EnrichConfig { table: Some(Arc::new(table)), ..EnrichConfig::default() });
    let mut columns: Vec<FieldRef> = core_columns();
    columns.extend(enrich.columns());
    let geofence = GeofenceConfig { alerts: Vec::new(), ..GeofenceConfig::plain(zones(), "laws") };
    vec![
        Arc::new(enrich),
        Arc::new(GeofencePlan::new("geofence", geofence)),
        Arc::new(WindowPlan::new(config.clone(), &columns)),
    ]
}

/// An engine with one window, and the rows that it told.
struct Engine {
    chains: Chains,
    rows: Vec<RecordBatch>,
    too_late: u64,
}

impl Engine {
    fn new(config: &WindowConfig, shards: usize) -> Engine {
        Engine { chains: Chains::new(plans(config), config.lateness_us, shards), rows: Vec::new(), too_late: 0 }
    }

    fn batch(&mut self, frames: &[Drawn]) {
        for drawn in frames {
            let frame = Frame {
                vehicle: VEHICLES[drawn.vehicle].0,
                event_time: EventTime(drawn.time_s * SECOND_US),
                lat: (f64::from(drawn.lat) + 0.5) * 0.001,
                lon: (f64::from(drawn.lon) + 0.5) * 0.001,
                speed_mps: drawn.speed.map(f32::from),
                satellites: drawn.speed.map(i16::from),
                ..Frame::default()
            };
            self.chains.push(0, &frame);
        }
        let outputs = self.chains.process();
        self.take(outputs);
    }

    fn take(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            self.rows.extend(output.effects.rows.into_iter().map(|rows| rows.rows));
            self.too_late += output.effects.counts.values().sum::<u64>();
        }
    }

    fn barrier(&mut self) {
        self.rows.extend(self.chains.barrier().into_iter().map(|(_, rows)| rows));
    }

    /// Stops at a barrier and goes on as another engine with another number of shards.
    fn restart(mut self, shards: usize) -> Engine {
        self.barrier();
        Engine { chains: self.chains.restart(shards), ..self }
    }

    fn end(mut self) -> (Vec<RecordBatch>, u64) {
        let (outputs, merged) = self.chains.end();
        self.take(outputs);
        self.rows.extend(merged.into_iter().map(|(_, rows)| rows));
        (self.rows, self.too_late)
    }
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

/// How the frames come: shards, frames a batch, and after which batch it goes on with how many shards.
type Run = (usize, usize, Option<(usize, usize)>);

fn check(frames: &[Drawn], shape: Option<(i64, i64)>, key: &[&str], (shards, cut, restart): Run) {
    let mut engine = Engine::new(&config(shape, key), shards);
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
    let (expected, expected_too_late) = by_definition(frames, shape, key);
    assert_eq!(newest(&rows, key.len(), shape.is_none()), expected);
    assert_eq!(too_late, expected_too_late);
}

const KEYS: [&[&str]; 5] =
    [&["zone_id"], &["fleet"], &["vehicle_id"], &["fleet", "zone_id"], &["vehicle_id", "zone_id"]];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn windows_are_the_fold_of_their_frames(
        frames in drawn(), shape in 0..SHAPES.len(), key in 0..KEYS.len(), shards in 1usize..5, cut in 1usize..40,
        restart in prop::option::of((0usize..8, 1usize..5)),
    ) {
        check(&frames, SHAPES[shape], KEYS[key], (shards, cut, restart));
    }
}

fn frame(vehicle: usize, time_s: i64) -> Drawn {
    Drawn { vehicle, time_s, lat: 0, lon: 0, speed: None }
}

#[test]
fn a_lane_first_heard_of_when_windows_are_gone_adds_to_what_was_told() {
    let mut frames: Vec<Drawn> = (0..50).map(|n| frame(1, 1_500 + 3 * n)).collect();
    frames.extend([frame(0, 1_501), frame(2, 1_502), frame(0, 1_560), frame(3, 1_503)]);
    for (shape, key) in SHAPES.into_iter().flat_map(|shape| KEYS.map(|key| (shape, key))) {
        check(&frames, shape, key, (1, 1, None));
        check(&frames, shape, key, (2, 1, Some((51, 3))));
    }
}

#[test]
fn late_frame_counts_in_those_of_its_windows_that_are_open() {
    let mut frames: Vec<Drawn> = (0..10).map(|n| frame(0, 1_000 + 10 * n)).collect();
    frames.extend([frame(0, 1_001), frame(0, 961), frame(0, 1_100)]);
    for (shape, key) in SHAPES.into_iter().flatten().flat_map(|shape| KEYS.map(|key| (shape, key))) {
        check(&frames, Some(shape), key, (1, 3, None));
        check(&frames, Some(shape), key, (2, 1, Some((9, 3))));
    }
    // Windows to 1020 and to 1050 are past at 1050, that to 1080 is not.
    let found = by_definition(&frames, Some((90, 30)), &["vehicle_id"]);
    let counts: Vec<(i64, &str)> =
        found.0.iter().map(|((start, _), row)| (*start, row.split(' ').nth(1).expect("a count"))).collect();
    assert_eq!(counts, [(930, "2"), (960, "5"), (990, "9"), (1_020, "9"), (1_050, "6"), (1_080, "3")]);
    assert_eq!(found.1, 2);
}

#[test]
fn late_frame_joins_the_open_session_that_it_lies_in() {
    let mut frames: Vec<Drawn> = (0..10).map(|n| frame(0, 1_000 + 20 * n)).collect();
    frames.extend([frame(0, 1_010), frame(0, 985), frame(0, 950), frame(0, 1_200)]);
    for key in KEYS {
        check(&frames, None, key, (1, 3, None));
        check(&frames, None, key, (2, 1, Some((9, 3))));
        let expected = match key.contains(&"vehicle_id") {
            // What would begin a session earlier may lie near one that is gone, unless all frames are of one lane.
            true => (985, "13", 1),
            false => (1_000, "12", 2),
        };
        let found = by_definition(&frames, None, key);
        let ((start, _), row) = found.0.first_key_value().expect("a session");
        assert_eq!((*start, row.split(' ').nth(1).expect("a count"), found.1), expected, "{key:?}");
    }
}

/// Starts (s), counts, revisions and whether they were taken back, in the order in which they were told.
fn told(config: &WindowConfig, frames: &[Drawn]) -> Vec<(i64, i64, i32, bool)> {
    let mut engine = Engine::new(config, 1);
    for one in frames {
        engine.batch(std::slice::from_ref(one));
        engine.barrier();
    }
    let rows = engine.rows.iter().flat_map(|batch| read(batch, config.key.len()));
    rows.map(|(_, _, revision, row)| (row.start, row.numbers["v0"].unwrap_or(-1.0) as i64, revision, row.retracted))
        .collect()
}

#[test]
fn a_late_frame_between_two_sessions_makes_them_one_and_takes_the_second_back() {
    // Both sessions have been told when the frame comes that lies within the gap of both.
    let frames = [frame(0, 1_000), frame(0, 1_040), frame(0, 1_085), frame(0, 1_022), frame(0, 1_087)];
    for key in [["vehicle_id"], ["fleet"]] {
        assert_eq!(
            told(&config(None, &key), &frames),
            [(1_000, 1, 0, false), (1_040, 1, 0, false), (1_040, 0, 1, true), (1_000, 3, 1, false)],
            "{key:?}"
        );
    }
}

#[test]
fn a_session_that_a_late_frame_begins_is_told_under_its_new_start() {
    let frames = [frame(0, 1_000), frame(0, 1_050), frame(0, 990), frame(0, 1_051)];
    assert_eq!(
        told(&config(None, &["vehicle_id"]), &frames),
        [(1_000, 1, 0, false), (1_000, 0, 1, true), (990, 2, 0, false)]
    );
}

#[test]
fn windows_without_frames_are_told_for_known_zones_when_asked() {
    check_empty(30, 990);
}

#[test]
fn windows_that_overlap_are_told_once_without_frames_too() {
    check_empty(90, 930);
}

/// Windows so wide, of which `first` is the first that has a frame.
fn check_empty(size: i64, first: i64) {
    let zones: Vec<String> = ZONES.iter().map(|zone| zone.0.to_owned()).collect();
    let config = WindowConfig { empty_zones: zones, ..config(Some((size, 30)), &["zone_id"]) };
    // In zone a only; nothing from 1020 to 1080. The last is in no zone: time goes on without frames in zones.
    let in_zone = [1_000, 1_095, 1_200];
    let mut frames: Vec<Drawn> = in_zone.into_iter().map(|time_s| frame(0, time_s)).collect();
    frames.extend([1_250, 1_300, 1_350, 1_400].map(|time_s| Drawn { lat: -1, ..frame(0, time_s) }));
    for restart in [None, Some(0), Some(1), Some(3)] {
        let mut engine = Engine::new(&config, 1);
        for (n, one) in frames.iter().enumerate() {
            engine.batch(std::slice::from_ref(one));
            engine.barrier();
            if restart == Some(n) {
                engine = engine.restart(2);
            }
        }
        let rows = engine.rows;
        let mut counts: Vec<(i64, String, f64)> = Vec::new();
        for (key, _, revision, row) in rows.iter().flat_map(|batch| read(batch, 1)) {
            assert_eq!(revision, 0);
            counts.push((row.start, key, row.numbers["v0"].expect("a count")));
        }
        counts.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        let starts: Vec<i64> = (0..13).map(|n| first + 30 * n).collect();
        let frames = |start: i64, zone: &str| {
            let of_window = in_zone.iter().filter(|time| (start..start + size).contains(*time)).count();
            if zone == "a" { of_window as f64 } else { 0.0 }
        };
        let expected: Vec<(i64, String, f64)> = starts
            .iter()
            .flat_map(|start| ["a", "b", "c"].map(|zone| (*start, zone.to_owned(), frames(*start, zone))))
            .collect();
        assert_eq!(counts, expected, "{restart:?}");
    }
}

#[test]
fn cells_are_keys_by_their_resolution() {
    let mut engine = Engine::new(&config(SHAPES[0], &["h3_5", "h3_9"]), 1);
    engine.batch(&[frame(0, 1_000), frame(1, 1_001), Drawn { lat: 6, ..frame(2, 1_002) }]);
    let rows = engine.end().0;
    let mut cells: Vec<(String, f64)> = rows
        .iter()
        .flat_map(|batch| read(batch, 2))
        .map(|(key, _, _, row)| (key, row.numbers["v0"].expect("a count")))
        .collect();
    cells.sort_by(|a, b| a.0.cmp(&b.0));
    expect![[r#"
        [
            (
                "85754e67fffffff/89754e64d2fffff",
                2.0,
            ),
            (
                "85754e67fffffff/89754e64d77ffff",
                1.0,
            ),
        ]
    "#]]
    .assert_debug_eq(&cells);
}
