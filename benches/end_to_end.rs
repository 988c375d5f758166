//! `end_to_end/<case>/<implementation>`: a CSV file in the page cache to history, alerts and one-minute zone windows in
//! Parquet, on two shards. *syn*: 50,000 simulated vehicles and 10,000 zones of 64 vertices; *sf*: San Francisco's cabs
//! and neighbourhoods, if they are there. `plain` is the same job as a plain program (`plain.rs`); both give the same
//! number of frames, enters and exits, which is asserted. `validated` has the rules of `validate` in front. After the
//! timed part stands where the CPU time goes, stage by stage.

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use rhumb_benches::plain::{self, Done};
use rhumb_benches::traces;
use rhumb_benches::workload::{is_measured, plans, sized, write_csv, zone_count, zones, zones_text};
use rhumb_connectors::MakeCodec;
use rhumb_connectors::codec::CodecConfig;
use rhumb_connectors::file::{FileConfig, FilePlan, Speed};
use rhumb_connectors::lake::LakePlan;
use rhumb_engine::run::{Pipeline, Settings, Summary, Until, start};
use rhumb_engine::sink::SinkPlan;
use rhumb_engine::time::{SECOND_US, SystemClock};
use rhumb_geofence::Zones;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// As in the command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Frames of each simulated vehicle.
const ROUNDS: u32 = 40;
const SHARDS: usize = 2;

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
    let (rows, zones_text) =
        (traces::cabs(sized(4_000_000, 50_000), "end_to_end/sf")?, traces::neighbourhoods("end_to_end/sf")?);
    let csv = folder.join("sf.csv");
    let mut file = BufWriter::new(std::fs::File::create(&csv).expect("a file to write to"));
    writeln!(file, "vehicle_id,ts,lat,lon").expect("room for the frames");
    for row in &rows {
        writeln!(file, "{},{},{},{}", row.vehicle_id, row.ts, row.lat, row.lon).expect("room for the frames");
    }
    file.flush().expect("room for the frames");
    Some(Case { name: "sf", csv, zones: zones(&zones_text), zones_text, frames: rows.len() as u64 })
}

fn pipeline(case: &Case, data: &Path, operators: &[&str], has_lake: bool) -> Pipeline {
    let codec = CodecConfig::named("csv").expect("a codec");
    let make: MakeCodec = Arc::new(move || codec.open());
    let config = FileConfig { path: case.csv.clone(), speed: Speed::Max };
    let lake: Arc<dyn SinkPlan> = Arc::new(LakePlan::default());
    Pipeline {
        name: case.name.to_owned(),
        data: data.to_owned(),
        settings: Settings {
            shards: SHARDS,
            epoch: Duration::from_secs(10),
            epoch_rows: 4_000_000,
            lateness_us: 300 * SECOND_US,
            idle_after_us: 60 * SECOND_US,
            clock_skew_max_us: 600 * SECOND_US,
            offline_after_us: 600 * SECOND_US,
            vehicles_max: 5_000_000,
        },
        sources: vec![(Arc::new(FilePlan::new("recording", config, make)), false)],
        operators: plans(operators, &case.zones),
        sinks: if has_lake { vec![lake] } else { Vec::new() },
        alert_log: None,
        instance: None,
    }
}

/// Runs to the end of the file, in a folder that is new.
fn run(case: &Case, operators: &[&str], has_lake: bool) -> Summary {
    let data = tempfile::tempdir().expect("a folder");
    let pipeline = pipeline(case, data.path(), operators, has_lake);
    let (_never, stop) = crossbeam_channel::bounded(0);
    let running = start(&pipeline, Arc::new(SystemClock)).expect("a pipeline that starts");
    running.wait(Until::End, &stop, |_| {}).expect("a run to the end")
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
            let before = cpu();
            run(case, operators, *has_lake);
            times.push((cpu() - before).as_nanos() as f64 / case.frames as f64);
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

/// CPU time of this process, user and system.
fn cpu() -> Duration {
    #[allow(unsafe_code, reason = "getrusage has no safe form")]
    // SAFETY: a struct of numbers, for which zeros are values, filled in by the call.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let of = |t: libc::timeval| Duration::new(t.tv_sec as u64, t.tv_usec as u32 * 1000);
    of(usage.ru_utime) + of(usage.ru_stime)
}

criterion_group!(benches, bench);
criterion_main!(benches);
