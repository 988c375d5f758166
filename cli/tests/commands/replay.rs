//! `rhumb replay`: history that is sent again is the same history.

use crate::support::{MAIN_JOB, Site, ZONES};

fn pipeline(site: &Site, file: &str, data: &str, source: &str) {
    let source = format!("[[source]]\nname = \"recording\"\n{source}\n");
    site.write(file, format!("name = \"cabs\"\ndata = \"{data}\"\n{source}{MAIN_JOB}"));
}

/// A lake of 60 vehicles over ten minutes, some of whose frames were refused.
fn site() -> Site {
    let site = Site::new();
    let fleet = ["simulate", "--vehicles", "60", "--seconds", "600", "--seed", "9", "--codec", "csv", "-o", "cabs.csv"];
    site.done(&[&fleet[..], &["--null-island", "0.02", "--teleport", "0.02"]].concat());
    site.write("zones.geojson", ZONES);
    pipeline(&site, "a.toml", "a", "[source.file]\npath = \"cabs.csv\"\ncodec = \"csv\"");
    site.done(&["run", "a.toml", "--until-end"]);
    site
}

const SAME: [&str; 3] = [
    "select vehicle_id, event_time, received_at, lat, lon, altitude_m, speed_mps, heading_deg, accuracy_m, hdop, satellites, \
     source, late, zone_ids, event_date from history",
    "select alert_id, kind, vehicle_id, zone_id, event_time, frame_time, received_at, lat, lon, visit_id, reason, late, \
     supersedes from alerts",
    "select window_start, window_end, zone_id, frames, speed_avg from windows_zones",
];

fn rows(site: &Site, pipeline: &str, sql: &str) -> Vec<String> {
    let mut rows = site.ask(pipeline, sql);
    rows.sort_unstable();
    rows
}

#[test]
fn history_that_is_replayed_to_a_file_gives_the_same_history_alerts_and_windows() {
    let site = site();
    for codec in ["csv", "json"] {
        let file = format!("again.{codec}");
        let told = site.done(&["replay", "a.toml", "--to-file", &file]);
        assert_eq!(told.stderr, format!("wrote {} frames\n", site.count("a.toml", "select count(*) from history")));
        let b = format!("b-{codec}.toml");
        let source = format!("[source.file]\npath = \"{file}\"\ncodec = \"{codec}\"");
        pipeline(&site, &b, &format!("b-{codec}"), &source);
        site.done(&["run", &b, "--until-end"]);
        for sql in SAME {
            let (was, is) = (rows(&site, "a.toml", sql), rows(&site, &b, sql));
            assert!(was.len() > 20, "{sql}: {}", was.len());
            assert_eq!(was, is, "{codec}: {sql}");
        }
        assert_eq!(site.count(&b, "select count(*) from rejects"), 0);
    }
}

#[test]
fn stretch_is_what_was_asked_for_in_order_of_time() {
    let site = site();
    let replay = |arguments: &[&str]| {
        let told = site.done(&[&["replay", "--data", "a", "--to-file", "-", "--codec", "csv"], arguments].concat());
        let lines: Vec<String> = told.stdout.lines().skip(1).map(str::to_owned).collect();
        let time = |line: &String| {
            line.split(',').nth(1).expect("as the test made it").parse::<i64>().expect("as the test made it")
        };
        assert!(lines.is_sorted_by_key(time), "in order of time");
        lines.len() as u64
    };
    let ask = |condition: &str| site.count("a.toml", &format!("select count(*) from history where {condition}"));
    assert_eq!(replay(&[]), ask("true"));
    let (from, to) = ("2026-01-05T06:02:00Z", "2026-01-05T06:03:00Z");
    let between = format!("event_time >= '{from}' and event_time < '{to}'");
    assert!(ask(&between) > 0);
    assert_eq!(replay(&["--from", from, "--to", to]), ask(&between));
    assert_eq!(replay(&["--from", to]), ask(&format!("event_time >= '{to}'")));
    let of = ["--vehicle", "v000001", "--vehicle", "v000003", "--to", from];
    assert_eq!(replay(&of), ask(&format!("event_time < '{from}' and vehicle_id in ('v000001', 'v000003')")));
    // Faster than it was, at a pace: three seconds of it in an instant.
    let to = "2026-01-05T06:00:03Z";
    assert_eq!(replay(&["--to", to, "--speed", "1000x"]), ask(&format!("event_time < '{to}'")));
    let told = site.done(&["replay", "a.toml", "--to-file", "frames.bin"]);
    assert_eq!(told.stderr, format!("wrote {} frames\n", ask("true")));
    let decoded = site.done(&["decode", "binary", "frames.bin"]).stdout;
    assert_eq!(decoded.lines().count() as u64, ask("true"));
}

#[test]
fn replay_over_udp_arrives() {
    let site = site();
    pipeline(&site, "live.toml", "live", "[source.udp]\nlisten = \"127.0.0.1:0\"\ncodec = \"json\"");
    let mut run = site.start(&["run", "live.toml"]);
    let to = run.listening();
    let stretch = ["--to", "2026-01-05T06:01:00Z", "--speed", "max", "--frames-per-datagram", "10"];
    let told = site.done(&[&["replay", "a.toml", "--to-udp", &to], &stretch[..]].concat());
    let frames = site.count("a.toml", "select count(*) from history where event_time < '2026-01-05T06:01:00Z'");
    assert!(told.stderr.starts_with(&format!("sent {frames} frames in {} datagrams", frames.div_ceil(10))), "{told:?}");
    let (exit, told) = run.interrupt_and_end();
    assert_eq!(exit, 0, "{told}");
    let place =
        "select vehicle_id, event_time, lat, lon, speed_mps from history where event_time < '2026-01-05T06:01:00Z'";
    assert_eq!(rows(&site, "a.toml", place), rows(&site, "live.toml", place));
}

#[test]
fn replay_without_sense_is_answered() {
    let site = Site::new();
    for (arguments, exit, words) in [
        (&["replay", "a.toml"][..], 2, "--to-udp <ADDRESS>|--to-kafka <TOPIC>|--to-file <FILE>"),
        (&["replay", "--to-file", "x"], 2, "PIPELINE"),
        (&["replay", "a.toml", "--to-file", "x", "--to-udp", "127.0.0.1:9"], 2, "cannot be used with"),
        (&["replay", "a.toml", "--to-file", "x", "--speed", "fast"], 2, "such as \"60x\""),
        (&["replay", "a.toml", "--to-file", "x", "--from", "noon"], 2, "not a time; write such as"),
        (&["replay", "a.toml", "--to-file", "x.parquet"], 2, "written as .csv"),
        (&["replay", "a.toml", "--to-udp", "127.0.0.1:9", "--codec", "csv"], 2, "no header line"),
        (&["replay", "--data", ".", "--to-file", "-"], 1, "there is no lake in ."),
    ] {
        let told = site.rhumb(arguments);
        assert_eq!(told.exit, exit, "{arguments:?}: {told:?}");
        assert!(told.stderr.contains(words), "{arguments:?}: {told:?}");
    }
    let (from, to) = ("2026-01-05T06:01:00Z", "2026-01-05T06:00:00Z");
    let told = site.rhumb(&["replay", "a.toml", "--to-file", "x", "--from", from, "--to", to]);
    assert!(told.exit == 2 && told.stderr.contains("--from is not before --to"), "{told:?}");
    assert_eq!(std::fs::read_dir(site.path(".")).expect("as the test made it").count(), 0, "nothing is made");
}
