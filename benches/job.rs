//! The main job as the command runs it: a CSV file through operators into a lake, on two shards.

use rhumb_connectors::MakeCodec;
use rhumb_connectors::codec::CodecConfig;
use rhumb_connectors::file::{FileConfig, FilePlan, Speed};
use rhumb_connectors::lake::LakePlan;
use rhumb_engine::operator::OperatorPlan;
use rhumb_engine::run::{Pipeline, Settings, Summary, Until, start};
use rhumb_engine::sink::SinkPlan;
use rhumb_engine::time::{SECOND_US, SystemClock};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const SHARDS: usize = 2;

/// Runs to the end of the file, in a folder that is new.
///
/// # Panics
/// If it does not start, or does not come to the end.
pub fn run(name: &str, csv: &Path, operators: Vec<Arc<dyn OperatorPlan>>, has_lake: bool, epoch: Duration) -> Summary {
    let data = tempfile::tempdir().expect("a folder");
    let codec = CodecConfig::named("csv").expect("a codec");
    let make: MakeCodec = Arc::new(move || codec.open());
    let config = FileConfig { path: csv.to_owned(), speed: Speed::Max };
    let lake: Arc<dyn SinkPlan> = Arc::new(LakePlan::default());
    let pipeline = Pipeline {
        name: name.to_owned(),
        data: data.path().to_owned(),
        bucket: None,
        settings: Settings {
            shards: SHARDS,
            epoch,
            epoch_rows: u64::MAX,
            lateness_us: 300 * SECOND_US,
            idle_after_us: 60 * SECOND_US,
            clock_skew_max_us: 600 * SECOND_US,
            offline_after_us: 600 * SECOND_US,
            vehicles_max: 5_000_000,
            retry_for: Duration::ZERO,
        },
        sources: vec![(Arc::new(FilePlan::new("recording", config, make)), false)],
        operators,
        sinks: if has_lake { vec![lake] } else { Vec::new() },
        alert_log: None,
        instance: None,
    };
    let (_never, stop) = crossbeam_channel::bounded(0);
    let running = start(&pipeline, Arc::new(SystemClock)).expect("a pipeline that starts");
    running.wait(Until::End, &stop, |_| {}).expect("a run to the end")
}

/// CPU time of this process, user and system.
pub fn cpu() -> Duration {
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
