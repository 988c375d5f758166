//! Through Kafka comes what a file gives: row for row.

use super::{RUN, broker, rows};
use crate::broker::Written;
use crate::support::{MAIN_JOB, Site, ZONES};

const COLUMNS: &str =
    "vehicle_id,event_time,lat,lon,altitude_m,speed_mps,heading_deg,accuracy_m,hdop,satellites,received_at";

/// All that must be the same: what came from where, and the order in which shards were heard, are each run's own.
const SAME: [&str; 5] = [
    "select vehicle_id, event_time, received_at, lat, lon, altitude_m, speed_mps, heading_deg, accuracy_m, hdop, \
     satellites, source, late, zone_ids, event_date from history",
    "select alert_id, kind, vehicle_id, zone_id, event_time, frame_time, received_at, lat, lon, visit_id, reason, late, \
     supersedes, zone_attributes, event_date from alerts",
    "select reason, measured, threshold, vehicle_id, event_time, received_at, lat, lon, source, event_date from rejects",
    "select window_start, window_end, zone_id, frames, round(speed_avg, 6) from windows_zones",
    "select vehicle_id, event_time, lat, lon, status, zone_ids from current",
];

fn write(site: &Site, name: &str, data: &str, source: &str) {
    let toml = format!(
        "name = \"cabs\"\ndata = \"{data}\"\n[engine]\nshards = 2\nlateness = \"15m\"\n[[source]]\nname = \"cabs\"\n{source}\n\
         {MAIN_JOB}"
    );
    site.write(name, toml);
}

#[test]
fn topic_gives_the_history_alerts_rejects_and_windows_of_the_file_that_it_was_filled_from() {
    let Some(broker) = broker() else { return };
    let site = Site::new();
    site.write("zones.geojson", ZONES);
    let fleet =
        ["simulate", "--vehicles", "200", "--seconds", "600", "--seed", "3", "--codec", "csv", "-o", "cabs.csv"];
    let dirt = ["--late", "0.03", "--duplicate", "0.02", "--null-island", "0.01", "--teleport", "0.02"];
    site.done(&[&fleet[..], &dirt].concat());
    let csv = std::fs::read_to_string(site.path("cabs.csv")).expect("a recording");
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some(COLUMNS));
    let frames = lines.clone().count() as u64;
    broker.create("same", 4);
    let record = |line: &str| Written::new(line.split(',').next().unwrap_or_default(), line);
    broker.write("same", lines.map(record));

    write(&site, "file.toml", "file", "[source.file]\npath = \"cabs.csv\"\ncodec = \"csv\"\n");
    let columns: Vec<String> = COLUMNS.split(',').map(|column| format!("\"{column}\"")).collect();
    let kafka = format!(
        "[source.kafka]\nbrokers = [\"{}\"]\ntopic = \"same\"\ncodec = \"csv\"\nrollover = false\n[source.csv]\ncolumns = [{}]\n",
        broker.address,
        columns.join(", ")
    );
    write(&site, "cabs.toml", "kafka", &kafka);
    site.done(&["run", "file.toml", "--until-end", "--summary", "file.json"]);
    site.done(&RUN);

    let (file, kafka) = (site.json("file.json"), site.json("summary.json"));
    for field in ["frames_in", "history_rows", "rejects", "alerts"] {
        assert_eq!(kafka[field], file[field], "{field}");
    }
    assert_eq!(kafka["frames_in"], serde_json::json!(frames));
    assert_eq!(kafka["sources"]["cabs"]["records"], serde_json::json!(frames));
    assert_eq!(kafka["lag"]["cabs"], serde_json::json!({"same/0": 0, "same/1": 0, "same/2": 0, "same/3": 0}));
    for sql in SAME {
        let (file, kafka) = (rows(&site, "file.toml", sql), rows(&site, "cabs.toml", sql));
        let first = file.iter().zip(&kafka).find(|(file, kafka)| file != kafka);
        assert!(!file.is_empty(), "nothing to compare: {sql}");
        assert!(file == kafka, "{sql}: {} and {} rows; first difference: {first:#?}", file.len(), kafka.len());
    }
    // What is committed has been told to the broker, for tools.
    let told = broker.told_by("rhumb-cabs", "same", 4);
    let all: i64 = told.iter().map(|offset| offset.expect("it was told")).sum();
    assert_eq!(all, frames as i64);
}

#[test]
fn simulated_fleet_comes_through_a_topic_in_json_and_in_binary() {
    let Some(broker) = broker() else { return };
    for codec in ["json", "binary"] {
        let site = Site::new();
        let topic = format!("simulated-{codec}");
        broker.create(&topic, 3);
        let fleet = ["simulate", "--vehicles", "50", "--seconds", "100", "--max", "--codec", codec];
        let told = site.done(&[&fleet[..], &["--to-kafka", &topic, "--brokers", &broker.address]].concat());
        let told = told.stderr;
        let sent: u64 = told.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("it says how many");
        super::pipeline(&site, &broker.address, &topic, &format!("codec = \"{codec}\""), "");
        site.done(&RUN);
        assert_eq!(site.json("summary.json")["history_rows"], serde_json::json!(sent), "{codec}");
        let of_keys = broker.read(&topic).iter().filter(|record| record.key.starts_with('v')).count() as u64;
        assert_eq!(of_keys, sent, "{codec}: each has its vehicle as key");
    }
}
