//! Settings of librdkafka: those that Rhumb makes itself, and those that a pipeline passes through.

use super::KafkaConfig;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};

/// What a pipeline passes through to librdkafka, by its names: TLS, SASL, sizes of buffers.
pub type Properties = Vec<(String, String)>;

/// Settings that Rhumb makes itself, each with what to write instead; empty: nothing, what is promised stands on it.
const OWN: &[(&str, &str)] = &[
    ("bootstrap.servers", "write brokers = [\"host:9092\"]"),
    ("metadata.broker.list", "write brokers = [\"host:9092\"]"),
    ("group.id", "write group = \"name\""),
    ("client.id", ""),
    ("auto.offset.reset", "write start = \"earliest\""),
    ("enable.auto.commit", ""),
    ("auto.commit.interval.ms", ""),
    ("enable.auto.offset.store", ""),
    ("enable.partition.eof", ""),
    ("isolation.level", ""),
    ("group.instance.id", ""),
    ("group.protocol", ""),
    ("partition.assignment.strategy", ""),
    ("max.poll.interval.ms", ""),
    ("allow.auto.create.topics", ""),
    ("enable.idempotence", ""),
    ("transactional.id", ""),
    ("acks", ""),
    ("request.required.acks", ""),
    ("delivery.timeout.ms", "write retry_for = \"2m\""),
    ("message.timeout.ms", "write retry_for = \"2m\""),
    ("log_level", ""),
    ("log.queue", ""),
    ("debug", ""),
];

/// Settings of a source that are of its group alone: how soon an instance that is gone is missed.
const OF_GROUP: [&str; 2] = ["session.timeout.ms", "heartbeat.interval.ms"];

/// Which kind of client the settings are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Source,
    Sink,
}

/// What is wrong with a setting that is to be passed through.
pub fn mistake(name: &str, value: &str, role: Role) -> Option<String> {
    if let Some((_, instead)) = OWN.iter().find(|(own, _)| *own == name) {
        let of_sink = instead.contains("retry_for");
        let instead = match role {
            Role::Source if of_sink => "",
            Role::Sink if instead.contains("group") || instead.contains("start") => "",
            _ => instead,
        };
        let advice = if instead.is_empty() { "remove it" } else { instead };
        return Some(format!("\"{name}\" is set by rhumb itself; {advice}"));
    }
    if role == Role::Sink && OF_GROUP.contains(&name) {
        return Some(format!("\"{name}\" is of a consumer group, and a sink joins none; remove it"));
    }
    let mut config = ClientConfig::new();
    config.set(name, value);
    let error = config.create_native_config().err()?;
    let text = error.to_string();
    // Such as `Client config error: No such configuration property: "x" x y`.
    let what = text.split_once("error: ").map_or(&*text, |(_, what)| what);
    let what = what.strip_suffix(&format!(" {name} {value}")).unwrap_or(what);
    Some(match what.contains("not supported in this build") {
        true => format!("{what}; build rhumb with --features kafka-tls"),
        false => what.to_owned(),
    })
}

/// What all clients have in common.
fn common(brokers: &[String]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers.join(","))
        .set("client.id", "rhumb")
        // Who comes back is asked soon.
        .set("reconnect.backoff.ms", "100")
        .set("reconnect.backoff.max.ms", "2000")
        .set("allow.auto.create.topics", "false")
        // What it says is said in words of our own; its lines are there for whoever looks for them.
        .set_log_level(RDKafkaLogLevel::Info);
    config
}

/// With what a pipeline passes through, which is none of ours.
fn with(mut config: ClientConfig, properties: &Properties) -> ClientConfig {
    for (name, value) in properties {
        config.set(name, value);
    }
    config
}

