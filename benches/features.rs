//! `features/<feature>`: what each feature of the chain costs. Every line is a chain of one shard in memory over the same
//! frames of 50,000 vehicles that report every ten seconds, and 10,000 zones; after the lines stands, for each feature, how
//! many ns a frame it adds to the chain that it is the only addition to.
//!
//! Batches are made, and the chain has seen every vehicle, before the timed part begins; that each feature did something
//! (alerts, rows, columns, rejects) is asserted.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rhumb_benches::workload::{Input, LATENESS_US, plans, vehicles, zones, zones_text};
use rhumb_engine::alert::AlertKind;
use rhumb_engine::builder::Delivery;
use rhumb_engine::chain::Chain;
use rhumb_engine::frame::{core_columns, zone_ids_column};
use rhumb_engine::operator::OperatorPlan;
use rhumb_engine::time::{SECOND_US, monotonic_now};
use rhumb_geofence::Zones;
use rhumb_operators::derive::{DerivePlan, Derived};
use rhumb_operators::enrich::{Added, Cell, EnrichConfig, EnrichPlan, VehicleTable};
use rhumb_operators::expression::Expression;
use rhumb_operators::filter::FilterPlan;
use rhumb_operators::geofence::{GeofenceConfig, GeofencePlan, ZoneRules};
use rhumb_operators::trips::{TripsConfig, TripsPlan};
use rhumb_operators::window::{Aggregate, Shape, WindowConfig, WindowPlan};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: u32 = 24;
const WARM_ROUNDS: usize = 4;
/// Of late input every so many frames come a round too late.
const LATE_EVERY: usize = 100;

type Plans = Vec<Arc<dyn OperatorPlan>>;

/// What a chain did, as far as features can be told apart by it.
#[derive(Default, PartialEq, Eq, Clone, Copy, Debug)]
struct Done {
    frames: usize,
    columns: usize,
    alerts: usize,
    rows: usize,
    rejects: usize,
}

fn run(chain: &mut Chain, batches: impl Iterator<Item = Delivery>) -> Done {
    let mut done = Done::default();
    for delivery in batches {
        let output = chain.process(delivery, 0);
        done.frames += output.frames.len();
        done.columns = output.frames.extra.len() + usize::from(output.frames.zones.is_some());
        done.alerts += output.alerts().iter().map(|a| a.len()).sum::<usize>();
        done.rows += output.effects.rows.iter().map(|rows| rows.rows.num_rows()).sum::<usize>();
        done.rows += output.effects.partials.len();
        done.rejects += output.effects.rejects.len();
    }
    done
}

fn enrich(config: EnrichConfig) -> Plans {
    vec![Arc::new(EnrichPlan::new("enrich", config))]
}

fn table() -> Arc<VehicleTable> {
    let mut text = "vehicle_id,fleet,driver,tons\n".to_owned();
    for vehicle in 0..vehicles() {
        writeln!(text, "v{vehicle:06},f{},d{vehicle},{}", vehicle % 40, vehicle % 30).expect("memory");
    }
    Arc::new(VehicleTable::from_csv(text.as_bytes(), "vehicle_id", None).expect("a table"))
}

fn geofence(zones: &Arc<Zones>, rules: &ZoneRules, change: impl FnOnce(&mut GeofenceConfig)) -> Plans {
    let rules = vec![rules.clone(); zones.len()].into();
    let mut config = GeofenceConfig { rules, ..GeofenceConfig::plain(zones.clone(), "bench") };
    change(&mut config);
    vec![Arc::new(GeofencePlan::new("geofence", config))]
}

fn window(zones: &Arc<Zones>, shape: Shape, aggregates: &[&str]) -> Plans {
    let aggregate = |(n, text): (usize, &&str)| (format!("v{n}"), Aggregate::parse(text).expect("an aggregate"));
    let config = WindowConfig {
        name: "zones".to_owned(),
        shape,
        key: vec!["zone_id".to_owned()],
        aggregates: aggregates.iter().enumerate().map(aggregate).collect(),
        lateness_us: LATENESS_US,
        path_keep: 16,
        empty_zones: Vec::new(),
    };
    let mut columns = core_columns();
    columns.push(zone_ids_column());
    let window: Arc<dyn OperatorPlan> = Arc::new(WindowPlan::new(config, &columns));
    plans(&["geofence"], zones).into_iter().chain([window]).collect()
}

fn expression(text: &str) -> Arc<Expression> {
    Arc::new(Expression::compile(text, &core_columns()).expect("an expression"))
}

fn derive(text: &str) -> Plans {
    let column = Derived::new("derived", expression(text)).expect("a column");
    vec![Arc::new(DerivePlan::new("derive", vec![column]))]
}

