//! The configuration as its users meet it: every message, the document, the plan.

use expect_test::{expect, expect_file};
use rhumb::build::{operators, sinks};
use rhumb::config::{Checked, Mistake, OperatorKind, Severity, document, explain, load};
use rhumb_operators::validate::ValidateConfig;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Paths in messages are as they were typed, so the tests stand where a person would: at the top of the project.
fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("cli stands in the project").to_owned();
    std::env::set_current_dir(&root).expect("the project is there");
    root
}

fn told(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(|mistake| format!("{mistake}\n")).collect()
}

type Loaded = Result<(Checked, Vec<Mistake>), Vec<Mistake>>;

/// Loads a pipeline in a folder of its own, with the files that pipelines here name. Gives the folder's name too.
fn load_text(text: &str, env: &[(&str, &str)]) -> (Loaded, String) {
    let samples = root().join("pipelines/invalid");
    let folder = tempfile::tempdir().expect("a folder");
    for file in ["vehicles.csv", "frames.csv", "zones/city.geojson"] {
        let copy = folder.path().join(file);
        std::fs::create_dir_all(copy.parent().expect("it stands in the folder")).expect("a folder");
        std::fs::copy(samples.join(file), copy).expect("a copy");
    }
    std::fs::write(folder.path().join("limits.csv"), "vehicle_id,speed_max_mps\ncab-1,30\n").expect("a table");
    let cabs = folder.path().join("sample/cabs.csv.gz");
    std::fs::create_dir_all(cabs.parent().expect("it stands in the folder")).expect("a folder");
    std::fs::copy(samples.join("frames.csv"), cabs).expect("a copy");
    let path = folder.path().join("fleet.toml");
    std::fs::write(&path, text).expect("a pipeline");
    let read = |name: &str| env.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
    let loaded = load(&path, &read);
    (loaded, format!("{}/", folder.path().display()))
}

fn checked(text: &str, env: &[(&str, &str)]) -> (Checked, String) {
    match load_text(text, env) {
        (Ok((checked, warnings)), folder) if warnings.is_empty() => (checked, folder),
        (Ok((_, mistakes)) | Err(mistakes), _) => panic!("{}", told(&mistakes)),
    }
}

#[test]
fn every_invalid_pipeline_gives_its_message() {
    let folder = root().join("pipelines/invalid");
    let names = |extension: &str| -> BTreeSet<PathBuf> {
        let entries = std::fs::read_dir(&folder).expect("the folder of invalid pipelines");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let of_kind = paths.filter(|path| path.extension().is_some_and(|e| e == extension));
        of_kind.map(|path| path.with_extension("")).collect()
    };
    let pipelines = names("toml");
    assert!(pipelines.len() >= 20, "{} pipelines", pipelines.len());
    for pipeline in &pipelines {
        let path = Path::new("pipelines/invalid").join(pipeline.with_extension("toml").file_name().expect("a name"));
        let mistakes = load(&path, &|_| None).map_or_else(|mistakes| mistakes, |(_, warnings)| warnings);
        assert!(!mistakes.is_empty(), "{} has a mistake", path.display());
        expect_file![pipeline.with_extension("txt")].assert_eq(&told(&mistakes));
    }
    assert_eq!(names("txt"), pipelines, "a message without its pipeline");
}

#[test]
fn document_is_what_the_reader_reads() {
    let path = root().join("docs/CONFIG.md");
    let described = document();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &described).expect("docs/CONFIG.md is written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let same = written.lines().zip(described.lines()).take_while(|(a, b)| a == b).count();
    assert!(
        written == described,
        "docs/CONFIG.md is not what cli/src/config/describe says, from line {} on; write it anew with \
         UPDATE_EXPECT=1 cargo test -p rhumb",
        same + 1
    );
}

const WINDOW: &str = r#"[operator.window]
name = "zone_speed"
every = "1m"
key = ["zone_id"]
aggregates = { frames = "count" }
"#;

