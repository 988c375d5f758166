//! A member of a consumer group, for instances that share topics: the group says which partitions are whose, and nothing
//! else. Records are read by a client of its own, from the offsets that the manifests name (docs/adr/0022).

use super::properties::of_member;
use super::watch::Watch;
use super::{KafkaConfig, places};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use rhumb_engine::manifest::Partitions;
use rhumb_engine::source::SourceError;
use rhumb_engine::threads;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};

/// How long a look for news of the group waits.
const POLL_TIMEOUT: Duration = Duration::from_millis(50);
/// How long a broker may take to say which partitions a topic has, and how often it is asked.
const ANSWER_MAX: Duration = Duration::from_secs(1);
const ASKED_MAX: usize = 5;

/// What the group has given this member.
#[derive(Default)]
struct Held {
    /// By name, such as `gps.raw/3`.
    own: BTreeSet<String>,
    /// What the group wants back, once nobody works on it any more.
    wanted_back: Option<TopicPartitionList>,
    /// What was taken to be read.
    taken: Option<Partitions>,
    /// Nobody reads any more.
    is_closing: bool,
}

struct Group {
    watch: Watch,
    held: Mutex<Held>,
    /// Hears when what is held is to be another.
    changed: Sender<()>,
}

impl Group {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever has been told and has not looked yet need not be told twice.
    fn tell(&self) {
        let _ = self.changed.try_send(());
    }
}

impl ClientContext for Group {
    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, line: &str) {
        ClientContext::log(&self.watch, level, facility, line);
    }
}

impl ConsumerContext for Group {
    /// Called by a poll. What is given is held at once, and paused: this client reads no records. What is wanted back is
    /// given back when nobody works on it.
    fn rebalance(&self, consumer: &BaseConsumer<Group>, what: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let mut held = self.held();
        if what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            self.watch.up();
            let mut given = TopicPartitionList::with_capacity(list.count());
            for element in list.elements() {
                held.own.insert(places::name(element.topic(), element.partition()));
                // Any offset will do, and this one needs no question to a broker.
                let _ = given.add_partition_offset(element.topic(), element.partition(), Offset::Offset(0));
            }
            let assigned = consumer.incremental_assign(&given).and_then(|()| consumer.pause(&given));
            assigned.unwrap_or_else(|cause| tracing::warn!("take partitions that the group gives: {cause}"));
            if given.count() > 0 {
                self.tell();
            }
        } else if held.is_closing || held.taken.is_none() {
            held.give_back(consumer, list);
        } else {
            held.wanted_back = Some(list.clone());
            self.tell();
        }
    }
}

impl Held {
    fn give_back(&mut self, consumer: &BaseConsumer<Group>, list: &TopicPartitionList) {
        for element in list.elements() {
            self.own.remove(&places::name(element.topic(), element.partition()));
        }
        let given = consumer.incremental_unassign(list);
        given.unwrap_or_else(|cause| tracing::warn!("give partitions back to the group: {cause}"));
    }
}

/// A member of the group of one source. Leaves the group when it is dropped.
pub struct Member {
    consumer: Arc<BaseConsumer<Group>>,
    topics: Vec<String>,
    is_over: Arc<AtomicBool>,
    poller: Option<JoinHandle<()>>,
}

