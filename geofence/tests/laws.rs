//! Laws on random shapes: the index answers as a scan with `geo` does, whatever the shapes.

#![allow(clippy::unwrap_used, reason = "a test or bench stops at what it did not expect")]

mod common;

use common::{Scatter, assert_all_agree, points};
use proptest::prelude::*;
use rhumb_geofence::{Position, Shape, Side, ZoneLists, ZoneOptions, Zones};
use serde_json::json;

/// Zones from rings on a small lattice: they touch, overlap, share edges, cross themselves and repeat vertices.
fn lattice_zones(rings: &[Vec<Vec<(i32, i32)>>], scale: f64, lon: f64, lat: f64) -> Option<Zones> {
    let position = |(x, y): &(i32, i32)| json!([lon + f64::from(*x) * scale, lat + f64::from(*y) * scale]);
    let close = |ring: &Vec<(i32, i32)>| ring.iter().chain(ring.first()).map(position).collect::<Vec<_>>();
    let feature = |rings: &Vec<Vec<(i32, i32)>>| {
        // Rings beyond the second open a polygon of their own.
        let polygons: Vec<Vec<_>> = rings.chunks(2).map(|rings| rings.iter().map(close).collect()).collect();
        json!({"type": "Feature", "properties": {}, "geometry": {"type": "MultiPolygon", "coordinates": polygons}})
    };
    let features: Vec<_> = rings.iter().map(feature).collect();
    let text = json!({"type": "FeatureCollection", "features": features}).to_string();
    // A random zone may have no usable ring; the law is about the others.
    Zones::from_geojson(&text, &ZoneOptions::default()).ok().map(|(zones, _)| zones)
}

fn lattice_points(scale: f64, lon: f64, lat: f64) -> (Vec<f64>, Vec<f64>) {
    let steps = || (-1..=17).map(|i| f64::from(i) * 0.5);
    steps().flat_map(|y| steps().map(move |x| (lat + y * scale, lon + x * scale))).unzip()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn index_answers_as_a_scan_on_lattice_shapes(
        rings in prop::collection::vec(
            prop::collection::vec(prop::collection::vec((0..9i32, 0..9i32), 3..9), 1..4), 1..6),
        scale in prop::sample::select(vec![1.0, 0.1, 1e-3, 1e-5, 1e-7]),
        at in prop::sample::select(vec![(0.0, 0.0), (-122.4, 37.7), (170.0, -81.0)]),
    ) {
        if let Some(zones) = lattice_zones(&rings, scale, at.0, at.1) {
            let (mut lat, mut lon) = lattice_points(scale, at.0, at.1);
            let (more_lat, more_lon) = points(&zones, 100, 6, 3);
            lat.extend(more_lat);
            lon.extend(more_lon);
            assert_all_agree(&zones, &lat, &lon);
        }
    }

    #[test]
    fn whether_a_place_is_farther_is_what_the_distance_says(
        seed in any::<u64>(), count in 1..8usize, corners in 3..80usize, reach_m in 0.1..20_000.0f64,
    ) {
        let zones = stars(seed, count, corners, 0.5);
        let (lat, lon) = points(&zones, 60, 6, seed);
        for (lat, lon) in lat.into_iter().zip(lon) {
            let Ok(at) = Position::new(lat, lon) else { continue };
            for zone in (0..zones.len() as u32).filter(|zone| !zones.contains(*zone, at)) {
                let outside_m = zones.outside_m(zone, at);
                for reach_m in [reach_m, outside_m * 0.999, outside_m, outside_m * 1.001] {
                    prop_assert_eq!(zones.is_farther(zone, at, reach_m), outside_m > reach_m, "{} m, {} m", outside_m, reach_m);
                }
            }
        }
    }

    #[test]
    fn index_answers_as_a_scan_on_overlapping_stars(
        seed in any::<u64>(), count in 1..40usize, corners in 3..80usize, spread in 0.0..3.0f64,
    ) {
        let zones = stars(seed, count, corners, spread);
        let (lat, lon) = points(&zones, 200, 6, seed);
        assert_all_agree(&zones, &lat, &lon);
    }

    #[test]
    fn circles_answer_as_the_haversine_formula(
        seed in any::<u64>(), lat in -90.0..90.0f64, lon in -180.0..180.0f64, log_radius in 0.0..7.2f64,
    ) {
        let radius_m = 10f64.powf(log_radius).min(2.0e7);
        let text = json!({"type": "Feature", "properties": {"radius_m": radius_m},
            "geometry": {"type": "Point", "coordinates": [lon, lat]}}).to_string();
        let (zones, _) = Zones::from_geojson(&text, &ZoneOptions::default()).expect("a circle");
        let mut scatter = Scatter(seed);
        let reach = (radius_m / 111_000.0) * 1.3;
        let wrap = |x: f64| if x > 180.0 { x - 360.0 } else if x < -180.0 { x + 360.0 } else { x };
        let (lats, lons): (Vec<f64>, Vec<f64>) = (0..300).map(|_| {
            let d = reach * (2.0 * scatter.unit() - 1.0);
            let e = reach * (2.0 * scatter.unit() - 1.0) / lat.to_radians().cos().max(0.01);
            ((lat + d).clamp(-90.0, 90.0), wrap(lon + e.clamp(-180.0, 180.0)))
        }).unzip();
        assert_all_agree(&zones, &lats, &lons);
    }

    #[test]
    fn crossing_is_where_a_fine_walk_changes_sides(seed in any::<u64>(), corners in 3..30usize) {
        let zones = stars(seed, 1, corners, 0.0);
        let mut scatter = Scatter(seed ^ 1);
        let at = |s: &mut Scatter| Position::new(10.0 + 4.0 * s.unit() - 2.0, 20.0 + 4.0 * s.unit() - 2.0).unwrap();
        for _ in 0..20 {
            let (from, to) = (at(&mut scatter), at(&mut scatter));
            check_crossing(&zones, from, to);
        }
    }
}

