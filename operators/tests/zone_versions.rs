//! Zones that change, against an oracle that keeps the last place of every vehicle, asks every zone by its shape alone, and tells
//! what is different; and the decisions of docs/ZONES.md, case by case.

mod chains;

use chains::Chains;
use proptest::prelude::*;
use rhumb_engine::alert::AlertKind;
use rhumb_engine::frame::Frame;
use rhumb_engine::lane::{Lane, hash_of};
use rhumb_engine::message::Output;
use rhumb_engine::operator::OperatorPlan;
use rhumb_engine::reference::Change;
use rhumb_engine::time::{DAY_US, EventTime, SECOND_US};
use rhumb_geofence::{Position, ZoneOptions, Zones};
use rhumb_operators::geofence::{self, GeofenceConfig, GeofencePlan, ZoneRules};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An alert: vehicle, kind, zone, reason, version, frame's time, and of those of a change time and place.
type Said = (String, &'static str, String, &'static str, i64, i64, Option<(i64, u64, u64)>);

fn parse(text: &str) -> Arc<Zones> {
    Arc::new(Zones::from_geojson(text, &ZoneOptions::default()).expect("valid zones").0)
}

/// Squares, each `id west south side` in thousandths of a degree, with rules as properties after it.
fn squares(text: &str) -> Arc<Zones> {
    let feature = |square: &str| {
        let mut words = square.trim().splitn(5, ' ');
        let id = words.next().expect("an id");
        let [west, south, side] =
            [0; 3].map(|_| words.next().expect("a number").parse::<f64>().expect("a number") * 0.001);
        let (east, north, properties) = (west + side, south + side, words.next().unwrap_or("{}"));
        format!(
            r#"{{"type":"Feature","id":"{id}","properties":{properties},"geometry":{{"type":"Polygon","coordinates":
            [[[{west},{south}],[{east},{south}],[{east},{north}],[{west},{north}],[{west},{south}]]]}}}}"#
        )
    };
    let features: Vec<String> = text.split(';').filter(|part| !part.trim().is_empty()).map(feature).collect();
    parse(&format!(r#"{{"type":"FeatureCollection","features":[{}]}}"#, features.join(",")))
}

fn config(zones: &Arc<Zones>) -> GeofenceConfig {
    let rules = zones.iter().map(|zone| ZoneRules::plain().of_zone(zone).expect("rules")).collect();
    GeofenceConfig {
        rules,
        alerts: vec![AlertKind::Enter, AlertKind::Exit, AlertKind::Dwell],
        ..GeofenceConfig::plain(zones.clone(), "test")
    }
}

struct Job {
    chains: Chains,
    version: u32,
    frames: usize,
    said: Vec<Said>,
}

impl Job {
    fn new(zones: &Arc<Zones>, shards: usize) -> Job {
        let plans: Vec<Arc<dyn OperatorPlan>> = vec![Arc::new(GeofencePlan::new("geofence", config(zones)))];
        Job { chains: Chains::new(plans, DAY_US, shards), version: 1, frames: 0, said: Vec::new() }
    }

    fn frame(&mut self, vehicle: &str, time_s: i64, lat: f64, lon: f64) {
        let event_time = EventTime(time_s * SECOND_US);
        self.frames += 1;
        self.chains.push(self.frames, &Frame { vehicle, event_time, lat, lon, ..Frame::default() });
        let outputs = self.chains.process();
        self.take(outputs);
    }

    fn change(&mut self, zones: &Arc<Zones>) {
        self.version += 1;
        let content = geofence::version("geofence", config(zones), self.version);
        let change = Change { operator: "geofence".into(), version: self.version, content };
        let outputs = self.chains.change(&change);
        self.take(outputs);
    }

    fn take(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            for alerts in &output.effects.alerts {
                for row in 0..alerts.len() {
                    let alert = alerts.get(row);
                    let reason = alert.reason.name().unwrap_or_default();
                    let by_change = reason.starts_with("zone_");
                    self.said.push((
                        self.chains.vehicles[output.shard].id(alert.vehicle).to_owned(),
                        alert.kind.name(),
                        alerts.zones.ids.value(alert.zone as usize).to_owned(),
                        reason,
                        alerts.zones.version,
                        alert.frame_time.0 / SECOND_US,
                        by_change.then_some((alert.event_time.0 / SECOND_US, alert.lat.to_bits(), alert.lon.to_bits())),
                    ));
                }
            }
        }
    }

    /// What has been said since, in words: vehicle kind zone reason version, `@` the event time of those of a change.
    fn words(&mut self) -> String {
        let said = std::mem::take(&mut self.said);
        let words = said.iter().map(|(vehicle, kind, zone, reason, version, _, at)| {
            let at = at.map_or(String::new(), |(time, ..)| format!(" @{time}"));
            format!("{vehicle} {kind} {zone} {reason}{}v{version}{at}", if reason.is_empty() { "" } else { " " })
        });
        words.collect::<Vec<_>>().join("; ")
    }
}

