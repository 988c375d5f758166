//! The pipeline itself and `[engine]`.

use super::{Field, Kind, Section, Words};
use crate::config::value::{DAY, HOUR, MILLISECOND, MINUTE, SECOND};

/// Tables of later versions, by their first word.
pub const LATER: &[&str] = &["server"];

const LOG: Words = Words::new("kind of alert log", &["fsync", "os", "off"], &[]);

pub const PIPELINE: Section = Section {
    header: "",
    doc: "What stands at the top of the file, before the first table. All output goes to the lake, `<data>/lake`, \
          which is always on.",
    fields: &[
        Field::required(
            "name",
            Kind::Name,
            "\"fleet\"",
            "Names the pipeline. Ids of alerts are made from it: another name, other ids.",
        ),
        Field::optional(
            "data",
            Kind::DataPlace,
            "`data/<name>`",
            "\"data/fleet\"",
            "Folder of the checkpoints and of the lake. Made when it is not there; no two pipelines share one. Or a place in an \
             S3-compatible store, `s3://bucket/prefix`: docs/OPERATING.md says what that needs.",
        ),
    ],
    later: &[],
};

pub const ENGINE: Section = Section {
    header: "[engine]",
    doc: "How frames are run. May be left out.",
    fields: &[
        Field::optional(
            "shards",
            Kind::Integer { min: 1, max: 256 },
            "number of cores",
            "2",
            "Threads that run the chain of operators.",
        )
        .unit("threads"),
        Field::default(
            "epoch",
            Kind::Duration { min: 100 * MILLISECOND, max: HOUR },
            "\"10s\"",
            "\"10s\"",
            "Time between two commits. Rows can be seen in the lake once their epoch is committed; a restart reads again from the last commit.",
        ),
        Field::default(
            "epoch_rows",
            Kind::Integer { min: 1_000, max: 1_000_000_000 },
            "4_000_000",
            "4_000_000",
            "Frames after which an epoch is committed, if they come before its time is up.",
        )
        .unit("frames"),
        Field::optional(
            "local",
            Kind::Path,
            "none",
            "\"data/fleet\"",
            "With `data` in an object store, and only then: folder on a disk of this machine, for the journal, the alert log and files on their way.",
        ),
        Field::default(
            "retry_for",
            Kind::Duration { min: 0, max: DAY },
            "\"5m\"",
            "\"1h\"",
            "How long storage that refuses (a full disk, a store that is down) is tried again, while sources wait, before the run ends before its commit. What no retry mends ends it at once.",
        ),
        Field::default(
            "lateness",
            Kind::Duration { min: 0, max: 30 * DAY },
            "\"5m\"",
            "\"5m\"",
            "How long windows wait for frames that come late, by event time. Results come that much later.",
        ),
        Field::default(
            "idle_after",
            Kind::Duration { min: SECOND, max: DAY },
            "\"30s\"",
            "\"30s\"",
            "A lane that has had no frames for so long goes on as its source's clock does, so that it holds up nothing.",
        ),
        Field::default(
            "clock_skew_max",
            Kind::Duration { min: SECOND, max: DAY },
            "\"5m\"",
            "\"5m\"",
            "A frame whose time is further ahead of the time of receipt is rejected as `future`. Up to `lateness`, no device with a wrong clock can make the frames of the others late.",
        ),
        Field::default(
            "path_keep",
            Kind::Integer { min: 1, max: 1024 },
            "16",
            "16",
            "Accepted fixes that each vehicle remembers, for late frames to be put between.",
        )
        .unit("fixes"),
        Field::default(
            "offline_after",
            Kind::Duration { min: SECOND, max: 365 * DAY },
            "\"10m\"",
            "\"10m\"",
            "Vehicles silent for longer, by event time, are `offline` in the table `current`.",
        ),
        Field::default(
            "vehicles_max",
            Kind::Integer { min: 1, max: 1_000_000_000 },
            "5_000_000",
            "5_000_000",
            "Vehicles that are kept. Frames of further ones are rejected as `vehicles_max`, so that made-up ids do not fill memory.",
        )
        .unit("vehicles"),
        Field::optional(
            "alert_log",
            Kind::OneOf(&LOG),
            "`\"fsync\"` if a source is live or paced, else `\"off\"`",
            "\"os\"",
            "Whether alerts stand in `<data>/alert_log` within milliseconds, for `rhumb tap alerts` and whoever delivers them, and not only with their epoch in the lake. `fsync`: synced in groups; `os`: left to the operating system.",
        ),
        Field::default(
            "alert_log_sync",
            Kind::Duration { min: 0, max: MINUTE },
            "\"5ms\"",
            "\"20ms\"",
            "The longest time that an alert in the log waits to be synced.",
        ),
        Field::default(
            "alert_log_keep",
            Kind::Duration { min: MINUTE, max: 365 * DAY },
            "\"7d\"",
            "\"1d\"",
            "How long the files of the alert log are kept: whoever reads it may be behind by as much.",
        ),
    ],
    later: &["reorder"],
};
