//! Verification: whether a data folder holds what was committed, all of it, once, and as it was written.
//!
//! Nothing is written, locked or made, so that a folder can be verified while an engine runs in it: what is committed
//! after the newest manifest was read is not looked at.

mod chain;
mod counts;
mod files;
mod log;
mod report;

pub use report::{Problem, Report, TableSum, Wrong};

use super::place::LakePlace;
use super::schema::NUMBER;
use super::{FOLDER, application, table, upload};
use counts::{Counts, Numbers, check_frames, check_rows};
use files::Fault;
use log::Log;
use rhumb_engine::account::Account;
use rhumb_engine::bucket::DataPlace;
use rhumb_engine::manifest::{self, Manifest, ManifestError};
use rhumb_engine::store::Store;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::runtime::Runtime;

#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("the data folder {place} cannot be read")]
    Data {
        place: DataPlace,
        #[source]
        cause: io::Error,
    },
    #[error("there is no manifest in {place}: it is no data folder of a pipeline, or nothing was ever run there")]
    NoManifest { place: DataPlace },
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

/// Verifies a data folder.
///
/// # Errors
/// If there is nothing to verify, or the folder cannot be read at all. What is wrong with what is there is in the report.
pub fn verify(data: impl Into<DataPlace>) -> Result<Report, VerifyError> {
    let place = data.into();
    let unreadable = |cause| VerifyError::Data { place: place.clone(), cause };
    if let DataPlace::Folder(folder) = &place {
        std::fs::metadata(folder).map_err(unreadable)?;
    }
    let store = Arc::new(place.store().map_err(unreadable)?);
    let mut report = Report {
        data: place.to_string().into(),
        pipeline: String::new(),
        manifest: 0,
        epoch: 0,
        tables: BTreeMap::new(),
        problems: Vec::new(),
        notes: Vec::new(),
    };
    let Some(last) = chain::newest(&store, &mut report)? else {
        return match report.problems.is_empty() {
            true => Err(VerifyError::NoManifest { place }),
            false => Ok(report),
        };
    };
    (report.pipeline, report.manifest, report.epoch) = (last.pipeline.clone(), last.number, last.epoch);
    let found = report.problems.len();
    chain::check_state(&store, &last, &mut report);
    if manifest::newest(&store)?.is_some_and(|newest| newest.number > last.number + 1) {
        // State goes once two manifests have come after it.
        report.problems.truncate(found);
    }
    let accounts = chain::accounts(&store, &last, &mut report);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(unreadable)?;
    let lake = LakePlace::of(&place).map_err(unreadable)?;
    Verifier { lake, store: store.clone(), last, accounts, runtime, report }.tables().map_err(unreadable)
}

struct Verifier {
    lake: LakePlace,
    store: Arc<Store>,
    last: Manifest,
    accounts: BTreeMap<u64, Account>,
    runtime: Runtime,
    report: Report,
}

/// What is known of a table once its files are looked at.
#[derive(Default)]
struct Looked {
    counts: Counts,
    /// The last epoch, if its segments are not in the log yet.
    pending: Option<u64>,
    /// Its log and all files could be read.
    is_whole: bool,
}

impl Verifier {
    fn tables(mut self) -> io::Result<Report> {
        let mut names: BTreeSet<String> =
            self.accounts.values().flat_map(|account| account.rows.keys().cloned()).collect();
        for (name, is_folder) in self.lake.entries()? {
            match is_folder {
                true if name == table::STAGING => {}
                true => drop(names.insert(name)),
                false => self.report.wrong(Wrong::Orphan, format!("{FOLDER}/{name}"), "no table has it"),
            }
        }
        let mut looked = BTreeMap::new();
        for name in names {
            let table = self.table(&name)?;
            looked.insert(name, table);
        }
        let (history, rejects) = (looked.get("history"), looked.get("rejects"));
        if let (Some(history), Some(rejects)) = (history, rejects)
            && history.is_whole
            && rejects.is_whole
        {
            let pending = history.pending.or(rejects.pending);
            check_frames(&history.counts, &rejects.counts, &self.accounts, pending, &mut self.report);
        }
        self.staging()?;
        self.report.problems.sort();
        Ok(self.report)
    }