/// Name, the one that it is an addition to, and the operators.
fn features(zones: &Arc<Zones>) -> Vec<(&'static str, &'static str, Plans)> {
    let plain = ZoneRules::plain();
    let add = |kind: AlertKind| move |config: &mut GeofenceConfig| config.alerts.push(kind);
    let dwell = ZoneRules { dwell_us: Some(60 * SECOND_US), ..plain.clone() };
    let limit = ZoneRules { speed_limit_mps: Some(15.0), ..plain.clone() };
    let buffer = ZoneRules { exit_buffer_m: 30.0, confirm_frames: 2, ..plain.clone() };
    let cells = |name: &str| vec![Cell::from_name(name).expect("a cell")];
    let minute = || Shape::tumbling(60 * SECOND_US);
    let of_window = ["count", "avg(speed_mps)"];
    let trips = TripsConfig { stop_us: 20 * SECOND_US, gap_us: 60 * SECOND_US, ..TripsConfig::plain("bench") };
    let filter = FilterPlan::new("filter", expression("speed_mps > 8 and lat < 90"));
    vec![
        ("timeline", "", Plans::new()),
        ("validate", "timeline", plans(&["validate"], zones)),
        ("enrich_table", "timeline", enrich(EnrichConfig { table: Some(table()), ..EnrichConfig::default() })),
        ("enrich_steps", "timeline", enrich(EnrichConfig { add: Added::ALL.to_vec(), ..EnrichConfig::default() })),
        ("enrich_h3", "timeline", enrich(EnrichConfig { cells: cells("h3_9"), ..EnrichConfig::default() })),
        ("enrich_geohash", "timeline", enrich(EnrichConfig { cells: cells("geohash_7"), ..EnrichConfig::default() })),
        ("filter", "timeline", vec![Arc::new(filter)]),
        ("derive", "timeline", derive("speed_mps * 3.6")),
        (
            "derive_case",
            "timeline",
            derive("case when speed_mps > 20 then 'fast' when speed_mps > 1 then 'drives' else 'stands' end"),
        ),
        ("derive_h3", "timeline", derive("h3_cell(lat, lon, 9)")),
        ("trips", "timeline", vec![Arc::new(TripsPlan::new("trips", trips))]),
        ("enter_exit", "timeline", geofence(zones, &plain, |_| {})),
        ("nearest", "enter_exit", geofence(zones, &plain, |config| config.nearest_within_m = Some(500.0))),
        ("dwell", "enter_exit", geofence(zones, &dwell, add(AlertKind::Dwell))),
        ("cross", "enter_exit", geofence(zones, &plain, add(AlertKind::Cross))),
        ("overspeed", "enter_exit", geofence(zones, &limit, add(AlertKind::Overspeed))),
        ("hysteresis", "enter_exit", geofence(zones, &buffer, |_| {})),
        ("window_tumbling", "enter_exit", window(zones, minute(), &of_window)),
        (
            "window_sliding",
            "enter_exit",
            window(zones, Shape::Fixed { every_us: 60 * SECOND_US, size_us: 300 * SECOND_US }, &of_window),
        ),
        ("window_session", "enter_exit", window(zones, Shape::Session { gap_us: 60 * SECOND_US }, &of_window)),
        (
            "window_sketches",
            "window_tumbling",
            window(zones, minute(), &["count", "avg(speed_mps)", "p95(speed_mps)", "count_distinct(vehicle_id)"]),
        ),
    ]
}

/// ns a frame, by name.
type Costs = Vec<(String, f64)>;

fn line(criterion: &mut Criterion, costs: &mut Costs, name: &str, input: &Input, plans: &Plans) -> Done {
    let warm = input.batches.len() * WARM_ROUNDS / ROUNDS as usize;
    let frames: usize = input.batches[warm..].iter().map(|d| d.frames.len()).sum();
    let (mut least, mut done) = (Duration::MAX, Done::default());
    let mut group = criterion.benchmark_group("features");
    group.throughput(Throughput::Elements(frames as u64)).sample_size(10);
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|times| {
            let mut all = Duration::ZERO;
            for _ in 0..times {
                let (mut chain, mut batches) = (input.chain(plans), input.copy());
                let rest = batches.split_off(warm);
                run(&mut chain, batches.into_iter());
                let started = monotonic_now();
                done = run(&mut chain, rest.into_iter());
                let took = started.elapsed();
                least = least.min(took);
                all += took;
            }
            all
        });
    });
    group.finish();
    // A line that was not asked for has not run.
    if least < Duration::MAX {
        assert_eq!(done.frames + done.rejects, frames, "{name}");
        costs.push((name.to_owned(), least.as_nanos() as f64 / frames as f64));
    }
    done
}

fn bench(criterion: &mut Criterion) {
    let zones = zones(&zones_text(10_000));
    let input = Input::new(ROUNDS);
    let mut costs = Costs::new();
    let mut bases: Vec<(String, String)> = Vec::new();
    let mut done_by: Vec<(&str, Done)> = Vec::new();
    for (name, base, plans) in features(&zones) {
        let done = line(criterion, &mut costs, name, &input, &plans);
        let before = done_by.iter().find(|(other, _)| *other == base).map(|(_, done)| *done);
        // Nothing is wrong with these frames, and windows of other shapes tell as much: what they do their own tests assert.
        let same = name == "validate" || name == "hysteresis" || name.starts_with("window");
        assert!(done == Done::default() || same || before != Some(done), "{name} does something: {done:?}");
        done_by.push((name, done));
        bases.push((name.to_owned(), base.to_owned()));
    }
    let late = Input::late(ROUNDS, LATE_EVERY);
    for (name, base, path_keep) in [("late_dropped", "", 1), ("late_corrected", "late_dropped", 16)] {
        let plans = geofence(&zones, &ZoneRules::plain(), |config| config.path_keep = path_keep);
        line(criterion, &mut costs, name, &late, &plans);
        bases.push((name.to_owned(), base.to_owned()));
    }
    let cost = |name: &str| costs.iter().find(|(other, _)| other == name).map(|(_, ns)| *ns);
    for (name, base) in &bases {
        match (cost(name), cost(base)) {
            (Some(ns), Some(of_base)) => {
                println!("features/{name}: {:.1} ns a frame over {base} ({ns:.1} in all)", ns - of_base);
            }
            (Some(ns), None) => println!("features/{name}: {ns:.1} ns a frame in all"),
            _ => {}
        }
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
