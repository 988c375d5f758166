//! Windows of the Austin buses, through the real binary, held against DuckDB's answer over the history that the same run
//! wrote. Needs `RHUMB_PYTHON`, a Python that has duckdb, and the recordings.

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

#[test]
fn windows_of_the_austin_buses_are_what_duckdb_says() {
    let Some((python, data)) = needed() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let packed = std::fs::File::open(data.join("zones/austin_neighborhoods.geojson.gz")).expect("zones");
    let mut zones = std::fs::File::create(folder.path().join("zones.geojson")).expect("a file");
    std::io::copy(&mut flate2::read::MultiGzDecoder::new(packed), &mut zones).expect("gzip");
    let aggregates = r#"aggregates = { frames = "count", speed_avg = "avg(speed_mps)", speed_min = "min(speed_mps)", speed_max = "max(speed_mps)", speed_sum = "sum(speed_mps)", speed_p95 = "p95(speed_mps)", speed_median = "quantile(speed_mps, 0.5)", vehicles = "count_distinct(vehicle_id)" }"#;
    let window = |name: &str, fields: &str| {
        format!("[[operator]]\n[operator.window]\nname = \"{name}\"\n{fields}\n{aggregates}\n")
    };
    // Waits long enough for every frame, and commits often enough that most windows are told several times.
    let pipeline = format!(
        "name = \"windows\"\ndata = \"data\"\n[engine]\nlateness = \"10d\"\nepoch_rows = 20000\n\
         [[source]]\nname = \"buses\"\n[source.file]\npath = \"{}\"\ncodec = \"csv\"\n\
         [[operator]]\n[operator.validate]\n\
         [[operator]]\n[operator.geofence]\nzones = \"zones.geojson\"\nid_property = \"name\"\n{}{}{}",
        data.join("traces/austin_capmetro_buses_2015_2017.csv.zst").display(),
        window("hours", "every = \"1h\"\nkey = [\"zone_id\"]"),
        window("sliding", "every = \"15m\"\nsize = \"1h\"\nkey = [\"zone_id\"]"),
        window("sessions", "gap = \"10m\"\nkey = [\"vehicle_id\"]"),
    );
    let toml = folder.path().join("windows.toml");
    std::fs::write(&toml, pipeline).expect("write");
    let toml = toml.to_str().expect("text");
    let summary_path = folder.path().join("summary.json");
    rhumb(&["run", toml, "--until-end", "--summary", summary_path.to_str().expect("text")]);
    let summary = std::fs::read(&summary_path).expect("a summary");
    let summary: serde_json::Value = serde_json::from_slice(&summary).expect("JSON");
    let too_late = summary["too_late"].as_object().expect("counts");
    // Paths of vehicles reach less far back than these windows.
    let of_windows: Vec<_> = too_late.keys().filter(|operator| *operator != "geofence").collect();
    assert!(of_windows.is_empty(), "every frame is to be in its windows: {summary}");
    assert!(summary["late"].as_u64() > Some(1_000), "late frames are to correct windows: {summary}");
    for (window, key) in [("hours", "zone_id"), ("sliding", "zone_id"), ("sessions", "vehicle_id")] {
        let sql = format!(
            "select arrow_cast(window_start, 'Int64') as start, arrow_cast(window_end, 'Int64') as stop, {key} as key, \
             frames, speed_avg, speed_min, speed_max, speed_sum, speed_p95, speed_median, vehicles from windows_{window}"
        );
        let told = rhumb(&["query", toml, &sql, "--format", "csv"]);
        std::fs::write(folder.path().join(format!("{window}.csv")), told.stdout).expect("write");
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/windows_duckdb.py");
    let lake = folder.path().join("data/lake");
    let ran = Command::new(python).arg(script).arg(lake).arg(folder.path()).output().expect("RHUMB_PYTHON runs");
    let (said, why) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "DuckDB disagrees:\n{said}{why}");
}
