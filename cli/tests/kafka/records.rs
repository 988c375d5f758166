//! Records that are no frames, and records that are gone.

use super::{RUN, broker, frame, history, pipeline};
use crate::broker::Written;
use crate::support::Site;

#[test]
fn records_that_are_no_frames_are_rejected_with_their_place_and_bytes_and_hold_up_nothing() {
    let Some(broker) = broker() else { return };
    broker.create("poison", 2);
    let poison = |partition, value: &[u8]| Written { partition: Some(partition), ..Written::new("x", value) };
    let tombstone = Written { partition: Some(0), value: None, ..Written::new("x", "") };
    let good = |partition, second| Written { partition: Some(partition), ..frame("a", second) };
    let long = format!(r#"{{"id": "long", "note": "{}"}}"#, "x".repeat(3_000_000));
    broker.write(
        "poison",
        [
            good(0, 1),
            poison(0, b"\x01\xFFnonsense"),
            tombstone,
            poison(0, b""),
            poison(0, long.as_bytes()),
            good(0, 2),
            poison(1, b"{\"id\": \"a\"}"),
            good(1, 3),
        ],
    );
    let site = Site::new();
    pipeline(&site, &broker.address, "poison", "", "");
    site.done(&RUN);
    assert_eq!(history(&site), ["a 1", "a 2", "a 3"]);
    let sql = "select partition, \"offset\", reason, length(encode(raw, 'hex')) / 2 from rejects order by partition, \"offset\"";
    assert_eq!(
        site.ask("cabs.toml", sql),
        [
            "poison/0,1,undecodable,10",
            "poison/0,3,empty_datagram,0",
            "poison/0,4,oversize_datagram,2048",
            "poison/1,0,undecodable,11",
        ]
    );
    let summary = site.json("summary.json");
    assert_eq!(summary["sources"]["gps"]["tombstones"], serde_json::json!(1));
    assert_eq!((&summary["frames_in"], &summary["history_rows"]), (&serde_json::json!(7), &serde_json::json!(3)));
    // A tombstone has been read, too: the next run goes on behind it.
    site.done(&RUN);
    assert_eq!(site.json("summary.json")["frames_in"], serde_json::json!(0));
}

#[test]
fn every_compression_of_kafka_is_read() {
    let Some(broker) = broker() else { return };
    broker.create("packed", 1);
    for (n, compression) in (0..).zip(["none", "gzip", "snappy", "lz4", "zstd"]) {
        broker.write_with("packed", &[("compression.type", compression)], (0..100).map(|s| frame("a", 100 * n + s)));
    }
    let site = Site::new();
    pipeline(&site, &broker.address, "packed", "", "");
    site.done(&RUN);
    assert_eq!(history(&site).len(), 500);
}

#[test]
fn records_that_are_gone_before_they_are_read_are_told_and_passed_over_only_when_asked_to() {
    let Some(broker) = broker() else { return };
    broker.create("gone", 1);
    broker.write("gone", (0..5).map(|n| frame("a", n)));
    let site = Site::new();
    pipeline(&site, &broker.address, "gone", "", "");
    site.done(&RUN);
    broker.write("gone", (5..10).map(|n| frame("a", n)));
    broker.forget("gone", 0, 8);
    let told = site.rhumb(&RUN);
    assert_eq!(told.exit, 1, "{}", told.stderr);
    let said = "source gps: gone/0: the next record to read has the offset 5, and there are 8 to 10: 3 records are gone that \
                were not read; write lost = \"skip\" to go on with the oldest record that is there";
    assert!(told.stderr.contains(said), "{}", told.stderr);
    pipeline(&site, &broker.address, "gone", "lost = \"skip\"", "");
    site.done(&RUN);
    assert_eq!(site.json("summary.json")["sources"]["gps"]["records_lost"], serde_json::json!(3));
    assert_eq!(history(&site), ["a 0", "a 1", "a 2", "a 3", "a 4", "a 8", "a 9"]);
}

#[test]
fn topic_that_is_not_there_ends_a_run_to_the_end_with_words() {
    let Some(broker) = broker() else { return };
    let site = Site::new();
    pipeline(&site, &broker.address, "nowhere", "", "");
    let told = site.rhumb(&RUN);
    assert_eq!(told.exit, 1, "{}", told.stderr);
    assert!(told.stderr.contains("source gps: there is no topic nowhere at 127.0.0.1:"), "{}", told.stderr);
}
