//! The Delta log of one table: created, widened and checkpointed by `deltalake-core`. Commits are appended here, because
//! they must be on the disk before they are reported, and must not cost more the more files a table has.

use super::durable::{create_folder, failed};
use super::place::LakePlace;
use super::schema::{EVENT_DATE, KEYS_KEY, MERGE_KEY, SCHEMA_VERSION, SCHEMA_VERSION_KEY};
use arrow::datatypes::{DataType, Schema};
use deltalake_core::kernel::engine::arrow_conversion::{TryIntoArrow, TryIntoKernel};
use deltalake_core::kernel::transaction::CommitData;
use deltalake_core::kernel::{Action, Add, StructField, StructType, Transaction};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::{DeltaTable, checkpoints};
use rhumb_engine::sink::{Segment, SinkError};
use rhumb_engine::trouble::unsettled;
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use tokio::runtime::Runtime;

pub(super) const LOG_FOLDER: &str = "_delta_log";
/// Tag of a file in the log: the checksum of all its bytes.
pub(super) const CHECKSUM_KEY: &str = "rhumb.checksum";
/// A reader starts from a checkpoint and reads at most this many commits after it.
const CHECKPOINT_COMMITS: u64 = 100;
/// How long commits that a checkpoint covers are kept, for time travel.
const LOG_RETENTION: &str = "interval 1 days";
/// Commits of others that may come before ours before we give up.
const CONFLICTS_MAX: u32 = 64;

/// One table's log, as one writer sees it.
pub struct DeltaLog {
    lake: LakePlace,
    /// Its folder in the lake.
    name: String,
    /// Names our transactions: the pipeline.
    application: String,
    /// The newest version we know of.
    version: u64,
    /// Our newest epoch in the log.
    committed: Option<u64>,
}

impl DeltaLog {
    /// Opens a table, creates it if there is none, and adds columns that it does not have yet.
    ///
    /// # Errors
    /// If the table was written by a newer version, or does not fit the columns; the text names the column and says what
    /// to do.
    pub fn open(
        runtime: &Runtime,
        lake: &LakePlace,
        name: &str,
        application: &str,
        columns: Option<&Schema>,
    ) -> Result<DeltaLog, SinkError> {
        if let LakePlace::Folder(lake) = lake {
            create_folder(&lake.join(name))?;
        }
        let opened = runtime.block_on(async {
            let mut table = lake.handle(name)?;
            match (table.verify_deltatable_existence().await?, columns) {
                (false, None) => return Err("there is no such table".into()),
                (false, Some(columns)) => table = create(table, name, columns).await?,
                (true, _) => table.load().await?,
            }
            check_version(&table)?;
            if let Some(columns) = columns {
                table = widen(table, columns).await?;
                table = name_keys(table, columns).await?;
            }
            let state = table.snapshot()?;
            let committed = state.snapshot().transaction_version(&table.log_store(), application).await?;
            Ok((state.version(), committed.and_then(|v| u64::try_from(v).ok())))
        });
        let (version, committed) = opened.map_err(|cause: Box<dyn std::error::Error + Send + Sync>| {
            failed("open the table", lake.shown(name))(cause)
        })?;
        let (lake, name) = (lake.clone(), name.to_owned());
        Ok(DeltaLog { lake, name, application: application.to_owned(), version, committed })
    }

    /// Whether the log of a table names a file; not if there is no such table.
    pub fn names(runtime: &Runtime, lake: &LakePlace, name: &str, path: &str) -> Result<bool, SinkError> {
        let named = runtime.block_on(async {
            let mut table = lake.handle(name)?;
            if !table.verify_deltatable_existence().await? {
                return Ok(false);
            }
            table.load().await?;
            #[allow(deprecated, reason = "the only way to all files at once")]
            let is_it = table.snapshot()?.log_data().iter().any(|view| view.path() == path);
            Ok(is_it)
        });
        named.map_err(|cause: Box<dyn std::error::Error + Send + Sync>| {
            failed("open the table", lake.shown(name))(cause)
        })
    }

    /// For messages.
    fn shown(&self) -> PathBuf {
        self.lake.shown(&self.name)
    }

    /// True if the log has this epoch, or a later one.
    pub fn has(&self, epoch: u64) -> bool {
        self.committed.is_some_and(|c| c >= epoch)
    }

