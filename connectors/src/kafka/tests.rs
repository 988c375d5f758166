//! What goes wrong between us and brokers, on librdkafka's own stand-in for a cluster. The real broker is met in
//! cli/tests/kafka.

use super::producer::Producer;
use super::*;
use crate::codec::CodecConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseRecord, DefaultProducerContext};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rhumb_engine::builder::{ClockRules, FrameBuilder};
use rhumb_engine::frame::Origin;
use rhumb_engine::source::{Polled, Position};
use rhumb_engine::time::SystemClock;
use rhumb_engine::vehicle::Vehicles;

const TIMEOUT: Duration = Duration::from_millis(50);
/// Polls before something that was waited for counts as missing.
const POLLS_MAX: usize = 1_000;
const PARTITIONS: i32 = 3;

struct Cluster {
    mock: MockCluster<'static, DefaultProducerContext>,
    brokers: Vec<String>,
}

impl Cluster {
    fn new() -> Cluster {
        let mock = MockCluster::new(1).unwrap();
        let brokers = vec![mock.bootstrap_servers()];
        Cluster { mock, brokers }
    }

    fn create(&self) {
        self.mock.create_topic("t", PARTITIONS, 1).unwrap();
    }

    /// Frames `from` to `to` of one vehicle, spread over the partitions.
    fn write(&self, from: i64, to: i64) {
        let producer = Producer::new("test".to_owned(), &self.brokers, 30_000_000, &Vec::new()).unwrap();
        for n in from..to {
            let value = format!(r#"{{"id": "a", "ts": {}, "lat": 1, "lon": 2}}"#, 1_700_000_000 + n);
            let record = BaseRecord::<[u8], [u8]>::to("t").partition(n as i32 % PARTITIONS).payload(value.as_bytes());
            producer.send(record).unwrap();
        }
        producer.flush().unwrap();
    }

    fn source(&self, until_end: bool) -> Box<dyn Source> {
        let config = KafkaConfig {
            brokers: self.brokers.clone(),
            topics: vec!["t".to_owned()],
            group: "g".to_owned(),
            start: Start::Earliest,
            vehicle: VehicleFrom::Value,
            record_max_bytes: 1 << 20,
            lost: Lost::Stop,
            discover_every: Duration::from_secs(1),
            properties: Vec::new(),
        };
        let codec = CodecConfig::named("json").unwrap();
        let plan = KafkaPlan::new("s", config, Arc::new(move || codec.open())).until_end(until_end);
        plan.open(Arc::new(SystemClock)).unwrap().remove(0)
    }
}

/// Seconds of the frames that come until there are so many, or the source ends.
fn read(source: &mut dyn Source, count: usize) -> Vec<i64> {
    let origin = Origin { source: "s".into(), partition: "".into() };
    let clocks = ClockRules { rollover: false, skew_max_us: i64::MAX };
    let mut out = FrameBuilder::new(&[Arc::new(Vehicles::default())], origin, clocks);
    let mut seconds = Vec::new();
    for _ in 0..POLLS_MAX {
        let polled = source.poll(&mut out, TIMEOUT).unwrap();
        let delivery = out.finish().remove(0);
        let lanes: std::collections::HashSet<u16> = delivery.frames.lane.values().iter().copied().collect();
        assert!(lanes.len() <= 1, "a poll gives frames of one partition");
        seconds.extend(delivery.frames.times().iter().map(|time| time / 1_000_000 - 1_700_000_000));
        if polled == Polled::End || seconds.len() >= count {
            seconds.sort_unstable();
            return seconds;
        }
    }
    panic!("only {} of {count} frames came", seconds.len());
}

#[test]
fn reading_goes_on_at_a_position_and_gives_nothing_twice() {
    let cluster = Cluster::new();
    cluster.create();
    cluster.write(0, 300);
    let mut first = cluster.source(true);
    first.seek(&Position::default()).unwrap();
    assert_eq!(read(&mut *first, usize::MAX), (0..300).collect::<Vec<_>>());
    let position = first.position();
    assert_eq!(position.offsets.values().copied().collect::<Vec<_>>(), [100, 100, 100]);
    assert!(first.lags().iter().all(|(_, unread)| *unread == 0) && !first.has_unheard());
    cluster.write(300, 330);
    let mut second = cluster.source(true);
    second.seek(&position).unwrap();
    assert_eq!(read(&mut *second, usize::MAX), (300..330).collect::<Vec<_>>());
}

#[test]
fn errors_of_brokers_that_pass_lose_nothing_and_double_nothing() {
    let cluster = Cluster::new();
    cluster.create();
    cluster.write(0, 300);
    let not_leader = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION;
    let unknown = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    cluster.mock.request_errors(RDKafkaApiKey::ListOffsets, &[not_leader]);
    cluster.mock.request_errors(RDKafkaApiKey::Fetch, &[unknown, not_leader]);
    let mut source = cluster.source(true);
    assert_eq!(read(&mut *source, usize::MAX), (0..300).collect::<Vec<_>>());
}

#[test]
fn topic_that_is_not_there_yet_is_waited_for() {
    let cluster = Cluster::new();
    cluster.mock.topic_error("t", RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART).unwrap();
    let mut source = cluster.source(false);
    let origin = Origin { source: "s".into(), partition: "".into() };
    let clocks = ClockRules { rollover: false, skew_max_us: i64::MAX };
    let mut out = FrameBuilder::new(&[Arc::new(Vehicles::default())], origin, clocks);
    for _ in 0..5 {
        assert_eq!(source.poll(&mut out, TIMEOUT).unwrap(), Polled::Nothing);
    }
    assert_eq!(source.position(), Position::default(), "nothing is known of it");
    cluster.mock.topic_error("t", RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR).unwrap();
    cluster.write(0, 30);
    assert_eq!(read(&mut *source, 30), (0..30).collect::<Vec<_>>());
}

#[test]
fn run_to_the_end_of_a_topic_that_is_not_there_is_an_error() {
    let cluster = Cluster::new();
    cluster.mock.topic_error("t", RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART).unwrap();
    let mut source = cluster.source(true);
    let origin = Origin { source: "s".into(), partition: "".into() };
    let clocks = ClockRules { rollover: false, skew_max_us: i64::MAX };
    let mut out = FrameBuilder::new(&[Arc::new(Vehicles::default())], origin, clocks);
    let error = (0..POLLS_MAX).find_map(|_| source.poll(&mut out, TIMEOUT).err()).unwrap();
    assert_eq!(error.to_string(), format!("source s: there is no topic t at {}", cluster.brokers[0]));
}

#[test]
fn records_that_brokers_refuse_for_a_while_are_delivered_once_and_those_they_refuse_for_good_are_told() {
    let cluster = Cluster::new();
    cluster.create();
    let not_leader = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION;
    cluster.mock.request_errors(RDKafkaApiKey::Produce, &[not_leader, not_leader]);
    cluster.write(0, 30);
    assert_eq!(read(&mut *cluster.source(true), usize::MAX), (0..30).collect::<Vec<_>>());

    let producer = Producer::new("test".to_owned(), &cluster.brokers, 30_000_000, &Vec::new()).unwrap();
    let refused = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    cluster.mock.request_errors(RDKafkaApiKey::Produce, &[refused]);
    producer.send(BaseRecord::to("t").payload(&b"x"[..]).key(&b"k"[..])).unwrap();
    let told = producer.flush().unwrap_err();
    assert!(told.starts_with("topic t: ") && told.contains("(tried for 30s, brokers "), "{told}");
}
