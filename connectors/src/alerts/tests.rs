use super::*;
use arrow::array::StringArray;
use rhumb_engine::alert::{Alert, AlertBatch, AlertId, AlertKind, AlertReason, AlertZones};
use rhumb_engine::alert_log::{AlertLog, AlertLogPlan, LogPosition};
use rhumb_engine::lane::Lane;
use rhumb_engine::sink::SinkContext;
use rhumb_engine::time::{Clock, DAY_US, EventTime};
use rhumb_engine::vehicle::Vehicles;
use std::path::Path;
use std::sync::Arc;

const PLAN: AlertLogFiles = AlertLogFiles { sync: None, keep_us: DAY_US };

struct At(i64);

impl Clock for At {
    fn now(&self) -> EventTime {
        EventTime(self.0)
    }
}

fn vehicles() -> Arc<Vehicles> {
    let vehicles = Vehicles::default();
    for id in ["car", "bus"] {
        vehicles.intern(id, Lane(0));
    }
    Arc::new(vehicles)
}

fn open(data: &Path, next: i64, unmatched: i64, now: i64) -> Box<dyn AlertLog> {
    let context = SinkContext {
        pipeline: "p".into(),
        data: data.to_owned(),
        bucket: None,
        retry: Arc::new(rhumb_engine::retry::Retry::off()),
        claim: 1,
        instance: None,
        live_claims: Default::default(),
        vehicles: vec![vehicles()],
        history: Vec::new(),
        tables: Vec::new(),
    };
    PLAN.open(&context, LogPosition { next, unmatched }, Arc::new(At(now))).unwrap()
}

/// Alerts of the bus at these times.
fn alerts(times: &[i64]) -> AlertBatch {
    let zones = AlertZones {
        ids: Arc::new(StringArray::from(vec!["depot"])),
        attributes: Arc::new(StringArray::from(vec![r#"{"name":"Depot"}"#])),
        hashes: vec![7],
        version: 3,
    };
    let mut batch = AlertBatch::with_capacity(Arc::new(zones), times.len());
    for time in times {
        let id = AlertId::new(7, 1, AlertKind::Exit, EventTime(*time), 0);
        let (event_time, reason) = (EventTime(*time), AlertReason::ZoneRemoved);
        batch.push(Alert {
            kind: AlertKind::Exit,
            vehicle: 1,
            zone: 0,
            event_time,
            frame_time: event_time,
            received_at: event_time,
            lat: 1.5,
            lon: -2.5,
            id,
            visit: id,
            reason,
            late: false,
            supersedes: None,
            left: None,
        });
    }
    batch
}

fn number(log: &mut Box<dyn AlertLog>, times: &[i64]) -> Vec<i64> {
    let numbers = log.number(0, &alerts(times)).unwrap();
    log.write().unwrap();
    numbers
}

/// Numbers and times of all from a number on, and the gaps between.
fn read(data: &Path, from: i64) -> (Vec<(i64, i64)>, Vec<Tailed>) {
    let (mut all, mut gaps) = (Vec::new(), Vec::new());
    let mut tail = Tail::new(&folder(data), from);
    loop {
        match tail.next(|number, _, record| all.push((number, record.event_time))).unwrap() {
            Tailed::End => return (all, gaps),
            Tailed::Some => {}
            gap => gaps.push(gap),
        }
    }
}

#[test]
fn alerts_that_arise_again_after_a_crash_keep_their_numbers() {
    let data = tempfile::tempdir().unwrap();
    let mut log = open(data.path(), 1, 1, 0);
    assert_eq!(number(&mut log, &[10, 20]), [1, 2]);
    assert_eq!(log.prepare(false).unwrap(), LogPosition { next: 3, unmatched: 3 });
    assert_eq!(number(&mut log, &[30, 40, 50]), [3, 4, 5]);
    drop(log);
    // The last commit was before 30. Another order, since shards race, and one that is new.
    let mut log = open(data.path(), 3, 3, 0);
    assert_eq!(number(&mut log, &[50, 30]), [5, 3]);
    assert_eq!(log.prepare(false).unwrap(), LogPosition { next: 6, unmatched: 4 });
    drop(log);
    // Another crash before 40 has come again.
    let mut log = open(data.path(), 6, 4, 0);
    assert_eq!(number(&mut log, &[60, 40]), [6, 4]);
    assert_eq!(log.prepare(false).unwrap(), LogPosition { next: 7, unmatched: 5 }, "50 stands in between");
    assert_eq!(log.prepare(true).unwrap(), LogPosition { next: 7, unmatched: 7 });
    let (all, gaps) = read(data.path(), 1);
    assert_eq!(all, [(1, 10), (2, 20), (3, 30), (4, 40), (5, 50), (6, 60)]);
    assert_eq!(gaps, []);
    assert_eq!(read(data.path(), 5).0, [(5, 50), (6, 60)]);
}

#[test]
fn alerts_whose_frames_are_lost_are_waited_for_no_longer_than_they_are_kept() {
    let data = tempfile::tempdir().unwrap();
    number(&mut open(data.path(), 1, 1, 0), &[10, 20]);
    let mut log = open(data.path(), 1, 1, DAY_US);
    assert_eq!(log.prepare(false).unwrap(), LogPosition { next: 3, unmatched: 1 });
    let mut log = open(data.path(), 3, 1, DAY_US + 1);
    assert_eq!(log.prepare(false).unwrap(), LogPosition { next: 3, unmatched: 3 });
}

#[test]
fn a_reader_follows_whoever_writes_and_is_told_of_what_is_missing() {
    let data = tempfile::tempdir().unwrap();
    let mut tail = Tail::new(&folder(data.path()), 1);
    let mut next = || {
        let mut found = Vec::new();
        let tailed = tail.next(|number, _, _| found.push(number)).unwrap();
        (tailed, found)
    };
    assert_eq!(next(), (Tailed::End, vec![]), "there is no log yet");
    let mut log = open(data.path(), 1, 1, 0);
    assert_eq!(next(), (Tailed::End, vec![]));
    number(&mut log, &[10, 20]);
    assert_eq!(next(), (Tailed::Some, vec![1, 2]));
    assert_eq!(next(), (Tailed::End, vec![]));
    number(&mut log, &[30]);
    assert_eq!(next(), (Tailed::Some, vec![3]));
    drop(log);
    // The machine went down and the log's end with it, after a commit that names more.
    let mut log = open(data.path(), 9, 9, 0);
    assert_eq!(number(&mut log, &[40]), [9]);
    assert_eq!(next(), (Tailed::Gap(4, 9), vec![]));
    assert_eq!(next(), (Tailed::Some, vec![9]));
}

#[test]
fn a_record_says_what_the_alerts_table_says() {
    let alerts = alerts(&[1_700_000_000_000_000]);
    let vehicles = vehicles();
    let bytes = postcard::to_extend(&Record::of(&alerts, 0, &vehicles), Vec::new()).unwrap();
    let record = Record::decode(&bytes).unwrap();
    expect_test::expect![[r#"{"alert_id":"bCfmIBCTwiihpTBb","event_time":"2023-11-14T22:13:20Z","frame_time":"2023-11-14T22:13:20Z","kind":"exit","lat":1.5,"late":false,"lon":-2.5,"reason":"zone_removed","received_at":"2023-11-14T22:13:20Z","sequence":5,"vehicle_id":"bus","visit_id":"bCfmIBCTwiihpTBb","zone_attributes":{"name":"Depot"},"zone_id":"depot","zone_version":3}"#]]
        .assert_eq(&record.json(5).to_string());
    assert_eq!(Record::decode(&bytes[..bytes.len() - 1]), None);
}
