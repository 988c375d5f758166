//! Where the tables of a data folder are: folders of a disk, or places in an object store.

use crate::log;
use deltalake_core::{DeltaTable, DeltaTableError};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use rhumb_engine::bucket::{Bucket, DataPlace};
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

/// Folder of the lake in the data folder.
const FOLDER: &str = "lake";

pub(crate) enum Lake {
    Folder(PathBuf),
    Bucket(Bucket),
}

impl Lake {
    /// With what queries may read of it.
    ///
    /// # Errors
    /// If there is no such data folder.
    pub(crate) fn of(data: &DataPlace) -> Result<(Lake, Arc<dyn ObjectStore>), Box<dyn Error>> {
        match data {
            DataPlace::Folder(data) => {
                let data = data.canonicalize()?;
                let lake = data.join(FOLDER);
                // Where there is no lake yet nothing can be read, so which folder stands for it does not matter.
                let objects = LocalFileSystem::new_with_prefix(if lake.is_dir() { &lake } else { &data })?;
                Ok((Lake::Folder(lake), Arc::new(objects)))
            }
            DataPlace::Bucket(data) => {
                let lake = data.below(FOLDER);
                let objects = lake.objects();
                Ok((Lake::Bucket(lake), objects))
            }
        }
    }

    /// For messages.
    pub(crate) fn shown(&self, table: &str) -> String {
        match self {
            Lake::Folder(lake) => lake.join(table).display().to_string(),
            Lake::Bucket(lake) => format!("{}/{table}", lake.url()),
        }
    }

    /// Names of the tables; an error in a sentence.
    pub(crate) async fn tables(&self) -> Result<Vec<String>, String> {
        match self {
            Lake::Folder(lake) => {
                let Ok(folders) = std::fs::read_dir(lake) else { return Ok(Vec::new()) };
                let mut names = Vec::new();
                for folder in folders {
                    let folder = folder.map_err(|cause| cause.to_string())?;
                    if folder.path().join("_delta_log").is_dir() {
                        names.push(folder.file_name().to_string_lossy().into_owned());
                    }
                }
                Ok(names)
            }
            Lake::Bucket(lake) => {
                let objects = lake.objects();
                let listed = objects.list_with_delimiter(None).await.map_err(|cause| cause.to_string())?;
                let mut names = Vec::new();
                for folder in listed.common_prefixes {
                    let first = ObjectPath::from(format!("{folder}/_delta_log"));
                    let listed = objects.list_with_delimiter(Some(&first)).await.map_err(|cause| cause.to_string())?;
                    if !listed.objects.is_empty() {
                        names.extend(folder.filename().map(str::to_owned));
                    }
                }
                Ok(names)
            }
        }
    }

    /// A table, not loaded.
    pub(crate) fn table(&self, name: &str) -> Result<DeltaTable, DeltaTableError> {
        match self {
            Lake::Folder(lake) => log::in_folder(&lake.join(name)),
            Lake::Bucket(lake) => log::in_bucket(&lake.below(name)),
        }
    }
}
