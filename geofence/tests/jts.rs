//! Points and polygons of the tests of JTS (EPL-2.0 or EDL-1.0), with what it says of each pair: points in general, on
//! edges, on vertices, in holes, and where rounding misleads.

mod common;

use common::needed;
use rhumb_geofence::{Position, ZoneOptions, Zones};
use serde_json::{Value, json};
use std::io::Read;

/// Each pair of numbers in a well-known text becomes a position, each parenthesis a list.
fn coordinates(wkt: &str, scale: f64) -> Value {
    let text = wkt[wkt.find('(').expect("coordinates")..].replace('(', "[ ").replace(')', " ] ").replace(',', " , ");
    let mut words = text.split_whitespace();
    let mut json = String::new();
    while let Some(word) = words.next() {
        match word.parse::<f64>() {
            Ok(x) => {
                let y: f64 = words.next().expect("a second number").parse().expect("a number");
                json += &format!("[{:?},{:?}]", x * scale, y * scale);
            }
            Err(_) => json += word,
        }
    }
    serde_json::from_str(&json).expect("lists of positions")
}

fn numbers(wkt: &str) -> Vec<f64> {
    wkt.split(|c: char| !(c.is_ascii_digit() || "+-.eE".contains(c))).filter_map(|word| word.parse().ok()).collect()
}

/// What is known of the points from one statement: whether any or all of them are in or on the polygon.
enum Known {
    Any(bool),
    All(bool),
    Nothing,
}

fn known(test: &Value, points_first: bool) -> Known {
    let (op, truth) = (test["op"].as_str().expect("an operation"), test["expect"] == "true");
    // Of what is asked about in the order of its arguments.
    let forward = points_first == (test["arg1"] == "A");
    match (op, forward) {
        ("intersects", _) => Known::Any(truth),
        ("disjoint", _) => Known::Any(!truth),
        ("distance", _) => Known::Any(test["expect"] == "0.0"),
        ("coveredBy", true) | ("covers", false) => Known::All(truth),
        ("within", true) | ("contains", false) if truth => Known::All(true),
        ("touches", _) if truth => Known::Any(true),
        ("relate", _) if truth => {
            let matrix: Vec<char> = test["arg3"].as_str().expect("a matrix").chars().collect();
            Known::Any(matrix[0] != 'F' || matrix[if forward { 1 } else { 3 }] != 'F')
        }
        _ => Known::Nothing,
    }
}

#[test]
fn points_are_in_polygons_as_jts_says() {
    let Some(folder) = needed::real_data("fences") else { return };
    let packed = std::fs::File::open(folder.join("jts_predicates.json.gz")).expect("the file opens");
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text).expect("gzip of UTF-8");
    let all: Value = serde_json::from_str(&text).expect("JSON");
    let (mut cases, mut statements, mut empty) = (0, 0, 0);
    for case in all["cases"].as_array().expect("cases").iter().filter(|case| case["kind"] == "point-polygon") {
        let [a, b] = ["a", "b"].map(|side| case[side].as_str().expect("a geometry"));
        // There is no zone without a shape and no frame without a place.
        if a.contains("EMPTY") || b.contains("EMPTY") {
            empty += 1;
            continue;
        }
        let points_first = a.contains("POINT");
        let (points, polygon) = if points_first { (a, b) } else { (b, a) };
        // To degrees that there are; by a power of two, so that nothing is rounded.
        let most = numbers(a).into_iter().chain(numbers(b)).fold(0.0, |most: f64, n| most.max(n.abs()));
        let scale = 2f64.powi(-(most / 64.0).log2().ceil().max(0.0) as i32);
        let kind = if polygon.starts_with("MULTI") { "MultiPolygon" } else { "Polygon" };
        let geometry = json!({"type": kind, "coordinates": coordinates(polygon, scale)});
        let zone = json!({"type": "Feature", "properties": {}, "geometry": geometry}).to_string();
        let (zones, _) = Zones::from_geojson(&zone, &ZoneOptions::default()).expect("a zone");
        let places: Vec<f64> = numbers(points).iter().map(|n| n * scale).collect();
        let mut inside = Vec::new();
        let held: Vec<bool> = places
            .chunks(2)
            .map(|place| {
                let at = Position::new(place[1], place[0]).expect("a place");
                zones.containing(at, &mut inside);
                assert_eq!(zones.contains(0, at), inside == [0], "the index says what the shape does");
                inside == [0]
            })
            .collect();
        cases += 1;
        for test in case["tests"].as_array().expect("statements") {
            let (ours, theirs) = match known(test, points_first) {
                Known::Any(truth) => (held.contains(&true), truth),
                Known::All(truth) => (!held.contains(&false), truth),
                Known::Nothing => continue,
            };
            statements += 1;
            assert_eq!(ours, theirs, "{}: {a}, {b}: {test}", case["case"]);
        }
    }
    assert_eq!((cases, empty), (67, 9));
    assert!(statements > 200, "{statements}");
}
