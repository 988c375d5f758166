//! What epochs cost. `epochs/throughput/<case>`: file to everything with epochs beside one at the end only, which every run
//! has, in turns. *syn* runs for long enough to have epochs of ten seconds, the default; *sf* has one every second.
//! `epochs/pause`: how long a shard stands still at a barrier to give its state out, and how large that state is.

use rhumb_benches::workload::{Input, plans, sized, write_csv, zone_count, zones, zones_text};
use rhumb_benches::{job, traces};
use rhumb_engine::state;
use rhumb_engine::time::monotonic_now;
use std::path::Path;
use std::time::Duration;

/// As in the command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const OPERATORS: [&str; 3] = ["validate", "geofence", "window"];
/// Frames of each simulated vehicle in the file.
const ROUNDS: usize = 400;
/// Frames of each vehicle before the barrier: its path is full.
const WARM_ROUNDS: u32 = 16;

const NEVER: Duration = Duration::from_secs(86_400);

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn throughput(name: &str, csv: &Path, zones_text: &str, epoch: Duration) {
    let zones = zones(zones_text);
    let run = |epoch| {
        let (start, cpu) = (monotonic_now(), job::cpu());
        let summary = job::run(name, csv, plans(&OPERATORS, &zones), true, epoch);
        let frames = summary.totals.frames_in.values().sum::<u64>() as f64;
        assert_eq!(summary.totals.history_rows + summary.totals.rejected(), frames as u64);
        let seconds = (monotonic_now() - start).as_secs_f64();
        [frames / seconds, frames / (job::cpu() - cpu).as_secs_f64()]
    };
    let rounds: Vec<_> = (0..sized(5, 1)).map(|_| [run(epoch), run(NEVER)]).collect();
    let of = |pick: fn(&[[f64; 2]; 2]) -> f64| median(rounds.iter().map(pick).collect());
    let name = format!("epochs/throughput/{name}/{}s", epoch.as_secs());
    println!("{name}/epochs       {:>12.0} frames/s", of(|[epochs, _]| epochs[0]));
    println!("{name}/none         {:>12.0} frames/s", of(|[_, none]| none[0]));
    println!("{name}/ratio        {:>12.2}", of(|[epochs, none]| epochs[0] / none[0]));
    println!("{name}/ratio_of_cpu {:>12.2}", of(|[epochs, none]| epochs[1] / none[1]));
}

fn pause(vehicles: usize) {
    let zones = zones(&zones_text(zone_count()));
    let input = Input::none();
    let mut chain = input.chain(&plans(&OPERATORS, &zones));
    input.stream(vehicles as u32, WARM_ROUNDS, |delivery| drop(chain.process(delivery, 0)));
    assert_eq!(input.vehicles.len(), vehicles);
    let mut seconds = Vec::new();
    let mut bytes = 0;
    for _ in 0..sized(5, 1) {
        let start = monotonic_now();
        let state = chain.snapshot();
        seconds.push((monotonic_now() - start).as_secs_f64());
        bytes = state.iter().map(|table| state::encode(&table.rows).len()).sum();
    }
    let name = format!("epochs/pause/{vehicles}_vehicles");
    println!(
        "{name}/one_shard {:>10.3} s, {:.0} bytes of state a vehicle",
        median(seconds),
        bytes as f64 / vehicles as f64
    );
}

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let syn = folder.path().join("syn.csv");
    write_csv(&syn, sized(ROUNDS, 10) as u32);
    throughput("syn", &syn, &zones_text(zone_count()), Duration::from_secs(10));

    let sf = folder.path().join("sf.csv");
    let recorded = traces::write_cabs(&sf, sized(5_000_000, 50_000), "epochs/sf");
    if let Some((_, zones)) = recorded.zip(traces::neighbourhoods("epochs/sf")) {
        throughput("sf", &sf, &zones, Duration::from_secs(1));
    }
    pause(sized(50_000, 2_000));
    pause(sized(1_000_000, 4_000));
}
