//! Where the tables of a lake are: folders of a disk, or places in an object store.

use super::FOLDER;
use super::delta::{LOG_FOLDER, Outcome};
use super::durable::{create_file, failed};
use bytes::Bytes;
use deltalake_core::DeltaTable;
use deltalake_core::DeltaTableBuilder;
use deltalake_core::logstore::{StorageConfig, default_logstore};
use futures::TryStreamExt;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt};
use rhumb_engine::bucket::{Bucket, DataPlace};
use rhumb_engine::sink::SinkError;
use rhumb_engine::store::Store;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;
use url::Url;

/// Of a whole lake.
#[derive(Clone)]
pub enum LakePlace {
    Folder(PathBuf),
    Bucket(InBucket),
}

#[derive(Clone)]
pub struct InBucket {
    pub bucket: Bucket,
    pub objects: Arc<dyn ObjectStore>,
    /// Tries once: whoever uses it tries again as a whole.
    pub store: Arc<Store>,
}

/// A file of a table that is there.
pub struct Found {
    pub bytes: u64,
    pub modified_ms: i64,
}

/// What a file holds.
pub enum Content {
    File(File),
    Bytes(Bytes),
}

impl LakePlace {
    pub fn of(data: &DataPlace) -> io::Result<LakePlace> {
        Ok(match data {
            DataPlace::Folder(folder) => LakePlace::Folder(folder.join(FOLDER)),
            DataPlace::Bucket(bucket) => {
                let bucket = bucket.below(FOLDER);
                let store = Arc::new(Store::of_bucket(&bucket)?);
                LakePlace::Bucket(InBucket { objects: bucket.objects(), store, bucket })
            }
        })
    }

    /// For messages.
    pub fn shown(&self, below: &str) -> PathBuf {
        match self {
            LakePlace::Folder(lake) => lake.join(below),
            LakePlace::Bucket(at) => format!("{}/{below}", at.bucket.url()).into(),
        }
    }

    /// A table, not loaded.
    pub fn handle(&self, table: &str) -> Outcome<DeltaTable> {
        match self {
            LakePlace::Folder(lake) => {
                let folder = lake.join(table).canonicalize()?;
                let url = Url::from_directory_path(&folder).map_err(|()| format!("{} has no URL", folder.display()))?;
                Ok(DeltaTableBuilder::from_url(url)?.build()?)
            }
            LakePlace::Bucket(at) => {
                let at = at.bucket.below(table);
                let url = Url::parse(&format!("{}/", at.url()))?;
                Ok(DeltaTable::new(default_logstore(at.objects(), at.root(), &url, &StorageConfig::default())))
            }
        }
    }

    /// Looks at a file by its path in the lake.
    pub fn find(&self, path: &str) -> Result<Found, SinkError> {
        let shown = self.shown(path);
        match self {
            LakePlace::Folder(lake) => {
                let found = lake.join(path).metadata().map_err(failed("look at", &shown))?;
                let modified = found.modified().map_err(failed("look at", &shown))?;
                let modified_ms = modified.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
                Ok(Found { bytes: found.len(), modified_ms: i64::try_from(modified_ms).unwrap_or(i64::MAX) })
            }
            LakePlace::Bucket(at) => {
                let found = at.store.wait(at.objects.head(&ObjectPath::from(path)));
                let found = found.map_err(failed("look at", &shown))?;
                Ok(Found { bytes: found.size, modified_ms: found.last_modified.timestamp_millis() })
            }
        }
    }

    /// Creates a commit of a table's log, durably, if its number is free; says whether it is there. `scratch` is a name
    /// that no other writer uses.
    pub fn create_commit(&self, table: &str, version: u64, scratch: &str, bytes: &[u8]) -> Result<bool, SinkError> {
        match self {
            LakePlace::Folder(lake) => {
                let log = lake.join(table).join(LOG_FOLDER);
                create_file(&log.join(format!("{version:020}.json")), &log.join(scratch), bytes)
            }
            LakePlace::Bucket(at) => {
                let path = format!("{table}/{LOG_FOLDER}/{version:020}.json");
                at.store.create(&path, bytes.to_vec()).map_err(|error| SinkError::new(error.action, error.cause))
            }
        }
    }

