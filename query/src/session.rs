//! A session: the tables of one data folder, and queries over them that only read and stay within their limits.

use crate::error::QueryError;
use crate::format::{Format, RowCount, Writer};
use crate::functions;
use crate::lake::Lake;
use crate::lazy::LazyTable;
use crate::log;
use crate::sketches;
use crate::store::LakeOnly;
use crate::table::LakeTable;
use crate::wait::{YieldingJoins, wait};
use crate::windows;
use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::common::DataFusionError;
use datafusion::execution::context::{SQLOptions, SessionContext};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::SessionConfig;
use futures::StreamExt;
use rhumb_engine::bucket::DataPlace;
use rhumb_engine::time::monotonic_now;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

/// Memory that the queries of a session may use together, by default.
pub const MEMORY_BYTES: usize = 1 << 30;
/// Bytes that sorts and joins may put on the disk when memory is short.
pub const SPILL_BYTES: u64 = 16 << 30;

/// Batches that a query may be ahead of whoever takes them.
const BATCHES_AHEAD: usize = 2;

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

/// Queries over one data folder: `history`, `alerts`, `rejects`, `windows_<name>`, `trips` and `stops` (the newest
/// revision of each window, trip and stop; `windows_<name>_revisions` and so on have all), every other table of the lake,
/// and `current` and `zones` if they were given.
///
/// A session sees the lake as it was when it was opened, or last refreshed. Its methods block, and must not be called
/// from asynchronous code.
pub struct Session {
    /// Its lake.
    lake: Lake,
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
    pub fn open(data: impl Into<DataPlace>, limits: Limits) -> Result<Session, QueryError> {
        let data = data.into();
        let failed = |detail: String| QueryError::Open { place: data.to_string(), detail };
        let (lake, objects) = Lake::of(&data).map_err(|e| failed(e.to_string()))?;
        let context = context(&limits, LakeOnly::new(objects)).map_err(|e| failed(e.to_string()))?;
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
        let table = MemTable::try_new(rows.schema(), vec![vec![rows]]).map_err(|e| self.error(e))?;
        self.with_table("current", Arc::new(table))
    }

    /// Adds the table `zones`, whose rows are read once a query asks for them. Where that fails, the query does, with the
    /// sentence that says why.
    pub fn with_zones(
        self,
        schema: SchemaRef,
        read: impl Fn() -> Result<RecordBatch, String> + Send + Sync + 'static,
    ) -> Result<Session, QueryError> {
        self.with_table("zones", Arc::new(LazyTable::new(schema, Box::new(read))))
    }

    fn with_table(self, name: &str, table: Arc<dyn TableProvider>) -> Result<Session, QueryError> {
        let replaced = self.context.deregister_table(name).and_then(|_| self.context.register_table(name, table));
        replaced.map_err(|e| self.error(e))?;
        Ok(self)
    }

    /// Takes up what has been committed since the session was opened.
    pub fn refresh(&self) -> Result<(), QueryError> {
        let failed = |name: &str, detail: String| QueryError::Open { place: self.lake.shown(name), detail };
        let names = self.runtime().block_on(self.lake.tables()).map_err(|e| failed("", e))?;
        for name in names {
            let read = self.lake.table(&name).map(|table| self.runtime().block_on(log::read(table)));
            let log = read.and_then(|read| read).map_err(|e| failed(&name, e.to_string()))?;
            self.register(&name, log).map_err(|e| self.error(e))?;
        }
        Ok(())
    }

    fn register(&self, name: &str, log: log::TableLog) -> Result<(), DataFusionError> {
        let replace = |name: &str, table| {
            self.context.deregister_table(name)?;
            self.context.register_table(name, table).map(drop)
        };
        if !windows::has_revisions(name) {
            return replace(name, Arc::new(LakeTable::new(name, log)));
        }
        let stored = format!("{name}{}", windows::REVISIONS);
        let view = windows::view(&stored, &log);
        replace(&stored, Arc::new(LakeTable::new(name, log)))?;
        // Without its keys a table cannot be merged: all revisions are better than rows that are missing.
        let merged = self.runtime().block_on(async {
            match view {
                Some(view) => self.context.sql(&view).await,
                None => self.context.table(stored.as_str()).await,
            }
        });
        replace(name, merged?.into_view())
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
        let mut writer = Writer::new(format, &rows.schema, to)?;
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
        Ok((rows.schema.clone(), batches))
    }

    /// Runs a query and gives its rows as they are asked for. The session ends with them.
    pub fn stream(self, sql: &str) -> Result<RowStream, QueryError> {
        let rows = self.start(sql)?;
        Ok(RowStream { rows, session: self })
    }

    fn start(&self, sql: &str) -> Result<Rows, QueryError> {
        let until = self.limits.timeout.map(|timeout| monotonic_now() + timeout);
        let (planned_to, planned) = oneshot::channel();
        let (batches_to, batches) = mpsc::channel(BATCHES_AHEAD);
        let query = query(self.context.clone(), sql.to_owned(), planned_to, batches_to);
        let task = self.runtime().spawn(query).abort_handle();
        let mut rows = Rows { schema: Arc::new(Schema::empty()), batches, task, until };
        let planned = wait(planned, until).ok_or_else(|| self.too_long())?;
        let stopped = || QueryError::Failed("it stopped while it was planned".to_owned());
        rows.schema = planned.map_err(|_| stopped())?.map_err(|e| self.error(e))?;
        Ok(rows)
    }

    fn next(&self, rows: &mut Rows) -> Result<Option<RecordBatch>, QueryError> {
        match wait(rows.batches.recv(), rows.until).ok_or_else(|| self.too_long())? {
            Some(Ok(Some(batch))) => Ok(Some(batch)),
            Some(Ok(None)) => Ok(None),
            Some(Err(error)) => Err(self.error(error)),
            None => Err(QueryError::Failed("it stopped before its end".to_owned())),
        }
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

/// The rows of a query, batch by batch: only a few batches are in memory.
pub struct RowStream {
    /// Before the session: it ends the query.
    rows: Rows,
    session: Session,
}

impl RowStream {
    /// `None` after the last batch.
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>, QueryError> {
        self.session.next(&mut self.rows)
    }
}

/// A query under way.
struct Rows {
    schema: SchemaRef,
    /// `None` after the last one.
    batches: mpsc::Receiver<Result<Option<RecordBatch>, DataFusionError>>,
    task: AbortHandle,
    until: Option<Instant>,
}

impl Drop for Rows {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Plans and runs a query on the session's own threads.
async fn query(
    context: SessionContext,
    sql: String,
    planned: oneshot::Sender<Result<SchemaRef, DataFusionError>>,
    batches: mpsc::Sender<Result<Option<RecordBatch>, DataFusionError>>,
) {
    let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    let started = async { context.sql_with_options(&sql, read_only).await?.execute_stream().await };
    // Sending fails if nobody waits for the answer any more, which ends the query.
    let mut rows = match started.await {
        Ok(rows) => rows,
        Err(error) => return drop(planned.send(Err(error))),
    };
    if planned.send(Ok(rows.schema())).is_err() {
        return;
    }
    loop {
        let next = rows.next().await.transpose();
        let is_last = !matches!(next, Ok(Some(_)));
        if batches.send(next).await.is_err() || is_last {
            return;
        }
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
    let state = SessionStateBuilder::new().with_config(config).with_runtime_env(runtime).with_default_features();
    let state = state.with_physical_optimizer_rule(Arc::new(YieldingJoins)).build();
    let context = SessionContext::new_with_state(state);
    functions::register(&context);
    sketches::register(&context);
    Ok(context)
}
