//! Frames and alerts that go out to topics.

use super::{RUN, broker, pipeline, rows};
use crate::broker::Found;
use crate::support::{MAIN_JOB, Site, ZONES};
use serde_json::Value;
use std::collections::BTreeMap;

const FLEET: [&str; 11] =
    ["simulate", "--vehicles", "100", "--seconds", "600", "--seed", "9", "--late", "0.02", "-o", "cabs.json"];

fn file_pipeline(site: &Site, sink: &str) {
    site.write("zones.geojson", ZONES);
    let toml = format!(
        "name = \"cabs\"\ndata = \"data\"\n[engine]\nshards = 2\n[[source]]\nname = \"cabs\"\n[source.file]\npath = \"cabs.json\"\n\
         codec = \"json\"\n{MAIN_JOB}\n[[sink]]\n[sink.kafka]\n{sink}"
    );
    site.write("cabs.toml", toml);
}

fn objects(found: &[Found]) -> Vec<Value> {
    found.iter().map(|record| serde_json::from_slice(&record.value).expect("JSON")).collect()
}

#[test]
fn frames_and_alerts_of_the_lake_go_to_their_topics_keyed_by_vehicle() {
    let Some(broker) = broker() else { return };
    broker.create("accepted", 3);
    broker.create("alerts", 3);
    let site = Site::new();
    site.done(&FLEET);
    file_pipeline(&site, &format!("brokers = [\"{}\"]\nframes = \"accepted\"\nalerts = \"alerts\"\n", broker.address));
    site.done(&RUN);

    let frames = broker.read("accepted");
    let mut told: Vec<(String, i64, bool, usize)> = Vec::new();
    for (record, frame) in frames.iter().zip(objects(&frames)) {
        assert_eq!(record.key, frame["vehicle_id"], "the key is the vehicle");
        assert_eq!(record.timestamp_ms, frame["received_at"].as_i64().expect("a time") / 1000);
        let zones = frame["zone_ids"].as_array().map_or(0, Vec::len);
        told.push((record.key.clone(), frame["event_time"].as_i64().expect("a time"), frame["late"] == true, zones));
    }
    told.sort();
    let sql = "select vehicle_id, cast(event_time as bigint), late, coalesce(array_length(zone_ids), 0) from history order by 1, 2";
    let told: Vec<String> = told.iter().map(|(v, t, late, zones)| format!("{v},{t},{late},{zones}")).collect();
    let history = site.ask("cabs.toml", sql);
    let first = history.iter().zip(&told).find(|(history, told)| history != told);
    assert!(!history.is_empty() && history == told, "{} and {}: {first:?}", history.len(), told.len());

    let alerts = broker.read("alerts");
    let mut by_id: BTreeMap<String, Value> = BTreeMap::new();
    for (record, alert) in alerts.iter().zip(objects(&alerts)) {
        let id = alert["alert_id"].as_str().expect("an id").to_owned();
        let headers = [("alert_id".to_owned(), id.clone()), ("sequence".to_owned(), alert["sequence"].to_string())];
        assert_eq!(
            (&record.headers[..], Value::from(record.key.as_str())),
            (&headers[..], alert["vehicle_id"].clone())
        );
        assert!(by_id.insert(id, alert).is_none(), "none is there twice");
    }
    let kept = rows(&site, "cabs.toml", "select alert_id, sequence, kind, vehicle_id, zone_id, late from alerts");
    assert!(kept.len() > 50, "{} alerts", kept.len());
    assert_eq!(kept.len(), by_id.len());
    for kept in kept {
        let kept: Value = serde_json::from_str(&kept).expect("JSON");
        let alert = &by_id[kept["alert_id"].as_str().expect("an id")];
        for (name, value) in kept.as_object().expect("an object") {
            assert_eq!(&alert[name], value, "{name} of {alert}");
        }
        let name = alert["zone_attributes"]["name"].as_str();
        assert!(matches!(name, Some("Middle" | "West")), "{alert}");
    }
    // Nothing is left to read, and nothing is sent again.
    site.done(&RUN);
    assert_eq!((broker.read("accepted").len(), broker.read("alerts").len()), (frames.len(), alerts.len()));
}

#[test]
fn what_one_pipeline_accepts_is_what_the_next_one_reads_in_both_formats() {
    let Some(broker) = broker() else { return };
    for format in ["json", "binary"] {
        let (gateway, topic) = (Site::new(), format!("chained-{format}"));
        broker.create(&topic, 4);
        gateway.done(&FLEET);
        let sink = format!("brokers = [\"{}\"]\nframes = \"{topic}\"\nformat = \"{format}\"\n", broker.address);
        file_pipeline(&gateway, &sink);
        gateway.done(&RUN);
        let site = Site::new();
        site.write("zones.geojson", ZONES);
        pipeline(&site, &broker.address, &topic, &format!("codec = \"{format}\"\nrollover = false"), MAIN_JOB);
        site.done(&RUN);
        for sql in [
            "select vehicle_id, event_time, lat, lon, speed_mps, heading_deg, late, zone_ids from history",
            "select kind, vehicle_id, zone_id, event_time, late from alerts",
        ] {
            let (before, after) = (rows(&gateway, "cabs.toml", sql), rows(&site, "cabs.toml", sql));
            let first = before.iter().zip(&after).find(|(before, after)| before != after);
            assert!(!before.is_empty() && before == after, "{format}, {sql}: {first:#?}");
        }
    }
}

#[test]
fn frame_that_the_broker_finds_too_long_stops_the_run_before_its_commit() {
    let Some(broker) = broker() else { return };
    broker.create_with("narrow", 1, &[("max.message.bytes", "150")]);
    let site = Site::new();
    site.write("cabs.json", r#"{"id": "a", "ts": 1714564900, "lat": 30.25, "lon": -97.75}"#);
    file_pipeline(&site, &format!("brokers = [\"{}\"]\nframes = \"narrow\"\n", broker.address));
    let told = site.rhumb(&RUN);
    assert_eq!(told.exit, 1, "{}", told.stderr);
    assert!(told.stderr.contains("deliver to Kafka: topic narrow: "), "{}", told.stderr);
    assert!(told.stderr.contains("too large") && told.stderr.contains("nothing of it is committed"), "{}", told.stderr);
    broker.create("wide", 1);
    file_pipeline(&site, &format!("brokers = [\"{}\"]\nframes = \"wide\"\n", broker.address));
    site.done(&RUN);
    assert_eq!((broker.read("narrow").len(), broker.read("wide").len()), (0, 1));
    assert_eq!(site.count("cabs.toml", "select count(*) from history"), 1, "it was taken up again");
}
