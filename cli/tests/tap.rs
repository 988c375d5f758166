//! The alert log of a running pipeline: alerts can be read before their epoch is committed, keep their numbers when the
//! process is killed, and are what the lake has in the end.

mod support;

use serde_json::Value;
use std::net::UdpSocket;
use support::{Site, now_us, wait_until};

const PIPELINE: &str = r#"
name = "tap"
data = "data"
[engine]
epoch = "1h"
[[source]]
name = "trackers"
[source.udp]
listen = "127.0.0.1:0"
codec = "json"
[[operator]]
[operator.geofence]
zones = "zones.geojson"
exit_buffer_m = 0
"#;

const ZONES: &str = r#"{"type":"Feature","id":"depot","properties":{"name":"Depot"},"geometry":{"type":"Polygon",
"coordinates":[[[0,0],[1,0],[1,1],[0,1],[0,0]]]}}"#;

fn site() -> Site {
    let site = Site::new();
    site.write("tap.toml", PIPELINE);
    site.write("zones.geojson", ZONES);
    site
}

/// Drives in and out, `visits` times, each in a second of its own.
fn drive(address: &str, visits: std::ops::Range<i64>, first_s: i64) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    for visit in visits {
        for (n, lat) in [(0, 0.5), (1, 1.5)] {
            let time_s = first_s + 2 * visit + n;
            let frame = format!(r#"{{"vehicle_id":"van","event_time":{time_s},"lat":{lat},"lon":0.5}}"#);
            socket.send_to(frame.as_bytes(), address).expect("it listens");
        }
    }
}

fn tapped(site: &Site, arguments: &[&str]) -> Vec<Value> {
    let told = site.done(&[&["tap", "alerts", "tap.toml"], arguments].concat());
    told.stdout.lines().map(|line| serde_json::from_str(line).expect("an object")).collect()
}

fn numbers(alerts: &[Value]) -> Vec<i64> {
    alerts.iter().map(|alert| alert["sequence"].as_i64().expect("a number")).collect()
}

#[test]
fn alerts_are_told_before_their_epoch_and_once_however_often_the_run_is_killed() {
    let site = site();
    let first_s = (now_us() / 1_000_000) as i64 - 1_000;
    let mut run = site.start(&["run", "tap.toml"]);
    drive(&run.listening(), 0..5, first_s);
    let log = site.path("data/alert_log");
    wait_until("ten alerts are in the log", || log.is_dir() && tapped(&site, &[]).len() == 10);
    let before = tapped(&site, &[]);
    assert_eq!(numbers(&before), (1..=10).collect::<Vec<_>>());
    assert_eq!((&before[0]["kind"], &before[1]["kind"]), (&"enter".into(), &"exit".into()));
    assert_eq!(before[1]["zone_attributes"]["name"], "Depot");
    run.kill();

    let mut run = site.start(&["run", "tap.toml"]);
    drive(&run.listening(), 5..7, first_s);
    wait_until("four more are in the log", || tapped(&site, &[]).len() >= 14);
    let (exit, told) = run.interrupt_and_end();
    assert_eq!(exit, 0, "{told}");
    let after = tapped(&site, &[]);
    assert_eq!(after[..10], before);
    assert_eq!(numbers(&after), (1..=14).collect::<Vec<_>>());
    assert_eq!(tapped(&site, &["--from", "13"]), after[12..]);

    let lake = site.ask("tap.toml", "select sequence, alert_id from alerts order by sequence");
    let logged =
        after.iter().map(|alert| format!("{},{}", alert["sequence"], alert["alert_id"].as_str().expect("an id")));
    assert_eq!(lake, logged.collect::<Vec<_>>());
}

#[test]
fn who_follows_hears_of_alerts_as_they_arise() {
    use std::io::{BufRead, BufReader};
    let site = site();
    let mut run = site.start(&["run", "tap.toml"]);
    let address = run.listening();
    let mut command = site.command(env!("CARGO_BIN_EXE_rhumb"));
    let mut tap = command
        .args(["tap", "alerts", "tap.toml", "--follow"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("rhumb runs");
    let mut lines = BufReader::new(tap.stdout.take().expect("it is piped")).lines();
    for visit in 0..3 {
        drive(&address, visit..visit + 1, (now_us() / 1_000_000) as i64 - 1_000);
        for kind in ["enter", "exit"] {
            let line = lines.next().expect("a line").expect("text");
            let alert: Value = serde_json::from_str(&line).expect("an object");
            assert_eq!(alert["kind"], kind, "{line}");
        }
    }
    tap.kill().expect("it runs");
    tap.wait().expect("it was started");
    assert_eq!(run.interrupt_and_end().0, 0);
}

#[test]
fn a_pipeline_without_an_alert_log_says_where_its_alerts_are() {
    let site = site();
    site.write("tap.toml", PIPELINE.replace("epoch = \"1h\"", "alert_log = \"off\""));
    let told = site.rhumb(&["tap", "alerts", "tap.toml"]);
    assert_eq!(told.exit, 1);
    assert!(
        told.stderr.contains("there is no alert log in") && told.stderr.contains("rhumb query tap.toml"),
        "{}",
        told.stderr
    );
}
