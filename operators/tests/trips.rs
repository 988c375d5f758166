//! What each rule of trips and stops means, in a sentence.

mod trip_engine;
mod trip_oracle;

use expect_test::{Expect, expect};
use rhumb_engine::operator::OperatorPlan;
use rhumb_engine::sphere::METRES_PER_DEGREE;
use rhumb_engine::time::SECOND_US;
use rhumb_geofence::{ZoneOptions, Zones};
use rhumb_operators::geofence::{GeofenceConfig, GeofencePlan};
use rhumb_operators::trips::{TripsConfig, TripsPlan};
use std::sync::Arc;
use trip_engine::{Engine, LATENESS_US, Report, Row};
use trip_oracle::Fix;

/// West of 1,000 m, and from 4,500 m to 5,500 m, of the equator.
const FEATURES: &str = r#"{"type":"FeatureCollection","features":[
 {"type":"Feature","id":"depot","properties":{},"geometry":{"type":"Polygon","coordinates":[[[-1,-1],[0.009,-1],[0.009,1],[-1,1],[-1,-1]]]}},
 {"type":"Feature","id":"shop","properties":{},"geometry":{"type":"Polygon","coordinates":[[[0.0404,-1],[0.0495,-1],[0.0495,1],[0.0404,1],[0.0404,-1]]]}},
 {"type":"Feature","id":"town","properties":{},"geometry":{"type":"Polygon","coordinates":[[[0.03,-1],[0.06,-1],[0.06,1],[0.03,1],[0.03,-1]]]}}]}"#;

/// A vehicle on its way along the equator.
#[derive(Clone)]
struct Drive {
    vehicle: &'static str,
    reports: Vec<Report>,
    now_s: i64,
    at_m: f64,
    ignition: Option<bool>,
}

impl Drive {
    fn new(vehicle: &'static str) -> Drive {
        let drive = Drive { vehicle, reports: Vec::new(), now_s: 0, at_m: 0.0, ignition: None };
        drive.report()
    }

    fn report(mut self) -> Drive {
        let (time, lon) = (self.now_s * SECOND_US, self.at_m / METRES_PER_DEGREE);
        let fix = Fix { time, lat: 0.0, lon, speed_mps: None, ignition: self.ignition };
        self.reports.push(Report { vehicle: self.vehicle, fix });
        self
    }

    /// A frame every 30 s.
    fn stands(mut self, seconds: i64) -> Drive {
        for _ in 0..seconds / 30 {
            self.now_s += 30;
            self = self.report();
        }
        self
    }

    /// A frame every 10 s; 10 m/s.
    fn drives(mut self, metres: i64) -> Drive {
        for _ in 0..metres / 100 {
            (self.now_s, self.at_m) = (self.now_s + 10, self.at_m + 100.0);
            self = self.report();
        }
        self
    }

    fn falls_silent(mut self, seconds: i64) -> Drive {
        self.now_s += seconds;
        self
    }

    /// One frame this much further on.
    fn shows_up(mut self, metres: i64) -> Drive {
        self.at_m += metres as f64;
        self.report()
    }

    fn ignition(mut self, on: bool) -> Drive {
        self.ignition = Some(on);
        self
    }
}

fn plain() -> Vec<Arc<dyn OperatorPlan>> {
    vec![Arc::new(TripsPlan::new("trips", TripsConfig { lateness_us: LATENESS_US, ..TripsConfig::plain("test") }))]
}

#[track_caller]
fn check(drive: Drive, expected: Expect) {
    let mut engine = Engine::new(plain());
    engine.batch(&drive.reports);
    engine.end();
    expected.assert_eq(&engine.lines());
}

