//! How many short stays and short absences real vehicles have at real zones, by the rules of the geofence: what its
//! defaults are chosen by, and the table of `docs/ZONES.md`.

use rhumb_engine::alert::AlertKind;
use rhumb_engine::builder::{ClockRules, FrameBuilder};
use rhumb_engine::chain::Chain;
use rhumb_engine::current::CurrentShard;
use rhumb_engine::frame::{Frame, Origin};
use rhumb_engine::operator::{OperatorPlan, ShardContext};
use rhumb_engine::time::{DAY_US, EventTime, SECOND_US};
use rhumb_engine::vehicle::Vehicles;
use rhumb_geofence::{ZoneOptions, Zones};
use rhumb_operators::geofence::{GeofenceConfig, GeofencePlan, ZoneRules};
use rhumb_operators::validate::{ValidateConfig, ValidatePlan};
use std::collections::HashMap;
use std::fmt::Write;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const SHORT_US: i64 = 60 * SECOND_US;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// The folder of real recordings; without it a test says so and passes, but not in CI.
fn shared() -> Option<PathBuf> {
    let folder = std::env::var_os("RHUMB_SHARED").map_or_else(|| root().join("../shared"), PathBuf::from);
    let there = folder.join("data/traces").is_dir();
    assert!(there || std::env::var_os("CI").is_none(), "CI needs the recordings in {}", folder.display());
    if !there {
        eprintln!("SKIPPED: there are no recordings in {}", folder.display());
    }
    there.then_some(folder.join("data"))
}

fn unpacked(path: &Path) -> Vec<u8> {
    let packed = std::fs::read(path).expect("a file");
    let mut bytes = Vec::new();
    match path.extension().and_then(|e| e.to_str()) {
        Some("zst") => bytes = zstd::decode_all(&packed[..]).expect("zstd"),
        _ => drop(flate2::read::MultiGzDecoder::new(&packed[..]).read_to_end(&mut bytes).expect("gzip")),
    }
    bytes
}

/// What one run counted.
#[derive(Default)]
struct Counts {
    enters: usize,
    /// An exit at most a minute after its enter.
    short_stays: usize,
    /// An enter at most a minute after the exit from the same zone.
    short_absences: usize,
}

fn count(trace: &[u8], zones: &Arc<Zones>, rules: &ZoneRules) -> Counts {
    let vehicles: Arc<Vehicles> = Arc::default();
    let config = GeofenceConfig {
        rules: vec![rules.clone(); zones.len()].into(),
        ..GeofenceConfig::plain(zones.clone(), "flapping")
    };
    let plans: Vec<Arc<dyn OperatorPlan>> = vec![
        Arc::new(ValidatePlan::new("validate", ValidateConfig::default())),
        Arc::new(GeofencePlan::new("geofence", config)),
    ];
    let context = ShardContext { shard: 0, shards: 1, vehicles: vehicles.clone() };
    let mut chain = Chain::new(&plans, &context, Arc::new(CurrentShard::new(vehicles.clone())), i64::MAX, DAY_US);
    let origin = Origin { source: "trace".into(), partition: "0".into() };
    let mut builder =
        FrameBuilder::new(std::slice::from_ref(&vehicles), origin, ClockRules { rollover: false, skew_max_us: 0 });
    // Of what stands: superseded alerts are taken out.
    let mut standing = HashMap::new();
    let mut reader = csv::Reader::from_reader(trace);
    let mut record = csv::StringRecord::new();
    let mut rows = 0;
    let mut go = |builder: &mut FrameBuilder| {
        for delivery in builder.finish() {
            for alerts in chain.process(delivery, 0).effects.alerts {
                for alert in (0..alerts.len()).map(|row| alerts.get(row)) {
                    alert.supersedes.map(|id| standing.remove(&id));
                    if alert.reason.name() != Some("retracted") {
                        standing.insert(alert.id, (alert.vehicle, alert.zone, alert.event_time.0, alert.kind));
                    }
                }
            }
        }
    };
    while reader.read_record(&mut record).expect("csv") {
        let number = |at: usize| record[at].parse::<f64>().expect("a number");
        builder.at(rows, EventTime(i64::MAX / 2));
        builder.push(&Frame {
            vehicle: &record[0],
            event_time: EventTime(record[1].parse::<i64>().expect("ms") * 1000),
            lat: number(2),
            lon: number(3),
            ..Frame::default()
        });
        rows += 1;
        if rows % 10_000 == 0 {
            go(&mut builder);
        }
    }
    go(&mut builder);
    let mut all: Vec<_> = standing.into_values().collect();
    all.sort_unstable();
    let mut counts = Counts::default();
    for [a, b] in all.array_windows() {
        let pair = (a.0, a.1) == (b.0, b.1) && b.2 - a.2 <= SHORT_US;
        counts.short_stays += usize::from(pair && (a.3, b.3) == (AlertKind::Enter, AlertKind::Exit));
        counts.short_absences += usize::from(pair && (a.3, b.3) == (AlertKind::Exit, AlertKind::Enter));
    }
    counts.enters = all.iter().filter(|alert| alert.3 == AlertKind::Enter).count();
    counts
}

/// The table of the documentation stands between its head and an empty line.
const HEAD: &str = "| vehicles | exit_buffer_m | confirm_frames | enters | stays up to 60 s | absences up to 60 s |\n|---|---|---|---|---|---|\n";

#[test]
fn the_table_of_the_documentation_is_what_real_vehicles_do() {
    let Some(data) = shared() else { return };
    let rules = |buffer_m: f64, frames: u32| ZoneRules {
        exit_buffer_m: buffer_m,
        confirm_frames: frames,
        ..ZoneRules::plain()
    };
    let mut table = HEAD.to_owned();
    for (name, trace, zones, id) in [
        ("Austin buses", "austin_capmetro_buses_2015_2017.csv.zst", "austin_neighborhoods.geojson.gz", Some("name")),
        ("Liverpool buses", "liverpool_bus_route14.csv.gz", "uk_regions.geojson.gz", None),
        ("San Francisco cabs", "sf_cabspotting_537cabs_timeordered.csv.zst", "sf_neighborhoods.geojson.gz", None),
    ] {
        let trace = unpacked(&data.join("traces").join(trace));
        let text = String::from_utf8(unpacked(&data.join("zones").join(zones))).expect("text");
        let options = ZoneOptions { id_property: id.map(str::to_owned) };
        let zones = Arc::new(Zones::from_geojson(&text, &options).expect("valid zones").0);
        for rules in [rules(0.0, 1), rules(15.0, 1), rules(30.0, 1), rules(60.0, 1), rules(30.0, 2)] {
            let counts = count(&trace, &zones, &rules);
            let (buffer_m, frames) = (rules.exit_buffer_m, rules.confirm_frames);
            let Counts { enters, short_stays, short_absences } = counts;
            writeln!(table, "| {name} | {buffer_m} | {frames} | {enters} | {short_stays} | {short_absences} |")
                .expect("text");
        }
    }
    let path = root().join("docs/ZONES.md");
    let text = std::fs::read_to_string(&path).expect("docs/ZONES.md");
    let start = text.find(HEAD).expect("the table");
    let end = start + text[start..].find("\n\n").expect("its end") + 1;
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, format!("{}{table}{}", &text[..start], &text[end..])).expect("docs/ZONES.md is written");
    } else {
        assert_eq!(&text[start..end], table);
    }
}
