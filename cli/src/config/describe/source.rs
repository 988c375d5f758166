//! `[[source]]`: where frames come from, and how their bytes are read.

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

pub const CODECS: Words = Words::new("codec", &["json", "csv", "binary", "teltonika", "nmea"], &[]);

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

const TIME: Words = Words::new("unit", &["auto", "s", "ms", "us", "rfc3339"], &[]);
const LENGTH: Words = Words::new("unit", &["m", "ft"], &[]);
const SPEED: Words = Words::new("unit", &["m/s", "km/h", "mph", "knots"], &[]);
const NONE: Words = Words::new("unit", &[], &[]);

const fn field(
    name: &'static str,
    units: &'static Words,
    usual: &'static str,
    example: &'static str,
    doc: &'static str,
) -> Field {
    Field::optional(name, Kind::Mapping(units), usual, example, doc)
}

pub const FIELDS: Section = Section {
    header: "[source.fields]",
    doc: "What the input calls the fields of a frame, for the codecs json and csv; only those that have another name \
          or another unit than the usual. A field is given as its name, or as `{ field = \"kmh\", unit = \"km/h\" }`. A \
          frame without vehicle, time, latitude or longitude is rejected; of the other fields a value that cannot be \
          read is left out, and counted: REJECTS.md.",
    fields: &[
        field(
            "vehicle_id",
            &NONE,
            "`vehicle_id`, `vehicle`, `device_id`, `id`",
            "\"imei\"",
            "The vehicle: a text or a whole number.",
        ),
        field(
            "event_time",
            &TIME,
            "`event_time`, `ts`, `timestamp`, `time`",
            "{ field = \"gps_time\", unit = \"s\" }",
            "When the fix was taken. Without a unit: RFC 3339, or seconds, milliseconds or microseconds since 1970 by their size.",
        ),
        field(
            "received_at",
            &TIME,
            "`received_at`",
            "\"server_time\"",
            "When the frame reached a receiver, for recordings.",
        ),
        field("lat", &NONE, "`lat`, `latitude`", "\"y\"", "Latitude.").unit("degrees"),
        field("lon", &NONE, "`lon`, `lng`, `longitude`", "\"x\"", "Longitude.").unit("degrees"),
        field(
            "altitude_m",
            &LENGTH,
            "`altitude_m`, `alt`, `altitude`",
            "{ field = \"alt_ft\", unit = \"ft\" }",
            "Height.",
        )
        .unit("m"),
        field(
            "speed_mps",
            &SPEED,
            "`speed_mps`, `speed`",
            "{ field = \"kmh\", unit = \"km/h\" }",
            "Speed over ground.",
        )
        .unit("m/s"),
        field(
            "heading_deg",
            &NONE,
            "`heading_deg`, `heading`, `course`",
            "\"cog\"",
            "Direction of travel, clockwise from north.",
        )
        .unit("degrees"),
        field("accuracy_m", &LENGTH, "`accuracy_m`, `accuracy`", "\"eph\"", "Radius that the device trusts itself to.")
            .unit("m"),
        field("hdop", &NONE, "`hdop`", "\"dop\"", "Horizontal dilution of precision."),
        field("satellites", &NONE, "`satellites`", "\"sats\"", "Satellites that the fix was made with."),
        field("no_fix", &NONE, "`no_fix`", "\"lost\"", "True: the device had no fix."),
        field("valid", &NONE, "`valid`", "\"gps_ok\"", "False: the device had no fix."),
    ],
    later: &[],
};

pub const CSV: Section = Section {
    header: "[source.csv]",
    doc: "How CSV is written, for the codec csv.",
    fields: &[
        Field::default(
            "delimiter",
            Kind::Text,
            "\",\"",
            "\";\"",
            "The character between two values: one that no number has.",
        ),
        Field::default(
            "header",
            Kind::Flag,
            "true",
            "false",
            "The first line of a file names the columns. Of a datagram and of a record of Kafka too, unless `columns` names them.",
        ),
        Field::optional(
            "columns",
            Kind::Texts,
            "those of the first line",
            "[\"vehicle_id\", \"event_time\", \"lat\", \"lon\"]",
            "Names of the columns, in the place of such a line or where there is none.",
        ),
    ],
    later: &[],
};