/// The last place of every vehicle, and the zones that it is in.
#[derive(Default)]
struct Oracle {
    last: BTreeMap<String, (i64, f64, f64)>,
    inside: BTreeMap<String, BTreeSet<String>>,
    clocks: BTreeMap<u16, i64>,
    version: i64,
    said: Vec<Said>,
}

fn lane(vehicle: &str) -> u16 {
    Lane::of_hash(hash_of(vehicle.as_bytes())).0
}

fn holding(zones: &Zones, lat: f64, lon: f64) -> BTreeSet<String> {
    let at = Position::new(lat, lon).expect("a place");
    zones.iter().filter(|zone| zone.shape.holds(at)).map(|zone| zone.id.clone()).collect()
}

impl Oracle {
    fn frame(&mut self, zones: &Zones, vehicle: &str, time_s: i64, lat: f64, lon: f64) {
        self.last.insert(vehicle.to_owned(), (time_s, lat, lon));
        self.clocks.insert(lane(vehicle), time_s);
        self.differ(zones, vehicle, ["", ""]);
    }

    fn change(&mut self, zones: &Zones) {
        self.version += 1;
        for vehicle in self.last.keys().cloned().collect::<Vec<_>>() {
            self.differ(zones, &vehicle, ["zone_removed", "zone_added"]);
        }
    }

