//! How the bytes of a source are read: codecs, and the names and units of fields.

use super::{Field, Kind, Section, Words};

pub const CODECS: Words = Words::new("codec", &["json", "csv", "binary", "teltonika", "nmea"], &[]);

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
        Field::optional(
            "extra",
            Kind::Named(&EXTRA),
            "none",
            "{ ignition = \"bool\", fuel_l = { type = \"float\", field = \"tank.fuel\" }, fleet = \"text\" }",
            "What else becomes a column of the history, at most 32: the column's name, and its type or a table. It is null where the input does not have it.",
        ),
    ],
    later: &[],
};

const EXTRA: Section = Section {
    header: "extra",
    doc: "",
    fields: &[
        Field::required(
            "type",
            Kind::OneOf(&COLUMN_TYPES),
            "\"bool\"",
            "`bool` is true, 1 or yes, and false, 0 or no; `int` a whole number; `text` also takes numbers as they are written.",
        ),
        Field::optional(
            "field",
            Kind::Text,
            "the column's name",
            "\"tank.fuel\"",
            "Its name in the input, as it is written there; for json it may lead into nested objects.",
        ),
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
const COLUMN_TYPES: Words = Words::new("type", &["bool", "int", "float", "text"], &[]);
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
            Kind::OneOf(&COLUMN_TYPES),
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
            "an instant ends when the next one begins, or its datagram of several lines, or after a second",
            "\"GGA\"",
            "Three letters of the sentence that a receiver ends each instant with: a frame then need not wait for more.",
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
