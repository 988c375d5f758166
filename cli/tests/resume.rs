//! A run that is stopped, again and again, and goes on, gives what one that was left alone gives: row for row.

mod support;

use support::{MAIN_JOB, Site, ZONES, wait_until};

const PER_VEHICLE: &str = r#"
[[operator]]
[operator.window]
name = "vehicles"
every = "20s"
key = ["vehicle_id"]
aggregates = { frames = "count", driven_m = "distance" }
[[operator]]
[operator.trips]
stop_radius_m = 50
stop_for = "20s"
gap = "1m"
"#;

/// A day's dirt: late frames, duplicates, impossible places.
fn recording(site: &Site) {
    let fleet =
        ["simulate", "--vehicles", "200", "--seconds", "900", "--seed", "11", "--codec", "csv", "-o", "cabs.csv"];
    let dirt =
        ["--late", "0.03", "--duplicate", "0.02", "--null-island", "0.01", "--teleport", "0.02", "--gap", "0.001"];
    site.done(&[&fleet[..], &dirt].concat());
    site.write("zones.geojson", ZONES);
}

fn pipeline(site: &Site, name: &str, data: &str, speed: &str) {
    let toml = format!(
        "name = \"cabs\"\ndata = \"{data}\"\n[engine]\nepoch = \"1s\"\nshards = 2\nlateness = \"5m\"\n\
         [[source]]\nname = \"recording\"\n[source.file]\npath = \"cabs.csv\"\ncodec = \"csv\"\nspeed = \"{speed}\"\n\
         {MAIN_JOB}{PER_VEHICLE}"
    );
    site.write(name, toml);
}

/// All that must be the same. Epochs and the order in which two shards were heard are a run's own.
const SAME: [&str; 9] = [
    "select vehicle_id, event_time, received_at, lat, lon, altitude_m, speed_mps, heading_deg, accuracy_m, hdop, \
     satellites, source, late, zone_ids, event_date from history",
    "select alert_id, kind, vehicle_id, zone_id, event_time, frame_time, received_at, lat, lon, visit_id, reason, late, \
     supersedes, zone_version, zone_attributes, event_date from alerts",
    "select reason, measured, threshold, vehicle_id, event_time, received_at, lat, lon, source, partition, \"offset\", \
     raw, detail, event_date from rejects",
    "select window_start, window_end, zone_id, frames, speed_avg from windows_zones",
    "select window_start, window_end, vehicle_id, frames, driven_m from windows_vehicles",
    "select * exclude (revision, epoch) from trips",
    "select * exclude (revision, epoch) from stops",
    "select * from current",
    "select count(distinct alert_id), count(*) from alerts",
];

fn rows(site: &Site, pipeline: &str, sql: &str) -> Vec<String> {
    let told = site.done(&["query", pipeline, sql, "--format", "json"]).stdout;
    let mut rows: Vec<String> = told.lines().map(str::to_owned).collect();
    rows.sort_unstable();
    rows
}

#[test]
fn run_that_was_stopped_twice_gives_the_rows_of_one_that_was_not() {
    let site = Site::new();
    recording(&site);
    pipeline(&site, "whole.toml", "whole", "max");
    pipeline(&site, "slow.toml", "parts", "5x");
    pipeline(&site, "rest.toml", "parts", "max");
    site.done(&["run", "whole.toml", "--until-end", "--summary", "whole.json"]);

    let committed = |at_least: usize| {
        let manifests = || std::fs::read_dir(site.path("parts/manifests")).map_or(0, |folder| folder.count());
        wait_until("a commit", || manifests() >= at_least);
        manifests()
    };
    let (mut frames, mut manifests) = (0, 0);
    for part in 0..2 {
        let run = site.start(&["run", "slow.toml", "--until-end", "--summary", "part.json"]);
        // Its claim, and an epoch with frames.
        manifests = committed(manifests + 3);
        let (exit, told) = run.interrupt_and_end();
        assert_eq!(exit, 0, "{told}");
        let done = site.json("part.json")["frames_in"].as_u64().expect("a count");
        assert!(done > 0, "part {part} did something");
        frames += done;
    }
    site.done(&["run", "rest.toml", "--until-end", "--summary", "part.json"]);
    let rest = site.json("part.json")["frames_in"].as_u64().expect("a count");
    assert!(rest > 0, "it was stopped on the way");
    assert_eq!(site.json("whole.json")["frames_in"], serde_json::json!(frames + rest));

    for sql in SAME {
        let (whole, parts) = (rows(&site, "whole.toml", sql), rows(&site, "rest.toml", sql));
        let first = whole.iter().zip(&parts).find(|(whole, parts)| whole != parts);
        assert!(!whole.is_empty(), "nothing to compare: {sql}");
        assert!(whole == parts, "{sql}: {} and {} rows; first difference: {first:#?}", whole.len(), parts.len());
    }
    // Nothing is left to read: another run changes nothing.
    site.done(&["run", "rest.toml", "--until-end", "--summary", "part.json"]);
    assert_eq!(site.json("part.json")["frames_in"], serde_json::json!(0));
    let history = rows(&site, "rest.toml", SAME[0]);
    assert!(history == rows(&site, "whole.toml", SAME[0]), "a run without input adds nothing");
}
