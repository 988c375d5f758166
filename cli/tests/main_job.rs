//! The main job on real recordings, through the real binary, held against a row-by-row oracle: alert by alert.

#[path = "../../tests/needed.rs"]
mod needed;
#[path = "../../operators/tests/oracle/mod.rs"]
mod oracle;

use geo::{Intersects, Point};
use rhumb_engine::lane::{Lane, hash_of};
use rhumb_geofence::{ZoneOptions, Zones};
use rhumb_operators::geofence::{RulesByZone, ZoneRules};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SPEED_MAX_MPS: f64 = 70.0;
const PATH_KEEP: usize = 16;
/// The default of `idle_after`.
const IDLE_AFTER_US: i64 = 30_000_000;
/// The default of `lateness`.
const LATENESS_US: i64 = 300_000_000;

/// Vehicle, zone, kind, when it happened (us).
type Alert = (String, String, String, i64);

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
struct Past {
    /// The last accepted fixes by time: (time, place), for validate.
    recent: Vec<(i64, (f64, f64))>,
    path: oracle::Path,
    newest: Option<i64>,
    /// Newest times that nothing bears out yet, of frames in a row, with the newest before them.
    doubts: (Vec<i64>, Option<i64>),
}

impl Past {
    /// Whether a frame is late. One far ahead of its lane is in doubt until its lane has come near it, and up to four in a row
    /// give way to one that is not older than what was there before them.
    fn is_late(&mut self, time: i64, clock: i64) -> bool {
        let is_far = |time: i64| time > clock.saturating_add(LATENESS_US);
        if self.doubts.0.last().is_some_and(|doubt| self.newest != Some(*doubt) || !is_far(*doubt)) {
            self.doubts.0.clear();
        }
        let (doubts, before) = &mut self.doubts;
        if self.newest.is_some_and(|newest| time < newest) {
            if doubts.is_empty() || before.is_some_and(|before| time < before) {
                return true;
            }
            self.newest = *before;
            self.path.all.retain(|fix| fix.time <= time);
        }
        match (is_far(time), doubts.len()) {
            (true, 0) => (*doubts, *before) = (vec![time], self.newest),
            (true, 1..4) => doubts.push(time),
            _ => doubts.clear(),
        }
        self.newest = Some(time);
        false
    }
}

#[derive(Default)]
struct Expected {
    frames: u64,
    late: u64,
    rejects: BTreeMap<String, u64>,
    alerts: Vec<Alert>,
    /// Dwells that are told if silence has carried the lane's clock so far.
    by_silence: BTreeSet<Alert>,
}

/// A lane's clock as its frames alone move it: a step of more than `lateness` counts once the next frame makes one, too.
struct LaneClock {
    now: i64,
    held: i64,
}

impl LaneClock {
    fn see(&mut self, time: i64) {
        let is_far = |from: i64, to: i64| to > from.saturating_add(LATENESS_US);
        if self.now == i64::MIN || !is_far(self.now, time) {
            (self.now, self.held) = (self.now.max(time), i64::MIN);
        } else {
            let (low, high) = (self.held.min(time), self.held.max(time));
            let is_alone = is_far(low, high);
            self.now = self.now.max(if is_alone { low } else { high });
            self.held = if is_alone { high } else { i64::MIN };
        }
    }
}

fn refused_by(past: &Past, time: i64, place: (f64, f64), speed_mps: Option<f32>) -> Option<&'static str> {
    if !(place.0.abs() <= 90.0 && place.1.abs() <= 180.0) {
        return Some("range");
    }
    if speed_mps.is_some_and(|mps| mps < 0.0 || f64::from(mps) > SPEED_MAX_MPS) {
        return Some("speed_reported");
    }
    if place == (0.0, 0.0) {
        return Some("null_island");
    }
    if past.recent.iter().any(|(t, _)| *t == time) {
        return Some("duplicate");
    }
    let before = past.recent.iter().rev().find(|(t, _)| *t < time);
    let after = past.recent.iter().find(|(t, _)| *t > time);
    let too_fast =
        |(t, from): &(i64, (f64, f64))| haversine_m(*from, place) / (time.abs_diff(*t) as f64 / 1e6) > SPEED_MAX_MPS;
    before.into_iter().chain(after).any(too_fast).then_some("speed_max")
}

