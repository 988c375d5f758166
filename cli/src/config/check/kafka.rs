//! Kafka, as a source and as a sink: topics that can be, settings that librdkafka knows.

use super::Check;
use crate::config::means::{CodecKind, CodecMeans, SinkMeans};
use crate::config::mistake::Location;
use crate::config::typed::{Member, Table};
use crate::config::value::At;
use rhumb_connectors::codec::nmea;
use rhumb_connectors::kafka::properties::mistake;
use rhumb_connectors::kafka::{FrameFormat, KafkaConfig, KafkaSinkConfig, Lost, Properties, Role, VehicleFrom};
use std::collections::HashSet;
use std::time::Duration;

/// Longest name of a topic.
const TOPIC_MAX: usize = 249;

/// Whether a source of Kafka is told to take the vehicle from elsewhere than from its frames.
pub(super) fn vehicle_elsewhere(table: &Table) -> bool {
    table.text("vehicle").is_some_and(|vehicle| vehicle != "value")
}

impl Check {
    pub(super) fn kafka(
        &mut self,
        table: &mut Table,
        component: &str,
        codec: Option<&CodecMeans>,
    ) -> Option<KafkaConfig> {
        let brokers = self.brokers(table, component);
        let topics = self.topics(table, component);
        let group = table.get("group").unwrap_or_else(|| format!("rhumb-{}", self.pipeline));
        let (start, record_max) = (table.get("start"), table.get::<u64>("record_max"));
        let lost = table.get::<String>("lost");
        let discover_every = table.get::<i64>("discover_every");
        let vehicle_at = table.place("vehicle");
        let vehicle = self.vehicle(table, component);
        if let (Some(VehicleFrom::Value), Some(CodecKind::Nmea(config))) = (&vehicle, codec.map(|codec| &codec.kind))
            && config.vehicle_id.is_none()
            && config.vehicle == nmea::VehicleFrom::Sender
        {
            let what = "vehicle: sentences do not say whose they are, and a record has no sender; write vehicle = \"key\", or \
                        [source.nmea] with vehicle = \"tag\" or \"prefix\"";
            self.error(&vehicle_at, component, what);
        }
        let properties = self.properties(table, component, Role::Source);
        Some(KafkaConfig {
            brokers: brokers?,
            topics: topics?,
            group,
            start: start?,
            vehicle: vehicle?,
            record_max_bytes: record_max? as usize,
            lost: if lost? == "skip" { Lost::Skip } else { Lost::Stop },
            discover_every: Duration::from_micros(discover_every?.unsigned_abs()),
            properties: properties?,
        })
    }

    pub(super) fn sinks(&mut self, members: Vec<Member>) -> Vec<SinkMeans> {
        let mut sinks = Vec::new();
        for Member { component, kind, base, .. } in members {
            assert!(base.is_used_up(), "a sink has no fields but those of its kind");
            let Some(mut table) = kind else { continue };
            let sink = self.kafka_sink(&mut table, &component);
            assert!(sink.is_none() || table.is_used_up(), "every field of the sink is asked for");
            sinks.extend(sink.map(SinkMeans::Kafka));
        }
        sinks
    }

    fn kafka_sink(&mut self, table: &mut Table, component: &str) -> Option<KafkaSinkConfig> {
        let brokers = self.brokers(table, component);
        let mut topic = |name: &str| match table.take::<String>(name) {
            Some(At { value, at }) => self.is_topic(name, &value, &at, component).then_some(Some(value)),
            None => Some(None),
        };
        let (frames, alerts) = (topic("frames"), topic("alerts"));
        if !table.has("frames") && !table.has("alerts") {
            let what = "neither \"frames\" nor \"alerts\": nothing would be sent; add alerts = \"gps.alerts\"";
            self.error(&table.at, component, what);
        }
        if let (Some(Some(frames)), Some(Some(alerts))) = (&frames, &alerts)
            && frames == alerts
        {
            let what = format!("frames and alerts both go to {frames}; give each a topic of its own");
            self.error(&table.at, component, what);
        }
        let format = table.take::<String>("format");
        if let Some(format) = format.as_ref().filter(|_| !table.has("frames")) {
            self.error(&format.at, component, "format: has no effect without \"frames\"; remove it");
        }
        let format = format.map_or(Some(FrameFormat::Json), |format| FrameFormat::named(&format.value));
        let retry_for = table.get::<i64>("retry_for");
        let properties = self.properties(table, component, Role::Sink);
        Some(KafkaSinkConfig {
            brokers: brokers?,
            frames: frames?,
            format: format?,
            alerts: alerts?,
            retry_for_us: retry_for?,
            properties: properties?,
        })
    }

