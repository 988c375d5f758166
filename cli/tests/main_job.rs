//! The main job on real recordings, through the real binary, held against a row-by-row oracle: alert by alert.

#[path = "../../tests/needed.rs"]
mod needed;

use geo::{Intersects, Point};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SPEED_MAX_MPS: f64 = 70.0;
const PATH_KEEP: usize = 16;

/// Vehicle, zone, kind, time of the frame (us).
type Alert = (String, String, &'static str, i64);

/// The folder of real data, if it is there.
fn shared() -> Option<PathBuf> {
    needed::real_data("traces").and_then(|traces| Some(traces.parent()?.to_owned()))
}

fn unpacked(path: &Path) -> Vec<u8> {
    let packed = std::fs::read(path).expect("a recording");
    let mut bytes = Vec::new();
    match path.extension().and_then(|e| e.to_str()) {
        Some("zst") => bytes = zstd::decode_all(&packed[..]).expect("zstd"),
        _ => drop(flate2::read::MultiGzDecoder::new(&packed[..]).read_to_end(&mut bytes).expect("gzip")),
    }
    bytes
}

fn rhumb(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rhumb")).args(arguments).output().expect("rhumb runs")
}

fn haversine_m(a: (f64, f64), b: (f64, f64)) -> f64 {
    let sin2 = |x: f64| (x / 2.0).sin().powi(2);
    let [lat1, lon1, lat2, lon2] = [a.0, a.1, b.0, b.1].map(f64::to_radians);
    2.0 * 6_371_008.8 * (sin2(lat2 - lat1) + lat1.cos() * lat2.cos() * sin2(lon2 - lon1)).sqrt().min(1.0).asin()
}

/// Zones by a linear scan with `geo`: ids, envelopes and shapes in the order of the file.
struct Scan(Vec<(String, geo::Rect, geo::MultiPolygon)>);

impl Scan {
    fn read(text: &str, id_property: Option<&str>) -> Scan {
        let json: serde_json::Value = serde_json::from_str(text).expect("GeoJSON");
        let features = json["features"].as_array().expect("features");
        let ring = |r: &serde_json::Value| -> geo::LineString {
            let points = r.as_array().expect("a ring").iter();
            points.map(|p| (p[0].as_f64().expect("lon"), p[1].as_f64().expect("lat"))).collect::<Vec<_>>().into()
        };
        let polygon = |p: &serde_json::Value| {
            let mut rings: Vec<geo::LineString> = p.as_array().expect("rings").iter().map(ring).collect();
            let shell = rings.remove(0);
            geo::Polygon::new(shell, rings)
        };
        let text_of = |v: &serde_json::Value| match v {
            serde_json::Value::String(text) => Some(text.clone()),
            serde_json::Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let zone = |(at, feature): (usize, &serde_json::Value)| {
            let properties = &feature["properties"];
            let id = match id_property {
                Some(name) => text_of(&properties[name]),
                None => [&feature["id"], &properties["id"], &properties["zone_id"]].into_iter().find_map(text_of),
            };
            let coordinates = &feature["geometry"]["coordinates"];
            let shape = match feature["geometry"]["type"].as_str() {
                Some("Polygon") => geo::MultiPolygon(vec![polygon(coordinates)]),
                _ => geo::MultiPolygon(coordinates.as_array().expect("polygons").iter().map(polygon).collect()),
            };
            let envelope = geo::BoundingRect::bounding_rect(&shape).expect("not empty");
            (id.unwrap_or_else(|| at.to_string()), envelope, shape)
        };
        Scan(features.iter().enumerate().map(zone).collect())
    }

    fn holding(&self, lat: f64, lon: f64) -> BTreeSet<&str> {
        let at = Point::new(lon, lat);
        let holds = |(_, envelope, shape): &&(String, geo::Rect, geo::MultiPolygon)| {
            envelope.intersects(&at) && shape.intersects(&at)
        };
        self.0.iter().filter(holds).map(|(id, ..)| id.as_str()).collect()
    }
}

/// What one vehicle's past is to the oracle.
#[derive(Default)]
struct Past<'z> {
    /// The last accepted fixes by time: (time, place).
    path: Vec<(i64, (f64, f64))>,
    newest: Option<i64>,
    zones: BTreeSet<&'z str>,
}

#[derive(Default)]
struct Expected {
    frames: u64,
    rejects: BTreeMap<String, u64>,
    alerts: Vec<Alert>,
}

fn refused_by(past: &Past, time: i64, place: (f64, f64)) -> Option<&'static str> {
    if !(place.0.abs() <= 90.0 && place.1.abs() <= 180.0) {
        return Some("range");
    }
    if place == (0.0, 0.0) {
        return Some("null_island");
    }
    if past.path.iter().any(|(t, _)| *t == time) {
        return Some("duplicate");
    }
    let before = past.path.iter().rev().find(|(t, _)| *t < time);
    let after = past.path.iter().find(|(t, _)| *t > time);
    let too_fast =
        |(t, from): &(i64, (f64, f64))| haversine_m(*from, place) / (time.abs_diff(*t) as f64 / 1e6) > SPEED_MAX_MPS;
    before.into_iter().chain(after).any(too_fast).then_some("speed_max")
}

