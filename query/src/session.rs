//! A session: the tables of one data folder, and queries over them that only read and stay within their limits.

use crate::error::QueryError;
use crate::format::{Format, RowCount, Writer};
use crate::log;
use crate::store::LakeOnly;
use crate::table::LakeTable;
use crate::windows;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::MemTable;
use datafusion::common::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::context::{SQLOptions, SessionContext};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::SessionConfig;
use futures::StreamExt;
use std::future::Future;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Memory that the queries of a session may use together, by default.
pub const MEMORY_BYTES: usize = 1 << 30;
/// Bytes that sorts and joins may put on the disk when memory is short.
pub const SPILL_BYTES: u64 = 16 << 30;

/// What the queries of a session may use.
#[derive(Debug, Clone)]
pub struct Limits {
    pub memory_bytes: usize,
    /// Threads, and pieces that a query is cut into.
    pub threads: usize,
    /// `None`: as long as it takes.
    pub timeout: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Limits {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Limits { memory_bytes: MEMORY_BYTES, threads, timeout: None }
    }
}

/// Queries over one data folder: `history`, `alerts`, `rejects`, `windows_<name>` (the newest revision of each window;
/// `windows_<name>_revisions` has all), every other table of the lake, and `current` and `zones` if they were given.
///
/// A session sees the lake as it was when it was opened, or last refreshed. Its methods block, and must not be called
/// from asynchronous code.
pub struct Session {
    lake: PathBuf,
    limits: Limits,
    context: SessionContext,
    /// Taken when the session ends.
    runtime: Option<Runtime>,
}

impl Session {
    /// Opens the lake of a data folder. A folder without a lake is one without tables.
    ///
    /// # Errors
    /// If there is no such folder, or a table's log cannot be read.
    pub fn open(data: &Path, limits: Limits) -> Result<Session, QueryError> {
        let failed = |detail: String| QueryError::Open { path: data.to_owned(), detail };
        let data = data.canonicalize().map_err(|e| failed(e.to_string()))?;
        let lake = data.join("lake");
        // Where there is no lake yet nothing can be read, so which folder stands for it does not matter.
        let folder = if lake.is_dir() { &lake } else { &data };
        let registry = LakeOnly::new(folder).map_err(|e| failed(e.to_string()))?;
        let context = context(&limits, registry).map_err(|e| failed(e.to_string()))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(limits.threads.max(1))
            .thread_name("rhumb-query")
            .enable_all()
            .build()
            .map_err(|e| failed(e.to_string()))?;
        let session = Session { lake, limits, context, runtime: Some(runtime) };
        session.refresh()?;
        Ok(session)
    }

    /// Adds the table `current`: the newest frame of each vehicle.
    pub fn with_current(self, rows: RecordBatch) -> Result<Session, QueryError> {
        self.with_table("current", rows)
    }

    /// Adds the table `zones`.
    pub fn with_zones(self, rows: RecordBatch) -> Result<Session, QueryError> {
        self.with_table("zones", rows)
    }

    fn with_table(self, name: &str, rows: RecordBatch) -> Result<Session, QueryError> {
        let table = MemTable::try_new(rows.schema(), vec![vec![rows]]);
        let registered = table.and_then(|t| {
            self.context.deregister_table(name)?;
            self.context.register_table(name, Arc::new(t))
        });
        registered.map_err(|e| self.error(e))?;
        Ok(self)
    }

    /// Takes up what has been committed since the session was opened.
    pub fn refresh(&self) -> Result<(), QueryError> {
        let failed = |path: &Path, detail: String| QueryError::Open { path: path.to_owned(), detail };
        let Ok(folders) = std::fs::read_dir(&self.lake) else { return Ok(()) };
        for folder in folders {
            let folder = folder.map_err(|e| failed(&self.lake, e.to_string()))?.path();
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if folder.join("_delta_log").is_dir() {
                let log = self.runtime().block_on(log::read(&folder)).map_err(|e| failed(&folder, e.to_string()))?;
                self.register(&name, log).map_err(|e| self.error(e))?;
            }
        }
        Ok(())
    }

    fn register(&self, name: &str, log: log::TableLog) -> Result<(), DataFusionError> {
        let keys = log.keys.clone();
        let replace = |name: &str, table| {
            self.context.deregister_table(name)?;
            self.context.register_table(name, table).map(drop)
        };
        let table = Arc::new(LakeTable::new(name, log));
        if !name.starts_with(windows::PREFIX) {
            return replace(name, table);
        }
        let stored = format!("{name}{}", windows::REVISIONS);
        replace(&stored, table)?;
        let rows = self.runtime().block_on(self.context.table(stored.as_str()))?;
        let merged = match windows::has_revisions(&rows) {
            true => windows::newest(rows, &keys)?,
            false => rows,
        };
        replace(name, merged.into_view())
    }