    /// Names of what is in the lake itself, and whether each is a folder.
    pub fn entries(&self) -> io::Result<Vec<(String, bool)>> {
        match self {
            LakePlace::Folder(lake) => {
                let mut entries = Vec::new();
                for entry in std::fs::read_dir(lake).into_iter().flatten() {
                    let entry = entry?;
                    entries.push((entry.file_name().to_string_lossy().into_owned(), entry.file_type()?.is_dir()));
                }
                Ok(entries)
            }
            LakePlace::Bucket(at) => {
                let listed = at.store.wait(at.objects.list_with_delimiter(None)).map_err(io::Error::other)?;
                let name = |path: &ObjectPath| path.filename().unwrap_or_default().to_owned();
                let folders = listed.common_prefixes.iter().map(|folder| (name(folder), true));
                Ok(folders.chain(listed.objects.iter().map(|object| (name(&object.location), false))).collect())
            }
        }
    }

    /// Files below a folder of the lake that are in no table's log, by their paths from there on, in order; with their bytes.
    pub fn below(&self, folder: &str) -> io::Result<Vec<(String, u64)>> {
        let mut found = match self {
            LakePlace::Folder(lake) => below_folder(&lake.join(folder))?,
            LakePlace::Bucket(at) => at.listed(folder)?,
        };
        found.retain(|(path, _)| !path.starts_with(&format!("{LOG_FOLDER}/")));
        found.sort_unstable();
        Ok(found)
    }

    /// Names in a table's log.
    pub fn log_names(&self, table: &str) -> io::Result<Vec<String>> {
        let folder = format!("{table}/{LOG_FOLDER}");
        match self {
            LakePlace::Folder(lake) => {
                let names = std::fs::read_dir(lake.join(folder)).into_iter().flatten().flatten();
                Ok(names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
            }
            LakePlace::Bucket(at) => Ok(at.listed(&folder)?.into_iter().map(|(name, _)| name).collect()),
        }
    }

    /// What a file holds; an error of the kind `NotFound` if there is none.
    pub fn open(&self, path: &str) -> io::Result<Content> {
        match self {
            LakePlace::Folder(lake) => File::open(lake.join(path)).map(Content::File),
            LakePlace::Bucket(at) => {
                let read = async { at.objects.get(&ObjectPath::from(path)).await?.bytes().await };
                at.store.wait(read).map(Content::Bytes).map_err(|cause| match cause {
                    object_store::Error::NotFound { .. } => io::Error::new(io::ErrorKind::NotFound, cause),
                    cause => io::Error::other(cause),
                })
            }
        }
    }
}

impl InBucket {
    fn listed(&self, folder: &str) -> io::Result<Vec<(String, u64)>> {
        let prefix = ObjectPath::from(folder);
        let listed = self.objects.list(Some(&prefix)).try_collect::<Vec<_>>();
        let listed = self.store.wait(listed).map_err(io::Error::other)?;
        let relative = |object: object_store::ObjectMeta| {
            let path = object.location.as_ref().strip_prefix(prefix.as_ref())?.trim_start_matches('/').to_owned();
            Some((path, object.size))
        };
        Ok(listed.into_iter().filter_map(relative).collect())
    }
}

fn below_folder(folder: &Path) -> io::Result<Vec<(String, u64)>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(at) = folders.pop() {
        let entries = match std::fs::read_dir(folder.join(&at)) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let path = at.join(entry.file_name());
            match entry.file_type()?.is_dir() {
                true if path.as_os_str() == LOG_FOLDER => {}
                true => folders.push(path),
                // A run may move it away meanwhile.
                false => {
                    let bytes = entry.metadata().map_or(0, |found| found.len());
                    found.push((path.to_string_lossy().into_owned(), bytes));
                }
            }
        }
    }
    Ok(found)
}
