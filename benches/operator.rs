//! `operator/<operator>/<implementation>`: one operator alone over decoded frames, beside what one writes first for the
//! same answer: a hash map by vehicle, haversine for every frame, an R-tree of envelopes with `geo`. How many frames,
//! changes of zone, trips, stops or windows come out is asserted to be the same. `operator/sf/...`: the same on San
//! Francisco's cabs and neighbourhoods.

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use rhumb_benches::plain::Found;
use rhumb_benches::plain_trips::{Rules, Trips};
use rhumb_benches::traces;
use rhumb_benches::workload::{Input, LATENESS_US, plans, sized, zone_count, zones, zones_text};
use rhumb_engine::effects::Effects;
use rhumb_engine::frame::FrameBatch;
use rhumb_engine::operator::{Operator, OperatorPlan};
use rhumb_engine::sphere::distance_m;
use rhumb_engine::time::{DAY_US, EventTime, SECOND_US};
use rhumb_geofence::Zones;
use rhumb_operators::trips::{TripsConfig, TripsPlan};
use std::collections::HashMap;
use std::sync::Arc;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: u32 = 10;
const SPEED_MAX_MPS: f64 = 70.0;

/// The batches as an operator sees them: their lanes' clocks are set.
fn batches(input: &Input, before: &[Arc<dyn OperatorPlan>]) -> Vec<FrameBatch> {
    let mut chain = input.chain(before);
    input.copy().into_iter().map(|delivery| chain.process(delivery, 0).frames).collect()
}

/// Runs all batches through an operator; gives the frames that are left and what they caused.
fn run(operator: &mut dyn Operator, batches: &[FrameBatch]) -> (usize, Effects) {
    let mut effects = Effects::default();
    let rows = batches.iter().map(|batch| operator.process(batch.clone(), &mut effects).len()).sum();
    (rows, effects)
}

fn alerts(effects: &Effects) -> usize {
    effects.alerts.iter().map(|alerts| alerts.len()).sum()
}

fn bench(criterion: &mut Criterion) {
    simulated(criterion);
    recorded(criterion);
}

fn simulated(criterion: &mut Criterion) {
    let input = Input::new(ROUNDS);
    let text = zones_text(zone_count());
    let case = Case::new("operator", input, &text);
    let mut group = case.group(criterion);
    for name in ["validate", "enrich", "geofence", "window"] {
        case.bench(&mut group, name, |rows, _| assert_eq!(rows, case.input.frames));
    }
    let near = TripsConfig { stop_us: 20 * SECOND_US, gap_us: 60 * SECOND_US, ..TripsConfig::plain("bench") };
    case.trips(&mut group, near);
    group.finish();
    windows_are_the_same(&case.input, &case.zoned, case.naive.windows(&case.zoned));
}

/// San Francisco's cabs and neighbourhoods, if they are there.
fn recorded(criterion: &mut Criterion) {
    let left_out = "operator/sf";
    let (Some(rows), Some(text)) = (traces::cabs(sized(1_000_000, 50_000), left_out), traces::neighbourhoods(left_out))
    else {
        return;
    };
    let case = Case::new("operator/sf", Input::recorded(&rows), &text);
    let mut group = case.group(criterion);
    for name in ["validate", "enrich", "geofence", "window"] {
        // The naive way knows fewer rules than `validate` has.
        case.bench(&mut group, name, |rows, expected| match name {
            "validate" => assert!(rows.abs_diff(expected) * 100 <= case.input.frames, "{rows} rows, naive {expected}"),
            _ => assert_eq!(rows, case.input.frames),
        });
    }
    // No cab counts as silent: the plain way would tell of that only with its next frame.
    case.trips(&mut group, TripsConfig { gap_us: 30 * DAY_US, ..TripsConfig::plain("bench") });
    group.finish();
}

/// What operators work on.
struct Case {
    name: &'static str,
    input: Input,
    zones: Arc<Zones>,
    plain: Vec<FrameBatch>,
    zoned: Vec<FrameBatch>,
    naive: Naive,
}

impl Case {
    fn new(name: &'static str, input: Input, zones_text: &str) -> Case {
        let zones = zones(zones_text);
        let plain = batches(&input, &[]);
        let zoned = batches(&input, &plans(&["geofence"], &zones));
        Case { name, input, zones, plain, zoned, naive: Naive::new(zones_text) }
    }

    fn group<'a>(&self, criterion: &'a mut Criterion) -> BenchmarkGroup<'a, WallTime> {
        let mut group = criterion.benchmark_group(self.name);
        group.throughput(Throughput::Elements(self.input.frames as u64)).sample_size(10);
        group
    }

    /// `check` is given the rows that an operator left, and what the naive way counts.
    fn bench(&self, group: &mut BenchmarkGroup<WallTime>, name: &str, check: impl Fn(usize, usize)) {
        let plan = plans(&[name], &self.zones).remove(0);
        let batches = if name == "window" { &self.zoned } else { &self.plain };
        let expected = self.naive.run(name, &self.input, batches);
        group.bench_function(format!("{name}/rhumb"), |bencher| {
            bencher.iter_batched(
                || plan.build(&self.input.context()),
                |mut operator| {
                    let (rows, effects) = run(&mut *operator, batches);
                    check(rows, expected);
                    if name == "geofence" {
                        assert_eq!(alerts(&effects), expected);
                    }
                    operator
                },
                BatchSize::PerIteration,
            );
        });
        group.bench_function(format!("{name}/naive"), |bencher| {
            bencher.iter(|| assert_eq!(self.naive.run(name, &self.input, batches), expected));
        });
    }

    /// Trips with every frame passing through: as when fleets have reported for a while.
    fn trips(&self, group: &mut BenchmarkGroup<WallTime>, config: TripsConfig) {
        let config = TripsConfig { path_keep: 1, ..config };
        let rules = Rules { radius_m: config.stop_radius_m, stop_us: config.stop_us, gap_us: config.gap_us };
        let plan = TripsPlan::new("trips", config);
        let naive = || {
            let mut trips = Trips::new(rules);
            for (vehicle, time, place) in Naive::rows(&self.input, &self.plain) {
                trips.frame(&vehicle, time, place);
            }
            trips.told()
        };
        let expected = naive();
        assert!(expected.stops > 0, "some vehicle stands");
        group.bench_function("trips/rhumb", |bencher| {
            bencher.iter_batched(
                || plan.build(&self.input.context()),
                |mut operator| {
                    let (rows, effects) = run(&mut *operator, &self.plain);
                    assert_eq!(rows, self.input.frames);
                    let told = |table: &str| {
                        let of = effects.rows.iter().filter(|told| *told.table == *table);
                        of.map(|told| told.rows.num_rows()).sum::<usize>()
                    };
                    assert_eq!((told("trips"), told("stops")), (expected.trips, expected.stops));
                    operator
                },
                BatchSize::PerIteration,
            );
        });
        group.bench_function("trips/naive", |bencher| bencher.iter(|| assert_eq!(naive(), expected)));
    }
}

