//! A real Kafka broker for a test binary or a bench, by tests/kafka.sh. Whoever takes this file in by its path also takes
//! in `needed.rs`, as `needed`.
#![allow(dead_code, reason = "each test takes what it needs")]

use crate::needed::skip;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::Command;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// Whoever waits so long waits for something that will not come.
const LONG: Duration = Duration::from_secs(60);

pub struct Broker {
    folder: tempfile::TempDir,
    /// Host and port.
    pub address: String,
}

/// A record to be written.
#[derive(Debug, Clone, Default)]
pub struct Written {
    /// `None`: by its key.
    pub partition: Option<i32>,
    pub key: Option<Vec<u8>>,
    /// `None`: a tombstone.
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(&'static str, Vec<u8>)>,
    /// `None`: now.
    pub timestamp_ms: Option<i64>,
}

impl Written {
    pub fn new(key: &str, value: impl Into<Vec<u8>>) -> Written {
        Written { key: Some(key.into()), value: Some(value.into()), ..Written::default() }
    }
}

/// A record that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub partition: i32,
    pub offset: i64,
    pub key: String,
    pub value: Vec<u8>,
    pub headers: Vec<(String, String)>,
    pub timestamp_ms: i64,
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/kafka.sh")
}

impl Broker {
    /// One of its own; `None`: it cannot be started here, which has been said.
    ///
    /// # Panics
    /// If it cannot be started where `CI` is set.
    #[track_caller]
    pub fn start() -> Option<Broker> {
        let folder = tempfile::tempdir().expect("a folder");
        match Broker::launch(folder.path()) {
            Ok(address) => Some(Broker { folder, address }),
            Err(why) => {
                skip(&format!("no Kafka broker: {why}"));
                None
            }
        }
    }

