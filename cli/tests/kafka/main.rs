//! Kafka through the real binary and against a real broker.

#[path = "../../../tests/broker.rs"]
mod broker;
#[path = "../../../tests/needed.rs"]
mod needed;
mod outage;
mod reading;
mod records;
mod resume;
mod same;
mod sink;
#[path = "../support/mod.rs"]
mod support;

use broker::{Broker, Written};
use std::sync::OnceLock;
use support::Site;

/// The broker that all tests share but those that end it. Each has topics of its own.
#[track_caller]
fn broker() -> Option<&'static Broker> {
    static BROKER: OnceLock<Option<Broker>> = OnceLock::new();
    let broker = BROKER.get_or_init(Broker::start).as_ref();
    if broker.is_none() {
        needed::skip("no Kafka broker");
    }
    broker
}

/// A pipeline that reads a topic, with more lines in `[source.kafka]` and more tables after it.
fn pipeline(site: &Site, address: &str, topic: &str, source: &str, more: &str) {
    let codec = if source.contains("codec") { "" } else { "codec = \"json\"\n" };
    let toml = format!(
        "name = \"cabs\"\ndata = \"data\"\n[engine]\nepoch = \"250ms\"\nshards = 2\n[[source]]\nname = \"gps\"\n[source.kafka]\n\
         brokers = [\"{address}\"]\ntopic = \"{topic}\"\n{codec}{source}\n{more}"
    );
    site.write("cabs.toml", toml);
}

const RUN: [&str; 5] = ["run", "cabs.toml", "--until-end", "--summary", "summary.json"];

/// 2024-05-01T12:00:00Z
const T0_MS: i64 = 1_714_564_800_000;

fn at(seconds: i64) -> String {
    (T0_MS / 1000 + seconds).to_string()
}

/// A frame of a vehicle, so many seconds after `T0_MS`; it was written a second later.
fn frame(vehicle: &str, seconds: i64) -> Written {
    let value = format!(r#"{{"id": "{vehicle}", "ts": {}, "lat": 30.25, "lon": -97.75}}"#, at(seconds));
    Written { timestamp_ms: Some(T0_MS + 1000 * seconds + 1000), ..Written::new(vehicle, value) }
}

/// Rows as the query gives them, sorted.
fn rows(site: &Site, pipeline: &str, sql: &str) -> Vec<String> {
    let told = site.done(&["query", pipeline, sql, "--format", "json"]).stdout;
    let mut rows: Vec<String> = told.lines().map(str::to_owned).collect();
    rows.sort_unstable();
    rows
}

/// Vehicles and seconds of the history, as `a 1`.
fn history(site: &Site) -> Vec<String> {
    let sql = "select vehicle_id, cast(date_part('epoch', event_time) as bigint) from history";
    let mut rows: Vec<(String, i64)> = Vec::new();
    for row in site.ask("cabs.toml", sql) {
        let (vehicle, seconds) = row.split_once(',').expect("two columns");
        rows.push((vehicle.to_owned(), seconds.parse::<i64>().expect("seconds") - T0_MS / 1000));
    }
    rows.sort();
    rows.into_iter().map(|(vehicle, seconds)| format!("{vehicle} {seconds}")).collect()
}
