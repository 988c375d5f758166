//! What a person reads of a test that failed.

use super::compare::Difference;
use super::{Failure, Outcome};
use std::fmt;

/// Differences of one table that are written out.
const SHOWN: usize = 20;

impl Outcome<'_> {
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// All differences, by table; nothing if the test passed.
impl fmt::Display for Outcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.failures.iter().try_for_each(|failure| write!(f, "{failure}"))
    }
}

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(f, "{}: {} expected, {} came", self.table, self.expected, self.came)?;
        for difference in self.differences.iter().take(SHOWN) {
            match difference {
                Difference::Differs { line, same, differing } => {
                    writeln!(f, "  differs     line {line}: {}", same.join(", "))?;
                    let width = differing.iter().map(|one| one.column.chars().count()).max().unwrap_or(0);
                    let wide = differing.iter().map(|one| one.expected.chars().count()).max().unwrap_or(0);
                    for one in differing {
                        let (column, expected, got) = (&one.column, &one.expected, &one.got);
                        writeln!(f, "                {column:width$}  expected {expected:wide$}  got {got}")?;
                    }
                }
                Difference::Missing { line, row } => writeln!(f, "  missing     line {line}: {}", row.join(", "))?,
                Difference::Unexpected { row } => writeln!(f, "  unexpected  {}", row.join(", "))?,
            }
        }
        match self.differences.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => writeln!(f, "  and {more} more"),
        }
    }
}