    fn launch(folder: &Path) -> Result<String, String> {
        let owner = std::process::id().to_string();
        let told = Command::new(script()).arg("start").arg(folder).arg(owner).output().map_err(|e| e.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if told.status.success() { Ok(text(&told.stdout)) } else { Err(text(&told.stderr)) }
    }

    fn told(&self, word: &str) {
        let ended = Command::new(script()).arg(word).arg(self.folder.path()).status();
        assert!(ended.expect("bash runs").success(), "{word}");
    }

    /// As an operator would.
    pub fn stop(&self) {
        self.told("stop");
    }

    /// As a power cut would.
    pub fn kill(&self) {
        self.told("kill");
    }

    /// With the same storage, at the same address.
    #[track_caller]
    pub fn start_again(&self) {
        assert_eq!(Broker::launch(self.folder.path()).as_ref(), Ok(&self.address));
    }

    /// Where a name and a password are asked for (SASL PLAIN): `rhumb` and `sesame`.
    pub fn sasl_address(&self) -> String {
        let port = std::fs::read_to_string(self.folder.path().join("sasl_port")).expect("tests/kafka.sh writes it");
        format!("127.0.0.1:{}", port.trim())
    }

    pub fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.address);
        config
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.config().create().expect("a client")
    }

    #[track_caller]
    pub fn create(&self, topic: &str, partitions: i32) {
        self.create_with(topic, partitions, &[]);
    }

    /// With settings of the topic.
    #[track_caller]
    pub fn create_with(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) {
        let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        let new = settings.iter().fold(new, |new, (name, value)| new.set(name, value));
        let made = wait(self.admin().create_topics(&[new], &AdminOptions::new())).expect("the broker answers");
        assert!(made.iter().all(Result::is_ok), "{made:?}");
        self.settle(topic, partitions);
    }

    #[track_caller]
    pub fn add_partitions(&self, topic: &str, all: i32) {
        let new = NewPartitions::new(topic, all as usize);
        let made = wait(self.admin().create_partitions(&[new], &AdminOptions::new())).expect("the broker answers");
        assert!(made.iter().all(Result::is_ok), "{made:?}");
        self.settle(topic, all);
    }

    /// Deletes the records of a partition before an offset, as retention does.
    pub fn forget(&self, topic: &str, partition: i32, before: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(before)).expect("an offset");
        wait(self.admin().delete_records(&list, &AdminOptions::new())).expect("the broker answers");
    }

    /// Waits until clients find the partitions of a topic.
    fn settle(&self, topic: &str, partitions: i32) {
        let consumer: BaseConsumer = self.config().create().expect("a client");
        for _ in 0..600 {
            let metadata = consumer.fetch_metadata(Some(topic), LONG).expect("the broker answers");
            let there = metadata.topics().first().map_or(0, |found| found.partitions().len());
            let led = |partition| consumer.fetch_watermarks(topic, partition, LONG).is_ok();
            if there == partitions as usize && (0..partitions).all(led) {
                return;
            }
            std::thread::yield_now();
        }
        panic!("topic {topic} has not {partitions} partitions");
    }

    pub fn write(&self, topic: &str, records: impl IntoIterator<Item = Written>) {
        self.write_with(topic, &[], records);
    }

    /// With settings of the producer. Done when the broker has all of them.
    pub fn write_with(&self, topic: &str, settings: &[(&str, &str)], records: impl IntoIterator<Item = Written>) {
        let mut config = self.config();
        config.set("linger.ms", "5").set("message.max.bytes", "20000000");
        for (name, value) in settings {
            config.set(*name, *value);
        }
        let producer: BaseProducer = config.create().expect("a producer");
        records.into_iter().for_each(|record| send(&producer, topic, &record));
        producer.flush(LONG).expect("the broker has all of them");
    }

    /// In a transaction, which is committed or not.
    pub fn write_transaction(&self, topic: &str, id: &str, records: Vec<Written>, is_committed: bool) {
        let producer: BaseProducer = self.config().set("transactional.id", id).create().expect("a producer");
        producer.init_transactions(LONG).expect("a producer of transactions");
        producer.begin_transaction().expect("it has none yet");
        records.iter().for_each(|record| send(&producer, topic, record));
        producer.flush(LONG).expect("the broker has all of them");
        match is_committed {
            true => producer.commit_transaction(LONG).expect("it is committed"),
            false => producer.abort_transaction(LONG).expect("it is aborted"),
        }
    }

    /// All that a topic has, by partition and offset.
    pub fn read(&self, topic: &str) -> Vec<Found> {
        let consumer: BaseConsumer =
            self.config().set("group.id", "reader").set("enable.partition.eof", "true").create().expect("a consumer");
        let metadata = consumer.fetch_metadata(Some(topic), LONG).expect("the broker answers");
        let mut list = TopicPartitionList::new();
        for partition in metadata.topics()[0].partitions() {
            list.add_partition_offset(topic, partition.id(), Offset::Beginning).expect("an offset");
        }
        consumer.assign(&list).expect("it is assigned");
        let (mut found, mut open) = (Vec::new(), list.count());
        while open > 0 {
            match consumer.poll(LONG).expect("records or ends") {
                Ok(message) => found.push(found_in(&message)),
                Err(rdkafka::error::KafkaError::PartitionEOF(_)) => open -= 1,
                Err(error) => panic!("{error}"),
            }
        }
        found.sort_by_key(|record: &Found| (record.partition, record.offset));
        found
    }

    /// Offsets that a group has told, by partition.
    pub fn told_by(&self, group: &str, topic: &str, partitions: i32) -> Vec<Option<i64>> {
        let consumer: BaseConsumer = self.config().set("group.id", group).create().expect("a consumer");
        let mut list = TopicPartitionList::new();
        list.add_partition_range(topic, 0, partitions - 1);
        let told = consumer.committed_offsets(list, LONG).expect("the broker answers");
        let offset = |element: &rdkafka::topic_partition_list::TopicPartitionListElem| match element.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        };
        told.elements().iter().map(offset).collect()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have been ended already.
        let _ = Command::new(script()).arg("kill").arg(self.folder.path()).status();
    }
}

fn send(producer: &BaseProducer, topic: &str, written: &Written) {
    let mut headers = OwnedHeaders::new();
    for (key, value) in &written.headers {
        headers = headers.insert(Header { key, value: Some(value) });
    }
    let mut record: BaseRecord<[u8], [u8]> = BaseRecord::to(topic).headers(headers);
    record.partition = written.partition;
    record.key = written.key.as_deref();
    record.payload = written.value.as_deref();
    record.timestamp = written.timestamp_ms;
    while let Err((error, back)) = producer.send(record) {
        assert_eq!(error.rdkafka_error_code(), Some(rdkafka::error::RDKafkaErrorCode::QueueFull), "{error}");
        producer.poll(Duration::from_millis(20));
        record = back;
    }
}

fn found_in(message: &impl Message) -> Found {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    Found {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(text).unwrap_or_default(),
        value: message.payload().unwrap_or_default().to_vec(),
        headers: headers.map(|header| (header.key.to_owned(), header.value.map(text).unwrap_or_default())).collect(),
        timestamp_ms: message.timestamp().to_millis().unwrap_or(-1),
    }
}

/// Waits for a future here.
fn wait<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        std::thread::park();
    }
}
