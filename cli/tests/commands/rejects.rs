//! `rhumb rejects`: what was refused is counted and shown, and goes in again once, whatever happens meanwhile.

use crate::support::{Site, Told, ZONES, wait_until};
use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::process::Stdio;

/// The same pipeline before and after somebody has mended it.
struct Mended {
    before: &'static str,
    after: &'static str,
}

const SPEED: Mended = Mended { before: "speed_max_mps = 0.01", after: "speed_max_mps = 70" };
/// The second source names its times otherwise.
const FIELDS: Mended = Mended { before: "", after: "[source.fields]\nevent_time = \"when\"" };

fn pipeline(site: &Site, file: &str, data: &str, speed: &str, fields: &str) {
    let toml = format!(
        "name = \"cabs\"\ndata = \"{data}\"\n[engine]\nepoch_rows = 1000\nshards = 2\n\
         [[source]]\nname = \"cabs\"\n[source.file]\npath = \"cabs.csv\"\ncodec = \"csv\"\n\
         [[source]]\nname = \"phones\"\n[source.file]\npath = \"phones.ndjson\"\ncodec = \"json\"\n{fields}\n\
         [[operator]]\n[operator.validate]\n{speed}\n[[operator]]\n[operator.geofence]\nzones = \"zones.geojson\"\n\
         [[operator]]\n[operator.window]\nname = \"vehicles\"\nevery = \"1m\"\nkey = [\"vehicle_id\"]\n\
         aggregates = {{ frames = \"count\" }}\n"
    );
    site.write(file, toml);
}

/// Recordings of two sources, and pipelines over one data folder before and after the mending, and over another one.
fn site(vehicles: &str) -> Site {
    let site = Site::new();
    let fleet = ["simulate", "--vehicles", vehicles, "--seconds", "100", "--null-island", "0.02", "--seed", "3"];
    site.done(&[&fleet[..], &["--codec", "csv", "-o", "cabs.csv"]].concat());
    let phone = |n: u64| {
        let at = 1_767_592_800 + n;
        format!("{{\"id\":\"phone-{}\",\"when\":{at},\"lat\":30.2,\"lon\":-97.7,\"received_at\":{at}}}\n", n % 7)
    };
    site.write("phones.ndjson", (0..70).map(phone).collect::<String>());
    site.write("zones.geojson", ZONES);
    pipeline(&site, "before.toml", "mended", SPEED.before, FIELDS.before);
    pipeline(&site, "after.toml", "mended", SPEED.after, FIELDS.after);
    pipeline(&site, "fresh.toml", "fresh", SPEED.after, FIELDS.after);
    site
}

const HISTORY: &str = "select vehicle_id, event_time, received_at, lat, lon, speed_mps, heading_deg, accuracy_m, hdop, \
                       satellites, source, zone_ids, event_date from history";

fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort_unstable();
    rows
}

/// By source, reason and state: how many.
fn listed(site: &Site, pipeline: &str, arguments: &[&str]) -> BTreeMap<String, u64> {
    let told = site.done(&[&["rejects", "list", pipeline, "--format", "csv"], arguments].concat());
    let row = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        (fields[..3].join(" "), fields[3].parse().expect("as the test made it"))
    };
    told.stdout.lines().skip(1).map(row).collect()
}

#[track_caller]
fn is_whole(site: &Site, pipeline: &str) {
    let told = site.rhumb(&["lake", "verify", pipeline]);
    assert_eq!((told.exit, told.stdout.lines().last()), (0, Some("ok")), "{told:?}");
}

