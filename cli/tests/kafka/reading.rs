//! Where reading begins and ends, and which partitions there are.

use super::{RUN, T0_MS, broker, frame, history, pipeline};
use crate::broker::Written;
use crate::support::{Site, wait_until};

/// Frames of `a` at 0 to 9 s in one partition, as `a 3`.
fn ten(topic: &str) -> &'static crate::broker::Broker {
    let broker = broker().expect("it was asked for");
    broker.create(topic, 1);
    broker.write(topic, (0..10).map(|n| frame("a", n)));
    broker
}

#[test]
fn first_run_begins_where_the_pipeline_says_and_the_next_goes_on_from_there() {
    if broker().is_none() {
        return;
    }
    let broker = ten("start");
    let last = |n: i64| (10 - n..10).map(|second| format!("a {second}")).collect::<Vec<_>>();
    // Record 7 was written at 8 s.
    for (start, expected) in [
        ("", last(10)),
        ("start = \"earliest\"", last(10)),
        ("start = { offset = 6 }", last(4)),
        ("start = { offset = 600 }", last(0)),
        ("start = \"2024-05-01T12:00:08Z\"", last(3)),
        ("start = \"2024-05-01T12:00:07.0005Z\"", last(3)),
        ("start = 2024-05-01T12:00:08Z", last(3)),
        ("start = \"2025-01-01T00:00:00Z\"", last(0)),
        ("start = \"latest\"", last(0)),
    ] {
        let site = Site::new();
        pipeline(&site, &broker.address, "start", start, "");
        site.done(&RUN);
        assert_eq!(history(&site), expected, "{start}");
        // Where the next run begins stands in the manifest, and nowhere else.
        pipeline(&site, &broker.address, "start", "start = \"earliest\"", "");
        site.done(&RUN);
        assert_eq!(history(&site), expected, "{start}, and again");
    }
}

#[test]
fn run_to_the_end_ends_where_the_topic_did_at_its_start_and_reads_what_is_committed_alone() {
    let Some(broker) = broker() else { return };
    broker.create("ends", 2);
    let site = Site::new();
    pipeline(&site, &broker.address, "ends", "", "");
    site.done(&RUN);
    assert_eq!(site.json("summary.json")["lag"], serde_json::json!({"gps": {"ends/0": 0, "ends/1": 0}}));
    let in_partition = |partition, written: Written| Written { partition: Some(partition), ..written };
    broker.write_transaction("ends", "one", vec![in_partition(0, frame("a", 1)), in_partition(1, frame("b", 1))], true);
    broker.write_transaction(
        "ends",
        "two",
        vec![in_partition(0, frame("a", 2)), in_partition(1, frame("b", 2))],
        false,
    );
    // The last record of both partitions is now a marker that nobody is given.
    site.done(&RUN);
    assert_eq!(history(&site), ["a 1", "b 1"]);
    broker.write("ends", [in_partition(0, frame("a", 3))]);
    site.done(&RUN);
    assert_eq!(history(&site), ["a 1", "a 3", "b 1"]);
    assert_eq!(site.json("summary.json")["lag"], serde_json::json!({"gps": {"ends/0": 0, "ends/1": 0}}));
}

#[test]
fn partitions_that_a_topic_gains_are_read_from_their_beginning() {
    let Some(broker) = broker() else { return };
    broker.create("gains", 1);
    let in_partition = |partition, written: Written| Written { partition: Some(partition), ..written };
    broker.write("gains", [frame("old", 0)]);
    let site = Site::new();
    pipeline(&site, &broker.address, "gains", "start = \"latest\"\ndiscover_every = \"1s\"", "");
    let mut run = site.start(&["run", "cabs.toml"]);
    run.wait_for("reading partitions");
    broker.add_partitions("gains", 3);
    broker.write(
        "gains",
        [in_partition(1, frame("a", 1)), in_partition(2, frame("b", 1)), in_partition(0, frame("c", 1))],
    );
    run.wait_for("reading new partitions from their beginning");
    wait_until("all are committed", || history_is(&site, &["a 1", "b 1", "c 1"]));
    let (exit, told) = run.interrupt_and_end();
    assert_eq!(exit, 0, "{told}");
    // So are those that it gains while nobody reads.
    broker.add_partitions("gains", 4);
    broker.write("gains", [in_partition(3, frame("d", 1))]);
    site.done(&RUN);
    assert_eq!(history(&site), ["a 1", "b 1", "c 1", "d 1"]);
}

/// While a run goes on, there may be no lake yet.
pub fn history_is(site: &Site, expected: &[&str]) -> bool {
    site.path("data/lake/history/_delta_log").exists() && history(site) == expected
}

#[test]
fn vehicle_is_the_key_or_a_header_where_the_pipeline_says_so() {
    let Some(broker) = broker() else { return };
    broker.create("named", 1);
    let value = |second: i64| format!(r#"{{"ts": {}, "lat": 30.25, "lon": -97.75}}"#, T0_MS / 1000 + second);
    let record = |key: &str, header: &str, second| Written {
        headers: vec![("imei", header.into()), ("other", b"x".to_vec())],
        ..Written::new(key, value(second))
    };
    let nameless = Written { key: None, headers: Vec::new(), ..record("", "", 3) };
    let not_text = Written { key: Some(vec![0xFF]), headers: vec![("imei", vec![0xFF])], ..record("", "", 4) };
    broker.write("named", [record("k1", "h1", 1), record("k2", "h2", 2), nameless, not_text]);
    for (vehicle, expected, reasons) in [
        ("key", ["k1 1", "k2 2"], ["the record has no key", "the key is not UTF-8"]),
        (
            "header:imei",
            ["h1 1", "h2 2"],
            ["the record has no header of this name", "the header of this name is not UTF-8"],
        ),
    ] {
        let site = Site::new();
        pipeline(&site, &broker.address, "named", &format!("vehicle = \"{vehicle}\""), "");
        site.done(&RUN);
        assert_eq!(history(&site), expected, "{vehicle}");
        let told = site.ask("cabs.toml", "select reason, \"offset\", detail from rejects order by \"offset\"");
        let want: Vec<String> = (2..).zip(reasons).map(|(offset, why)| format!("vehicle_id,{offset},{why}")).collect();
        assert_eq!(told, want, "{vehicle}");
    }
}

#[test]
fn broker_that_asks_who_reads_is_told_what_the_properties_say_and_nobody_else_is() {
    let Some(broker) = broker() else { return };
    broker.create("guarded", 1);
    broker.write("guarded", [frame("a", 1)]);
    let site = Site::new();
    let with = |password: &str| {
        let properties = format!(
            "properties = {{ \"security.protocol\" = \"sasl_plaintext\", \"sasl.mechanism\" = \"PLAIN\", \
             \"sasl.username\" = \"rhumb\", \"sasl.password\" = \"{password}\" }}"
        );
        pipeline(&site, &broker.sasl_address(), "guarded", &properties, "");
    };
    with("open-barley");
    let mut run = site.start(&["run", "cabs.toml"]);
    let line = run.wait_for("no Kafka broker answers");
    assert!(line.to_lowercase().contains("authentication"), "{line}");
    let (exit, told) = run.interrupt_and_end();
    assert_eq!(exit, 0, "{told}");
    assert!(!told.contains("open-barley") && !line.contains("open-barley"), "{told}");
    with("sesame");
    site.done(&RUN);
    assert_eq!(history(&site), ["a 1"]);
}