/// Of a consumer whose partitions and offsets are given by us alone.
pub fn of_consumer(brokers: &[String], group: &str, properties: &Properties) -> ClientConfig {
    let mut config = common(brokers);
    config
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        // No group is joined. What is left of it is how long an end waits for brokers that are away to hear of offsets.
        .set("session.timeout.ms", "1000")
        .set("heartbeat.interval.ms", "300")
        .set("isolation.level", "read_committed")
        // An offset that is gone is for us to speak about.
        .set("auto.offset.reset", "error")
        // A broker that has nothing answers after so long, and is asked again at once.
        .set("fetch.wait.max.ms", "100")
        .set("fetch.error.backoff.ms", "100")
        // What waits to be decoded, of all partitions together. More of it is no faster.
        .set("queued.max.messages.kbytes", "65536")
        .set("fetch.message.max.bytes", "1048576");
    let of_reading = properties.iter().filter(|(name, _)| !OF_GROUP.contains(&&**name)).cloned().collect();
    with(config, &of_reading)
}

/// Of a consumer that is a member of its group, and reads nothing.
pub fn of_member(source: &KafkaConfig) -> ClientConfig {
    let mut config = common(&source.brokers);
    config
        .set("group.id", &source.group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // Who keeps its partitions goes on reading while others change places.
        .set("partition.assignment.strategy", "cooperative-sticky")
        // The shortest that brokers allow unless they are told otherwise.
        .set("session.timeout.ms", "6000")
        .set("heartbeat.interval.ms", "1000")
        .set("topic.metadata.refresh.interval.ms", source.discover_every.as_millis().clamp(10, 3_600_000).to_string())
        // Partitions are paused; what comes before they are is of no use.
        .set("auto.offset.reset", "latest")
        .set("queued.min.messages", "1");
    with(config, &source.properties)
}

/// Of a producer that sends everything at least once, in order, and gives up after so long.
pub fn of_producer(brokers: &[String], retry_for_ms: i64, properties: &Properties) -> ClientConfig {
    let mut config = common(brokers);
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("message.timeout.ms", retry_for_ms.to_string())
        .set("compression.type", "lz4")
        // As Java's clients do it, so that a vehicle has one partition whoever writes.
        .set("partitioner", "murmur2_random")
        .set("linger.ms", "5")
        // What waits to be sent is bounded: beyond it the pipeline waits.
        .set("queue.buffering.max.kbytes", "65536")
        .set("queue.buffering.max.messages", "200000");
    with(config, properties)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(name: &str, value: &str, role: Role, expected: Expect) {
        expected.assert_eq(&mistake(name, value, role).unwrap_or_default());
    }

    #[test]
    fn settings_are_passed_through_unless_rhumb_makes_them_or_nobody_knows_them() {
        check("fetch.min.bytes", "1000", Role::Source, expect![""]);
        check("security.protocol", "plaintext", Role::Sink, expect![""]);
        check(
            "group.id",
            "mine",
            Role::Source,
            expect![[r#""group.id" is set by rhumb itself; write group = "name""#]],
        );
        check("group.id", "mine", Role::Sink, expect![[r#""group.id" is set by rhumb itself; remove it"#]]);
        check("acks", "1", Role::Sink, expect![[r#""acks" is set by rhumb itself; remove it"#]]);
        check("fetch.min.byte", "1", Role::Source, expect![[r#"No such configuration property: "fetch.min.byte""#]]);
        let expected = expect![[r#"Invalid value for configuration property "fetch.min.bytes""#]];
        check("fetch.min.bytes", "many", Role::Source, expected);
    }

    #[test]
    fn own_settings_are_known_to_librdkafka() {
        for (name, _) in OWN {
            let mut config = ClientConfig::new();
            config.set(*name, "no such value");
            let error = config.create_native_config().err().map(|error| error.to_string()).unwrap_or_default();
            assert!(!error.contains("No such configuration property"), "{name}: {error}");
        }
        let brokers = ["127.0.0.1:1".to_owned()];
        for config in [of_consumer(&brokers, "g", &Vec::new()), of_producer(&brokers, 1000, &Vec::new())] {
            assert!(config.create_native_config().is_ok());
        }
    }
}
