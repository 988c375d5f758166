//! The Kafka sink: accepted frames to one topic, alerts to another, keyed by vehicle.
//!
//! Records are sent as rows come, and an epoch is committed only once all of them are delivered: what a commit holds has
//! been sent. A run that stops before its commit sends what it had sent since the last one again when it is
//! started anew: at least once. An alert is known by its id, a frame by its vehicle and time.

use super::producer::Producer;
use super::properties::Properties;
pub use super::rows::FrameFormat;
use super::rows::{FrameWriter, id_text, write_alert};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::BaseRecord;
use rhumb_engine::alert::AlertBatch;
use rhumb_engine::message::Output;
use rhumb_engine::sink::{Segment, Sink, SinkContext, SinkError, SinkPlan};
use rhumb_engine::time::duration_text;
use rhumb_engine::vehicle::Vehicles;
use std::sync::Arc;

/// Header of an alert that holds its id, and the one that holds its number.
pub const ALERT_ID: &str = "alert_id";
pub const SEQUENCE: &str = "sequence";

/// Records between two looks at how deliveries went.
const HEAR_EVERY: usize = 1024;

/// What `[sink.kafka]` means once checked. At least one of the topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaSinkConfig {
    pub brokers: Vec<String>,
    /// Topic of frames.
    pub frames: Option<String>,
    pub format: FrameFormat,
    /// Topic of alerts.
    pub alerts: Option<String>,
    /// Brokers that do not take a record are tried again for so long; then the run stops before its commit.
    pub retry_for_us: i64,
    /// Passed through to librdkafka.
    pub properties: Properties,
}

/// The sink as planned. Nothing is connected to before the first record.
pub struct KafkaSinkPlan {
    config: KafkaSinkConfig,
}

impl KafkaSinkPlan {
    pub fn new(config: KafkaSinkConfig) -> KafkaSinkPlan {
        KafkaSinkPlan { config }
    }
}

impl SinkPlan for KafkaSinkPlan {
    fn name(&self) -> &str {
        "kafka"
    }

    fn describe(&self) -> Vec<(String, String)> {
        let KafkaSinkConfig { brokers, frames, format, alerts, retry_for_us, .. } = &self.config;
        let mut described = vec![("brokers".to_owned(), brokers.join(", "))];
        let topic = |topic: &Option<String>, how: String| topic.as_ref().map(|topic| format!("topic {topic}, {how}"));
        let frames = topic(frames, format!("{}, keyed by vehicle", format.name()));
        described.extend(frames.map(|text| ("frames".to_owned(), text)));
        let alerts = topic(alerts, "json, keyed by vehicle; id and sequence in headers".to_owned());
        described.extend(alerts.map(|text| ("alerts".to_owned(), text)));
        let delivered = format!(
            "at least once, before each commit; a record that is not taken for {} stops the run",
            duration_text(*retry_for_us)
        );
        described.push(("delivered".to_owned(), delivered));
        described
    }

    fn open(&self, context: &SinkContext) -> Result<Box<dyn Sink>, SinkError> {
        let KafkaSinkConfig { brokers, retry_for_us, properties, .. } = &self.config;
        let producer = Producer::new("sink kafka".to_owned(), brokers, *retry_for_us, properties)
            .map_err(|cause| SinkError::new("set up a Kafka client", cause))?;
        Ok(Box::new(KafkaSink {
            config: self.config.clone(),
            producer,
            vehicles: context.vehicles.clone(),
            frames: FrameWriter::new(self.config.format),
            bytes: Vec::new(),
        }))
    }
}

struct KafkaSink {
    config: KafkaSinkConfig,
    producer: Producer,
    /// Of each shard.
    vehicles: Vec<Arc<Vehicles>>,
    frames: FrameWriter,
    bytes: Vec<u8>,
}

fn failed(cause: String) -> SinkError {
    SinkError::new("deliver to Kafka", cause)
}

impl KafkaSink {
    fn write_frames(&mut self, topic: &str, output: &Output) -> Result<(), String> {
        let vehicles = &self.vehicles[output.shard];
        for row in 0..output.frames.len() {
            let key = vehicles.id(output.frames.vehicle.value(row)).as_bytes();
            let value = self.frames.write(&output.frames, row, vehicles);
            // The time of receipt goes on: whoever reads the topic with Rhumb takes it from there.
            let received_ms = output.frames.received_at.value(row).div_euclid(1000);
            self.producer.send(BaseRecord::to(topic).key(key).payload(value).timestamp(received_ms))?;
            if row % HEAR_EVERY == 0 {
                self.producer.hear()?;
            }
        }
        Ok(())
    }

    fn write_alerts(&mut self, topic: &str, shard: usize, alerts: &AlertBatch) -> Result<(), String> {
        let vehicles = &self.vehicles[shard];
        for row in 0..alerts.len() {
            let vehicle = vehicles.id(alerts.vehicle[row]);
            let sequence = alerts.sequence.as_ref().map_or(0, |sequence| sequence.value(row));
            self.bytes.clear();
            write_alert(alerts, row, vehicle, sequence, &mut self.bytes);
            let (id, number) = (alerts.id[row].digits(), sequence.to_string());
            let headers = OwnedHeaders::new()
                .insert(Header { key: ALERT_ID, value: Some(id_text(&id)) })
                .insert(Header { key: SEQUENCE, value: Some(&number) });
            let record = BaseRecord::to(topic).key(vehicle.as_bytes()).payload(&self.bytes[..]);
            self.producer.send(record.headers(headers))?;
        }
        Ok(())
    }
}

impl Sink for KafkaSink {
    fn write(&mut self, output: &Output) -> Result<(), SinkError> {
        if let Some(topic) = self.config.frames.clone() {
            self.write_frames(&topic, output).map_err(failed)?;
        }
        if let Some(topic) = self.config.alerts.clone() {
            for alerts in output.alerts() {
                self.write_alerts(&topic, output.shard, alerts).map_err(failed)?;
            }
        }
        self.producer.hear().map_err(failed)
    }

    /// Waits until everything is delivered. There is nothing to be made visible later.
    fn prepare(&mut self, _: u64) -> Result<Vec<Segment>, SinkError> {
        self.producer.flush().map_err(failed)?;
        Ok(Vec::new())
    }

    fn committed(&mut self, _: u64, _: &[Segment]) -> Result<(), SinkError> {
        Ok(())
    }
}
