//! `[[source]]`: where frames come from, and how their bytes are read.

use super::{Field, Group, Kind, Section, Words};
use crate::config::value::{GIB, KIB};

pub const SOURCE: Group = Group {
    noun: "source",
    base: &BASE,
    kinds: &[&UDP, &FILE],
    parts: &[&FIELDS, &CSV, &BINARY],
    later: &["kafka", "tcp"],
};

const CODECS: Words = Words::new("codec", &["json", "csv", "binary"], &["teltonika", "nmea"]);

const BASE: Section = Section {
    header: "[[source]]",
    doc: "Where frames come from. At least one; each has exactly one of `[source.udp]` and `[source.file]`.",
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

const ROLLOVER: &str =
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
          or another unit than the usual. A field is given as its name, or as `{ field = \"kmh\", unit = \"km/h\" }`.",
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
            "The first line of a file names the columns. Of a datagram too, unless `columns` names them.",
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
