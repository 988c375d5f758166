//! The lake's promises: nothing visible before its epoch is committed, everything exactly once after, whatever was
//! interrupted where.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[allow(dead_code, reason = "shared with other tests")]
mod lake_fixture;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, TimestampMicrosecondType};
use deltalake_core::{DeltaTable, DeltaTableBuilder};
use lake_fixture::{add_alerts, add_reject, add_windows, context, fleet_column, frames, open};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rhumb_connectors::lake::{KEYS_KEY, LakePlan};
use rhumb_engine::message::Output;
use rhumb_engine::sink::{Segment, Sink, SinkContext, SinkPlan};
use rhumb_engine::time::DAY_US;
use std::collections::HashSet;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use url::Url;

/// The table as its log has it.
fn table(data: &Path, name: &str) -> DeltaTable {
    let url = Url::from_directory_path(data.canonicalize().unwrap().join("lake").join(name)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(DeltaTableBuilder::from_url(url).unwrap().load()).unwrap()
}

/// All rows that a reader of the log sees, file by file.
fn visible(data: &Path, name: &str) -> Vec<RecordBatch> {
    let table = table(data, name);
    let files: Vec<String> = table.snapshot().unwrap().log_data().iter().map(|f| f.path().into_owned()).collect();
    files.iter().flat_map(|f| read(&data.join("lake").join(name).join(f))).collect()
}

fn read(path: &Path) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    reader.build().unwrap().map(Result::unwrap).collect()
}

/// A batch for each row group.
fn read_groups(path: &Path) -> Vec<RecordBatch> {
    let builder = || ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let group = |n| {
        let batches: Vec<RecordBatch> =
            builder().with_row_groups(vec![n]).build().unwrap().map(Result::unwrap).collect();
        concat_batches(&batches[0].schema(), &batches).unwrap()
    };
    (0..builder().metadata().num_row_groups()).map(group).collect()
}

fn rows(data: &Path, name: &str) -> usize {
    visible(data, name).iter().map(RecordBatch::num_rows).sum()
}

fn staged(data: &Path, name: &str) -> usize {
    fs::read_dir(data.join("lake/_staging").join(name)).unwrap().count()
}

fn write(sink: &mut dyn Sink, outputs: &[Output]) {
    outputs.iter().for_each(|o| sink.write(o).unwrap());
}

/// A lake whose first epoch is prepared, with 5,000 frames and some of everything else.
fn prepared(context: &SinkContext) -> (Box<dyn Sink>, Vec<Segment>) {
    let (mut outputs, _) = frames(context, 1, 5000);
    add_alerts(&mut outputs, 3);
    add_reject(&mut outputs[0], None);
    add_windows(&mut outputs[0], &[(0, "a", 5, 0), (0, "b", 6, 0)]);
    let mut sink = open(context);
    write(sink.as_mut(), &outputs);
    let segments = sink.prepare(1).unwrap();
    (sink, segments)
}

#[test]
fn rows_are_visible_once_their_epoch_is_committed_and_not_before() {
    let data = tempfile::tempdir().unwrap();
    let context = context(data.path(), 1);
    let (mut sink, segments) = prepared(&context);
    let of = |table: &str| segments.iter().filter(|s| s.table == table).map(|s| s.rows).sum::<u64>() as usize;
    for table in ["history", "alerts", "rejects", "windows_zones"] {
        assert_eq!(rows(data.path(), table), 0, "{table} before the commit");
        assert!(of(table) > 0, "{table} has segments");
    }
    sink.committed(1, &segments).unwrap();
    assert_eq!(of("history"), 5000);
    for table in ["history", "alerts", "rejects", "windows_zones"] {
        assert_eq!(rows(data.path(), table), of(table), "{table} after the commit");
        assert_eq!(staged(data.path(), table), 0, "{table} has nothing staged");
    }
}

#[test]
fn committing_again_changes_nothing_in_the_same_engine_or_the_next() {
    let data = tempfile::tempdir().unwrap();
    let first = context(data.path(), 1);
    let (mut sink, segments) = prepared(&first);
    sink.committed(1, &segments).unwrap();
    sink.committed(1, &segments).unwrap();
    let version = table(data.path(), "history").version();
    drop(sink);
    let mut sink = open(&context(data.path(), 2));
    sink.committed(1, &segments).unwrap();
    assert_eq!(rows(data.path(), "history"), 5000);
    assert_eq!(table(data.path(), "history").version(), version);
}

#[test]
fn engine_that_died_after_the_manifest_is_finished_by_the_next() {
    let data = tempfile::tempdir().unwrap();
    let (sink, segments) = prepared(&context(data.path(), 1));
    drop(sink);
    // It got as far as moving one file.
    let moved = &segments[0];
    let lake = data.path().join("lake");
    let place = lake.join(&moved.table).join(&moved.path);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::rename(lake.join("_staging").join(&moved.table).join(place.file_name().unwrap()), &place).unwrap();

    let second = context(data.path(), 2);
    let mut sink = open(&second);
    sink.committed(1, &segments).unwrap();
    let (outputs, _) = frames(&second, 2, 300);
    write(sink.as_mut(), &outputs);
    let segments = sink.prepare(2).unwrap();
    sink.committed(2, &segments).unwrap();
    assert_eq!(rows(data.path(), "history"), 5300);
}

