//! On each recording with each file of zones that fits it, alerts are those of an oracle with the same settings: late
//! corrections applied, with one shard and with four. The oracle is a slow machine that goes row by row and zone by zone
//! over the whole path of each vehicle (`oracle`), and knows shapes by a scan over the edges of the file (`oracle/scan.rs`): it shares the
//! settings' type with what it is held against, and nothing else.

#[path = "../../tests/needed.rs"]
mod needed;

mod chains;
mod oracle;
#[path = "oracle/scan.rs"]
mod scan;

use chains::Chains;
use oracle::trace::{LATENESS_US, LaneClock, PATH_KEEP, Past, SPEED_MAX_MPS, refused_by};
use rhumb_engine::alert::{AlertKind, AlertReason};
use rhumb_engine::frame::Frame;
use rhumb_engine::lane::{Lane, hash_of};
use rhumb_engine::message::Output;
use rhumb_engine::operator::OperatorPlan;
use rhumb_engine::time::{EventTime, SECOND_US};
use rhumb_geofence::{ZoneOptions, Zones};
use rhumb_operators::geofence::{GeofenceConfig, GeofencePlan, ZoneRules};
use rhumb_operators::validate::{ValidateConfig, ValidatePlan};
use scan::Scan;
use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// Of the cabs so many rows: a day and a half of the recording. `cli/tests/main_job.rs` runs all of it.
const ROWS_MAX: usize = 600_000;
const BATCH: usize = 20_000;
/// What was worked out in another order of operations may differ by a rounding.
const TIME_OFF_US: i64 = 2;
const PLACE_OFF_DEG: f64 = 1e-7;

struct Row {
    vehicle: String,
    time: i64,
    lat: f64,
    lon: f64,
    speed_mps: Option<f32>,
}

