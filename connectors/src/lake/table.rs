//! What is written where: the buffers of all tables, and the segments that they become.

use super::alerts::Alerts;
use super::durable::{create_folder, failed, move_file, sync_folder};
use super::gather::{Pick, repeating};
use super::growing::Writing;
use super::history::History;
use super::order::{Sorted, VehicleOrder};
use super::segment::{Read, Rows, SAMPLE_ROWS, SegmentWriter, Shape};
use super::{date_text, durable, schema, sorted_by, tables};
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{Schema, SchemaRef};
use rhumb_engine::message::Output;
use rhumb_engine::operator::TablePlan;
use rhumb_engine::reject::Reject;
use rhumb_engine::sink::{Segment, SinkContext, SinkError};
use rhumb_engine::time::EventTime;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Folder of the lake, beside the tables: who reads all Parquet files below a table must not see what is not committed.
pub(super) const STAGING: &str = "_staging";
/// Rows from which a segment takes no more.
const SEGMENT_ROWS: u64 = 1 << 20;
/// Segments of a table that grow at the same time.
const GROWING_MAX: usize = 8;
/// Bytes of rejects after which they are written: a stranger decides how long they are.
const REJECT_BYTES: usize = 32 << 20;

/// Files of one table in the making.
pub struct Table {
    name: String,
    folder: PathBuf,
    staging: PathBuf,
    claim: u64,
    writing: Writing,
    /// Segments so far, for their names.
    number: u64,
    /// By date: a segment that more rows may come to, with its path.
    growing: BTreeMap<i32, (String, SegmentWriter)>,
    finished: Vec<Segment>,
}

impl Table {
    pub fn open(lake: &Path, name: &str, claim: u64, writing: Writing) -> Result<Table, SinkError> {
        let (name, folder, staging) = (name.to_owned(), lake.join(name), staging(lake, name));
        create_folder(&staging)?;
        adopt(&folder.join(STAGING), &staging)?;
        Ok(Table { name, folder, staging, claim, writing, number: 0, growing: BTreeMap::new(), finished: Vec::new() })
    }

    /// Writes rows of one date as a row group.
    fn append(&mut self, date: i32, epoch: u64, shape: &Shape, rows: &impl Rows) -> Result<(), SinkError> {
        if !self.growing.contains_key(&date) {
            if self.growing.len() == GROWING_MAX {
                // Recordings go through time, so the oldest date is the least likely to get more.
                let oldest = self.growing.pop_first();
                oldest.map_or(Ok(()), |(date, growing)| self.finish(date, growing))?;
            }
            let file = format!("{:010}-{epoch:010}-{:06}.parquet", self.claim, self.number);
            self.number += 1;
            let staged = self.staging.join(&file);
            let path = format!("{}={}/{file}", schema::EVENT_DATE, date_text(date));
            self.growing.insert(date, (path, SegmentWriter::create(staged, shape, rows, &self.writing)?));
        }
        let (_, writer) = self.growing.get_mut(&date).expect("it was just put there");
        writer.append(rows)?;
        if writer.rows() >= SEGMENT_ROWS
            && let Some(whole) = self.growing.remove(&date)
        {
            self.finish(date, whole)?;
        }
        Ok(())
    }

    fn finish(&mut self, event_date: i32, (path, writer): (String, SegmentWriter)) -> Result<(), SinkError> {
        let written = writer.finish()?;
        self.finished.push(Segment {
            table: self.name.clone(),
            path,
            rows: written.rows,
            bytes: written.bytes,
            checksum: Some(written.checksum),
            event_date,
            statistics: written.statistics,
        });
        Ok(())
    }

    /// The segments since the last call, durable under their staged names.
    fn take(&mut self, epoch: u64) -> Result<Vec<Segment>, SinkError> {
        for (date, growing) in std::mem::take(&mut self.growing) {
            self.finish(date, growing)?;
        }
        if self.finished.is_empty() {
            return Ok(Vec::new());
        }
        let marker = format!("-{epoch:010}-");
        if let Some(other) = self.finished.iter().find(|s| !s.path.contains(&marker)) {
            let cause = format!("{} was begun for another epoch than {epoch}; epochs follow each other", other.path);
            return Err(failed("finish the epoch of", &self.folder)(cause));
        }
        sync_folder(&self.staging)?;
        Ok(std::mem::take(&mut self.finished))
    }
}

/// On the tables' own file system, so that moving a segment to its place is one step.
fn staging(lake: &Path, table: &str) -> PathBuf {
    lake.join(STAGING).join(table)
}

/// Where a segment stands until its epoch is committed.
pub fn staged(lake: &Path, segment: &Segment) -> PathBuf {
    let file = segment.path.rsplit('/').next().unwrap_or(&segment.path);
    staging(lake, &segment.table).join(file)
}

/// Takes over what earlier versions staged in the folder of the table itself.
fn adopt(old: &Path, staging: &Path) -> Result<(), SinkError> {
    if !old.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(old).map_err(failed("list", old))? {
        let entry = entry.map_err(failed("list", old))?;
        move_file(&entry.path(), &staging.join(entry.file_name()))?;
    }
    sync_folder(staging)?;
    fs::remove_dir(old).map_err(failed("delete", old))
}

