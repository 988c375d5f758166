//! `chain/<zones>/<operators>`: the whole chain of one shard in memory, from decoded frames to history batches, alerts
//! and windows, in frames a second and core. Batches are made outside the timed part; how many frames and alerts come
//! out is asserted. What one operator costs in its place is the difference between two lines.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rhumb_benches::workload::{Input, plans, zones, zones_text};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Each vehicle sends so often within a run.
const ROUNDS: u32 = 20;

fn bench(criterion: &mut Criterion) {
    let input = Input::new(ROUNDS);
    let zones = zones(&zones_text(10_000));
    let mut group = criterion.benchmark_group("chain/10000");
    group.throughput(Throughput::Elements(input.frames as u64)).sample_size(10);
    let stages = ["", "validate", "validate+enrich", "validate+geofence", "validate+geofence+window"];
    for stage in stages {
        let names: Vec<&str> = stage.split('+').filter(|name| !name.is_empty()).collect();
        let plans = plans(&names, &zones);
        group.bench_function(if stage.is_empty() { "timeline" } else { stage }, |bencher| {
            bencher.iter_batched(
                || (input.chain(&plans), input.copy()),
                |(mut chain, batches)| {
                    let (mut rows, mut alerts) = (0, 0);
                    for delivery in batches {
                        let output = chain.process(delivery, 0);
                        rows += output.frames.len();
                        alerts += output.alerts().iter().map(|a| a.len()).sum::<usize>();
                    }
                    assert_eq!(rows, input.frames);
                    assert_eq!(alerts > 0, names.contains(&"geofence"));
                    chain
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
