//! The main job on real recordings, through the real binary, held against a row-by-row oracle: alert by alert.

#[path = "../../tests/needed.rs"]
mod needed;
#[path = "../../operators/tests/oracle/mod.rs"]
mod oracle;
mod seen;

use oracle::trace::{LaneClock, PATH_KEEP, Past, SPEED_MAX_MPS, refused_by};
use rhumb_engine::lane::{Lane, hash_of};
use rhumb_geofence::{ZoneOptions, Zones};
use rhumb_operators::geofence::{RulesByZone, ZoneRules};
use seen::{Change, Scan, changes};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The default of `idle_after`.
const IDLE_AFTER_US: i64 = 30_000_000;

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

#[derive(Default)]
struct Expected {
    frames: u64,
    late: u64,
    rejects: BTreeMap<String, u64>,
    alerts: Vec<Alert>,
    /// Dwells that are told if silence has carried the lane's clock so far.
    by_silence: BTreeSet<Alert>,
    /// By vehicle; of jobs by geometry alone.
    changes: BTreeMap<String, Vec<Change>>,
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
        past.accept(time, place);
        let clock = clocks.entry(lane(vehicle)).or_default();
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
            expected
                .changes
                .insert(vehicle.clone(), changes(path.iter().map(|fix| (fix.time, fix.lat, fix.lon)), scan));
        }
        expected.alerts.extend(said);
    }
    expected
}

/// Alerts by geometry alone are the changes that `geo` sees: of the same zones, between the same fixes, and shown by the
/// second of them, or by a late frame.
fn check_plain(alerts: &[Standing], changes: &BTreeMap<String, Vec<Change>>) {
    let mut told: BTreeMap<&str, Vec<&Standing>> =
        changes.keys().map(|vehicle| (vehicle.as_str(), Vec::new())).collect();
    alerts.iter().for_each(|of| told.entry(&of.alert.0).or_default().push(of));
    for (vehicle, mut told) in told {
        let mut wanted = changes.get(vehicle).cloned().unwrap_or_default();
        wanted.sort_by(|a, b| (&a.0, a.3).cmp(&(&b.0, b.3)));
        told.sort_unstable_by_key(|of| (&of.alert.1, of.alert.3, of.frame_time));
        let same = |(told, want): (&&Standing, &Change)| {
            let (_, zone, kind, time) = &told.alert;
            let (in_zone, of_kind, after, until) = want;
            zone == in_zone
                && kind == of_kind
                && (*after..=*until).contains(time)
                && (told.is_late || told.frame_time == *until)
        };
        let first = told.iter().zip(&wanted).find(|(told, want)| !same((told, want)));
        assert!(told.len() == wanted.len() && first.is_none(), "{vehicle}: told and seen by `geo`: {first:?}");
    }
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
               coalesce(reason, ''), arrow_cast(frame_time, 'Int64'), late from alerts order by sequence";
    let asked = rhumb(&["query", toml, sql, "--format", "csv"]);
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    let standing = standing(&asked.stdout, &job);
    if job.is_plain() {
        check_plain(&standing, &expected.changes);
    }
    let mut alerts: Vec<Alert> = standing.into_iter().map(|of| of.alert).collect();
    let mut wanted = expected.alerts;
    alerts.retain(|alert| !expected.by_silence.contains(alert));
    alerts.sort_unstable();
    wanted.sort_unstable();
    assert!(!wanted.is_empty(), "the recording is to cross zones");
    let first = alerts.iter().zip(&wanted).find(|(a, b)| a != b);
    assert!(alerts == wanted, "{} alerts, {} expected; first difference {first:?}", alerts.len(), wanted.len());
}

/// An alert that stands, and the frame that showed it.
#[derive(Debug)]
struct Standing {
    alert: Alert,
    frame_time: i64,
    is_late: bool,
}

/// What stands of the alerts table once corrections are applied.
fn standing(csv: &[u8], job: &Job) -> Vec<Standing> {
    let mut standing: HashMap<String, Standing> = HashMap::new();
    let mut corrections = 0;
    for record in csv::Reader::from_reader(csv).records() {
        let record = record.expect("csv");
        if !record[5].is_empty() {
            corrections += 1;
            assert!(standing.remove(&record[5]).is_some(), "what is superseded stands: {record:?}");
        }
        if &record[6] != "retracted" {
            let time = |at: usize| record[at].parse().expect("a time");
            let alert = (record[1].to_owned(), record[2].to_owned(), record[3].to_owned(), time(4));
            let told = Standing { alert, frame_time: time(7), is_late: &record[8] == "true" };
            assert!(standing.insert(record[0].to_owned(), told).is_none(), "an id is given once: {record:?}");
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
