//! What has to be in the lake in the end: each record by itself, in order, without batches, shards, epochs or engines.

use crate::input::Record;
use rhumb_engine::time::SECOND_US;
use std::collections::{BTreeMap, BTreeSet};

/// Squares on the grid of `Record::fix`, by their south-west corners and sides.
pub const ZONES: [(&str, i32, i32, i32); 3] = [("a", 0, 0, 4), ("b", 2, 2, 4), ("c", 6, 0, 3)];
pub const WINDOW_S: i64 = 30;

/// Rows of each table, sorted.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tables {
    pub history: Vec<String>,
    pub rejects: Vec<String>,
    /// Without ids and numbers.
    pub alerts: Vec<String>,
    /// Of the newest revision: start, zone, frames.
    pub windows: Vec<String>,
}

fn zones_of(fix: (i32, i32)) -> BTreeSet<&'static str> {
    let holds = |(_, south, west, side): &&(&str, i32, i32, i32)| {
        (*south..south + side).contains(&fix.0) && (*west..west + side).contains(&fix.1)
    };
    ZONES.iter().filter(holds).map(|(name, ..)| *name).collect()
}

pub fn expected(logs: &[Vec<Record>]) -> Tables {
    let mut tables = Tables::default();
    let mut windows: BTreeMap<(i64, &str), u64> = BTreeMap::new();
    for (partition, log) in logs.iter().enumerate() {
        let mut zones_before: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let mut seen: BTreeSet<(&str, i64)> = BTreeSet::new();
        for (offset, record) in log.iter().enumerate() {
            let vehicle = record.vehicle.as_str();
            let refused = match record.fix {
                None => Some("undecodable"),
                Some(fix) if Record::place(fix).0 > 90.0 => Some("range"),
                Some(_) if !seen.insert((vehicle, record.time_s)) => Some("duplicate"),
                Some(_) => None,
            };
            if let Some(reason) = refused {
                tables.rejects.push(format!("{partition}@{offset} {reason}"));
                continue;
            }
            let zones = zones_of(record.fix.expect("not undecodable"));
            let names: Vec<&str> = zones.iter().copied().collect();
            tables.history.push(format!("{partition}@{offset} {vehicle} {}", names.join("+")));
            let before = zones_before.insert(vehicle, zones.clone()).unwrap_or_default();
            let time_us = record.time_s * SECOND_US;
            let mut tell = |kind: &str, zone: &str| tables.alerts.push(format!("{vehicle} {kind} {zone} {time_us}"));
            before.difference(&zones).for_each(|zone| tell("exit", zone));
            zones.difference(&before).for_each(|zone| tell("enter", zone));
            for zone in zones {
                *windows.entry((record.time_s / WINDOW_S * WINDOW_S, zone)).or_default() += 1;
            }
        }
    }
    tables.windows = windows.iter().map(|((start_s, zone), frames)| format!("{start_s} {zone} {frames}")).collect();
    for table in [&mut tables.history, &mut tables.rejects, &mut tables.alerts, &mut tables.windows] {
        table.sort();
    }
    tables
}