/// Deletes what was staged under claims that are over.
pub fn sweep(lake: &Path, table: &str, is_dead: impl Fn(u64) -> bool) -> Result<(), SinkError> {
    let staging = staging(lake, table);
    create_folder(&staging)?;
    for entry in fs::read_dir(&staging).map_err(failed("list", &staging))? {
        let path = entry.map_err(failed("list", &staging))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let of = name.split('-').next().and_then(|c| c.parse::<u64>().ok());
        if of.is_some_and(&is_dead) {
            durable::delete_file(&path)?;
            tracing::info!(path = %path.display(), "deleted a segment that was never committed");
        }
    }
    Ok(())
}

/// Rows of an operator's table.
struct OperatorRows {
    plan: TablePlan,
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    rows: usize,
    table: Table,
}

/// Rejects that are not written yet.
struct Rejects {
    waiting: Vec<Reject>,
    bytes: usize,
    /// Those of this epoch that are.
    written: usize,
    redriven: bool,
    table: Table,
}

/// The buffers of all tables.
pub struct Tables {
    group_rows: usize,
    order: VehicleOrder,
    sorted: Sorted,
    history: (History, SchemaRef, Table),
    alerts: (Alerts, SchemaRef, Table),
    rejects: Rejects,
    operators: BTreeMap<Arc<str>, OperatorRows>,
}

type Open<'a> = &'a mut dyn FnMut(&str, &Schema) -> Result<Table, SinkError>;

impl Tables {
    /// `redriven`: all rejects had been rejects before.
    pub fn open(context: &SinkContext, group_rows: usize, redriven: bool, open: Open) -> Result<Tables, SinkError> {
        let (history, alerts) = (schema::history(&context.history), schema::alerts());
        let mut operators = BTreeMap::new();
        for plan in &context.tables {
            let folder = context.data.join(super::FOLDER).join(&*plan.name);
            let schema = schema::table(plan).map_err(failed("open the table", &folder))?;
            let table = open(&plan.name, &schema)?;
            let rows = OperatorRows { plan: plan.clone(), schema, batches: Vec::new(), rows: 0, table };
            operators.insert(plan.name.clone(), rows);
        }
        Ok(Tables {
            group_rows,
            order: VehicleOrder::new(&context.vehicles),
            sorted: Sorted::default(),
            rejects: Rejects {
                waiting: Vec::new(),
                bytes: 0,
                written: 0,
                redriven,
                table: open("rejects", &schema::rejects())?,
            },
            history: (History::default(), history.clone(), open("history", &history)?),
            alerts: (Alerts::default(), alerts.clone(), open("alerts", &alerts)?),
            operators,
        })
    }

    /// Takes what a batch gave; writes row groups of what is enough for one.
    pub fn write(&mut self, output: &Output, epoch: u64) -> Result<(), SinkError> {
        self.history.0.push(output.shard, &output.frames);
        if self.history.0.rows() >= self.group_rows {
            self.flush_history(epoch)?;
        }
        for alerts in output.alerts() {
            self.alerts.0.push(output.shard, alerts);
        }
        if self.alerts.0.rows() >= self.group_rows {
            self.flush_alerts(epoch)?;
        }
        for reject in &output.effects.rejects {
            self.rejects.bytes += size_of::<Reject>() + reject.raw.len() + reject.detail.len();
            self.rejects.waiting.push(reject.clone());
        }
        if self.rejects.bytes >= REJECT_BYTES || self.rejects.waiting.len() >= self.group_rows {
            self.rejects.flush(epoch)?;
        }
        for rows in &output.effects.rows {
            let unknown = || SinkError::new(format!("write to the table {}", rows.table), "no operator has planned it");
            let of = self.operators.get_mut(&rows.table).ok_or_else(unknown)?;
            of.rows += rows.rows.num_rows();
            of.batches.push(rows.rows.clone());
            if of.rows >= self.group_rows {
                of.flush(epoch)?;
            }
        }
        Ok(())
    }

    /// Writes what is left, and gives all segments since the last call.
    pub fn finish(&mut self, epoch: u64) -> Result<Vec<Segment>, SinkError> {
        self.flush_history(epoch)?;
        self.flush_alerts(epoch)?;
        self.rejects.flush(epoch)?;
        self.rejects.written = 0;
        self.operators.values_mut().try_for_each(|o| o.flush(epoch))?;
        let mut segments = self.history.2.take(epoch)?;
        segments.extend(self.alerts.2.take(epoch)?);
        segments.extend(self.rejects.table.take(epoch)?);
        for of in self.operators.values_mut() {
            segments.extend(of.table.take(epoch)?);
        }
        Ok(segments)
    }

    fn flush_history(&mut self, epoch: u64) -> Result<(), SinkError> {
        let (history, schema, table) = &mut self.history;
        if history.rows() == 0 {
            return Ok(());
        }
        self.order.sort(&history.parts(), &mut self.sorted);
        write_sorted(&self.sorted, table, schema, epoch, &history.columns(schema, epoch as i64))?;
        history.clear();
        Ok(())
    }

