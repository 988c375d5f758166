//! When the world does not do its part: full disks, folders that may not be written, files that are damaged. Each ends
//! with a sentence that says what to do and an exit code that a script can act on; what was accepted is in the lake.

mod cabs;
mod support;

use cabs::{pipeline, site};
use expect_test::expect;
use std::io::Write;
use std::process::Command;
use support::{Site, Told, ZONES};

/// Sets how long files of a process may be, from now on; `None`: as long as they like. A write beyond it fails as one does on a
/// full disk.
#[allow(unsafe_code, reason = "prlimit has no safe form in the standard library")]
fn limit_files(process: u32, bytes: Option<u64>) {
    let limit = libc::rlimit { rlim_cur: bytes.unwrap_or(libc::RLIM_INFINITY), rlim_max: libc::RLIM_INFINITY };
    // SAFETY: one limit is read from a place that lives as long as the call, and none is written back.
    let answer = unsafe { libc::prlimit(process as libc::pid_t, libc::RLIMIT_FSIZE, &limit, std::ptr::null_mut()) };
    assert_eq!(answer, 0, "{}", std::io::Error::last_os_error());
}

/// The pipeline of a recording that plays for some seconds; once it runs, its files may not grow beyond `bytes`.
fn on_a_small_disk(site: &Site, retry_for: &str, bytes: u64) -> support::Started {
    let toml = pipeline("small", "cabs.csv")
        .replace("[engine]", &format!("[engine]\nepoch = \"300ms\"\nretry_for = \"{retry_for}\""));
    site.write("small.toml", toml.replace("codec = \"csv\"", "codec = \"csv\"\nspeed = \"60x\""));
    // A process that is told nothing of a limit is killed by it.
    let mut run = site.start_by(
        "trap '' XFSZ; exec \"$0\" \"$@\"",
        &["run", "small.toml", "--until-end", "--summary", "summary.json"],
    );
    run.wait_for(" running ");
    limit_files(run.id(), Some(bytes));
    run
}

#[track_caller]
fn assert_whole(site: &Site, toml: &str) {
    site.done(&["run", "cabs.toml", "--until-end"]);
    let sql = "select count(*), count(distinct vehicle_id || event_time) from history";
    assert_eq!(site.ask(toml, sql), site.ask("cabs.toml", sql), "every frame once");
    let told = site.done(&["lake", "verify", toml]).stdout;
    assert!(told.ends_with("ok\n"), "{told}");
}

#[test]
fn disk_that_is_full_for_a_while_is_waited_for() {
    let site = site("300");
    let mut run = on_a_small_disk(&site, "5m", 8);
    let told = run.wait_for("storage refuses, since 0s: ");
    assert!(told.contains("raise its limit (ulimit -f)") && told.contains("tried again for up to 5m"), "{told}");
    limit_files(run.id(), None);
    run.wait_for("storage works again after ");
    let (exit, told) = run.end();
    assert_eq!(exit, 0, "{told}");
    assert_whole(&site, "small.toml");
    let summary = site.json("summary.json");
    assert_eq!(summary["status"], serde_json::json!({ "is": "ready" }));
    assert!(summary["degraded"]["times"].as_u64() >= Some(1), "{summary}");
}

#[test]
fn disk_that_stays_full_stops_the_run_and_costs_nothing_once_there_is_room() {
    let site = site("300");
    let (exit, told) = on_a_small_disk(&site, "1s", 8).end();
    assert_eq!(exit, 1, "{told}");
    let error = told.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
    let advice = "; tried again for 1s (retry_for), then stopped before the commit: the last commit is whole, start again once \
                  this is mended";
    assert!(error.contains("small/") && error.contains(advice), "{told}");
    site.done(&["run", "small.toml", "--until-end"]);
    assert_whole(&site, "small.toml");
}

