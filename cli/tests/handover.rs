//! Several instances share one pipeline and one topic: they come, go and die, and what they leave together is what a single
//! uninterrupted run leaves, row for row. `RHUMB_HANDOVER_SECONDS` says how long (docs/TESTING.md).

#[path = "../../tests/broker.rs"]
mod broker;
#[path = "../../tests/needed.rs"]
mod needed;
#[path = "s3/server.rs"]
mod server;
mod support;

use broker::{Broker, Written};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};
use server::Server;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};
use support::{Site, Started, ZONES, wait_until};

const VEHICLES: i64 = 60;
const PARTITIONS: i32 = 8;
/// Seconds of the fleet that are written for each of ours.
const PACE: i64 = 40;
/// 2024-05-01T12:00:00Z
const T0: i64 = 1_714_564_800;

#[track_caller]
fn broker() -> Option<&'static Broker> {
    static BROKER: OnceLock<Option<Broker>> = OnceLock::new();
    let broker = BROKER.get_or_init(Broker::start).as_ref();
    if broker.is_none() {
        needed::skip("no Kafka broker");
    }
    broker
}

fn seconds(unless_told: u64) -> u64 {
    std::env::var("RHUMB_HANDOVER_SECONDS").map_or(unless_told, |text| text.parse().expect("seconds"))
}

const JOB: &str = r#"
[[operator]]
[operator.validate]
[[operator]]
[operator.geofence]
zones = "zones.geojson"
alerts = ["enter", "exit", "dwell"]
dwell = "2m"
[[operator]]
[operator.window]
name = "zones"
every = "30s"
key = ["zone_id"]
aggregates = { frames = "count", vehicles = "count_distinct(vehicle_id)", speed_avg = "avg(speed_mps)", speed_max = "max(speed_mps)" }
[[operator]]
[operator.window]
name = "visits"
gap = "20s"
key = ["zone_id"]
aggregates = { frames = "count", driven = "distance" }
[[operator]]
[operator.window]
name = "vehicles"
every = "1m"
key = ["vehicle_id"]
aggregates = { frames = "count", driven = "distance", last_lon = "last(lon)" }
[[operator]]
[operator.trips]
"#;

/// All that a run leaves, but for what tells instances, epochs and revisions apart.
const TOLD: [&str; 9] = [
    "select vehicle_id, event_time, received_at, lat, lon, speed_mps, late, zone_ids from history",
    "select alert_id, kind, vehicle_id, zone_id, event_time, frame_time, visit_id, late, supersedes from alerts",
    "select reason, vehicle_id, event_time, partition, \"offset\" from rejects",
    "select window_start, window_end, zone_id, frames, vehicles, round(speed_avg, 6), speed_max from windows_zones",
    "select window_start, window_end, zone_id, frames, round(driven, 3) from windows_visits",
    "select window_start, window_end, vehicle_id, frames, round(driven, 3), last_lon from windows_vehicles",
    "select vehicle_id, event_time, lat, lon from current",
    "select * exclude (epoch, revision, event_date) from trips",
    "select * exclude (epoch, revision, event_date) from stops",
];

fn site(broker: &Broker, topic: &str) -> Site {
    written(Site::new(), "data = \"data\"\n[engine]\nepoch = \"400ms\"", broker, topic)
}

/// `place`: where the data is.
fn written(site: Site, place: &str, broker: &Broker, topic: &str) -> Site {
    site.write("zones.geojson", ZONES);
    let toml = format!(
        "name = \"cabs\"\n{place}\nshards = 2\nlateness = \"1m\"\n[[source]]\nname = \"gps\"\n\
         [source.kafka]\nbrokers = [\"{}\"]\ntopic = \"{topic}\"\ncodec = \"json\"\n\
         properties = {{ \"session.timeout.ms\" = \"2000\", \"heartbeat.interval.ms\" = \"300\" }}\n{JOB}",
        broker.address
    );
    site.write("cabs.toml", toml);
    site
}

