//! Trips and stops of real buses, through the real binary, held against movingpandas over the history that the same run
//! wrote. Needs `RHUMB_PYTHON`, a Python that has movingpandas and duckdb, and the recordings.

#[path = "../../tests/needed.rs"]
mod needed;
mod support;

use std::io::{BufRead, BufReader};
use std::process::Command;
use support::Site;

/// Of the first day that was recorded: movingpandas takes about a millisecond a frame.
const LINES: usize = 10_000;

#[test]
fn trips_and_stops_of_buses_are_what_movingpandas_says_but_for_their_definitions() {
    let Some(traces) = needed::real_data("traces") else { return };
    let Some(python) = needed::python("movingpandas") else { return };
    let site = Site::new();
    let packed = std::fs::File::open(traces.join("austin_capmetro_buses_2015_2017.csv.zst")).expect("a recording");
    let lines = BufReader::new(zstd::Decoder::new(packed).expect("zstd")).lines().take(LINES);
    let trace: String = lines.map(|line| line.expect("text") + "\n").collect();
    site.write("trace.csv", trace);
    site.write(
        "trips.toml",
        "name = \"trips\"\ndata = \"data\"\n[engine]\nlateness = \"1d\"\n\
         [[source]]\nname = \"buses\"\n[source.file]\npath = \"trace.csv\"\ncodec = \"csv\"\n\
         [[operator]]\n[operator.validate]\n[[operator]]\n[operator.trips]\npath_keep = 1024\n",
    );
    site.done(&["run", "trips.toml", "--until-end"]);
    for table in ["trips", "stops"] {
        // No zones are known here, and CSV has no lists.
        let zones = if table == "trips" { "start_zone_ids, end_zone_ids" } else { "zone_ids" };
        let sql = format!("select * exclude ({zones}) from {table}");
        let told = site.done(&["query", "trips.toml", &sql, "--format", "csv"]);
        site.write(&format!("{table}.csv"), told.stdout);
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/trips_movingpandas.py");
    let mut command = Command::new(python);
    let ran = command.arg(script).arg(site.path("data/lake")).arg(site.path("")).output();
    let ran = ran.expect("RHUMB_PYTHON runs");
    let (said, why) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    println!("{said}");
    assert!(ran.status.success(), "movingpandas disagrees:\n{said}{why}");
}
