//! Answers over the real files are those of shapely (GEOS): `tests/shapely_oracle.py` compares them.
//! Needs `RHUMB_PYTHON`, a Python that has shapely.

mod common;

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use common::{name_of, needed, options_for, points, real_files, text_of};
use rhumb_geofence::{Polygon, Shape, ZoneLists, Zones};
use serde_json::{Value, json};

/// The only ring of the real files that goes around a part twice (docs/ZONES.md): its file and zone, and who says inside.
const TWICE_AROUND: (&str, &str, &str) = ("us_counties_10m", "51620", "ours");
/// Latitude and longitude of the place where it does.
const SPIKE: (f64, f64) = (36.682630, -76.924247);

/// One line for the script: the polygons as they were accepted, the points, our answers.
fn case(name: &str, zones: &Zones) -> String {
    let (mut lat, mut lon) = points(zones, 20_000, 20, 11);
    if name == TWICE_AROUND.0 {
        let grid = (0..41 * 41).map(|n| (n / 41 - 20, n % 41 - 20));
        for (north, east) in grid {
            lat.push(SPIKE.0 + f64::from(north) * 5e-5);
            lon.push(SPIKE.1 + f64::from(east) * 5e-5);
        }
    }
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
    let Some(python) = needed::python("shapely") else { return };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/shapely_oracle.py");
    let paths = real_files();
    let mut known = BTreeSet::new();
    for path in &paths {
        let (zones, _) = Zones::from_geojson(&text_of(path), &options_for(path)).expect("a usable file");
        let mut child = Command::new(&python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("RHUMB_PYTHON runs");
        let mut input = child.stdin.take().expect("a pipe");
        input.write_all(case(&name_of(path), &zones).as_bytes()).expect("the script reads");
        drop(input);
        let output = child.wait_with_output().expect("the script ends");
        assert!(output.status.success(), "{}: the script failed", path.display());
        let report = serde_json::from_slice(&output.stdout).expect("one line of JSON");
        known.extend(on_invalid(&name_of(path), &zones, &report));
    }
    let (file, zone, who) = TWICE_AROUND;
    let expected = BTreeSet::from([(file.to_owned(), zone.to_owned(), who.to_owned())]);
    assert!(paths.is_empty() || known == expected, "{known:?}");
}

/// File, zone and who says inside, of all differences; there is none on a valid polygon.
fn on_invalid(file: &str, zones: &Zones, report: &Value) -> BTreeSet<(String, String, String)> {
    let differences = report["differences"].as_array().expect("a list");
    let (points, hits) = (&report["points"], &report["hits"]);
    eprintln!("{file}: {points} points, {hits} hits, {} differences", differences.len());
    let of = |difference: &Value| {
        let [lat, lon] = [0, 1].map(|n| difference[n].as_f64().expect("degrees"));
        assert!(difference[4] == false, "{file}: {difference}");
        assert!((lat - SPIKE.0).hypot(lon - SPIKE.1) < 0.002, "{file}: {difference} is elsewhere");
        let zone = difference[2].as_u64().expect("a zone") as u32;
        (file.to_owned(), zones.id(zone).to_owned(), difference[3].as_str().expect("a name").to_owned())
    };
    differences.iter().map(of).collect()
}