#[test]
fn trips_and_stops_share_their_ends() {
    check(
        Drive::new("bus").stands(600).drives(5000).stands(900).drives(2000).stands(300),
        expect![[r#"
            trip of bus 600..1100, distance 5000, standing 0, frames 51, stopped
            stop of bus 0..600, frames 21, moved
            stop of bus 1100..2000, frames 31, moved
            trip of bus 2000..2200, distance 2000, standing 0, frames 21, stopped
            stop of bus 2200..2500, frames 11, silent
        "#]],
    );
}

#[test]
fn standing_for_less_than_stop_for_is_a_part_of_the_trip() {
    check(
        Drive::new("bus").drives(3000).stands(150).drives(3000),
        expect![[r#"
        trip of bus 0..750, distance 6000, standing 150, frames 66, silent
    "#]],
    );
}

#[test]
fn vehicle_that_has_never_left_has_no_trip() {
    check(Drive::new("bus").drives(100).falls_silent(60).shows_up(-100), expect![[r#""#]]);
    check(Drive::new("bus"), expect![[r#""#]]);
}

#[test]
fn trip_begins_with_the_first_of_the_legs_that_were_driven() {
    // Creeping 20 m in half a minute is not driving; nor is a jump that is not followed by another.
    let creeps = |drive: Drive| drive.falls_silent(30).shows_up(20);
    check(
        creeps(creeps(Drive::new("bus").stands(600))).falls_silent(10).shows_up(60).stands(30).drives(3000),
        expect![[r#"
            stop of bus 0..700, frames 25, moved
            trip of bus 700..1000, distance 3000, standing 0, frames 31, silent
        "#]],
    );
}

#[test]
fn silence_ends_a_trip_and_nothing_is_known_of_what_was_meanwhile() {
    check(
        Drive::new("bus").drives(3000).falls_silent(3601).shows_up(9000).drives(1000),
        expect![[r#"
        trip of bus 0..300, distance 3000, standing 0, frames 31, silent
        trip of bus 3901..4001, distance 1000, standing 0, frames 11, silent
    "#]],
    );
    check(
        Drive::new("bus").drives(3000).falls_silent(3600).shows_up(9000).drives(1000),
        expect![[r#"
        trip of bus 0..4000, distance 13000, standing 0, frames 42, silent
    "#]],
    );
}

#[test]
fn vehicle_that_was_silent_and_has_not_moved_stood_there() {
    check(
        Drive::new("bus").drives(3000).falls_silent(36_000).shows_up(30).drives(3000).falls_silent(100_000).shows_up(0),
        expect![[r#"
            trip of bus 0..300, distance 3000, standing 0, frames 31, silent
            stop of bus 300..36300, frames 2, moved
            trip of bus 36300..36600, distance 3000, standing 0, frames 31, silent
            stop of bus 36600..136600, frames 2, silent
        "#]],
    );
    check(
        Drive::new("bus").stands(300).falls_silent(36_000).shows_up(5000).stands(300),
        expect![[r#"
        stop of bus 0..300, frames 11, silent
        stop of bus 36300..36600, frames 11, silent
    "#]],
    );
}

#[test]
fn idling_is_standing_with_the_ignition_on() {
    check(
        Drive::new("bus").ignition(true).drives(1000).stands(90).drives(1000).stands(300).ignition(false).stands(600),
        expect![[r#"
            trip of bus 0..290, distance 2000, standing 90, idle 90, frames 24, stopped
            stop of bus 290..1190, idle 330, frames 31, silent
        "#]],
    );
    check(
        Drive::new("bus").drives(1000).stands(300),
        expect![[r#"
        trip of bus 0..100, distance 1000, standing 0, frames 11, stopped
        stop of bus 100..400, frames 11, silent
    "#]],
    );
}

#[test]
fn late_frames_find_their_place_as_far_as_frames_are_held_back() {
    let drive = Drive::new("bus").drives(3000).stands(600).drives(3000);
    let rows = |reports: &[Report]| {
        let mut engine = Engine::new(plain());
        engine.batch(reports);
        engine.end();
        (engine.lines(), engine.too_late)
    };
    let in_order = rows(&drive.reports);
    let mut late = drive.reports.clone();
    late[20..35].reverse();
    assert_eq!(rows(&late), in_order);
    let frame = late.remove(10);
    late.insert(40, frame);
    let told = rows(&late);
    assert_eq!(told.1, 1);
    assert_ne!(told.0, in_order.0, "it has a frame less");
}

/// Another vehicle of the same lane, whose frames move its clock.
fn lane_mate(of: &str) -> &'static str {
    let lane = |id: &str| rhumb_engine::lane::Lane::of_hash(rhumb_engine::lane::hash_of(id.as_bytes()));
    let mate = (0..).map(|n| format!("mate{n}")).find(|mate| lane(mate) == lane(of)).expect("there are many names");
    mate.leak()
}

fn clock_to(seconds: i64, vehicle: &'static str) -> Vec<Report> {
    // A step counts once a second frame has made it.
    [seconds - 1, seconds].map(|at| Drive::new(vehicle).falls_silent(at).report().reports.remove(1)).to_vec()
}

#[test]
fn silent_vehicle_is_told_by_the_clock_of_its_lane_and_again_if_more_comes() {
    let mate = lane_mate("bus");
    let mut engine = Engine::new(plain());
    let drive = Drive::new("bus").drives(3000);
    engine.batch(&drive.reports);
    engine.batch(&clock_to(300 + 3600 + 300, mate));
    assert_eq!(engine.lines(), "", "not before its time");
    engine.batch(&clock_to(300 + 3600 + 301, mate));
    expect![[r#"
        trip of bus 0..300, distance 3000, standing 0, frames 31, silent
    "#]]
    .assert_eq(&engine.lines());
    let told = engine.rows.len();
    let more = drive.clone().drives(3000).stands(300);
    engine.batch(&more.reports[drive.reports.len()..]);
    engine.end();
    expect![[r#"
        trip of bus 0..600, distance 6000, standing 0, frames 61, stopped, revision 1
        stop of bus 600..900, frames 11, silent
    "#]]
    .assert_eq(&engine.rows[told..].iter().filter(|r| r.vehicle == "bus").map(Row::line).collect::<String>());
}

#[test]
fn what_is_open_at_the_end_of_the_input_is_told_and_goes_on_with_the_next_run() {
    let drive = Drive::new("bus").stands(300).drives(3000);
    let mut engine = Engine::new(plain());
    engine.batch(&drive.reports);
    engine.end();
    let mut engine = engine.restart();
    engine.end();
    expect![[r#"
        stop of bus 0..300, frames 11, moved
        trip of bus 300..600, distance 3000, standing 0, frames 31, silent
    "#]]
    .assert_eq(&engine.lines());
    let told = engine.rows.len();
    engine.batch(&drive.clone().drives(3000).stands(300).reports[drive.reports.len()..]);
    engine.end();
    expect![[r#"
        trip of bus 300..900, distance 6000, standing 0, frames 61, stopped, revision 1
        stop of bus 900..1200, frames 11, silent
    "#]]
    .assert_eq(&engine.rows[told..].iter().map(Row::line).collect::<String>());
}

#[test]
fn trips_know_the_zones_that_they_begin_and_end_in() {
    let zones = Arc::new(Zones::from_geojson(FEATURES, &ZoneOptions::default()).expect("valid zones").0);
    let mut plans: Vec<Arc<dyn OperatorPlan>> =
        vec![Arc::new(GeofencePlan::new("geofence", GeofenceConfig::plain(zones, "test")))];
    plans.extend(plain());
    let drive = Drive::new("bus").stands(300).drives(5000).stands(600).drives(3000).stands(300);
    let mut engine = Engine::new(plans);
    engine.batch(&drive.reports[..80]);
    let mut engine = engine.restart();
    engine.batch(&drive.reports[80..]);
    engine.end();
    expect![[r#"
        stop of bus 0..300, frames 11, zones depot, moved
        trip of bus 300..800, distance 5000, standing 0, frames 51, zones depot > shop+town, stopped
        stop of bus 800..1400, frames 21, zones shop+town, moved
        trip of bus 1400..1700, distance 3000, standing 0, frames 31, zones shop+town > , stopped
        stop of bus 1700..2000, frames 11, zones , silent
    "#]]
    .assert_eq(&engine.lines());
}

#[test]
fn a_run_that_holds_fewer_frames_back_takes_up_those_that_were_held() {
    let drive = Drive::new("bus").stands(300).drives(3000).stands(600);
    let plans = |path_keep| -> Vec<Arc<dyn OperatorPlan>> {
        vec![Arc::new(TripsPlan::new("trips", TripsConfig { path_keep, ..TripsConfig::plain("test") }))]
    };
    let mut whole = Engine::new(plans(16));
    whole.batch(&drive.reports);
    whole.end();
    for keep in [1, 5, 40] {
        let mut engine = Engine::new(plans(16));
        engine.batch(&drive.reports[..50]);
        let mut engine = engine.restart_with(plans(keep));
        engine.batch(&drive.reports[50..]);
        engine.end();
        assert_eq!(engine.lines(), whole.lines(), "{keep}");
    }
}

#[test]
fn ids_are_those_of_the_pipeline_and_the_same_in_every_replay() {
    let ids = |pipeline: &str| {
        let config = TripsConfig { lateness_us: LATENESS_US, ..TripsConfig::plain(pipeline) };
        let mut engine = Engine::new(vec![Arc::new(TripsPlan::new("trips", config))]);
        engine.batch(&Drive::new("bus").stands(300).drives(3000).reports);
        engine.end();
        engine.rows.iter().map(|row| row.id.clone()).collect::<Vec<_>>()
    };
    let (a, b) = (ids("a"), ids("b"));
    assert_eq!(a, ids("a"));
    assert_eq!((a.len(), a[0].len()), (2, 16));
    assert!(a[0] != a[1] && a.iter().all(|id| !b.contains(id)), "{a:?} {b:?}");
}
