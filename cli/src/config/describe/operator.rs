//! `[[operator]]`: what is done to frames, in the order of the file.

use super::{Field, Group, Kind, Section, Words};
use crate::config::value::{DAY, MILLISECOND, SECOND};

pub const OPERATOR: Group = Group {
    noun: "operator",
    base: &BASE,
    kinds: &[&VALIDATE, &ENRICH, &FILTER, &DERIVE, &GEOFENCE, &TRIPS, &WINDOW],
    parts: &[],
    later: &[],
};

/// What `aggregates` understands, for suggestions.
pub const AGGREGATES: &[&str] =
    &["count", "min", "max", "avg", "sum", "first", "last", "distance", "quantile", "median", "p95", "count_distinct"];

const BASE: Section = Section {
    header: "[[operator]]",
    doc: "What is done to frames, in the order in which the operators stand. Each has exactly one of the tables below.",
    fields: &[],
    later: &[],
};

const DURATION: Kind = Kind::Duration { min: MILLISECOND, max: 36_500 * DAY };
const WIDTH: Kind = Kind::Duration { min: SECOND, max: 366 * DAY };
const NUMBER: Kind = Kind::Number { max: 1e9 };
const OFF: Words =
    Words::new("rule", &["range", "heading", "speed_reported", "null_island", "duplicate", "speed_max"], &[]);
const FORMATS: Words = Words::new("format", &["csv", "parquet"], &[]);
const ADDED: Words = Words::new("column", &["distance_m", "computed_speed_mps", "computed_heading_deg"], &[]);
const ALERTS: Words = Words::new("alert", &["enter", "exit", "dwell", "cross", "overspeed"], &["proximity"]);

const WATCH_TABLE: &str = "Whether a change of the file takes effect while the pipeline runs, for frames after the next commit; \
                           otherwise it does at the next start. Columns and their types stay those of the start.";
const WATCH_ZONES: &str = "Whether a change of the file takes effect while the pipeline runs, between two commits \
                           (`docs/ZONES.md`); otherwise it does at the next start.";

const VALIDATE: Section = Section {
    header: "[operator.validate]",
    doc: "Refuses frames that cannot be true or are not wanted, and keeps each in the table `rejects` with its reason. \
          The rules range, heading, speed_reported, null_island, duplicate and speed_max are on without being named; the \
          others are on when their field is set. What each measures: REJECTS.md. At most one, and the first operator.",
    fields: &[
        Field::default(
            "speed_max_mps",
            NUMBER,
            "70.0",
            "70",
            "Speed at most: over the great circle from and to the neighbours in time (speed_max), and as the device says it (speed_reported, which refuses a speed below 0, too).",
        )
        .unit("m/s"),
        Field::optional("accuracy_max_m", NUMBER, "", "100", "Accuracy that the device states, at most.").unit("m"),
        Field::optional("satellites_min", Kind::Integer { min: 1, max: 200 }, "", "4", "Satellites, at least.")
            .unit("satellites"),
        Field::optional("hdop_max", NUMBER, "", "5.0", "Horizontal dilution of precision, at most."),
        Field::optional("past_max", DURATION, "", "\"30d\"", "Age at the time of receipt, at most."),
        Field::optional(
            "rate_max_per_minute",
            Kind::Integer { min: 1, max: 1_000_000 },
            "",
            "120",
            "Frames of one vehicle in a minute of event time, at most.",
        )
        .unit("frames"),
        Field::optional("distance_min_m", NUMBER, "", "5", "Moved from the frame before, at least.").unit("m"),
        Field::optional("period_min", DURATION, "", "\"1s\"", "Time from the frame before, at least."),
        Field::optional(
            "path_keep",
            Kind::Integer { min: 1, max: 1024 },
            "that of `[engine]`",
            "16",
            "Accepted fixes that each vehicle remembers, for late frames to be held against.",
        )
        .unit("fixes"),
        Field::default("no_fix", Kind::Flag, "false", "true", "Refuses frames whose device says that it has no fix."),
        Field::default(
            "swapped",
            Kind::Flag,
            "false",
            "true",
            "Refuses frames that would stand next to their neighbour in time if latitude and longitude were swapped, and are far off as they are.",
        ),
        Field::default("static", Kind::Flag, "false", "true", "Refuses frames that say speed 0 and have not moved."),
        Field::optional(
            "known_vehicles",
            Kind::Path,
            "",
            "\"vehicles.csv\"",
            "Only the vehicles of this table: CSV with a header line, or Parquet (`.parquet`).",
        ),
        Field::optional(
            "overrides",
            Kind::Path,
            "",
            "\"limits.csv\"",
            "Table of vehicles (CSV, or Parquet) with thresholds of their own, in columns `speed_max_mps`, `accuracy_max_m`, `satellites_min`, `hdop_max`, `rate_max_per_minute`, `distance_min_m`; empty: that of the field of the same name.",
        ),
        Field::default(
            "key",
            Kind::Text,
            "\"vehicle_id\"",
            "\"vehicle_id\"",
            "Column of `known_vehicles` and `overrides` that holds the vehicle.",
        ),
        Field::default(
            "off",
            Kind::ManyOf(&OFF),
            "[]",
            "[\"null_island\", \"duplicate\", \"heading\"]",
            "Switches rules off that are on without being named.",
        ),
    ],
    later: &[],
};

