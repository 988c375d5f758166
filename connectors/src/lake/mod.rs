//! The lake: history, alerts, rejects and the tables of operators as Delta tables over Parquet, below `lake/` in the
//! data folder.
//!
//! Rows become segments as they come: sorted, encoded, made durable below `_staging/` beside the tables, where no
//! reader looks. Once an epoch's manifest stands, its segments are moved to their places and added to the table's log in one
//! commit, which carries the epoch, so that doing it again changes nothing. In an object store nothing can be moved
//! (`upload.rs`).

mod alerts;
mod delta;
mod deltas;
mod durable;
mod gather;
mod growing;
mod history;
mod hybrid;
mod keys;
mod order;
mod pages;
mod place;
mod schema;
mod segment;
mod stats;
mod table;
mod tables;
mod upload;
pub mod verify;

pub use schema::{KEYS_KEY, MERGE_KEY, SCHEMA_VERSION, SCHEMA_VERSION_KEY, tables as stored_tables};

use delta::DeltaLog;
use durable::{failed, move_file, sync_folder};
use growing::Writing;
use place::LakePlace;
use rhumb_engine::message::Output;
use rhumb_engine::operator::TablePlan;
use rhumb_engine::retry::Retry;
use rhumb_engine::sink::{Segment, Sink, SinkContext, SinkError, SinkPlan};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use table::{Table, Tables};
use tokio::runtime::Runtime;

/// So often an instance tries to open a table that another one changes.
const OPENED_MAX: u32 = 16;
/// Folder of the lake in the data folder.
pub const FOLDER: &str = "lake";
/// Rows of a table after which they are sorted and written as a row group, without waiting for the end of the epoch. Their
/// columns fit into the processor's cache together, in which sorting them is several times as fast as in memory.
pub const GROUP_ROWS: usize = 1 << 18;

/// The lake as planned.
#[derive(Debug, Clone)]
pub struct LakePlan {
    group_rows: usize,
    redriven: bool,
}

impl Default for LakePlan {
    fn default() -> LakePlan {
        LakePlan { group_rows: GROUP_ROWS, redriven: false }
    }
}

impl LakePlan {
    /// Row groups of at most about this many rows. Fewer need less memory and make larger files.
    pub fn with_group_rows(self, rows: usize) -> LakePlan {
        LakePlan { group_rows: rows.max(1), ..self }
    }

    /// All frames that come are rejects which go in once more: what is refused of them is marked so.
    pub fn redriving(self) -> LakePlan {
        LakePlan { redriven: true, ..self }
    }
}

impl SinkPlan for LakePlan {
    fn name(&self) -> &str {
        "lake"
    }

    fn describe(&self) -> Vec<(String, String)> {
        vec![
            ("format".to_owned(), "Delta Lake over Parquet, by event_date".to_owned()),
            ("row groups".to_owned(), format!("of about {} rows", self.group_rows)),
        ]
    }

    /// Opens every table, and creates those that are not there.
    ///
    /// # Errors
    /// If the folder cannot be written, or a table there does not fit what the pipeline writes.
    fn open(&self, context: &SinkContext) -> Result<Box<dyn Sink>, SinkError> {
        let folder = context.data.join(FOLDER);
        durable::create_folder(&folder)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed("start the runtime for", &folder))?;
        let place = LakePlace::of(&context.place()).map_err(failed("open the lake of", context.place().to_string()))?;
        let sync = match place {
            LakePlace::Folder(_) => File::sync_all,
            // It is durable once it is in the store.
            LakePlace::Bucket(_) => |_: &File| Ok(()),
        };
        let writing = Writing { retry: context.retry.clone(), sync };
        let mut logs = BTreeMap::new();
        let application = application(&context.pipeline, context.instance.as_deref());
        let mut open = |name: &str, written: &arrow::datatypes::Schema| {
            let columns = schema::stored(written).map_err(failed("open the table", place.shown(name)))?;
            let open = || DeltaLog::open(&runtime, &place, name, &application, Some(&columns));
            // Another instance may be making or widening the table at the same moment.
            let tries = if context.instance.is_some() { OPENED_MAX } else { 1 };
            let mut log = open();
            for _ in 1..tries {
                if log.is_ok() {
                    break;
                }
                log = open();
            }
            logs.insert(name.to_owned(), log?);
            Table::open(&folder, name, context.claim, writing.clone())
        };
        let tables = Tables::open(context, self.group_rows, self.redriven, &mut open)?;
        Ok(Box::new(LakeSink {
            folder,
            place,
            retry: context.retry.clone(),
            pipeline: context.pipeline.clone(),
            application,
            claim: context.claim,
            live_claims: context.live_claims.clone(),
            runtime,
            logs,
            tables,
            epoch: 1,
            last: BTreeSet::new(),
            swept: false,
        }))
    }
}

