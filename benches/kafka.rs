//! `kafka/...`: the Kafka source against a bare loop over librdkafka, which takes records in batches and looks at their
//! lengths, turn about in one run; records in JSON and in `binary`, lz4, eight partitions, the broker on the same machine. Prints the median of the
//! rounds for each, and the ratio, which is what counts.
//!
//! A plain harness: what is measured are a broker, librdkafka's threads and a reader, which criterion's loop cannot hold.
#![allow(unsafe_code, reason = "the bare loop is librdkafka's C interface itself")]

#[path = "../tests/broker.rs"]
mod broker;
#[path = "../tests/needed.rs"]
mod needed;

use broker::{Broker, Written};
use rdkafka::bindings as native;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use rhumb_benches::workload::sized;
use rhumb_connectors::codec::CodecConfig;
use rhumb_connectors::codec::binary::{BinaryEncoder, Positions};
use rhumb_connectors::kafka::{KafkaConfig, KafkaPlan, Lost, Start, VehicleFrom};
use rhumb_connectors::simulate::{Encode, Fleet, Ndjson, SimulateConfig};
use rhumb_engine::builder::{ClockRules, FrameBuilder};
use rhumb_engine::frame::Origin;
use rhumb_engine::source::{Polled, SourcePlan};
use rhumb_engine::time::{SystemClock, monotonic_now};
use rhumb_engine::vehicle::Vehicles;
use std::sync::Arc;
use std::time::Duration;

const PARTITIONS: i32 = 8;
const BATCH: usize = 16_384;
const TIMEOUT: Duration = Duration::from_millis(50);

fn records() -> usize {
    sized(4_000_000, 20_000)
}

fn fill(broker: &Broker, codec: &str) -> usize {
    broker.create(codec, PARTITIONS);
    let mut binary = BinaryEncoder::new(Positions::Exact, 2048);
    let mut bytes = 0;
    let fleet = Fleet::new(SimulateConfig::new(50_000, records() as f64 / 5_000.0, 7)).take(records());
    let all = fleet.map(|simulated| {
        let name = simulated.name();
        let mut value = Vec::new();
        match codec {
            "json" => Ndjson::default().encode(&simulated.frame(&name), &mut value),
            _ => {
                binary.push(&simulated.frame(&name)).expect("it fits into an empty packet");
                value.extend_from_slice(binary.datagram());
            }
        }
        bytes += value.len();
        Written::new(name.as_str(), value)
    });
    let settings = [("compression.type", "lz4"), ("linger.ms", "50"), ("batch.num.messages", "10000")];
    broker.write_with(codec, &settings, all);
    bytes / records()
}

/// Seconds that the bare loop takes for all records.
fn bare(broker: &Broker, topic: &str) -> f64 {
    let mut config = broker.config();
    // As the source sets them.
    config.set("group.id", "bare").set("enable.auto.commit", "false").set("enable.partition.eof", "true");
    config.set("queued.max.messages.kbytes", "65536").set("fetch.wait.max.ms", "100");
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(topic, partition, Offset::Beginning).expect("an offset");
    }
    let start = monotonic_now();
    consumer.assign(&list).expect("it is assigned");
    let mut batch = vec![std::ptr::null_mut(); BATCH];
    let (mut taken_all, mut bytes) = (0, 0);
    // SAFETY: the queue lives until it is given back; each message is looked at before it is, once.
    unsafe {
        let queue = native::rd_kafka_queue_get_consumer(consumer.client().native_ptr());
        while taken_all < records() {
            let taken = native::rd_kafka_consume_batch_queue(queue, 50, batch.as_mut_ptr(), batch.len());
            for message in &batch[..taken.max(0) as usize] {
                if (**message).err == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                    taken_all += 1;
                    bytes += (**message).len;
                }
                native::rd_kafka_message_destroy(*message);
            }
        }
        native::rd_kafka_queue_destroy(queue);
    }
    assert!(std::hint::black_box(bytes) > taken_all);
    start.elapsed().as_secs_f64()
}

/// Seconds that the source takes, decoding into the columns of two shards.
fn source(broker: &Broker, topic: &str) -> f64 {
    let config = KafkaConfig {
        brokers: vec![broker.address.clone()],
        topics: vec![topic.to_owned()],
        group: "source".to_owned(),
        start: Start::Earliest,
        vehicle: VehicleFrom::Value,
        record_max_bytes: 1 << 20,
        lost: Lost::Stop,
        discover_every: Duration::from_secs(30),
        properties: Vec::new(),
    };
    let codec = CodecConfig::named(topic).expect("topics are called as their codecs");
    let plan = KafkaPlan::new("bench", config, Arc::new(move || codec.open())).until_end(true);
    let shards = [Arc::new(Vehicles::default()), Arc::new(Vehicles::default())];
    let origin = Origin { source: "bench".into(), partition: "".into() };
    let mut out = FrameBuilder::new(&shards, origin, ClockRules { rollover: true, skew_max_us: i64::MAX });
    let mut reader = plan.open(Arc::new(SystemClock)).expect("a client").remove(0);
    let start = monotonic_now();
    let mut frames = 0;
    loop {
        let polled = reader.poll(&mut out, TIMEOUT).expect("the broker answers");
        let of_poll: usize = out.finish().iter().map(|delivery| delivery.frames.len()).sum();
        frames += of_poll;
        if polled == Polled::End {
            break;
        }
    }
    assert_eq!(frames, records(), "every record is a frame");
    start.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let Some(broker) = Broker::start() else { return };
    for codec in ["json", "binary"] {
        let bytes = fill(&broker, codec);
        let (mut bare_rates, mut rates, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..sized(5, 1) {
            let (bare_s, source_s) = (bare(&broker, codec), source(&broker, codec));
            eprintln!("round: {codec}, bare {bare_s:.2} s, source {source_s:.2} s");
            bare_rates.push(records() as f64 / bare_s);
            rates.push(records() as f64 / source_s);
            ratios.push(bare_s / source_s);
        }
        println!("kafka/{codec}/{bytes}_bytes/bare_librdkafka {:>12.0} records/s", median(bare_rates));
        println!("kafka/{codec}/{bytes}_bytes/rhumb_source    {:>12.0} records/s", median(rates));
        println!("kafka/{codec}/{bytes}_bytes/ratio           {:>12.2}", median(ratios));
    }
}
