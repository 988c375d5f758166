//! Corridors, points with a radius, zones across the antimeridian and around a pole, against slow versions of their own.

mod common;

use common::{Scatter, assert_all_agree};
use proptest::prelude::*;
use rhumb_geofence::{EARTH_RADIUS_M, Position, Severity, Side, ZoneLists, ZoneOptions, Zones};
use serde_json::{Value, json};

fn zones_of(features: &[Value]) -> (Zones, Vec<String>) {
    let text = json!({"type": "FeatureCollection", "features": features}).to_string();
    let (zones, problems) = Zones::from_geojson(&text, &ZoneOptions::default()).expect("valid zones");
    let said = problems.iter().filter(|p| p.severity == Severity::Note).map(|p| p.what.to_string()).collect();
    (zones, said)
}

fn zone_of(geometry: &Value, properties: &Value) -> (Zones, Vec<String>) {
    zones_of(&[json!({"type": "Feature", "id": "z", "properties": properties, "geometry": geometry})])
}

fn haversine_m(a: [f64; 2], b: [f64; 2]) -> f64 {
    let sin2 = |x: f64| (x / 2.0).sin().powi(2);
    let [lon1, lat1, lon2, lat2] = [a[0], a[1], b[0], b[1]].map(f64::to_radians);
    2.0 * EARTH_RADIUS_M * (sin2(lat2 - lat1) + lat1.cos() * lat2.cos() * sin2(lon2 - lon1)).sqrt().min(1.0).asin()
}

/// The least haversine distance to a line, by looking at many points of it and then closer around the best.
fn line_distance_m(line: &[[f64; 2]], p: [f64; 2]) -> f64 {
    let of_edge = |a: [f64; 2], b: [f64; 2]| {
        let turn = if b[0] - a[0] > 180.0 {
            -360.0
        } else if b[0] - a[0] < -180.0 {
            360.0
        } else {
            0.0
        };
        let at = |t: f64| [a[0] + (b[0] + turn - a[0]) * t, a[1] + (b[1] - a[1]) * t];
        let (mut best, mut reach) = (0.5, 0.5);
        for _ in 0..16 {
            let steps = (-8..=8).map(|n| (best + reach * f64::from(n) / 8.0).clamp(0.0, 1.0));
            best = steps.min_by(|s, t| haversine_m(at(*s), p).total_cmp(&haversine_m(at(*t), p))).expect("steps");
            reach /= 4.0;
        }
        haversine_m(at(best), p)
    };
    line.array_windows().map(|[a, b]| of_edge(*a, *b)).fold(haversine_m(line[0], p), f64::min)
}

fn position(lon: f64, lat: f64) -> Position {
    Position::new(lat, lon).expect("a place")
}

fn wrapped(lon: f64) -> f64 {
    if lon > 180.0 {
        lon - 360.0
    } else if lon < -180.0 {
        lon + 360.0
    } else {
        lon
    }
}