/// Reads the trace row by row, then asks what each vehicle's path, late frames in their places, means.
fn oracle(csv: &[u8], scan: &Scan, job: &Job) -> Expected {
    let mut expected = Expected::default();
    let mut vehicles: BTreeMap<String, Past> = BTreeMap::new();
    let mut clocks: HashMap<Lane, LaneClock> = HashMap::new();
    let mut newest = i64::MIN;
    let lane = |vehicle: &str| Lane::of_hash(hash_of(vehicle.as_bytes()));
    let mut reader = csv::Reader::from_reader(csv);
    let mut record = csv::StringRecord::new();
    let speed = reader.headers().expect("a header").iter().position(|name| name == "speed_mps");
    while reader.read_record(&mut record).expect("csv") {
        expected.frames += 1;
        let number = |at: usize| record[at].parse::<f64>().expect("a number");
        let (vehicle, time, place) = (&record[0], record[1].parse::<i64>().expect("ms") * 1000, (number(2), number(3)));
        newest = newest.max(time);
        let past = match vehicles.get_mut(vehicle) {
            Some(past) => past,
            None => vehicles.entry(vehicle.to_owned()).or_default(),
        };
        let speed_mps = speed.and_then(|at| record[at].parse::<f64>().ok()).map(|mps| mps as f32);
        if let Some(rule) = refused_by(past, time, place, speed_mps) {
            *expected.rejects.entry(rule.to_owned()).or_default() += 1;
            continue;
        }
        let at = past.recent.partition_point(|(t, _)| *t <= time);
        past.recent.insert(at, (time, place));
        if past.recent.len() > PATH_KEEP {
            past.recent.remove(0);
        }
        let clock = clocks.entry(lane(vehicle)).or_insert(LaneClock { now: i64::MIN, held: i64::MIN });
        clock.see(time);
        expected.late += u64::from(past.is_late(time, clock.now));
        let fix = oracle::Fix { time, lat: place.0, lon: place.1, accuracy_m: None, speed_mps };
        past.path.take(fix, PATH_KEEP);
    }
    for (vehicle, past) in &vehicles {
        let path = &past.path.all;
        let id = |zone: u32| job.zones.id(zone).to_owned();
        let told_at = |clock: i64, crosses: bool| -> Vec<Alert> {
            let said = oracle::alerts(&job.zones, &job.rules, vehicle, None, path, clock, crosses);
            let said = said.into_iter().filter(|said| job.kinds.contains(&said.0));
            said.map(|said| (vehicle.clone(), id(said.1), said.0.to_owned(), said.2)).collect()
        };
        let clock = clocks[&lane(vehicle)].now;
        let said = told_at(clock, job.kinds.contains(&"cross"));
        // A silent lane follows the source's clock at a distance, which depends on when the source looks at it.
        let furthest = newest - IDLE_AFTER_US;
        if furthest > clock && job.kinds.contains(&"dwell") {
            let dwells = told_at(furthest, false).into_iter().filter(|alert| alert.2 == "dwell");
            expected.by_silence.extend(dwells.filter(|alert| !said.contains(alert)));
        }
        if job.is_plain() {
            check_plain(path, scan, &said);
        }
        expected.alerts.extend(said);
    }
    expected
}

/// Enters and exits by geometry alone need no more than who holds what: told by `geo`, without the crate of zones.
fn check_plain(path: &[oracle::Fix], scan: &Scan, said: &[Alert]) {
    let mut zones = BTreeSet::new();
    let mut wanted: Vec<(&str, &str)> = Vec::new();
    for fix in path {
        let now = scan.holding(fix.lat, fix.lon);
        wanted.extend(zones.difference(&now).map(|zone| ("exit", *zone)));
        wanted.extend(now.difference(&zones).map(|zone| ("enter", *zone)));
        zones = now;
    }
    let mut said: Vec<(&str, &str)> = said.iter().map(|(_, zone, kind, _)| (kind.as_str(), zone.as_str())).collect();
    said.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(said, wanted);
}

/// What is to be told, as TOML and as the oracle takes it.
struct Job {
    zones: Zones,
    rules: RulesByZone,
    kinds: &'static [&'static str],
    toml: &'static str,
}

impl Job {
    fn is_plain(&self) -> bool {
        self.rules.iter().all(|rules| *rules == ZoneRules::plain())
    }
}

const PLAIN: &str = "exit_buffer_m = 0\nconfirm_frames = 1\nconfirm_for = \"0s\"";
const WARY: &str = "exit_buffer_m = 40\nconfirm_frames = 2\nconfirm_for = \"30s\"\ndwell = \"5m\"\nspeed_limit = \"50 km/h\"\n\
                    speed_limit_for = \"10s\"\nalerts = [\"enter\", \"exit\", \"dwell\", \"cross\", \"overspeed\"]";