const ENRICH: Section = Section {
    header: "[operator.enrich]",
    doc: "Adds columns to frames: from a table by vehicle, from the frame before, and the cells that they lie in.",
    fields: &[
        Field::optional(
            "table",
            Kind::Path,
            "",
            "\"vehicles.csv\"",
            "CSV file with a header line and one line a vehicle, or Parquet file with one row a vehicle; `.gz` and `.zst` are unpacked. A vehicle that is not in it gets nulls.",
        ),
        Field::optional(
            "format",
            Kind::OneOf(&FORMATS),
            "`parquet` where the file is named `.parquet` or `.pq`, else `csv`",
            "\"csv\"",
            "What the table is written in. Columns of CSV are of numbers or flags if all their values are, else of texts; those of Parquet have the types of the file: texts, numbers (of 64 bits), flags, times (a time without a zone, or a date, is taken as UTC).",
        ),
        Field::default("watch", Kind::Flag, "true", "false", WATCH_TABLE),
        Field::default(
            "key",
            Kind::Text,
            "\"vehicle_id\"",
            "\"vehicle_id\"",
            "Column of the table that holds the vehicle.",
        ),
        Field::optional(
            "columns",
            Kind::Texts,
            "all but the key",
            "[\"fleet\", \"depot\"]",
            "Columns of the table that are added.",
        ),
        Field::default(
            "add",
            Kind::ManyOf(&ADDED),
            "[]",
            "[\"distance_m\", \"computed_speed_mps\", \"computed_heading_deg\"]",
            "Columns worked out from the vehicle's frame before: distance (m), speed (m/s), heading (degrees).",
        ),
        Field::optional(
            "cells",
            Kind::Texts,
            "",
            "[\"h3_9\", \"geohash_6\"]",
            "Columns of these names: the H3 cell of a resolution (`h3_0` to `h3_15`) and the geohash of a length (`geohash_1` to `geohash_12`) that a frame lies in. For filters, derived columns and the history; a window can be keyed by either, by the H3 cell also without this.",
        ),
    ],
    later: &[],
};

const FILTER: Section = Section {
    header: "[operator.filter]",
    doc: "Keeps the frames for which an SQL expression is true. The others are kept in the table `rejects` with the reason `filter`; \
          the operators above have seen them. Expressions, their functions, nulls and errors: EXPRESSIONS.md.",
    fields: &[Field::required(
        "where",
        Kind::Text,
        "\"speed_mps > 3 AND satellites >= 4\"",
        "Over the columns of frames and those that operators above add. Null, or what cannot be worked out, is not true.",
    )],
    later: &[],
};

const DERIVE: Section = Section {
    header: "[operator.derive]",
    doc: "Adds columns that SQL expressions work out from those of the same frame. Operators below and the history have them. \
          Expressions, their functions, nulls and errors: EXPRESSIONS.md.",
    fields: &[Field::required(
        "columns",
        Kind::Pairs,
        "{ speed_kmh = \"speed_mps * 3.6\", is_fast = \"speed_kmh > 90\" }",
        "Column = its expression, which may read the columns before it. What cannot be worked out is null.",
    )],
    later: &[],
};

