//! What a pipeline will do, in words: `rhumb explain`.

use super::means::{
    Checked, CodecKind, CodecMeans, EngineMeans, JournalKind, OperatorKind, OperatorMeans, SourceKind, SourceMeans,
};
use super::value::{bytes_text, duration_text};
use arrow::datatypes::FieldRef;
use rhumb_connectors::codec::CodecConfig;
use rhumb_connectors::codec::decode::rfc3339;
use rhumb_connectors::file::Speed;
use rhumb_connectors::kafka::{KafkaConfig, Lost, Start, VehicleFrom};
use rhumb_connectors::lake::stored_tables;
use rhumb_engine::frame::core_columns;
use rhumb_engine::lane::HASH_LANES;
use rhumb_engine::operator::{OperatorPlan, TablePlan};
use rhumb_engine::sink::SinkPlan;
use rhumb_operators::geofence::{GeofenceConfig, ZoneRules};
use rhumb_operators::trips::TripsConfig;
use rhumb_operators::validate::ValidateConfig;
use rhumb_operators::window::{Shape, WindowConfig};
use std::fmt::Write;
use std::sync::Arc;

/// Lines of at most about 110 characters; the same pipeline gives the same text. `plans` are those of its operators.
///
/// # Errors
/// If the lake cannot hold what an operator gives.
pub fn explain(
    checked: &Checked,
    plans: &[Arc<dyn OperatorPlan>],
    sinks: &[Arc<dyn SinkPlan>],
) -> Result<String, String> {
    let mut out = Page::default();
    out.line(0, format!("pipeline {}, from {}", checked.name, checked.file.display()));
    out.heading("sources");
    checked.sources.iter().for_each(|source| explain_source(source, &mut out));
    out.heading("lanes and shards");
    explain_lanes(checked, &mut out);
    explain_engine(&checked.engine, &mut out);
    out.heading("operators, in this order");
    let mut columns = core_columns();
    for column in checked.sources.iter().flat_map(SourceMeans::columns) {
        if !columns.iter().any(|known| known.name() == column.name()) {
            columns.push(column);
        }
    }
    for (number, operator) in checked.operators.iter().enumerate() {
        explain_operator(number + 1, operator, &mut out);
        out.field("columns in", names(&columns));
        let added = &operator.adds;
        out.field(
            "columns out",
            if added.is_empty() { "the same".to_owned() } else { format!("the same, {}", names(added)) },
        );
        columns.extend(added.iter().cloned());
    }
    if checked.operators.is_empty() {
        out.line(1, "none: every frame that can be read goes to the lake as it is".to_owned());
    }
    let of_operators: Vec<TablePlan> = plans.iter().flat_map(|plan| plan.tables()).collect();
    let tables = stored_tables(&columns, &of_operators)?;
    out.heading("sinks");
    for sink in sinks {
        out.line(1, sink.name().to_owned());
        sink.describe().into_iter().for_each(|(what, value)| out.field(&what, value));
        if sink.name() == "lake" {
            out.field("tables", tables.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", "));
        }
    }
    out.heading("tables");
    for (name, stored) in tables {
        out.line(1, name);
        out.field("columns", names(stored.fields()));
    }
    out.heading("data");
    let place = checked.bucket.clone().unwrap_or_else(|| checked.data.display().to_string());
    out.field("checkpoints", place.clone());
    out.field("lake", format!("{place}/lake"));
    if checked.bucket.is_some() {
        out.field("local", checked.data.display().to_string());
    }
    out.field("retries", format!("storage that refuses, for {}", duration_text(checked.engine.retry_for_us)));
    out.field(
        "alert log",
        match checked.engine.alert_log.log(&checked.sources) {
            None => "off: alerts are in the lake, with their epoch".to_owned(),
            Some(log) => {
                let synced = log.sync.map_or("left to the operating system".to_owned(), |group| {
                    format!("synced within {}", duration_text(group.every.as_micros() as i64))
                });
                let folder = rhumb_connectors::alerts::folder(&checked.data);
                format!("{}, {synced}, kept {}", folder.display(), duration_text(log.keep_us))
            }
        },
    );
    Ok(out.text)
}