fn check(trace: &str, zones: &str, id_property: Option<&str>) {
    let plain = (PLAIN, ZoneRules::plain(), &["enter", "exit"][..]);
    check_rules(trace, zones, id_property, plain);
}

fn check_wary(trace: &str, zones: &str, id_property: Option<&str>) {
    let rules = ZoneRules {
        exit_buffer_m: 40.0,
        confirm_frames: 2,
        confirm_us: 30_000_000,
        dwell_us: Some(300_000_000),
        speed_limit_mps: rhumb_operators::geofence::rules::speed("50 km/h"),
        speed_limit_us: 10_000_000,
        ..ZoneRules::plain()
    };
    check_rules(trace, zones, id_property, (WARY, rules, &["enter", "exit", "dwell", "cross", "overspeed"][..]));
}

fn check_rules(
    trace: &str,
    zones: &str,
    id_property: Option<&str>,
    (rules, of_all, kinds): (&'static str, ZoneRules, &'static [&'static str]),
) {
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
         [[operator]]\n[operator.geofence]\nzones = \"zones.geojson\"\n{id_line}\npath_keep = {PATH_KEEP}\n{rules}\n\
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

    let scan = Scan::read(&zones_text, id_property);
    let options = ZoneOptions { id_property: id_property.map(str::to_owned) };
    let zones = Zones::from_geojson(&zones_text, &options).expect("valid zones").0;
    let job = Job { rules: vec![of_all; zones.len()].into(), zones, kinds, toml: rules };
    let expected = oracle(&unpacked(&trace), &scan, &job);
    let rejects: BTreeMap<String, u64> = serde_json::from_value(summary["rejects"].clone()).expect("counts");
    assert_eq!(rejects, expected.rejects);
    assert_eq!(summary["frames_in"].as_u64(), Some(expected.frames));
    let history = summary["history_rows"].as_u64().expect("a count");
    assert_eq!(history + rejects.values().sum::<u64>(), expected.frames, "frames in = history + rejects");

    let count = rhumb(&["query", toml, "select count(*) as n from history where late", "--format", "csv"]);
    assert_eq!(String::from_utf8_lossy(&count.stdout).trim(), format!("n\n{}", expected.late));
    let sql = "select alert_id, vehicle_id, zone_id, kind, arrow_cast(event_time, 'Int64'), coalesce(supersedes, ''), \
               coalesce(reason, '') from alerts order by sequence";
    let asked = rhumb(&["query", toml, sql, "--format", "csv"]);
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    let mut alerts = standing(&asked.stdout, &job);
    let mut wanted = expected.alerts;
    alerts.retain(|alert| !expected.by_silence.contains(alert));
    alerts.sort_unstable();
    wanted.sort_unstable();
    assert!(!wanted.is_empty(), "the recording is to cross zones");
    let first = alerts.iter().zip(&wanted).find(|(a, b)| a != b);
    assert!(alerts == wanted, "{} alerts, {} expected; first difference {first:?}", alerts.len(), wanted.len());
}

/// What stands of the alerts table once corrections are applied.
fn standing(csv: &[u8], job: &Job) -> Vec<Alert> {
    let mut standing: HashMap<String, Alert> = HashMap::new();
    let mut corrections = 0;
    for record in csv::Reader::from_reader(csv).records() {
        let record = record.expect("csv");
        if !record[5].is_empty() {
            corrections += 1;
            assert!(standing.remove(&record[5]).is_some(), "what is superseded stands: {record:?}");
        }
        if &record[6] != "retracted" {
            let time = record[4].parse().expect("a time");
            let alert = (record[1].to_owned(), record[2].to_owned(), record[3].to_owned(), time);
            assert!(standing.insert(record[0].to_owned(), alert).is_none(), "an id is given once: {record:?}");
        }
    }
    eprintln!("{corrections} corrections, {} alerts stand; {}", standing.len(), job.toml.replace('\n', ", "));
    standing.into_values().collect()
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

#[test]
fn austin_buses_alert_as_the_oracle_says_by_wary_rules() {
    check_wary("austin_capmetro_buses_2015_2017.csv.zst", "austin_neighborhoods.geojson.gz", Some("name"));
}

#[test]
fn liverpool_buses_alert_as_the_oracle_says_by_wary_rules() {
    check_wary("liverpool_bus_route14.csv.gz", "uk_regions.geojson.gz", None);
}

#[test]
fn mixed_tracks_alert_as_the_oracle_says_by_wary_rules() {
    check_wary("gpx_mixed_tracks.csv.gz", "world_countries_50m.geojson.gz", Some("name"));
}
