//! What survives a crash, and all that can go wrong with it: an object store under manifests and state, and the files
//! and tables of a lake.

use crate::broken::Broken;
use crate::dice::Dice;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard};

/// What becomes of an operation on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    Done,
    /// The process died before it.
    Undone,
    /// The process died right after it.
    Unheard,
    /// The disk is full; somebody may free some space soon.
    Refused,
}

/// For so many more operations a disk that is full stays so: a few tries, or more than an engine is patient for.
const REFUSED_FOR: [usize; 4] = [0, 2, 6, 40];

/// Decides the fate of each operation of one engine. Once it has died, nothing more is done.
pub struct Fuse(Mutex<Burning>);

struct Burning {
    dice: Dice,
    /// An operation in so many goes wrong.
    once_in: usize,
    is_dead: bool,
    /// Operations that a full disk will still refuse.
    refused_for: usize,
    /// Of all that was done, in order.
    trace: DefaultHasher,
}

impl Fuse {
    pub fn new(seed: u64, once_in: usize) -> Fuse {
        let trace = DefaultHasher::new();
        Fuse(Mutex::new(Burning { dice: Dice::new(seed), once_in, is_dead: false, refused_for: 0, trace }))
    }

    fn burning(&self) -> MutexGuard<'_, Burning> {
        self.0.lock().expect("one thread")
    }

    pub fn blow(&self) {
        self.burning().is_dead = true;
    }

    pub fn trace(&self) -> u64 {
        self.burning().trace.finish()
    }

    /// Operations are told by what is done to what.
    pub fn fate(&self, operation: &str) -> Fate {
        let burning = &mut *self.burning();
        let once_in = burning.once_in;
        let fate = match burning.is_dead {
            true => Fate::Undone,
            false if burning.refused_for > 0 => {
                burning.refused_for -= 1;
                Fate::Refused
            }
            false if burning.dice.once_in(once_in) => {
                let fate = [Fate::Undone, Fate::Unheard, Fate::Refused][burning.dice.below(3)];
                if fate == Fate::Refused {
                    burning.refused_for = REFUSED_FOR[burning.dice.below(REFUSED_FOR.len())];
                }
                fate
            }
            false => Fate::Done,
        };
        burning.is_dead |= matches!(fate, Fate::Undone | Fate::Unheard);
        (operation, fate).hash(&mut burning.trace);
        fate
    }
}

pub fn failed(fate: Fate) -> Box<dyn std::error::Error + Send + Sync> {
    format!("{fate:?}").into()
}

/// The store of manifests and state, as one engine sees it.
#[derive(Clone)]
pub struct Objects {
    pub objects: Arc<InMemory>,
    pub fuse: Arc<Fuse>,
    pub broken: Option<Broken>,
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Objects {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("objects")
    }
}

fn wrong(fate: Fate) -> Error {
    Error::Generic { store: "simulation", source: failed(fate) }
}

#[async_trait::async_trait]
impl ObjectStore for Objects {
    async fn put_opts(&self, location: &Path, payload: PutPayload, mut options: PutOptions) -> Result<PutResult> {
        if self.broken == Some(Broken::ManifestOverwritten) {
            options.mode = PutMode::Overwrite;
        }
        match self.fuse.fate(location.as_ref()) {
            Fate::Done => self.objects.put_opts(location, payload, options).await,
            Fate::Unheard => {
                self.objects.put_opts(location, payload, options).await?;
                Err(wrong(Fate::Unheard))
            }
            fate => Err(wrong(fate)),
        }
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        unreachable!("manifests and state are written whole")
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.objects.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let Objects { objects, fuse, .. } = self.clone();
        let delete = move |location: Result<Path>| {
            let (objects, fuse) = (objects.clone(), fuse.clone());
            async move {
                let location = location?;
                let fate = fuse.fate(location.as_ref());
                if matches!(fate, Fate::Done | Fate::Unheard) {
                    object_store::ObjectStoreExt::delete(&*objects, &location).await?;
                }
                if fate == Fate::Done { Ok(location) } else { Err(wrong(fate)) }
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.objects.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        unreachable!("nothing is copied")
    }
}

/// Files that segments are in, and tables that name some of them.
#[derive(Default)]
pub struct Lake {
    files: BTreeMap<String, Written>,
    tables: BTreeMap<String, Table>,
}

struct Written {
    rows: Vec<String>,
    is_synced: bool,
}

/// As a Delta log: which files, and the newest epoch that added some.
#[derive(Default)]
struct Table {
    files: Vec<String>,
    epoch: u64,
}

impl Lake {
    pub fn write(&mut self, path: &str, rows: Vec<String>) {
        let before = self.files.insert(path.to_owned(), Written { rows, is_synced: false });
        assert!(before.is_none(), "two segments of one name: {path}");
    }

    pub fn sync(&mut self, path: &str) {
        self.files.get_mut(path).expect("written before").is_synced = true;
    }

    /// Adds an epoch's files, once. Files without an epoch are added whatever was before.
    pub fn add(&mut self, table: &str, files: &[String], epoch: Option<u64>) {
        let table = self.tables.entry(table.to_owned()).or_default();
        if epoch.is_none_or(|epoch| table.epoch < epoch) {
            table.files.extend_from_slice(files);
            table.epoch = table.epoch.max(epoch.unwrap_or(0));
        }
    }

    /// The machine goes down: of what was not synced, some beginning is left.
    pub fn crash(&mut self, dice: &mut Dice) {
        for file in self.files.values_mut().filter(|file| !file.is_synced) {
            file.rows.truncate(dice.below(file.rows.len() + 1));
            file.is_synced = true;
        }
    }

    /// What a reader sees.
    pub fn rows(&self, table: &str) -> Vec<String> {
        let of_table = self.tables.get(table).map_or(&[][..], |table| &table.files);
        of_table.iter().flat_map(|path| self.files[path].rows.iter().cloned()).collect()
    }
}