    /// Names of all tables, in order.
    pub fn tables(&self) -> Vec<String> {
        let schemas = self.context.catalog("datafusion").and_then(|c| c.schema("public"));
        let mut names = schemas.map_or_else(Vec::new, |s| s.table_names());
        names.sort_unstable();
        names
    }

    /// Runs a query and writes its result as it comes.
    ///
    /// # Errors
    /// If the query is wrong, asks for more than reading, or exceeds a limit. What was written before stays written.
    pub fn run(&self, sql: &str, format: Format, to: &mut dyn Write) -> Result<RowCount, QueryError> {
        let mut rows = self.start(sql)?;
        let mut writer = Writer::new(format, &rows.schema(), to)?;
        while let Some(batch) = self.next(&mut rows)? {
            writer.write(&batch)?;
        }
        writer.finish()
    }

    /// Runs a query and gives all rows, in batches of the schema that comes with them.
    pub fn collect(&self, sql: &str) -> Result<(SchemaRef, Vec<RecordBatch>), QueryError> {
        let mut rows = self.start(sql)?;
        let mut batches = Vec::new();
        while let Some(batch) = self.next(&mut rows)? {
            batches.push(batch);
        }
        Ok((rows.schema(), batches))
    }

    fn start(&self, sql: &str) -> Result<Rows, QueryError> {
        let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        let until = self.limits.timeout.map(|timeout| {
            let _inside = self.runtime().enter();
            Box::pin(tokio::time::sleep(timeout))
        });
        let mut until = until;
        let plan = async { self.context.sql_with_options(sql, read_only).await?.execute_stream().await };
        let stream = self.within(&mut until, plan)?.map_err(|e| self.error(e))?;
        Ok(Rows { stream, until })
    }

    fn next(&self, rows: &mut Rows) -> Result<Option<RecordBatch>, QueryError> {
        let next = self.within(&mut rows.until, rows.stream.next())?;
        next.transpose().map_err(|e| self.error(e))
    }

    /// Waits for something, but not longer than the query may take.
    fn within<T>(&self, until: &mut Deadline, work: impl Future<Output = T>) -> Result<T, QueryError> {
        self.runtime().block_on(async {
            match until {
                None => Ok(work.await),
                Some(until) => tokio::select! {
                    done = work => Ok(done),
                    () = until => Err(self.too_long()),
                },
            }
        })
    }

    fn too_long(&self) -> QueryError {
        let seconds = self.limits.timeout.unwrap_or_default().as_secs_f64();
        QueryError::Limit(format!(
            "the query took longer than its {seconds} s: narrow it by event_date or vehicle_id, or raise the limit"
        ))
    }

    fn error(&self, error: DataFusionError) -> QueryError {
        QueryError::of(error, &self.tables())
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("taken only when the session ends")
    }
}

impl Drop for Session {
    /// Does not wait for a query that was given up.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

type Deadline = Option<std::pin::Pin<Box<tokio::time::Sleep>>>;

/// A query under way.
struct Rows {
    stream: SendableRecordBatchStream,
    until: Deadline,
}

impl Rows {
    fn schema(&self) -> SchemaRef {
        self.stream.schema()
    }
}

fn context(limits: &Limits, registry: LakeOnly) -> Result<SessionContext, DataFusionError> {
    let spill = DiskManagerBuilder::default()
        .with_mode(DiskManagerMode::OsTmpDirectory)
        .with_max_temp_directory_size(SPILL_BYTES);
    let runtime = RuntimeEnvBuilder::new()
        .with_object_store_registry(Arc::new(registry))
        .with_memory_pool(Arc::new(FairSpillPool::new(limits.memory_bytes)))
        .with_disk_manager_builder(spill)
        .build_arc()?;
    let mut config = SessionConfig::new().with_target_partitions(limits.threads.max(1)).with_information_schema(true);
    let parquet = &mut config.options_mut().execution.parquet;
    parquet.pushdown_filters = true;
    parquet.reorder_filters = true;
    parquet.enable_page_index = true;
    parquet.bloom_filter_on_read = true;
    let state =
        SessionStateBuilder::new().with_config(config).with_runtime_env(runtime).with_default_features().build();
    Ok(SessionContext::new_with_state(state))
}