fn oracle(csv: &[u8], zones: &Scan) -> Expected {
    let mut expected = Expected::default();
    let mut vehicles: HashMap<String, Past> = HashMap::new();
    let mut reader = csv::Reader::from_reader(csv);
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).expect("csv") {
        expected.frames += 1;
        let number = |at: usize| record[at].parse::<f64>().expect("a number");
        let (vehicle, time, place) = (&record[0], record[1].parse::<i64>().expect("ms") * 1000, (number(2), number(3)));
        let past = match vehicles.get_mut(vehicle) {
            Some(past) => past,
            None => vehicles.entry(vehicle.to_owned()).or_default(),
        };
        if let Some(rule) = refused_by(past, time, place) {
            *expected.rejects.entry(rule.to_owned()).or_default() += 1;
            continue;
        }
        let at = past.path.partition_point(|(t, _)| *t <= time);
        past.path.insert(at, (time, place));
        if past.path.len() > PATH_KEEP {
            past.path.remove(0);
        }
        if past.newest.is_some_and(|newest| time < newest) {
            continue;
        }
        past.newest = Some(time);
        let now = zones.holding(place.0, place.1);
        let mut alert = |zone: &&str, kind| expected.alerts.push((vehicle.to_owned(), (*zone).to_owned(), kind, time));
        past.zones.difference(&now).for_each(|zone| alert(zone, "exit"));
        now.difference(&past.zones).for_each(|zone| alert(zone, "enter"));
        past.zones = now;
    }
    expected
}

fn check(trace: &str, zones: &str, id_property: Option<&str>) {
    let Some(data) = shared() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let zones_text = String::from_utf8(unpacked(&data.join("zones").join(zones))).expect("text");
    std::fs::write(folder.path().join("zones.geojson"), &zones_text).expect("write");
    let trace = data.join("traces").join(trace);
    let id_line = id_property.map_or(String::new(), |p| format!("id_property = \"{p}\""));
    let pipeline = format!(
        "name = \"main_job\"\ndata = \"data\"\n[[source]]\nname = \"recording\"\n[source.file]\npath = \"{}\"\ncodec = \"csv\"\n\
         [source.fields]\nevent_time = {{ field = \"ts\", unit = \"ms\" }}\n\
         [[operator]]\n[operator.validate]\nspeed_max_mps = {SPEED_MAX_MPS}\npath_keep = {PATH_KEEP}\n\
         [[operator]]\n[operator.geofence]\nzones = \"zones.geojson\"\n{id_line}\n\
         [[operator]]\n[operator.window]\nname = \"zones\"\nevery = \"1h\"\nkey = [\"zone_id\"]\naggregates = {{ frames = \"count\" }}\n",
        trace.display()
    );
    let toml = folder.path().join("main_job.toml");
    std::fs::write(&toml, pipeline).expect("write");
    let summary_path = folder.path().join("summary.json");
    let (toml, summary_path) = (toml.to_str().expect("text"), summary_path.to_str().expect("text"));
    let run = rhumb(&["run", toml, "--until-end", "--summary", summary_path]);
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let summary: serde_json::Value =
        serde_json::from_slice(&std::fs::read(summary_path).expect("a summary")).expect("JSON");

    let expected = oracle(&unpacked(&trace), &Scan::read(&zones_text, id_property));
    let rejects: BTreeMap<String, u64> = serde_json::from_value(summary["rejects"].clone()).expect("counts");
    assert_eq!(rejects, expected.rejects);
    assert_eq!(summary["frames_in"].as_u64(), Some(expected.frames));
    let history = summary["history_rows"].as_u64().expect("a count");
    assert_eq!(history + rejects.values().sum::<u64>(), expected.frames, "frames in = history + rejects");

    let count = rhumb(&["query", toml, "select count(*) as n from history", "--format", "csv"]);
    assert_eq!(String::from_utf8_lossy(&count.stdout).trim(), format!("n\n{history}"));
    let sql = "select vehicle_id, zone_id, kind, arrow_cast(frame_time, 'Int64') from alerts";
    let asked = rhumb(&["query", toml, sql, "--format", "csv"]);
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    let mut alerts: Vec<Alert> = csv::Reader::from_reader(&asked.stdout[..])
        .records()
        .map(|record| {
            let record = record.expect("csv");
            let kind = if &record[2] == "enter" { "enter" } else { "exit" };
            (record[0].to_owned(), record[1].to_owned(), kind, record[3].parse().expect("a time"))
        })
        .collect();
    let mut wanted = expected.alerts;
    alerts.sort_unstable();
    wanted.sort_unstable();
    assert!(!wanted.is_empty(), "the recording is to cross zones");
    let first = alerts.iter().zip(&wanted).find(|(a, b)| a != b);
    assert!(alerts == wanted, "{} alerts, {} expected; first difference {first:?}", alerts.len(), wanted.len());
}

#[test]
fn austin_buses_alert_as_the_oracle_says() {
    check("austin_capmetro_buses_2015_2017.csv.zst", "austin_neighborhoods.geojson.gz", Some("name"));
}

#[test]
fn san_francisco_cabs_alert_as_the_oracle_says() {
    check("sf_cabspotting_537cabs_timeordered.csv.zst", "sf_neighborhoods.geojson.gz", None);
}

#[test]
fn liverpool_buses_alert_as_the_oracle_says() {
    check("liverpool_bus_route14.csv.gz", "uk_regions.geojson.gz", None);
}

#[test]
fn rome_taxis_alert_as_the_oracle_says() {
    check("rome_taxi_first2min_sample.csv.gz", "rome_rioni.geojson.gz", None);
}

#[test]
fn mixed_tracks_alert_as_the_oracle_says() {
    check("gpx_mixed_tracks.csv.gz", "world_countries_50m.geojson.gz", Some("name"));
}

#[test]
fn receiver_logs_alert_as_the_oracle_says() {
    check("nmea_rmc_tracks.csv.gz", "world_countries_50m.geojson.gz", Some("name"));
}