    /// Our newest epoch in the log, if it is later than this one.
    pub fn ahead_of(&self, epoch: u64) -> Option<u64> {
        self.committed.filter(|committed| *committed > epoch)
    }

    /// Makes files that stand in their places part of the table, durably and in one step, unless the epoch is in the
    /// log already. `scratch` tells the files of this writer from those of others.
    pub fn commit(
        &mut self,
        runtime: &Runtime,
        epoch: u64,
        segments: &[&Segment],
        scratch: u64,
    ) -> Result<(), SinkError> {
        let bytes = self.entry(epoch, segments)?;
        let scratch = format!("_commit_{scratch}-{epoch}.json.tmp");
        for _ in 0..CONFLICTS_MAX {
            if self.has(epoch) {
                return Ok(());
            }
            let version = self.version + 1;
            if self.lake.create_commit(&self.name, version, &scratch, &bytes)? {
                self.version = version;
                self.committed = Some(epoch);
                if version.is_multiple_of(CHECKPOINT_COMMITS) {
                    self.checkpoint(runtime);
                }
                return Ok(());
            }
            // Someone else took the number: a compaction, or an engine that has taken over and finishes this epoch.
            *self = DeltaLog::open(runtime, &self.lake, &self.name, &self.application, None)?;
        }
        let cause =
            format!("{CONFLICTS_MAX} times in a row another writer was faster: is a second engine running on it?");
        Err(failed("commit to the table", self.shown())(cause))
    }

    fn entry(&self, epoch: u64, segments: &[&Segment]) -> Result<Vec<u8>, SinkError> {
        let mut actions = Vec::with_capacity(segments.len());
        for segment in segments {
            actions.push(Action::Add(self.add(segment)?));
        }
        let partition_by = Some(vec![EVENT_DATE.to_owned()]);
        let operation = DeltaOperation::Write { mode: SaveMode::Append, partition_by, predicate: None };
        let epoch = i64::try_from(epoch).expect("epochs are counted from 1");
        let transaction = Transaction::new(&self.application, epoch);
        let data = CommitData::new(actions, operation, HashMap::new(), vec![transaction]);
        let bytes = data.get_bytes().map_err(failed("write the log of", self.shown()))?;
        Ok([&bytes[..], b"\n"].concat())
    }

    fn add(&self, segment: &Segment) -> Result<Add, SinkError> {
        let path = format!("{}/{}", self.name, segment.path);
        let found = self.lake.find(&path)?;
        if found.bytes != segment.bytes {
            let cause = format!("it has {} bytes, {} were written", found.bytes, segment.bytes);
            return Err(failed("use", self.lake.shown(&path))(unsettled(io::Error::other(cause))));
        }
        Ok(Add {
            path: segment.path.clone(),
            partition_values: HashMap::from([(EVENT_DATE.to_owned(), Some(super::date_text(segment.event_date)))]),
            size: i64::try_from(segment.bytes).expect("a file is shorter than 2^63 bytes"),
            modification_time: found.modified_ms,
            data_change: true,
            stats: Some(segment.statistics.clone()),
            tags: segment.checksum.clone().map(|sum| HashMap::from([(CHECKSUM_KEY.to_owned(), Some(sum))])),
            deletion_vector: None,
            base_row_id: None,
            default_row_commit_version: None,
            clustering_provider: None,
        })
    }

    /// Sums the log up, and deletes what nobody needs any more. A log without it is slower, not wrong: failing is no
    /// reason to stop.
    fn checkpoint(&self, runtime: &Runtime) {
        let done = runtime.block_on(async {
            let mut table = self.lake.handle(&self.name)?;
            table.load().await?;
            checkpoints::create_checkpoint(&table, None).await?;
            checkpoints::cleanup_metadata(&table, None).await?;
            Ok(())
        });
        if let Err(cause) = done {
            let cause: Box<dyn std::error::Error + Send + Sync> = cause;
            tracing::warn!(table = %self.shown().display(), %cause, "the table's log could not be checkpointed");
        }
    }
}

pub(super) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

