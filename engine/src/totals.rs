//! Counts of what a pipeline took in and gave out: kept in the manifest, printed in the summary.

use crate::message::Output;
use std::collections::BTreeMap;

/// All by name, so that a newer version can add some. The law, for every source: frames in = history + rejects.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
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
    /// Counters of operators, such as `too_late.zone_speed`.
    pub counts: BTreeMap<String, u64>,
    /// Counters of sources, such as `kernel_drops`: by source, then by name.
    pub sources: BTreeMap<String, BTreeMap<String, u64>>,
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
        let of_source = self.sources.entry(source.to_owned()).or_default();
        counters.iter().for_each(|(name, n)| add(of_source, name, *n));
    }

    /// Forgets all that sources have said: at each barrier they say it anew, since the start of the run.
    pub fn clear_sources(&mut self) {
        self.frames_in.clear();
        self.sources.clear();
    }

    /// One counter of all sources together.
    pub fn of_sources(&self, counter: &str) -> u64 {
        self.sources.values().filter_map(|counters| counters.get(counter)).sum()
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
        for (source, counters) in &other.sources {
            let of_source = self.sources.entry(source.clone()).or_default();
            counters.iter().for_each(|(name, n)| add(of_source, name, *n));
        }
    }

    /// What has been added to them since they were as `before`.
    pub fn since(&self, before: &Totals) -> Totals {
        let less = |now: &BTreeMap<String, u64>, before: &BTreeMap<String, u64>| {
            let was = |name: &String| before.get(name).copied().unwrap_or(0);
            now.iter().map(|(name, n)| (name.clone(), n.saturating_sub(was(name)))).collect()
        };
        let none = BTreeMap::new();
        let of_source = |(name, now): (&String, &BTreeMap<String, u64>)| {
            (name.clone(), less(now, before.sources.get(name).unwrap_or(&none)))
        };
        Totals {
            frames_in: less(&self.frames_in, &before.frames_in),
            history_rows: self.history_rows - before.history_rows,
            late: self.late - before.late,
            rejects: less(&self.rejects, &before.rejects),
            alerts: less(&self.alerts, &before.alerts),
            tables: less(&self.tables, &before.tables),
            counts: less(&self.counts, &before.counts),
            sources: self.sources.iter().map(of_source).collect(),
        }
    }

    pub fn frames(&self) -> u64 {
        self.frames_in.values().sum()
    }

    pub fn rejected(&self) -> u64 {
        self.rejects.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effects::Effects;

    #[test]
    fn counters_of_operators_and_sources_never_meet_whatever_they_are_called() {
        let mut run = Totals::default();
        let mut effects = Effects::default();
        effects.count("too_late.datagrams", 7);
        effects.count("too_late.kernel_drops", 5);
        run.add_output(&Output::of_effects(0, effects));
        let barrier = |run: &mut Totals, datagrams| {
            run.clear_sources();
            run.add_source("too_late", 10, &[("datagrams", datagrams)]);
            run.add_source("b", 1, &[("datagrams", 1), ("kernel_drops", 2)]);
            // A source may have several readers.
            run.add_source("b", 1, &[("datagrams", 1), ("kernel_drops", 2)]);
        };
        barrier(&mut run, 3);
        barrier(&mut run, 10);
        let counts = [("too_late.datagrams".to_owned(), 7), ("too_late.kernel_drops".to_owned(), 5)];
        assert_eq!(run.counts, counts.into());
        assert_eq!((run.of_sources("datagrams"), run.of_sources("kernel_drops"), run.frames()), (12, 4, 12));
        let mut all = run.clone();
        all.add(&run);
        assert_eq!((all.of_sources("datagrams"), all.counts["too_late.datagrams"], all.frames()), (24, 14, 24));
        assert_eq!(all.since(&run), run, "what was added is what is more");
    }

    #[test]
    fn totals_of_an_older_version_can_be_read() {
        let totals: Totals = serde_json::from_str(r#"{"history_rows": 3}"#).unwrap();
        assert_eq!(totals, Totals { history_rows: 3, ..Totals::default() });
    }
}