fn names(columns: &[FieldRef]) -> String {
    columns.iter().map(|column| column.name().as_str()).collect::<Vec<_>>().join(", ")
}

fn explain_source(source: &SourceMeans, out: &mut Page) {
    out.line(1, source.name.clone());
    let rollover =
        if source.rollover { "times set back by 1024 weeks are repaired" } else { "times are taken as they are" };
    match &source.kind {
        SourceKind::Udp(udp) => {
            out.field(
                "reads",
                format!("datagrams of at most {} on udp {}", bytes_text(udp.datagram_max_bytes as u64), udp.listen),
            );
            let allow: Vec<String> = udp.allow.iter().map(|net| net.to_string()).collect();
            out.field("from", if allow.is_empty() { "everyone".to_owned() } else { allow.join(", ") });
            let buffer = bytes_text(udp.receive_buffer_bytes as u64);
            out.field(
                "partitions",
                format!("{}, one a socket; each with a thread and a buffer of {buffer}", udp.sockets),
            );
            out.field("time", format!("live; {rollover}"));
            out.field("keeps", udp.journal.promise());
        }
        SourceKind::Tcp(tcp) => {
            out.field("reads", format!("at most {} connections a reader on tcp {}", tcp.connections_max, tcp.listen));
            let allow: Vec<String> = tcp.allow.iter().map(|net| net.to_string()).collect();
            out.field("from", if allow.is_empty() { "everyone".to_owned() } else { allow.join(", ") });
            let (idle, first) = (duration_text(tcp.idle_max_us), duration_text(tcp.first_bytes_max_us));
            let rate = bytes_text(tcp.rate_max_bytes);
            out.field("partitions", format!("{}, one a reader; each with a thread", tcp.readers));
            out.field("closes", format!("connections after {idle} of silence, or {first} without a first byte"));
            out.field("rate", format!("at most {rate} a second of each connection"));
            out.field("time", format!("live; {rollover}"));
            out.field("keeps", JournalKind::Off.promise().to_owned());
        }
        SourceKind::Kafka(kafka) => explain_kafka(kafka, rollover, out),
        SourceKind::File(file) => {
            out.field("reads", file.path.display().to_string());
            out.field(
                "partitions",
                match file.files.len() {
                    1 => "1, the file".to_owned(),
                    n => format!("{n}, one a file, merged by event time"),
                },
            );
            let speed = match file.speed {
                Speed::Max => "as fast as it can be read".to_owned(),
                Speed::Times(times) => format!("{times} times as fast as recorded"),
            };
            out.field("time", format!("recorded; {speed}; {rollover}"));
        }
    }
    out.field("codec", codec_text(&source.codec));
    for field in &source.codec.fields {
        let unit = field.unit.as_ref().map_or(String::new(), |unit| format!(", in {unit}"));
        out.field("", format!("{} is \"{}\"{unit}", field.field, field.name));
    }
    let adds: Vec<String> = source.columns().iter().map(|column| column.name().clone()).collect();
    if !adds.is_empty() {
        out.field("adds", adds.join(", "));
    }
    for extra in &source.codec.extra {
        out.field("", format!("{} is \"{}\", {}", extra.name, extra.from, extra.holds.name()));
    }
}

fn explain_kafka(kafka: &KafkaConfig, rollover: &str, out: &mut Page) {
    let longest = bytes_text(kafka.record_max_bytes as u64);
    let topics = kafka.topics.join(", ");
    out.field("reads", format!("records of at most {longest} from {topics} at {}", kafka.brokers.join(", ")));
    let start = match kafka.start {
        Start::Earliest => "with the oldest record".to_owned(),
        Start::Latest => "with what comes from now on".to_owned(),
        Start::Time(at) => format!("at {}", rfc3339(at)),
        Start::Offset(offset) => format!("at offset {offset}"),
    };
    let every = duration_text(kafka.discover_every.as_micros() as i64);
    out.field("partitions", format!("all that the topics have, each a lane; looked for again every {every}"));
    out.field("start", format!("{start}, then where the last commit ended; a new partition at its beginning"));
    let lost = match kafka.lost {
        Lost::Stop => "stop the source",
        Lost::Skip => "are counted, and reading goes on behind them",
    };
    out.field("lost", format!("records that are gone before they are read {lost}"));
    match &kafka.vehicle {
        VehicleFrom::Value => {}
        VehicleFrom::Key => out.field("vehicle", "the record's key".to_owned()),
        VehicleFrom::Header(name) => out.field("vehicle", format!("the record's header {name}")),
    }
    out.field("group", format!("{}, told what is committed", kafka.group));
    let names: Vec<&str> = kafka.properties.iter().map(|(name, _)| name.as_str()).collect();
    if !names.is_empty() {
        out.field("properties", names.join(", "));
    }
    out.field("time", format!("live, received when the record was written; {rollover}"));
}