    fn brokers(&mut self, table: &mut Table, component: &str) -> Option<Vec<String>> {
        let place = table.place("brokers");
        let brokers = table.get::<Vec<At<String>>>("brokers")?;
        if brokers.is_empty() {
            self.error(&place, component, "brokers: none; write brokers = [\"localhost:9092\"]");
            return None;
        }
        let mut right = true;
        for At { value, at } in &brokers {
            let host_and_port = value.rsplit_once(':').filter(|(host, port)| {
                !host.is_empty() && !host.contains([',', '/', ' ']) && port.parse::<u16>().is_ok_and(|port| port > 0)
            });
            if host_and_port.is_none() {
                let what = format!("brokers: expected a host and a port such as \"localhost:9092\", found \"{value}\"");
                self.error(at, component, what);
                right = false;
            }
        }
        right.then(|| brokers.into_iter().map(|broker| broker.value).collect())
    }

    fn topics(&mut self, table: &mut Table, component: &str) -> Option<Vec<String>> {
        let (topic, topics_at) = (table.take::<String>("topic"), table.place("topics"));
        let topics = table.get::<Vec<At<String>>>("topics");
        let topics = match (topic, topics) {
            (Some(_), Some(_)) => {
                self.error(&topics_at, component, "topics: stands beside \"topic\"; write one of the two");
                return None;
            }
            (Some(topic), None) => vec![topic],
            (None, Some(topics)) => topics,
            (None, None) => {
                if !table.has("topic") && !table.has("topics") {
                    self.error(&table.at, component, "no \"topic\"; add topic = \"gps.raw\"");
                }
                return None;
            }
        };
        if topics.is_empty() {
            self.error(&topics_at, component, "topics: none; write topic = \"gps.raw\"");
            return None;
        }
        let (mut seen, mut right) = (HashSet::new(), true);
        for At { value, at } in &topics {
            right &= self.is_topic("topic", value, at, component);
            if !seen.insert(value) {
                self.error(at, component, format!("topics: \"{value}\" stands twice"));
                right = false;
            }
        }
        right.then(|| topics.into_iter().map(|topic| topic.value).collect())
    }

    /// Whether a topic can be called so.
    fn is_topic(&mut self, field: &str, topic: &str, at: &Location, component: &str) -> bool {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let can_be = topic.len() <= TOPIC_MAX && topic.chars().all(plain) && topic != "." && topic != "..";
        if !can_be {
            let what = format!("{field}: no topic is called \"{topic}\"; names have letters, digits, '.', '_' and '-'");
            self.error(at, component, what);
        }
        can_be
    }

    fn vehicle(&mut self, table: &mut Table, component: &str) -> Option<VehicleFrom> {
        let At { value, at } = table.take::<String>("vehicle")?;
        match (value.as_str(), value.strip_prefix("header:")) {
            ("value", _) => Some(VehicleFrom::Value),
            ("key", _) => Some(VehicleFrom::Key),
            (_, Some(name)) if !name.is_empty() && !name.contains('\0') => Some(VehicleFrom::Header(name.to_owned())),
            _ => {
                let what = format!("vehicle: expected \"value\", \"key\" or \"header:NAME\", found \"{value}\"");
                self.error(&at, component, what);
                None
            }
        }
    }

    fn properties(&mut self, table: &mut Table, component: &str, role: Role) -> Option<Properties> {
        let typed = table.has("properties");
        let Some(pairs) = table.get::<Vec<(At<String>, At<String>)>>("properties") else {
            return (!typed).then(Vec::new);
        };
        let mut right = true;
        for (name, value) in &pairs {
            if let Some(what) = mistake(&name.value, &value.value, role) {
                self.error(&name.at, component, format!("properties: {what}"));
                right = false;
            }
        }
        right.then(|| pairs.into_iter().map(|(name, value)| (name.value, value.value)).collect())
    }
}
