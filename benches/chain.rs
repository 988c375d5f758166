//! `chain/<interval>/<operators>`: the whole chain of one shard in memory, from decoded frames to history batches,
//! alerts and windows, in frames a second and core, over 10,000 zones; beside it `plain`, the same job (zones by `rstar`
//! and `geo`, enters, exits, windows) with hash maps. Of 50,000 vehicles each reports every ten seconds or every second:
//! the first makes three alerts of every four frames, the second far fewer. What one operator costs in its place is the
//! difference between two lines.
//!
//! Batches are made, and the chain has seen every vehicle, before the timed part begins; how many frames and alerts come
//! out is asserted.

use arrow::array::Array;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rhumb_benches::plain::{self, Plain};
use rhumb_benches::workload::{Input, plans, zone_count, zones, zones_text};
use rhumb_engine::builder::Delivery;
use rhumb_engine::chain::Chain;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Each vehicle sends so often, the first of it before the timed part: its path is full by then, as in a run of days.
const ROUNDS: u32 = 40;
const WARM_ROUNDS: usize = 20;

/// Rows and alerts that come out.
fn run(chain: &mut Chain, batches: impl Iterator<Item = Delivery>) -> (usize, usize) {
    let (mut rows, mut alerts) = (0, 0);
    for delivery in batches {
        let output = chain.process(delivery, 0);
        rows += output.frames.len();
        alerts += output.alerts().iter().map(|a| a.len()).sum::<usize>();
    }
    (rows, alerts)
}

fn run_plain(plain: &mut Plain, input: &Input, batches: &[Delivery]) -> usize {
    let mut alerts = 0;
    for Delivery { frames, .. } in batches {
        for row in 0..frames.len() {
            let vehicle = input.vehicles.id(frames.slots()[row]);
            let (lat, lon) = (frames.lat.value(row), frames.lon.value(row));
            let speed = frames.speed_mps.as_ref().filter(|s| s.is_valid(row)).map_or(0.0, |s| f64::from(s.value(row)));
            plain.frame(vehicle, frames.times()[row] / 1000, lat, lon, speed, |_, _| alerts += 1);
        }
    }
    alerts
}

fn bench(criterion: &mut Criterion) {
    let text = zones_text(zone_count());
    let (zones, plain_zones) = (zones(&text), plain::Zones::new(&text));
    for (interval, interval_s) in [("10s", 10.0), ("1s", 1.0)] {
        let input = Input::every(interval_s, ROUNDS);
        let warm = input.batches.len() * WARM_ROUNDS / ROUNDS as usize;
        let warm_frames: usize = input.batches[..warm].iter().map(|d| d.frames.len()).sum();
        let frames = input.frames - warm_frames;
        let mut group = criterion.benchmark_group(format!("chain/{interval}"));
        group.throughput(Throughput::Elements(frames as u64)).sample_size(10);
        let mut told = Vec::new();
        let stages = [
            "",
            "validate",
            "validate+enrich",
            "validate+geofence",
            "validate+geofence+window",
            "validate+enrich+geofence+window",
            "geofence+window",
        ];
        for stage in stages {
            let names: Vec<&str> = stage.split('+').filter(|name| !name.is_empty()).collect();
            let plans = plans(&names, &zones);
            let ready = || {
                let (mut chain, mut batches) = (input.chain(&plans), input.copy());
                let rest = batches.split_off(warm);
                run(&mut chain, batches.into_iter());
                (chain, rest)
            };
            group.bench_function(if stage.is_empty() { "timeline" } else { stage }, |bencher| {
                bencher.iter_batched(
                    ready,
                    |(mut chain, rest)| {
                        let (rows, alerts) = run(&mut chain, rest.into_iter());
                        assert_eq!(rows, frames);
                        assert_eq!(alerts > 0, names.contains(&"geofence"));
                        told.push((stage, alerts));
                        chain
                    },
                    BatchSize::PerIteration,
                );
            });
        }
        let ready = || {
            let mut plain = Plain::new(&plain_zones);
            run_plain(&mut plain, &input, &input.batches[..warm]);
            plain
        };
        let alerts = told.iter().find(|(stage, _)| *stage == "geofence+window").map(|(_, alerts)| *alerts);
        group.bench_function("plain", |bencher| {
            bencher.iter_batched(
                ready,
                |mut plain| {
                    let of_plain = run_plain(&mut plain, &input, &input.batches[warm..]);
                    assert!(alerts.is_none_or(|alerts| alerts == of_plain), "{alerts:?} alerts, plain {of_plain}");
                    plain
                },
                BatchSize::PerIteration,
            );
        });
        if let Some(alerts) = alerts {
            println!("chain/{interval}: {:.2} alerts a frame", alerts as f64 / frames as f64);
        }
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
