//! Windows of real recordings, through the real binary, held against DuckDB's answer over the history that the same run
//! wrote; with a short lateness, over the rows that came in time. Needs `RHUMB_PYTHON`, a Python that has duckdb, and the recordings.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn is_ci() -> bool {
    std::env::var_os("CI").is_some()
}

/// A Python and the folder of recordings; without them the test says so and passes, but not in CI.
fn needed() -> Option<(std::ffi::OsString, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let shared = std::env::var_os("RHUMB_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    let trace = shared.join("data/traces/austin_capmetro_buses_2015_2017.csv.zst");
    let python = std::env::var_os("RHUMB_PYTHON");
    let there = python.is_some() && trace.is_file();
    assert!(there || !is_ci(), "CI needs RHUMB_PYTHON and {}", trace.display());
    if !there {
        eprintln!("SKIPPED: RHUMB_PYTHON names no Python with duckdb, or there is no {}", trace.display());
    }
    there.then_some((python?, shared.join("data")))
}

fn rhumb(arguments: &[&str]) -> Output {
    let ran = Command::new(env!("CARGO_BIN_EXE_rhumb")).args(arguments).output().expect("rhumb runs");
    assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    ran
}

/// A pipeline in a folder of its own, and what its windows are to be told as.
struct Site {
    folder: tempfile::TempDir,
    toml: String,
    python: std::ffi::OsString,
}

const AGGREGATES: [(&str, &str); 13] = [
    ("frames", "count"),
    ("speed_avg", "avg(speed_mps)"),
    ("speed_min", "min(speed_mps)"),
    ("speed_max", "max(speed_mps)"),
    ("speed_sum", "sum(speed_mps)"),
    ("speed_p95", "p95(speed_mps)"),
    ("speed_median", "quantile(speed_mps, 0.5)"),
    ("vehicles", "count_distinct(vehicle_id)"),
    ("distance", "distance"),
    ("lat_first", "first(lat)"),
    ("lat_last", "last(lat)"),
    ("vehicle_first", "first(vehicle_id)"),
    ("seen_last", "max(event_time)"),
];

fn window(name: &str, fields: &str) -> String {
    let aggregates: Vec<String> = AGGREGATES.iter().map(|(name, of)| format!("{name} = \"{of}\"")).collect();
    let aggregates = aggregates.join(", ");
    format!("[[operator]]\n[operator.window]\nname = \"{name}\"\n{fields}\naggregates = {{ {aggregates} }}\n")
}

impl Site {
    /// Runs a pipeline of these settings and operators over a recording; with its summary.
    fn run(python: &std::ffi::OsStr, trace: &Path, engine: &str, operators: &str) -> (Site, serde_json::Value) {
        let folder = tempfile::tempdir().expect("a folder");
        Site::run_in(folder, python, trace, engine, operators)
    }

    fn run_in(
        folder: tempfile::TempDir,
        python: &std::ffi::OsStr,
        trace: &Path,
        engine: &str,
        operators: &str,
    ) -> (Site, serde_json::Value) {
        let pipeline = format!(
            "name = \"windows\"\ndata = \"data\"\n[engine]\n{engine}\n\
             [[source]]\nname = \"recording\"\n[source.file]\npath = \"{}\"\ncodec = \"csv\"\n{operators}",
            trace.display(),
        );
        let toml = folder.path().join("windows.toml");
        std::fs::write(&toml, pipeline).expect("write");
        let toml = toml.to_str().expect("text").to_owned();
        let summary_path = folder.path().join("summary.json");
        rhumb(&["run", &toml, "--until-end", "--summary", summary_path.to_str().expect("text")]);
        let summary = std::fs::read(&summary_path).expect("a summary");
        let summary = serde_json::from_slice(&summary).expect("JSON");
        (Site { folder, toml, python: python.to_owned() }, summary)
    }

    fn lake(&self) -> PathBuf {
        self.folder.path().join("data/lake")
    }

    /// Puts the answer to a query beside the pipeline.
    fn tell(&self, file: &str, sql: &str) {
        let told = rhumb(&["query", &self.toml, sql, "--format", "csv"]);
        std::fs::write(self.folder.path().join(file), told.stdout).expect("write");
    }

    fn tell_window(&self, window: &str, key: &str) {
        let names = AGGREGATES.map(|(name, _)| match name {
            "seen_last" => "arrow_cast(seen_last, 'Int64') as seen_last",
            name => name,
        });
        let sql = format!(
            "select arrow_cast(window_start, 'Int64') as start, arrow_cast(window_end, 'Int64') as stop, {key} as key, {} \
             from windows_{window}",
            names.join(", ")
        );
        self.tell(&format!("{window}.csv"), &sql);
    }

    fn script(&self, arguments: &[&std::ffi::OsStr]) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/windows_duckdb.py");
        let ran = Command::new(&self.python).arg(script).args(arguments).output().expect("RHUMB_PYTHON runs");
        let (said, why) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        println!("{said}");
        assert!(ran.status.success(), "DuckDB disagrees:\n{said}{why}");
    }

    /// Holds all windows that were told against the history.
    fn compare(&self, least: &str) {
        self.tell("places.csv", "select distinct lat, lon, h3_cell(lat, lon, 7) as cell from history");
        self.script(&[self.lake().as_os_str(), self.folder.path().as_os_str(), least.as_ref()]);
    }
}