    fn flush_alerts(&mut self, epoch: u64) -> Result<(), SinkError> {
        let (alerts, schema, table) = &mut self.alerts;
        if alerts.rows() == 0 {
            return Ok(());
        }
        self.order.sort(&alerts.parts(), &mut self.sorted);
        write_sorted(&self.sorted, table, schema, epoch, &alerts.columns(schema, epoch as i64))?;
        alerts.clear();
        Ok(())
    }
}

impl Rejects {
    fn flush(&mut self, epoch: u64) -> Result<(), SinkError> {
        if !self.waiting.is_empty() {
            let rows = tables::rejects(&self.waiting, epoch as i64, self.written as i64, self.redriven);
            // By time of receipt: the time of a frame that was refused may be anything.
            write_rows(&mut self.table, &rows, "received_at", &["vehicle_id", "event_time"], epoch)?;
            self.written += self.waiting.len();
            self.waiting.clear();
            self.bytes = 0;
        }
        Ok(())
    }
}

impl OperatorRows {
    fn flush(&mut self, epoch: u64) -> Result<(), SinkError> {
        if self.rows > 0 {
            let rows = tables::of_operator(&self.batches, &self.schema, epoch as i64)
                .map_err(failed("put together rows of the table", &self.table.folder))?;
            write_rows(&mut self.table, &rows, self.plan.date_from, &sorted_by(&self.plan), epoch)?;
            self.batches.clear();
            self.rows = 0;
        }
        Ok(())
    }
}

/// Columns of many batches, from which rows are picked.
pub trait SortedColumns {
    /// `None`: the column is the vehicles' ids.
    fn column(&self, column: usize) -> Option<Pick<'_>>;

    /// The number or time that all rows of a column have.
    fn constant(&self, column: usize) -> Option<i64>;
}

/// Rows of one date, by vehicle and time.
struct OfDate<'a, C> {
    columns: &'a C,
    rows: &'a [u32],
    vehicles: &'a [u32],
    ids: &'a Arc<StringArray>,
}

impl<C: SortedColumns> Rows for OfDate<'_, C> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn column(&self, column: usize) -> Read<'_> {
        match self.columns.column(column) {
            Some(pick) => Box::new(move |rows| pick(&self.rows[rows])),
            None => Box::new(|rows| repeating(self.vehicles[rows].to_vec(), self.ids.clone())),
        }
    }

    fn constant(&self, column: usize) -> Option<i64> {
        self.columns.constant(column)
    }

    fn sample(&self, column: usize) -> ArrayRef {
        let every = self.rows.len().div_ceil(SAMPLE_ROWS).max(1);
        let of = |all: &[u32]| all.iter().step_by(every).copied().collect::<Vec<u32>>();
        match self.columns.column(column) {
            Some(pick) => pick(&of(self.rows)),
            None => repeating(of(self.vehicles), self.ids.clone()),
        }
    }
}

/// Writes rows that are sorted by vehicle and time, a row group for each date.
fn write_sorted(
    sorted: &Sorted,
    table: &mut Table,
    schema: &SchemaRef,
    epoch: u64,
    columns: &impl SortedColumns,
) -> Result<(), SinkError> {
    let mut write = |date: i32, rows: &[u32], vehicles: &[u32]| {
        let shape = Shape { schema: schema.clone(), sorted_by: &["vehicle_id", "event_time"], has_bloom: true };
        table.append(date, epoch, &shape, &OfDate { columns, rows, vehicles, ids: &sorted.ids })
    };
    let (first, last) = sorted.times.iter().fold((i64::MAX, i64::MIN), |(f, l), t| (f.min(*t), l.max(*t)));
    let (first, last) = (EventTime(first).date(), EventTime(last).date());
    if first == last {
        return write(first, &sorted.rows, &sorted.vehicles);
    }
    let mut dates: BTreeMap<i32, (Vec<u32>, Vec<u32>)> = BTreeMap::new();
    for ((row, time), vehicle) in sorted.rows.iter().zip(&sorted.times).zip(&sorted.vehicles) {
        let (rows, vehicles) = dates.entry(EventTime(*time).date()).or_default();
        rows.push(*row);
        vehicles.push(*vehicle);
    }
    dates.iter().try_for_each(|(date, (rows, vehicles))| write(*date, rows, vehicles))
}

/// Sorts rows and writes them, a row group for each date.
fn write_rows(
    table: &mut Table,
    rows: &RecordBatch,
    date_from: &str,
    sorted_by: &[&str],
    epoch: u64,
) -> Result<(), SinkError> {
    let dates = tables::by_date(rows, date_from, sorted_by).map_err(failed("sort rows of the table", &table.folder))?;
    for (date, rows) in dates {
        table.append(date, epoch, &Shape { schema: rows.schema(), sorted_by, has_bloom: false }, &rows)?;
    }
    Ok(())
}
