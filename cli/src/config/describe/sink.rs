//! `[[sink]]`: where output goes beside the lake.

use super::kafka::{BROKERS, PROPERTIES};
use super::{Field, Group, Kind, Section, Words};
use crate::config::value::{HOUR, SECOND};

pub const SINK: Group = Group { noun: "sink", base: &BASE, kinds: &[&KAFKA], parts: &[], later: &["webhook"] };

const BASE: Section = Section {
    header: "[[sink]]",
    doc: "Where output goes beside the lake, which is always on. Each has exactly one of the tables below.",
    fields: &[],
    later: &[],
};

const FORMATS: Words = Words::new("format", &["json", "binary"], &[]);

const KAFKA: Section = Section {
    header: "[sink.kafka]",
    doc: "Topics of a Kafka cluster, keyed by vehicle. Everything of an epoch is delivered before the epoch is committed: at least once. KAFKA.md says more.",
    fields: &[
        BROKERS,
        Field::optional(
            "frames",
            Kind::Text,
            "no frames are sent",
            "\"gps.accepted\"",
            "Topic of the frames of the history.",
        ),
        Field::optional("alerts", Kind::Text, "no alerts are sent", "\"gps.alerts\"", "Topic of the alerts."),
        Field::optional(
            "format",
            Kind::OneOf(&FORMATS),
            "`\"json\"`",
            "\"json\"",
            "How frames are written: as JSON objects, or compactly (BINARY.md), the core of a frame alone.",
        ),
        Field::default(
            "retry_for",
            Kind::Duration { min: SECOND, max: 24 * HOUR },
            "\"2m\"",
            "\"10m\"",
            "Brokers that do not take a record are tried again for so long; then the run stops before its commit.",
        ),
        PROPERTIES,
    ],
    later: &[],
};