    fn differ(&mut self, zones: &Zones, vehicle: &str, [gone, come]: [&'static str; 2]) {
        let (time_s, lat, lon) = self.last[vehicle];
        let is = holding(zones, lat, lon);
        let was = self.inside.insert(vehicle.to_owned(), is.clone()).unwrap_or_default();
        let at = (!gone.is_empty()).then(|| (self.clocks[&lane(vehicle)], lat.to_bits(), lon.to_bits()));
        let mut say = |kind, zone: &String, reason| {
            self.said.push((vehicle.to_owned(), kind, zone.clone(), reason, self.version, time_s, at));
        };
        was.difference(&is).for_each(|zone| say("exit", zone, gone));
        is.difference(&was).for_each(|zone| say("enter", zone, come));
    }
}

#[derive(Debug, Clone)]
enum Event {
    Frame(u8, i32, i32),
    /// Squares by id: west, south, side; 0 is none.
    Zones([(i32, i32, i32); 5]),
}

fn square() -> impl Strategy<Value = (i32, i32, i32)> {
    (0i32..8, 0i32..8, prop::sample::select(vec![0, 3, 5]))
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let zones = || [square(), square(), square(), square(), square()].prop_map(Event::Zones);
    let frame = (0u8..12, -1i32..12, -1i32..12).prop_map(|(vehicle, lat, lon)| Event::Frame(vehicle, lat, lon));
    (zones(), prop::collection::vec(prop_oneof![6 => frame, 1 => zones()], 1..100))
        .prop_map(|(first, more)| [vec![first], more].concat())
}

fn zones_of(all: &[(i32, i32, i32); 5]) -> Arc<Zones> {
    let text = |(n, (west, south, side)): (usize, &(i32, i32, i32))| format!("z{n} {west} {south} {side}");
    let there = all.iter().enumerate().filter(|(_, (.., side))| *side > 0);
    squares(&there.map(text).collect::<Vec<_>>().join(";"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_told_is_how_the_zones_of_each_last_place_differ(events in events(), shards in 1usize..4) {
        let Event::Zones(first) = &events[0] else { panic!("zones come first") };
        let mut zones = zones_of(first);
        let mut job = Job::new(&zones, shards);
        let mut oracle = Oracle { version: 1, ..Oracle::default() };
        for (event, n) in events[1..].iter().zip(0..) {
            match event {
                Event::Frame(vehicle, lat, lon) => {
                    // Between the lines of the squares.
                    let (vehicle, time_s) = (format!("v{vehicle}"), 10_000 + 10 * n);
                    let [lat, lon] = [lat, lon].map(|of| f64::from(*of) * 0.001 + 0.0005);
                    job.frame(&vehicle, time_s, lat, lon);
                    oracle.frame(&zones, &vehicle, time_s, lat, lon);
                }
                Event::Zones(next) => {
                    zones = zones_of(next);
                    job.change(&zones);
                    oracle.change(&zones);
                }
            }
        }
        job.said.sort();
        oracle.said.sort();
        prop_assert_eq!(job.said, oracle.said);
    }
}

/// Steps: `zones SQUARES` or frames `vehicle time lat lon` (thousandths), each with what is said of it.
#[track_caller]
fn check(steps: &[(&str, &str)]) {
    let zones = |step: &str| squares(step.strip_prefix("zones ").expect("zones"));
    let mut job = Job::new(&zones(steps[0].0), 1);
    for (step, expected) in &steps[1..] {
        match step.split(' ').collect::<Vec<_>>()[..] {
            ["zones", ..] => job.change(&zones(step)),
            [vehicle, time, lat, lon] => {
                let [lat, lon] = [lat, lon].map(|text| text.parse::<f64>().expect("thousandths") * 0.001);
                job.frame(vehicle, time.parse().expect("seconds"), lat, lon);
            }
            _ => panic!("{step}"),
        }
        assert_eq!(job.words(), *expected, "{step}");
    }
}

#[test]
fn zone_that_appears_or_vanishes_is_told_of_vehicles_that_stand_in_it() {
    check(&[
        ("zones a 0 0 4; b 9 9 1", ""),
        ("car 100 2 2", "car enter a v1"),
        ("bus 130 8 8", ""),
        (
            "zones b 9 9 1; new 1 1 9",
            "car exit a zone_removed v2 @100; car enter new zone_added v2 @100; bus enter new zone_added v2 @130",
        ),
        ("car 140 2 3", ""),
        ("car 150 20 3", "car exit new v2"),
        ("zones b 9 9 1", "bus exit new zone_removed v3 @130"),
    ]);
}

#[test]
fn zone_with_another_shape_is_told_only_where_that_matters() {
    check(&[
        ("zones a 0 0 4", ""),
        ("near 100 1 1", "near enter a v1"),
        ("far 100 3 3", "far enter a v1"),
        ("zones a 0 0 2", "far exit a zone_removed v2 @100"),
        ("zones a 0 0 2 {\"name\": \"A\"}", ""),
        ("zones a 0 0 4", "far enter a zone_added v4 @100"),
        ("near 200 9 9", "near exit a v4"),
    ]);
}

#[test]
fn visit_to_a_zone_that_stays_goes_on_with_its_dwell() {
    check(&[
        ("zones a 0 0 4 {\"dwell\": \"5m\"}; b 8 8 1", ""),
        ("car 100 2 2", "car enter a v1"),
        ("zones a 0 0 4 {\"dwell\": \"5m\"}; c 6 6 1", ""),
        ("car 399 2 2", ""),
        ("car 400 2 2", "car dwell a v2"),
        ("zones a 0 0 3 {\"dwell\": \"5m\"}; c 6 6 1", ""),
        ("car 500 2 9", "car exit a v3"),
    ]);
}

#[test]
fn visit_is_measured_by_the_new_rules() {
    check(&[
        ("zones a 0 0 4 {\"dwell\": \"5m\"}", ""),
        ("car 100 2 2", "car enter a v1"),
        ("car 200 2 2", ""),
        ("zones a 0 0 4 {\"dwell\": \"1m\"}", "car dwell a v2"),
        ("zones a 0 0 4 {\"dwell\": \"10m\"}", ""),
        ("car 500 2 2", ""),
        ("car 700 2 2", "car dwell a v3"),
        ("zones a 0 0 4 {\"dwell\": \"10m\", \"vehicles\": \"bus-*\"}", "car exit a zone_removed v4 @700"),
        ("car 710 2 2", ""),
        ("zones a 0 0 4 {\"dwell\": \"10m\"}", "car enter a zone_added v5 @710"),
    ]);
}

#[test]
fn pending_changes_of_side_go_on_where_the_zone_does() {
    let a = "zones a 0 0 4 {\"confirm_frames\": 2, \"exit_buffer_m\": 30}";
    check(&[
        (a, ""),
        ("car 100 2 2", ""),
        (&format!("{a}; b 1 1 4"), "car enter b zone_added v2 @100"),
        ("car 110 2 2", "car enter a v2"),
        ("car 120 9 9", "car exit b v2"),
        (a, ""),
        ("car 130 9 9", "car exit a v3"),
    ]);
}

#[test]
fn late_frames_reach_back_to_the_change_and_no_further() {
    check(&[
        ("zones a 0 0 4; b 8 8 1", ""),
        ("car 100 2 2", "car enter a v1"),
        ("car 200 2 2", ""),
        ("zones a 0 0 4; new 1 1 2", "car enter new zone_added v2 @200"),
        // Outside, but of before the change.
        ("car 150 20 20", ""),
        ("car 300 2 2", ""),
        ("car 250 20 20", "car exit new v2; car exit a v2; car enter a v2; car enter new v2"),
    ]);
}
