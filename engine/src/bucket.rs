//! Where a pipeline's data is: a folder of this machine, or a place in an object store that many machines see.

use crate::store::Store;
use object_store::path::Path as ObjectPath;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A place in an object store: all objects whose names begin alike.
#[derive(Clone)]
pub struct Bucket {
    /// Such as `s3://bucket/prefix`, without a slash at its end.
    url: Arc<str>,
    /// All of the store.
    root: Arc<dyn ObjectStore>,
    prefix: ObjectPath,
}

impl Bucket {
    /// `prefix` is what follows the bucket's name in the URL.
    pub fn new(url: &str, root: Arc<dyn ObjectStore>, prefix: &str) -> Bucket {
        Bucket { url: url.trim_end_matches('/').into(), root, prefix: ObjectPath::from(prefix) }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// The store that the URL's path is looked up in.
    pub fn root(&self) -> Arc<dyn ObjectStore> {
        self.root.clone()
    }

    /// The objects here, by their names from here on.
    pub fn objects(&self) -> Arc<dyn ObjectStore> {
        match self.prefix.as_ref().is_empty() {
            true => self.root.clone(),
            false => Arc::new(PrefixStore::new(self.root.clone(), self.prefix.clone())),
        }
    }

    /// A place below this one.
    pub fn below(&self, folder: &str) -> Bucket {
        let prefix = folder.split('/').fold(self.prefix.clone(), |prefix, part| prefix.join(part));
        Bucket { url: format!("{}/{folder}", self.url).into(), root: self.root.clone(), prefix }
    }

    /// Creates an object twice, which the store must refuse the second time: a store that overwrites what is there would let
    /// two engines commit the same epoch.
    ///
    /// # Errors
    /// If it does not refuse, or cannot be asked.
    pub async fn must_honour_create(&self) -> object_store::Result<()> {
        const PROBE: &str = "probe";
        let (objects, at) = (self.objects(), ObjectPath::from(PROBE));
        let create = || PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        for _ in 0..2 {
            match objects.put_opts(&at, PROBE.as_bytes().into(), create()).await {
                Err(object_store::Error::AlreadyExists { .. }) => return Ok(()),
                Err(cause) => return Err(cause),
                Ok(_) => {}
            }
        }
        // Another engine may have looked just then and seen the same.
        let _ = objects.delete(&at).await;
        Err(object_store::Error::NotImplemented {
            operation: "create an object only if there is none (If-None-Match: *)".to_owned(),
            implementer: self.url.to_string(),
        })
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_tuple("Bucket").field(&self.url).finish()
    }
}

/// Where manifests, state and lake are.
#[derive(Debug, Clone)]
pub enum DataPlace {
    Folder(PathBuf),
    Bucket(Bucket),
}

impl DataPlace {
    pub fn store(&self) -> io::Result<Store> {
        match self {
            DataPlace::Folder(folder) => Store::local(folder),
            DataPlace::Bucket(bucket) => Store::of_bucket(bucket),
        }
    }
}

impl fmt::Display for DataPlace {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            DataPlace::Folder(folder) => folder.display().fmt(f),
            DataPlace::Bucket(bucket) => f.write_str(bucket.url()),
        }
    }
}

impl From<&Path> for DataPlace {
    fn from(folder: &Path) -> DataPlace {
        DataPlace::Folder(folder.to_owned())
    }
}

impl From<&PathBuf> for DataPlace {
    fn from(folder: &PathBuf) -> DataPlace {
        DataPlace::Folder(folder.clone())
    }
}

impl From<&DataPlace> for DataPlace {
    fn from(place: &DataPlace) -> DataPlace {
        place.clone()
    }
}
