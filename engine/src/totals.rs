//! Counts of what a pipeline took in and gave out: kept in the manifest, printed in the summary.

use crate::message::Output;
use std::collections::BTreeMap;

/// All by name, so that a newer version can add some. The law, for every source: frames in = history + rejects.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Totals {
    /// By source: frames and undecodable pieces.
    pub frames_in: BTreeMap<String, u64>,
    pub history_rows: u64,
    /// Of those, frames older than their vehicle's newest.
    pub late: u64,
    /// By reason.
    pub rejects: BTreeMap<String, u64>,
    /// By kind.
    pub alerts: BTreeMap<String, u64>,
    /// Rows of tables that operators write.
    pub tables: BTreeMap<String, u64>,
    /// Counters of operators and sources.
    pub counts: BTreeMap<String, u64>,
}

fn add(to: &mut BTreeMap<String, u64>, name: &str, n: u64) {
    match to.get_mut(name) {
        Some(count) => *count += n,
        None => drop(to.insert(name.to_owned(), n)),
    }
}

impl Totals {
    /// Counts one batch. Frames in are counted by the readers.
    pub fn add_output(&mut self, output: &Output) {
        self.history_rows += output.frames.len() as u64;
        self.late += output.frames.late.true_count() as u64;
        output.effects.rejects.iter().for_each(|r| add(&mut self.rejects, r.reason.name(), 1));
        for alerts in &output.effects.alerts {
            let mut by_kind = [0; crate::alert::AlertKind::ALL.len()];
            alerts.kind.iter().for_each(|kind| by_kind[*kind as usize] += 1);
            for (kind, n) in crate::alert::AlertKind::ALL.iter().zip(by_kind).filter(|(_, n)| *n > 0) {
                add(&mut self.alerts, kind.name(), n);
            }
        }
        output.effects.rows.iter().for_each(|rows| add(&mut self.tables, &rows.table, rows.rows.num_rows() as u64));
        output.effects.counts.iter().for_each(|(name, n)| add(&mut self.counts, name, *n));
    }

    pub fn add_source(&mut self, source: &str, frames: u64, counters: &[(&'static str, u64)]) {
        add(&mut self.frames_in, source, frames);
        counters.iter().for_each(|(name, n)| add(&mut self.counts, &format!("{source}.{name}"), *n));
    }

    pub fn add(&mut self, other: &Totals) {
        self.history_rows += other.history_rows;
        self.late += other.late;
        for (to, from) in [
            (&mut self.frames_in, &other.frames_in),
            (&mut self.rejects, &other.rejects),
            (&mut self.alerts, &other.alerts),
            (&mut self.tables, &other.tables),
            (&mut self.counts, &other.counts),
        ] {
            from.iter().for_each(|(name, n)| add(to, name, *n));
        }
    }

    pub fn frames(&self) -> u64 {
        self.frames_in.values().sum()
    }

    pub fn rejected(&self) -> u64 {
        self.rejects.values().sum()
    }
}
