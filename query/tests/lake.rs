//! Queries over a lake that the real sink wrote, held against its rows one by one.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "../../connectors/tests/lake_fixture/mod.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod lake_fixture;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int16Type, Int64Type, TimestampMicrosecondType};
use lake_fixture::{Row, START, add_alerts, add_reject, add_windows, context, frames, open};
use rhumb_query::{Format, Limits, QueryError, Session};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const ROWS: usize = 6000;

/// A lake of three epochs and what is in it.
fn lake(data: &Path) -> Vec<Row> {
    let context = context(data, 1);
    let mut sink = open(&context);
    let mut all = Vec::new();
    for epoch in 1..=3 {
        let (mut outputs, rows) = frames(&context, epoch, ROWS / 3);
        all.extend(rows);
        add_alerts(&mut outputs, 2);
        add_reject(&mut outputs[0], None);
        match epoch {
            1 => add_windows(&mut outputs[0], &[(0, "a", 5, 0), (0, "b", 6, 0), (1, "a", 7, 0)]),
            2 => add_windows(&mut outputs[0], &[(0, "a", 50, 1), (2, "a", 1, 0)]),
            _ => add_windows(&mut outputs[0], &[(0, "a", 500, 2)]),
        }
        outputs.iter().for_each(|o| sink.write(o).unwrap());
        let segments = sink.prepare(epoch).unwrap();
        sink.committed(epoch, &segments).unwrap();
    }
    all
}

fn session(data: &Path) -> Session {
    Session::open(data, Limits { threads: 2, ..Limits::default() }).unwrap()
}

/// A result as CSV.
fn text(session: &Session, sql: &str) -> String {
    let mut to = Vec::new();
    session.run(sql, Format::Csv, &mut to).unwrap_or_else(|e| panic!("{sql}: {e}"));
    String::from_utf8(to).unwrap()
}

fn number(session: &Session, sql: &str) -> i64 {
    let (_, rows) = session.collect(sql).unwrap();
    rows[0].column(0).as_primitive::<Int64Type>().value(0)
}

fn rows_of(batches: &[RecordBatch]) -> Vec<Row> {
    let mut rows = Vec::new();
    for batch in batches {
        let column = |name: &str| batch.column_by_name(name).unwrap();
        let strings = |name: &str| cast(column(name), &DataType::Utf8).unwrap();
        let (ids, sources, fleets) = (strings("vehicle_id"), strings("source"), strings("fleet"));
        let times = |name: &str| column(name).as_primitive::<TimestampMicrosecondType>().values().to_vec();
        let (event_times, received) = (times("event_time"), times("received_at"));
        let degrees = |name: &str| column(name).as_primitive::<Float64Type>().values().to_vec();
        let (lat, lon) = (degrees("lat"), degrees("lon"));
        let speeds = column("speed_mps").as_primitive::<Float32Type>();
        let satellites = column("satellites").as_primitive::<Int16Type>();
        let zones = column("zone_ids").as_list::<i32>();
        for row in 0..batch.num_rows() {
            let zones_of = || {
                let ids = cast(&zones.value(row), &DataType::Utf8).unwrap();
                ids.as_string::<i32>().iter().flatten().map(str::to_owned).collect()
            };
            let fleets = fleets.as_string::<i32>();
            rows.push(Row {
                vehicle_id: ids.as_string::<i32>().value(row).to_owned(),
                event_time: event_times[row],
                received_at: received[row],
                lat: lat[row],
                lon: lon[row],
                speed_mps: speeds.is_valid(row).then(|| speeds.value(row)),
                satellites: satellites.is_valid(row).then(|| satellites.value(row)),
                source: sources.as_string::<i32>().value(row).to_owned(),
                zone_ids: zones.is_valid(row).then(zones_of),
                fleet: fleets.is_valid(row).then(|| fleets.value(row).to_owned()),
            });
        }
    }
    rows
}

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by(|a, b| a.partial_cmp(b).unwrap());
    rows
}

#[test]
fn history_is_what_was_written_row_by_row() {
    let data = tempfile::tempdir().unwrap();
    let expected = sorted(lake(data.path()));
    let session = session(data.path());
    let (_, batches) = session.collect("select * from history").unwrap();
    assert_eq!(sorted(rows_of(&batches)), expected);
}