async fn create(table: DeltaTable, name: &str, columns: &Schema) -> Outcome<DeltaTable> {
    let schema: StructType = columns.try_into_kernel()?;
    let configuration = [
        (SCHEMA_VERSION_KEY, SCHEMA_VERSION.to_string()),
        ("delta.checkpointInterval", CHECKPOINT_COMMITS.to_string()),
        ("delta.logRetentionDuration", LOG_RETENTION.to_owned()),
    ];
    let created = table
        .create()
        .with_table_name(name)
        .with_columns(schema.fields().cloned())
        .with_partition_columns([EVENT_DATE])
        .with_configuration(configuration.map(|(key, value)| (key, Some(value))))
        .with_raise_if_key_not_exists(false)
        .with_save_mode(SaveMode::Ignore);
    Ok(created.await?)
}

fn check_version(table: &DeltaTable) -> Outcome<()> {
    let metadata = table.snapshot()?.metadata();
    let Some(found) = metadata.configuration().get(SCHEMA_VERSION_KEY) else {
        return Err("it was not written by rhumb: move it out of the lake".into());
    };
    match found.parse::<u32>() {
        Ok(found) if found <= SCHEMA_VERSION => Ok(()),
        _ => {
            Err(format!("it has schema version {found}, this build writes up to {SCHEMA_VERSION}: use the newer rhumb")
                .into())
        }
    }
}

/// Adds the columns that the table lacks; rows that are there have none of them.
async fn widen(table: DeltaTable, columns: &Schema) -> Outcome<DeltaTable> {
    let known: Schema = table.snapshot()?.schema().as_ref().try_into_arrow()?;
    let mut new: Vec<StructField> = Vec::new();
    for column in columns.fields() {
        match known.field_with_name(column.name()) {
            Ok(there) if same_type(there.data_type(), column.data_type()) => {
                if column.is_nullable() && !there.is_nullable() {
                    return Err(format!(
                        "every row must have its column {}, and rows of the pipeline may now be without: rename the \
                         column in the pipeline, or move the table's folder away to start a new one",
                        column.name()
                    )
                    .into());
                }
            }
            Ok(there) => {
                return Err(format!(
                    "its column {} is of type {}, the pipeline now gives {}: rename the column in the pipeline, \
                     or move the table's folder away to start a new one",
                    column.name(),
                    there.data_type(),
                    column.data_type()
                )
                .into());
            }
            Err(_) => new.push((&column.as_ref().clone().with_nullable(true)).try_into_kernel()?),
        }
    }
    for there in known.fields().iter().filter(|f| !f.is_nullable()) {
        if columns.field_with_name(there.name()).is_err() {
            return Err(format!(
                "the pipeline no longer gives its column {}, which every row must have: move the table's folder away \
                 to start a new one",
                there.name()
            )
            .into());
        }
    }
    match new.is_empty() {
        true => Ok(table),
        false => Ok(table.add_columns().with_fields(new).await?),
    }
}

/// Says in the table's configuration which columns tell its rows apart, and how rows are put together.
async fn name_keys(table: DeltaTable, columns: &Schema) -> Outcome<DeltaTable> {
    let wanted = [KEYS_KEY, MERGE_KEY].map(|key| Some((key.to_owned(), columns.metadata().get(key)?.clone())));
    let properties: HashMap<String, String> = wanted.into_iter().flatten().collect();
    let known = table.snapshot()?.metadata().configuration().clone();
    if let (Some(was), Some(is)) = (known.get(KEYS_KEY), properties.get(KEYS_KEY))
        && was != is
        && table.snapshot()?.log_data().iter().next().is_some()
    {
        return Err(format!(
            "the column(s) {was} tell its rows apart, and {is} those of the pipeline, under which they would hide each other: \
             give the operator another name, or move the table's folder away to start a new one"
        )
        .into());
    }
    if properties.iter().all(|(key, value)| known.get(key) == Some(value)) {
        return Ok(table);
    }
    Ok(table.set_tbl_properties().with_properties(properties).with_raise_if_not_exists(false).await?)
}

/// The names of a list's items do not matter, and nor does what its nulls are.
fn same_type(a: &DataType, b: &DataType) -> bool {
    match (a, b) {
        (DataType::List(a), DataType::List(b)) => same_type(a.data_type(), b.data_type()),
        _ => a == b,
    }
}
