//! Where each partition is read: what the manifests say, and where a partition begins that they do not name.

use super::consumer::Consumer;
use super::{KafkaConfig, PARTITIONS_MAX, Start};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use rhumb_engine::time::EventTime;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;
use std::sync::Arc;
use std::time::Duration;

/// A question to the brokers waits no longer for its answer: meanwhile the reader hears of nothing else.
const ANSWER_MAX: Duration = Duration::from_secs(1);

/// A partition and how far it is read.
pub(super) struct Place {
    /// `topic/3`.
    pub name: Arc<str>,
    /// The next offset to read.
    pub next: i64,
    /// Where it ended when it was first looked at.
    pub end: i64,
    /// A record of it has been read, or that there is none.
    pub is_heard: bool,
    topic: CString,
}

/// Name of a partition, in manifests, rejects and messages.
pub(super) fn name(topic: &str, partition: i32) -> String {
    format!("{topic}/{partition}")
}

/// All partitions that are read, by topic and number.
#[derive(Default)]
pub(super) struct Places {
    by_topic: BTreeMap<String, BTreeMap<i32, Place>>,
}

impl Places {
    pub fn get_mut(&mut self, topic: &str, partition: i32) -> Option<&mut Place> {
        self.by_topic.get_mut(topic)?.get_mut(&partition)
    }

    pub fn knows(&self, topic: &str) -> bool {
        self.by_topic.contains_key(topic)
    }

    pub fn all(&self) -> impl Iterator<Item = &Place> {
        self.by_topic.values().flat_map(BTreeMap::values)
    }

    pub fn len(&self) -> usize {
        self.by_topic.values().map(BTreeMap::len).sum()
    }

    pub fn add(&mut self, topic: &str, partition: i32, found: Found) {
        let name = name(topic, partition).into();
        let c_topic = CString::new(topic).expect("Kafka has no topic with a zero in its name");
        let place =
            Place { name, next: found.next, end: found.high, is_heard: found.next >= found.high, topic: c_topic };
        self.by_topic.entry(topic.to_owned()).or_default().insert(partition, place);
    }

    /// Every partition, from its next offset on.
    pub fn assignment(&self) -> Result<TopicPartitionList, KafkaError> {
        let mut list = TopicPartitionList::with_capacity(self.len());
        for (topic, partitions) in &self.by_topic {
            for (partition, place) in partitions {
                list.add_partition_offset(topic, *partition, Offset::Offset(place.next))?;
            }
        }
        Ok(list)
    }

    /// By partition: records that are there and not read, as the last answers of the brokers said.
    pub fn lags(&self, consumer: &Consumer) -> Vec<(String, u64)> {
        let of_topics = self.by_topic.values().flatten();
        let lag = |(partition, place): (&i32, &Place)| {
            let end = consumer.known_end(&place.topic, *partition).unwrap_or(0).max(place.end);
            (place.name.to_string(), end.saturating_sub(place.next).max(0).unsigned_abs())
        };
        of_topics.map(lag).collect()
    }
}

/// What stopped a look at the brokers. None of it is final.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No broker answers, or not in time.
    Unreachable(String),
    NoTopic(String),
    Other(String),
}

impl Trouble {
    /// What an error means that came of doing something.
    fn of(action: String) -> impl Fn(KafkaError) -> Trouble {
        move |error| match error.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::RequestTimedOut
                | RDKafkaErrorCode::Resolve,
            ) => Trouble::Unreachable(format!("{action}: {error}")),
            _ => Trouble::Other(format!("{action}: {error}")),
        }
    }
}

/// Numbers of a topic's partitions.
pub(super) fn partitions(consumer: &Consumer, topic: &str) -> Result<Vec<i32>, Trouble> {
    let asked = consumer.client().fetch_metadata(Some(topic), ANSWER_MAX);
    let metadata = asked.map_err(Trouble::of(format!("ask for the partitions of {topic}")))?;
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
        return Err(Trouble::NoTopic(topic.to_owned()));
    };
    match found.error().map(RDKafkaErrorCode::from) {
        None => {}
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
            return Err(Trouble::NoTopic(topic.to_owned()));
        }
        Some(error) => return Err(Trouble::Other(format!("topic {topic}: {error}"))),
    }
    Ok(found.partitions().iter().map(|partition| partition.id()).collect())
}

/// A partition as its broker has it, and where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub low: i64,
    pub high: i64,
    pub next: i64,
}

