//! `chain/<zones>/<operators>`: the whole chain of one shard in memory, from decoded frames to history batches, alerts
//! and windows, in frames a second and core. Batches are made outside the timed part; how many frames and alerts come
//! out is asserted.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rhumb_connectors::simulate::{Fleet, SimulateConfig};
use rhumb_engine::alert::AlertKind;
use rhumb_engine::builder::{ClockRules, Delivery, FrameBuilder};
use rhumb_engine::chain::Chain;
use rhumb_engine::current::CurrentShard;
use rhumb_engine::frame::{Origin, core_columns};
use rhumb_engine::operator::{OperatorPlan, ShardContext};
use rhumb_engine::time::{EventTime, SECOND_US};
use rhumb_engine::vehicle::Vehicles;
use rhumb_geofence::{ZoneOptions, Zones};
use rhumb_operators::enrich::{Added, EnrichConfig, EnrichPlan};
use rhumb_operators::geofence::{GeofenceConfig, GeofencePlan};
use rhumb_operators::validate::{ValidateConfig, ValidatePlan};
use rhumb_operators::window::{Aggregate, Shape, WindowConfig, WindowPlan};
use std::fmt::Write;
use std::sync::Arc;

const VEHICLES: u32 = 50_000;
const BATCH: usize = 8_192;
/// Each vehicle sends so often within a run.
const ROUNDS: u32 = 20;
const LATENESS_US: i64 = 30 * SECOND_US;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `count` rough circles of 64 vertices on a square grid over the town, such that a place is in about one of them.
fn zones(count: usize) -> Arc<Zones> {
    let config = SimulateConfig::new(1, 1.0, 1);
    let side = (count as f64).sqrt().ceil() as usize;
    let span_deg = 2.0 * config.radius_m / 111_195.0;
    let cell = span_deg / side as f64;
    let mut text = r#"{"type":"FeatureCollection","features":["#.to_owned();
    for zone in 0..count {
        let (row, column) = (zone / side, zone % side);
        let lat = config.lat - span_deg / 2.0 + (row as f64 + 0.5) * cell;
        let lon = config.lon + (-span_deg / 2.0 + (column as f64 + 0.5) * cell) / config.lat.to_radians().cos();
        let corner = |n: usize| {
            let angle = std::f64::consts::TAU * (n % 64) as f64 / 64.0;
            let radius = cell * 0.56 * (1.0 + 0.08 * (5.0 * angle + zone as f64).sin());
            format!("[{},{}]", lon + radius * angle.cos() / config.lat.to_radians().cos(), lat + radius * angle.sin())
        };
        let ring: Vec<String> = (0..=64).map(corner).collect();
        let comma = if zone == 0 { "" } else { "," };
        write!(
            text,
            r#"{comma}{{"type":"Feature","id":"z{zone}","properties":{{}},"geometry":{{"type":"Polygon","coordinates":[[{}]]}}}}"#,
            ring.join(",")
        )
        .expect("writing to memory");
    }
    text.push_str("]}");
    Arc::new(Zones::from_geojson(&text, &ZoneOptions::default()).expect("valid zones").0)
}

fn plans(operators: &[&str], zones: &Arc<Zones>) -> Vec<Arc<dyn OperatorPlan>> {
    let plan = |name: &&str| -> Arc<dyn OperatorPlan> {
        match *name {
            "validate" => Arc::new(ValidatePlan::new("validate", ValidateConfig::default())),
            "enrich" => Arc::new(EnrichPlan::new("enrich", EnrichConfig { table: None, add: vec![Added::DistanceM] })),
            "geofence" => Arc::new(GeofencePlan::new(
                "geofence",
                GeofenceConfig { zones: zones.clone(), alerts: AlertKind::ALL.to_vec(), pipeline: "bench".to_owned() },
            )),
            _ => Arc::new(WindowPlan::new(
                WindowConfig {
                    name: "zones".to_owned(),
                    shape: Shape::tumbling(60 * SECOND_US),
                    key: vec!["zone_id".to_owned()],
                    aggregates: vec![
                        ("frames".to_owned(), Aggregate::Count),
                        ("speed".to_owned(), Aggregate::Avg("speed_mps".to_owned())),
                    ],
                    lateness_us: LATENESS_US,
                    empty_zones: Vec::new(),
                },
                &core_columns(),
            )),
        }
    };
    operators.iter().map(plan).collect()
}

struct Input {
    vehicles: Arc<Vehicles>,
    batches: Vec<Delivery>,
}

fn input() -> Input {
    let vehicles: Arc<Vehicles> = Arc::default();
    let origin = Origin { source: "bench".into(), partition: "0".into() };
    let clocks = ClockRules { rollover: false, skew_max_us: i64::MAX };
    let mut builder = FrameBuilder::new(std::slice::from_ref(&vehicles), origin, clocks);
    builder.at(0, EventTime(0));
    let mut batches = Vec::new();
    let config = SimulateConfig::new(VEHICLES, f64::from(ROUNDS) * 10.0, 7);
    let mut frames: Vec<_> = Fleet::new(config).collect();
    // Vehicles do not report in the order of their numbers: shuffle each round the same way.
    let stride = 7_919;
    let rounds = frames.len() / VEHICLES as usize;
    frames.truncate(rounds * VEHICLES as usize);
    for round in frames.chunks(VEHICLES as usize) {
        for n in 0..round.len() {
            let frame = &round[n * stride % round.len()];
            let name = frame.name();
            builder.push(&frame.frame(&name));
            if builder.len() == BATCH {
                batches.append(&mut builder.finish());
            }
        }
    }
    batches.append(&mut builder.finish());
    Input { vehicles, batches }
}

fn copy(batches: &[Delivery]) -> Vec<Delivery> {
    let copy = |d: &Delivery| Delivery { frames: d.frames.clone(), rejects: Vec::new(), rejected_after: Vec::new() };
    batches.iter().map(copy).collect()
}

fn chain(plans: &[Arc<dyn OperatorPlan>], vehicles: &Arc<Vehicles>) -> Chain {
    let context = ShardContext { shard: 0, shards: 1, vehicles: vehicles.clone() };
    Chain::new(plans, &context, Arc::new(CurrentShard::new(vehicles.clone())), 30 * SECOND_US, LATENESS_US)
}

fn bench(criterion: &mut Criterion) {
    let input = input();
    let frames: usize = input.batches.iter().map(|d| d.frames.len()).sum();
    let zones = zones(10_000);
    let mut group = criterion.benchmark_group("chain/10000");
    group.throughput(Throughput::Elements(frames as u64)).sample_size(10);
    let stages = ["", "validate", "validate+enrich", "validate+geofence", "validate+geofence+window"];
    for stage in stages {
        let names: Vec<&str> = stage.split('+').filter(|name| !name.is_empty()).collect();
        let plans = plans(&names, &zones);
        group.bench_function(if stage.is_empty() { "timeline" } else { stage }, |bencher| {
            bencher.iter_batched(
                || (chain(&plans, &input.vehicles), copy(&input.batches)),
                |(mut chain, batches)| {
                    let (mut rows, mut alerts) = (0, 0);
                    for delivery in batches {
                        let output = chain.process(delivery);
                        rows += output.frames.len();
                        alerts += output.alerts().iter().map(|a| a.len()).sum::<usize>();
                    }
                    assert_eq!(rows, frames);
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
