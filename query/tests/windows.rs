//! Windows of several parts as one, over a lake that the real sink wrote.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "../../connectors/tests/lake_fixture/mod.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod lake_fixture;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
};
use arrow::datatypes::{Field, Schema};
use lake_fixture::{START, context, frames, open};
use rhumb_connectors::lake::{KEYS_KEY, MERGE_KEY};
use rhumb_engine::effects::TableRows;
use rhumb_engine::frame::timestamps;
use rhumb_engine::lane::hash_of;
use rhumb_engine::operator::TablePlan;
use rhumb_engine::sketch::{Distinct, Quantiles, Sketch, bucket};
use rhumb_query::{Format, Limits, Session};
use std::collections::HashMap;
use std::sync::Arc;

/// What a part has told of a window: zone, start and end (minutes), revision, part, retracted, and the frames that it
/// has seen: time (s) and value.
type Told<'a> = (&'a str, i64, i64, i32, i32, bool, &'a Frames);
type Frames = [(i64, f64)];

const MERGE: &str = "n sum;lo min;hi max;mean avg;begin first;end last;p quantile p__sketch 0.5;d distinct d__sketch";

fn rows(told: &[Told], sessions: bool) -> RecordBatch {
    let minutes = |of: &dyn Fn(&Told) -> i64| -> ArrayRef {
        Arc::new(timestamps(told.iter().map(|t| START + of(t) * 60_000_000).collect::<Vec<_>>()))
    };
    let floats = |of: &dyn Fn(&Frames) -> Option<f64>| -> ArrayRef {
        Arc::new(told.iter().map(|t| of(t.6)).collect::<Float64Array>())
    };
    let at = |of: &dyn Fn(&Frames) -> Option<i64>| -> ArrayRef {
        let times = told.iter().map(|t| of(t.6).map(|s| START + s * 1_000_000));
        Arc::new(times.collect::<arrow::array::TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    let quantiles = |frames: &Frames| {
        let mut quantiles = Quantiles::default();
        frames.iter().for_each(|(_, value)| quantiles.add(bucket(*value), 1));
        quantiles
    };
    let distinct = |frames: &Frames| {
        let mut distinct = Distinct::default();
        frames.iter().for_each(|(_, value)| distinct.add(hash_of(&value.to_le_bytes())));
        distinct
    };
    let sum = |frames: &Frames| frames.iter().map(|(_, value)| value).sum::<f64>();
    let count = || Arc::new(Int64Array::from_iter_values(told.iter().map(|t| t.6.len() as i64))) as ArrayRef;
    let first = |frames: &Frames| frames.iter().copied().min_by(|a, b| a.partial_cmp(b).unwrap());
    let last = |frames: &Frames| frames.iter().copied().max_by(|a, b| a.partial_cmp(b).unwrap());
    let values = |frames: &Frames| frames.iter().map(|(_, value)| *value).collect::<Vec<f64>>();
    let bytes = |of: &dyn Fn(&Frames) -> Sketch| -> ArrayRef {
        Arc::new(BinaryArray::from_iter_values(told.iter().map(|t| of(t.6).to_bytes())))
    };
    let whole = |of: &dyn Fn(&Told) -> i32| Arc::new(Int32Array::from_iter_values(told.iter().map(of))) as ArrayRef;
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("window_start", minutes(&|t| t.1)),
        ("window_end", minutes(&|t| t.2)),
        ("zone_id", Arc::new(StringArray::from_iter_values(told.iter().map(|t| t.0)))),
        ("n", count()),
        ("lo", floats(&|f| values(f).into_iter().reduce(f64::min))),
        ("hi", floats(&|f| values(f).into_iter().reduce(f64::max))),
        ("mean", floats(&|f| (!f.is_empty()).then(|| sum(f) / f.len() as f64))),
        ("mean__sum", floats(&|f| Some(sum(f)))),
        ("mean__count", count()),
        ("begin", floats(&|f| first(f).map(|f| f.1))),
        ("begin__time", at(&|f| first(f).map(|f| f.0))),
        ("end", floats(&|f| last(f).map(|f| f.1))),
        ("end__time", at(&|f| last(f).map(|f| f.0))),
        ("p", floats(&|f| quantiles(f).quantile(0.5))),
        ("p__sketch", bytes(&|f| Sketch::Quantiles(quantiles(f)))),
        ("d", Arc::new(Int64Array::from_iter_values(told.iter().map(|t| distinct(t.6).count() as i64)))),
        ("d__sketch", bytes(&|f| Sketch::Distinct(distinct(f)))),
        ("revision", whole(&|t| t.3)),
        ("part", whole(&|t| t.4)),
    ];
    if sessions {
        columns.push(("retracted", Arc::new(BooleanArray::from_iter(told.iter().map(|t| Some(t.5))))));
    }
    let fields: Vec<Field> = columns.iter().map(|(n, a)| Field::new(*n, a.data_type().clone(), true)).collect();
    let metadata = [(KEYS_KEY, "zone_id"), (MERGE_KEY, MERGE)].map(|(k, v)| (k.to_owned(), v.to_owned()));
    let schema = Schema::new_with_metadata(fields, HashMap::from(metadata));
    RecordBatch::try_new(Arc::new(schema), columns.into_iter().map(|(_, array)| array).collect()).unwrap()
}

/// The merged view of what was told, as CSV.
fn check(told: &[Told], sessions: bool, expected: &str) {
    let data = tempfile::tempdir().unwrap();
    let rows = rows(told, sessions);
    let mut context = context(data.path(), 1);
    let table: Arc<str> = "windows_w".into();
    context.tables = vec![TablePlan { name: table.clone(), schema: rows.schema(), date_from: "window_start" }];
    let mut sink = open(&context);
    let (mut outputs, _) = frames(&context, 1, 10);
    outputs[0].effects.rows.push(TableRows { table, rows });
    sink.write(&outputs[0]).unwrap();
    let segments = sink.prepare(1).unwrap();
    sink.committed(1, &segments).unwrap();
    let session = Session::open(data.path(), Limits { threads: 2, ..Limits::default() }).unwrap();
    let sql = "select zone_id, extract(minute from window_start) as start, extract(minute from window_end) as stop, n, \
               lo, hi, mean, begin, \"end\", round(p, 1) as p, d, revision from windows_w order by 1, 2";
    let mut to = Vec::new();
    session.run(sql, Format::Csv, &mut to).unwrap();
    let text = String::from_utf8(to).unwrap();
    let lines: Vec<&str> = text.lines().skip(1).collect();
    assert_eq!(lines.join("\n"), expected);
}

#[test]
fn parts_of_a_window_are_one_row() {
    let both = [
        ("a", 0, 1, 0, 0, false, &[(1, 9.0)][..]),
        ("a", 0, 1, 1, 0, false, &[(1, 2.0), (5, 4.0)]),
        ("a", 0, 1, 0, 65_536, false, &[(0, 6.0), (5, 4.0), (5, 8.0)]),
        ("a", 1, 2, 0, 0, false, &[(60, 1.0)]),
        ("b", 0, 1, 0, 65_536, false, &[]),
    ];
    check(&both, false, "a,0,1,5,2.0,8.0,4.8,6.0,8.0,4.0,4,1\na,1,2,1,1.0,1.0,1.0,1.0,1.0,1.0,1,0\nb,0,1,0,,,,,,,0,0");
}

#[test]
fn sessions_of_several_parts_are_one_where_they_touch_and_those_taken_back_are_none() {
    let told = [
        ("a", 0, 5, 0, 0, false, &[(0, 1.0)][..]),
        ("a", 8, 12, 0, 0, false, &[(480, 2.0)]),
        ("a", 8, 12, 1, 0, true, &[]),
        ("a", 0, 12, 1, 0, false, &[(0, 1.0), (300, 3.0), (480, 2.0)]),
        ("a", 12, 17, 0, 65_536, false, &[(720, 7.0)]),
        ("a", 18, 20, 0, 65_536, false, &[(1_080, 5.0)]),
        ("b", 3, 5, 0, 0, false, &[(180, 4.0)]),
    ];
    check(
        &told,
        true,
        "a,0,17,4,1.0,7.0,3.25,1.0,7.0,2.0,4,1\na,18,20,1,5.0,5.0,5.0,5.0,5.0,5.0,1,0\nb,3,5,1,4.0,4.0,4.0,4.0,4.0,4.0,1,0",
    );
    // The same without the second part.
    check(&told[..4], true, "a,0,12,3,1.0,3.0,2.0,1.0,2.0,2.0,3,1");
}

#[test]
fn sketches_can_be_put_together_over_rows() {
    let data = tempfile::tempdir().unwrap();
    let session = Session::open(data.path(), Limits { threads: 2, ..Limits::default() }).unwrap();
    let hex = |values: &[f64]| {
        let mut quantiles = Quantiles::default();
        values.iter().for_each(|value| quantiles.add(bucket(*value), 1));
        let bytes = Sketch::Quantiles(quantiles).to_bytes();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let sql = format!(
        "select round(sketch_quantile(merge_sketches(s), 0.75), 1) as q from (values (x'{}'), (x'{}'), (null)) as t(s)",
        hex(&[1.0, 2.0]),
        hex(&[4.0, 3.0])
    );
    let mut to = Vec::new();
    session.run(&sql, Format::Csv, &mut to).unwrap();
    assert_eq!(String::from_utf8(to).unwrap(), "q\n3.0\n");
    let error = session.run("select sketch_count(x'01')", Format::Csv, &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("sketch_count: the sketch is of quantiles"), "{error}");
}