const GEOFENCE: Section = Section {
    header: "[operator.geofence]",
    doc: "Finds the zones of every frame (the column `zone_ids`) and tells what vehicles do at them. At most one. \
          Every field from `exit_buffer_m` to `time_zone` but `group_column` holds for zones that do not set it \
          themselves, as a property of the same name (`docs/ZONES.md`). Geometry alone: `exit_buffer_m = 0`, \
          `confirm_frames = 1`, `confirm_for = \"0s\"`.",
    fields: &[
        Field::required(
            "zones",
            Kind::Path,
            "\"zones/city.geojson\"",
            "GeoJSON FeatureCollection of zones; `.gz` and `.zst` are unpacked.",
        ),
        Field::default("watch", Kind::Flag, "true", "false", WATCH_ZONES),
        Field::default(
            "alerts",
            Kind::ManyOf(&ALERTS),
            "[\"enter\", \"exit\"]",
            "[\"enter\", \"exit\", \"dwell\", \"cross\", \"overspeed\"]",
            "Kinds of alert that are told. `cross`: passed through between two frames that are both outside.",
        ),
        Field::optional(
            "id_property",
            Kind::Text,
            "the feature's `id`, else its property `id` or `zone_id`, else its index",
            "\"name\"",
            "Property that holds a zone's id.",
        ),
        Field::optional(
            "nearest_within_m",
            Kind::Number { max: 10_000.0 },
            "",
            "2000",
            "Adds the columns `nearest_zone_id` and `nearest_zone_m`: the zone nearest to a frame, up to so far away, and how far its border is; 0 inside a zone. Null where there is none.",
        )
        .unit("m"),
        Field::default(
            "exit_buffer_m",
            Kind::Amount { max: 10_000.0 },
            "30",
            "30",
            "A vehicle that is in a zone has left it once it is farther outside than this.",
        )
        .unit("m"),
        Field::default(
            "confirm_frames",
            Kind::Integer { min: 1, max: 1_000 },
            "1",
            "2",
            "A change of side counts once so many frames have shown it; its alert keeps the time of the crossing.",
        )
        .unit("frames"),
        Field::default(
            "confirm_for",
            Kind::Duration { min: 0, max: DAY },
            "\"0s\"",
            "\"30s\"",
            "A change of side counts once frames have shown it for so long.",
        ),
        Field::optional(
            "accuracy_max_m",
            NUMBER,
            "every fix counts",
            "100",
            "A fix that its device calls worse changes no side.",
        )
        .unit("m"),
        Field::optional(
            "dwell",
            Kind::Duration { min: SECOND, max: 366 * DAY },
            "",
            "\"5m\"",
            "A vehicle that is in a zone for so long is told as `dwell`, by the clock of its lane, with or without a frame.",
        ),
        Field::optional(
            "speed_limit",
            Kind::Text,
            "",
            "\"50 km/h\"",
            "Faster than this inside a zone is told as `overspeed`: the speed of the frame, else that from the frame before. Units: `km/h`, `mph`, `m/s`, `knots`.",
        ),
        Field::default(
            "speed_limit_for",
            Kind::Duration { min: 0, max: DAY },
            "\"0s\"",
            "\"10s\"",
            "Faster for at least so long.",
        ),
        Field::optional(
            "vehicles",
            Kind::Texts,
            "all",
            "[\"bus-*\"]",
            "Vehicles that zones are for; `*`, `?` and `[a-z]` stand for characters.",
        ),
        Field::optional("groups", Kind::Texts, "all", "[\"night\"]", "Groups of vehicles that zones are for, likewise."),
        Field::optional(
            "group_column",
            Kind::Text,
            "",
            "\"fleet\"",
            "Column of frames that holds a vehicle's group, such as one that enrich adds.",
        ),
        Field::optional(
            "schedule",
            Kind::Texts,
            "always",
            "[\"Mon-Fri 08:00-18:00\", \"Sat 22:00-06:00\"]",
            "Hours in which zones are in force.",
        ),
        Field::default(
            "time_zone",
            Kind::Text,
            "\"UTC\"",
            "\"America/Chicago\"",
            "Time zone of `schedule`, by its name in the IANA's list.",
        ),
        Field::optional(
            "path_keep",
            Kind::Integer { min: 1, max: 1024 },
            "that of `[engine]`",
            "16",
            "Fixes that each vehicle remembers, for late frames to be put between: alerts that they prove wrong are corrected.",
        )
        .unit("fixes"),
    ],
    later: &[],
};