    fn table(&mut self, name: &str) -> io::Result<Looked> {
        let pipeline = &self.last.pipeline;
        let application = application(pipeline, self.last.committed_by.as_deref());
        let Some(log) = log::read(&self.runtime, &self.lake, name, pipeline, &application, &mut self.report) else {
            return Ok(Looked::default());
        };
        let before = self.report.problems.len();
        let mut looked = Looked { pending: self.pending(name, &log), ..Looked::default() };
        let mut numbers = self.numbers(name, looked.pending);
        let mut unsure = 0;
        for named in &log.files {
            let path = format!("{name}/{}", named.path);
            let at = format!("{FOLDER}/{path}");
            let read = files::whole(&self.lake, &path, named.bytes, named.checksum.as_deref())
                .and_then(|()| files::count(&self.lake, &path, named, &mut looked.counts, numbers.as_mut()));
            unsure += u64::from(named.checksum.is_none());
            let sum = self.report.tables.entry(name.to_owned()).or_default();
            sum.files += 1;
            sum.bytes += named.bytes;
            match read {
                Ok(rows) => sum.rows += rows,
                Err(Fault::Missing) => {
                    let rows = named.rows.map_or_else(String::new, |rows| format!(", with {rows} rows"));
                    self.report.wrong(Wrong::MissingFile, at, format!("the file is gone{rows}"));
                }
                Err(Fault::Damaged(why)) => self.report.wrong(Wrong::DamagedFile, at, why),
            }
        }
        if unsure > 0 {
            let what = "have no checksum in its log: an older version, or another writer, wrote them";
            self.report
                .note(format!("{unsure} files of {name} {what}; only their length, footer and rows were checked"));
        }
        looked.is_whole = self.report.problems.len() == before;
        self.orphans(name, &log, looked.pending)?;
        if !looked.is_whole {
            self.report.note(format!("rows of {name} were not counted: files of it are missing or damaged"));
            return Ok(looked);
        }
        self.rows(name, &looked);
        numbers.into_iter().for_each(|numbers| numbers.check(name, &mut self.report));
        Ok(looked)
    }

    /// Whether the segments of the last commit still have to be put into the table's log.
    fn pending(&mut self, name: &str, log: &Log) -> Option<u64> {
        let segments: Vec<_> = self.last.segments.iter().filter(|segment| segment.table == name).collect();
        if segments.is_empty() || log.epoch.is_some_and(|epoch| epoch >= self.last.epoch) {
            return None;
        }
        for segment in &segments {
            let place = format!("{name}/{}", segment.path);
            let shown = format!("{FOLDER}/{place}");
            let staged = table::staged(Path::new(""), segment).to_string_lossy().into_owned();
            let at = match &self.lake {
                LakePlace::Folder(lake) if !lake.join(&place).is_file() => staged,
                _ => place,
            };
            match files::whole(&self.lake, &at, segment.bytes, segment.checksum.as_deref()) {
                Ok(()) => {}
                Err(Fault::Missing) => self.report.wrong(Wrong::MissingFile, shown, "it is committed, and gone"),
                Err(Fault::Damaged(why)) => self.report.wrong(Wrong::DamagedFile, shown, why),
            }
        }
        let (epoch, files) = (self.last.epoch, segments.len());
        self.report.note(format!(
            "epoch {epoch} is committed and not yet in the log of {name} ({files} files): the next run puts it there, or the \
             one that runs now"
        ));
        Some(epoch)
    }

    fn numbers(&mut self, name: &str, pending: Option<u64>) -> Option<Numbers> {
        let is_shared = !self.last.instances.is_empty();
        let last_epoch = match is_shared {
            true => self.last.epoch.max(self.last.epochs_given),
            false => self.last.epoch - u64::from(pending.is_some()),
        };
        match name {
            // Each instance numbers its own; an alert that it told before it was killed may be committed by another.
            "alerts" if is_shared => {
                self.report.note(
                    "instances have shared the pipeline: numbers of alerts are of each alone, and were not checked"
                        .to_owned(),
                );
                None
            }
            "alerts" => {
                let all = u64::try_from(self.last.next_sequence - 1).unwrap_or_default();
                let pending = pending.and_then(|epoch| self.accounts.get(&epoch)?.rows.get(name)).copied();
                // Those stand in the alert log alone until they arise again.
                let unmatched = match self.last.unmatched_sequence {
                    0 => self.last.next_sequence,
                    unmatched => unmatched,
                };
                let numbers = Numbers::over_all("sequence", all, last_epoch);
                Some(numbers.lacking(unmatched, pending.unwrap_or(0)))
            }
            "rejects" => {
                let of = |(epoch, account): (&u64, &Account)| Some((*epoch, *account.rows.get(name)?));
                let expected = self
                    .accounts
                    .iter()
                    .filter_map(of)
                    .filter(|(epoch, _)| *epoch <= last_epoch && Some(*epoch) != pending);
                Some(Numbers::by_epoch(NUMBER, expected.collect(), last_epoch))
            }
            _ => None,
        }
    }

