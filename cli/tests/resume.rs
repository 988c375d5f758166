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

/// A folder with a recording of one vehicle, and a pipeline with one window.
fn one_window(window: &str) -> Site {
    let site = Site::new();
    site.write("zones.geojson", ZONES);
    site.write("cars.csv", FRAMES);
    change_window(&site, window);
    let first = site.done(&["run", "cars.toml", "--until-end"]);
    assert!(!first.stderr.contains("resuming"), "{}", first.stderr);
    site
}

const FRAMES: &str = "id,ts,lat,lon,speed\ncar,1767592800,30.25,-97.7,1.5\ncar,1767592801,30.25,-97.7,1.5\n";
const WINDOW: &str = "name = \"w\"\nevery = \"1m\"\nkey = [\"zone_id\"]\naggregates = { frames = \"count\" }\n";

fn change_window(site: &Site, window: &str) {
    let source = "[[source]]\nname = \"s\"\n[source.file]\npath = \"cars.csv\"\ncodec = \"csv\"\n";
    let geofence = "[[operator]]\n[operator.geofence]\nzones = \"zones.geojson\"\n";
    let window = format!("[[operator]]\n[operator.window]\n{window}");
    site.write("cars.toml", format!("name = \"cars\"\ndata = \"data\"\n{source}{geofence}{window}"));
}

#[test]
fn window_that_was_changed_is_not_taken_for_the_one_in_the_data_folder() {
    let site = one_window(WINDOW);
    let cases = [
        ("every = \"1m\"", "every = \"5m\"", "every was 1m, is 5m"),
        ("every = \"1m\"", "every = \"1m\"\nsize = \"2m\"", "size was not set, is 2m"),
        ("every = \"1m\"", "gap = \"1m\"", "every was 1m, is not set; gap was not set, is 1m"),
        ("[\"zone_id\"]", "[\"vehicle_id\"]", "key was zone_id, is vehicle_id"),
        (
            "frames = \"count\"",
            "frames = \"count\", top = \"max(speed_mps)\"",
            "aggregates was frames = count, is frames = count, top = max(speed_mps)",
        ),
    ];
    let manifests = || std::fs::read_dir(site.path("data/manifests")).expect("a folder").count();
    let before = manifests();
    for (was, is, said) in cases {
        change_window(&site, &WINDOW.replace(was, is));
        let told = site.rhumb(&["run", "cars.toml", "--until-end"]);
        let expected = format!(
            "error: the data folder data has state and tables of operators that have changed since (window.w: {said}): set \
             them back, or use another data folder; a window may take another name, under which it starts anew beside the \
             old table\n"
        );
        assert_eq!((told.exit, told.stderr), (1, expected), "{is}");
    }
    assert_eq!(manifests(), before, "a start that is refused claims nothing");
    // What does not touch what is there goes on: another name, a further window, another lateness.
    let renamed = WINDOW.replace("\"w\"", "\"w5\"").replace("1m", "5m");
    change_window(&site, &format!("{WINDOW}[[operator]]\n[operator.window]\n{renamed}"));
    let toml = std::fs::read_to_string(site.path("cars.toml")).expect("the pipeline");
    site.write("cars.toml", toml.replace("[[source]]", "[engine]\nlateness = \"1m\"\n[[source]]"));
    site.write("cars.csv", format!("{FRAMES}car,1767592802,30.25,-97.7,1.5\n"));
    site.done(&["run", "cars.toml", "--until-end"]);
    let frames = |table: &str| site.ask("cars.toml", &format!("select zone_id, frames from {table}"));
    assert_eq!((frames("windows_w"), frames("windows_w5")), (vec!["middle,3".to_owned()], vec!["middle,1".to_owned()]));
    // The old one is still known, also after it was gone for a while.
    change_window(&site, &renamed);
    site.done(&["run", "cars.toml", "--until-end"]);
    change_window(&site, &WINDOW.replace("1m", "2m"));
    assert_eq!(site.rhumb(&["run", "cars.toml", "--until-end"]).exit, 1);
}

#[test]
fn recording_that_was_replaced_is_not_read_on_and_a_resumed_run_says_where_it_goes_on() {
    let site = one_window(WINDOW);
    let resumed = site.done(&["run", "cars.toml", "--until-end"]).stderr;
    let line = resumed.lines().find(|line| line.contains("resuming after the last commit")).expect("it says so");
    for words in ["epoch=1", "frames_before=2", &format!("positions=\"s: cars.csv at {}\"", FRAMES.len())] {
        assert!(line.contains(words), "{line}");
    }
    site.write("cars.csv", FRAMES.replace("30.25", "30.26").repeat(2));
    let told = site.rhumb(&["run", "cars.toml", "--until-end"]);
    assert_eq!(told.exit, 1, "{told:?}");
    let said = format!(
        "error: source s: cars.csv: is another file than the one that was read up to byte {0} before, whose first {0} bytes \
         were others: give the new recording another name",
        FRAMES.len()
    );
    assert!(told.stderr.lines().any(|line| line.starts_with(&said)), "{}", told.stderr);
    // Under another name it is another recording.
    std::fs::rename(site.path("cars.csv"), site.path("more.csv")).expect("it is there");
    let toml = std::fs::read_to_string(site.path("cars.toml")).expect("the pipeline");
    site.write("cars.toml", toml.replace("cars.csv", "more.csv"));
    site.done(&["run", "cars.toml", "--until-end"]);
    assert_eq!(site.count("cars.toml", "select count(*) from history"), 6);
}