struct LakeSink {
    /// On the local disk: where segments grow, and the tables if they are nowhere else.
    folder: PathBuf,
    place: LakePlace,
    retry: Arc<Retry>,
    pipeline: String,
    /// Names our transactions.
    application: String,
    claim: u64,
    /// Of other instances.
    live_claims: BTreeSet<u64>,
    runtime: Runtime,
    logs: BTreeMap<String, DeltaLog>,
    tables: Tables,
    /// The epoch of rows that come now: epochs are numbered from 1 without gaps.
    epoch: u64,
    /// Paths of the segments of the last commit.
    last: BTreeSet<String>,
    swept: bool,
}

impl Sink for LakeSink {
    /// Shares the columns of the frames; copies the rest.
    fn write(&mut self, output: &Output) -> Result<(), SinkError> {
        self.sweep()?;
        self.tables.write(output, self.epoch)
    }

    fn prepare(&mut self, epoch: u64) -> Result<Vec<Segment>, SinkError> {
        self.sweep()?;
        let segments = self.tables.finish(epoch)?;
        if let LakePlace::Bucket(bucket) = &self.place {
            upload::upload(bucket, &self.folder, self.claim, epoch, &segments, &self.retry)?;
        }
        self.epoch = epoch + 1;
        Ok(segments)
    }

    /// # Errors
    /// If a table has a later epoch: the chain of manifests is not the one that the lake was written by, and rows of
    /// epochs that the table has would be taken for written.
    fn committed(&mut self, epoch: u64, segments: &[Segment]) -> Result<(), SinkError> {
        if let Some((name, ahead)) = self.logs.iter().find_map(|(name, log)| Some((name, log.ahead_of(epoch)?))) {
            let cause = format!(
                "the table has the pipeline's epoch {ahead}, and the last manifest is of epoch {epoch}: put the \
                 manifests back that the lake was written with, or move the lake away, or use another data folder"
            );
            return Err(failed("go on with the table", self.place.shown(name))(cause));
        }
        self.epoch = self.epoch.max(epoch + 1);
        let retry = self.retry.clone();
        for (name, segments) in by_table(segments) {
            retry.run(format_args!("publish epoch {epoch} of the table {name}"), || {
                if !self.logs.contains_key(name) {
                    // A table of an operator that the pipeline no longer has: its last rows are due all the same.
                    let log = DeltaLog::open(&self.runtime, &self.place, name, &self.application, None)?;
                    self.logs.insert(name.to_owned(), log);
                }
                let log = self.logs.get_mut(name).expect("it was just opened");
                publish(&self.runtime, &self.place, log, epoch, name, &segments, self.claim)
            })?;
        }
        self.last = segments.iter().map(|segment| format!("{}/{}", segment.table, segment.path)).collect();
        match &self.place {
            LakePlace::Folder(_) => Ok(()),
            LakePlace::Bucket(bucket) => upload::forget(bucket, &self.folder, self.claim, epoch, segments, &self.retry),
        }
    }

