//! `rhumb simulate`: a fleet that is not there.

use crate::support::Site;
use crate::{check_refused, lines};
use expect_test::expect;
use serde_json::Value;

#[test]
fn simulated_fleet_is_the_same_for_the_same_seed() {
    let site = Site::new();
    let simulate = |seed, codec, file| {
        let fleet = ["simulate", "--vehicles", "20", "--seconds", "60", "--seed", seed, "--codec", codec, "-o", file];
        let told = site.done(&fleet);
        assert_eq!((told.stdout, told.stderr), (String::new(), "wrote 120 frames\n".to_owned()));
        std::fs::read(site.path(file)).expect("a file")
    };
    assert_eq!(simulate("1", "csv", "a"), simulate("1", "csv", "b"));
    assert_ne!(simulate("1", "csv", "a"), simulate("2", "csv", "b"));
    let decoded = |codec, file| {
        simulate("1", codec, file);
        let told = site.done(&["decode", codec, file]);
        let frame =
            |line: &Value| [&line["vehicle_id"], &line["event_time"], &line["lat"], &line["lon"]].map(Value::clone);
        lines(&told.stdout).iter().map(frame).collect::<Vec<_>>()
    };
    let frames = decoded("csv", "csv");
    assert_eq!(frames.len(), 120);
    assert_eq!(decoded("json", "json"), frames);
    assert_eq!(decoded("binary", "binary"), frames);
    let piped = site.done(&["simulate", "--vehicles", "20", "--seconds", "60", "--seed", "1", "--codec", "csv"]);
    assert_eq!(piped.stdout.into_bytes(), std::fs::read(site.path("csv")).expect("a file"));
}

#[test]
fn simulate_refuses_what_it_cannot_do() {
    let site = Site::new();
    let usage: [&[&str]; 10] = [
        &["simulate", "--vehicles", "0", "-o", "x"],
        &["simulate", "--late", "1.5", "-o", "x"],
        &["simulate", "--codec", "morse", "-o", "x"],
        &["simulate", "--to-udp", "127.0.0.1:9", "-o", "x"],
        &["simulate", "--to-udp", "nowhere"],
        &["simulate", "--to-udp", "127.0.0.1:9", "--codec", "csv"],
        &["simulate", "--to-udp", "127.0.0.1:9", "--codec", "binary", "--frames-per-datagram", "2"],
        &["simulate", "--to-udp", "127.0.0.1:9", "--frames-per-datagram", "0"],
        &["simulate", "-o", "x.parquet"],
        &["simulate", "--max", "-o", "x"],
    ];
    check_refused(
        &site,
        2,
        &usage,
        expect![[r#"
        simulate --vehicles 0 -o x
            error: vehicles is 0, the least is 1; rate_per_s is 0, must be above 0
        simulate --late 1.5 -o x
            error: shares of faults must not be negative and not be more than 1 together
        simulate --codec morse -o x
            error: invalid value 'morse' for '--codec <CODEC>'
            [possible values: csv, json, binary]
        simulate --to-udp 127.0.0.1:9 -o x
            error: the argument '--to-udp <ADDRESS>' cannot be used with '--output <FILE>'
        simulate --to-udp nowhere
            error: invalid value 'nowhere' for '--to-udp <ADDRESS>': invalid socket address syntax
        simulate --to-udp 127.0.0.1:9 --codec csv
            error: a datagram of csv has no header line; send json or binary
        simulate --to-udp 127.0.0.1:9 --codec binary --frames-per-datagram 2
            error: binary sends one frame a datagram here; leave --frames-per-datagram out, or send json
        simulate --to-udp 127.0.0.1:9 --frames-per-datagram 0
            error: invalid value '0' for '--frames-per-datagram <FRAMES_PER_DATAGRAM>': 0 is not in 1..=200
        simulate -o x.parquet
            error: x.parquet: written as .csv, .json (also .ndjson, .jsonl) or .bin; give it one of these endings, or say how it is to be written, such as --codec csv
        simulate --max -o x
            error: the argument '--max' cannot be used with '--output <FILE>'
    "#]],
    );
    assert!(!site.path("x").exists(), "nothing was written");
    check_refused(
        &site,
        1,
        &[&["simulate", "-o", "none/x"]],
        expect![[r#"
        simulate -o none/x
            error: write none/x: No such file or directory (os error 2)
    "#]],
    );
}