/// The words that start a shell that may mount a file system, if there are some.
fn mounting() -> Option<&'static [&'static str]> {
    let shells: [&[&str]; 2] = [&["unshare", "--mount"], &["unshare", "--user", "--map-root-user", "--mount"]];
    let mounts = |shell: &&&[&str]| {
        let mount = ["mount", "-t", "tmpfs", "none", "/mnt"];
        let tried = Command::new(shell[0]).args(&shell[1..]).args(mount).output();
        tried.is_ok_and(|output| output.status.success())
    };
    shells.iter().find(mounts).copied()
}

/// As the two before, with a disk that is really full, where one may be mounted.
#[test]
fn small_file_system_says_that_it_is_full() {
    let Some(shell) = mounting() else {
        eprintln!("no file system can be mounted here: the limits of the other tests stand for it");
        return;
    };
    let site = site("4000");
    std::fs::create_dir(site.path("disk")).expect("a folder");
    site.write("disk.toml", pipeline("disk/data", "cabs.csv").replace("[engine]", "[engine]\nretry_for = \"1s\""));
    let rhumb = env!("CARGO_BIN_EXE_rhumb");
    let (run, query) = (format!("'{rhumb}' run disk.toml --until-end"), format!("'{rhumb}' query disk.toml"));
    let count = "'select count(*) as n, count(distinct event_time) as times from history' --format csv";
    let then = format!("echo exit $?; {query} {count}");
    let script = format!(
        "mount -t tmpfs -o size=2m none disk && {{ {run}; {then}; mount -o remount,size=256m disk; {run}; {then}; }}"
    );
    let told =
        Told::of(site.command(shell[0]).args(&shell[1..]).args(["sh", "-c", &script]).output().expect("a shell"));
    let lines: Vec<&str> = told.stdout.lines().collect();
    let [first, _, some, second, _, all] = &lines[..] else { panic!("two runs and two answers: {told:?}") };
    assert_eq!((*first, *second), ("exit 1", "exit 0"), "{told:?}");
    let rows = |line: &str| line.split(',').next().and_then(|n| n.parse::<u64>().ok()).expect("a count");
    assert!(rows(some) < 120_000, "the disk was too small for all: {told:?}");
    site.done(&["run", "cabs.toml", "--until-end"]);
    let wanted = site.ask("cabs.toml", "select count(*), count(distinct event_time) from history");
    assert_eq!([*all], wanted[..], "every frame once: {told:?}");
    let error = told.stderr.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
    assert!(error.contains("disk/data/") && error.contains(": the disk is full; free some space"), "{told:?}");
}

