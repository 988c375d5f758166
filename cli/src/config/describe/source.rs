//! `[[source]]`: where frames come from, and how their bytes are read.

use super::codec::{BINARY, CODECS, CSV, FIELDS, NMEA, TELTONIKA};
use super::kafka::KAFKA;
use super::{Field, Group, Kind, Section, Words};
use crate::config::value::{DAY, GIB, KIB, MINUTE, SECOND};

pub const SOURCE: Group = Group {
    noun: "source",
    base: &BASE,
    kinds: &[&UDP, &TCP, &KAFKA, &FILE],
    parts: &[&FIELDS, &CSV, &BINARY, &TELTONIKA, &NMEA],
    later: &[],
};

const JOURNAL: Words = Words::new("kind of journal", &["fsync", "os", "off"], &[]);

const BASE: Section = Section {
    header: "[[source]]",
    doc: "Where frames come from. At least one; each has exactly one of `[source.udp]`, `[source.tcp]`, `[source.kafka]` and `[source.file]`.",
    fields: &[Field::required(
        "name",
        Kind::Name,
        "\"trackers\"",
        "Names the source, in the column `source` too. No two sources share one.",
    )],
    later: &[],
};

const UDP: Section = Section {
    header: "[source.udp]",
    doc: "Datagrams from the network.",
    fields: &[
        Field::required(
            "listen",
            Kind::Address,
            "\"127.0.0.1:5027\"",
            "IP address and port to receive on. `0.0.0.0` is every IPv4 address of the machine.",
        ),
        Field::required("codec", Kind::OneOf(&CODECS), "\"json\"", "How the bytes of a datagram are read."),
        Field::default(
            "sockets",
            Kind::Integer { min: 1, max: 64 },
            "1",
            "2",
            "Sockets, each with a thread that reads it; the system spreads senders over them.",
        )
        .unit("sockets"),
        Field::default(
            "receive_buffer",
            Kind::Bytes { min: 64 * KIB, max: GIB },
            "\"32MiB\"",
            "\"8MiB\"",
            "What the system keeps for each socket while its thread is busy; what does not fit is lost, and counted. The system may grant less (`net.core.rmem_max` on Linux), which is told at the start.",
        ),
        Field::default(
            "datagram_max",
            Kind::Bytes { min: 64, max: 64 * KIB },
            "\"2KiB\"",
            "\"2KiB\"",
            "Longest datagram; a longer one is rejected.",
        ),
        Field::optional(
            "allow",
            Kind::Texts,
            "everyone",
            "[\"10.0.0.0/8\", \"192.168.1.7\"]",
            "Senders that are heard: IP addresses, or networks as address and length of prefix.",
        ),
        Field::default("rollover", Kind::Flag, "true", "true", ROLLOVER),
        Field::default(
            "journal",
            Kind::OneOf(&JOURNAL),
            "\"fsync\"",
            "\"fsync\"",
            "Whether datagrams are written to `<data>/journal` before they count, so that they are read again after a crash. `fsync`: and synced, in groups, which acknowledgements to devices wait for; nothing that was acknowledged is lost. `os`: left to the operating system; what it holds is lost if the machine dies, not if the process does. `off`: not written; what the process holds when it dies is lost.",
        ),
        Field::default(
            "journal_sync",
            Kind::Duration { min: 0, max: MINUTE },
            "\"5ms\"",
            "\"20ms\"",
            "The longest time that a datagram waits to be synced.",
        ),
        Field::default(
            "journal_sync_bytes",
            Kind::Bytes { min: KIB, max: GIB },
            "\"1MiB\"",
            "\"256KiB\"",
            "So many bytes are synced sooner.",
        ),
        Field::default(
            "journal_segment",
            Kind::Bytes { min: 64 * KIB, max: GIB },
            "\"64MiB\"",
            "\"16MiB\"",
            "Length of a file of the journal. A file goes as a whole, once all of it is committed and old enough.",
        ),
        Field::default(
            "journal_keep",
            Kind::Duration { min: 0, max: 365 * DAY },
            "\"0s\"",
            "\"7d\"",
            "How long files are kept beside that.",
        ),
    ],
    later: &[],
};

const TCP: Section = Section {
    header: "[source.tcp]",
    doc: "Connections of devices. Each has its codec and its state to itself; what a device sends in pieces is put together.",
    fields: &[
        Field::required(
            "listen",
            Kind::Address,
            "\"127.0.0.1:5028\"",
            "IP address and port to accept connections on. `0.0.0.0` is every IPv4 address of the machine.",
        ),
        Field::required("codec", Kind::OneOf(&CODECS), "\"teltonika\"", "How the bytes of a connection are read."),
        Field::default(
            "readers",
            Kind::Integer { min: 1, max: 64 },
            "1",
            "2",
            "Threads that read; the system spreads connections over them.",
        )
        .unit("threads"),
        Field::default(
            "connections_max",
            Kind::Integer { min: 1, max: 1_000_000 },
            "10000",
            "50000",
            "Connections of each reader; a further one is closed at once, and counted. The system's limit of open files has to allow them.",
        )
        .unit("connections"),
        Field::default(
            "idle_max",
            Kind::Duration { min: SECOND, max: 7 * DAY },
            "\"15m\"",
            "\"1h\"",
            "A connection that is silent for longer is closed.",
        ),
        Field::default(
            "first_bytes_max",
            Kind::Duration { min: SECOND, max: 7 * DAY },
            "\"30s\"",
            "\"10s\"",
            "So is one that sends nothing at all for so long after it was opened.",
        ),
        Field::default(
            "rate_max",
            Kind::Bytes { min: KIB, max: GIB },
            "\"1MiB\"",
            "\"64KiB\"",
            "Bytes that are read of one connection in a second; the rest waits in the network.",
        )
        .unit("a second"),
        Field::optional(
            "allow",
            Kind::Texts,
            "everyone",
            "[\"10.0.0.0/8\", \"192.168.1.7\"]",
            "Who may connect: IP addresses, or networks as address and length of prefix.",
        ),
        Field::default("rollover", Kind::Flag, "true", "true", ROLLOVER),
    ],
    later: &["journal"],
};

const FILE: Section = Section {
    header: "[source.file]",
    doc: "Recordings. Read once, to the end; `.gz` and `.zst` are unpacked.",
    fields: &[
        Field::required(
            "path",
            Kind::Path,
            "\"sample/cabs.csv.gz\"",
            "A file, or several: `*`, `?` and `[a-z]` stand for characters of a name, `**` for folders. At most 256; several are merged by event time.",
        ),
        Field::required("codec", Kind::OneOf(&CODECS), "\"csv\"", "How the bytes of the file are read."),
        Field::default(
            "speed",
            Kind::Speed,
            "\"max\"",
            "\"60x\"",
            "How fast it is played: `\"max\"`, or so many times as fast as it was recorded.",
        ),
        Field::default("rollover", Kind::Flag, "false", "false", ROLLOVER),
    ],
    later: &[],
};

pub const ROLLOVER: &str =
    "Repairs times that a receiver with old firmware sets back by 1024 weeks. Off for files, which may simply be old.";