#[test]
fn what_no_manifest_names_is_deleted_and_written_again() {
    let data = tempfile::tempdir().unwrap();
    let (sink, _) = prepared(&context(data.path(), 1));
    drop(sink);
    assert!(staged(data.path(), "history") > 0);
    let second = context(data.path(), 2);
    let (mut sink, segments) = prepared(&second);
    let of_history = segments.iter().filter(|s| s.table == "history").count();
    assert_eq!(staged(data.path(), "history"), of_history, "only our own are left");
    sink.committed(1, &segments).unwrap();
    assert_eq!(rows(data.path(), "history"), 5000);
}

#[test]
fn segment_that_is_gone_is_an_error_that_names_it() {
    let data = tempfile::tempdir().unwrap();
    let (mut sink, segments) = prepared(&context(data.path(), 1));
    let file = segments[0].path.rsplit('/').next().unwrap();
    fs::remove_file(data.path().join("lake/_staging").join(&segments[0].table).join(file)).unwrap();
    let error = sink.committed(1, &segments).unwrap_err();
    assert!(error.action.contains(file), "{}", error.action);
    assert_eq!(rows(data.path(), &segments[0].table), 0);
}

#[test]
fn lake_that_is_ahead_of_the_manifests_is_not_written_to() {
    let data = tempfile::tempdir().unwrap();
    let (mut sink, segments) = prepared(&context(data.path(), 1));
    sink.committed(1, &segments).unwrap();
    drop(sink);
    // The manifests were lost: the next engine begins at epoch 1, which the tables have.
    let error = open(&context(data.path(), 2)).committed(0, &[]).unwrap_err();
    let text = format!("{}: {}", error.action, error.cause);
    assert!(text.contains("the table has the pipeline's epoch 1, and the last manifest is of epoch 0"), "{text}");
}

#[test]
fn segments_that_an_earlier_version_staged_in_their_table_are_taken_over() {
    let data = tempfile::tempdir().unwrap();
    let (sink, segments) = prepared(&context(data.path(), 1));
    drop(sink);
    let lake = data.path().join("lake");
    for table in ["history", "alerts", "rejects", "windows_zones"] {
        fs::rename(lake.join("_staging").join(table), lake.join(table).join("_staging")).unwrap();
    }
    let mut sink = open(&context(data.path(), 2));
    sink.committed(1, &segments).unwrap();
    assert_eq!(rows(data.path(), "history"), 5000);
    assert!(!lake.join("history/_staging").exists());
}

#[test]
fn two_writers_add_their_epochs_one_after_the_other() {
    let data = tempfile::tempdir().unwrap();
    let (first, second) = (context(data.path(), 1), context(data.path(), 2));
    let (mut sink, segments) = prepared(&first);
    let mut other = open(&second);
    sink.committed(1, &segments).unwrap();
    // The other has seen the log as it was before.
    other.committed(1, &segments).unwrap();
    assert_eq!(rows(data.path(), "history"), 5000);
    let (outputs, _) = frames(&second, 2, 100);
    write(other.as_mut(), &outputs);
    let segments = other.prepare(2).unwrap();
    other.committed(2, &segments).unwrap();
    assert_eq!(rows(data.path(), "history"), 5100);
}

#[test]
fn files_are_of_one_date_and_row_groups_sorted_by_vehicle_and_time() {
    let data = tempfile::tempdir().unwrap();
    let (mut sink, segments) = prepared(&context(data.path(), 1));
    sink.committed(1, &segments).unwrap();
    let history: Vec<&Segment> = segments.iter().filter(|s| s.table == "history").collect();
    let dates: HashSet<i32> = history.iter().map(|s| s.event_date).collect();
    assert_eq!(history.len(), dates.len(), "an epoch of so few rows has a file a date");
    let mut groups = 0;
    for segment in history {
        for batch in &read_groups(&data.path().join("lake/history").join(&segment.path)) {
            groups += 1;
            let mut last = (String::new(), i64::MIN);
            let ids = batch.column_by_name("vehicle_id").unwrap().as_string::<i32>();
            let times = batch.column_by_name("event_time").unwrap().as_primitive::<TimestampMicrosecondType>();
            for row in 0..batch.num_rows() {
                let this = (ids.value(row).to_owned(), times.value(row));
                assert!(last <= this, "{} row {row}", segment.path);
                assert_eq!(this.1.div_euclid(DAY_US) as i32, segment.event_date, "{} row {row}", segment.path);
                last = this;
            }
        }
    }
    assert!(groups >= 5, "a row group or more every 1000 rows");
}

