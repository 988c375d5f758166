//! Whatever requests to an object store come to, done or not, answered or not: after the run, or after as many as it took,
//! its tables hold what they hold without a fault. The engine is taken apart into steps (docs/adr/0021), its store is in
//! memory, and time is what its waits make pass.

#[path = "../../tests/faulty.rs"]
mod faulty;

use faulty::Faulty;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use rhumb::{build, config};
use rhumb_connectors::lake::verify::verify;
use rhumb_engine::bucket::{Bucket, DataPlace};
use rhumb_engine::message::BarrierKind;
use rhumb_engine::reader::Stepped;
use rhumb_engine::retry::{Pause, Retry};
use rhumb_engine::run::{Parts, Pipeline, Until, assemble};
use rhumb_engine::time::{Clock, EventTime};
use rhumb_query::{Limits, Session};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SEEDS: u64 = 24;
/// Runs that a seed may need.
const LIVES_MAX: u64 = 60;
const ROWS: u32 = 3_000;

#[derive(Default)]
struct Waits(Mutex<Duration>);

impl Pause for Waits {
    fn elapsed(&self) -> Duration {
        *self.0.lock().expect("one thread")
    }

    fn pause(&self, wait: Duration) {
        *self.0.lock().expect("one thread") += wait;
    }
}

impl Clock for Waits {
    fn now(&self) -> EventTime {
        EventTime(1_767_600_000_000_000 + self.elapsed().as_micros() as i64)
    }
}

/// A recording with some dirt in it, and the pipeline that reads it.
fn site() -> (tempfile::TempDir, Pipeline) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut csv = "vehicle_id,ts,lat,lon\n".to_owned();
    for row in 0..ROWS {
        let (vehicle, at, lon) = (row % 17, 1_767_592_800 + row / 17, -97.9 + f64::from(row) * 1e-4);
        csv += &match row % 101 {
            7 => "this is no row\n".to_owned(),
            _ => format!("v{vehicle},{at},30.25,{lon}\n"),
        };
    }
    let zones = r#"{"type": "Feature", "id": "middle", "properties": {}, "geometry": {"type": "Polygon", "coordinates":
        [[[-97.80, 30.22], [-97.69, 30.22], [-97.69, 30.31], [-97.80, 30.31], [-97.80, 30.22]]]}}"#;
    let toml = "name = \"faults\"\ndata = \"s3://bucket/fleet\"\n[engine]\nlocal = \"local\"\nshards = 2\nepoch_rows = 1000\n\
                retry_for = \"5s\"\n[[source]]\nname = \"recording\"\n[source.file]\npath = \"cabs.csv\"\ncodec = \"csv\"\n\
                [[operator]]\n[operator.geofence]\nzones = \"zones.geojson\"\n[[operator]]\n[operator.window]\nname = \"zones\"\n\
                every = \"10s\"\nkey = [\"zone_id\"]\naggregates = { frames = \"count\" }\n";
    std::fs::write(folder.path().join("cabs.csv"), csv).expect("a file");
    std::fs::write(folder.path().join("zones.geojson"), zones).expect("a file");
    let path = folder.path().join("faults.toml");
    std::fs::write(&path, toml).expect("a file");
    let (checked, _) = config::load(&path, &|_| None).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    let pipeline = build::pipeline(&checked, true).expect("a pipeline");
    std::fs::create_dir_all(&pipeline.data).expect("a folder");
    (folder, pipeline)
}

fn bucket(objects: Arc<dyn ObjectStore>) -> Bucket {
    Bucket::new("memory:///fleet", objects, "fleet")
}

