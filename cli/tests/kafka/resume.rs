//! Stopped or killed, a run goes on where its last commit ended: no record is lost, none is there twice.

use super::{RUN, broker, frame, pipeline, rows};
use crate::broker::{Broker, Written};
use crate::support::{MAIN_JOB, Site, ZONES, wait_until};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};
use std::time::Duration;

const VEHICLES: i64 = 50;
const PARTITIONS: i32 = 4;
const KILLS: usize = 50;
/// About 20,000 frames for each second of ours.
const SECONDS_A_KILL: i64 = 240;

/// A fleet that drives up and down a street through both zones: `VEHICLES` frames a second.
fn fleet(seconds: std::ops::Range<i64>) -> impl Iterator<Item = Written> {
    seconds.flat_map(|second| {
        (0..VEHICLES).map(move |vehicle| {
            let lon = -97.80 + 0.00001 * vehicle as f64 + 0.12 * (second as f64 / 700.0).sin();
            let mut record = frame(&format!("v{vehicle}"), second);
            let value = String::from_utf8(record.value.take().unwrap_or_default()).expect("text");
            record.value = Some(value.replace("-97.75", &format!("{lon:.6}")).into());
            record
        })
    })
}

fn site(broker: &Broker, topic: &str) -> Site {
    let site = Site::new();
    site.write("zones.geojson", ZONES);
    pipeline(&site, &broker.address, topic, "", MAIN_JOB);
    site
}

const TOLD: [&str; 4] = [
    "select vehicle_id, event_time, received_at, lat, lon, late, zone_ids from history",
    "select alert_id, kind, vehicle_id, zone_id, event_time, frame_time, visit_id, late, supersedes from alerts",
    "select reason, vehicle_id, partition, \"offset\" from rejects",
    "select vehicle_id, event_time, lat, lon from current",
];

/// The rows of a run that was left alone, over the same topic.
fn check_as_if_left_alone(site: &Site, broker: &Broker, topic: &str) {
    let alone = self::site(broker, topic);
    alone.done(&RUN);
    for sql in TOLD {
        let (whole, parts) = (rows(&alone, "cabs.toml", sql), rows(site, "cabs.toml", sql));
        let first = whole.iter().zip(&parts).find(|(whole, parts)| whole != parts);
        assert!(whole == parts, "{sql}: {} and {} rows; first difference: {first:#?}", whole.len(), parts.len());
    }
    let history = alone.count("cabs.toml", "select count(*) from history");
    assert!(history > 0 && alone.count("cabs.toml", "select count(*) from alerts") > 0, "something happened");
}

fn manifests(site: &Site) -> usize {
    std::fs::read_dir(site.path("data/manifests")).map_or(0, |folder| {
        let names = folder.map(|entry| entry.expect("an entry").file_name().into_string().expect("a number"));
        names.filter_map(|name| name.trim_end_matches(".json").parse().ok()).max().unwrap_or(0)
    })
}

#[test]
fn run_that_was_stopped_again_and_again_gives_what_one_gives_that_was_left_alone() {
    let Some(broker) = broker() else { return };
    broker.create("stopped", PARTITIONS);
    let site = site(broker, "stopped");
    let mut frames = 0;
    for part in 0..3 {
        let run = site.start(&["run", "cabs.toml", "--summary", "part.json"]);
        broker.write("stopped", fleet(400 * part..400 * (part + 1)));
        let before = manifests(&site);
        wait_until("a commit", || manifests(&site) >= before + 2);
        let (exit, told) = run.interrupt_and_end();
        assert_eq!(exit, 0, "{told}");
        frames += site.json("part.json")["frames_in"].as_u64().expect("a count");
    }
    site.done(&RUN);
    frames += site.json("summary.json")["frames_in"].as_u64().expect("a count");
    assert_eq!(frames, 1200 * VEHICLES as u64, "each record is taken once");
    check_as_if_left_alone(&site, broker, "stopped");
}

#[test]
#[allow(clippy::disallowed_methods, reason = "kills come at drawn moments")]
fn run_that_was_killed_fifty_times_under_load_leaves_every_row_in_the_lake_exactly_once() {
    let Some(broker) = broker() else { return };
    broker.create("killed", PARTITIONS);
    let site = site(broker, "killed");
    let mut random = Pcg64Mcg::seed_from_u64(3);
    let mut second = 0;
    for _ in 0..KILLS {
        let mut run = site.start(&["run", "cabs.toml"]);
        broker.write("killed", fleet(second..second + SECONDS_A_KILL));
        second += SECONDS_A_KILL;
        std::thread::sleep(Duration::from_millis(random.next_u64() % 800));
        run.kill();
    }
    site.done(&RUN);
    let all = (second * VEHICLES) as u64;
    let left = site.json("summary.json")["frames_in"].as_u64().expect("a count");
    assert!(left < all / 2, "{left} of {all} frames were left for the last run: the killed ones committed little");
    let counted = "select count(*) from history";
    let different = "select count(distinct vehicle_id || ' ' || cast(event_time as varchar)) from history";
    assert_eq!((site.count("cabs.toml", counted), site.count("cabs.toml", different)), (all, all));
    check_as_if_left_alone(&site, broker, "killed");
}
