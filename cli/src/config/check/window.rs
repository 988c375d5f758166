//! `[operator.window]`: keys and aggregates over columns that there are.

use super::Check;
use super::chain::{Class, Columns};
use crate::config::describe::AGGREGATES;
use crate::config::mistake::{Location, instead, listed};
use crate::config::typed::Table;
use crate::config::value::At;
use rhumb_operators::window::{Aggregate, AggregateError, WindowConfig};
use std::collections::{HashMap, HashSet};

/// Columns that every window's table has.
const OWN_COLUMNS: [&str; 6] = ["window_start", "window_end", "revision", "part", "epoch", "event_date"];

impl Check {
    pub(super) fn window(
        &mut self,
        table: &mut Table,
        component: &str,
        columns: &Columns,
        names: &mut HashMap<String, Location>,
    ) -> Option<WindowConfig> {
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
        let every_us = table.get("every");
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
        let mut taken: HashSet<&str> = OWN_COLUMNS.into_iter().collect();
        for At { value, at } in key.iter().flatten() {
            if !taken.insert(value) {
                self.error(at, component, format!("key: \"{value}\" a second time; remove one"));
            } else if let Err(what) = key_column(value, columns) {
                self.error(at, component, format!("key: {what}"));
            }
        }
        let mut read = Some(Vec::new());
        for (name, aggregate) in aggregates.iter().flatten() {
            if !name.value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                let what =
                    format!("aggregates: \"{}\" cannot name a column; names are letters, digits and _", name.value);
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
                (Err(what), _) => {
                    self.error(&aggregate.at, component, format!("aggregates: {}: {what}", name.value));
                    read = None;
                }
            }
        }
        let key: Vec<String> = key?.into_iter().map(|column| column.value).collect();
        aggregates?;
        Some(WindowConfig {
            name: name?.value,
            every_us: every_us?,
            key,
            aggregates: read?,
            lateness_us: self.engine.lateness_us,
        })
    }
}

fn key_column(name: &str, columns: &Columns) -> Result<(), String> {
    let fits = |class| matches!(class, Class::Text | Class::Whole | Class::Flag);
    match (name, columns.class(name)) {
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
        (_, Some(class)) if fits(class) => Ok(()),
        (_, Some(class)) => Err(format!(
            "\"{name}\" is {}, which makes a key of every value; write a column of texts, whole numbers or flags: {}",
            class.name(),
            listed(&keys(columns, fits))
        )),
        (_, None) => Err(format!("no column \"{name}\" here; {}", instead(name, keys(columns, fits)))),
    }
}

fn keys(columns: &Columns, fits: impl Fn(Class) -> bool) -> Vec<&str> {
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
    let numeric = |class| matches!(class, Class::Whole | Class::Fraction);
    let any = |class| class != Class::List;
    let ordered = !matches!(aggregate, Aggregate::First(_) | Aggregate::Last(_));
    let names = || if ordered { columns.names(numeric) } else { columns.names(any) };
    let Some(name) = aggregate.column() else { return Ok(aggregate) };
    match columns.class(name) {
        None => Err(format!("no column \"{name}\" here; {}", instead(name, names()))),
        Some(class) if ordered && !numeric(class) => {
            Err(format!("\"{name}\" is {}; write a column of numbers: {}", class.name(), listed(&names())))
        }
        Some(class) if !any(class) => Err(format!("\"{name}\" is a list; write one of {}", listed(&names()))),
        Some(_) => Ok(aggregate),
    }
}