/// Its box on each side of 180 degrees once had only the latitudes of the end that lies there.
#[test]
fn corridor_that_slants_over_the_antimeridian_is_found_between_its_ends() {
    let (zones, _) = zone_of(
        &json!({"type": "LineString", "coordinates": [[179.9, -17.0], [-179.9, -16.8]]}),
        &json!({"buffer_m": 100}),
    );
    let steps = || (1..40).map(|n| f64::from(n) / 40.0);
    let (lat, lon): (Vec<f64>, Vec<f64>) = steps().map(|t| (-17.0 + 0.2 * t, wrapped(179.9 + 0.2 * t))).unzip();
    let mut lists = ZoneLists::default();
    zones.containing_batch(&lat, &lon, &mut lists);
    assert!((0..lists.len()).all(|row| lists.row(row) == [0]), "{lists:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_corridor_is_what_is_near_its_line(
        seed in any::<u64>(), lon in prop_oneof![-180.0..180.0f64, 179.99..180.0f64], lat in -80.0..80.0f64, corners in 1usize..12,
        log_buffer in 0.5..4.5f64, log_step in -3.0..0.5f64,
    ) {
        let mut scatter = Scatter(seed);
        let (step, buffer_m) = (10f64.powf(log_step), 10f64.powf(log_buffer));
        let mut at = [lon, lat];
        let mut line = vec![at];
        for _ in 0..corners {
            at = [wrapped(at[0] + step * (2.0 * scatter.unit() - 1.0)), (at[1] + step * (2.0 * scatter.unit() - 1.0)).clamp(-84.0, 84.0)];
            line.push(at);
        }
        let (zones, _) = zone_of(&json!({"type": "LineString", "coordinates": line}), &json!({"buffer_m": buffer_m}));
        let reach = buffer_m / 111_000.0 * 2.0;
        let (mut lats, mut lons) = (Vec::new(), Vec::new());
        for _ in 0..60 {
            let near = line[(scatter.unit() * line.len() as f64) as usize % line.len()];
            let east = reach / near[1].to_radians().cos();
            lats.push((near[1] + (reach + step * 0.3) * (2.0 * scatter.unit() - 1.0)).clamp(-90.0, 90.0));
            lons.push(wrapped(near[0] + (east + step * 0.3).min(90.0) * (2.0 * scatter.unit() - 1.0)));
        }
        assert_all_agree(&zones, &lats, &lons);
        for (lat, lon) in lats.iter().zip(&lons) {
            let distance = line_distance_m(&line, [*lon, *lat]);
            if (distance / buffer_m - 1.0).abs() > 1e-4 {
                prop_assert_eq!(zones.contains(0, position(*lon, *lat)), distance < buffer_m, "{} m of {}", distance, buffer_m);
            }
        }
    }

    #[test]
    fn ways_cross_a_corridor_where_the_distance_says(seed in any::<u64>()) {
        let mut scatter = Scatter(seed);
        let line = vec![[10.0, 50.0], [10.02, 50.0], [10.02, 50.02], [10.05, 50.01]];
        let (zones, _) = zone_of(&json!({"type": "LineString", "coordinates": line}), &json!({"buffer_m": 200}));
        let mut at = || position(9.99 + 0.07 * scatter.unit(), 49.99 + 0.04 * scatter.unit());
        for _ in 0..20 {
            let (from, to) = (at(), at());
            let inside = |t: f64| zones.contains(0, Zones::along(from, to, t));
            match (inside(0.0), inside(1.0)) {
                (false, true) => {
                    let t = zones.crossing(0, from, to, Side::Enter);
                    prop_assert!(inside((t + 1e-6).min(1.0)) && !inside((t - 1e-6).max(0.0)), "{t}");
                    prop_assert!((0..200).all(|n| inside(t + (1.0 - t) * f64::from(n + 1) / 201.0)));
                }
                (true, false) => {
                    let t = zones.crossing(0, from, to, Side::Exit);
                    prop_assert!(!inside((t + 1e-6).min(1.0)) && inside((t - 1e-6).max(0.0)), "{t}");
                    prop_assert!((0..200).all(|n| inside(t * f64::from(n) / 200.0)));
                }
                _ => {}
            }
        }
    }

    #[test]
    fn zones_passed_are_those_that_a_fine_walk_meets(seed in any::<u64>(), count in 1usize..25) {
        let mut s = Scatter(seed);
        let features: Vec<Value> = (0..count).map(|n| {
            let (x, y, r) = (4.0 * s.unit(), 4.0 * s.unit(), 0.05 + 0.5 * s.unit());
            let (geometry, properties) = match n % 3 {
                0 => (json!({"type": "Point", "coordinates": [x, y]}), json!({"radius_m": r * 111_000.0})),
                1 => (json!({"type": "LineString", "coordinates": [[x, y], [x + r, y - r]]}), json!({"buffer_m": r * 40_000.0})),
                _ => (json!({"type": "Polygon", "coordinates": [[[x, y], [x + r, y], [x + r, y + r], [x + r / 2.0, y + r / 3.0], [x, y]]]}), json!({})),
            };
            json!({"type": "Feature", "properties": properties, "geometry": geometry})
        }).collect();
        let (zones, _) = zones_of(&features);
        let mut at = || position(-1.0 + 6.0 * s.unit(), -1.0 + 6.0 * s.unit());
        let (mut passed, mut near) = (Vec::new(), Vec::new());
        for _ in 0..30 {
            let (from, to) = (at(), at());
            zones.passed(from, to, &mut passed);
            let may = zones.may_pass(from, to, &[], &mut near);
            prop_assert!(passed.is_empty() || may);
            const STEPS: u32 = 400;
            for zone in 0..zones.len() as u32 {
                let inside = |n: u32| zones.contains(zone, Zones::along(from, to, f64::from(n) / f64::from(STEPS)));
                let found = passed.iter().find(|(z, ..)| *z == zone);
                let met: Vec<u32> = (0..=STEPS).filter(|n| inside(*n)).collect();
                if inside(0) || inside(STEPS) {
                    prop_assert!(found.is_none());
                } else if let (Some(first), Some(last)) = (met.first(), met.last()) {
                    // The walk may step over a corner, never the other way around.
                    let (_, entry, exit) = found.expect("a zone that the walk is in");
                    prop_assert!(*entry <= f64::from(*first) / f64::from(STEPS) && f64::from(*last) / f64::from(STEPS) <= *exit);
                }
            }
        }
    }
}

