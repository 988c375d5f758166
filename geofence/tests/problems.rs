//! What is said about files that are wrong, and what becomes of them.

use expect_test::{Expect, expect};
use rhumb_geofence::{Severity, ZoneOptions, Zones};

/// Lists every problem as `severity line:column text`, and how many zones there are when the file is accepted.
fn check_file(text: &str, expected: Expect) {
    let (zones, problems) = match Zones::from_geojson(text, &ZoneOptions::default()) {
        Ok((zones, problems)) => (Some(zones.len()), problems),
        Err(problems) => (None, problems),
    };
    assert_eq!(zones.is_none(), problems.iter().any(|p| p.severity == Severity::Error));
    let place = |at: Option<usize>| at.map_or("-".into(), |n| n.to_string());
    let mut said: String =
        problems.iter().map(|p| format!("{} {}:{} {p}\n", p.severity, place(p.line), place(p.column))).collect();
    said += &zones.map_or("refused\n".into(), |n| format!("{n} zones\n"));
    expected.assert_eq(&said);
}

/// A file of one zone "z" with this geometry.
fn check(geometry: &str, expected: Expect) {
    check_feature(geometry, "{}", expected);
}

fn check_feature(geometry: &str, properties: &str, expected: Expect) {
    let feature = format!(r#"{{"type":"Feature","id":"z","properties":{properties},"geometry":{geometry}}}"#);
    check_file(&format!(r#"{{"type":"FeatureCollection","features":[{feature}]}}"#), expected);
}

fn polygon(rings: &str) -> String {
    format!(r#"{{"type":"Polygon","coordinates":[{rings}]}}"#)
}

/// Squares of 0.02 degrees with these corners: longitude, latitude.
fn squares(corners: &[(f64, f64)]) -> String {
    let square = |(n, (x, y)): (usize, &(f64, f64))| {
        let ring = [(0.0, 0.0), (0.02, 0.0), (0.02, 0.02), (0.0, 0.02), (0.0, 0.0)];
        let ring: Vec<String> = ring.iter().map(|(dx, dy)| format!("[{},{}]", x + dx, y + dy)).collect();
        let geometry = polygon(&format!("[{}]", ring.join(",")));
        format!(r#"{{"type":"Feature","id":"z{n}","properties":{{}},"geometry":{geometry}}}"#)
    };
    let all: Vec<String> = corners.iter().enumerate().map(square).collect();
    format!(r#"{{"type":"FeatureCollection","features":[{}]}}"#, all.join(",\n"))
}

#[test]
fn zone_that_lies_among_the_others_only_the_other_way_round_is_suspected() {
    check_file(
        &squares(&[(10.7, 59.9), (59.94, 10.74), (10.75, 59.95), (10.8, 59.9)]),
        expect![[r#"
            warning 2:1 feature 1 (id "z1"): lies near latitude 10.74, longitude 59.94, far from the other zones, and would lie among them if latitude and longitude were swapped: GeoJSON writes [longitude, latitude]
            4 zones
        "#]],
    );
    // Far away either way; half of them the other way round; too few to know which.
    for corners in [
        &[(10.7, 59.9), (31.2, 30.0), (10.75, 59.95), (10.8, 59.9)][..],
        &[(10.7, 59.9), (59.94, 10.74), (59.9, 10.75), (10.8, 59.9)],
        &[(10.7, 59.9), (59.94, 10.74)],
    ] {
        let expected = format!("{} zones\n", corners.len());
        let (zones, problems) = Zones::from_geojson(&squares(corners), &ZoneOptions::default()).expect("zones");
        assert_eq!((format!("{} zones\n", zones.len()), problems), (expected, Vec::new()), "{corners:?}");
    }
}

#[test]
fn files_that_are_no_collection_of_zones() {
    check_file(
        " \n",
        expect![[r#"
        error 1:1 the file is empty: write a GeoJSON FeatureCollection of zones
        refused
    "#]],
    );
    check_file(
        "{\"type\": \"FeatureCollection\",\n \"features\": [nope]}",
        expect![[r#"
        error 2:16 not JSON: expected ident
        refused
    "#]],
    );
    check_file(
        "[1, 2]",
        expect![[r#"
            error 1:5 the file is JSON of another shape than GeoJSON, not a FeatureCollection: write {"type": "FeatureCollection", "features": [...]} with one Feature for each zone
            refused
        "#]],
    );
    check_file(
        r#"{"type":"GeometryCollection","geometries":[]}"#,
        expect![[r#"
        error 1:1 the file is a GeometryCollection, not a FeatureCollection: write {"type": "FeatureCollection", "features": [...]} with one Feature for each zone
        refused
    "#]],
    );
    check_file(
        r#"{"type":"Polygon","coordinates":[]}"#,
        expect![[r#"
        error 1:1 the file is a Polygon, not a FeatureCollection: write {"type": "FeatureCollection", "features": [...]} with one Feature for each zone
        refused
    "#]],
    );
    check_file(
        r#"{"type":"FeatureCollection"}"#,
        expect![[r#"
        error 1:1 the file is a FeatureCollection without "features", not a FeatureCollection: write {"type": "FeatureCollection", "features": [...]} with one Feature for each zone
        refused
    "#]],
    );
    check_file(
        r#"{"type":"FeatureCollection","features":[]}"#,
        expect![[r#"
        warning -:- holds no zones: "features" is empty, so no vehicle will ever be in a zone
        0 zones
    "#]],
    );
}

#[test]
fn all_problems_of_a_file_come_at_once_each_with_its_line() {
    let text = r#"{"type": "FeatureCollection", "features": [
  {"type": "Feature", "id": "a", "properties": {}, "geometry": null},
  {"type": "Feature", "id": "b", "properties": {}, "geometry": {"type": "LineString", "coordinates": [[0, 0], [1, 1]]}},
  {"type": "Feature", "id": "c", "properties": {"name": "x"}, "geometry": {"type": "Point", "coordinates": [0, 0]}},
  {"type": "Feature", "id": "d", "properties": {"radius_m": 5}, "geometry": {"type": "Point", "coordinates": [0, 0]}},
    {"type": "Feature", "id": "d", "properties": {"radius_m": 5}, "geometry": {"type": "Point", "coordinates": [0, 0]}},
  {"type": "Feature", "id": ["e"], "properties": {}, "geometry": {"type": "Polygon", "coordinates": [[0, 0]]}},
  {"type": "Thing"},
  7
]}"#;
    check_file(
        text,
        expect![[r#"
            error 2:3 feature 0 (id "a"): has no geometry: give it a Polygon, a MultiPolygon, a Point with the property "radius_m" or a LineString with "buffer_m", or remove it
            error 3:3 feature 1 (id "b"): a LineString needs the property "buffer_m", how far around it the zone reaches, in metres
            error 4:3 feature 2 (id "c"): a Point needs the property "radius_m", the radius of its circle in metres
            error 7:3 feature 5: the id ["e"] is neither a string nor a number
            error 7:3 feature 5: the coordinates of the Polygon are not a list of rings of positions: [[[lon, lat], ...], ...]
            error 8:3 feature 6: not a GeoJSON Feature: its "type" is not "Feature"
            error 9:3 feature 7: not a GeoJSON Feature: invalid type: integer `7`, expected struct Feature
            error 6:5 feature 4 (id "d"): has the same id as feature 3: give each zone its own, or set id_property to a property that differs for all features
            refused
        "#]],
    );
}

#[test]
fn positions_that_cannot_be() {
    check(
        &polygon("[[30,-97],[31,-97],[31,-96],[30,-97]]"),
        expect![[r#"
        error 1:41 feature 0 (id "z"): latitude and longitude seem to be swapped (the first vertex has latitude -97, longitude 30): GeoJSON writes [longitude, latitude]
        refused
    "#]],
    );
    check(
        &polygon("[[30.2,-97.7],[30.3,-97.7],[30.3,-97.6],[30.2,-97.7]],[[1,2]]"),
        expect![[r#"
        error 1:41 feature 0 (id "z"): latitude and longitude seem to be swapped (the first vertex has latitude -97.7, longitude 30.2): GeoJSON writes [longitude, latitude]
        refused
    "#]],
    );
    check(
        &polygon("[[48,-122],[49,-122],[49,-121],[48,-122]]"),
        expect![[r#"
        error 1:41 feature 0 (id "z"): latitude and longitude seem to be swapped (the first vertex has latitude -122, longitude 48): GeoJSON writes [longitude, latitude]
        refused
    "#]],
    );
    check(
        &polygon("[[48,-122],[49,-121],[0,1e999],[48,-122]]"),
        expect![[r#"
        error 1:41 feature 0 (id "z"): latitude and longitude seem to be swapped (the first vertex has latitude -122, longitude 48): GeoJSON writes [longitude, latitude]
        refused
    "#]],
    );
    check(
        &polygon("[[179,0],[181,0],[181,1],[179,0]]"),
        expect![[r#"
            note 1:41 feature 0 (id "z"): ring 0 of polygon 0 lies across the antimeridian: taken the short way around, from longitude 179 to 181; a zone that really is wider than half of the Earth needs vertices less than 180 degrees apart
            1 zones
        "#]],
    );
    check(
        &polygon("[[170,0],[-170,0],[-170,1],[170,1],[170,0]]"),
        expect![[r#"
            note 1:41 feature 0 (id "z"): ring 0 of polygon 0 lies across the antimeridian: taken the short way around, from longitude -190 to -170; a zone that really is wider than half of the Earth needs vertices less than 180 degrees apart
            1 zones
        "#]],
    );
}

#[test]
fn rings_that_are_no_rings() {
    check(
        &polygon("[[0,0],[1,0],[1,1]]"),
        expect![[r#"
        warning 1:41 feature 0 (id "z"): ring 0 of polygon 0 is not closed: its first position was added at the end; write it there
        1 zones
    "#]],
    );
    check(
        &polygon("[[0,0],[1,0],[0,0]]"),
        expect![[r#"
            warning 1:41 feature 0 (id "z"): ring 0 of polygon 0 is dropped: without repeats it has 2 positions, a ring needs 3 and the first again
            warning 1:41 feature 0 (id "z"): nothing is left of its shape, so no vehicle will ever be in it: draw it again or remove it
            error -:- no zone of the file has a usable shape
            refused
        "#]],
    );
    check(
        &polygon("[[0,0],[1,1],[2,2],[0,0]]"),
        expect![[r#"
        warning 1:41 feature 0 (id "z"): ring 0 of polygon 0 encloses no area: dropped
        warning 1:41 feature 0 (id "z"): nothing is left of its shape, so no vehicle will ever be in it: draw it again or remove it
        error -:- no zone of the file has a usable shape
        refused
    "#]],
    );
    check(
        &polygon(""),
        expect![[r#"
            error 1:41 feature 0 (id "z"): has no geometry: give it a Polygon, a MultiPolygon, a Point with the property "radius_m" or a LineString with "buffer_m", or remove it
            refused
        "#]],
    );
    check(
        &polygon("[[0,0],[4,0],[4,4],[0,4],[0,0]],[[1,1],[1,1],[1,1]]"),
        expect![[r#"
            warning 1:41 feature 0 (id "z"): ring 1 of polygon 0 is dropped: without repeats it has 0 positions, a ring needs 3 and the first again
            1 zones
        "#]],
    );
    check(
        &polygon("[[0,0],[0,0],[4,0],[4,0],[4,4],[0,4],[0,0]]"),
        expect![[r#"
        1 zones
    "#]],
    );
}

#[test]
fn shapes_that_surprise() {
    // A bow tie crosses itself; one whose lobes share a vertex only touches itself.
    check(
        &polygon("[[0,0],[2,2],[2,0],[0,2],[0,0]]"),
        expect![[r#"
            warning 1:41 feature 0 (id "z"): ring 0 of polygon 0 crosses itself near (1.000000, 1.000000) (crossings in all: 1): every part that it goes around counts as inside; redraw it if that is not meant
            1 zones
        "#]],
    );
    // Across the antimeridian it is told in degrees as people write them.
    check(
        &polygon("[[179,0],[-179,2],[-179,0],[179,2],[179,0]]"),
        expect![[r#"
        note 1:41 feature 0 (id "z"): ring 0 of polygon 0 lies across the antimeridian: taken the short way around, from longitude -181 to -179; a zone that really is wider than half of the Earth needs vertices less than 180 degrees apart
        warning 1:41 feature 0 (id "z"): ring 0 of polygon 0 crosses itself near (1.000000, -180.000000) (crossings in all: 1): every part that it goes around counts as inside; redraw it if that is not meant
        1 zones
    "#]],
    );
    check(
        &polygon("[[0,0],[1,1],[1,0],[0,1],[0,0]]"),
        expect![[r#"
        warning 1:41 feature 0 (id "z"): ring 0 of polygon 0 crosses itself near (0.500000, 0.500000) (crossings in all: 1): every part that it goes around counts as inside; redraw it if that is not meant
        1 zones
    "#]],
    );
    check(
        &polygon("[[0,0],[1,1],[2,0],[2,2],[1,1],[0,2],[0,0]]"),
        expect![[r#"
        1 zones
    "#]],
    );
    check(
        &polygon("[[0,0],[4,0],[4,4],[0,4],[0,0]],[[5,5],[6,5],[6,6],[5,5]]"),
        expect![[r#"
            warning 1:41 feature 0 (id "z"): holes of polygon 0 outside its shell: 1, the first is ring 1; they cut nothing out: check whether they belong to another polygon
            1 zones
        "#]],
    );
    let nested = "[[[0,0],[4,0],[4,4],[0,4],[0,0]]],[[[1,1],[2,1],[2,2],[1,1]]]";
    check(
        &format!(r#"{{"type":"MultiPolygon","coordinates":[{nested}]}}"#),
        expect![[r#"
        warning 1:41 feature 0 (id "z"): polygon 1 lies inside polygon 0 and adds nothing: write it as a hole (a further ring) if it is meant to be cut out
        1 zones
    "#]],
    );
    check(
        &polygon("[[-180,-80],[180,-80],[180,85],[-180,85],[-180,-80]]"),
        expect![[r#"
        warning 1:41 feature 0 (id "z"): covers 99 % of the Earth: check its coordinates, it may be inside out
        1 zones
    "#]],
    );
}

#[test]
fn columns_count_characters() {
    check_file(
        "{\"type\": \"FeatureCollection\", \"name\": \"Zürich\", \"features\": [{\"type\": \"Feature\", \"geometry\": null},\n \"ü\", {\"type\": \"Thing\"}]}",
        expect![[r#"
            error 1:62 feature 0 (id "0"): has no geometry: give it a Polygon, a MultiPolygon, a Point with the property "radius_m" or a LineString with "buffer_m", or remove it
            error 2:2 feature 1: not a GeoJSON Feature: invalid type: string "ü", expected struct Feature
            error 2:7 feature 2: not a GeoJSON Feature: its "type" is not "Feature"
            refused
        "#]],
    );
    check_file(
        "{\"type\": \"FeatureCollection\",\n \"ü\": nope}",
        expect![[r#"
        error 2:8 not JSON: expected ident
        refused
    "#]],
    );
}

#[test]
fn features_without_an_id_are_told_once() {
    let feature = |head: &str, name: &str| {
        format!(
            r#"{{"type":"Feature"{head},"properties":{{"name":"{name}","radius_m":5}},"geometry":{{"type":"Point","coordinates":[0,0]}}}}"#
        )
    };
    let file =
        |features: &[String]| format!("{{\"type\":\"FeatureCollection\",\"features\":[\n{}\n]}}", features.join(",\n"));
    check_file(
        &file(&[feature(r#","id":"x""#, "a"), feature("", "b"), feature("", "c")]),
        expect![[r#"
        note 3:1 features without an id: 2; each is called by its index in the file, which changes when the file does: set id_property = "name", which differs for all features
        3 zones
    "#]],
    );
    check_file(
        &file(&[feature("", "a"), feature("", "a")]),
        expect![[r#"
        note 2:1 features without an id: 2; each is called by its index in the file, which changes when the file does: give each an "id", or set id_property to a property that differs for all features
        2 zones
    "#]],
    );
    check_file(
        &file(&[feature(r#","id":"x""#, "a")]),
        expect![[r#"
        1 zones
    "#]],
    );
}

#[test]
fn id_that_is_empty_is_refused() {
    for head in [r#""id":"""#, r#""id":"  ""#, r#""id":null,"properties":{"zone_id":""}"#] {
        let feature = format!(
            r#"{{"type":"Feature",{head},"geometry":{{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0]]]}}}}"#
        );
        check_file(
            &format!(r#"{{"type":"FeatureCollection","features":[{feature}]}}"#),
            expect![[r#"
                error 1:41 feature 0: the id is empty: give the zone one, or leave it out to have it numbered
                refused
            "#]],
        );
    }
}

#[test]
fn circles_need_a_radius_that_can_be() {
    let point = r#"{"type":"Point","coordinates":[8.5,47.4]}"#;
    for radius in ["-5", "0", "\"5\"", "1e9", "null"] {
        let said = format!(r#"{{"radius_m":{radius}}}"#);
        match radius {
            "-5" => check_feature(
                point,
                &said,
                expect![[r#"
                error 1:41 feature 0 (id "z"): radius_m is -5: write a number of metres greater than 0 and at most 20015114
                refused
            "#]],
            ),
            "0" => check_feature(
                point,
                &said,
                expect![[r#"
                error 1:41 feature 0 (id "z"): radius_m is 0: write a number of metres greater than 0 and at most 20015114
                refused
            "#]],
            ),
            "\"5\"" => check_feature(
                point,
                &said,
                expect![[r#"
                error 1:41 feature 0 (id "z"): radius_m is "5": write a number of metres greater than 0 and at most 20015114
                refused
            "#]],
            ),
            "1e9" => check_feature(
                point,
                &said,
                expect![[r#"
                error 1:41 feature 0 (id "z"): radius_m is 1000000000.0: write a number of metres greater than 0 and at most 20015114
                refused
            "#]],
            ),
            _ => check_feature(
                point,
                &said,
                expect![[r#"
                error 1:41 feature 0 (id "z"): a Point needs the property "radius_m", the radius of its circle in metres
                refused
            "#]],
            ),
        }
    }
}

#[test]
fn id_comes_from_the_feature_then_id_then_zone_id_then_the_index() {
    let feature = |id: &str, properties: &str| {
        format!(
            r#"{{"type":"Feature"{id},"properties":{properties},"geometry":{{"type":"Point","coordinates":[0,0]}}}}"#
        )
    };
    let text = format!(
        r#"{{"type":"FeatureCollection","features":[{},{},{},{}]}}"#,
        feature(r#","id":7"#, r#"{"id":"no","radius_m":1,"code":"A"}"#),
        feature("", r#"{"id":"p","zone_id":"no","radius_m":1,"code":"B"}"#),
        feature("", r#"{"zone_id":"q","radius_m":1,"code":"C"}"#),
        feature("", r#"{"radius_m":1,"code":4}"#),
    );
    let ids = |options: &ZoneOptions| {
        let (zones, _) = Zones::from_geojson(&text, options).expect("four zones");
        zones.iter().for_each(|zone| assert_eq!(zones.id(zones.find(&zone.id).expect("found")), zone.id));
        assert_eq!(zones.find("none"), None);
        zones.iter().map(|zone| zone.id.clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&ZoneOptions::default()), ["7", "p", "q", "3"]);
    assert_eq!(ids(&ZoneOptions { id_property: Some("code".into()) }), ["A", "B", "C", "4"]);
    let problems =
        Zones::from_geojson(&text, &ZoneOptions { id_property: Some("zone_id".into()) }).expect_err("two lack");
    expect![[
        r#"feature 0: has no property "zone_id" (a string or a number), which id_property names as the zone's id"#
    ]]
    .assert_eq(&problems[0].to_string());
    assert_eq!(problems.len(), 2);
}
