//! `[source.kafka]`.

use super::codec::CODECS;
use super::source::ROLLOVER;
use super::{Field, Kind, Section, Words};
use crate::config::value::{HOUR, MIB, SECOND};

const LOST: Words = Words::new("answer", &["stop", "skip"], &[]);

/// Brokers, of a source or a sink.
pub const BROKERS: Field = Field::required(
    "brokers",
    Kind::Texts,
    "[\"localhost:9092\"]",
    "Brokers to begin with, as host and port; the others are learnt from them.",
);

/// Settings of librdkafka, likewise.
pub const PROPERTIES: Field = Field::optional(
    "properties",
    Kind::Settings,
    "none",
    "{ \"client.rack\" = \"a\", \"socket.keepalive.enable\" = true }",
    "Settings of librdkafka by its names, such as those of TLS and SASL: KAFKA.md. Those that Rhumb makes itself are refused.",
);

pub const KAFKA: Section = Section {
    header: "[source.kafka]",
    doc: "Topics of a Kafka cluster; each partition is a lane. Where reading goes on stands in the manifests. KAFKA.md says what is promised.",
    fields: &[
        BROKERS,
        Field::optional("topic", Kind::Text, "`topics` names them", "\"gps.raw\"", "The topic that is read.")
            .excludes(&["topics"]),
        Field::optional(
            "topics",
            Kind::Texts,
            "`topic` names it",
            "[\"gps.raw\", \"gps.more\"]",
            "Or several. A vehicle is known in each by itself.",
        )
        .excludes(&["topic"]),
        Field::required(
            "codec",
            Kind::OneOf(&CODECS),
            "\"json\"",
            "How the value of a record is read: as that of a datagram.",
        ),
        Field::optional(
            "group",
            Kind::Text,
            "`rhumb-` and the pipeline's name",
            "\"rhumb-fleet\"",
            "Consumer group under which the brokers are told what is committed, for tools that show its lag. Nothing is read back from there. Instances (`rhumb run --instance`) share the partitions as its members.",
        ),
        Field::default(
            "start",
            Kind::Start,
            "\"earliest\"",
            "{ offset = 1000 }",
            "Where partitions begin that were never read: `\"earliest\"`, `\"latest\"`, a time (RFC 3339) or `{ offset = N }`. One that a topic gains later begins at its beginning.",
        ),
        Field::default(
            "vehicle",
            Kind::Text,
            "\"value\"",
            "\"key\"",
            "Who sent a frame: `\"value\"` whom it names itself, `\"key\"` the record's key, `\"header:NAME\"` its header of this name.",
        ),
        Field::default(
            "record_max",
            Kind::Bytes { min: 64, max: 256 * MIB },
            "\"1MiB\"",
            "\"64KiB\"",
            "Longest record; a longer one is rejected.",
        ),
        Field::default(
            "lost",
            Kind::OneOf(&LOST),
            "\"stop\"",
            "\"skip\"",
            "What to do when the records that come next are gone, because the topic keeps them no longer or is another one: stop, or go on with the oldest that is there, and count them in `records_lost`.",
        ),
        Field::default(
            "discover_every",
            Kind::Duration { min: SECOND, max: 24 * HOUR },
            "\"30s\"",
            "\"10s\"",
            "How often is looked for partitions that a topic has gained.",
        ),
        PROPERTIES,
        Field::default("rollover", Kind::Flag, "true", "true", ROLLOVER),
    ],
    later: &[],
};
