//! Kafka: a source of topics, a sink of frames and alerts. The only folder that knows librdkafka.
//!
//! Which record comes next stands in our manifests: partitions are assigned to the consumer with the offsets that the last
//! commit names, and no group is joined unless several instances share the topics; then it says who reads which partition,
//! and no more. What the broker is told of offsets, once they are committed here, is for tools
//! that show how far a group is behind. docs/KAFKA.md says what is promised, docs/adr/0018 why it is so.

mod consumer;
mod member;
mod places;
mod producer;
pub mod properties;
mod reader;
mod rows;
mod send;
mod sink;
#[cfg(test)]
mod tests;
mod watch;

pub use member::Member;
pub use properties::{Properties, Role};
pub use send::{KafkaSend, send};
pub use sink::{FrameFormat, KafkaSinkConfig, KafkaSinkPlan};

use crate::MakeCodec;
use arrow::datatypes::FieldRef;
use consumer::Consumer;
use reader::KafkaReader;
use rhumb_engine::manifest::Partitions;
use rhumb_engine::source::{Source, SourceError, SourcePlan, Tempo};
use rhumb_engine::time::{Clock, EventTime};
use std::sync::Arc;
use std::time::Duration;
use watch::Watch;

/// Partitions of one source, at most: each is a lane.
pub const PARTITIONS_MAX: usize = 4096;

/// Where a partition begins that no manifest names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the oldest record that is there.
    Earliest,
    /// With what comes after the first look at it.
    Latest,
    /// With the first record whose time is not before this.
    Time(EventTime),
    /// With this offset, of every partition.
    Offset(i64),
}

/// Who sent a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VehicleFrom {
    /// Whom the frame names.
    Value,
    /// The record's key.
    Key,
    /// The record's last header of this name.
    Header(String),
}

/// What to do when records are gone that were to be read next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The source ends with an error that says so.
    Stop,
    /// It is said and counted, and reading goes on with the oldest record that is there.
    Skip,
}

/// What `[source.kafka]` means once checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaConfig {
    pub brokers: Vec<String>,
    /// At least one.
    pub topics: Vec<String>,
    /// Under this name the broker is told what is committed.
    pub group: String,
    pub start: Start,
    pub vehicle: VehicleFrom,
    /// Longer records are rejected, with their head kept.
    pub record_max_bytes: usize,
    pub lost: Lost,
    /// How often is looked for partitions that a topic has gained.
    pub discover_every: Duration,
    /// Passed through to librdkafka.
    pub properties: Properties,
}

/// The source as planned. Nothing is connected to before its first poll.
pub struct KafkaPlan {
    name: Arc<str>,
    config: Arc<KafkaConfig>,
    make_codec: MakeCodec,
    columns: Vec<FieldRef>,
    until_end: bool,
    member: Option<Arc<Member>>,
}

impl KafkaPlan {
    pub fn new(name: &str, config: KafkaConfig, make_codec: MakeCodec) -> KafkaPlan {
        KafkaPlan {
            name: name.into(),
            config: Arc::new(config),
            make_codec,
            columns: Vec::new(),
            until_end: false,
            member: None,
        }
    }

    /// Columns of the codec beyond the core: `CodecConfig::columns`.
    pub fn with_columns(self, columns: Vec<FieldRef>) -> KafkaPlan {
        KafkaPlan { columns, ..self }
    }

    /// Of several instances, this one reads what the member has taken from the group.
    pub fn shared(self, member: Arc<Member>) -> KafkaPlan {
        KafkaPlan { member: Some(member), ..self }
    }

    /// Whether the input ends where its partitions end at the first look at them.
    pub fn until_end(self, until_end: bool) -> KafkaPlan {
        KafkaPlan { until_end, ..self }
    }
}

impl SourcePlan for KafkaPlan {
    fn name(&self) -> &str {
        &self.name
    }

    fn tempo(&self) -> Tempo {
        Tempo::Live
    }

    fn keeps_unread(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<FieldRef> {
        self.columns.clone()
    }

    fn partitions(&self) -> Option<Partitions> {
        self.member.as_ref().map(|member| member.taken())
    }

    fn open(&self, clock: Arc<dyn Clock>) -> Result<Vec<Box<dyn Source>>, SourceError> {
        let KafkaConfig { brokers, group, properties, .. } = &*self.config;
        let settings = properties::of_consumer(brokers, group, properties);
        let watch = Watch::new(format!("source {}", self.name), brokers);
        let consumer = Consumer::new(&settings, watch).map_err(|cause| SourceError::Io {
            source_name: self.name.to_string(),
            action: "set up a Kafka client".to_owned(),
            cause: std::io::Error::other(cause),
        })?;
        let (source, brokers, topics) = (&*self.name, brokers.join(", "), self.config.topics.join(", "));
        tracing::info!(source, brokers, topics, "reading from Kafka");
        let codec = (self.make_codec)();
        let reader = KafkaReader::new(self.name.clone(), self.config.clone(), self.until_end, consumer, codec, clock);
        Ok(vec![Box::new(reader.shared(self.member.clone()))])
    }
}