/// Against a walk in many steps: sides just before and just after the crossing differ as asked.
fn check_crossing(zones: &Zones, from: Position, to: Position) {
    const STEPS: usize = 2_000;
    let inside = |t: f64| zones.contains(0, from.towards(to, t));
    let walk = |i: usize| inside(i as f64 / STEPS as f64);
    if walk(STEPS) && !walk(0) {
        let t = zones.crossing(0, from, to, Side::Enter);
        let last_outside = (0..=STEPS).rev().find(|i| !walk(*i)).unwrap() as f64 / STEPS as f64;
        // The walk may step over a thin tooth, never the other way around.
        assert!((0.0..=1.0).contains(&t) && t >= last_outside - 1e-9, "{t} {last_outside}");
        assert!(t >= 1e-6 && !inside(t - 1e-7) && inside(t + (1.0 - t).min(1e-9)), "{t}");
    }
    if walk(0) && !walk(STEPS) {
        let t = zones.crossing(0, from, to, Side::Exit);
        let first_outside = (0..=STEPS).find(|i| !walk(*i)).unwrap() as f64 / STEPS as f64;
        assert!((0.0..=1.0).contains(&t) && t <= first_outside + 1e-9, "{t} {first_outside}");
        assert!(t <= 1.0 - 1e-6 && !inside(t + 1e-7) && inside(t - t.min(1e-9)), "{t}");
    }
}

/// Wobbly closed curves around (10, 20); a `spread` of 0 puts them on the same spot.
fn stars(seed: u64, count: usize, corners: usize, spread: f64) -> Zones {
    let mut s = Scatter(seed);
    let features: Vec<_> = (0..count)
        .map(|_| {
            let (x, y) = (20.0 + spread * (s.unit() - 0.5), 10.0 + spread * (s.unit() - 0.5));
            let mut ring: Vec<[f64; 2]> = (0..corners)
                .map(|i| {
                    let angle = std::f64::consts::TAU * i as f64 / corners as f64;
                    let r = 0.3 + 1.2 * s.unit();
                    [x + r * angle.cos(), y + r * angle.sin()]
                })
                .collect();
            ring.push(ring[0]);
            json!({"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}})
        })
        .collect();
    let text = json!({"type": "FeatureCollection", "features": features}).to_string();
    Zones::from_geojson(&text, &ZoneOptions::default()).expect("stars do not cross themselves").0
}

#[test]
fn a_thousand_zones_on_the_same_spot_stay_small_and_right() {
    let zones = stars(5, 1_000, 64, 0.0);
    assert!(zones.stats().index_bytes < 1_000 * 64 * 1_024, "{:?}", zones.stats());
    let (lat, lon) = points(&zones, 50, 1, 5);
    assert_all_agree(&zones, &lat[..400], &lon[..400]);
}

#[test]
fn rows_that_are_no_places_have_empty_lists() {
    let world = json!({"type": "Feature", "properties": {}, "geometry": {"type": "Polygon",
        "coordinates": [[[-180, -90], [180, -90], [180, 90], [-180, 90], [-180, -90]]]}});
    let (zones, _) = Zones::from_geojson(&world.to_string(), &ZoneOptions::default()).unwrap();
    let lat = [f64::NAN, 0.0, 90.0, 90.1, f64::INFINITY, -90.0, 1e300];
    let lon = [0.0, f64::NAN, 180.0, 0.0, 0.0, -180.0, f64::NEG_INFINITY];
    let mut lists = ZoneLists::default();
    zones.containing_batch(&lat, &lon, &mut lists);
    assert_eq!(lists.offsets, [0, 0, 0, 1, 1, 1, 2, 2]);
}

#[test]
fn no_zones_is_no_answers() {
    let (zones, warnings) =
        Zones::from_geojson(r#"{"type":"FeatureCollection","features":[]}"#, &ZoneOptions::default()).unwrap();
    assert_eq!(warnings.len(), 1);
    let mut lists = ZoneLists::default();
    zones.containing_batch(&[0.0, 1.0], &[0.0, 1.0], &mut lists);
    assert_eq!(lists.offsets, [0, 0, 0]);
}

#[test]
fn crossing_of_a_circle_is_at_its_radius() {
    let text = json!({"type": "Feature", "properties": {"radius_m": 1000.0},
        "geometry": {"type": "Point", "coordinates": [8.5, 47.0]}});
    let (zones, _) = Zones::from_geojson(&text.to_string(), &ZoneOptions::default()).unwrap();
    let Shape::Circle(_) = zones.zone(0).shape else { panic!("a circle") };
    let (out, centre) = (Position::new(47.02, 8.5).unwrap(), Position::new(47.0, 8.5).unwrap());
    let expected = 1.0 - (1000.0f64 / rhumb_geofence::EARTH_RADIUS_M).to_degrees() / 0.02;
    assert!((zones.crossing(0, out, centre, Side::Enter) - expected).abs() < 1e-9);
    assert!((zones.crossing(0, centre, out, Side::Exit) - (1.0 - expected)).abs() < 1e-9);
    assert_eq!(zones.crossing(0, centre, centre, Side::Exit), 0.0);
    assert_eq!(zones.crossing(0, centre, centre, Side::Enter), 1.0);
}