fn codec_text(codec: &CodecMeans) -> String {
    match &codec.kind {
        CodecKind::Json => "json".to_owned(),
        CodecKind::Csv(csv) => {
            let columns = match (&csv.columns, csv.header) {
                (Some(columns), _) => format!("columns {}", columns.join(", ")),
                (None, true) => "columns named by the first line".to_owned(),
                (None, false) => "no columns".to_owned(),
            };
            format!("csv, separated by {:?}, {columns}", char::from(csv.delimiter))
        }
        CodecKind::Binary(binary) => match binary.keys.len() {
            0 => "binary, unsigned".to_owned(),
            1 => "binary, signed".to_owned(),
            n => format!("binary, signed with one of {n} keys"),
        },
        CodecKind::Teltonika(teltonika) => CodecConfig::Teltonika(teltonika.clone()).describe(),
        CodecKind::Nmea(nmea) => CodecConfig::Nmea(nmea.clone()).describe(),
    }
}

fn explain_lanes(checked: &Checked, out: &mut Page) {
    let shards = checked.engine.shards;
    let (own, hashed): (Vec<&SourceMeans>, Vec<_>) =
        checked.sources.iter().partition(|source| matches!(source.kind, SourceKind::Kafka(_)));
    if !hashed.is_empty() {
        out.field("lanes", format!("{HASH_LANES}, by hash of the vehicle, on {shards} shards"));
    }
    if !own.is_empty() {
        let names: Vec<&str> = own.iter().map(|source| source.name.as_str()).collect();
        let text =
            format!("one a partition of {}, on {shards} shards; a vehicle is known in its partition", names.join(", "));
        out.field(if hashed.is_empty() { "lanes" } else { "" }, text);
    }
}

fn explain_engine(engine: &EngineMeans, out: &mut Page) {
    out.field(
        "epoch",
        format!("committed every {}, or after {} frames", duration_text(engine.epoch_us), engine.epoch_rows),
    );
    out.field("lateness", format!("windows wait {} for late frames", duration_text(engine.lateness_us)));
    out.field(
        "idle",
        format!("a lane that is silent for {} goes on as its source does", duration_text(engine.idle_after_us)),
    );
    out.field(
        "future",
        format!("frames more than {} ahead of their receipt are rejected", duration_text(engine.clock_skew_max_us)),
    );
    out.field("path", format!("{} fixes of each vehicle are remembered", engine.path_keep));
    out.field(
        "vehicles",
        format!("at most {}, offline after {} of silence", engine.vehicles_max, duration_text(engine.offline_after_us)),
    );
}

