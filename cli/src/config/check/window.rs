//! `[operator.window]`: keys and aggregates over columns that there are.

use super::Check;
use super::chain::Columns;
use crate::config::describe::AGGREGATES;
use crate::config::mistake::{Location, instead, listed};
use crate::config::typed::Table;
use crate::config::value::{At, ValueKind, duration_text};
use rhumb_operators::window::{Aggregate, AggregateError, Shape, WindowConfig, cell_resolution};
use std::collections::{HashMap, HashSet};

/// Columns that every window's table has.
const OWN_COLUMNS: [&str; 7] = ["window_start", "window_end", "revision", "part", "retracted", "epoch", "event_date"];

/// Windows that a frame may be in, for each of its keys.
const OVERLAP_MAX: i64 = 1_000;

impl Check {
    /// The window, without its zones, and whether windows without frames are to be told.
    pub(super) fn window(
        &mut self,
        table: &mut Table,
        component: &str,
        columns: &Columns,
        names: &mut HashMap<String, Location>,
    ) -> Option<(WindowConfig, bool)> {
        let name = table.take::<String>("name");
        if let Some(At { value, at }) = &name {
            if let Some(first) = names.get(value) {
                let what = format!(
                    "name: \"{value}\" is the window in line {} already; give this one another name",
                    first.line()
                );
                self.error(at, component, what);
            }
            names.entry(value.clone()).or_insert_with(|| at.clone());
        }
        let shape = self.shape(table, component);
        let key_at = table.place("key");
        let key = table.get::<Vec<At<String>>>("key");
        let aggregates_at = table.place("aggregates");
        let aggregates = table.get::<Vec<(At<String>, At<String>)>>("aggregates");
        if key.as_ref().is_some_and(Vec::is_empty) {
            self.error(&key_at, component, "key: no column; write one or more, such as [\"vehicle_id\"]");
        }
        if aggregates.as_ref().is_some_and(Vec::is_empty) {
            self.error(
                &aggregates_at,
                component,
                "aggregates: none; write one or more, such as { frames = \"count\" }",
            );
        }
        let empty_at = table.place("empty");
        let empty = table.get::<bool>("empty").unwrap_or_default();
        if empty && table.has("gap") {
            self.error(
                &empty_at,
                component,
                "empty: a session without frames is none; remove it, or write every instead of gap",
            );
        } else if let Some(other) = key.iter().flatten().find(|column| column.value != "zone_id").filter(|_| empty) {
            let what = format!(
                "empty: which values of \"{}\" a window without frames should have nobody knows, as the zones are known; \
                 write key = [\"zone_id\"], or remove empty",
                other.value
            );
            self.error(&empty_at, component, what);
        }
        let mut taken: HashSet<&str> = OWN_COLUMNS.into_iter().collect();
        for At { value, at } in key.iter().flatten() {
            if !taken.insert(value) {
                self.error(at, component, format!("key: \"{value}\" a second time; remove one"));
            } else if let Err(what) = key_column(value, columns)
                && !self.doubtful.contains(value)
            {
                self.error(at, component, format!("key: {what}"));
            }
        }
        let mut read = Some(Vec::new());
        for (name, aggregate) in aggregates.iter().flatten() {
            if !name.value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                let what =
                    format!("aggregates: \"{}\" cannot name a column; names are letters, digits and _", name.value);
                self.error(&name.at, component, what);
            } else if name.value.contains("__") {
                let what = format!(
                    "aggregates: \"{}\" has \"__\", which names what stands beside an aggregate; write one \"_\"",
                    name.value
                );
                self.error(&name.at, component, what);
            } else if !taken.insert(&name.value) {
                let what = format!(
                    "aggregates: the table has a column \"{}\" already; give this one another name",
                    name.value
                );
                self.error(&name.at, component, what);
            }
            match (self::aggregate(&aggregate.value, columns), &mut read) {
                (Ok(found), Some(read)) => read.push((name.value.clone(), found)),
                (Ok(_), None) => {}
                (Err(_), _) if self.is_doubtful(&aggregate.value) => read = None,
                (Err(what), _) => {
                    self.error(&aggregate.at, component, format!("aggregates: {}: {what}", name.value));
                    read = None;
                }
            }
        }
        let key: Vec<String> = key?.into_iter().map(|column| column.value).collect();
        aggregates?;
        let config = WindowConfig {
            name: name?.value,
            shape: shape?,
            key,
            aggregates: read?,
            lateness_us: self.engine.lateness_us,
            path_keep: self.engine.path_keep,
            empty_zones: Vec::new(),
        };
        Some((config, empty))
    }

    /// Which frames are one window: `every`, `every` with `size`, or `gap`.
    /// Whether an aggregate is of a column that is told to be wrong already.
    fn is_doubtful(&self, aggregate: &str) -> bool {
        let aggregate = Aggregate::parse(aggregate).ok();
        aggregate.as_ref().and_then(Aggregate::column).is_some_and(|column| self.doubtful.contains(column))
    }

    fn shape(&mut self, table: &mut Table, component: &str) -> Option<Shape> {
        let typed = ["every", "size", "gap"].map(|name| table.has(name));
        let [every, size, gap] = ["every", "size", "gap"].map(|name| table.take::<i64>(name));
        match typed {
            [false, false, false] => {
                let what =
                    "no every and no gap; write every = \"1m\" for windows of one width, or gap = \"5m\" for sessions";
                self.error(&table.at.clone(), component, what);
                return None;
            }
            [false, true, false] => {
                let at = size.as_ref()?.at.clone();
                let what = "size: how often such a window starts is missing; add every, such as \"1m\"";
                self.error(&at, component, what);
                return None;
            }
            [false, false, true] => return gap.map(|gap| Shape::Session { gap_us: gap.value }),
            [has_every, _, true] => {
                let other = if has_every { "every" } else { "size" };
                let what = format!("gap: a session is as wide as its frames are; remove {other}, or remove gap");
                self.error(&gap?.at, component, what);
                return None;
            }
            [true, _, false] => {}
        }
        let every_us = every?.value;
        let size = match (typed[1], size) {
            (true, size) => size?,
            (false, _) => return Some(Shape::tumbling(every_us)),
        };
        let [every, wide] = [every_us, size.value].map(duration_text);
        let rounded = duration_text((size.value / every_us + 1) * every_us);
        let what = match size.value {
            size_us if size_us < every_us => {
                format!(
                    "size: {wide} is less than every, {every}: frames between windows would be in none; write at least \"{every}\""
                )
            }
            size_us if size_us % every_us != 0 => {
                format!("size: {wide} is not a multiple of every, {every}; write \"{rounded}\", for example")
            }
            size_us if size_us / every_us > OVERLAP_MAX => {
                let most = duration_text(OVERLAP_MAX * every_us);
                format!(
                    "size: every frame would be in {} windows; write at most \"{most}\", or a longer every",
                    size_us / every_us
                )
            }
            size_us => return Some(Shape::Fixed { every_us, size_us }),
        };
        self.error(&size.at, component, what);
        None
    }
}