/// Vehicle, zone, kind, time, and where; a `dwell` is where the vehicle last was, which is not compared.
type Alert = (String, u32, &'static str, i64, Option<(f64, f64)>);

fn unpacked(path: &Path) -> Vec<u8> {
    let packed = std::fs::read(path).expect("a file");
    let mut bytes = Vec::new();
    match path.extension().and_then(|e| e.to_str()) {
        Some("zst") => bytes = zstd::decode_all(&packed[..]).expect("zstd"),
        _ => drop(flate2::read::MultiGzDecoder::new(&packed[..]).read_to_end(&mut bytes).expect("gzip")),
    }
    bytes
}

fn rows(csv: &[u8]) -> Vec<Row> {
    let mut reader = csv::Reader::from_reader(csv);
    let speed = reader.headers().expect("a header").iter().position(|name| name == "speed_mps");
    let row = |record: csv::StringRecord| {
        let number = |at: usize| record[at].parse::<f64>().expect("a number");
        let speed_mps = speed.and_then(|at| record[at].parse::<f64>().ok()).map(|mps| mps as f32);
        let time = record[1].parse::<i64>().expect("ms") * 1000;
        Row { vehicle: record[0].to_owned(), time, lat: number(2), lon: number(3), speed_mps }
    };
    reader.records().take(ROWS_MAX).map(|record| row(record.expect("csv"))).collect()
}

fn rules() -> ZoneRules {
    ZoneRules {
        exit_buffer_m: 40.0,
        confirm_frames: 2,
        confirm_us: 30 * SECOND_US,
        dwell_us: Some(300 * SECOND_US),
        speed_limit_mps: Some(13.9),
        speed_limit_us: 10 * SECOND_US,
        ..ZoneRules::plain()
    }
}

/// What is to be told, once every row has come.
fn expected(rows: &[Row], scan: &Scan, rules: &ZoneRules) -> Vec<Alert> {
    let mut vehicles: BTreeMap<&str, Past> = BTreeMap::new();
    let mut clocks: HashMap<Lane, LaneClock> = HashMap::new();
    let lane = |vehicle: &str| Lane::of_hash(hash_of(vehicle.as_bytes()));
    for row in rows {
        let past = vehicles.entry(&row.vehicle).or_default();
        if refused_by(past, row.time, (row.lat, row.lon), row.speed_mps).is_some() {
            continue;
        }
        past.accept(row.time, (row.lat, row.lon));
        let clock = clocks.entry(lane(&row.vehicle)).or_default();
        clock.see(row.time);
        past.is_late(row.time, clock.now);
        let Row { time, lat, lon, speed_mps, .. } = *row;
        past.path.take(oracle::Fix { time, lat, lon, accuracy_m: None, speed_mps }, PATH_KEEP);
    }
    let of_all = vec![rules.clone(); oracle::Geometry::count(scan) as usize].into();
    let mut all = Vec::new();
    for (vehicle, past) in &vehicles {
        let clock = clocks.get(&lane(vehicle)).map_or(i64::MIN, |clock| clock.now);
        let said = oracle::alerts(scan, &of_all, vehicle, None, &past.path.all, clock, true);
        let alert = |(kind, zone, time, place, ..): oracle::Said| {
            let place = place.map(|(lat, lon)| (f64::from_bits(lat), f64::from_bits(lon)));
            ((*vehicle).to_owned(), zone, kind, time, place)
        };
        all.extend(said.into_iter().map(alert));
    }
    all
}

/// What stands of what the engine tells, once corrections are applied; with how many of them there were.
fn told(rows: &[Row], zones: &Arc<Zones>, rules: &ZoneRules, shards: usize) -> (Vec<Alert>, usize) {
    let validate =
        ValidateConfig { speed_max_mps: Some(SPEED_MAX_MPS), path_keep: PATH_KEEP, ..ValidateConfig::default() };
    let geofence = GeofenceConfig {
        rules: vec![rules.clone(); zones.len()].into(),
        alerts: AlertKind::ALL.to_vec(),
        path_keep: PATH_KEEP,
        ..GeofenceConfig::plain(zones.clone(), "traces")
    };
    let plans: Vec<Arc<dyn OperatorPlan>> =
        vec![Arc::new(ValidatePlan::new("validate", validate)), Arc::new(GeofencePlan::new("geofence", geofence))];
    let mut chains = Chains::new(plans, LATENESS_US, shards);
    let (mut standing, mut corrections) = (HashMap::new(), 0);
    let mut take = |outputs: Vec<Output>, chains: &Chains| {
        for output in outputs {
            for alert in output.effects.alerts.iter().flat_map(|alerts| (0..alerts.len()).map(|row| alerts.get(row))) {
                if let Some(superseded) = alert.supersedes {
                    corrections += 1;
                    assert!(standing.remove(&superseded).is_some(), "what is superseded stands");
                }
                if alert.reason != AlertReason::Retracted {
                    let vehicle = chains.vehicles[output.shard].id(alert.vehicle).to_owned();
                    let place = (alert.kind != AlertKind::Dwell).then_some((alert.lat, alert.lon));
                    let alert_of = (vehicle, alert.zone, alert.kind.name(), alert.event_time.0, place);
                    assert!(standing.insert(alert.id, alert_of).is_none(), "an id is given once");
                }
            }
        }
    };
    for (n, batch) in rows.chunks(BATCH).enumerate() {
        for (at, row) in batch.iter().enumerate() {
            let Row { vehicle, time, lat, lon, speed_mps } = row;
            let (event_time, lat, lon, speed_mps) = (EventTime(*time), *lat, *lon, *speed_mps);
            let frame = Frame { vehicle, event_time, lat, lon, speed_mps, ..Frame::default() };
            chains.push_received(n * BATCH + at, &frame, EventTime(i64::MAX / 2));
        }
        let outputs = chains.process();
        take(outputs, &chains);
    }
    let (outputs, _) = chains.end();
    take(outputs, &chains);
    (standing.into_values().collect(), corrections)
}

fn sorted(mut alerts: Vec<Alert>) -> Vec<Alert> {
    alerts.sort_by(|a, b| (&a.0, a.1, a.2, a.3).cmp(&(&b.0, b.1, b.2, b.3)));
    alerts
}

fn is_same(a: &Alert, b: &Alert) -> bool {
    let near = |a: (f64, f64), b: (f64, f64)| (a.0 - b.0).abs() <= PLACE_OFF_DEG && (a.1 - b.1).abs() <= PLACE_OFF_DEG;
    let place = match (a.4, b.4) {
        (Some(a), Some(b)) => near(a, b),
        (a, b) => a.is_none() && b.is_none(),
    };
    (&a.0, a.1, a.2) == (&b.0, b.1, b.2) && (a.3 - b.3).abs() <= TIME_OFF_US && place
}

/// `kinds`: those that the recording is to give at least one of.
fn check(trace: &str, zone_files: &[(&str, Option<&str>)], kinds: &[&str]) {
    let Some(data) = needed::real_data("traces") else { return };
    let rows = rows(&unpacked(&data.join(trace)));
    let mut seen: Vec<&str> = Vec::new();
    for (file, id_property) in zone_files {
        let text = unpacked(&data.join("../zones").join(format!("{file}.geojson.gz")));
        let text = String::from_utf8(text).expect("text");
        let options = ZoneOptions { id_property: id_property.map(str::to_owned) };
        let zones = Arc::new(Zones::from_geojson(&text, &options).expect("valid zones").0);
        let scan = Scan::read(&text);
        for rules in [ZoneRules::plain(), rules()] {
            let wanted = sorted(expected(&rows, &scan, &rules));
            seen.extend(wanted.iter().map(|alert| alert.2));
            for shards in [1, 4] {
                let (alerts, corrections) = told(&rows, &zones, &rules, shards);
                let alerts = sorted(alerts);
                eprintln!("{trace} {file}, {shards} shards: {} alerts, {corrections} corrections", alerts.len());
                let first = alerts.iter().zip(&wanted).find(|(a, b)| !is_same(a, b));
                assert!(first.is_none(), "{file}, {shards} shards: {first:?}");
                assert_eq!(alerts.len(), wanted.len(), "{file}, {shards} shards");
            }
        }
    }
    let missing: Vec<&&str> = kinds.iter().filter(|kind| !seen.contains(kind)).collect();
    assert!(missing.is_empty(), "{trace} gives no {missing:?}");
}

const ALL: [&str; 5] = ["enter", "exit", "dwell", "cross", "overspeed"];

#[test]
fn austin_buses_over_neighbourhoods() {
    check("austin_capmetro_buses_2015_2017.csv.zst", &[("austin_neighborhoods", Some("name"))], &ALL);
}

#[test]
fn san_francisco_cabs_over_all_zones_around_the_bay() {
    let zones = [
        ("sf_neighborhoods", None),
        ("oakland_neighborhoods", None),
        ("san_jose_neighborhoods", None),
        ("silicon_valley_cities", None),
        ("california_counties", None),
    ];
    // They say no speed, and hardly ever is one too fast from fix to fix for ten seconds of two fixes.
    check("sf_cabspotting_537cabs_timeordered.csv.zst", &zones, &["enter", "exit", "dwell", "cross"]);
}

#[test]
fn liverpool_buses_over_regions() {
    check("liverpool_bus_route14.csv.gz", &[("uk_regions", None)], &["enter"]);
}

#[test]
fn rome_taxis_over_rioni_and_regions() {
    check("rome_taxi_first2min_sample.csv.gz", &[("rome_rioni", None), ("italy_regions", None)], &["enter", "exit"]);
}

#[test]
fn mixed_tracks_over_countries() {
    check("gpx_mixed_tracks.csv.gz", &[("world_countries_50m", Some("name"))], &["enter", "dwell"]);
}

#[test]
fn receiver_logs_over_countries() {
    check("nmea_rmc_tracks.csv.gz", &[("world_countries_50m", Some("name"))], &["enter"]);
}
