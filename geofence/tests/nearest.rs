//! The nearest zone is the one that a scan over all zones finds, and the distance to it the one that a walk along its
//! border measures on the sphere (`nearest_oracle.py`; needs `RHUMB_PYTHON`, a Python that has numpy).

#![allow(clippy::unwrap_used, reason = "a test or bench stops at what it did not expect")]

mod common;

use common::{Scatter, name_of, needed, options_for, real_files, text_of};
use proptest::prelude::*;
use rhumb_geofence::{Nearest, NearestScratch, Position, Shape, ZoneOptions, Zones};
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Stdio};

/// What a scan finds: the least distance, and of equal ones the first zone.
fn scan(zones: &Zones, at: Position, within_m: f64) -> Option<(u32, f64)> {
    let all = (0..zones.len() as u32).map(|zone| (zone, zones.outside_m(zone, at)));
    all.filter(|(_, metres)| *metres <= within_m).min_by(|a, b| a.1.total_cmp(&b.1))
}

/// A box is measured corner by corner and an edge point by point, so a tie may go either way by a hair.
#[track_caller]
fn assert_same(zones: &Zones, at: Position, found: Option<(u32, f64)>, scanned: Option<(u32, f64)>) {
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b.max(1.0);
    match (found, scanned) {
        (None, None) => {}
        (Some((zone, metres)), Some((other, least))) => {
            assert!(near(metres, least), "{at:?}: {metres} m and {least} m");
            assert!(zone == other || near(zones.outside_m(zone, at), least), "{at:?}: zones {zone} and {other}");
        }
        (found, scanned) => panic!("{at:?}: {found:?} and {scanned:?}"),
    }
}

/// Small squares, triangles, circles and corridors around a place, which may lie at the antimeridian.
fn scattered(seed: u64, count: usize, at: (f64, f64)) -> Zones {
    let mut s = Scatter(seed);
    let wrap = |lon: f64| {
        if lon > 180.0 {
            lon - 360.0
        } else if lon < -180.0 {
            lon + 360.0
        } else {
            lon
        }
    };
    let features: Vec<Value> = (0..count)
        .map(|n| {
            let (x, y) = (at.0 + 0.3 * (s.unit() - 0.5), at.1 + 0.3 * (s.unit() - 0.5));
            let mut place = |reach: f64| [x + reach * (s.unit() - 0.5), y + reach * (s.unit() - 0.5)];
            let [a, b, c] = [place(0.05), place(0.05), place(0.05)];
            let (properties, geometry) = match n % 4 {
                0 => (
                    json!({"radius_m": 50.0 + 20.0 * n as f64}),
                    json!({"type": "Point", "coordinates": [wrap(a[0]), a[1]]}),
                ),
                1 => {
                    let line = [a, b, c].map(|p| [wrap(p[0]), p[1]]);
                    (json!({"buffer_m": 30.0}), json!({"type": "LineString", "coordinates": line}))
                }
                2 => (json!({}), json!({"type": "Polygon", "coordinates": [[a, b, c, a]]})),
                _ => {
                    let hole = [[x - 0.01, y - 0.01], [x + 0.01, y - 0.01], [x, y + 0.01], [x - 0.01, y - 0.01]];
                    let shell = [
                        [x - 0.03, y - 0.03],
                        [x + 0.03, y - 0.03],
                        [x + 0.03, y + 0.03],
                        [x - 0.03, y + 0.03],
                        [x - 0.03, y - 0.03],
                    ];
                    let (shell, hole) = (shell.to_vec(), hole.to_vec());
                    (json!({}), json!({"type": "MultiPolygon", "coordinates": [[shell, hole], [[a, b, c, a]]]}))
                }
            };
            json!({"type": "Feature", "properties": properties, "geometry": geometry})
        })
        .collect();
    let text = json!({"type": "FeatureCollection", "features": features}).to_string();
    Zones::from_geojson(&text, &ZoneOptions::default()).expect("zones").0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nearest_zone_is_the_one_that_a_scan_finds(
        seed in any::<u64>(), count in 1..40usize, within_m in prop::sample::select(vec![1.0, 300.0, 2_000.0, 10_000.0]),
        at in prop::sample::select(vec![(20.0, 10.0), (180.0, -16.5), (-180.0, 60.0), (-179.95, 0.0), (8.0, 84.0)]),
    ) {
        let zones = scattered(seed, count, at);
        let nearest = Nearest::new(&zones, within_m);
        let (mut s, mut scratch, mut holding) = (Scatter(seed ^ 7), NearestScratch::default(), Vec::new());
        for _ in 0..60 {
            let (lon, lat) = (at.0 + 0.5 * (s.unit() - 0.5), at.1 + 0.5 * (s.unit() - 0.5));
            let lon = if lon > 180.0 { lon - 360.0 } else if lon < -180.0 { lon + 360.0 } else { lon };
            let place = Position::new(lat, lon).unwrap();
            zones.containing(place, &mut holding);
            if holding.is_empty() {
                assert_same(&zones, place, nearest.outside(&zones, place, &mut scratch), scan(&zones, place, within_m));
            }
        }
    }
}