/// A pipeline around an example of the document: what it needs before it, and nothing that it excludes.
fn around(example: &str) -> String {
    let header = example.lines().next().unwrap_or_default();
    let source = |kind: &str| format!("[[source]]\nname = \"s\"\n{kind}");
    let udp = |codec: &str| source(&format!("[source.udp]\nlisten = \"127.0.0.1:0\"\ncodec = \"{codec}\"\n"));
    let operator = |kind: &str| format!("[[operator]]\n{kind}");
    let (before, after) = match header {
        _ if example.contains("[[source]]\nname = \"trackers\"\n[source") => (String::new(), String::new()),
        _ if header.starts_with("name = ") => (String::new(), udp("json")),
        "[engine]" => ("name = \"p\"\n".to_owned(), udp("json") + &operator("[operator.validate]\n")),
        "[[source]]" => {
            ("name = \"p\"\n".to_owned(), "[source.udp]\nlisten = \"127.0.0.1:0\"\ncodec = \"json\"\n".to_owned())
        }
        "[[operator]]" => ("name = \"p\"\n".to_owned() + &udp("json"), "[operator.validate]\n".to_owned()),
        "[source.udp]" | "[source.tcp]" | "[source.file]" => ("name = \"p\"\n".to_owned() + &source(""), String::new()),
        _ if header.starts_with("[source.") => {
            let part = header.trim_matches(['[', ']']).trim_start_matches("source.");
            let codec = if part == "fields" { "json" } else { part };
            ("name = \"p\"\n".to_owned() + &udp(codec), String::new())
        }
        "[operator.geofence]" => {
            let enrich = operator("[operator.enrich]\ntable = \"vehicles.csv\"\n");
            ("name = \"p\"\n".to_owned() + &udp("json") + &enrich + "[[operator]]\n", String::new())
        }
        "[operator.trips]" => {
            let io = "[source.teltonika]\nio = { ignition = { id = 239, type = \"bool\" } }\n[[operator]]\n";
            ("name = \"p\"\n".to_owned() + &udp("teltonika") + io, String::new())
        }
        "[[test]]" => {
            let operators = ["[operator.geofence]\nzones = \"zones/city.geojson\"\n", "[operator.trips]\n", WINDOW];
            let trackers = udp("json").replace("\"s\"", "\"trackers\"");
            ("name = \"p\"\n".to_owned() + &trackers + &operators.map(operator).concat(), String::new())
        }
        "[operator.window]" => {
            let geofence = operator("[operator.geofence]\nzones = \"zones/city.geojson\"\n");
            ("name = \"p\"\n".to_owned() + &udp("json") + &geofence + "[[operator]]\n", String::new())
        }
        _ => ("name = \"p\"\n".to_owned() + &udp("json") + "[[operator]]\n", String::new()),
    };
    format!("{before}{example}{after}")
}

#[test]
fn every_example_of_the_document_is_accepted() {
    let document = document();
    let blocks: Vec<&str> =
        document.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect();
    assert!(blocks.len() > 12, "{} examples", blocks.len());
    for block in blocks {
        let (loaded, _) = load_text(&around(block), &[]);
        let mistakes = loaded.map_or_else(|mistakes| mistakes, |(_, warnings)| warnings);
        assert_eq!(told(&mistakes), "", "{}", around(block));
    }
}

const FLEET: &str = r#"
name = "fleet"

[engine]
shards = 2

[[source]]
name = "trackers"
[source.udp]
listen = "127.0.0.1:5027"
codec = "binary"
sockets = 2
allow = ["10.0.0.0/8", "192.168.1.7"]
[source.binary]
keys = [{ id = 1, secret = "${KEY}" }]

[[source]]
name = "recording"
[source.file]
path = "fr*.csv"
codec = "csv"
speed = "60x"
[source.csv]
delimiter = ";"
[source.fields]
speed_mps = { field = "kmh", unit = "km/h" }