#[test]
fn several_points_with_a_radius_are_their_circles() {
    let points = [[179.999, 0.0], [8.5, 47.0], [0.0, 89.99]];
    let (zones, _) = zone_of(&json!({"type": "MultiPoint", "coordinates": points}), &json!({"radius_m": 1500}));
    for (lon, lat, inside) in [
        (-179.99, 0.0, true),
        (-179.98, 0.0, false),
        (8.5, 47.0134, true),
        (8.5, 47.0136, false),
        (180.0, 89.999, true),
    ] {
        assert_eq!(zones.contains(0, position(lon, lat)), inside, "{lon} {lat}");
    }
    assert_all_agree(&zones, &[0.0, 0.0, 47.0134, 89.999], &[-179.99, -179.98, 8.5, 180.0]);
}

#[test]
fn a_way_over_the_antimeridian_goes_the_short_way() {
    let square = json!({"type": "Polygon", "coordinates": [[[179, -1], [-179, -1], [-179, 1], [179, 1], [179, -1]]]});
    let (zones, said) = zone_of(&square, &json!({}));
    assert_eq!(said.len(), 1, "{said:?}");
    let (west, east) = (position(178.0, 0.0), position(-178.0, 0.0));
    let inside = position(-179.5, 0.0);
    assert!((zones.crossing(0, west, inside, Side::Enter) - 0.4).abs() < 1e-12);
    assert!((zones.crossing(0, inside, west, Side::Exit) - 0.6).abs() < 1e-12);
    assert_eq!(Zones::along(west, east, 0.75), position(-179.0, 0.0));
    let mut passed = Vec::new();
    zones.passed(west, east, &mut passed);
    let [(0, entry, exit)] = passed[..] else { panic!("{passed:?}") };
    assert!((entry - 0.25).abs() < 1e-12 && (exit - 0.75).abs() < 1e-12);
    assert!((zones.outside_m(0, position(-178.9, 0.0)) - 11_119.5).abs() < 1.0);
}

/// Written from -180 to 180, as a plane is drawn: the edge back is no edge.
#[test]
fn a_ring_that_closes_after_a_turn_goes_around_the_pole() {
    let caps = [
        "[[-180,80],[-90,80],[0,80],[90,80],[180,80],[-180,80]]",
        "[[-180,80],[-90,82],[0,80],[90,80],[180,80],[-180,80]]",
        "[[180,80],[90,80],[0,80],[-90,80],[-180,80],[180,80]]",
        "[[-180,80],[-90,80],[0,80],[90,80],[180,80]]",
        "[[0,80],[90,80],[180,80],[-180,80],[-90,80],[0,80]]",
        "[[0,80],[90,80],[180,80],[270,80],[360,80],[0,80]]",
        "[[-180,80],[0,80],[180,80],[-180,80]]",
        "[[-180,80],[0,82],[90,80],[180,80],[-180,80]]",
        "[[-180,80],[-90,80],[0,80],[90,80],[180,81],[-180,80]]",
    ];
    let inside = [(-135.0, 84.0), (0.0, 88.0), (170.0, 83.0), (180.0, 90.0), (-180.0, 85.0), (60.0, 84.0)];
    let outside = [(-135.0, 79.0), (0.0, 79.0), (100.0, 10.0), (-60.0, -85.0), (180.0, 79.0)];
    for cap in caps {
        for (turned, pole) in [(false, "north"), (true, "south")] {
            let side = |lat: f64| if turned { -lat } else { lat };
            let mut ring: Vec<[f64; 2]> = serde_json::from_str(cap).expect("JSON");
            ring.iter_mut().for_each(|v| v[1] = side(v[1]));
            let (zones, said) = zone_of(&json!({"type": "Polygon", "coordinates": [ring]}), &json!({}));
            assert!(said.iter().any(|said| said.contains(&format!("around the {pole} pole"))), "{cap}: {said:?}");
            for (places, expected) in [(&inside[..], true), (&outside[..], false)] {
                let (lons, lats): (Vec<f64>, Vec<f64>) = places.iter().map(|(lon, lat)| (*lon, side(*lat))).unzip();
                for (lon, lat) in lons.iter().zip(&lats) {
                    assert_eq!(zones.contains(0, position(*lon, *lat)), expected, "{cap} {lon} {lat}");
                }
                assert_all_agree(&zones, &lats, &lons);
            }
        }
    }
    // Here edges along the meridian say that what lies between is meant.
    for (band, lat, beyond) in [
        ("[[-180,-10],[0,-10],[180,-10],[180,20],[-180,20],[-180,-10]]", 5.0, 30.0),
        ("[[-180,60],[180,60],[180,90],[-180,90],[-180,60]]", 75.0, 50.0),
        ("[[-180,-90],[0,-90],[180,-90],[180,-60],[-180,-60],[-180,-90]]", -75.0, -50.0),
    ] {
        let ring: Value = serde_json::from_str(band).expect("JSON");
        let (zones, said) = zone_of(&json!({"type": "Polygon", "coordinates": [ring]}), &json!({}));
        assert!(zones.contains(0, position(33.0, lat)) && !zones.contains(0, position(33.0, beyond)), "{band}");
        assert!(!said.iter().any(|said| said.contains("pole")), "{said:?}");
    }
}