pub const BINARY: Section = Section {
    header: "[source.binary]",
    doc: "For the codec binary.",
    fields: &[Field::optional(
        "keys",
        Kind::Tables(&KEY),
        "frames need no signature",
        "[{ id = 1, secret = \"${TRACKER_KEY:-at least 16 bytes long}\" }]",
        "Keys that frames are signed with. With at least one, what is not signed by one of them is rejected.",
    )],
    later: &[],
};

const KEY: Section = Section {
    header: "keys",
    doc: "",
    fields: &[
        Field::required("id", Kind::Integer { min: 0, max: 65_535 }, "1", "Number of the key, as frames name it."),
        Field::required(
            "secret",
            Kind::Secret,
            "\"${TRACKER_KEY}\"",
            "At least 16 bytes: a text, or `hex:` and two digits a byte.",
        ),
    ],
    later: &[],
};

const KEPT: Words = Words::new("column", &["priority", "event_io_id", "generation_type", "io"], &[]);
const IO_TYPES: Words = Words::new("type", &["bool", "int", "float", "text"], &[]);
const IO_UNITS: Words = Words::new(
    "unit",
    &[
        "mV", "V", "mA", "A", "m", "km", "ft", "m/s", "km/h", "mph", "ms", "s", "h", "ml", "l", "g", "kg", "mg", "%",
        "C",
    ],
    &[],
);

pub const TELTONIKA: Section = Section {
    header: "[source.teltonika]",
    doc: "For the codec teltonika: what of a record beside time and position becomes a column of the history.",
    fields: &[
        Field::optional(
            "keep",
            Kind::ManyOf(&KEPT),
            "none",
            "[\"priority\", \"event_io_id\"]",
            "Columns of these names. `io` holds all IO elements as a JSON object from id to value.",
        ),
        Field::optional(
            "io",
            Kind::Named(&IO),
            "none",
            "{ ignition = { id = 239, type = \"bool\" }, battery_v = { id = 67, unit = \"mV\" }, movement = 240 }",
            "Columns of IO elements: the column's name, and the element's id or a table.",
        ),
    ],
    later: &[],
};

const IO: Section = Section {
    header: "io",
    doc: "",
    fields: &[
        Field::required(
            "id",
            Kind::Integer { min: 0, max: 65_535 },
            "239",
            "Number of the element in the device's list.",
        ),
        Field::optional(
            "type",
            Kind::OneOf(&IO_TYPES),
            "`float` with a scale or a unit, else `int`",
            "\"bool\"",
            "`bool` is true unless the element is 0; `text` is its bytes, in hexadecimal digits where they are not printable.",
        ),
        Field::default("signed", Kind::Flag, "false", "true", "The element is a number with a sign."),
        Field::optional("scale", Kind::Number { max: 1e9 }, "1", "0.1", "The element counts in so many units."),
        Field::optional(
            "unit",
            Kind::OneOf(&IO_UNITS),
            "none",
            "\"mV\"",
            "What the element counts in. The column has V, A, m, m/s, s, l, kg, % or C.",
        ),
    ],
    later: &[],
};

const VEHICLES: Words = Words::new("place", &["sender", "tag", "prefix"], &[]);

pub const NMEA: Section = Section {
    header: "[source.nmea]",
    doc: "For the codec nmea.",
    fields: &[
        Field::default(
            "vehicle",
            Kind::OneOf(&VEHICLES),
            "\"sender\"",
            "\"tag\"",
            "Whose the sentences are: the IP address of the sender (of a file its name up to the first dot), the source (`s:`) of the TAG block before a sentence, or what stands before a sentence in its line.",
        ),
        Field::optional(
            "vehicle_id",
            Kind::Text,
            "as `vehicle` says",
            "\"bus-7\"",
            "All sentences are of this vehicle.",
        )
        .excludes(&["vehicle"]),
        Field::default(
            "checksum_required",
            Kind::Flag,
            "false",
            "true",
            "Sentences without a checksum are rejected; those with a wrong one always are.",
        ),
        Field::optional(
            "ends_with",
            Kind::Text,
            "an instant ends when the next one begins",
            "\"GGA\"",
            "Three letters of the sentence that a receiver ends each instant with: a frame then need not wait for the next one. For streams.",
        ),
        Field::optional(
            "date",
            Kind::Text,
            "such fixes are rejected",
            "\"2024-05-01\"",
            "Day of the first fix of a file whose first 64 KiB do not tell it.",
        ),
    ],
    later: &[],
};