/// First offset and end of each partition: from which to which it has records that are committed. The end is where no
/// record is yet.
///
/// Not by librdkafka's own question for both: if one half of it fails, it takes the other for the answer to both.
pub(super) fn bounds(
    consumer: &Consumer,
    topic: &str,
    partitions: &BTreeSet<i32>,
) -> Result<BTreeMap<i32, (i64, i64)>, Trouble> {
    let lows = offsets(consumer, topic, partitions, Offset::Beginning)?;
    let highs = offsets(consumer, topic, partitions, Offset::End)?;
    let bound = |partition: &i32| match (lows.get(partition), highs.get(partition)) {
        (Some(Some(low)), Some(Some(high))) if low <= high => Ok((*partition, (*low, *high))),
        _ => Err(Trouble::Other(format!("nobody says where {} begins and ends", name(topic, *partition)))),
    };
    partitions.iter().map(bound).collect()
}

/// Where partitions begin that have not been read in this run.
///
/// One that the manifest names goes on there. Of a topic of which it names others, or which is being read already, a
/// partition is new and is read from its beginning; else as the pipeline says.
pub(super) fn begin(
    consumer: &Consumer,
    config: &KafkaConfig,
    topic: &str,
    partitions: &BTreeSet<i32>,
    committed: &BTreeMap<String, i64>,
    is_known: bool,
) -> Result<Vec<(i32, Found)>, Trouble> {
    let of_topic = |name: &String| name.rsplit_once('/').is_some_and(|(of, _)| of == topic);
    let start = if is_known || committed.keys().any(of_topic) { Start::Earliest } else { config.start };
    let times = match start {
        // Records have whole milliseconds: the first that is not before.
        Start::Time(EventTime(from_us)) => {
            let from_ms = from_us.div_euclid(1000) + i64::from(from_us.rem_euclid(1000) > 0);
            offsets(consumer, topic, partitions, Offset::Offset(from_ms.max(0)))?
        }
        _ => BTreeMap::new(),
    };
    let mut found = Vec::new();
    for (partition, (low, high)) in bounds(consumer, topic, partitions)? {
        let next = match (committed.get(&name(topic, partition)), start) {
            (Some(next), _) => *next,
            (None, Start::Earliest) => low,
            (None, Start::Latest) => high,
            (None, Start::Offset(offset)) => offset.clamp(low, high),
            (None, Start::Time(_)) => {
                times.get(&partition).copied().flatten().map_or(high, |offset| offset.clamp(low, high))
            }
        };
        found.push((partition, Found { low, high, next }));
    }
    Ok(found)
}

/// Where the partitions of an instance begin: where the manifest says. One that is new in a topic that was known has a
/// position there since it was claimed, so that of others none has been read.
pub(super) fn begin_own(
    consumer: &Consumer,
    config: &KafkaConfig,
    own: &BTreeSet<String>,
    committed: &BTreeMap<String, i64>,
) -> Result<Vec<(String, i32, Found)>, Trouble> {
    let mut found = Vec::new();
    for is_read in [true, false] {
        let mut by_topic: BTreeMap<&str, BTreeSet<i32>> = BTreeMap::new();
        for name in own.iter().filter(|name| committed.contains_key(*name) == is_read) {
            let Some((topic, number)) = name.rsplit_once('/') else { continue };
            by_topic.entry(topic).or_default().extend(number.parse::<i32>());
        }
        let known = if is_read { committed.clone() } else { BTreeMap::new() };
        for (topic, numbers) in by_topic {
            let begun = begin(consumer, config, topic, &numbers, &known, false)?;
            found.extend(begun.into_iter().map(|(number, found)| (topic.to_owned(), number, found)));
        }
    }
    Ok(found)
}

/// What brokers answer for each partition: its beginning, its end, or the offset of the first record that is not before a
/// time in milliseconds; `None`: there is none.
fn offsets(
    consumer: &Consumer,
    topic: &str,
    partitions: &BTreeSet<i32>,
    asked: Offset,
) -> Result<BTreeMap<i32, Option<i64>>, Trouble> {
    let trouble = Trouble::of(format!("ask for offsets of {topic}"));
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition_offset(topic, *partition, asked).map_err(&trouble)?;
    }
    consumer.offsets_for_times(&mut list, ANSWER_MAX).map_err(&trouble)?;
    let mut offsets = BTreeMap::new();
    for element in list.elements() {
        element.error().map_err(&trouble)?;
        let offset = if let Offset::Offset(offset) = element.offset() { Some(offset) } else { None };
        offsets.insert(element.partition(), offset);
    }
    Ok(offsets)
}

/// Why so many partitions cannot be read.
pub(super) fn too_many(partitions: usize) -> Option<String> {
    (partitions > PARTITIONS_MAX).then(|| {
        format!("its topics have {partitions} partitions, each of which is a lane, and the most is {PARTITIONS_MAX}: spread them over several pipelines")
    })
}
