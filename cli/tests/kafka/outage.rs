//! Brokers that come late, go away and come back.

use super::reading::history_is;
use super::{RUN, frame, history, pipeline};
use crate::broker::Broker;
use crate::support::{Site, wait_until};

#[test]
fn run_waits_for_a_broker_that_comes_late_and_goes_on_with_one_that_was_away() {
    let Some(broker) = Broker::start() else { return };
    broker.create("late", 2);
    broker.write("late", (0..10).map(|n| frame("a", n)));
    broker.stop();
    let site = Site::new();
    pipeline(&site, &broker.address, "late", "", "");
    let mut run = site.start(&["run", "cabs.toml", "--summary", "summary.json"]);
    let line = run.wait_for("no Kafka broker answers");
    assert!(line.contains(&broker.address) && line.contains("trying again until one does"), "{line}");
    broker.start_again();
    run.wait_for("Kafka answers again");
    let seconds = |n: i64| (0..n).map(|second| format!("a {second}")).collect::<Vec<_>>();
    let is_there = |n: i64| {
        let expected = seconds(n);
        history_is(&site, &expected.iter().map(String::as_str).collect::<Vec<_>>())
    };
    wait_until("what stood there is committed", || is_there(10));
    broker.kill();
    run.wait_for("no Kafka broker answers");
    broker.start_again();
    broker.write("late", (10..20).map(|n| frame("a", n)));
    run.wait_for("Kafka answers again");
    wait_until("what came then is committed", || is_there(20));
    let (exit, told) = run.interrupt_and_end();
    assert_eq!(exit, 0, "{told}");
    let summary = site.json("summary.json");
    assert_eq!((&summary["frames_in"], &summary["history_rows"]), (&serde_json::json!(20), &serde_json::json!(20)));

    // Without a broker it can be stopped as ever, and what it has committed stays as it was.
    broker.stop();
    let mut run = site.start(&["run", "cabs.toml"]);
    run.wait_for("no Kafka broker answers");
    let (exit, told) = run.interrupt_and_end();
    assert_eq!(exit, 0, "{told}");
    broker.start_again();
    site.done(&RUN);
    assert_eq!(history(&site), seconds(20));

    // A sink that cannot deliver stops the run before its commit, and says what to do.
    broker.create("out", 1);
    let sink =
        format!("[[sink]]\n[sink.kafka]\nbrokers = [\"{}\"]\nframes = \"out\"\nretry_for = \"2s\"\n", broker.address);
    site.write("cars.json", r#"{"id": "a", "ts": 1714564900, "lat": 30.25, "lon": -97.75}"#);
    site.write(
        "cars.toml",
        format!(
            "name = \"cars\"\n[[source]]\nname = \"f\"\n[source.file]\npath = \"cars.json\"\ncodec = \"json\"\n{sink}"
        ),
    );
    broker.stop();
    let told = site.rhumb(&["run", "cars.toml", "--until-end"]);
    assert_eq!(told.exit, 1, "{}", told.stderr);
    let last = told.stderr.lines().last().unwrap_or_default();
    for words in
        ["deliver to Kafka: topic out: ", "tried for 2s, brokers 127.0.0.1:", "see to the brokers and start again"]
    {
        assert!(last.contains(words), "{last}");
    }
    broker.start_again();
    site.done(&["run", "cars.toml", "--until-end"]);
    let out = broker.read("out");
    assert_eq!(out.iter().map(|record| record.key.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(site.count("cars.toml", "select count(*) from history"), 1);
}

/// More than the socket's buffer, the channels and the producer's queue hold together.
#[test]
fn gateway_keeps_in_its_journal_what_comes_while_no_broker_answers() {
    const SENT: usize = 300_000;
    let Some(broker) = Broker::start() else { return };
    broker.create("gps.raw", 2);
    let site = Site::new();
    site.write(
        "gateway.toml",
        format!(
            "name = \"gateway\"\ndata = \"data\"\n[engine]\nepoch = \"1s\"\n[[source]]\nname = \"trackers\"\n[source.udp]\n\
             listen = \"127.0.0.1:0\"\ncodec = \"json\"\nreceive_buffer = \"4MiB\"\n[[sink]]\n[sink.kafka]\n\
             brokers = [\"{}\"]\nframes = \"gps.raw\"\nretry_for = \"10m\"\n",
            broker.address
        ),
    );
    let mut run = site.start(&["run", "gateway.toml", "--summary", "summary.json"]);
    let address = run.listening();
    broker.stop();
    let fleet = ["simulate", "--vehicles", "5000", "--rate", "25000", "--seconds", "12", "--to-udp", &address];
    let told = site.done(&fleet).stderr;
    assert!(told.starts_with(&format!("sent {SENT} frames")), "{told}");
    run.wait_for("the pipeline takes no datagrams; they are kept in the journal until it does");
    broker.start_again();
    run.wait_for("the pipeline has taken what the journal kept for it");
    let (exit, told) = run.interrupt_and_end();
    assert_eq!(exit, 0, "{told}");
    let summary = site.json("summary.json");
    assert_eq!(summary["udp"], serde_json::json!({ "datagrams": SENT, "kernel_drops": 0 }));
    assert_eq!(broker.read("gps.raw").len(), SENT);
}