#[test]
fn conditions_find_what_a_walk_over_all_rows_finds() {
    let data = tempfile::tempdir().unwrap();
    let all = lake(data.path());
    let session = session(data.path());
    let check = |condition: &str, holds: &dyn Fn(&Row) -> bool| {
        let (_, found) = session.collect(&format!("select * from history where {condition}")).unwrap();
        let expected: Vec<Row> = all.iter().filter(|r| holds(r)).cloned().collect();
        assert!(!expected.is_empty(), "{condition} holds for some");
        assert_eq!(sorted(rows_of(&found)), sorted(expected), "{condition}");
    };
    let noon = START + 12 * 3_600_000_000;
    check("vehicle_id = 'v7'", &|r| r.vehicle_id == "v7");
    check("vehicle_id = 'v7' and event_date = '2025-10-09'", &|r| {
        r.vehicle_id == "v7" && (START..START + 86_400_000_000).contains(&r.event_time)
    });
    check("event_time < '2025-10-09T12:00:00Z'", &|r| r.event_time < noon);
    check("event_date > '2025-10-09'", &|r| r.event_time >= START + 86_400_000_000);
    check("lat between 10 and 20 and speed_mps > 30", &|r| {
        (10.0..=20.0).contains(&r.lat) && r.speed_mps.is_some_and(|s| s > 30.0)
    });
    check("fleet is null and satellites = 3", &|r| r.fleet.is_none() && r.satellites == Some(3));
    check("array_has(zone_ids, 'zone-3')", &|r| r.zone_ids.as_ref().is_some_and(|z| z.iter().any(|z| z == "zone-3")));
}

#[test]
fn files_that_cannot_match_are_not_opened() {
    let data = tempfile::tempdir().unwrap();
    lake(data.path());
    let session = session(data.path());
    let files = |condition: &str| {
        let plan = text(&session, &format!("explain select lat from history where {condition}"));
        plan.matches(".parquet").count()
    };
    let all = files("true");
    let (first, second) = (files("event_date = '2025-10-09'"), files("event_date = '2025-10-10'"));
    assert!(first > 0 && second > 0 && first < all && second < all, "{first} and {second} of {all}");
    assert_eq!(files("event_date = '2031-01-01'"), 0);
    assert_eq!(files("vehicle_id = 'w'"), 0, "beyond every file's greatest id");
    assert_eq!(files("event_time > '2025-10-11T00:00:00Z'"), 0);
    assert_eq!(number(&session, "select count(*) from history"), ROWS as i64);
    let plan = text(&session, "explain select count(*) from history");
    assert!(!plan.contains("DataSourceExec: file_groups"), "the log knows the count: {plan}");
}

#[test]
fn windows_show_the_newest_revision_and_keep_the_others_aside() {
    let data = tempfile::tempdir().unwrap();
    lake(data.path());
    let session = session(data.path());
    let merged = "select window_start, zone_id, frames, revision from windows_zones order by 1, 2";
    assert_eq!(
        text(&session, merged),
        "window_start,zone_id,frames,revision\n\
         2025-10-09T00:00:00Z,a,500,2\n\
         2025-10-09T00:00:00Z,b,6,0\n\
         2025-10-09T00:01:00Z,a,7,0\n\
         2025-10-09T00:02:00Z,a,1,0\n"
    );
    assert_eq!(number(&session, "select count(*) from windows_zones_revisions"), 6);
}

#[test]
fn windows_whose_keys_nobody_named_lose_no_row() {
    let data = tempfile::tempdir().unwrap();
    let mut context = context(data.path(), 1);
    let plan = &mut context.tables[0];
    plan.schema = Arc::new(plan.schema.as_ref().clone().with_metadata(HashMap::new()));
    let mut sink = open(&context);
    let (mut outputs, _) = frames(&context, 1, 10);
    add_windows(&mut outputs[0], &[(0, "a", 5, 0), (0, "b", 6, 0), (0, "a", 7, 1)]);
    sink.write(&outputs[0]).unwrap();
    let segments = sink.prepare(1).unwrap();
    sink.committed(1, &segments).unwrap();
    assert_eq!(number(&session(data.path()), "select count(*) from windows_zones"), 3);
}

#[test]
fn alerts_and_rejects_are_tables_too() {
    let data = tempfile::tempdir().unwrap();
    lake(data.path());
    let session = session(data.path());
    assert_eq!(session.tables(), ["alerts", "history", "rejects", "windows_zones", "windows_zones_revisions"]);
    let query = "select kind, zone_id, zone_attributes, count(*) > 5 as some from alerts group by 1, 2, 3 order by 1";
    assert_eq!(
        text(&session, query),
        "kind,zone_id,zone_attributes,some\n\
         enter,harbour,\"{\"\"name\"\":\"\"Harbour\"\"}\",true\n\
         exit,airport,{},true\n"
    );
    let first =
        "select length(alert_id), sequence, late, zone_version from alerts where epoch = 1 order by sequence limit 1";
    assert_eq!(text(&session, first), "length(alerts.alert_id),sequence,late,zone_version\n16,0,false,3\n");
    let query =
        "select reason, measured, threshold, event_time, encode(raw, 'hex') as raw, epoch from rejects where epoch = 2";
    assert_eq!(text(&session, query), "reason,measured,threshold,event_time,raw,epoch\nrange,91.0,90.0,,ff7b7d,2\n");
}

