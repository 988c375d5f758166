//! Segments on their way into an object store, where nothing can be moved: they are written under their last names, in
//! the folders of their tables, where a reader of the log does not see them before it names them. So that those that are
//! never named are found again, each epoch's list of them is there before the first.

use super::durable::failed;
use super::place::InBucket;
use super::table::{STAGING, staged};
use object_store::path::Path as ObjectPath;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutPayload, Result, WriteMultipart};
use rhumb_engine::checksum::Checksum;
use rhumb_engine::retry::Retry;
use rhumb_engine::sink::{Segment, SinkError};
use rhumb_engine::store::StoreError;
use rhumb_engine::trouble::unsettled;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Bytes of a request. What is no longer goes up in one.
const PART_BYTES: usize = 8 << 20;
/// Parts that are under way at the same time.
const PARTS_MAX: usize = 2;

/// Of an epoch, while it is not committed and published: which files it has.
fn list(claim: u64, epoch: u64) -> String {
    format!("{STAGING}/{claim:010}-{epoch:010}.json")
}

/// In the lake.
fn place(segment: &Segment) -> String {
    format!("{}/{}", segment.table, segment.path)
}

/// Makes the segments of an epoch durable in the store, from where they are staged on the disk.
pub fn upload(
    to: &InBucket,
    lake: &Path,
    claim: u64,
    epoch: u64,
    segments: &[Segment],
    retry: &Retry,
) -> std::result::Result<(), SinkError> {
    if segments.is_empty() {
        return Ok(());
    }
    let places: Vec<String> = segments.iter().map(place).collect();
    let json = serde_json::to_vec(&places).expect("names have a JSON form");
    let list = list(claim, epoch);
    retry.run(format_args!("write {}/{list}", to.bucket.url()), || {
        to.store.put(&list, json.clone()).map_err(of_store)
    })?;
    for (segment, place) in segments.iter().zip(&places) {
        let file = staged(lake, segment);
        let what = format!("{}/{place}", to.bucket.url());
        let sent = retry.run(format_args!("write {what}"), || to.store.wait(send(&*to.objects, &file, place, segment)));
        sent.map_err(failed("write", &what))?;
    }
    Ok(())
}

/// Doing it again writes the same.
async fn send(objects: &dyn ObjectStore, file: &Path, place: &str, segment: &Segment) -> Result<()> {
    let at = ObjectPath::from(place);
    let mut part = Vec::new();
    let mut from = Reading { file: File::open(file).map_err(of_disk)?, sum: Checksum::default() };
    if segment.bytes <= PART_BYTES as u64 {
        from.read(&mut part, usize::MAX)?;
        from.must_be_of(segment)?;
        return objects.put(&at, PutPayload::from(part)).await.map(drop);
    }
    let mut upload = WriteMultipart::new_with_chunk_size(objects.put_multipart(&at).await?, PART_BYTES);
    let sent = async {
        while from.read(&mut part, PART_BYTES)? > 0 {
            upload.wait_for_capacity(PARTS_MAX).await?;
            upload.put(std::mem::take(&mut part).into());
        }
        from.must_be_of(segment)
    };
    match sent.await {
        Ok(()) => upload.finish().await.map(drop),
        Err(cause) => {
            // Parts that were sent in vain are the store's to forget.
            let _ = upload.abort().await;
            Err(cause)
        }
    }
}

struct Reading {
    file: File,
    sum: Checksum,
}

impl Reading {
    /// Puts the next bytes in place of those before.
    fn read(&mut self, into: &mut Vec<u8>, bytes_max: usize) -> Result<usize> {
        into.clear();
        (&mut self.file).take(bytes_max as u64).read_to_end(into).map_err(of_disk)?;
        self.sum.add(into);
        Ok(into.len())
    }

    /// What the disk gave back is what was written.
    fn must_be_of(&self, segment: &Segment) -> Result<()> {
        if segment.checksum.as_ref().is_none_or(|sum| *sum == self.sum.text()) {
            return Ok(());
        }
        let what =
            "the disk does not give back what was written; nothing of it is committed, and the next run makes it anew";
        Err(of_disk(unsettled(io::Error::new(io::ErrorKind::InvalidData, what))))
    }
}

fn of_disk(cause: io::Error) -> Error {
    Error::Generic { store: "local disk", source: cause.into() }
}

fn of_store(error: StoreError) -> SinkError {
    SinkError::new(error.action, error.cause)
}

/// The epoch is committed and published: what led to it is not needed any more.
pub fn forget(
    at: &InBucket,
    lake: &Path,
    claim: u64,
    epoch: u64,
    segments: &[Segment],
    retry: &Retry,
) -> std::result::Result<(), SinkError> {
    if segments.is_empty() {
        return Ok(());
    }
    for segment in segments {
        // One that stays is swept at the next start.
        let _ = std::fs::remove_file(staged(lake, segment));
    }
    delete(at, &list(claim, epoch), retry)
}

fn delete(at: &InBucket, path: &str, retry: &Retry) -> std::result::Result<(), SinkError> {
    retry.run(format_args!("delete {}/{path}", at.bucket.url()), || at.store.delete(path).map_err(of_store))
}

/// Deletes what engines wrote that are over, by their claims, and nobody committed. A list is taken away by its engine
/// before its next epoch can be committed; one that stays behind is of an epoch that is committed as a whole or not at all.
pub fn sweep(
    at: &InBucket,
    is_dead: impl Fn(u64) -> bool,
    is_committed: impl Fn(&str) -> std::result::Result<bool, SinkError>,
    retry: &Retry,
) -> std::result::Result<(), SinkError> {
    let url = at.bucket.url();
    let lists = retry.run(format_args!("list {url}/{STAGING}"), || at.store.list(STAGING).map_err(of_store))?;
    for list in lists {
        let name = list.rsplit('/').next().unwrap_or_default();
        let of = name.split('-').next().and_then(|claim| claim.parse::<u64>().ok());
        if !of.is_some_and(&is_dead) {
            continue;
        }
        let bytes = retry.run(format_args!("read {url}/{list}"), || at.store.get(&list).map_err(of_store))?;
        let places: Vec<String> = serde_json::from_slice(&bytes).map_err(failed("read", format!("{url}/{list}")))?;
        // A commit is published before anything follows it: all of its tables have it by now, or none.
        let is_kept = match places.first() {
            Some(place) => retry.run(format_args!("look for {place} in its table"), || is_committed(place))?,
            None => true,
        };
        for place in places.iter().filter(|_| !is_kept) {
            delete(at, place, retry)?;
            tracing::info!("deleted {url}/{place}, a segment that was never committed");
        }
        delete(at, &list, retry)?;
    }
    Ok(())
}

/// Files that are there, or on their way, and of no commit.
pub fn listed(at: &InBucket) -> std::result::Result<Vec<String>, StoreError> {
    let mut places = Vec::new();
    for list in at.store.list(STAGING)? {
        // One that is gone by now is committed.
        let Ok(bytes) = at.store.get(&list) else { continue };
        places.extend(serde_json::from_slice::<Vec<String>>(&bytes).unwrap_or_default());
    }
    Ok(places)
}
