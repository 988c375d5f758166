//! A lake in an object store: what is committed is there, what is not is found by its lists and deleted, and nobody deletes
//! what another has committed.

#[allow(dead_code, reason = "each test takes what it needs")]
mod lake_fixture;

use futures::StreamExt;
use lake_fixture::{context, frames, open};
use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt};
use rhumb_engine::bucket::Bucket;
use rhumb_engine::sink::{Segment, Sink, SinkContext};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

fn in_bucket(objects: &Arc<InMemory>, local: &Path, claim: u64) -> SinkContext {
    let objects: Arc<dyn ObjectStore> = objects.clone();
    SinkContext { bucket: Some(Bucket::new("memory:///fleet", objects, "fleet")), ..context(local, claim) }
}

/// A sink with an epoch that is prepared and not committed.
fn prepared(context: &SinkContext, epoch: u64) -> (Box<dyn Sink>, Vec<Segment>) {
    let mut sink = open(context);
    write(&mut *sink, context, epoch);
    let segments = sink.prepare(epoch).expect("room");
    assert!(!segments.is_empty());
    (sink, segments)
}

fn write(sink: &mut dyn Sink, context: &SinkContext, seed: u64) {
    frames(context, seed, 2_000).0.iter().for_each(|output| sink.write(output).expect("room"));
}

/// Keys of objects whose name holds all of these words.
fn keys(objects: &InMemory, words: &[&str]) -> Vec<String> {
    let list = async { objects.list(None).collect::<Vec<_>>().await };
    let all = wait(list).into_iter().map(|object| object.expect("an object").location.to_string());
    let mut found: Vec<String> = all.filter(|key| words.iter().all(|word| key.contains(word))).collect();
    found.sort();
    found
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(work)
}

#[test]
fn segments_that_were_never_committed_are_deleted_by_the_next_engine() {
    let (objects, local) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let (killed, segments) = prepared(&in_bucket(&objects, local.path(), 1), 1);
    drop(killed);
    assert_eq!(keys(&objects, &["event_date", ".parquet"]).len(), segments.len(), "under their last names");
    assert_eq!(keys(&objects, &["_staging"]), ["fleet/lake/_staging/0000000001-0000000001.json"]);

    // On another machine.
    let elsewhere = tempfile::tempdir().unwrap();
    let next = in_bucket(&objects, elsewhere.path(), 2);
    let mut sink = open(&next);
    sink.committed(0, &[]).unwrap();
    write(&mut *sink, &next, 7);
    assert_eq!(keys(&objects, &["/0000000001-"]), [] as [&str; 0]);
    let segments = sink.prepare(1).unwrap();
    sink.committed(1, &segments).unwrap();
    assert_eq!(keys(&objects, &["event_date", ".parquet"]).len(), segments.len());
    assert_eq!(keys(&objects, &["_staging"]), [] as [&str; 0]);
    let staged = elsewhere.path().join("lake/_staging/history");
    assert_eq!(std::fs::read_dir(staged).unwrap().count(), 0, "nothing is left on the way");
}

#[test]
fn segments_that_a_manifest_names_are_published_and_stay() {
    let (objects, local) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let (killed, segments) = prepared(&in_bucket(&objects, local.path(), 1), 1);
    drop(killed);
    let elsewhere = tempfile::tempdir().unwrap();
    let next = in_bucket(&objects, elsewhere.path(), 2);
    let mut sink = open(&next);
    sink.committed(1, &segments).unwrap();
    write(&mut *sink, &next, 7);
    assert_eq!(keys(&objects, &["event_date", ".parquet"]).len(), segments.len());
    assert_eq!(keys(&objects, &["_staging"]), [] as [&str; 0]);
    assert_eq!(keys(&objects, &["history/_delta_log/00000000000000000001.json"]).len(), 1);
}

#[test]
fn segment_that_the_disk_gives_back_otherwise_does_not_go_up() {
    let (objects, local) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let context = in_bucket(&objects, local.path(), 1);
    let mut sink = open(&context);
    // So many that some are in files by now.
    frames(&context, 1, 200_000).0.iter().for_each(|output| sink.write(output).unwrap());
    let staged = local.path().join("lake/_staging/history");
    let file = std::fs::read_dir(&staged).unwrap().next().unwrap().unwrap().path();
    assert!(std::fs::metadata(&file).unwrap().len() > 0);
    std::fs::File::options().write(true).open(&file).unwrap().write_all(b"X").unwrap();
    let error = sink.prepare(1).unwrap_err();
    assert!(
        rhumb_engine::run::with_causes(&error).contains("the disk does not give back what was written"),
        "{error:?}"
    );
    let there = wait(objects.head(&ObjectPath::from("fleet/lake/_staging/0000000001-0000000001.json")));
    assert!(there.is_ok(), "what has gone up is in the list");
}