fn explain_operator(number: usize, operator: &OperatorMeans, out: &mut Page) {
    out.line(1, format!("{number} {}", operator.name));
    for file in &operator.files {
        let changes = match &operator.reference {
            Some(reference) if reference.path() == file => match reference.is_watched() {
                true => ", watched: a change takes effect while it runs, between two epochs",
                false => ": a change takes effect at the next start",
            },
            _ => "",
        };
        out.field("file", format!("{}{changes}", file.display()));
    }
    match &operator.kind {
        OperatorKind::Validate(config) => out.field("refuses", rules(config).join("; ")),
        OperatorKind::Enrich(config) => {
            let count = config.table.as_ref().map(|table| table.vehicles().count());
            out.field("table", count.map_or("none".to_owned(), |count| format!("{count} vehicles")));
            let cells: Vec<String> = config.cells.iter().map(|cell| cell.name()).collect();
            if !cells.is_empty() {
                out.field("cells", cells.join(", "));
            }
        }
        OperatorKind::Filter(condition) => out.field("keeps", condition.text().to_owned()),
        OperatorKind::Derive(derived) => {
            for (n, column) in derived.iter().enumerate() {
                let (name, expression) = (column.field().name(), column.expression());
                let text = format!("{name} = {}, {}", expression.text(), expression.gives());
                out.field(if n == 0 { "derives" } else { "" }, text);
            }
        }
        OperatorKind::Geofence(config) => {
            let kinds: Vec<&str> = config.alerts.iter().map(|kind| kind.name()).collect();
            out.field("zones", config.zones.len().to_string());
            out.field("alerts", if kinds.is_empty() { "none".to_owned() } else { kinds.join(", ") });
            if let Some(within_m) = config.nearest_within_m {
                out.field("nearest", format!("the nearest zone of each frame, up to {within_m} m away"));
            }
            explain_rules(config, out);
        }
        OperatorKind::Trips(config) => explain_trips(config, out),
        OperatorKind::Window(config) => explain_window(config, out),
    }
}

/// Rules that zones have in common, with how many.
fn explain_rules(config: &GeofenceConfig, out: &mut Page) {
    let mut texts: Vec<(String, usize)> = Vec::new();
    for text in config.rules.iter().map(zone_rules) {
        match texts.iter_mut().find(|(known, _)| *known == text) {
            Some((_, zones)) => *zones += 1,
            None => texts.push((text, 1)),
        }
    }
    let shown = texts.len().min(RULES_SHOWN);
    for (text, zones) in &texts[..shown] {
        out.field("rules", format!("of {zones} zones: {text}"));
    }
    if texts.len() > shown {
        out.field("", format!("and {} further rules of single zones", texts.len() - shown));
    }
    out.field("late", format!("frames among the last {} of a vehicle correct its alerts", config.path_keep));
}

/// How many different rules are written out.
const RULES_SHOWN: usize = 8;

/// Rules of a zone in words.
pub fn zone_rules(rules: &ZoneRules) -> String {
    let mut texts = vec![match (rules.exit_buffer_m, rules.confirm_frames, rules.confirm_us) {
        (0.0, 1, 0) => "plain geometry".to_owned(),
        (buffer_m, frames, us) => {
            format!("left {buffer_m} m outside, a change counts after {frames} frames and {}", duration_text(us))
        }
    }];
    let mut also = |on: bool, text: &dyn Fn() -> String| texts.extend(on.then(text));
    also(rules.accuracy_max_m.is_finite(), &|| format!("fixes up to {} m", rules.accuracy_max_m));
    also(rules.dwell_us.is_some(), &|| format!("dwell {}", duration_text(rules.dwell_us.unwrap_or(0))));
    let limit = || rules.speed_limit_mps.unwrap_or(0.0);
    also(rules.speed_limit_mps.is_some(), &|| {
        format!("overspeed over {:.2} m/s for {}", limit(), duration_text(rules.speed_limit_us))
    });
    let only = |patterns: &[rhumb_operators::geofence::glob::Pattern]| {
        patterns.iter().map(|pattern| pattern.as_str()).collect::<Vec<_>>().join(", ")
    };
    also(!rules.vehicles.is_empty(), &|| format!("vehicles {}", only(&rules.vehicles)));
    also(!rules.groups.is_empty(), &|| format!("groups {}", only(&rules.groups)));
    also(!rules.schedule.is_always(), &|| "in force by schedule".to_owned());
    texts.join("; ")
}

