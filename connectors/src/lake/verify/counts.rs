//! Rows that there are, held against the accounts of the epochs, and numbers that must have no gap.

use super::report::{Report, Wrong};
use rhumb_engine::account::Account;
use std::collections::BTreeMap;

/// Rows of a table by epoch, and then by source; of tables without sources all under an empty name.
#[derive(Debug, Default)]
pub struct Counts(BTreeMap<u64, BTreeMap<String, u64>>);

impl Counts {
    pub fn add(&mut self, epoch: u64, source: &str, rows: u64) {
        let of_epoch = self.0.entry(epoch).or_default();
        match of_epoch.get_mut(source) {
            Some(count) => *count += rows,
            None => drop(of_epoch.insert(source.to_owned(), rows)),
        }
    }

    pub fn merge(&mut self, other: Counts) {
        for (epoch, sources) in other.0 {
            sources.into_iter().for_each(|(source, rows)| self.add(epoch, &source, rows));
        }
    }

    pub fn of(&self, epoch: u64) -> u64 {
        self.0.get(&epoch).map_or(0, |sources| sources.values().sum())
    }

    pub fn of_source(&self, epoch: u64, source: &str) -> u64 {
        self.0.get(&epoch).and_then(|sources| sources.get(source)).copied().unwrap_or(0)
    }

    /// Epochs with rows.
    pub fn epochs(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.keys().copied()
    }
}

/// Rows of a table, by epoch, as the accounts have them. `pending`: an epoch that is not in the table's log yet.
pub fn check_rows(
    table: &str,
    counts: &Counts,
    accounts: &BTreeMap<u64, Account>,
    pending: Option<u64>,
    report: &mut Report,
) {
    for (epoch, account) in accounts.iter().filter(|(epoch, _)| pending != Some(**epoch)) {
        let (written, found) = (account.rows.get(table).copied().unwrap_or(0), counts.of(*epoch));
        if found != written {
            let why = match (found, found > written) {
                (0, _) => "its commit is missing from the log, or its files were taken out of the table",
                (_, true) => "some are there twice",
                (_, false) => "some were taken out of the table",
            };
            let detail = format!("epoch {epoch} wrote {written} rows, and {found} are there: {why}");
            report.wrong(Wrong::Rows, format!("lake/{table}"), detail);
        }
    }
}

/// frames in = history + rejects, for every source and epoch.
pub fn check_frames(
    history: &Counts,
    rejects: &Counts,
    accounts: &BTreeMap<u64, Account>,
    pending: Option<u64>,
    report: &mut Report,
) {
    for (epoch, account) in accounts.iter().filter(|(epoch, _)| pending != Some(**epoch)) {
        for (source, frames_in) in &account.frames_in {
            let (kept, refused) = (history.of_source(*epoch, source), rejects.of_source(*epoch, source));
            if kept + refused != *frames_in {
                let detail = format!(
                    "source {source}, epoch {epoch}: {frames_in} frames came in, and there are {kept} in history and \
                     {refused} in rejects"
                );
                report.wrong(Wrong::Frames, "lake", detail);
            }
        }
    }
}

/// Numbers that rows have without gaps: over the whole table, or anew in each epoch.
pub struct Numbers {
    pub column: &'static str,
    /// By epoch (0 where there is one count over all): how many there are to be.
    expected: BTreeMap<u64, u64>,
    by_epoch: bool,
    first: i64,
    /// Rows of later epochs are not looked at.
    last_epoch: u64,
    /// Numbers from here on may be missing, and so may so many before.
    sure_before: i64,
    may_lack: u64,
    /// As `expected`: a bit for each number that was seen.
    seen: BTreeMap<u64, Vec<u64>>,
    twice: Vec<i64>,
    beyond: u64,
    unnumbered: u64,
}

/// Numbers that are named one by one.
const NAMED_MAX: usize = 5;

impl Numbers {
    /// One count over all rows, from 1.
    pub fn over_all(column: &'static str, count: u64, last_epoch: u64) -> Numbers {
        Numbers::new(column, [(0, count)].into(), false, 1, last_epoch)
    }

    /// A count in each epoch, from 0.
    pub fn by_epoch(column: &'static str, expected: BTreeMap<u64, u64>, last_epoch: u64) -> Numbers {
        Numbers::new(column, expected, true, 0, last_epoch)
    }

    fn new(column: &'static str, expected: BTreeMap<u64, u64>, by_epoch: bool, first: i64, last_epoch: u64) -> Numbers {
        let seen = expected.iter().map(|(epoch, count)| (*epoch, vec![0; count.div_ceil(64) as usize])).collect();
        Numbers {
            column,
            expected,
            by_epoch,
            first,
            last_epoch,
            sure_before: i64::MAX,
            may_lack: 0,
            seen,
            twice: Vec::new(),
            beyond: 0,
            unnumbered: 0,
        }
    }

    /// Numbers from one on may be missing, and so may some before.
    pub fn lacking(self, from: i64, may_lack: u64) -> Numbers {
        Numbers { sure_before: from, may_lack, ..self }
    }

    pub fn see(&mut self, epoch: u64, number: Option<i64>) {
        let count_of = if self.by_epoch { epoch } else { 0 };
        if epoch > self.last_epoch {
            return;
        }
        let Some(number) = number else {
            self.unnumbered += 1;
            return;
        };
        // An epoch without an account may have any.
        let (Some(count), Some(seen)) = (self.expected.get(&count_of), self.seen.get_mut(&count_of)) else { return };
        let place = number.checked_sub(self.first).and_then(|place| u64::try_from(place).ok());
        let Some(place) = place.filter(|place| place < count) else {
            self.beyond += 1;
            return;
        };
        let (word, bit) = (&mut seen[(place / 64) as usize], 1 << (place % 64));
        if *word & bit != 0 && self.twice.len() < NAMED_MAX {
            self.twice.push(number);
        }
        *word |= bit;
    }

    pub fn check(&self, table: &str, report: &mut Report) {
        let (at, column) = (format!("lake/{table}"), self.column);
        if self.unnumbered > 0 {
            report.note(format!("{} rows of {table} have no {column}: an older version wrote them", self.unnumbered));
        }
        for number in &self.twice {
            report.wrong(Wrong::Numbering, &at, format!("{column} {number} is there twice"));
        }
        if self.beyond > 0 {
            let detail = format!("{} rows have a {column} beyond the last one that was given", self.beyond);
            report.wrong(Wrong::Numbering, &at, detail);
        }
        for (epoch, seen) in &self.seen {
            let has = |place: &u64| seen[(place / 64) as usize] & (1 << (place % 64)) != 0;
            let count = self.expected[epoch];
            // Rows of before there were numbers took none.
            let begins = if self.unnumbered > 0 { (0..count).find(has).unwrap_or(count) } else { 0 };
            let missing = (begins..count).filter(|place| !has(place)).map(|place| place as i64 + self.first);
            let mut missing = missing.filter(|number| *number < self.sure_before);
            if missing.clone().count() as u64 <= self.may_lack {
                continue;
            }
            let Some(first) = missing.next() else { continue };
            let more = match missing.count() {
                0 => String::new(),
                more => format!(", and {more} more"),
            };
            let of = if self.by_epoch { format!("epoch {epoch}: ") } else { String::new() };
            report.wrong(Wrong::Numbering, &at, format!("{of}there is a gap: {column} {first} is missing{more}"));
        }
    }
}