#[test]
fn rings_of_many_vertices_are_zones_as_others() {
    let ring: Vec<[f64; 2]> = (0..=20_000)
        .map(|n| {
            let angle = f64::from(n % 20_000) * std::f64::consts::TAU / 20_000.0;
            let radius = 1.0 + 0.2 * (37.0 * angle).sin();
            [5.0 + radius * angle.cos(), 45.0 + radius * angle.sin()]
        })
        .collect();
    let (zones, _) = zone_of(&json!({"type": "Polygon", "coordinates": [ring]}), &json!({}));
    let (lat, lon) = common::points(&zones, 500, 1, 3);
    assert_all_agree(&zones, &lat, &lon);
}

/// Cases of another program (Apache-2.0) with the polygons that it splits shapes into.
#[test]
fn shapes_across_the_antimeridian_are_where_others_put_them() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/fences/antimeridian_cases.json");
    let Ok(text) = std::fs::read_to_string(path) else {
        assert!(std::env::var_os("CI").is_none(), "CI needs {path}");
        eprintln!("SKIPPED: there is no {path}");
        return;
    };
    // `both-poles` reads the direction of a ring as which side is inside; here a ring encloses what it goes around, in
    // either direction. The two others are satellites' swaths that go around the Earth more than once.
    const OTHERWISE: [&str; 3] = ["both-poles", "force-north-pole", "overlap"];
    let cases: Value = serde_json::from_str(&text).expect("JSON");
    let (mut same, mut differ) = (0, Vec::new());
    for case in cases["cases"].as_array().expect("cases") {
        let name = case["name"].as_str().expect("a name");
        let kind = case["input"]["type"].as_str().expect("a type");
        if !kind.ends_with("Polygon") || case.get("expected_flat").is_none() {
            continue;
        }
        let mut scatter = Scatter(7);
        let (ours, _) = zone_of(&case["input"], &json!({}));
        let (theirs, _) = zone_of(&case["expected_flat"], &json!({}));
        let (mut wrong, mut inside) = (0, 0);
        let mut lats = Vec::new();
        let mut lons = Vec::new();
        let around = ours.zone(0).shape.around();
        for n in 0..4_000 {
            let (lon, lat) = match n % 2 {
                0 => (360.0 * scatter.unit() - 180.0, 180.0 * scatter.unit() - 90.0),
                _ => (
                    around[0] + (around[2] - around[0]) * scatter.unit(),
                    around[1] + (around[3] - around[1]) * scatter.unit(),
                ),
            };
            let at = position(lon, lat.clamp(-90.0, 90.0));
            inside += usize::from(ours.contains(0, at));
            wrong += usize::from(ours.contains(0, at) != theirs.contains(0, at));
            lats.push(at.lat());
            lons.push(at.lon());
        }
        let mut lists = ZoneLists::default();
        ours.containing_batch(&lats, &lons, &mut lists);
        for row in 0..lists.len() {
            assert_eq!(lists.row(row) == [0], ours.contains(0, position(lons[row], lats[row])), "{name}");
        }
        assert!(inside > 0, "{name}: points are to be inside");
        // Where the other rounds a crossing to seven digits a point may lie between.
        if wrong > 2 { differ.push((name.to_owned(), wrong)) } else { same += 1 }
    }
    let unexpected: Vec<_> = differ.iter().filter(|(name, _)| !OTHERWISE.contains(&name.as_str())).collect();
    assert!(unexpected.is_empty(), "{unexpected:?}; the same: {same}; {differ:?}");
    assert!(same >= 25, "{same}");
}
