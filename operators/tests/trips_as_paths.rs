//! Trips and stops against an oracle that has the whole path before it: however frames come, what is told in the end is what
//! the path in order of time means.

mod trip_engine;
mod trip_oracle;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use rhumb_engine::operator::OperatorPlan;
use rhumb_engine::sphere::METRES_PER_DEGREE;
use rhumb_engine::time::SECOND_US;
use rhumb_operators::trips::{TripsConfig, TripsPlan};
use std::collections::BTreeMap;
use std::sync::Arc;
use trip_engine::{Engine, Report, Row};
use trip_oracle::{Fix, Rules, find};

const KEEP: usize = 4;
const RULES: Rules = Rules { radius_m: 200.0, stop_us: 180 * SECOND_US, gap_us: 900 * SECOND_US };

fn small(lateness_us: i64) -> Vec<Arc<dyn OperatorPlan>> {
    let config = TripsConfig {
        stop_radius_m: RULES.radius_m,
        stop_us: RULES.stop_us,
        gap_us: RULES.gap_us,
        path_keep: KEEP,
        lateness_us,
        ..TripsConfig::plain("test")
    };
    vec![Arc::new(TripsPlan::new("trips", config))]
}

/// Three vehicles that stand, creep, drive and fall silent; some frames late.
fn drawn(late_by: usize) -> impl Strategy<Value = Vec<Report>> {
    let one = (
        0usize..3,
        prop::sample::select(vec![0, 1, 10, 10, 30, 30, 60, 60, 170, 180, 400, 900, 901, 5000]),
        prop::sample::select(vec![0.0, 0.0, 0.0, 15.0, 60.0, 150.0, 199.0, 400.0, 3000.0]),
        -1i32..2,
        prop::option::of(0f32..30.0),
        prop::option::of(any::<bool>()),
        0..=late_by,
    );
    prop::collection::vec(one, 1..150).prop_map(|all| {
        let mut reports = Vec::new();
        let (mut now, mut at) = ([0i64; 3], [(0.0, 0.0); 3]);
        for (n, (vehicle, seconds, metres, turn, speed_mps, ignition, late)) in all.into_iter().enumerate() {
            now[vehicle] += seconds * SECOND_US;
            let (lat, lon): &mut (f64, f64) = &mut at[vehicle];
            match turn {
                0 => *lat += metres / METRES_PER_DEGREE,
                turn => *lon += f64::from(turn) * metres / METRES_PER_DEGREE,
            }
            let fix = Fix { time: now[vehicle], lat: *lat, lon: *lon, speed_mps, ignition };
            reports.push((n + late * late, Report { vehicle: ["a", "b", "c"][vehicle], fix }));
        }
        reports.sort_by_key(|(place, _)| *place);
        reports.into_iter().map(|(_, report)| report).collect()
    })
}

/// The paths of vehicles as they come out of `keep` frames each that are held back, and how many came too late.
fn paths(reports: &[Report], keep: usize) -> (BTreeMap<&'static str, Vec<Fix>>, u64) {
    let mut all: BTreeMap<&str, (Vec<Fix>, Vec<Fix>)> = BTreeMap::new();
    let mut too_late = 0;
    for Report { vehicle, fix } in reports {
        let (passed, held) = all.entry(*vehicle).or_default();
        if passed.last().is_some_and(|last| fix.time < last.time) {
            too_late += 1;
            continue;
        }
        held.push(*fix);
        held.sort_by_key(|fix| fix.time);
        if held.len() > keep {
            passed.push(held.remove(0));
        }
    }
    (all.into_iter().map(|(vehicle, (passed, held))| (vehicle, [passed, held].concat())).collect(), too_late)
}