/// A fleet that drives up and down a street through both zones. Some frames come late, some are of nowhere.
fn fleet(seconds: std::ops::Range<i64>) -> impl Iterator<Item = Written> {
    seconds.flat_map(|second| {
        (0..VEHICLES).map(move |vehicle| {
            let second = if (second + vehicle) % 41 == 0 { second - 15 } else { second };
            let lon = -97.80 + 0.00001 * vehicle as f64 + 0.12 * (second as f64 / 700.0 + vehicle as f64).sin();
            let (lat, lon) = if (second * 7 + vehicle) % 211 == 0 { (0.0, 0.0) } else { (30.25, lon) };
            let (id, at) = (format!("v{vehicle}"), T0 + second);
            let speed = (second + vehicle) % 23;
            let value = format!(r#"{{"id": "{id}", "ts": {at}, "lat": {lat}, "lon": {lon:.6}, "speed_mps": {speed}}}"#);
            Written { timestamp_ms: Some(1000 * at + 1000), ..Written::new(&id, value) }
        })
    })
}

/// Instances that run, by name.
struct Instances<'a> {
    site: &'a Site,
    running: Vec<(String, Option<Started>)>,
}

impl Instances<'_> {
    fn start(&mut self, at: usize) {
        let name = self.running[at].0.clone();
        self.running[at].1 = Some(self.site.start(&["run", "cabs.toml", "--instance", &name]));
    }

    /// Ends one or lets it sleep, or starts it if it has been ended.
    #[allow(clippy::disallowed_methods, reason = "sleeps as long as the instance is to")]
    fn disturb(&mut self, at: usize, draw: u64) {
        let name = self.running[at].0.clone();
        match self.running[at].1.take() {
            None => self.start(at),
            Some(run) if draw.is_multiple_of(5) => {
                // Longer than its session: it is thought dead, and wakes up to find its partitions taken.
                run.signal("-STOP");
                std::thread::sleep(Duration::from_secs(4));
                run.signal("-CONT");
                println!("{name} slept");
                self.running[at].1 = Some(run);
            }
            Some(mut run) if !draw.is_multiple_of(3) => {
                run.kill();
                println!("killed {name}");
                if draw.is_multiple_of(2) {
                    self.start(at);
                }
            }
            Some(run) => {
                let (exit, told) = run.interrupt_and_end();
                assert_eq!(exit, 0, "{name}: {told}");
                println!("{name} left");
            }
        }
    }

    fn end(self) {
        for (name, run) in self.running {
            if let Some(run) = run {
                let (exit, told) = run.interrupt_and_end();
                assert_eq!(exit, 0, "{name}: {told}");
                assert!(!told.contains("panicked"), "{told}");
            }
        }
    }
}

/// Rows as the query gives them, sorted.
fn rows(site: &Site, sql: &str) -> Vec<String> {
    let told = site.done(&["query", "cabs.toml", sql, "--format", "json"]).stdout;
    let mut rows: Vec<String> = told.lines().map(str::to_owned).collect();
    rows.sort_unstable();
    rows
}

/// Instances that are disturbed every few seconds, while the fleet drives.
fn check(topic: &'static str, names: &[&str], seed: u64, length: Duration) {
    let Some(broker) = broker() else { return };
    check_at(broker, site(broker, topic), topic, names, seed, length);
}