#[test]
fn run_of_which_nothing_could_be_decoded_fails_and_says_why() {
    let site = Site::new();
    site.write("zones.geojson", ZONES);
    // Neither this codec's nor another's: told as a warning before the run, which may find something further on.
    site.write("noise.csv", "vehicle_id,ts,lat,lon\n".to_owned() + &"a,noon,1,2\n".repeat(20));
    site.write("noise.toml", pipeline("data", "noise.csv"));
    let told = site.rhumb(&["run", "noise.toml", "--until-end", "--summary", "summary.json"]);
    let lines = told.stderr.lines().filter(|line| !line.contains(" INFO "));
    // The log begins with the time.
    let lines: String =
        lines.map(|line| line.split_once("  WARN").map_or(line, |(_, rest)| rest).to_owned() + "\n").collect();
    expect![[r#"
        noise.toml:9:9: warning: source recording: codec csv reads nothing of noise.csv: event_time (from ts) is not a time: "noon" (expected RFC 3339 with an offset, or seconds, milliseconds or microseconds since 1970)
          9 | codec = "csv"
            |         ^^^^^
        error: source recording: nothing could be decoded with codec csv, 20 records were rejected, the first because: event_time (from ts) is not a time: "noon" (expected RFC 3339 with an offset, or seconds, milliseconds or microseconds since 1970); check that it is csv, and what its fields are called; the input counts as read now: to read it again, choose another data folder
    "#]].assert_eq(&lines);
    assert_eq!(told.exit, 1);
    assert_eq!(site.json("summary.json")["rejects"], serde_json::json!({"undecodable": 20}));
}

#[test]
fn values_that_cannot_be_read_are_counted_and_told() {
    let site = Site::new();
    site.write("zones.geojson", ZONES);
    site.write("cabs.csv", "vehicle_id,ts,lat,lon,speed\na,1767592800,30,-97,fast\na,1767592810,30,-97,3\n");
    site.write("cabs.toml", pipeline("data", "cabs.csv"));
    let told = site.done(&["run", "cabs.toml", "--until-end", "--summary", "summary.json"]);
    assert!(told.stderr.contains("values that cannot be read were left out of their frames"), "{told:?}");
    let sources = &site.json("summary.json")["sources"];
    assert_eq!(*sources, serde_json::json!({"recording": {"frames_in": 2, "speed_mps_unreadable": 1}}));
}

#[track_caller]
fn check_truncated(name: &str, packed: &[u8], packing: &str) {
    let site = site("600");
    site.write(name, &packed_of(&site, packed)[..]);
    site.write("cut.toml", pipeline("data", name));
    let told = site.rhumb(&["run", "cut.toml", "--until-end", "--summary", "summary.json"]);
    let frames = site.json("summary.json")["frames_in"].as_u64().expect("a count");
    let begin = format!("error: source recording: {name}: {packing} stream ends early after ");
    let error = told.stderr.lines().find(|line| line.starts_with(&begin)).unwrap_or_else(|| panic!("{told:?}"));
    let read = error.split(": the file is truncated; ").nth(1).expect("what was read").replace(',', "");
    assert_eq!(read, format!("{frames} frames before it were read; everything before it is committed"));
    assert_eq!(told.exit, 1, "{told:?}");
    assert!(frames > 1_000, "{frames} frames stood before the damage");
    assert_eq!(site.count("cut.toml", "select count(*) from history"), frames);
    let first = "select count(*) from history where event_time < timestamp '2026-01-05T06:00:10Z'";
    assert_eq!(site.count("cut.toml", first), 300, "they are the first ones");
}

/// The site's recording, packed by the packer that the bytes name, and cut in the middle.
fn packed_of(site: &Site, packer: &[u8]) -> Vec<u8> {
    let text = std::fs::read(site.path("cabs.csv")).expect("a recording");
    let packed = match packer {
        b"zstd" => zstd::encode_all(&text[..], 1).expect("zstd"),
        _ => {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(&text).expect("gzip");
            gzip.finish().expect("gzip")
        }
    };
    packed[..packed.len() / 2].to_vec()
}

#[test]
fn truncated_gzip_gives_all_that_is_whole() {
    check_truncated("cut.csv.gz", b"gzip", "gzip");
}

#[test]
fn truncated_zstd_gives_all_that_is_whole() {
    check_truncated("cut.csv.zst", b"zstd", "zstd");
}

#[test]
fn bad_rows_are_rejected_with_their_bytes_and_the_rest_is_kept() {
    let site = Site::new();
    site.write("zones.geojson", ZONES);
    site.write(
        "dirty.csv",
        "vehicle_id,ts,lat,lon\na,1767592800,30.25,-97.75\na,yesterday,30.25,-97.75\nthis is no row\n\
         a,1767592810,north,-97.75\n,1767592820,30.25,-97.75\na,1767592830,95,-97.75\na,1767592840,30.2501,-97.75\n",
    );
    site.write("dirty.toml", pipeline("data", "dirty.csv"));
    site.done(&["run", "dirty.toml", "--until-end"]);
    assert_eq!(
        site.ask("dirty.toml", "select arrow_cast(event_time, 'Int64') / 1000000 from history order by 1"),
        ["1767592800", "1767592840"]
    );
    // A frame that was read carries its time of receipt.
    let sql = "select reason, \"offset\", left(arrow_cast(raw, 'Utf8'), 50) as raw, left(detail, 56) as detail from rejects \
               order by \"offset\"";
    expect![[r#"
        reason       offset  raw                                                 detail
        -----------  ------  --------------------------------------------------  --------------------------------------------------------
        undecodable      48  a,yesterday,30.25,-97.75                            event_time (from ts) is not a time: "yesterday" (expecte
        undecodable      73  this is no row                                      the row has 1 columns instead of 4; ts is missing
        undecodable      88  a,1767592810,north,-97.75                           lat is not a number: "north"
        vehicle_id      114  {"vehicle_id":"","event_time":1767592820000000,"re  the vehicle id is empty
        range           139  {"vehicle_id":"a","event_time":1767592830000000,"r  latitude 95 is not in -90..90
        5 rows
    "#]].assert_eq(&site.done(&["query", "dirty.toml", sql]).stdout);
}

/// Where nothing says when frames were received, only the frames around it show that a clock is wrong.
#[test]
fn wrong_clock_in_a_recording_makes_no_other_frame_late() {
    let site = Site::new();
    site.write("zones.geojson", ZONES);
    const START: u32 = 1_210_000_000;
    let mut csv = "vehicle_id,ts,lat,lon\n".to_owned();
    for second in 0..400 {
        for vehicle in 0..100 {
            csv += &format!("v{vehicle},{},30.25,-97.7{second:03}\n", START + second);
        }
        if second % 100 == 50 {
            csv += &format!("wrong,{},30.25,-97.7\n", START + 86_400 * (1000 + second));
        }
    }
    site.write("cabs.csv", csv);
    site.write("cabs.toml", pipeline("data", "cabs.csv").replace("[engine]", "[engine]\nlateness = \"1s\""));
    site.done(&["run", "cabs.toml", "--until-end", "--summary", "summary.json"]);
    let summary = site.json("summary.json");
    assert_eq!(summary["history_rows"], serde_json::json!(40_004), "{summary}");
    assert_eq!(summary["too_late"], serde_json::json!({}), "{summary}");
    assert_eq!(site.count("cabs.toml", "select sum(frames) from windows_zones"), 40_004);
}

/// The wrong frame is odd itself, and nothing else is: its vehicle is where it is, in time, and its alerts are taken back.
#[test]
fn vehicle_that_was_once_in_the_future_goes_on_as_if_it_had_not_been() {
    let site = Site::new();
    site.write("zones.geojson", ZONES);
    const START: u32 = 1_210_000_000;
    let frame = |time: u32, lon: f64| format!("a,{time},30.25,{lon}\n");
    let before: String = (0..50).map(|n| frame(START + 10 * n, -97.75)).collect();
    let after: String = (50..100).map(|n| frame(START + 10 * n, -97.75)).collect();
    // Out of all zones, 400 days on.
    let wrong = frame(START + 86_400 * 400, -97.5);
    let toml = pipeline("wrong", "wrong.csv")
        .replace("zones = \"zones.geojson\"", "zones = \"zones.geojson\"\nexit_buffer_m = 0");
    site.write("wrong.csv", format!("vehicle_id,ts,lat,lon\n{before}{wrong}{after}"));
    site.write("wrong.toml", &toml);
    site.write("right.csv", format!("vehicle_id,ts,lat,lon\n{before}{after}"));
    site.write("right.toml", toml.replace("wrong", "right"));
    for pipeline in ["wrong.toml", "right.toml"] {
        site.done(&["run", pipeline, "--until-end"]);
    }
    assert_eq!(site.count("wrong.toml", "select count(*) from history"), 101);
    assert_eq!(site.count("wrong.toml", "select count(*) from history where late"), 0);
    let same = |sql: &str| assert_eq!(site.ask("wrong.toml", sql), site.ask("right.toml", sql), "{sql}");
    same("select vehicle_id, event_time, lat, lon, speed_mps, zone_ids from current");
    same(
        "select kind, zone_id, event_time from alerts where coalesce(reason, '') <> 'retracted' and alert_id not in \
         (select supersedes from alerts where supersedes is not null)",
    );
    let told = "select kind, coalesce(reason, '') as reason from alerts where zone_id = 'middle' order by sequence";
    assert_eq!(site.ask("wrong.toml", told), ["enter,", "exit,", "exit,retracted"]);
    same("select window_start, zone_id, frames from windows_zones order by 1, 2");
}

#[test]
fn damaged_file_ends_its_source_and_the_others_run_on() {
    let site = site("600");
    let [cut, worse] = [b"gzip", b"zstd"].map(|packer| packed_of(&site, packer));
    site.write("cut.csv.gz", cut);
    site.write("worse.csv.zst", &worse[..worse.len() / 2]);
    // So large that both have failed long before it ends.
    site.done(&[
        "simulate",
        "--vehicles",
        "300",
        "--seed",
        "4",
        "--codec",
        "csv",
        "-o",
        "whole.csv",
        "--seconds",
        "2000",
    ]);
    let source = |name: &str, path: &str| {
        format!("[[source]]\nname = \"{name}\"\n[source.file]\npath = \"{path}\"\ncodec = \"csv\"\n")
    };
    let sources = source("cut", "cut.csv.gz") + &source("worse", "worse.csv.zst") + &source("whole", "whole.csv");
    site.write("three.toml", format!("name = \"cabs\"\ndata = \"data\"\n{sources}"));
    let told = site.rhumb(&["run", "three.toml", "--until-end", "--summary", "summary.json"]);
    assert_eq!(told.exit, 1, "{told:?}");
    let summary = site.json("summary.json");
    let damaged = summary["damaged"].as_str().expect("what was damaged");
    for begin in
        ["source cut: cut.csv.gz: gzip stream ends early", "source worse: worse.csv.zst: zstd stream ends early"]
    {
        assert!(damaged.contains(begin), "{damaged}");
        assert!(told.stderr.lines().any(|line| line.contains("ERROR") && line.contains(begin)), "{told:?}");
    }
    assert_eq!(site.count("three.toml", "select count(*) from history where source = 'whole'"), 300 * 2000 / 10);
    assert_eq!(summary["history_rows"].as_u64(), Some(site.count("three.toml", "select count(*) from history")));
}

#[test]
fn run_that_waits_for_more_says_so_once() {
    let site = site("10");
    let mut run = site.start(&["run", "cabs.toml"]);
    run.wait_for("all input has ended; waiting for more or Ctrl-C (use --until-end to end here)");
    let (exit, told) = run.interrupt_and_end();
    assert_eq!((exit, told.matches("all input has ended").count()), (0, 1), "{told}");
    assert!(!site.done(&["run", "cabs.toml", "--until-end"]).stderr.contains("all input has ended"));
}

#[test]
fn vehicles_beyond_the_limit_are_rejected_and_told_in_the_summary() {
    let site = Site::new();
    let lines: String = (0..100).map(|n| format!("v{},{},30.25,-97.75\n", n % 10, 1767592800 + n)).collect();
    site.write("many.csv", format!("vehicle_id,ts,lat,lon\n{lines}"));
    let engine = "name = \"cabs\"\ndata = \"data\"\n[engine]\nvehicles_max = 4\n";
    let source = "[[source]]\nname = \"s\"\n[source.file]\npath = \"many.csv\"\ncodec = \"csv\"\n";
    site.write("many.toml", format!("{engine}{source}"));
    site.done(&["run", "many.toml", "--until-end", "--summary", "summary.json"]);
    let summary = site.json("summary.json");
    assert_eq!((&summary["history_rows"], &summary["rejects"]), (&40.into(), &serde_json::json!({"vehicles_max": 60})));
    let sql = "select distinct reason, measured, threshold from rejects";
    assert_eq!(site.ask("many.toml", sql), ["vehicles_max,4.0,4.0"]);
    assert_eq!(site.count("many.toml", "select count(*) from current"), 4);
}