#[test]
fn column_of_a_new_operator_is_added_and_old_rows_have_none() {
    let data = tempfile::tempdir().unwrap();
    let mut before = context(data.path(), 1);
    before.history.retain(|f| f.name() != "fleet");
    let (mut sink, segments) = prepared(&before);
    sink.committed(1, &segments).unwrap();
    let after = context(data.path(), 2);
    let (outputs, _) = frames(&after, 2, 100);
    let mut sink = open(&after);
    write(sink.as_mut(), &outputs);
    let segments = sink.prepare(2).unwrap();
    sink.committed(2, &segments).unwrap();
    let with = visible(data.path(), "history").iter().filter(|b| b.column_by_name("fleet").is_some()).count();
    assert!(with > 0);
    assert_eq!(rows(data.path(), "history"), 5100);
    let schema = table(data.path(), "history").snapshot().unwrap().schema();
    assert!(schema.field("fleet").unwrap().is_nullable());
    // The other way round: an operator that is gone leaves its column.
    let mut sink = open(&SinkContext { claim: 3, ..before });
    let segments = sink.prepare(3).unwrap();
    sink.committed(3, &segments).unwrap();
}

#[test]
fn table_that_does_not_fit_says_what_to_do() {
    let data = tempfile::tempdir().unwrap();
    drop(open(&context(data.path(), 1)));
    let mut other = context(data.path(), 2);
    other.history.retain(|f| f.name() != "fleet");
    other.history.push(Arc::new(Field::new("fleet", DataType::Float64, true)));
    check_refused(&other, "its column fleet is of type Utf8, the pipeline now gives Float64: rename the column");

    let data = tempfile::tempdir().unwrap();
    let (mut sink, segments) = prepared(&context(data.path(), 1));
    sink.committed(1, &segments).unwrap();
    drop(sink);
    let mut other = context(data.path(), 2);
    let mut fields: Vec<_> = other.tables[0].schema.fields().to_vec();
    let of_vehicles = [(KEYS_KEY.to_owned(), "vehicle_id".to_owned())].into();
    other.tables[0].schema = Arc::new(Schema::new_with_metadata(fields.clone(), of_vehicles));
    check_refused(&other, "the column(s) zone_id tell its rows apart, and vehicle_id those of the pipeline");
    let nullable = fields.iter_mut().find(|field| field.name() == "frames").unwrap();
    *nullable = Arc::new(nullable.as_ref().clone().with_nullable(true));
    let keys = context(data.path(), 2).tables[0].schema.metadata().clone();
    other.tables[0].schema = Arc::new(Schema::new_with_metadata(fields, keys));
    check_refused(&other, "every row must have its column frames, and rows of the pipeline may now be without");

    let data = tempfile::tempdir().unwrap();
    let mut odd = context(data.path(), 1);
    let duration = DataType::Duration(arrow::datatypes::TimeUnit::Second);
    odd.history.push(Arc::new(Field::new("idle", duration, true)));
    check_refused(&odd, "column idle is of type Duration(s), which a Delta table cannot hold");

    let data = tempfile::tempdir().unwrap();
    fs::write(data.path().join("lake"), "a file where the folder should be").unwrap();
    check_refused(&context(data.path(), 1), "create the folder");
}

fn check_refused(context: &SinkContext, expected: &str) {
    let error = LakePlan::default().open(context).err().expect("it does not open");
    let text = format!("{}: {}", error.action, error.cause);
    assert!(text.contains(expected), "{text}");
}

#[test]
fn long_log_is_checkpointed_and_reads_as_before() {
    let data = tempfile::tempdir().unwrap();
    let context = context(data.path(), 1);
    let mut sink = open(&context);
    let (outputs, _) = frames(&context, 1, 500);
    let mut written = 0;
    for (n, output) in outputs.iter().cycle().filter(|o| !o.frames.is_empty()).take(105).enumerate() {
        written += output.frames.len();
        sink.write(output).unwrap();
        let segments = sink.prepare(n as u64 + 1).unwrap();
        sink.committed(n as u64 + 1, &segments).unwrap();
    }
    assert!(data.path().join("lake/history/_delta_log/_last_checkpoint").is_file());
    assert_eq!(rows(data.path(), "history"), written);
    let again = open(&SinkContext { claim: 2, ..context });
    drop(again);
}

#[test]
fn all_null_column_costs_next_to_nothing() {
    let data = tempfile::tempdir().unwrap();
    let (mut sink, segments) = prepared(&context(data.path(), 1));
    sink.committed(1, &segments).unwrap();
    let segment = segments.iter().find(|s| s.table == "history").unwrap();
    let file = File::open(data.path().join("lake/history").join(&segment.path)).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let columns = reader.metadata().row_group(0).columns();
    for name in ["altitude_m", "heading_deg", "accuracy_m", "hdop"] {
        let column = columns.iter().find(|c| c.column_path().string() == name).unwrap();
        assert!(column.compressed_size() < 64, "{name} has {} bytes", column.compressed_size());
    }
    assert!(fleet_column().is_nullable());
}