    fn help(&mut self, instance: Option<&str>, epoch: u64, segments: &[Segment]) -> Result<(), SinkError> {
        let application = application(&self.pipeline, instance);
        for (name, segments) in by_table(segments) {
            self.retry.run(format_args!("publish epoch {epoch} of the table {name}"), || {
                let mut log = DeltaLog::open(&self.runtime, &self.place, name, &application, None)?;
                publish(&self.runtime, &self.place, &mut log, epoch, name, &segments, self.claim)
            })?;
        }
        Ok(())
    }
}

/// Under which name an engine's epochs stand in the logs of tables: each instance counts its own.
fn application(pipeline: &str, instance: Option<&str>) -> String {
    instance.map_or(pipeline.to_owned(), |instance| format!("{pipeline}/{instance}"))
}

fn by_table(segments: &[Segment]) -> BTreeMap<&str, Vec<&Segment>> {
    let mut by_table: BTreeMap<&str, Vec<&Segment>> = BTreeMap::new();
    for segment in segments {
        by_table.entry(&segment.table).or_default().push(segment);
    }
    by_table
}

/// Moves the segments of one table to their places, then names them in its log. Several may do it at the same time.
fn publish(
    runtime: &Runtime,
    place: &LakePlace,
    log: &mut DeltaLog,
    epoch: u64,
    name: &str,
    segments: &[&Segment],
    claim: u64,
) -> Result<(), SinkError> {
    if log.has(epoch) {
        return Ok(());
    }
    if let LakePlace::Folder(lake) = place {
        let mut folders = BTreeSet::new();
        for segment in segments {
            let (staged, place) = (table::staged(lake, segment), lake.join(name).join(&segment.path));
            let date = place.parent().expect("a segment has a folder").to_owned();
            durable::create_folder(&date)?;
            move_file(&staged, &place)?;
            folders.insert(date);
        }
        folders.iter().try_for_each(|f| sync_folder(f))?;
    }
    log.commit(runtime, epoch, segments, claim)
}

impl LakeSink {
    /// Deletes what earlier engines staged and no manifest named. By the time of the first row the segments of the
    /// last manifest have been moved away, so all that is left of earlier claims is of no use, unless these are of
    /// instances that still have lanes.
    fn sweep(&mut self) -> Result<(), SinkError> {
        if std::mem::replace(&mut self.swept, true) {
            return Ok(());
        }
        let is_dead = |claim: u64| claim < self.claim && !self.live_claims.contains(&claim);
        self.logs.keys().try_for_each(|name| table::sweep(&self.folder, name, is_dead))?;
        let LakePlace::Bucket(bucket) = &self.place else { return Ok(()) };
        let is_committed = |place: &str| {
            let (table, path) = place.split_once('/').unwrap_or_default();
            Ok(self.last.contains(place) || DeltaLog::names(&self.runtime, &self.place, table, path)?)
        };
        upload::sweep(bucket, is_dead, is_committed, &self.retry)
    }
}

/// What a row's `event_date` is taken from, and how its table is sorted.
fn sorted_by(plan: &TablePlan) -> Vec<&'static str> {
    let vehicle = plan.schema.field_with_name("vehicle_id").is_ok().then_some("vehicle_id");
    vehicle.into_iter().chain([plan.date_from]).collect()
}

/// A date as in the names of partitions. Days beyond the years that readers know are counted to the first or last one.
fn date_text(days: i32) -> String {
    /// 0001-01-01 and 9999-12-31, in days since 1970-01-01.
    const DAYS: (i32, i32) = (-719_162, 2_932_896);
    let days = days.clamp(DAYS.0, DAYS.1);
    let date = jiff::civil::date(1970, 1, 1).saturating_add(jiff::Span::new().days(days));
    date.strftime("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_of_years_that_readers_know() {
        for (days, text) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (20_000, "2024-10-04"),
            (i32::MIN, "0001-01-01"),
            (-719_162, "0001-01-01"),
            (i32::MAX, "9999-12-31"),
            (2_932_896, "9999-12-31"),
        ] {
            assert_eq!(date_text(days), text);
        }
    }
}