fn rules(config: &ValidateConfig) -> Vec<String> {
    let mut rules = Vec::new();
    let mut rule = |on: bool, text: String| rules.extend(on.then_some(text));
    rule(config.range, "range".to_owned());
    rule(config.heading, "heading outside 0 to 360".to_owned());
    let reported = config.speed_max_mps.map_or(String::new(), |max| format!(" or over {max} m/s"));
    rule(config.speed_reported, format!("reported speed under 0{reported}"));
    rule(config.null_island, "null_island".to_owned());
    rule(config.no_fix, "no_fix".to_owned());
    rule(config.past_max_us.is_some(), format!("past more than {}", duration_text(config.past_max_us.unwrap_or(0))));
    rule(config.accuracy_max_m.is_some(), format!("accuracy over {} m", config.accuracy_max_m.unwrap_or(0.0)));
    rule(config.satellites_min.is_some(), format!("satellites under {}", config.satellites_min.unwrap_or(0)));
    rule(config.hdop_max.is_some(), format!("hdop over {}", config.hdop_max.unwrap_or(0.0)));
    let known = config.known_vehicles.as_ref().map(|known| known.len());
    rule(known.is_some(), format!("vehicles other than {} known ones", known.unwrap_or(0)));
    let own = config.overrides.as_ref().map(|overrides| overrides.vehicles());
    rule(own.is_some(), format!("thresholds of their own for {} vehicles", own.unwrap_or(0)));
    let rate = config.rate_max_per_minute;
    rule(rate.is_some(), format!("more than {} a minute of one vehicle", rate.unwrap_or(0)));
    rule(config.duplicate, "duplicate".to_owned());
    rule(config.swapped, "swapped".to_owned());
    rule(config.r#static, "static".to_owned());
    rule(config.distance_min_m.is_some(), format!("moved less than {} m", config.distance_min_m.unwrap_or(0.0)));
    rule(config.speed_max_mps.is_some(), format!("speed over {} m/s", config.speed_max_mps.unwrap_or(0.0)));
    rule(config.period_min_us.is_some(), format!("sooner than {}", duration_text(config.period_min_us.unwrap_or(0))));
    rules
}

fn explain_trips(config: &TripsConfig, out: &mut Page) {
    let TripsConfig { stop_radius_m, stop_us, gap_us, path_keep, .. } = config;
    out.field("stop", format!("{} within {stop_radius_m} m", duration_text(*stop_us)));
    out.field(
        "trip",
        format!(
            "until a stop, or a silence of {}; a leg is driven if faster than {:.2} m/s",
            duration_text(*gap_us),
            config.speed_min_mps()
        ),
    );
    out.field("idle", format!("by the column {}, where frames have it", config.ignition));
    out.field("late", format!("{path_keep} frames of a vehicle are held back for late ones"));
    let silent = duration_text(gap_us.saturating_add(config.lateness_us));
    out.field("told", format!("once it has ended, or the vehicle is silent for {silent} by event time"));
}

fn explain_window(config: &WindowConfig, out: &mut Page) {
    match config.shape {
        Shape::Fixed { every_us, size_us } if every_us == size_us => out.field("every", duration_text(every_us)),
        Shape::Fixed { every_us, size_us } => {
            out.field("every", format!("{}, each {} wide", duration_text(every_us), duration_text(size_us)));
        }
        Shape::Session { gap_us } => out.field("sessions", format!("end after {} of silence", duration_text(gap_us))),
    }
    if !config.empty_zones.is_empty() {
        out.field("empty", format!("told for each of {} zones", config.empty_zones.len()));
    }
    out.field("key", config.key.join(", "));
    for (name, aggregate) in &config.aggregates {
        out.field("", format!("{name} = {aggregate}"));
    }
    let (first, last) = (duration_text(config.lateness_us), duration_text(2 * config.lateness_us));
    out.field("fires", format!("{first} after its end by event time, again for late frames until {last} after"));
}

/// A text that grows line by line.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    const WIDTH: usize = 100;

    fn heading(&mut self, text: &str) {
        self.line(0, format!("\n{text}"));
    }

    fn line(&mut self, depth: usize, text: String) {
        let _ = writeln!(self.text, "{}{text}", "  ".repeat(depth));
    }

    /// A name and its value, which goes on below itself where it is long.
    fn field(&mut self, name: &str, value: String) {
        let (mut lines, mut line) = (Vec::new(), String::new());
        for word in value.split(' ') {
            if !line.is_empty() && line.len() + word.len() >= Self::WIDTH {
                lines.push(std::mem::take(&mut line));
            }
            line = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        }
        lines.push(line);
        for (n, line) in lines.iter().enumerate() {
            self.line(2, format!("{:<12}{line}", if n == 0 { name } else { "" }));
        }
    }
}