#[test]
fn zone_beyond_the_antimeridian_is_as_near_as_it_is() {
    let zone = |id: &str, lon: f64| {
        json!({"type": "Feature", "id": id, "properties": {}, "geometry": {"type": "Polygon", "coordinates":
            [[[lon, -1], [lon + 0.5, -1], [lon + 0.5, 1], [lon, 1], [lon, -1]]]}})
    };
    let text =
        json!({"type": "FeatureCollection", "features": [zone("west", 179.0), zone("east", -179.98)]}).to_string();
    let (zones, _) = Zones::from_geojson(&text, &ZoneOptions::default()).unwrap();
    let nearest = Nearest::new(&zones, 10_000.0);
    let ask = |lon: f64| {
        let found = nearest.outside(&zones, Position::new(0.0, lon).unwrap(), &mut NearestScratch::default());
        found.map(|(zone, metres)| (zones.id(zone).to_owned(), metres.round()))
    };
    // 0.01 degrees of the equator are 1,111.95 m.
    assert_eq!(ask(179.99), Some(("east".to_owned(), 3336.0)));
    assert_eq!(ask(180.0), Some(("east".to_owned(), 2224.0)));
    assert_eq!(ask(-180.0), Some(("east".to_owned(), 2224.0)));
    assert_eq!(ask(179.51), Some(("west".to_owned(), 1112.0)));
    assert_eq!(ask(179.75), None, "farther than 10 km from both");
}

#[test]
fn of_equally_near_zones_it_is_the_first_of_the_file() {
    let at = |lon: f64| json!({"type": "Feature", "properties": {"radius_m": 100}, "geometry": {"type": "Point", "coordinates": [lon, 0]}});
    let text = json!({"type": "FeatureCollection", "features": [at(0.02), at(0.01), at(-0.01), at(0.01)]}).to_string();
    let (zones, _) = Zones::from_geojson(&text, &ZoneOptions::default()).unwrap();
    let found =
        Nearest::new(&zones, 5_000.0).outside(&zones, Position::new(0.0, 0.0).unwrap(), &mut NearestScratch::default());
    assert_eq!(found.map(|(zone, _)| zone), Some(1));
}

/// Places up to some kilometres from random vertices, outside all zones, each with the zone and the metres found.
fn answers(zones: &Zones, within_m: f64) -> Vec<Value> {
    let vertices: Vec<[f64; 2]> = zones
        .iter()
        .flat_map(|zone| match &zone.shape {
            Shape::Polygons(polygons) => polygons.iter().flat_map(|p| p.shell.vertices().to_vec()).collect(),
            _ => Vec::new(),
        })
        .collect();
    let nearest = Nearest::new(zones, within_m);
    let (mut s, mut scratch, mut holding) = (Scatter(3), NearestScratch::default(), Vec::new());
    let mut answers = Vec::new();
    // Of the vertices at the antimeridian there are few.
    let edge: Vec<[f64; 2]> = vertices.iter().copied().filter(|v| v[0].abs() > 179.9 && v[1].abs() < 75.0).collect();
    for n in 0..600 {
        let of = if n % 4 == 0 && !edge.is_empty() { &edge } else { &vertices };
        let v = of[s.below(of.len())];
        let reach = 0.15 * s.unit();
        let (lat, lon) = (v[1] + reach * (s.unit() - 0.5), v[0] + reach * (s.unit() - 0.5));
        let lon = if lon > 180.0 {
            lon - 360.0
        } else if lon < -180.0 {
            lon + 360.0
        } else {
            lon
        };
        // The plane that distances are measured on is not good near the poles.
        let Ok(at) = Position::new(lat, lon) else { continue };
        zones.containing(at, &mut holding);
        if holding.is_empty() && lat.abs() < 75.0 {
            let found = nearest.outside(zones, at, &mut scratch);
            answers.push(json!([lat, lon, found.map(|(zone, _)| zone), found.map(|(_, metres)| metres)]));
        }
    }
    answers
}

#[test]
fn distances_on_real_zones_are_those_of_a_walk_along_their_borders() {
    let Some(python) = needed::python("numpy") else { return };
    let wanted = ["austin_neighborhoods", "sf_neighborhoods", "world_countries_50m", "swiss_cantons"];
    for path in real_files().iter().filter(|path| wanted.contains(&name_of(path).as_str())) {
        let (zones, _) = Zones::from_geojson(&text_of(path), &options_for(path)).expect("a usable file");
        let within_m = 8_000.0;
        let mut polygons = Vec::new();
        for (ordinal, zone) in zones.iter().enumerate() {
            let Shape::Polygons(parts) = &zone.shape else { continue };
            let rings = parts.iter().flat_map(|p| std::iter::once(&p.shell).chain(&p.holes));
            polygons.extend(rings.map(|ring| json!([ordinal, ring.vertices()])));
        }
        let answers = answers(&zones, within_m);
        let case = json!({"within_m": within_m, "rings": polygons, "answers": answers}).to_string();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/nearest_oracle.py");
        let child = Command::new(&python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("RHUMB_PYTHON runs");
        child.stdin.take().unwrap().write_all(case.as_bytes()).expect("the script reads");
        let output = child.wait_with_output().expect("the script ends");
        let report: Value = serde_json::from_slice(&output.stdout).expect("one line of JSON");
        assert_eq!(report["wrong"], json!([]), "{}: {report}", path.display());
        let (near, far) = (report["near"].as_u64().unwrap(), report["far"].as_u64().unwrap());
        eprintln!("{}: {near} near, {far} far, worst {}", name_of(path), report["worst"]);
        assert!(near > 60 && near + far == answers.len() as u64, "{}: {report}", path.display());
    }
}
