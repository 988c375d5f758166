//! `rhumb zones`: which there are, what is wrong with them, which hold a point.

use crate::check_refused;
use crate::support::{MAIN_JOB, Site, ZONES};
use expect_test::expect;
use std::io::Write;

#[test]
fn zones_are_shown_and_asked() {
    let site = Site::new();
    site.write("zones.geojson", ZONES);
    expect![[r#"
        middle	polygon	5	-97.800000 30.220000 -97.690000 30.310000	{"name":"Middle"}
        west	polygon	5	-97.900000 30.200000 -97.760000 30.330000	{"name":"West"}
    "#]]
    .assert_eq(&site.done(&["zones", "show", "zones.geojson"]).stdout);
    let ok = site.done(&["zones", "check", "zones.geojson"]).stderr;
    assert!(ok.starts_with("zones.geojson: ok: 2 zones, 8 vertices, "), "{ok}");
    let at = |lat, lon| site.done(&["zones", "at", "zones.geojson", "--lat", lat, "--lon", lon]).stdout;
    assert_eq!(at("30.25", "-97.78"), "middle\nwest\n");
    assert_eq!(at("30.25", "-97.7"), "middle\n");
    assert_eq!(at("0", "0"), "");
    site.write("points.csv", "name,lat,lon\nboth,30.25,-97.78\none,30.25,-97.7\nnone,0,0\n");
    let told = site.done(&["zones", "at", "zones.geojson", "points.csv"]);
    assert_eq!(
        told.stdout,
        "name,lat,lon,zone_ids\nboth,30.25,-97.78,middle west\none,30.25,-97.7,middle\nnone,0,0,\n"
    );
}

#[test]
fn zones_may_be_packed() {
    let site = Site::new();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(ZONES.as_bytes()).expect("gzip");
    site.write("zones.geojson.gz", gzip.finish().expect("gzip"));
    assert_eq!(site.done(&["zones", "at", "zones.geojson.gz", "--lat", "30.25", "--lon", "-97.7"]).stdout, "middle\n");
    site.write("frames.csv", "id,ts,lat,lon\ncar,1767592800,30.25,-97.7\n");
    let source = "name = \"p\"\ndata = \"data\"\n[[source]]\nname = \"s\"\n[source.file]\npath = \"frames.csv\"\ncodec = \"csv\"\n";
    site.write("packed.toml", format!("{source}{}", MAIN_JOB.replace("zones.geojson", "zones.geojson.gz")));
    site.done(&["run", "packed.toml", "--until-end"]);
    assert_eq!(site.ask("packed.toml", "select zone_id from alerts"), ["middle"]);
}

#[test]
fn zones_refuse_what_they_cannot_do() {
    let site = Site::new();
    site.write("zones.geojson", ZONES);
    site.write("points.csv", "name,lat\na,1\n");
    site.write("letters.csv", "lat,lon\n1,2\nx,2\n");
    let usage: [&[&str]; 6] = [
        &["zones", "check"],
        &["zones", "at", "zones.geojson"],
        &["zones", "at", "zones.geojson", "--lat", "1"],
        &["zones", "at", "zones.geojson", "--lat", "95", "--lon", "0"],
        &["zones", "at", "zones.geojson", "--lat", "north", "--lon", "0"],
        &["zones", "at", "zones.geojson", "points.csv", "--lat", "1", "--lon", "1"],
    ];
    check_refused(
        &site,
        2,
        &usage,
        expect![[r#"
        zones check
            error: the following required arguments were not provided:
            <FILE>
        zones at zones.geojson
            error: say which points: a CSV file, or --lat and --lon
        zones at zones.geojson --lat 1
            error: the following required arguments were not provided:
            --lon <LON>
        zones at zones.geojson --lat 95 --lon 0
            error: latitude 95 is outside -90..=90
        zones at zones.geojson --lat north --lon 0
            error: invalid value 'north' for '--lat <LAT>': invalid float literal
        zones at zones.geojson points.csv --lat 1 --lon 1
            error: the argument '[POINTS]' cannot be used with:
            --lat <LAT>
    "#]],
    );
    let failed: [&[&str]; 2] = [&["zones", "check", "none.geojson"], &["zones", "at", "zones.geojson", "points.csv"]];
    check_refused(
        &site,
        1,
        &failed,
        expect![[r#"
        zones check none.geojson
            error: read zones from none.geojson: No such file or directory (os error 2)
        zones at zones.geojson points.csv
            error: points.csv: no column lon; the columns are name, lat
    "#]],
    );
    let told = site.rhumb(&["zones", "at", "zones.geojson", "letters.csv"]);
    assert_eq!((told.exit, &*told.stderr), (1, "error: letters.csv:3: not a number: \"x\": invalid float literal\n"));
    // All mistakes are told at once, each with its place.
    let wrong = ZONES.replacen("30.31]", "130.31]", 1).replace("[[[-97.90", "[[[\"-97.90\"");
    site.write("zones.geojson", wrong);
    let told = site.rhumb(&["zones", "check", "zones.geojson"]);
    expect![[r#"
        zones.geojson:2:1: error: feature 0 (id "middle"): positions out of range: 1, the first is latitude 130.31, longitude -97.69; a position is [longitude, latitude] in degrees
        zones.geojson:4:1: error: feature 1 (id "west"): the coordinates of the Polygon are not a list of rings of positions: [[[lon, lat], ...], ...]
        zones.geojson: 2 mistakes
    "#]].assert_eq(&told.stderr);
    assert_eq!(told.exit, 78);
}

/// As Natural Earth's countries: several share the number of the country that they belong to.
#[test]
fn zones_of_one_id_are_told_which_property_would_do() {
    let site = Site::new();
    site.write("zones.geojson", ZONES.replace("\"middle\"", "\"036\"").replace("\"west\"", "\"036\""));
    let told = site.rhumb(&["zones", "check", "zones.geojson"]);
    expect![[r#"
        zones.geojson:4:1: error: feature 1 (id "036"): has the same id as feature 0: give each zone its own, or set id_property = "name", which differs for all features
        zones.geojson: 1 mistake
    "#]].assert_eq(&told.stderr);
    assert_eq!(told.exit, 78);
    let named = site.done(&["zones", "show", "zones.geojson", "--id-property", "name"]).stdout;
    assert!(named.starts_with("Middle\t") && named.contains("\nWest\t"), "{named}");
}

#[test]
fn many_mistakes_of_one_kind_are_told_by_the_first_and_their_number() {
    let site = Site::new();
    let feature = |n: usize| {
        format!(
            r#"{{"type": "Feature", "properties": {{"name": "{n}"}}, "geometry": {{"type": "Point", "coordinates": [0, {n}]}}}}"#
        )
    };
    let features: Vec<String> = (0..80).map(feature).collect();
    site.write(
        "zones.geojson",
        format!("{{\"type\": \"FeatureCollection\", \"features\": [\n{}\n]}}", features.join(",\n")),
    );
    let told = site.rhumb(&["zones", "check", "zones.geojson", "--id-property", "code"]);
    expect![[r#"
        zones.geojson:2:1: error: feature 0: has no property "code" (a string or a number), which id_property names as the zone's id
        zones.geojson:2:1: error: feature 0: a Point needs the property "radius_m", the radius of its circle in metres
        zones.geojson:3:1: error: feature 1: has no property "code" (a string or a number), which id_property names as the zone's id
        zones.geojson:3:1: error: feature 1: a Point needs the property "radius_m", the radius of its circle in metres
        zones.geojson:4:1: error: feature 2: has no property "code" (a string or a number), which id_property names as the zone's id
          and 77 more like it
        zones.geojson:4:1: error: feature 2: a Point needs the property "radius_m", the radius of its circle in metres
          and 77 more like it
        zones.geojson: 160 mistakes
    "#]].assert_eq(&told.stderr);
    assert_eq!(told.exit, 78);
}