const TRIPS: Section = Section {
    header: "[operator.trips]",
    doc: "Finds where vehicles went and where they stood: the tables `trips` and `stops`. At most one; below the geofence, \
          if there is one, for the zones that trips begin and end in. What is a trip, what is a stop, and what their \
          columns say: TRIPS.md.",
    fields: &[
        Field::default(
            "stop_radius_m",
            Kind::Number { max: 100_000.0 },
            "200",
            "200",
            "A vehicle stands as long as it is nearer than this to where it stands, and moves on once it is not.",
        )
        .unit("m"),
        Field::default(
            "stop_for",
            Kind::Duration { min: SECOND, max: 366 * DAY },
            "\"3m\"",
            "\"3m\"",
            "Standing for so long is a stop, and ends a trip.",
        ),
        Field::default(
            "gap",
            Kind::Duration { min: SECOND, max: 366 * DAY },
            "\"1h\"",
            "\"1h\"",
            "A longer silence of the vehicle ends a trip, too. At least `stop_for`.",
        ),
        Field::default(
            "ignition",
            Kind::Text,
            "\"ignition\"",
            "\"ignition\"",
            "Column of frames that says whether the engine runs, such as one of `[source.teltonika]`, or of `extra` in `[source.fields]`: true or false, or a whole number of which 0 is off. Without it no idling is known.",
        ),
        Field::optional(
            "path_keep",
            Kind::Integer { min: 1, max: 1024 },
            "that of `[engine]`",
            "16",
            "So many frames of each vehicle are held back, for late ones to be put between. Those that come later still are counted in `too_late`.",
        )
        .unit("frames"),
    ],
    later: &[],
};

const WINDOW: Section = Section {
    header: "[operator.window]",
    doc: "Aggregates over stretches of event time, by key, into the table `windows_<name>`. What each kind of window and aggregate means: WINDOWS.md.",
    fields: &[
        Field::required(
            "name",
            Kind::Identifier,
            "\"zone_speed\"",
            "Names the table: letters, digits and `_`. No two windows share one.",
        ),
        Field::optional(
            "every",
            WIDTH,
            "",
            "\"1m\"",
            "Windows start at multiples of it since 1970-01-01T00:00:00Z, and are as wide, unless `size` is set. Needed unless `gap` is set.",
        ),
        Field::optional(
            "size",
            WIDTH,
            "as `every`",
            "\"10m\"",
            "Width of windows that overlap: a multiple of `every`, at most 1000 times it.",
        ),
        Field::optional(
            "gap",
            WIDTH,
            "",
            "\"5m\"",
            "In the place of `every`: a window is a session, frames of a key between which there is never more than this.",
        )
        .excludes(&["every", "size", "empty"]),
        Field::default(
            "empty",
            Kind::Flag,
            "false",
            "true",
            "Tells of windows without frames, too, for every zone. With `every`, with or without `size`, and `key = [\"zone_id\"]`.",
        ),
        Field::required(
            "key",
            Kind::Texts,
            "[\"zone_id\"]",
            "Columns of frames, those that operators before it added, `zone_id` (a frame counts once in each of its zones), or `h3_0` to `h3_15`: the H3 cell of that resolution.",
        ),
        Field::required(
            "aggregates",
            Kind::Pairs,
            "{ frames = \"count\", speed_avg = \"avg(speed_mps)\" }",
            "Column of the table = `count`, `distance` (metres driven), `avg`, `sum`, `median`, `p1` to `p99` of a column of numbers, `min`, `max`, `first`, `last` of one of numbers, texts or times, as in `\"avg(speed_mps)\"`, `quantile(speed_mps, 0.999)`, or `count_distinct(vehicle_id)`.",
        ),
    ],
    later: &["slide", "session_gap"],
};
