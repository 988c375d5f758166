//! Durable small objects: manifests and state files, on the local disk or an object store. What the store refuses is tried
//! again here (`retry.rs`), for whoever reads or writes.

use crate::bucket::Bucket;
use crate::durable::{create_file, replace_file};
use crate::retry::Retry;
use crate::time::{Clock, SystemClock};
use crate::trouble::{Verdict, advice, verdict};
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, Result};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, thiserror::Error)]
#[error("{action}")]
pub struct StoreError {
    /// What was being done, to what.
    pub action: String,
    #[source]
    pub cause: Error,
}

/// Blocking access to an object store, for the data path.
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    /// Where the objects are files, so that they can be synced: the object store crate does not.
    folder: Option<PathBuf>,
    /// Its name before those of objects, in messages.
    url: String,
    runtime: tokio::runtime::Runtime,
    retry: Arc<Retry>,
    identity: String,
    /// Files written so far, for the names that they have until they are whole.
    scratches: AtomicU64,
}

impl Store {
    pub fn new(objects: Arc<dyn ObjectStore>) -> std::io::Result<Store> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Store {
            objects,
            folder: None,
            url: String::new(),
            runtime,
            retry: Arc::new(Retry::off()),
            identity: identity(),
            scratches: AtomicU64::new(0),
        })
    }

    /// A folder on the local disk, which must exist.
    pub fn local(folder: &std::path::Path) -> std::io::Result<Store> {
        let objects = object_store::local::LocalFileSystem::new_with_prefix(folder)?.with_automatic_cleanup(true);
        let url = format!("{}/", folder.display());
        Ok(Store { folder: Some(folder.to_owned()), url, ..Store::new(Arc::new(objects))? })
    }

    pub fn of_bucket(bucket: &Bucket) -> std::io::Result<Store> {
        Ok(Store { url: format!("{}/", bucket.url()), ..Store::new(bucket.objects())? })
    }

    /// What is refused is tried again.
    pub fn with_retry(self, retry: Arc<Retry>) -> Store {
        Store { retry, ..self }
    }

    pub fn retry(&self) -> &Arc<Retry> {
        &self.retry
    }

    /// Waits for what is asked of the objects directly.
    pub fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Tells this store's writer from all others: no two have the same.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    pub fn get(&self, path: &str) -> Result<Vec<u8>, StoreError> {
        self.tried("read", path, || self.read(path))
    }

    fn read(&self, path: &str) -> Result<Vec<u8>> {
        let read = async { self.objects.get(&Path::from(path)).await?.bytes().await };
        self.runtime.block_on(read).map(|b| b.to_vec())
    }

    /// Doing it again with the same bytes changes nothing.
    pub fn put(&self, path: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        let bytes = bytes::Bytes::from(bytes);
        self.tried("write", path, || match &self.folder {
            Some(folder) => {
                let file = made(folder, path)?;
                replace_file(&file, &self.scratch(&file), &bytes).map_err(of_disk)
            }
            None => {
                let at = Path::from(path);
                self.runtime.block_on(self.objects.put(&at, PutPayload::from(bytes.clone()))).map(drop)
            }
        })
    }

    /// Writes only if nothing is there; says whether these bytes are there now, by us. No two writers may create the same
    /// bytes (`identity`): an answer that leaves open whether they were written is settled by reading what is there.
    pub fn create(&self, path: &str, bytes: Vec<u8>) -> Result<bool, StoreError> {
        let bytes = bytes::Bytes::from(bytes);
        self.tried("create", path, || match self.try_create(path, &bytes) {
            Ok(()) => Ok(true),
            Err(cause) if verdict(&cause) == Verdict::Never => Err(cause),
            Err(cause) => match self.read(path) {
                Ok(there) => Ok(there == bytes),
                // Not there, or not to be read: the next try will tell.
                Err(_) => Err(cause),
            },
        })
    }

    fn try_create(&self, path: &str, bytes: &bytes::Bytes) -> Result<()> {
        let Some(folder) = &self.folder else {
            let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            let write = async {
                self.objects.put_opts(&Path::from(path), PutPayload::from(bytes.clone()), options).await.map(drop)
            };
            return self.runtime.block_on(write);
        };
        let file = made(folder, path)?;
        match create_file(&file, &self.scratch(&file), bytes).map_err(of_disk)? {
            true => Ok(()),
            false => Err(Error::AlreadyExists { path: path.to_owned(), source: "the file is there".into() }),
        }
    }

    /// Beside the file, under a name that lists of objects pass over, and each time another.
    fn scratch(&self, file: &std::path::Path) -> PathBuf {
        let number = self.scratches.fetch_add(1, Ordering::Relaxed);
        let mut name = file.file_name().unwrap_or_default().to_owned();
        name.push(format!("#{}{number:06}", std::process::id()));
        file.with_file_name(name)
    }

    /// Paths below a folder, sorted.
    pub fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        use futures::TryStreamExt;
        self.tried("list", folder, || {
            let found = self.objects.list(Some(&Path::from(folder))).map_ok(|o| o.location.to_string());
            let mut found: Vec<String> = self.runtime.block_on(found.try_collect())?;
            found.sort_unstable();
            Ok(found)
        })
    }

    /// Deleting what is not there is no error.
    pub fn delete(&self, path: &str) -> Result<(), StoreError> {
        self.tried("delete", path, || match self.runtime.block_on(self.objects.delete(&Path::from(path))) {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(cause) => Err(cause),
        })
    }

    fn tried<T>(&self, verb: &str, path: &str, attempt: impl FnMut() -> Result<T>) -> Result<T, StoreError> {
        self.retry
            .run(format_args!("{verb} {}{path}", self.url), attempt)
            .map_err(|cause| StoreError { action: format!("{verb} {}{path}{}", self.url, advice(&cause)), cause })
    }
}

/// A file of a folder, whose own folder is there.
fn made(folder: &std::path::Path, path: &str) -> Result<PathBuf> {
    let file = folder.join(path);
    if let Some(parent) = file.parent().filter(|parent| !parent.is_dir()) {
        std::fs::create_dir_all(parent).map_err(of_disk)?;
        parent.parent().map_or(Ok(()), crate::durable::sync_folder).map_err(of_disk)?;
    }
    Ok(file)
}

fn of_disk(cause: std::io::Error) -> Error {
    Error::Generic { store: "local disk", source: cause.into() }
}

/// Sixteen bytes of chance from the system, as text; without them the process and its time.
fn identity() -> String {
    let drawn = std::fs::read_to_string("/proc/sys/kernel/random/uuid").map(|text| text.trim().to_owned());
    drawn.unwrap_or_else(|_| format!("{}-{}", std::process::id(), SystemClock.now().0))
}

#[cfg(test)]
mod tests;