#[test]
fn what_was_refused_goes_in_once_after_the_mending_as_if_it_had_been_right_from_the_start() {
    let site = site("60");
    site.done(&["run", "before.toml", "--until-end"]);
    site.done(&["run", "fresh.toml", "--until-end"]);
    let (was, nulls) = (
        listed(&site, "before.toml", &[]),
        site.count("fresh.toml", "select count(*) from rejects where reason = 'null_island'"),
    );
    assert_eq!(was["phones undecodable waiting"], 70, "{was:?}");
    let fast = was["cabs speed_max waiting"];
    assert!(fast > 100 && nulls > 1, "{was:?}");
    let all: u64 = was.values().sum();

    let told = site.done(&["rejects", "redrive", "after.toml"]);
    let accepted = all - nulls;
    assert_eq!(
        told.stdout,
        format!("{all} rejects redriven: {accepted} frames accepted, {nulls} refused again (null_island {nulls})\n")
    );
    assert_eq!(sorted(site.ask("after.toml", HISTORY)), sorted(site.ask("fresh.toml", HISTORY)));
    is_whole(&site, "after.toml");
    let raw = "select raw, reason, \"partition\", \"offset\", received_at, source from rejects where not redriven or redriven is null";
    assert_eq!(site.ask("after.toml", raw).len() as u64, all, "they stay where they are");
    let failed = BTreeMap::from([("cabs null_island failed_again".to_owned(), nulls)]);
    assert_eq!(
        listed(&site, "after.toml", &["--source", "cabs", "--reason", "null_island"])["cabs null_island failed_again"],
        nulls
    );
    let open: BTreeMap<String, u64> =
        listed(&site, "after.toml", &[]).into_iter().filter(|(state, _)| !state.ends_with(" redriven")).collect();
    assert_eq!(open, failed);

    // Once: however often it is asked for.
    for _ in 0..2 {
        let told = site.done(&["rejects", "redrive", "after.toml"]);
        assert_eq!(told.stdout, "nothing to redrive\n");
        assert!(told.stderr.contains("--again redrives them"), "{}", told.stderr);
    }
    let told = site.done(&["rejects", "redrive", "after.toml", "--again"]);
    let again = format!("{nulls} rejects redriven: 0 frames accepted, {nulls} refused again (null_island {nulls})\n");
    assert_eq!(told.stdout, again);
    assert_eq!(listed(&site, "after.toml", &["--reason", "null_island"])["cabs null_island failed_again"], nulls);
    // The sources go on where they were, which is at their ends.
    site.done(&["run", "after.toml", "--until-end", "--summary", "after.json"]);
    assert_eq!(site.json("after.json")["frames_in"], 0);
    assert_eq!(sorted(site.ask("after.toml", HISTORY)), sorted(site.ask("fresh.toml", HISTORY)));
    is_whole(&site, "after.toml");
}