[[operator]]
[operator.validate]
past_max = "30d"
off = ["null_island"]

[[operator]]
[operator.enrich]
table = "vehicles.csv"
columns = ["fleet"]
add = ["distance_m"]

[[operator]]
[operator.derive]
columns = { speed_kmh = "speed_mps * 3.6", is_fast = "speed_kmh > 90" }

[[operator]]
[operator.filter]
where = "satellites >= 4"

[[operator]]
[operator.geofence]
zones = "zones/city.geojson"

[[operator]]
[operator.window]
name = "zone_speed"
every = "1m"
key = ["zone_id", "fleet"]
aggregates = { speed_avg = "avg(speed_mps)", frames = "count", far = "max(distance_m)" }
"#;

const TEST: &str = r#"
[[test]]
name = "a test"
start = "2024-03-08T07:00:00Z"
until = "+1h"
frames = """
vehicle_id, event_time, lat, lon
van, +0s, 30.2, -97.7
"""
alerts = [{ kind = "enter", event_time = "+0s" }]
windows.zone_speed = """
frames, fleet
1, null
"""
"#;

const KEY: (&str, &str) = ("KEY", "sixteen bytes long");

#[test]
fn plan_names_everything_and_no_secret() {
    let (checked, folder) = checked(FLEET, &[KEY]);
    let plan = explain(&checked, &operators(&checked.operators, &checked.sources), &sinks())
        .expect("a plan")
        .replace(&folder, "");
    assert!(!plan.contains(KEY.1));
    expect![[r#"
        pipeline fleet, from fleet.toml

        sources
          trackers
            reads       datagrams of at most 2KiB on udp 127.0.0.1:5027
            from        10.0.0.0/8, 192.168.1.7/32
            partitions  2, one a socket; each with a thread and a buffer of 32MiB
            time        live; times set back by 1024 weeks are repaired
            codec       binary, signed
          recording
            reads       fr*.csv
            partitions  1, the file
            time        recorded; 60 times as fast as recorded; times are taken as they are
            codec       csv, separated by ';', columns named by the first line
                        speed_mps is "kmh", in km/h

        lanes and shards
            lanes       64, by hash of the vehicle, on 2 shards
            epoch       committed every 10s, or after 4000000 frames
            lateness    windows wait 5m for late frames
            idle        a lane that is silent for 30s goes on as its source does
            future      frames more than 5m ahead of their receipt are rejected
            path        16 fixes of each vehicle are remembered
            vehicles    at most 5000000, offline after 10m of silence

        operators, in this order
          1 validate
            refuses     range; heading outside 0 to 360; reported speed under 0 or over 70 m/s; past more than 30d;
                        duplicate; speed over 70 m/s
            columns in  vehicle_id, event_time, received_at, lat, lon, altitude_m, speed_mps, heading_deg, accuracy_m, hdop,
                        satellites, source, late
            columns out the same
          2 enrich
            file        vehicles.csv, watched: a change takes effect while it runs, between two epochs
            table       2 vehicles
            columns in  vehicle_id, event_time, received_at, lat, lon, altitude_m, speed_mps, heading_deg, accuracy_m, hdop,
                        satellites, source, late
            columns out the same, fleet, distance_m
          3 derive
            derives     speed_kmh = speed_mps * 3.6, a number
                        is_fast = speed_kmh > 90, true or false
            columns in  vehicle_id, event_time, received_at, lat, lon, altitude_m, speed_mps, heading_deg, accuracy_m, hdop,
                        satellites, source, late, fleet, distance_m
            columns out the same, speed_kmh, is_fast
          4 filter
            keeps       satellites >= 4
            columns in  vehicle_id, event_time, received_at, lat, lon, altitude_m, speed_mps, heading_deg, accuracy_m, hdop,
                        satellites, source, late, fleet, distance_m, speed_kmh, is_fast
            columns out the same
          5 geofence
            file        zones/city.geojson, watched: a change takes effect while it runs, between two epochs
            zones       2
            alerts      enter, exit
            rules       of 2 zones: left 30 m outside, a change counts after 1 frames and 0s
            late        frames among the last 16 of a vehicle correct its alerts
            columns in  vehicle_id, event_time, received_at, lat, lon, altitude_m, speed_mps, heading_deg, accuracy_m, hdop,
                        satellites, source, late, fleet, distance_m, speed_kmh, is_fast
            columns out the same, zone_ids
          6 window_zone_speed
            every       1m
            key         zone_id, fleet
                        speed_avg = avg(speed_mps)
                        frames = count
                        far = max(distance_m)
            fires       5m after its end by event time, again for late frames until 10m after
            columns in  vehicle_id, event_time, received_at, lat, lon, altitude_m, speed_mps, heading_deg, accuracy_m, hdop,
                        satellites, source, late, fleet, distance_m, speed_kmh, is_fast, zone_ids
            columns out the same

        sinks
          lake
            format      Delta Lake over Parquet, by event_date
            row groups  of about 262144 rows
            tables      history, rejects, alerts, windows_zone_speed

        tables
          history
            columns     vehicle_id, event_time, received_at, lat, lon, altitude_m, speed_mps, heading_deg, accuracy_m, hdop,
                        satellites, source, late, fleet, distance_m, speed_kmh, is_fast, zone_ids, epoch, event_date
          rejects
            columns     reason, measured, threshold, vehicle_id, event_time, received_at, lat, lon, source, partition,
                        offset, raw, detail, epoch, event_date
          alerts
            columns     alert_id, sequence, kind, vehicle_id, zone_id, event_time, frame_time, received_at, lat, lon,
                        visit_id, reason, late, supersedes, left_time, left_lat, left_lon, zone_version, zone_attributes,
                        epoch, event_date
          windows_zone_speed
            columns     window_start, window_end, zone_id, fleet, speed_avg, speed_avg__sum, speed_avg__count, frames, far,
                        revision, part, epoch, event_date

        data
            checkpoints data/fleet
            lake        data/fleet/lake
    "#]].assert_eq(&plan);
}

#[test]
fn plan_says_what_trips_are() {
    let trips = "[[operator]]\n[operator.trips]\nstop_for = \"5m\"\n";
    let (checked, folder) = checked(&format!("{SMALL}{trips}"), &[]);
    let plan = explain(&checked, &operators(&checked.operators, &checked.sources), &sinks()).expect("a plan");
    let of = |from: &str, to: &str| {
        let lines = plan.lines().skip_while(|line| *line != from).take_while(|line| *line != to);
        lines.map(|line| line.replace(&folder, "").replacen("  ", "", 1) + "\n").collect::<String>()
    };
    expect![[r#"
          1 trips
            stop        5m within 200 m
            trip        until a stop, or a silence of 1h; a leg is driven if faster than 0.67 m/s
            idle        by the column ignition, where frames have it
            late        16 frames of a vehicle are held back for late ones
            told        once it has ended, or the vehicle is silent for 65m by event time
            columns in  vehicle_id, event_time, received_at, lat, lon, altitude_m, speed_mps, heading_deg, accuracy_m, hdop,
                        satellites, source, late
            columns out the same

          trips
            columns     trip_id, vehicle_id, start_time, end_time, duration_s, distance_m, speed_avg_mps, speed_max_mps,
                        standing_s, idle_s, start_lat, start_lon, end_lat, end_lon, start_zone_ids, end_zone_ids, frames,
                        ended, revision, epoch, event_date
          stops
            columns     stop_id, vehicle_id, start_time, end_time, duration_s, idle_s, lat, lon, zone_ids, frames, ended,
                        revision, epoch, event_date

    "#]].assert_eq(&(of("  1 trips", "sinks") + &of("  trips", "data")));
}

#[test]
fn aggregates_keep_the_order_in_which_they_were_typed() {
    let (checked, _) = checked(FLEET, &[KEY]);
    let OperatorKind::Window(window) = &checked.operators[5].kind else { panic!("a window") };
    let names: Vec<&str> = window.aggregates.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["speed_avg", "frames", "far"]);
}

const SMALL: &str = r#"
name = "small"
[[source]]
name = "s"
[source.udp]
listen = "127.0.0.1:0"
codec = "json"
"#;

#[test]
fn validate_without_fields_has_the_defaults_of_the_operator() {
    let (checked, _) = checked(&format!("{SMALL}[[operator]]\n[operator.validate]\n"), &[]);
    let OperatorKind::Validate(config) = &checked.operators[0].kind else { panic!("a validate") };
    assert_eq!(*config, ValidateConfig::default());
}

#[test]
fn environment_gives_texts_and_numbers() {
    let text = format!("{SMALL}[engine]\nshards = \"${{SHARDS}}\"\nepoch = \"${{EPOCH:-20s}}\"\n");
    let engine = checked(&text, &[("SHARDS", "3")]).0.engine;
    assert_eq!((engine.shards, engine.epoch_us), (3, 20_000_000));
}

#[test]
fn data_stands_beside_the_file_unless_told_otherwise() {
    let (checked, folder) = checked(SMALL, &[]);
    assert_eq!(checked.data, Path::new(&folder).join("data/small"));
}

#[test]
fn a_literal_secret_that_is_wrong_is_not_shown() {
    let text =
        SMALL.replace("json", "binary") + "[source.binary]\nkeys = [{ id = 1, secret = \"hunter2\" }, { id = 2 }]\n";
    let mistakes = load_text(&text, &[]).0.err().expect("a key that is too short");
    assert!(mistakes.len() == 2 && !told(&mistakes).contains("hunter2"), "{}", told(&mistakes));
}

#[test]
fn a_file_that_is_not_there_is_one_clear_mistake() {
    let mistakes = load(Path::new("none.toml"), &|_| None).err().expect("no such file");
    expect![[r#"
        none.toml:1:1: pipeline: cannot read the file: there is no such file
    "#]]
    .assert_eq(&told(&mistakes));
}

/// Whatever is typed, loading ends with an answer.
fn check_answers(text: &str, path: &Path) {
    std::fs::write(path, text).expect("a pipeline");
    if let Err(mistakes) = load(path, &|_| None) {
        assert!(mistakes.iter().any(|m| m.severity == Severity::Error), "refused without an error:\n{text}");
        told(&mistakes);
    }
}

#[test]
fn no_text_makes_the_reader_panic() {
    let samples = root().join("pipelines/invalid");
    let folder = tempfile::tempdir().expect("a folder");
    for file in ["vehicles.csv", "frames.csv"] {
        std::fs::copy(samples.join(file), folder.path().join(file)).expect("a copy");
    }
    let path = folder.path().join("fleet.toml");
    let fleet = FLEET.to_owned() + TEST;
    let lines: Vec<&str> = fleet.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let key = line.split('=').next().unwrap_or_default();
        let values = [
            "",
            "5",
            "-0.5",
            "\"é\"",
            "\"${X:-}\"",
            "[]",
            "[[1], {a = 2}]",
            "{}",
            "{ a = [] }",
            "true",
            "1979-05-27",
            "\"",
        ];
        let typed = values.iter().map(|value| format!("{key}= {value}"));
        for other in
            typed.chain(["".to_owned(), line.repeat(2), format!("{line}\n{line}"), line.replace(['[', '{'], "")])
        {
            let mut changed: Vec<&str> = lines.clone();
            changed[at] = &other;
            check_answers(&changed.join("\n"), &path);
        }
    }
    for (end, _) in fleet.char_indices() {
        check_answers(&fleet[..end], &path);
    }
}
