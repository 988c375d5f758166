//! Rows of a window's table: the newest revision of each window and key, put together from its parts.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type};
use rhumb_engine::sketch::Sketch;
use rhumb_engine::time::SECOND_US;
use std::collections::BTreeMap;

/// Window's start (s) and key.
pub type Place = (i64, String);

/// A row: when (s), the aggregates with what stands beside them, and sketches.
#[derive(Clone)]
pub struct Row {
    pub start: i64,
    pub end: i64,
    pub retracted: bool,
    pub numbers: BTreeMap<String, Option<f64>>,
    pub sketches: BTreeMap<String, Sketch>,
}

pub fn read(batch: &RecordBatch, keys: usize) -> Vec<(String, i32, i32, Row)> {
    let number = |column: &ArrayRef| {
        let whole = match column.data_type() {
            DataType::Timestamp(..) => &arrow::compute::cast(column, &DataType::Int64).expect("a time is a number"),
            _ => column,
        };
        arrow::compute::cast(whole, &DataType::Float64).expect("a number").as_primitive::<Float64Type>().clone()
    };
    let schema = batch.schema();
    let named = |name: &str| batch.column_by_name(name).map(number);
    let is_own = |name: &str| name.starts_with('v') && !name.starts_with("vehicle");
    let (mut numbers, mut sketches) = (Vec::new(), Vec::new());
    for (field, column) in schema.fields().iter().zip(batch.columns()).filter(|(field, _)| is_own(field.name())) {
        match column.data_type() {
            DataType::Binary => sketches.push((field.name().clone(), column.as_binary::<i32>())),
            _ => numbers.push((field.name().clone(), number(column))),
        }
    }
    let [starts, ends, revisions, parts] =
        ["window_start", "window_end", "revision", "part"].map(|name| named(name).expect("a column"));
    let retracted = batch.column_by_name("retracted").map(|column| column.as_boolean());
    let row = |row: usize| {
        let text = |at: usize| match batch.column(at).is_null(row) {
            true => "-".to_owned(),
            false => arrow::util::display::array_value_to_string(batch.column(at), row).expect("a value"),
        };
        let key = (2..2 + keys).map(text).collect::<Vec<_>>().join("/");
        let sketch = |bytes: &[u8]| Sketch::from_bytes(bytes).expect("a sketch");
        let read = Row {
            start: starts.value(row) as i64 / SECOND_US,
            end: ends.value(row) as i64 / SECOND_US,
            retracted: retracted.is_some_and(|retracted| retracted.value(row)),
            numbers: numbers.iter().map(|(n, of)| (n.clone(), of.is_valid(row).then(|| of.value(row)))).collect(),
            sketches: sketches.iter().map(|(n, of)| (n.clone(), sketch(of.value(row)))).collect(),
        };
        (key, parts.value(row) as i32, revisions.value(row) as i32, read)
    };
    (0..batch.num_rows()).map(row).collect()
}

/// The newest revision of each window and key, its parts put together, as text.
pub fn newest(rows: &[RecordBatch], keys: usize, sessions: bool) -> BTreeMap<Place, String> {
    let mut newest: BTreeMap<(String, i64, i32), (i32, Row)> = BTreeMap::new();
    for (key, part, revision, row) in rows.iter().flat_map(|batch| read(batch, keys)) {
        let place = (key, row.start, part);
        let before = newest.get(&place).map(|(before, _)| *before);
        assert_ne!(before, Some(revision), "one revision, two rows: {place:?}");
        if before.is_none_or(|before| before < revision) {
            newest.insert(place, (revision, row));
        }
    }
    let mut merged: Vec<(String, Vec<Row>)> = Vec::new();
    // In order of key and start.
    for ((key, ..), (_, row)) in newest.into_iter().filter(|(_, (_, row))| !row.retracted) {
        let joins = |(other, rows): &(String, Vec<Row>)| match sessions {
            true => *other == key && rows.iter().any(|other| row.start <= other.end),
            false => *other == key && rows[0].start == row.start,
        };
        match merged.last_mut().filter(|last| joins(last)) {
            Some((_, rows)) => rows.push(row),
            None => merged.push((key, vec![row])),
        }
    }
    merged.into_iter().map(|(key, rows)| ((rows[0].start, key), merge(&rows))).collect()
}

fn merge(rows: &[Row]) -> String {
    let of = |name: &str| rows.iter().filter_map(|row| row.numbers[name]).collect::<Vec<f64>>();
    let dated = |name: &str| {
        let time = |row: &Row| row.numbers[&format!("{name}__time")];
        rows.iter().filter_map(|row| Some((time(row)? as i64, row.numbers[name]?))).collect::<Vec<_>>()
    };
    let by_time = |a: &(i64, f64), b: &(i64, f64)| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1));
    let sketch = |name: &str| {
        let all = rows.iter().map(|row| row.sketches[name].clone());
        all.reduce(|mut a, b| {
            a.merge(&b);
            a
        })
    };
    let quantile = |share| match sketch("v6__sketch") {
        Some(Sketch::Quantiles(quantiles)) => quantiles.quantile(share),
        other => panic!("{other:?}"),
    };
    let vehicles = match sketch("v7__sketch") {
        Some(Sketch::Distinct(distinct)) => distinct.count(),
        other => panic!("{other:?}"),
    };
    if let [row] = rows {
        let told = [row.numbers["v6"], row.numbers["v7"], row.numbers["v8"]];
        assert_eq!(told, [quantile(0.7), Some(vehicles as f64), quantile(0.2)], "the sketch is what was told");
    }
    [
        rows.iter().map(|row| row.end).max().expect("a row").to_string(),
        of("v0").iter().sum::<f64>().to_string(),
        text(of("v1").into_iter().reduce(f64::min)),
        text(of("v2").into_iter().reduce(f64::max)),
        text(of("v3").into_iter().reduce(|a, b| a + b)),
        text(dated("v4").into_iter().min_by(by_time).map(|found| found.1)),
        text(dated("v5").into_iter().max_by(by_time).map(|found| found.1)),
        text(quantile(0.7).map(f64::round)),
        vehicles.to_string(),
        text(quantile(0.2).map(f64::round)),
    ]
    .join(" ")
}

pub fn text(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:?}"))
}