fn key_column(name: &str, columns: &Columns) -> Result<(), String> {
    let fits = |kind| matches!(kind, ValueKind::Text | ValueKind::Whole | ValueKind::Flag);
    match (name, columns.kind(name)) {
        ("zone_id", None) if columns.zones() => Ok(()),
        ("zone_id", None) => Err(match columns.geofence_at.filter(|at| *at > columns.place) {
            Some(_) => {
                "\"zone_id\" is known after the geofence, which stands below; move this window under it".to_owned()
            }
            None => {
                "\"zone_id\" needs zones; add an [[operator]] with [operator.geofence] above this window".to_owned()
            }
        }),
        ("zone_ids", Some(_)) => {
            Err("\"zone_ids\" is a list; write \"zone_id\": a frame then counts once in each of its zones".to_owned())
        }
        _ if cell_resolution(name).is_some() => Ok(()),
        (_, Some(kind)) if fits(kind) => Ok(()),
        (_, Some(kind)) => Err(format!(
            "\"{name}\" is {}, which makes a key of every value; write a column of texts, whole numbers or flags: {}",
            kind.name(),
            listed(&keys(columns, fits))
        )),
        (_, None) if name.starts_with("h3") => Err(format!("no cell \"{name}\"; cells are \"h3_0\" to \"h3_15\"")),
        (_, None) => Err(format!("no column \"{name}\" here; {}", instead(name, keys(columns, fits)))),
    }
}

fn keys(columns: &Columns, fits: impl Fn(ValueKind) -> bool) -> Vec<&str> {
    let mut names = columns.names(fits);
    if columns.zones() {
        names.push("zone_id");
    }
    names
}

fn aggregate(text: &str, columns: &Columns) -> Result<Aggregate, String> {
    let aggregate = Aggregate::parse(text).map_err(|cause| match cause {
        AggregateError::Unknown(_) => {
            let word = text.split('(').next().unwrap_or_default().trim();
            let closed = !text.contains('(') || text.trim_end().ends_with(')');
            match word {
                "mean" | "average" => format!("unknown aggregate \"{text}\"; did you mean \"avg\"?"),
                _ if AGGREGATES.contains(&word) && !closed => format!("\"{text}\" without \")\"; write it at the end"),
                _ => format!("unknown aggregate \"{text}\"; {}", instead(word, AGGREGATES.iter().copied())),
            }
        }
        other => other.to_string(),
    })?;
    let counts = matches!(aggregate, Aggregate::Distinct(_));
    let picks = matches!(aggregate, Aggregate::Min(_) | Aggregate::Max(_) | Aggregate::First(_) | Aggregate::Last(_));
    let fits = |kind| match kind {
        ValueKind::List => false,
        ValueKind::Whole | ValueKind::Fraction => true,
        ValueKind::Text | ValueKind::Time => picks || counts,
        ValueKind::Flag => counts,
    };
    let names = || columns.names(fits);
    let Some(name) = aggregate.column() else { return Ok(aggregate) };
    match columns.kind(name) {
        None => Err(format!("no column \"{name}\" here; {}", instead(name, names()))),
        Some(kind) if fits(kind) => Ok(aggregate),
        Some(_) if counts => Err(format!("\"{name}\" is a list; write one of {}", listed(&names()))),
        Some(kind) => {
            let takes = if picks { "numbers, texts or times" } else { "numbers" };
            Err(format!("\"{name}\" is {}; write a column of {takes}: {}", kind.name(), listed(&names())))
        }
    }
}