/// Runs until the end of the input is committed; `None` if the run failed. `faulty` is so once the run has begun, or from
/// its start on.
fn run(pipeline: &Pipeline, faulty: &Faulty, from_the_start: bool) -> Option<()> {
    faulty.behave(!from_the_start);
    let bucket = bucket(Arc::new(faulty.clone()));
    let pipeline = Pipeline {
        bucket: Some(bucket.clone()),
        name: pipeline.name.clone(),
        data: pipeline.data.clone(),
        settings: pipeline.settings.clone(),
        sources: pipeline.sources.clone(),
        operators: pipeline.operators.clone(),
        sinks: pipeline.sinks.clone(),
        alert_log: None,
        instance: None,
    };
    let waits = Arc::new(Waits::default());
    let retry = Retry::new(pipeline.settings.retry_for, waits.clone(), waits.clone(), Arc::default(), 3);
    let store = DataPlace::Bucket(bucket).store().expect("a runtime").with_retry(Arc::new(retry));
    let mut parts = assemble(&pipeline, waits, store, None).ok()?;
    faulty.behave(false);
    parts.coordinator.ends(Until::End);
    let (mut readers_over, mut shards_over) = (vec![false; parts.readers.len()], vec![false; parts.shards.len()]);
    loop {
        let Parts { readers, shards, writer, coordinator, events, committed, .. } = &mut parts;
        for (reader, is_over) in readers.iter_mut().zip(&mut readers_over) {
            *is_over = *is_over || reader.step(Duration::ZERO) == Stepped::Over;
        }
        for (shard, is_over) in shards.iter_mut().zip(&mut shards_over) {
            for reader in shard.readers.ready() {
                *is_over = *is_over || !shard.step(reader);
            }
        }
        for shard in writer.shards.ready() {
            if writer.step(shard).ok()?.is_some() {
                return (coordinator.last() == Some(BarrierKind::End)).then_some(());
            }
        }
        events.try_iter().for_each(|event| coordinator.hear(event));
        committed.try_iter().for_each(|epoch| coordinator.hear_committed(epoch));
        coordinator.order_what_is_due();
    }
}

/// All tables, row by row, and whether all that was committed is there.
fn tables(objects: &Arc<InMemory>) -> Vec<String> {
    let place = DataPlace::Bucket(bucket(objects.clone()));
    let report = verify(&place).expect("a lake");
    assert!(report.is_fine(), "{report}");
    let session = Session::open(&place, Limits { threads: 1, ..Limits::default() }).expect("a lake");
    let mut all = Vec::new();
    for sql in [
        "select * exclude (epoch, received_at) from history",
        "select * exclude (epoch, received_at, sequence) from alerts",
        "select * exclude (epoch, received_at, event_date, number) from rejects",
        "select window_start, zone_id, frames from windows_zones",
    ] {
        let mut rows = Vec::new();
        session.run(sql, rhumb_query::Format::Json, &mut rows).expect("rows");
        let mut lines: Vec<String> = String::from_utf8(rows).expect("text").lines().map(str::to_owned).collect();
        lines.sort_unstable();
        assert!(!lines.is_empty(), "{sql}");
        all.extend(lines);
    }
    all
}

fn clean(folder: &Path) {
    std::fs::remove_dir_all(folder).expect("a folder");
    std::fs::create_dir_all(folder).expect("a folder");
}

#[test]
fn whatever_the_faults_the_tables_hold_what_they_hold_without() {
    let (_folder, pipeline) = site();
    let objects = Arc::new(InMemory::new());
    run(&pipeline, &Faulty::scripted(objects.clone(), Vec::new()), false).expect("a run without faults");
    let expected = tables(&objects);
    let mut failed = 0;
    for seed in 0..SEEDS {
        clean(&pipeline.data);
        let objects = Arc::new(InMemory::new());
        let is_done = (0..LIVES_MAX).any(|life| {
            // Some faults that a run rides out, some that it does not, some at its start.
            let (once_in, from_the_start) = [(6, false), (1, false), (100, true)][(seed + life) as usize % 3];
            let faulty = Faulty::seeded(objects.clone(), seed * 1_000 + life, once_in);
            let done = run(&pipeline, &faulty, from_the_start);
            failed += u64::from(done.is_none());
            done.is_some()
        });
        assert!(is_done, "seed {seed}: no run came to its end");
        let found = tables(&objects);
        assert!(found == expected, "seed {seed}: {} rows and {}", found.len(), expected.len());
    }
    println!("{failed} runs failed");
    assert!(failed > 0, "no fault was too much for a run");
}