#[test]
fn redriving_that_is_killed_again_and_again_gives_what_one_that_was_not_gives() {
    let site = site("2000");
    site.done(&["run", "before.toml", "--until-end"]);
    site.done(&["run", "fresh.toml", "--until-end"]);
    let newest = || {
        let names = std::fs::read_dir(site.path("mended/manifests"))
            .expect("as the test made it")
            .map(|entry| entry.expect("as the test made it").file_name());
        names.max().expect("as the test made it")
    };
    let mut killed = 0;
    for commits in 1..=6 {
        let before = newest();
        let mut command = site.command(env!("CARGO_BIN_EXE_rhumb"));
        command.args(["rejects", "redrive", "after.toml"]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("as the test made it");
        // Its claim, and some commits.
        let number = |name: &std::ffi::OsString| {
            name.to_str().expect("as the test made it")[..20].parse::<u64>().expect("as the test made it")
        };
        wait_until("a commit, or its end", || {
            number(&newest()) > number(&before) + commits / 2
                || child.try_wait().expect("as the test made it").is_some()
        });
        killed += u32::from(child.try_wait().expect("as the test made it").is_none());
        child.kill().expect("as the test made it");
        child.wait().expect("as the test made it");
    }
    assert!(killed > 0, "some were killed on their way");
    site.done(&["rejects", "redrive", "after.toml"]);
    // If the last one was killed between its commit and the tables' logs, the next engine that starts adds to them.
    site.done(&["run", "after.toml", "--until-end"]);
    assert_eq!(sorted(site.ask("after.toml", HISTORY)), sorted(site.ask("fresh.toml", HISTORY)));
    let nulls = site.count("fresh.toml", "select count(*) from rejects");
    assert_eq!(site.count("after.toml", "select count(*) from rejects where redriven"), nulls);
    is_whole(&site, "after.toml");
}

#[test]
fn rejects_are_listed_by_reason_source_vehicle_and_time() {
    let site = site("60");
    site.done(&["run", "before.toml", "--until-end"]);
    let sum = |arguments: &[&str]| listed(&site, "before.toml", arguments).values().sum::<u64>();
    let ask = |condition: &str| site.count("before.toml", &format!("select count(*) from rejects where {condition}"));
    assert_eq!(sum(&[]), ask("true"));
    assert_eq!(sum(&["--reason", "speed_max,null_island"]), ask("reason in ('speed_max', 'null_island')"));
    assert_eq!(sum(&["--source", "phones"]), ask("source = 'phones'"));
    assert_eq!(sum(&["--vehicle", "v000001", "--vehicle", "v000002"]), ask("vehicle_id in ('v000001', 'v000002')"));
    let (from, to) = ("2026-01-05T06:00:20Z", "2026-01-05T06:00:40Z");
    let between =
        format!("coalesce(event_time, received_at) >= '{from}' and coalesce(event_time, received_at) < '{to}'");
    assert!(ask(&between) > 0);
    assert_eq!(sum(&["--from", from, "--to", to]), ask(&between));
    let rows = site.done(&["rejects", "list", "--data", "mended", "--rows", "--limit", "3", "--format", "json"]).stdout;
    assert_eq!(rows.lines().count(), 3, "{rows}");
    assert!(rows.lines().all(|line| line.contains("\"state\":\"waiting\"") && line.contains("\"raw\"")), "{rows}");
    // One partition after the other: the rest still waits.
    let told = site.done(&["rejects", "redrive", "after.toml", "--source", "phones"]);
    assert_eq!(told.stdout, "70 rejects redriven: 70 frames accepted, 0 refused again\n");
    let told = site.done(&["rejects", "redrive", "after.toml", "--reason", "null_island"]);
    assert!(told.stdout.contains("0 frames accepted"), "{told:?}");
    assert!(listed(&site, "after.toml", &[])["cabs speed_max waiting"] > 0);
    is_whole(&site, "after.toml");
}

#[test]
fn datagrams_go_through_the_codec_again_and_strangers_only_by_name() {
    let site = Site::new();
    let toml = |allow: &str, fields: &str| {
        format!(
            "name = \"cars\"\ndata = \"data\"\n[[source]]\nname = \"trackers\"\n[source.udp]\nlisten = \"127.0.0.1:0\"\n\
             codec = \"json\"\n{allow}\n{fields}\n[[operator]]\n[operator.validate]\n"
        )
    };
    site.write("before.toml", toml("", ""));
    site.write("closed.toml", toml("allow = [\"10.0.0.0/8\"]", ""));
    site.write("after.toml", toml("", "[source.fields]\nevent_time = \"when\""));
    let socket = UdpSocket::bind("127.0.0.1:0").expect("as the test made it");
    let run = |pipeline: &str, datagrams: &[&[u8]]| {
        let mut run = site.start(&["run", pipeline]);
        let to = run.listening();
        for datagram in datagrams {
            assert_eq!(socket.send_to(datagram, &to).expect("as the test made it"), datagram.len());
        }
        let in_use = site.rhumb(&["rejects", "redrive", pipeline]);
        let (exit, told) = run.interrupt_and_end();
        assert_eq!(exit, 0, "{told}");
        in_use
    };
    let frame = |id: &str| format!("{{\"id\":\"{id}\",\"when\":1767592800,\"lat\":1,\"lon\":2}}");
    let (two, garbage) = (frame("a") + &frame("b"), [0xFF, 0x00, 0x80, b'{', 0x0A]);
    run("before.toml", &[two.as_bytes(), &garbage]);
    let in_use: Told = run("closed.toml", &[frame("stranger").as_bytes()]);
    assert!(in_use.exit == 1 && in_use.stderr.contains("is running a pipeline there"), "{in_use:?}");
    let kept = site.done(&["rejects", "list", "before.toml", "--rows", "--format", "json"]).stdout;
    assert!(kept.contains("ff0080"), "bytes are kept as they came: {kept}");

    let told = site.done(&["rejects", "redrive", "after.toml"]);
    assert!(told.stdout.contains(" 2 frames accepted, "), "{told:?}");
    assert!(told.stderr.contains("they come from strangers"), "{told:?}");
    let vehicles = || sorted(site.ask("after.toml", "select vehicle_id from history"));
    assert_eq!(vehicles(), ["a", "b"]);
    let told = site.done(&["rejects", "redrive", "after.toml", "--reason", "sender_not_allowed"]);
    assert_eq!(told.stdout, "1 rejects redriven: 1 frames accepted, 0 refused again\n");
    assert_eq!(vehicles(), ["a", "b", "stranger"]);
    is_whole(&site, "after.toml");
}

#[test]
fn redriving_without_sense_is_answered() {
    let site = site("5");
    for (arguments, exit, words) in [
        (&["rejects"][..], 2, "Usage"),
        (&["rejects", "list"], 2, "PIPELINE"),
        (
            &["rejects", "list", "before.toml", "--reason", "bored"],
            2,
            "there is no such reason; there are undecodable, ",
        ),
        (&["rejects", "list", "before.toml", "--from", "noon"], 2, "not a time; write such as"),
        (&["rejects", "list", "before.toml", "--limit", "5"], 2, "--rows"),
        (&["rejects", "list", "before.toml"], 1, "there is no lake in mended"),
        (&["rejects", "redrive", "before.toml", "--reason", "empty_datagram"], 2, "too little was kept"),
        (&["rejects", "redrive", "before.toml", "--source", "taxis"], 2, "it has cabs, phones"),
        (&["rejects", "redrive", "before.toml"], 1, "there is no lake in mended"),
    ] {
        let told = site.rhumb(arguments);
        assert_eq!(told.exit, exit, "{arguments:?}: {told:?}");
        assert!(told.stderr.contains(words), "{arguments:?}: {told:?}");
    }
    assert!(!site.path("mended").exists(), "nothing is made");
}
