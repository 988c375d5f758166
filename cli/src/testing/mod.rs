//! Runs the `[[test]]`s of a pipeline: frames through the chain of its operators and their mergers, without sources, sinks,
//! data folder or clock; and holds what came against what was expected.

mod chain;
mod compare;
mod found;
mod junit;
mod newest;
mod report;

pub use junit::junit;

use crate::config::{Checked, TestMeans};
use compare::{Difference, compare};

/// How a test ended.
pub struct Outcome<'a> {
    pub test: &'a TestMeans,
    /// By table; none if the test passed.
    pub failures: Vec<Failure<'a>>,
}

/// What of a table was not as expected.
pub struct Failure<'a> {
    pub table: &'a str,
    pub expected: usize,
    pub came: usize,
    pub differences: Vec<Difference>,
}

/// Runs all tests of a pipeline, in their order.
pub fn run(checked: &Checked) -> anyhow::Result<Vec<Outcome<'_>>> {
    checked.tests.iter().map(|test| run_one(checked, test)).collect()
}

fn run_one<'a>(checked: &Checked, test: &'a TestMeans) -> anyhow::Result<Outcome<'a>> {
    let mut came = chain::run(checked, test)?;
    let failures = test.expected.iter().filter_map(|(table, expected)| {
        let rows = came.remove(table.as_str()).unwrap_or_default();
        let differences = compare(expected, &rows, test.partial);
        let failure = Failure { table, expected: expected.len(), came: rows.len(), differences };
        (!failure.differences.is_empty()).then_some(failure)
    });
    Ok(Outcome { test, failures: failures.collect() })
}
