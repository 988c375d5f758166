//! Every rule of `validate`: what it refuses, and the reason, measured value and threshold that the reject carries.

mod support;

use rhumb_engine::reject::Reason;
use rhumb_engine::time::SECOND_US;
use rhumb_operators::enrich::VehicleTable;
use rhumb_operators::validate::{Overrides, ValidateConfig, ValidatePlan};
use std::collections::BTreeSet;
use std::sync::Arc;
use support::run;

/// Of the frames: which one, counted from 0, is refused, for what reason, with what measured and what threshold.
type Refused = (i64, &'static str, f64, f64);

fn refused(config: &ValidateConfig, frames: &str) -> Vec<Refused> {
    let output = run("car", frames, &[Arc::new(ValidatePlan::new("validate", config.clone()))]);
    let rejects = output.effects.rejects.iter();
    rejects
        .map(|r| (r.offset, r.reason.name(), r.measured.expect("measured"), r.threshold.expect("threshold")))
        .collect()
}

/// Values are held to a millionth of themselves.
#[track_caller]
fn check(config: ValidateConfig, frames: &str, expected: &[Refused]) {
    let refused = refused(&config, frames);
    let near = |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= b.abs() * 1e-6;
    let same = |(a, b): (&Refused, &Refused)| (a.0, a.1) == (b.0, b.1) && near(a.2, b.2) && near(a.3, b.3);
    assert!(refused.len() == expected.len() && refused.iter().zip(expected).all(same), "{frames}: {refused:?}");
}

/// No rule at all.
fn off() -> ValidateConfig {
    ValidateConfig {
        range: false,
        heading: false,
        speed_reported: false,
        null_island: false,
        duplicate: false,
        speed_max_mps: None,
        ..ValidateConfig::default()
    }
}

fn only(vehicle: &str) -> Option<Arc<BTreeSet<String>>> {
    Some(Arc::new(BTreeSet::from([vehicle.to_owned()])))
}

#[test]
fn place_that_is_none_is_refused() {
    let range = || ValidateConfig { range: true, ..off() };
    check(
        range(),
        "0 90 180; 1 -90 -180; 2 90.5 0; 3 0 -180.5; 4 -91 200",
        &[(2, "range", 90.5, 90.0), (3, "range", -180.5, 180.0), (4, "range", -91.0, 90.0)],
    );
    check(
        range(),
        "0 NaN 0; 1 0 NaN; 2 inf 0",
        &[(0, "range", f64::NAN, 90.0), (1, "range", f64::NAN, 180.0), (2, "range", f64::INFINITY, 90.0)],
    );
    let island = ValidateConfig { null_island: true, ..off() };
    check(
        island,
        "0 0 0; 1 0 0.000001; 2 -0.0 0; 3 0.000001 0",
        &[(0, "null_island", 0.0, 0.0), (2, "null_island", 0.0, 0.0)],
    );
}

#[test]
fn heading_that_is_none_is_refused() {
    let heading = ValidateConfig { heading: true, ..off() };
    check(
        heading,
        "0 1 1; 1 1 1 heading_deg=0; 2 1 1 heading_deg=360; 3 1 1 heading_deg=720; 4 1 1 heading_deg=-1; 5 1 1 heading_deg=NaN",
        &[(3, "heading", 720.0, 360.0), (4, "heading", -1.0, 0.0), (5, "heading", f64::NAN, 360.0)],
    );
}

#[test]
fn speed_that_the_device_says_is_held_against_the_most_that_is_possible() {
    let reported = |speed_max_mps| ValidateConfig { speed_reported: true, speed_max_mps, ..off() };
    let frames = "0 1 1; 1 1 1 speed_mps=70; 2 1 1 speed_mps=900; 3 1 1 speed_mps=-3; 4 1 1 speed_mps=0";
    let below = (3, "speed_reported", -3.0, 0.0);
    check(reported(Some(70.0)), frames, &[(2, "speed_reported", 900.0, 70.0), below]);
    // Without a most, what is below 0 is still no speed.
    check(reported(None), frames, &[below]);
    check(ValidateConfig { speed_max_mps: Some(70.0), ..off() }, frames, &[]);
}

#[test]
fn what_the_device_says_against_itself_is_refused() {
    check(
        ValidateConfig { no_fix: true, ..off() },
        "0 1 1 no_fix=0; 1 1 1 no_fix=1; 2 1 1",
        &[(1, "no_fix", 1.0, 0.0)],
    );
    let accuracy = ValidateConfig { accuracy_max_m: Some(50.0), ..off() };
    check(accuracy, "0 1 1; 1 1 1 accuracy_m=50; 2 1 1 accuracy_m=50.5", &[(2, "accuracy", 50.5, 50.0)]);
    let satellites = ValidateConfig { satellites_min: Some(4), ..off() };
    check(satellites, "0 1 1; 1 1 1 satellites=4; 2 1 1 satellites=3", &[(2, "satellites", 3.0, 4.0)]);
    let hdop = ValidateConfig { hdop_max: Some(2.5), ..off() };
    check(hdop, "0 1 1; 1 1 1 hdop=2.5; 2 1 1 hdop=7.25", &[(2, "hdop", 7.25, 2.5)]);
}

#[test]
fn frame_that_is_too_old_is_refused() {
    let past = ValidateConfig { past_max_us: Some(600 * SECOND_US), ..off() };
    check(past, "99400 1 1; 99399.5 1 1", &[(1, "past", 600.5, 600.0)]);
}

#[test]
fn vehicle_that_nobody_knows_is_refused() {
    check(ValidateConfig { known_vehicles: only("bus"), ..off() }, "0 1 1", &[(0, "unknown_vehicle", 0.0, 1.0)]);
    check(ValidateConfig { known_vehicles: only("car"), ..off() }, "0 1 1", &[]);
}

/// Vehicles are called `car` here; the table has others, too.
fn own(columns: &str, of_car: &str) -> Option<Arc<Overrides>> {
    let text =
        format!("vehicle_id,{columns}\nbus,{}\ncar,{of_car}\n", "1,".repeat(columns.split(',').count() - 1) + "1");
    let table = VehicleTable::from_csv(text.as_bytes(), "vehicle_id", None).expect("a table");
    Some(Arc::new(Overrides::from_table(&table).expect("thresholds")))
}

#[test]
fn thresholds_of_a_vehicle_stand_in_the_place_of_the_pipelines() {
    let all = "fleet,accuracy_max_m,satellites_min,hdop_max,rate_max_per_minute,distance_min_m,speed_max_mps";
    let strict = ValidateConfig {
        accuracy_max_m: Some(10.0),
        satellites_min: Some(9),
        overrides: own(all, "red,50,4,,,,"),
        hdop_max: Some(2.0),
        ..off()
    };
    check(
        strict,
        "0 1 1 accuracy_m=50 satellites=4 hdop=2; 1 1 1 accuracy_m=51; 2 1 1 satellites=3; 3 1 1 hdop=2.5",
        &[(1, "accuracy", 51.0, 50.0), (2, "satellites", 3.0, 4.0), (3, "hdop", 2.5, 2.0)],
    );
    // Rules that are off are on for the vehicle.
    let lax = |of_car: &str| ValidateConfig { overrides: own(all, of_car), ..off() };
    check(lax("red,,,2.5,,,"), "0 1 1 hdop=2.5; 1 1 1 hdop=2.75", &[(1, "hdop", 2.75, 2.5)]);
    check(lax("red,,,,2,,"), "0 1 1; 1 1 1; 2 1 1", &[(2, "rate_limit", 3.0, 2.0)]);
    check(lax("red,,,,,200,"), "0 1 1; 10 1.001 1", &[(1, "distance", 111.195_079_7, 200.0)]);
    check(lax("red,,,,,,100"), "0 1 1; 10 1.01 1", &[(1, "speed_max", 111.195_079_7, 100.0)]);
    check(lax("red,,,,,,"), "0 1 1 hdop=90; 0 1 1 accuracy_m=900; 1 50 50", &[]);
    let slow = ValidateConfig { speed_max_mps: Some(70.0), overrides: own(all, "red,,,,,,150"), ..off() };
    check(slow, "0 1 1; 10 1.01 1; 20 1.03 1", &[(2, "speed_max", 222.390_159_4, 150.0)]);
}

#[test]
fn thresholds_that_are_no_numbers_or_none_that_can_hold_are_refused() {
    for (of_car, message) in [
        ("fast", "column \"hdop_max\" is not of numbers"),
        ("true", "column \"hdop_max\" is not of numbers"),
        ("NaN", "column \"hdop_max\": NaN of vehicle \"car\" is not greater than 0 and at most 1000000000"),
        ("inf", "column \"hdop_max\": inf of vehicle \"car\" is not greater than 0 and at most 1000000000"),
        ("0", "column \"hdop_max\": 0 of vehicle \"car\" is not greater than 0 and at most 1000000000"),
        ("-2", "column \"hdop_max\": -2 of vehicle \"car\" is not greater than 0 and at most 1000000000"),
    ] {
        let text = format!("vehicle_id,hdop_max\ncar,{of_car}\nbus,\n");
        let table = VehicleTable::from_csv(text.as_bytes(), "vehicle_id", None).expect("a table");
        assert_eq!(Overrides::from_table(&table).expect_err(of_car).to_string(), message);
    }
}

#[test]
fn frames_over_the_rate_are_refused_in_their_own_minute() {
    let rate = || ValidateConfig { rate_max_per_minute: Some(2), ..off() };
    check(
        rate(),
        "0 1 1; 30 1 1; 59 1 1; 59.5 1 1; 60 1 1; 61 1 1; 62 1 1",
        &[(2, "rate_limit", 3.0, 2.0), (3, "rate_limit", 4.0, 2.0), (6, "rate_limit", 3.0, 2.0)],
    );
    // Late ones count with the frames of their minute that came in time.
    check(rate(), "0 1 1; 60 1 1; 1 1 1; 2 1 1; 61 1 1", &[(3, "rate_limit", 3.0, 2.0)]);
    // Later than sixteen minutes they count with the newest, so that a flood of old frames is refused too.
    check(rate(), "6000 1 1; 1 1 1; 61 1 1; 6001 1 1", &[(2, "rate_limit", 3.0, 2.0), (3, "rate_limit", 4.0, 2.0)]);
}

#[test]
fn second_frame_of_one_time_is_refused() {
    let duplicate = || ValidateConfig { duplicate: true, path_keep: 2, ..off() };
    check(duplicate(), "5 1 1; 5 1 2; 6 1 1; 5 1 1", &[(1, "duplicate", 0.0, 0.0), (3, "duplicate", 0.0, 0.0)]);
    // Forgotten by the path.
    check(duplicate(), "5 1 1; 6 1 1; 7 1 1; 5 1 1", &[]);
}

#[test]
fn frame_with_latitude_and_longitude_swapped_is_refused() {
    let swapped = || ValidateConfig { swapped: true, ..off() };
    // Along the equator a degree is 111,195.08 m; two points on it and a quarter of the way around are 90 of them.
    check(swapped(), "0 0 90; 10 90 0", &[(1, "swapped", 90.0 * 111_195.079_7, 50_000.0)]);
    // Late, before any other frame: against the one after it.
    check(swapped(), "10 0 90; 0 90 0", &[(1, "swapped", 90.0 * 111_195.079_7, 50_000.0)]);
    // A latitude that is none is told as swapped, if that is what it is; the first frame has nothing to tell it by.
    let ranged = || ValidateConfig { range: true, ..swapped() };
    check(
        ranged(),
        "0 30 -97; 10 -97 30; 20 -97 60",
        &[(1, "swapped", 12_858_889.565_580_836, 50_000.0), (2, "range", -97.0, 90.0)],
    );
    check(ranged(), "0 -97 30; 10 30 -97", &[(0, "range", -97.0, 90.0)]);
    // Not far off; far off either way.
    check(swapped(), "0 45 45.1; 10 45.1 45; 20 10 30", &[]);
}

#[test]
fn frame_that_has_not_moved_is_refused() {
    let standing = || ValidateConfig { r#static: true, ..off() };
    // A hundred thousandth of a degree of latitude is 1.11 m, half of it 0.556 m.
    check(
        standing(),
        "0 1 1 speed_mps=0; 1 1.000005 1 speed_mps=0; 2 1.00001 1 speed_mps=0; 3 1 1; 4 1 1 speed_mps=1",
        &[(1, "static", 0.555_975_4, 1.0)],
    );
    let distance = ValidateConfig { distance_min_m: Some(200.0), ..off() };
    // Each against the frame before it that was accepted, in time: the late one too.
    check(
        distance,
        "0 1 1; 10 1.001 1; 20 1.002 1; 15 1.0001 1",
        &[(1, "distance", 111.195_079_7, 200.0), (3, "distance", 11.119_507_97, 200.0)],
    );
}

#[test]
fn frame_that_no_vehicle_can_reach_is_refused() {
    let speed = || ValidateConfig { speed_max_mps: Some(70.0), ..off() };
    // A hundredth of a degree is 1,111.95 m; a frame that was refused is no neighbour.
    check(speed(), "0 1 1; 10 1.01 1; 20 1.01 1", &[(1, "speed_max", 111.195_079_7, 70.0)]);
    // Late: too fast from the frame before it, then too fast to the one after it.
    check(
        speed(),
        "0 1 1; 100 1.02 1; 5 1.01 1; 95 1.01 1; 50 1.01 1",
        &[(2, "speed_max", 222.390_159_4, 70.0), (3, "speed_max", 222.390_159_4, 70.0)],
    );
    // Two frames of one time have no speed between them.
    check(speed(), "0 1 1; 0 2 2", &[]);
}

#[test]
fn frame_that_comes_too_soon_is_refused() {
    let period = ValidateConfig { period_min_us: Some(10 * SECOND_US), ..off() };
    check(
        period,
        "0 1 1; 9.5 1 1; 10 1 1; 30 1 1; 21 1 1; 12 1 1",
        &[(1, "period_min", 9.5, 10.0), (5, "period_min", 2.0, 10.0)],
    );
}

type Switch = fn(&mut ValidateConfig);

/// All the rules are on and the last frame breaks all of them: it is refused by the first, then that one is switched off.
fn check_order(frames: &str, rules: &[(&str, Switch)], all: ValidateConfig) {
    let mut config = all;
    for (rule, switch_off) in rules {
        let refused = refused(&config, frames);
        assert_eq!(refused.last().map(|r| (r.0, r.1)), Some((2, *rule)), "{refused:?}");
        switch_off(&mut config);
    }
    assert_eq!(refused(&config, frames), []);
}

/// The order of docs/adr/0008-order-of-rules.md.
#[test]
fn frame_that_breaks_several_rules_is_refused_by_the_first() {
    let all = || ValidateConfig {
        no_fix: true,
        past_max_us: Some(600 * SECOND_US),
        accuracy_max_m: Some(50.0),
        satellites_min: Some(4),
        hdop_max: Some(2.0),
        known_vehicles: only("bus"),
        rate_max_per_minute: Some(2),
        swapped: true,
        r#static: true,
        distance_min_m: Some(5.0),
        period_min_us: Some(30 * SECOND_US),
        ..ValidateConfig::default()
    };
    let standing = "20 0.0001 0; 19 0.000001 0; 20 0 0 no_fix=1 accuracy_m=90 satellites=1 hdop=9 speed_mps=0";
    let alone: [(&str, Switch); 12] = [
        ("null_island", |c| c.null_island = false),
        ("no_fix", |c| c.no_fix = false),
        ("past", |c| c.past_max_us = None),
        ("accuracy", |c| c.accuracy_max_m = None),
        ("satellites", |c| c.satellites_min = None),
        ("hdop", |c| c.hdop_max = None),
        ("unknown_vehicle", |c| c.known_vehicles = None),
        ("rate_limit", |c| c.rate_max_per_minute = None),
        ("duplicate", |c| c.duplicate = false),
        ("static", |c| c.r#static = false),
        ("distance", |c| c.distance_min_m = None),
        ("period_min", |c| c.period_min_us = None),
    ];
    check_order(standing, &alone, all());
    let far = "20 50 20; 19 50 20; 20 20 50";
    let on_the_way: [(&str, Switch); 5] = [
        ("duplicate", |c| c.duplicate = false),
        ("swapped", |c| c.swapped = false),
        ("distance", |c| c.distance_min_m = None),
        ("speed_max", |c| c.speed_max_mps = None),
        ("period_min", |c| c.period_min_us = None),
    ];
    let path =
        ValidateConfig { swapped: true, distance_min_m: Some(1e7), period_min_us: Some(30 * SECOND_US), ..off() };
    check_order(far, &on_the_way, ValidateConfig { duplicate: true, speed_max_mps: Some(70.0), ..path });
    let outside: [(&str, Switch); 2] = [("range", |c| c.range = false), ("no_fix", |c| c.no_fix = false)];
    check_order("0 1 1; 1 1 1; 2 91 0 no_fix=1", &outside, ValidateConfig { range: true, no_fix: true, ..off() });
    let said: [(&str, Switch); 4] = [
        ("range", |c| c.range = false),
        ("heading", |c| c.heading = false),
        ("speed_reported", |c| c.speed_reported = false),
        ("no_fix", |c| c.no_fix = false),
    ];
    let says = ValidateConfig { range: true, heading: true, speed_reported: true, no_fix: true, ..off() };
    check_order("0 1 1; 1 1 1; 2 91 0 heading_deg=-1 speed_mps=-1 no_fix=1", &said, says);
}

#[test]
fn every_reason_is_documented_with_what_it_measures() {
    let page = include_str!("../../docs/REJECTS.md");
    let documented: Vec<&str> =
        page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(name, _)| name)).collect();
    let mut reasons: Vec<&str> = Reason::ALL.iter().map(|reason| reason.name()).collect();
    reasons.sort_unstable();
    let mut sorted = documented.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, reasons);
}
