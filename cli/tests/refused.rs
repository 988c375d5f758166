//! What keeps a run from beginning, or is told before it does: pipelines that are none, folders that may not be written,
//! recordings and zones that are not what their reader takes them for.

mod cabs;
mod support;

use cabs::{check, pipeline, said, site};
use expect_test::expect;
use support::{Site, Told, ZONES};

#[test]
fn data_below_a_file_is_a_mistake() {
    let site = site("10");
    site.write("below.toml", pipeline("cabs.csv/data", "cabs.csv"));
    let expected = expect![[r#"
        below.toml:2:8: pipeline: data: cabs.csv is a file, and a folder is needed; write another path
          2 | data = "cabs.csv/data"
            |        ^^^^^^^^^^^^^^^
        below.toml: 1 mistake
    "#]];
    check(&site, &["run", "below.toml", "--until-end"], 78, expected);
}

/// Root may write everywhere, so as root the run is another user's.
#[test]
fn data_folder_that_may_not_be_written_is_said() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let site = site("10");
    let may = |name: &str, mode| {
        std::fs::set_permissions(site.path(name), PermissionsExt::from_mode(mode)).expect("permissions");
    };
    std::fs::create_dir(site.path("held")).expect("a folder");
    site.write("held.toml", pipeline("held/data", "cabs.csv"));
    may("held", 0o555);
    may("", 0o755);
    let binary = env!("CARGO_BIN_EXE_rhumb");
    let is_root = std::fs::metadata("/proc/self").expect("proc").uid() == 0;
    let mut command = site.command(if is_root { "setpriv" } else { binary });
    if is_root {
        // Another user may not be able to reach the binary where it stands.
        std::fs::copy(binary, site.path("rhumb")).expect("a copy");
        command.args(["--reuid", "65534", "--clear-groups", "./rhumb"]);
    }
    let told = Told::of(command.args(["run", "held.toml", "--until-end"]).output().expect("it runs"));
    expect![[r#"
        held.toml:2:8: pipeline: data: this user may not make held/data in held: Permission denied (os error 13); write another path, or give the right to write
          2 | data = "held/data"
            |        ^^^^^^^^^^^
        held.toml: 1 mistake
    "#]].assert_eq(&said(&told));
    assert_eq!(told.exit, 78, "{told:?}");
}

#[test]
fn recording_that_its_codec_cannot_read_is_a_mistake_before_anything_is_committed() {
    let site = site("10");
    site.write("other.toml", pipeline("data", "cabs.csv").replace("codec = \"csv\"", "codec = \"json\""));
    check(
        &site,
        &["check", "other.toml"],
        78,
        expect![[r#"
        other.toml:9:9: source recording: codec json reads nothing of cabs.csv: byte 0: expected a value; it looks like csv: write codec = "csv"
          9 | codec = "json"
            |         ^^^^^^
        other.toml: 1 mistake
    "#]],
    );
    check(
        &site,
        &["run", "other.toml", "--until-end"],
        78,
        expect![[r#"
        other.toml:9:9: source recording: codec json reads nothing of cabs.csv: byte 0: expected a value; it looks like csv: write codec = "csv"
          9 | codec = "json"
            |         ^^^^^^
        other.toml: 1 mistake
    "#]],
    );
    assert!(!site.path("data").exists(), "nothing was begun");
    // A lake can be asked whatever became of its recordings.
    site.done(&["run", "cabs.toml", "--until-end"]);
    site.done(&["query", "other.toml", "select 1 as one"]);
}

#[test]
fn columns_that_a_recording_lacks_are_told_where_they_are_mapped() {
    let site = site("10");
    let fields = "[source.fields]\nvehicle_id = \"imei\"\nspeed_mps = { field = \"kmh\", unit = \"km/h\" }\n";
    site.write("cabs.toml", pipeline("data", "cabs.csv").replacen("[[operator]]", &format!("{fields}[[operator]]"), 1));
    check(
        &site,
        &["check", "cabs.toml"],
        78,
        expect![[r#"
        cabs.toml:12:14: source recording: vehicle_id: cabs.csv has no column "imei"; the columns are vehicle_id, event_time, lat, lon, altitude_m, speed_mps, heading_deg, accuracy_m, hdop, satellites, received_at
          12 | vehicle_id = "imei"
             |              ^^^^^^
        cabs.toml:13:13: warning: source recording: speed_mps: cabs.csv has no column "kmh", so no frame has this field; the columns are vehicle_id, event_time, lat, lon, altitude_m, speed_mps, heading_deg, accuracy_m, hdop, satellites, received_at
          13 | speed_mps = { field = "kmh", unit = "km/h" }
             |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        cabs.toml: 1 mistake
    "#]],
    );
    site.write("bare.csv", "vehicle_id,ts,lat\na,1767592800,30\n");
    site.write("bare.toml", pipeline("data", "bare.csv"));
    check(
        &site,
        &["check", "bare.toml"],
        78,
        expect![[r#"
        bare.toml:9:9: source recording: codec csv reads nothing of bare.csv: no column for lon (looked for lon, lng, longitude); the columns are vehicle_id, ts, lat
          9 | codec = "csv"
            |         ^^^^^
        bare.toml: 1 mistake
    "#]],
    );
}

#[test]
fn what_is_no_pipeline_is_told_as_that() {
    let site = site("300");
    check(
        &site,
        &["check", "cabs.csv"],
        78,
        expect![[r#"
        cabs.csv:1:1: pipeline: this is CSV, and no pipeline; a pipeline names such a file in [source.file], as path = "cabs.csv" and codec = "csv"
          1 | vehicle_id,event_time,lat,lon,altitude_m,speed_mps,heading_deg,accuracy_m,hdop,satellites,received_at
            | ^
        cabs.csv: 1 mistake
    "#]],
    );
    check(
        &site,
        &["check", "zones.geojson"],
        78,
        expect![[r#"
        zones.geojson:1:1: pipeline: this is GeoJSON, and no pipeline; a pipeline names such a file in [operator.geofence], as zones = "zones.geojson"
          1 | {"type": "FeatureCollection", "features": [
            | ^
        zones.geojson: 1 mistake
    "#]],
    );
    // TOML with many mistakes of one kind is still that.
    site.write(
        "odd.toml",
        "name = \"odd\"\n".to_owned() + &(0..40).map(|n| format!("key{n} = value\n")).collect::<String>(),
    );
    check(
        &site,
        &["check", "odd.toml"],
        78,
        expect![[r#"
            odd.toml:2:8: syntax: a text must be quoted, as in "text"
              2 | key0 = value
                |        ^^^^^
            odd.toml:3:8: syntax: a text must be quoted, as in "text"
              3 | key1 = value
                |        ^^^^^
            odd.toml:4:8: syntax: a text must be quoted, as in "text"
              4 | key2 = value
                |        ^^^^^
              and 37 more like it
            odd.toml: 40 mistakes
        "#]],
    );
}

#[test]
fn zones_file_without_zones_says_so() {
    let site = site("60");
    let empty = |content: &str| site.write("zones.geojson", content);
    empty("");
    let expected = expect![[r#"
        zones.geojson:1:1: operator geofence: the file is empty: write a GeoJSON FeatureCollection of zones
        cabs.toml: 1 mistake
    "#]];
    check(&site, &["run", "cabs.toml", "--until-end"], 78, expected);
    empty("{}");
    let expected = expect![[r#"
        zones.geojson:1:1: operator geofence: the file is JSON without a GeoJSON "type", not a FeatureCollection: write {"type": "FeatureCollection", "features": [...]} with one Feature for each zone
        cabs.toml: 1 mistake
    "#]];
    check(&site, &["run", "cabs.toml", "--until-end"], 78, expected);
    // A collection without features is one: whoever draws zones later begins like this.
    empty(r#"{"type": "FeatureCollection", "features": []}"#);
    let expected = expect![[r#"
        zones.geojson:1:1: warning: operator geofence: holds no zones: "features" is empty, so no vehicle will ever be in a zone
    "#]];
    check(&site, &["run", "cabs.toml", "--until-end"], 0, expected);
    assert_eq!(site.count("cabs.toml", "select count(*) from history where cardinality(zone_ids) = 0"), 1800);
    assert_eq!(site.count("cabs.toml", "select count(*) from alerts"), 0);
}

#[test]
fn recording_that_is_not_there_is_a_mistake() {
    let site = site("10");
    site.write("none.toml", pipeline("data", "none.csv"));
    check(
        &site,
        &["run", "none.toml", "--until-end"],
        78,
        expect![[r#"
        none.toml:8:8: source recording: path: cannot read none.csv: there is no such file
          8 | path = "none.csv"
            |        ^^^^^^^^^^
        none.toml: 1 mistake
    "#]],
    );
}

/// Where a user with all rights may write and nothing is kept.
#[test]
fn data_in_a_file_system_of_the_kernel_is_a_mistake() {
    let site = site("10");
    site.write("kernel.toml", pipeline("/proc/fleet", "cabs.csv"));
    let expected = expect![[r#"
        kernel.toml:2:8: pipeline: data: /proc/fleet is in a file system of kind proc, which keeps no files; write another path
          2 | data = "/proc/fleet"
            |        ^^^^^^^^^^^^^
        kernel.toml: 1 mistake
    "#]];
    check(&site, &["check", "kernel.toml"], 78, expected);
}

#[test]
fn recording_without_a_frame_is_told_and_no_mistake() {
    let site = site("10");
    for (content, expected) in [
        (
            "",
            expect![[r#"
                none.toml:8:8: warning: source recording: path: none.csv holds no frame
                  8 | path = "none.csv"
                    |        ^^^^^^^^^^
                none.toml: ok
            "#]],
        ),
        (
            "vehicle_id,ts,lat,lon\n",
            expect![[r#"
                none.toml:8:8: warning: source recording: path: none.csv holds no frame
                  8 | path = "none.csv"
                    |        ^^^^^^^^^^
                none.toml: ok
            "#]],
        ),
    ] {
        site.write("none.csv", content);
        site.write("none.toml", pipeline("data", "none.csv"));
        check(&site, &["check", "none.toml"], 0, expected);
    }
}

/// Both are in range, so only where the vehicles are, or the other zones, can tell.
#[test]
fn zones_that_are_the_other_way_round_are_suspected() {
    let oslo = |east: f64, north: f64, is_swapped: bool| {
        let corner = |lon: f64, lat: f64| if is_swapped { format!("[{lat},{lon}]") } else { format!("[{lon},{lat}]") };
        let ring = [(0.0, 0.0), (0.02, 0.0), (0.02, 0.02), (0.0, 0.02), (0.0, 0.0)];
        let ring: Vec<String> = ring.iter().map(|(x, y)| corner(10.7 + east + x, 59.9 + north + y)).collect();
        format!(
            r#"{{"type":"Feature","id":"{east} {north}","properties":{{}},"geometry":{{"type":"Polygon","coordinates":[[{}]]}}}}"#,
            ring.join(",")
        )
    };
    let site = Site::new();
    site.write("cabs.csv", "vehicle_id,ts,lat,lon\na,1767592800,59.91,10.71\nb,1767592800,59.95,10.75\n");
    site.write("cabs.toml", pipeline("data", "cabs.csv"));
    let places = [(0.0, 0.0), (0.04, 0.0), (0.0, 0.04), (0.04, 0.04)];
    let zones = |is_swapped: fn(usize) -> bool| {
        let all: Vec<String> =
            places.iter().enumerate().map(|(n, (east, north))| oslo(*east, *north, is_swapped(n))).collect();
        site.write(
            "zones.geojson",
            format!("{{\"type\":\"FeatureCollection\",\"features\":[\n{}\n]}}", all.join(",\n")),
        );
    };
    zones(|_| false);
    check(
        &site,
        &["check", "cabs.toml"],
        0,
        expect![[r#"
        cabs.toml: ok
    "#]],
    );
    zones(|n| n == 2);
    check(
        &site,
        &["check", "cabs.toml"],
        0,
        expect![[r#"
        zones.geojson:4:1: warning: operator geofence: feature 2 (id "0 0.04"): lies near latitude 10.70, longitude 59.94, far from the other zones, and would lie among them if latitude and longitude were swapped: GeoJSON writes [longitude, latitude]
        cabs.toml: ok
    "#]],
    );
    zones(|_| true);
    check(
        &site,
        &["check", "cabs.toml"],
        0,
        expect![[r#"
        cabs.toml:13:1: warning: operator geofence: zones: none of the first 2 frames of the recordings is near a zone, and they would be if latitude and longitude of the zones were swapped: GeoJSON writes [longitude, latitude]
          13 | [[operator]]
             | ^^^^^^^^^^^^
        cabs.toml: ok
    "#]],
    );
}

#[test]
fn property_of_a_zone_that_is_nearly_a_setting_is_told() {
    let site = site("10");
    let properties = r#"{"name": "Middle", "exit_bufer_m": 20, "speed_limt": "50 km/h", "dwell": "5m"}"#;
    site.write("zones.geojson", ZONES.replace(r#"{"name": "Middle"}"#, properties));
    let expected = expect![[r#"
        zones.geojson:2:1: warning: operator geofence: feature 0 (id "middle"): property "exit_bufer_m" sets nothing; did you mean "exit_buffer_m"?
        zones.geojson:2:1: warning: operator geofence: feature 0 (id "middle"): property "speed_limt" sets nothing; did you mean "speed_limit"?
        cabs.toml: ok
    "#]];
    check(&site, &["check", "cabs.toml"], 0, expected);
    let told = site.done(&["zones", "check", "zones.geojson"]).stderr;
    let first = r#"zones.geojson:2:1: warning: feature 0 (id "middle"): property "exit_bufer_m" sets nothing; did you mean "exit_buffer_m"?"#;
    assert_eq!(told.lines().next(), Some(first), "{told}");
}