    fn rows(&mut self, name: &str, looked: &Looked) {
        check_rows(name, &looked.counts, &self.accounts, looked.pending, &mut self.report);
        let newest = manifest::newest(&self.store).ok().flatten().map_or(0, |newest| newest.epoch);
        let last = self.last.epoch.max(newest);
        for epoch in looked.counts.epochs() {
            let detail = if self.last.instances.is_empty() {
                (epoch > last)
                    .then(|| format!("it has rows of epoch {epoch}, and the last manifest is of epoch {last}"))
            } else {
                let is_committed = self.accounts.contains_key(&epoch) || self.may_be_committed(epoch);
                (!is_committed).then(|| format!("it has rows of epoch {epoch}, which no instance has committed"))
            };
            if let Some(detail) = detail {
                self.report.wrong(Wrong::Rows, format!("{FOLDER}/{name}"), detail);
            }
        }
    }

    /// Whether an epoch may have been committed since the manifest was read.
    fn may_be_committed(&self, epoch: u64) -> bool {
        let last = &self.last;
        epoch > last.epoch.max(last.epochs_given) || last.instances.values().any(|of| of.next_epoch == epoch)
    }

    /// Files that nothing names. What an engine has put there since the manifest was read is none.
    fn orphans(&mut self, name: &str, log: &Log, pending: Option<u64>) -> io::Result<()> {
        let named: HashSet<&str> = log.files.iter().map(|file| file.path.as_str()).collect();
        let last = self.last.segments.iter().filter(|segment| segment.table == name && pending.is_some());
        let last: HashSet<&str> = last.map(|segment| segment.path.as_str()).collect();
        let under_way: HashSet<String> = match &self.lake {
            LakePlace::Folder(_) => HashSet::new(),
            LakePlace::Bucket(bucket) => upload::listed(bucket).map_err(io::Error::other)?.into_iter().collect(),
        };
        let (mut removed, mut uncommitted) = (0, 0);
        for (path, _) in self.lake.below(name)? {
            if named.contains(path.as_str()) || last.contains(path.as_str()) {
                continue;
            }
            if log.removed.contains(&path) {
                removed += 1;
            } else if under_way.contains(&format!("{name}/{path}")) {
                uncommitted += 1;
            } else if epoch_of(&path).is_none_or(|epoch| !self.may_be_committed(epoch)) {
                let what = "no log and no manifest names it; its rows are in no table";
                self.report.wrong(Wrong::Orphan, format!("{FOLDER}/{name}/{path}"), what);
            }
        }
        if uncommitted > 0 {
            self.report.note(format!(
                "{uncommitted} files of {name} are of no commit: a run is under way, or one was killed and the next deletes them"
            ));
        }
        if removed > 0 {
            self.report
                .note(format!("{removed} files of {name} are no longer part of it, and stand there for older readers"));
        }
        Ok(())
    }

    /// What is staged and not committed is of a run that is under way, or of one that was killed.
    fn staging(&mut self) -> io::Result<()> {
        let staged = |segment| table::staged(Path::new(""), segment);
        let committed: HashSet<PathBuf> = self.last.segments.iter().map(staged).collect();
        if matches!(self.lake, LakePlace::Bucket(_)) {
            // Nothing is staged there but lists of files.
            return Ok(());
        }
        let all = self.lake.below(table::STAGING)?;
        let left = all.iter().filter(|(path, _)| !committed.contains(&Path::new(table::STAGING).join(path)));
        let (files, bytes) = left.fold((0, 0), |(files, bytes), (_, more)| (files + 1, bytes + more));
        if files > 0 {
            self.report.note(format!(
                "{files} files ({bytes} bytes) in {FOLDER}/{} are of no commit: a run is under way, or one was killed and the \
                 next deletes them",
                table::STAGING
            ));
        }
        Ok(())
    }
}

/// The epoch in a segment's name.
fn epoch_of(path: &str) -> Option<u64> {
    let name = path.rsplit('/').next()?.strip_suffix(".parquet")?;
    match name.split('-').collect::<Vec<_>>()[..] {
        [_, epoch, _] => epoch.parse().ok(),
        _ => None,
    }
}