/// Waits long enough for every frame, and commits often enough that most windows are told several times.
const PATIENT: &str = "lateness = \"10d\"\npath_keep = 1024\nepoch_rows = 20000";

fn too_late(summary: &serde_json::Value) -> Vec<(&String, u64)> {
    let counts = summary["too_late"].as_object().expect("counts");
    // Paths of vehicles reach less far back than these windows.
    let of_windows = counts.iter().filter(|(operator, _)| *operator != "geofence");
    of_windows.map(|(operator, count)| (operator, count.as_u64().expect("a count"))).collect()
}

#[test]
fn windows_of_the_austin_buses_are_what_duckdb_says() {
    let Some((python, data)) = needed() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let packed = std::fs::File::open(data.join("zones/austin_neighborhoods.geojson.gz")).expect("zones");
    let mut zones = std::fs::File::create(folder.path().join("zones.geojson")).expect("a file");
    std::io::copy(&mut flate2::read::MultiGzDecoder::new(packed), &mut zones).expect("gzip");
    let operators = [
        "[[operator]]\n[operator.validate]\n",
        "[[operator]]\n[operator.geofence]\nzones = \"zones.geojson\"\nid_property = \"name\"\n",
        &window("hours", "every = \"1h\"\nkey = [\"zone_id\"]"),
        &window("sliding", "every = \"15m\"\nsize = \"1h\"\nkey = [\"zone_id\"]"),
        &window("cells", "every = \"1d\"\nkey = [\"h3_7\"]"),
        &window("sessions", "gap = \"10m\"\nkey = [\"vehicle_id\"]"),
        &window("days", "every = \"1d\"\nkey = [\"zone_id\"]\nempty = true"),
    ];
    let trace = data.join("traces/austin_capmetro_buses_2015_2017.csv.zst");
    let (site, summary) = Site::run_in(folder, &python, &trace, PATIENT, &operators.concat());
    assert!(too_late(&summary).is_empty(), "every frame is to be in its windows: {summary}");
    assert!(summary["late"].as_u64() > Some(1_000), "late frames are to correct windows: {summary}");
    for (window, key) in [("hours", "zone_id"), ("sliding", "zone_id"), ("cells", "h3_7"), ("sessions", "vehicle_id")] {
        site.tell_window(window, key);
    }
    let start_and_stop = "arrow_cast(window_start, 'Int64') as start, arrow_cast(window_end, 'Int64') as stop";
    site.tell("days.csv", &format!("select {start_and_stop}, zone_id as key, frames from windows_days"));
    site.tell("zones.csv", "select distinct zone_id from windows_days");
    site.compare("1000");

    // The vehicle that is late most often, with a lateness that is too short for it.
    let bus = site.folder.path().join("bus.csv");
    site.script(&["pick".as_ref(), site.lake().as_os_str(), trace.as_os_str(), bus.as_os_str()]);
    let operators = [
        window("hours", "every = \"1h\"\nkey = [\"source\"]"),
        window("sliding", "every = \"15m\"\nsize = \"1h\"\nkey = [\"vehicle_id\"]"),
    ];
    let engine = "lateness = \"2m\"\nidle_after = \"1d\"\nclock_skew_max = \"2m\"";
    let (short, summary) = Site::run(&python, &bus, engine, &operators.concat());
    assert_eq!(summary["frames_in"], summary["history_rows"], "{summary}");
    short.tell_window("hours", "source");
    short.tell_window("sliding", "vehicle_id");
    let counted = |name: &str| summary["too_late"][name].as_u64().unwrap_or_default().to_string();
    let counted = format!("{},{}", counted("hours"), counted("sliding"));
    let told = short.folder.path().as_os_str();
    short.script(&["in_time".as_ref(), bus.as_os_str(), told, "120".as_ref(), counted.as_ref()]);
}

#[test]
fn windows_of_small_recordings_are_what_duckdb_says() {
    let Some((python, data)) = needed() else { return };
    for trace in ["liverpool_bus_route14.csv.gz", "nmea_rmc_tracks.csv.gz", "rome_taxi_first2min_sample.csv.gz"] {
        let operators = [
            window("cells", "every = \"1d\"\nkey = [\"h3_7\"]"),
            window("sessions", "gap = \"10m\"\nkey = [\"vehicle_id\"]"),
        ];
        let (site, summary) = Site::run(&python, &data.join("traces").join(trace), PATIENT, &operators.concat());
        assert!(too_late(&summary).is_empty(), "{trace}: {summary}");
        site.tell_window("cells", "h3_7");
        site.tell_window("sessions", "vehicle_id");
        site.compare("4");
    }
}
