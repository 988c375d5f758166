//! A run that is killed at any moment, again and again, gives what one that was left alone gives: row for row.
//!
//! What reaches a dead process's port is lost by nobody's fault, so the run that is left alone reads what the killed
//! ones have received: their journal, whole, which `journal_keep` keeps.

use crate::start;
use crate::support::{self, MAIN_JOB, Site, ZONES, copy};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const KILLS: usize = 50;
const VEHICLES: usize = 500;
/// Datagrams of one vehicle each, a second. Every datagram has as many frames as keep the whole at 20,000 a second.
const FRAMES_PER_SECOND: u64 = 20_000;
const FRAMES: u64 = 10;
/// So long after the last frame nothing is open in either run, wherever its own clock stood: idle lanes, lateness, the
/// longest window, the gap of trips.
const UNTIL_ALL_IS_CLOSED: Duration = Duration::from_secs(30);

const PER_VEHICLE: &str = r#"
[[operator]]
[operator.window]
name = "vehicles"
every = "10s"
key = ["vehicle_id"]
aggregates = { frames = "count", driven_m = "distance" }
[[operator]]
[operator.trips]
stop_radius_m = 50
stop_for = "10s"
gap = "20s"
"#;

fn pipeline(site: &Site, name: &str, data: &str) {
    let toml = format!(
        "name = \"crash\"\ndata = \"{data}\"\n[engine]\nepoch = \"300ms\"\nshards = 2\nlateness = \"2s\"\nidle_after = \"2s\"\n\
         [[source]]\nname = \"trackers\"\n[source.udp]\nlisten = \"127.0.0.1:0\"\ncodec = \"json\"\n\
         journal_segment = \"4MiB\"\njournal_keep = \"1d\"\n{MAIN_JOB}{PER_VEHICLE}"
    );
    site.write(name, toml);
}

/// Seconds that a vehicle drives or stands.
const LEG_S: f64 = 15.0;

struct Vehicle {
    lat: f64,
    lon: f64,
    /// Seconds since the fleet started.
    moved_at: f64,
}

impl Vehicle {
    /// Drives at up to 30 m/s, on the whole north-east and into the zones, or stands.
    fn go(&mut self, number: usize, now: f64, random: &mut Pcg64Mcg) {
        let driven = now - std::mem::replace(&mut self.moved_at, now);
        if (number + (now / LEG_S) as usize).is_multiple_of(3) {
            return;
        }
        let mut step = || ((random.next_u64() % 1_500) as f64 - 500.0) * 0.25e-6 * driven.min(1.0);
        self.lat += step();
        self.lon += step();
    }
}

/// Sends a fleet that drives through the zones, some of it late or twice, to whoever listens, until told to stop.
#[allow(clippy::disallowed_methods, reason = "a fleet of its own, at the pace of the clock")]
fn fleet(port: Arc<AtomicU64>, stop: Arc<AtomicBool>, sent: Arc<AtomicU64>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let mut random = Pcg64Mcg::seed_from_u64(7);
        let start = |_| Vehicle { lat: 30.1995, lon: -97.89, moved_at: 0.0 };
        let mut vehicles: Vec<Vehicle> = (0..VEHICLES).map(start).collect();
        let started = std::time::Instant::now();
        let mut datagrams = 0u64;
        let mut before = String::new();
        while !stop.load(Ordering::Relaxed) {
            let due = started.elapsed().as_micros() as u64 * FRAMES_PER_SECOND / FRAMES / 1_000_000;
            if datagrams >= due {
                std::thread::sleep(Duration::from_millis(1));
                continue;
            }
            datagrams += 1;
            let vehicle = (random.next_u64() % VEHICLES as u64) as usize;
            vehicles[vehicle].go(vehicle, started.elapsed().as_secs_f64(), &mut random);
            let Vehicle { lat, lon, .. } = vehicles[vehicle];
            let mut text = String::new();
            for n in 0..FRAMES {
                let late_us = if random.next_u64() % 50 == 0 { 1_500_000 } else { 0 };
                let time = support::now_us() as u64 - late_us + n;
                text += &json!({"vehicle_id": format!("v{vehicle}"), "lat": lat, "lon": lon, "ts": time}).to_string();
                text += "\n";
            }
            let text = if random.next_u64() % 100 == 0 { std::mem::take(&mut before) } else { text };
            let port = port.load(Ordering::Relaxed);
            // Nobody may be there.
            if port != 0 && socket.send_to(text.as_bytes(), ("127.0.0.1", port as u16)).is_ok() {
                sent.fetch_add(FRAMES, Ordering::Relaxed);
            }
            before = text;
        }
    })
}

/// All that must be the same. Epochs, numbers in the order of two shards, and how far its clock stood when it was stopped are
/// a run's own.
const SAME: [&str; 8] = [
    "select * exclude (epoch) from history",
    "select * exclude (epoch, sequence) from alerts",
    "select * exclude (epoch, number) from rejects",
    "select window_start, window_end, zone_id, frames, round(speed_avg, 6) from windows_zones",
    "select window_start, window_end, vehicle_id, frames, round(driven_m, 3) from windows_vehicles",
    "select * exclude (revision, epoch) from trips",
    "select * exclude (revision, epoch) from stops",
    "select * exclude (as_of, freshness_s) from current",
];

fn rows(site: &Site, toml: &str, sql: &str) -> Vec<String> {
    let told = site.done(&["query", toml, sql, "--format", "json"]).stdout;
    let mut rows: Vec<String> = told.lines().map(str::to_owned).collect();
    rows.sort_unstable();
    rows
}

#[test]
#[allow(clippy::disallowed_methods, reason = "kills come at drawn moments")]
fn killed_fifty_times_it_gives_what_an_uninterrupted_run_gives() {
    let site = Site::new();
    site.write("zones.geojson", ZONES);
    pipeline(&site, "killed.toml", "killed");
    pipeline(&site, "whole.toml", "whole");
    let (port, stop, sent) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
    let sender = fleet(port.clone(), stop.clone(), sent.clone());
    let mut random = Pcg64Mcg::seed_from_u64(1);
    for _ in 0..KILLS {
        let (mut run, at) = start(&site, "killed.toml");
        port.store(at, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(random.next_u64() % 1_200));
        run.kill();
    }
    stop.store(true, Ordering::Relaxed);
    sender.join().expect("the fleet");
    copy(&site.path("killed/journal"), &site.path("whole/journal"));
    let runs = ["killed.toml", "whole.toml"].map(|toml| start(&site, toml).0);
    std::thread::sleep(UNTIL_ALL_IS_CLOSED);
    for run in runs {
        let (exit, told) = run.interrupt_and_end();
        assert_eq!(exit, 0, "{told}");
    }
    let whole: Value = site.json("whole.json");
    let frames = whole["frames_in"].as_u64().expect("a count");
    assert!(frames > 100_000 && frames <= sent.load(Ordering::Relaxed), "{frames} frames in all");

    for sql in SAME {
        let [killed, whole] = ["killed.toml", "whole.toml"].map(|toml| rows(&site, toml, sql));
        assert!(!whole.is_empty(), "{sql}: no row");
        let first = killed.iter().zip(&whole).find(|(killed, whole)| killed != whole);
        assert!(killed == whole, "{sql}: {} and {} rows; {first:?}", killed.len(), whole.len());
    }
}
