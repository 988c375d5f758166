//! `[[test]]`: frames, and what is to come of them.

use super::{Field, Kind, Section};

pub const TEST: Section = Section {
    header: "[[test]]",
    doc: "Frames, and what the operators are to make of them; `rhumb test` runs them without sources, data folder or \
          clock (TESTING.md). Of `frames`, `frames_file`, `text` and `hex` each has one. Rows are written as text (a line of \
          names, then a line a row, values separated by commas) or as a list of tables. A time is RFC 3339, or `+1m30s`: so \
          long after `start`.",
    fields: &[
        Field::required(
            "name",
            Kind::Text,
            "\"a van that drives in is told\"",
            "A claim: what holds if the test is passed. No two tests share one.",
        ),
        Field::optional(
            "source",
            Kind::Text,
            "the first",
            "\"trackers\"",
            "The source that the frames are of: its codec, its columns, its repair of times.",
        ),
        Field::default("start", Kind::Text, "\"2024-01-01T00:00:00Z\"", "\"2024-05-01T12:00:00Z\"", "When `+0s` is, RFC 3339."),
        Field::optional(
            "frames",
            Kind::Rows,
            "",
            "\"\"\"\nvehicle_id, event_time, lat, lon\nvan-1, +0s, 30.2, -97.7\n\"\"\"",
            "Frames in the order in which they come, by the usual names and units of fields, and by the names of columns that the source adds. One without `received_at` was received at its time, or with the one before it.",
        )
        .excludes(&["frames_file", "text", "hex", "received_at"]),
        Field::optional("frames_file", Kind::Path, "", "\"frames.csv\"", "The same rows from a file.").excludes(&[
            "frames",
            "text",
            "hex",
            "received_at",
        ]),
        Field::optional(
            "text",
            Kind::Texts,
            "",
            "['{\"id\": \"van-1\", \"ts\": 1704067200, \"lat\": 30.2, \"lon\": -97.7}']",
            "What devices send, as text: of a UDP source a datagram each, else the pieces of one stream.",
        )
        .excludes(&["frames", "frames_file", "hex"]),
        Field::optional(
            "hex",
            Kind::Texts,
            "",
            "[\"7b22 6964 227d\"]",
            "The same as hexadecimal digits; white space does not count.",
        )
        .excludes(&["frames", "frames_file", "text"]),
        Field::optional(
            "received_at",
            Kind::Text,
            "the newest time in it",
            "\"+1m\"",
            "When `text` or `hex` was received.",
        )
        .excludes(&["frames", "frames_file"]),
        Field::optional(
            "until",
            Kind::Text,
            "the last frame",
            "\"+1h\"",
            "The clock goes on until then, without frames: what waits for time to pass is told.",
        ),
        Field::default(
            "partial",
            Kind::Flag,
            "false",
            "true",
            "What is not expected may come, too. Without it every alert and every reject must be expected, and every row of the other tables that the test names.",
        ),
        Field::optional(
            "alerts",
            Kind::Rows,
            "none",
            "[{ kind = \"enter\", vehicle_id = \"van-1\", zone_id = \"austin\" }]",
            "Alerts that are to be told: of each the columns that matter.",
        ),
        Field::optional(
            "rejects",
            Kind::Rows,
            "none",
            "[]",
            "Frames that are to be refused, such as `{ reason = \"speed_max\", vehicle_id = \"van-1\" }`.",
        ),
        Field::optional("history", Kind::Rows, "not looked at", "[{ vehicle_id = \"van-1\", late = false }]", "Frames as the last operator leaves them."),
        Field::optional(
            "windows",
            Kind::RowsOf,
            "not looked at",
            "{ zone_speed = [{ zone_id = \"austin\", frames = 1 }] }",
            "Rows by the name of the window: the newest revision of each.",
        ),
        Field::optional("trips", Kind::Rows, "not looked at", "[]", "Trips, the newest revision of each."),
        Field::optional("stops", Kind::Rows, "not looked at", "[]", "Stops, likewise."),
    ],
    later: &[],
};