/// What the naive fold counts is what the merger tells.
fn windows_are_the_same(input: &Input, batches: &[FrameBatch], expected: usize) {
    let plan = plans(&["window"], &zones(&zones_text(1))).remove(0);
    let (mut operator, mut merger) = (plan.build(&input.context()), plan.merger(0).expect("not keyed by vehicle"));
    let (_, mut effects) = run(&mut *operator, batches);
    for lane in 0..64 {
        operator.advance(rhumb_engine::lane::Lane(lane), EventTime::MAX, &mut effects);
    }
    effects.partials.into_iter().for_each(|partial| merger.accept(partial.part));
    let rows: usize = merger.fire(EventTime::MAX).iter().map(|rows| rows.num_rows()).sum();
    assert_eq!(rows, expected, "late frames: {LATENESS_US}");
}

/// The same answers without any thought of speed.
struct Naive {
    zones: rhumb_benches::plain::Zones,
}

impl Naive {
    fn new(zones: &str) -> Naive {
        Naive { zones: rhumb_benches::plain::Zones::new(zones) }
    }

    fn run(&self, operator: &str, input: &Input, batches: &[FrameBatch]) -> usize {
        match operator {
            "validate" => Naive::validate(input, batches),
            "enrich" => Naive::distances(input, batches),
            "geofence" => self.changes(input, batches),
            _ => self.windows(batches),
        }
    }

    fn rows<'a>(input: &'a Input, batches: &'a [FrameBatch]) -> impl Iterator<Item = (String, i64, (f64, f64))> + 'a {
        batches.iter().flat_map(move |batch| {
            let place = move |row: usize| (batch.lat.value(row), batch.lon.value(row));
            (0..batch.len())
                .map(move |row| (input.vehicles.id(batch.slots()[row]).to_owned(), batch.times()[row], place(row)))
        })
    }

    /// Frames that are on earth, not at (0, 0), not there already, and not too fast.
    fn validate(input: &Input, batches: &[FrameBatch]) -> usize {
        let mut last: HashMap<String, (i64, (f64, f64))> = HashMap::new();
        let mut accepted = 0;
        for (vehicle, time, place) in Naive::rows(input, batches) {
            let on_earth = place.0.abs() <= 90.0 && place.1.abs() <= 180.0 && place != (0.0, 0.0);
            let fits = last.get(&vehicle).is_none_or(|(before, from)| {
                let seconds = (time - before) as f64 / SECOND_US as f64;
                time != *before && distance_m(*from, place) <= SPEED_MAX_MPS * seconds
            });
            if on_earth && fits {
                accepted += 1;
                last.insert(vehicle, (time, place));
            }
        }
        accepted
    }

    /// Frames that have one before them to measure from.
    fn distances(input: &Input, batches: &[FrameBatch]) -> usize {
        let mut last: HashMap<String, (f64, f64)> = HashMap::new();
        let moved = Naive::rows(input, batches)
            .filter_map(|(vehicle, _, place)| last.insert(vehicle, place).map(|from| distance_m(from, place)));
        moved.filter(|metres| metres.is_finite()).count()
    }

    fn changes(&self, input: &Input, batches: &[FrameBatch]) -> usize {
        let mut inside: HashMap<String, Found> = HashMap::new();
        let mut changes = 0;
        for (vehicle, _, place) in Naive::rows(input, batches) {
            let found = self.zones.at(place.0, place.1);
            let before = inside.insert(vehicle, found.clone()).unwrap_or_default();
            changes += before.iter().filter(|zone| !found.contains(zone)).count();
            changes += found.iter().filter(|zone| !before.contains(zone)).count();
        }
        changes
    }

    /// Windows of a minute and a zone.
    fn windows(&self, batches: &[FrameBatch]) -> usize {
        let mut windows: HashMap<(i64, String), (u64, f64)> = HashMap::new();
        for batch in batches {
            let zones = batch.zones.as_ref().expect("frames with zones");
            for row in 0..batch.len() {
                let speed = batch.speed_mps.as_ref().map_or(0.0, |speed| f64::from(speed.value(row)));
                for zone in zones.of(row) {
                    let key = (batch.times()[row] / (60 * SECOND_US), zones.ids.value(*zone as usize).to_owned());
                    let window = windows.entry(key).or_default();
                    window.0 += 1;
                    window.1 += speed;
                }
            }
        }
        windows.len()
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
