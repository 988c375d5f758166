//! `end_to_end/<case>/<implementation>`: a CSV file in the page cache to history, alerts and one-minute zone windows in
//! Parquet, on two shards. *syn*: 50,000 simulated vehicles and 10,000 zones of 64 vertices; *sf*: San Francisco's cabs
//! and neighbourhoods, if they are there. `plain` is the same job as a plain program (`plain.rs`); both give the same
//! number of frames, enters and exits, which is asserted. `validated` has the rules of `validate` in front. After the
//! timed part stands where the CPU time goes, stage by stage.

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use rhumb_benches::plain::{self, Done};
use rhumb_benches::workload::{is_measured, plans, sized, write_csv, zone_count, zones, zones_text};
use rhumb_benches::{job, traces};
use rhumb_engine::run::Summary;
use rhumb_geofence::Zones;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// As in the command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Frames of each simulated vehicle.
const ROUNDS: u32 = 100;
const EPOCH: Duration = Duration::from_secs(10);

struct Case {
    name: &'static str,
    csv: PathBuf,
    zones_text: String,
    zones: Arc<Zones>,
    frames: u64,
}

fn syn(folder: &Path) -> Case {
    let csv = folder.join("syn.csv");
    let frames = write_csv(&csv, ROUNDS);
    let zones_text = zones_text(zone_count());
    Case { name: "syn", csv, zones: zones(&zones_text), zones_text, frames }
}

/// `None` where there are no real traces.
fn sf(folder: &Path) -> Option<Case> {
    let csv = folder.join("sf.csv");
    let frames = traces::write_cabs(&csv, sized(5_000_000, 50_000), "end_to_end/sf")?;
    let zones_text = traces::neighbourhoods("end_to_end/sf")?;
    Some(Case { name: "sf", csv, zones: zones(&zones_text), zones_text, frames })
}

/// Runs to the end of the file, in a folder that is new.
fn run(case: &Case, operators: &[&str], has_lake: bool) -> Summary {
    job::run(case.name, &case.csv, plans(operators, &case.zones), has_lake, EPOCH)
}

fn run_plain(case: &Case) -> Done {
    let folder = tempfile::tempdir().expect("a folder");
    plain::run(&case.csv, &case.zones_text, folder.path())
}

const ALL: &[&str] = &["geofence", "window"];

fn bench(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let cases: Vec<Case> = [Some(syn(folder.path())), sf(folder.path())].into_iter().flatten().collect();
    for case in &cases {
        let done = run_plain(case);
        let same = |summary: &Summary| {
            assert_eq!(summary.totals.frames_in.values().sum::<u64>(), done.frames);
            assert_eq!(summary.totals.history_rows, done.frames);
            assert_eq!(summary.totals.alerts["enter"], done.enters);
            assert_eq!(summary.totals.alerts["exit"], done.exits);
        };
        assert_eq!(done.frames, case.frames);
        let mut group = criterion.benchmark_group(format!("end_to_end/{}", case.name));
        group.throughput(Throughput::Elements(case.frames)).sample_size(10).sampling_mode(SamplingMode::Flat);
        group.bench_function("rhumb", |bencher| bencher.iter(|| same(&run(case, ALL, true))));
        group.bench_function("rhumb_validated", |bencher| {
            bencher.iter(|| {
                let summary = run(case, &["validate", "geofence", "window"], true);
                assert_eq!(summary.totals.history_rows + summary.totals.rejected(), case.frames);
            });
        });
        group.bench_function("plain", |bencher| bencher.iter(|| assert_eq!(run_plain(case), done)));
        group.finish();
    }
    if is_measured() {
        cases.iter().for_each(breakdown);
    }
}

/// What each stage adds, in CPU time of the whole process: the median of five runs each, one after the other.
fn breakdown(case: &Case) {
    const STAGES: [(&str, &[&str], bool); 6] = [
        ("read, decode, route, timeline, current table", &[], false),
        ("validate", &["validate"], false),
        ("geofence", &["validate", "geofence"], false),
        ("window", &["validate", "geofence", "window"], false),
        ("lake", &["validate", "geofence", "window"], true),
        ("without validate: all of it", ALL, true),
    ];
    let mut times = vec![Vec::new(); STAGES.len()];
    for _ in 0..5 {
        for ((_, operators, has_lake), times) in STAGES.iter().zip(&mut times) {
            let before = job::cpu();
            run(case, operators, *has_lake);
            times.push((job::cpu() - before).as_nanos() as f64 / case.frames as f64);
        }
    }
    println!("\nend_to_end/{}: ns of CPU a frame, median of five runs", case.name);
    let mut before = 0.0;
    for ((stage, _, _), times) in STAGES.iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        let all = times[times.len() / 2];
        match stage.starts_with("without") {
            true => println!("{all:8.0}  {stage}"),
            false => println!("{all:8.0}  so far, of which {:6.0} for {stage}", all - before),
        }
        before = all;
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
