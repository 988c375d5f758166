//! Answers over the real files are those of shapely (GEOS): `tests/shapely_oracle.py` compares them.
//! Needs `RHUMB_PYTHON`, a Python that has shapely.

mod common;

use std::io::Write;
use std::process::{Command, Stdio};

use common::{name_of, options_for, points, real_files, text_of};
use rhumb_geofence::{Polygon, Shape, ZoneLists, Zones};
use serde_json::{Value, json};

/// One line for the script: the polygons as they were accepted, the points, our answers.
fn case(name: &str, zones: &Zones) -> String {
    let (lat, lon) = points(zones, 20_000, 20, 11);
    let mut lists = ZoneLists::default();
    zones.containing_batch(&lat, &lon, &mut lists);
    let rings = |p: &Polygon| {
        let all = std::iter::once(&p.shell).chain(&p.holes);
        all.map(|ring| json!(ring.vertices())).collect::<Vec<_>>()
    };
    let mut polygons = Vec::new();
    for (ordinal, zone) in zones.iter().enumerate() {
        if let Shape::Polygons(parts) = &zone.shape {
            polygons.extend(parts.iter().map(|polygon| json!([ordinal, rings(polygon)])));
        }
    }
    let answers: Vec<&[u32]> = (0..lists.len()).map(|row| lists.row(row)).collect();
    json!({"file": name, "polygons": polygons, "lat": lat, "lon": lon, "zones": answers}).to_string()
}

#[test]
fn answers_on_real_zones_are_those_of_shapely() {
    let Some(python) = std::env::var_os("RHUMB_PYTHON") else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "RHUMB_PYTHON is not set");
        eprintln!("SKIPPED: RHUMB_PYTHON names no Python with shapely");
        return;
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/shapely_oracle.py");
    for path in real_files() {
        let (zones, _) = Zones::from_geojson(&text_of(&path), &options_for(&path)).expect("a usable file");
        let mut child = Command::new(&python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("RHUMB_PYTHON runs");
        let mut input = child.stdin.take().expect("a pipe");
        input.write_all(case(&name_of(&path), &zones).as_bytes()).expect("the script reads");
        drop(input);
        let output = child.wait_with_output().expect("the script ends");
        assert!(output.status.success(), "{}: the script failed", path.display());
        check(&serde_json::from_slice(&output.stdout).expect("one line of JSON"));
    }
}

/// On valid polygons there is no difference at all; on invalid ones `docs/ZONES.md` explains them.
fn check(report: &Value) {
    let differences = report["differences"].as_array().expect("a list");
    let on_valid: Vec<_> = differences.iter().filter(|d| d[4] == true).collect();
    eprintln!(
        "{} {} points, {} hits, {} differences",
        report["file"],
        report["points"],
        report["hits"],
        differences.len()
    );
    assert!(on_valid.is_empty(), "{}: {:?}", report["file"], &on_valid[..on_valid.len().min(5)]);
}