#[allow(clippy::disallowed_methods, reason = "instances die at drawn moments, while somebody else writes")]
fn check_at(broker: &Broker, site: Site, topic: &'static str, names: &[&str], seed: u64, length: Duration) {
    broker.create(topic, PARTITIONS);
    let (is_over, sent) = (AtomicBool::new(false), AtomicI64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut second = 0;
            while !is_over.load(Ordering::Acquire) {
                let begun = Instant::now();
                broker.write(topic, fleet(second..second + PACE));
                second += PACE;
                sent.store(second * VEHICLES, Ordering::Release);
                std::thread::sleep(Duration::from_secs(1).saturating_sub(begun.elapsed()));
            }
        });
        let running = names.iter().map(|name| ((*name).to_owned(), None)).collect();
        let mut instances = Instances { site: &site, running };
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let begun = Instant::now();
        instances.start(0);
        while begun.elapsed() < length {
            std::thread::sleep(Duration::from_millis(1000 + random.next_u64() % 3000));
            let at = (random.next_u64() % names.len() as u64) as usize;
            instances.disturb(at, random.next_u64());
        }
        is_over.store(true, Ordering::Release);
        for at in 0..names.len() {
            if instances.running[at].1.is_none() {
                instances.start(at);
            }
        }
        let all = || u64::try_from(sent.load(Ordering::Acquire)).expect("a count");
        let counted = "select (select count(*) from history) + (select count(*) from rejects)";
        wait_until("all frames are in the lake", || site.count("cabs.toml", counted) >= all());
        instances.end();
    });
    // Windows that are still open are told by an engine that has all lanes to itself.
    site.done(&["run", "cabs.toml", "--until-end"]);
    let verified = site.rhumb(&["lake", "verify", "cabs.toml"]);
    assert_eq!(verified.exit, 0, "{}{}", verified.stdout, verified.stderr);
    let alone = self::site(broker, topic);
    alone.done(&["run", "cabs.toml", "--until-end"]);
    for sql in TOLD {
        let (whole, parts) = (rows(&alone, sql), rows(&site, sql));
        let first = whole.iter().zip(&parts).find(|(whole, parts)| whole != parts);
        assert!(whole == parts, "{sql}: {} and {} rows; first difference: {first:#?}", whole.len(), parts.len());
        println!("{} rows the same: {sql}", whole.len());
    }
    let frames = alone.count("cabs.toml", "select count(*) from history");
    assert!(frames > 0 && alone.count("cabs.toml", "select count(*) from alerts") > 0, "something happened");
    let instances = "select count(distinct part) from windows_zones_revisions";
    assert!(site.count("cabs.toml", instances) > 1, "lanes have moved");
}

#[test]
fn two_instances_that_come_go_and_die_leave_what_one_leaves_that_was_left_alone() {
    check("two", &["a", "b"], 1, Duration::from_secs(seconds(25)));
}

#[test]
fn three_instances_that_come_go_and_die_leave_what_one_leaves_that_was_left_alone() {
    check("three", &["a", "b", "c"], 2, Duration::from_secs(seconds(25)));
}

#[test]
fn two_instances_over_an_object_store_leave_what_one_leaves_that_was_left_alone() {
    let Some(broker) = broker() else { return };
    let Some(server) = Server::start() else { return };
    let place = "data = \"s3://lake/fleet\"\n[engine]\nlocal = \"data\"\nepoch = \"2s\"";
    let site = written(server.site(), place, broker, "store");
    check_at(broker, site, "store", &["a", "b"], 3, Duration::from_secs(seconds(40)));
}

#[test]
fn instance_needs_a_name_of_its_own_and_a_pipeline_of_kafka_alone() {
    let site = Site::new();
    site.write("file.toml", "name = \"f\"\ndata = \"data\"\n[[source]]\nname = \"gps\"\n[source.udp]\nlisten = \"127.0.0.1:0\"\ncodec = \"json\"\n");
    let told = site.rhumb(&["run", "file.toml", "--instance", "a"]);
    assert_eq!(told.exit, 2, "{}", told.stderr);
    assert!(
        told.stderr.contains("instances share the partitions of Kafka's topics, and other sources (gps) have none"),
        "{}",
        told.stderr
    );
    let told = site.rhumb(&["run", "file.toml", "--instance", "../a"]);
    assert_eq!(told.exit, 2, "{}", told.stderr);
    let Some(broker) = broker() else { return };
    broker.create("named", 2);
    let site = self::site(broker, "named");
    let mut run = site.start(&["run", "cabs.toml", "--instance", "a"]);
    run.wait_for("has these partitions");
    let told = site.rhumb(&["run", "cabs.toml", "--instance", "a"]);
    assert!(told.exit == 1 && told.stderr.contains("instances/a: process "), "{}", told.stderr);
    for alone in [&["run", "cabs.toml"][..], &["run", "cabs.toml", "--until-end"]] {
        let told = site.rhumb(alone);
        assert!(told.exit == 1 && told.stderr.contains("an instance is running a pipeline there"), "{}", told.stderr);
    }
    let told = site.rhumb(&["tap", "alerts", "cabs.toml"]);
    assert!(told.exit == 1 && told.stderr.contains("choose one with --instance: a"), "{}", told.stderr);
    site.done(&["tap", "alerts", "cabs.toml", "--instance", "a"]);
    let (exit, told) = run.interrupt_and_end();
    assert_eq!(exit, 0, "{told}");
}