/// The oracle's rows of all vehicles, as the tables should have them.
fn expected(paths: &BTreeMap<&'static str, Vec<Fix>>) -> Vec<Row> {
    let of_vehicle = |(vehicle, path): (&&'static str, &Vec<Fix>)| {
        let row = |found: trip_oracle::Found| {
            let measured = RULES.measure(&path[found.first..=found.last]);
            let (first, last, place) = (path[found.first], path[found.last], path[found.place]);
            let seconds = |us: i64| us as f64 / SECOND_US as f64;
            let duration_s = seconds(last.time - first.time);
            let mut numbers: Vec<(&str, f64)> =
                vec![("duration_s", duration_s), ("frames", (found.last - found.first + 1) as f64)];
            let idle_us = if found.is_trip { measured.idle_us } else { measured.on_us };
            numbers.extend(measured.knows_ignition.then_some(("idle_s", seconds(idle_us))));
            if found.is_trip {
                numbers.extend([("distance_m", measured.distance_m), ("standing_s", seconds(measured.standing_us))]);
                numbers.push(("speed_avg_mps", measured.distance_m / duration_s));
                numbers.extend(measured.speed_max_mps.map(|speed| ("speed_max_mps", f64::from(speed))));
                numbers.extend([("start_lat", first.lat), ("start_lon", first.lon)]);
                numbers.extend([("end_lat", last.lat), ("end_lon", last.lon)]);
            } else {
                numbers.extend([("lat", place.lat), ("lon", place.lon)]);
            }
            Row {
                table: if found.is_trip { "trip" } else { "stop" }.to_owned(),
                vehicle: (*vehicle).to_owned(),
                start: first.time,
                end: last.time,
                numbers: numbers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
                zones: BTreeMap::new(),
                ended: found.ended.to_owned(),
                revision: 0,
                id: String::new(),
            }
        };
        find(path, &RULES).into_iter().map(row).collect::<Vec<_>>()
    };
    let mut rows: Vec<Row> = paths.iter().flat_map(of_vehicle).collect();
    rows.sort_by(|a, b| (&a.vehicle, a.start, &a.table).cmp(&(&b.vehicle, b.start, &b.table)));
    rows
}

#[track_caller]
fn same(told: Vec<Row>, expected: &[Row]) {
    assert_eq!(told.len(), expected.len(), "{told:#?} {expected:#?}");
    for (told, expected) in told.iter().zip(expected) {
        let plain = Row {
            numbers: expected.numbers.clone(),
            zones: BTreeMap::new(),
            revision: 0,
            id: String::new(),
            ..told.clone()
        };
        assert_eq!(plain, *expected);
        assert!(told.numbers.keys().eq(expected.numbers.keys()), "{told:?} {expected:?}");
        for (name, value) in &expected.numbers {
            let found = told.numbers[name];
            assert!((found - value).abs() <= value.abs() * 1e-6 + 1e-6, "{name}: {found} {value}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn rows_are_those_of_the_path_in_order(reports in drawn(3), cut in 1usize..40) {
        // Nobody falls silent before the end, so that late frames alone decide what the path is.
        let mut engine = Engine::new(small(i64::MAX));
        reports.chunks(cut).for_each(|batch| engine.batch(batch));
        engine.end();
        let (paths, too_late) = paths(&reports, KEEP);
        prop_assert_eq!(engine.too_late, too_late);
        same(engine.newest(), &expected(&paths));
    }

    #[test]
    fn what_is_told_of_the_silent_is_right_in_the_end(reports in drawn(0), cut in 1usize..40) {
        let mut engine = Engine::new(small(0));
        for (n, batch) in reports.chunks(cut).enumerate() {
            engine.batch(batch);
            if n % 3 == 1 {
                engine = engine.restart();
            }
            if n % 5 == 4 {
                engine.end();
            }
        }
        engine.end();
        prop_assert_eq!(engine.too_late, 0);
        same(engine.newest(), &expected(&paths(&reports, KEEP).0));
    }
}

#[test]
fn the_drawn_frames_reach_every_kind_of_row() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut kinds, mut too_late, mut told_again) = (BTreeMap::new(), 0, 0);
    for _ in 0..50 {
        let reports = drawn(3).new_tree(&mut runner).expect("a draw").current();
        let mut engine = Engine::new(small(0));
        for batch in reports.chunks(reports.len().div_ceil(2)) {
            engine.batch(batch);
            engine.end();
        }
        too_late += engine.too_late;
        told_again += engine.rows.iter().filter(|row| row.revision > 0).count();
        for row in engine.newest() {
            *kinds.entry((row.table, row.ended)).or_insert(0) += 1;
        }
    }
    assert!(kinds.len() == 4 && kinds.values().all(|rows| *rows > 20), "{kinds:?}");
    assert!(too_late > 0 && told_again > 10, "{too_late} {told_again}");
}