#[test]
fn given_tables_stand_beside_those_of_the_lake() {
    let data = tempfile::tempdir().unwrap();
    let current = |n: i64| {
        let columns: [(&str, ArrayRef); 2] =
            [("vehicle_id", Arc::new(StringArray::from(vec!["v1"]))), ("n", Arc::new(Int64Array::from(vec![n])))];
        RecordBatch::try_from_iter(columns).unwrap()
    };
    let session = session(data.path()).with_current(current(1)).unwrap().with_current(current(2)).unwrap();
    assert_eq!(text(&session, "select * from current"), "vehicle_id,n\nv1,2\n");
}

#[test]
fn refreshing_shows_what_was_committed_since() {
    let data = tempfile::tempdir().unwrap();
    let session = session(data.path());
    assert!(session.tables().is_empty());
    lake(data.path());
    session.refresh().unwrap();
    assert_eq!(number(&session, "select count(*) from history"), ROWS as i64);
}

#[test]
fn whatever_is_not_reading_the_lake_is_refused() {
    let data = tempfile::tempdir().unwrap();
    lake(data.path());
    let secret = data.path().join("secret.csv");
    std::fs::write(&secret, "a\n1\n").unwrap();
    let secret = secret.display();
    let session = session(data.path());
    for (sql, expected) in [
        ("create table t as select 1".to_owned(), "CREATE MEMORY TABLE is not allowed; queries only read"),
        ("create view v as select 1".to_owned(), "CREATE VIEW is not allowed; queries only read"),
        ("drop table history".to_owned(), "DROP TABLE is not allowed; queries only read"),
        (format!("create external table t stored as csv location '{secret}'"), "is not allowed; queries only read"),
        (format!("copy history to '{secret}' stored as csv"), "COPY is not allowed; queries only read"),
        (format!("explain copy history to '{secret}' stored as csv"), "COPY is not allowed; queries only read"),
        ("insert into rejects select * from rejects".to_owned(), "is not allowed; queries only read"),
        ("delete from history".to_owned(), "is not allowed; queries only read"),
        ("update history set lat = 0".to_owned(), "is not allowed; queries only read"),
        ("set datafusion.execution.target_partitions = 1000".to_owned(), "is not allowed; queries only read"),
        (format!("select * from '{secret}'"), "there is no table"),
        (format!("select * from read_csv('{secret}')"), "read_csv"),
        ("select 1; drop table history".to_owned(), "single"),
    ] {
        let error = session.collect(&sql).unwrap_err();
        assert!(!matches!(error, QueryError::Failed(_)), "{sql}: {error}");
        assert!(error.to_string().contains(expected), "{sql}: {error}");
    }
}

#[test]
fn mistakes_are_answered_with_what_there_is() {
    let data = tempfile::tempdir().unwrap();
    lake(data.path());
    let session = session(data.path());
    for (sql, expected) in [
        ("select * from histroy", "there is no table histroy; there are alerts, history, rejects, windows_zones"),
        ("select speed from history", "there is no column speed; there are"),
        ("selec 1", "this is not SQL that we know"),
        ("select no_such_function(1)", "no_such_function"),
    ] {
        let error = session.collect(sql).unwrap_err().to_string();
        assert!(error.contains(expected), "{sql}: {error}");
        assert!(!error.contains('\n'), "{sql} is answered in one line: {error}");
    }
}

#[test]
fn query_that_takes_too_long_or_too_much_ends() {
    let data = tempfile::tempdir().unwrap();
    lake(data.path());
    let limits = Limits { threads: 1, timeout: Some(Duration::from_secs(1)), ..Limits::default() };
    let session = Session::open(data.path(), limits).unwrap();
    let endless = "select count(*) from history a, history b, history c, history d where a.lat + b.lat + c.lat < d.lat";
    let error = session.collect(endless).unwrap_err();
    assert!(error.to_string().starts_with("the query took longer than its 1 s"), "{error}");
    assert_eq!(number(&session, "select count(*) from alerts where late"), 0, "the only thread is free again");

    let limits = Limits { threads: 2, memory_bytes: 100_000, ..Limits::default() };
    let session = Session::open(data.path(), limits).unwrap();
    let error =
        session.collect("select vehicle_id, event_time, array_agg(lat) from history group by 1, 2").unwrap_err();
    assert!(error.to_string().starts_with("the query needs more memory than it may have"), "{error}");
}

#[test]
fn folder_that_is_not_there_is_named() {
    let data = tempfile::tempdir().unwrap();
    let nowhere = data.path().join("nowhere");
    let error = Session::open(&nowhere, Limits::default()).err().unwrap().to_string();
    assert!(error.contains("nowhere"), "{error}");
}