impl Member {
    /// Joins the group, which takes a while. `changed` hears whenever partitions have come or are wanted back.
    pub fn join(source: &str, config: &KafkaConfig, changed: Sender<()>) -> Result<Member, SourceError> {
        let failed = |action: &'static str| {
            move |cause: std::io::Error| SourceError::Io {
                source_name: source.to_owned(),
                action: action.to_owned(),
                cause,
            }
        };
        let settings = of_member(config);
        let watch = Watch::new(format!("group {}", config.group), &config.brokers);
        let group = Group { watch, held: Mutex::default(), changed };
        let topics: Vec<&str> = config.topics.iter().map(String::as_str).collect();
        let join = || -> KafkaResult<BaseConsumer<Group>> {
            let consumer: BaseConsumer<Group> = settings.create_with_context(group)?;
            consumer.subscribe(&topics)?;
            Ok(consumer)
        };
        let consumer = join().map_err(std::io::Error::other).map_err(failed("join its consumer group"))?;
        let (consumer, is_over) = (Arc::new(consumer), Arc::new(AtomicBool::new(false)));
        let (polled, over) = (consumer.clone(), is_over.clone());
        // Nobody waits for its end but `drop`.
        let (ended, _) = bounded(1);
        let run = move || {
            while !over.load(Ordering::Acquire) {
                if let Some(Err(error)) = polled.poll(POLL_TIMEOUT) {
                    hear(polled.context(), &error);
                }
            }
        };
        let poller = threads::spawn("rhumb-group".to_owned(), ended, run).map_err(failed("start a thread"))?;
        Ok(Member { consumer, topics: config.topics.clone(), is_over, poller: Some(poller) })
    }

    /// Takes what the group has given, to be read from now on; nothing of it is given back before `give_back`.
    pub fn take(&self) -> Partitions {
        let own = {
            let mut held = self.consumer.context().held();
            let own = held.own.clone();
            held.taken = (!own.is_empty()).then(|| Partitions { own: own.clone(), all: own.clone() });
            own
        };
        if own.is_empty() {
            return Partitions::default();
        }
        let mut all = own.clone();
        all.extend(self.topics.iter().flat_map(|topic| self.partitions_of(topic)));
        let taken = Partitions { own, all };
        self.consumer.context().held().taken = Some(taken.clone());
        taken
    }

    /// What was taken last.
    pub fn taken(&self) -> Partitions {
        self.consumer.context().held().taken.clone().unwrap_or_default()
    }

    /// Nothing that was taken is read or will be committed any more: gives back what the group wants.
    pub fn give_back(&self) {
        let mut held = self.consumer.context().held();
        held.taken = None;
        if let Some(list) = held.wanted_back.take() {
            held.give_back(&self.consumer, &list);
        }
    }

    /// Tells the broker of offsets that are committed; does not wait.
    pub fn tell(&self, offsets: &TopicPartitionList) -> KafkaResult<()> {
        self.consumer.commit(offsets, CommitMode::Async)
    }

    /// None if no broker says: a partition that is not known of is found by the next claim.
    fn partitions_of(&self, topic: &str) -> Vec<String> {
        for _ in 0..ASKED_MAX {
            let Ok(metadata) = self.consumer.fetch_metadata(Some(topic), ANSWER_MAX) else { continue };
            let of_topic = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
            if let Some(found) = of_topic {
                return found.partitions().iter().map(|partition| places::name(topic, partition.id())).collect();
            }
        }
        Vec::new()
    }
}

/// While records are read, whoever reads them says what is wrong with the brokers.
fn hear(group: &Group, error: &KafkaError) {
    let code = error.rdkafka_error_code();
    match code {
        _ if !group.held().own.is_empty() => tracing::debug!("consumer group: {error}"),
        Some(code @ (RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::Authentication)) => {
            group.watch.trouble(code, &error.to_string());
        }
        Some(RDKafkaErrorCode::UnknownTopicOrPartition) => {
            tracing::warn!("there is no such topic yet; waiting for it: {error}");
        }
        _ => tracing::debug!("consumer group: {error}"),
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.consumer.context().held().is_closing = true;
        self.give_back();
        self.is_over.store(true, Ordering::Release);
        // It has nothing left to say.
        let _ = self.poller.take().map(JoinHandle::join);
    }
}

/// Offsets by name of partition, as librdkafka takes them.
pub(super) fn list_of(offsets: &BTreeMap<String, i64>) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(offsets.len());
    for (name, offset) in offsets {
        let Some((topic, number)) = name.rsplit_once('/') else { continue };
        let Ok(number) = number.parse() else { continue };
        // The list takes every offset that is one.
        let _ = list.add_partition_offset(topic, number, Offset::Offset(*offset));
    }
    list
}
