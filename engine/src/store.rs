//! Durable small objects: manifests and state files, on the local disk or an object store.

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Debug, thiserror::Error)]
#[error("{action}")]
pub struct StoreError {
    /// What was being done, to what.
    pub action: String,
    #[source]
    pub cause: object_store::Error,
}

/// Blocking access to an object store, for the data path.
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    /// Where the objects are files, so that they can be synced: the object store crate does not.
    folder: Option<PathBuf>,
    runtime: tokio::runtime::Runtime,
}

impl Store {
    pub fn new(objects: Arc<dyn ObjectStore>) -> std::io::Result<Store> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Store { objects, folder: None, runtime })
    }

    /// A folder on the local disk, which must exist.
    pub fn local(folder: &std::path::Path) -> std::io::Result<Store> {
        let objects = object_store::local::LocalFileSystem::new_with_prefix(folder)?.with_automatic_cleanup(true);
        Ok(Store { folder: Some(folder.to_owned()), ..Store::new(Arc::new(objects))? })
    }

    pub fn get(&self, path: &str) -> Result<Vec<u8>, StoreError> {
        let read = async { self.objects.get(&Path::from(path)).await?.bytes().await };
        self.runtime.block_on(read).map(|b| b.to_vec()).map_err(|cause| self.failed("read", path, cause))
    }

    pub fn put(&self, path: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        let at = Path::from(path);
        let write = self.objects.put(&at, PutPayload::from(bytes));
        self.runtime.block_on(write).map_err(|cause| self.failed("write", path, cause))?;
        self.sync(path)
    }

    /// Writes only if nothing is there; says whether it did.
    pub fn create(&self, path: &str, bytes: Vec<u8>) -> Result<bool, StoreError> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let at = Path::from(path);
        let write = self.objects.put_opts(&at, PutPayload::from(bytes), options);
        match self.runtime.block_on(write) {
            Ok(_) => self.sync(path).map(|()| true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(cause) => Err(self.failed("create", path, cause)),
        }
    }

    /// On a local disk: the file, then the folder that names it.
    fn sync(&self, path: &str) -> Result<(), StoreError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let file = folder.join(path);
        let sync = |path: &std::path::Path| std::fs::File::open(path)?.sync_all();
        sync(&file).and_then(|()| file.parent().map_or(Ok(()), sync)).map_err(|cause| {
            self.failed("sync", path, object_store::Error::Generic { store: "local disk", source: cause.into() })
        })
    }

    /// Paths below a folder, sorted.
    pub fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        use futures::TryStreamExt;
        let found = self.objects.list(Some(&Path::from(folder))).map_ok(|o| o.location.to_string());
        let mut found: Vec<String> =
            self.runtime.block_on(found.try_collect()).map_err(|cause| self.failed("list", folder, cause))?;
        found.sort_unstable();
        Ok(found)
    }

    fn failed(&self, verb: &str, path: &str, cause: object_store::Error) -> StoreError {
        let at = self.folder.as_ref().map_or(path.into(), |folder| folder.join(path));
        StoreError { action: format!("{verb} {}{}", at.display(), advice(&cause)), cause }
    }

    /// Deleting what is not there is no error.
    pub fn delete(&self, path: &str) -> Result<(), StoreError> {
        match self.runtime.block_on(self.objects.delete(&Path::from(path))) {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(cause) => Err(self.failed("delete", path, cause)),
        }
    }
}

/// What helps against an error of the disk, however deep it is behind this one; empty if we know of nothing.
pub fn advice(error: &(dyn std::error::Error + 'static)) -> &'static str {
    use std::io::ErrorKind;
    let mut next = Some(error);
    let mut kind = None;
    while let Some(error) = next {
        kind = kind.or_else(|| error.downcast_ref::<std::io::Error>().map(std::io::Error::kind));
        next = error.source();
    }
    match kind {
        Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
            ": the disk is full; free some space and start again, the last commit is whole"
        }
        Some(ErrorKind::PermissionDenied) => ": not permitted; the user who runs rhumb must own the data folder",
        Some(ErrorKind::ReadOnlyFilesystem) => ": the disk is read-only; mount it writable or choose another `data`",
        _ => "",
    }
}
