//! Holds rows that came against those expected, and finds for what differs the row that was probably meant.

use super::found::Row;
use crate::config::{Expected, Found};

/// What is not as expected.
#[derive(Debug)]
pub enum Difference {
    /// A row that is nearly the one that was expected.
    Differs { line: usize, same: Vec<String>, differing: Vec<Differing> },
    /// Nothing came that is like it.
    Missing { line: usize, row: Vec<String> },
    /// Nobody expected it.
    Unexpected { row: Vec<String> },
}

#[derive(Debug)]
pub struct Differing {
    pub column: String,
    pub expected: String,
    pub got: String,
}

/// Cells that are shown of a row that nobody expected.
const SHOWN: usize = 8;

/// Empty: all is as expected. With `partial`, further rows may come.
pub fn compare(expected: &[Expected], came: &[Row], partial: bool) -> Vec<Difference> {
    let of_expected = matching(expected, came);
    let is_taken = |row: usize| of_expected.contains(&Some(row));
    let mut left: Vec<usize> = (0..came.len()).filter(|row| !is_taken(*row)).collect();
    let mut differences = Vec::new();
    for (want, _) in expected.iter().zip(&of_expected).filter(|(_, row)| row.is_none()) {
        let near = left
            .iter()
            .copied()
            .enumerate()
            .max_by_key(|(place, row)| (alike(want, &came[*row]), std::cmp::Reverse(*place)));
        let near = near.filter(|(_, row)| 2 * alike(want, &came[*row]) >= want.cells.len() && want.cells.len() > 1);
        differences.push(match near {
            Some((place, row)) => {
                left.remove(place);
                differing(want, &came[row])
            }
            None => {
                let row = want.cells.iter().map(|(name, want)| format!("{name} {}", want.typed)).collect();
                Difference::Missing { line: want.at.line(), row }
            }
        });
    }
    if !partial {
        differences.extend(left.into_iter().map(|row| Difference::Unexpected { row: shown(&came[row], expected) }));
    }
    differences
}

/// For each expectation a row that is as it says, no row twice, and as many of them as there can be.
fn matching(expected: &[Expected], came: &[Row]) -> Vec<Option<usize>> {
    let fits: Vec<Vec<usize>> = expected
        .iter()
        .map(|want| (0..came.len()).filter(|row| alike(want, &came[*row]) == want.cells.len()).collect())
        .collect();
    let mut taken_by: Vec<Option<usize>> = vec![None; came.len()];
    for want in 0..expected.len() {
        let mut asked = vec![false; came.len()];
        find(want, &fits, &mut taken_by, &mut asked);
    }
    (0..expected.len()).map(|want| taken_by.iter().position(|by| *by == Some(want))).collect()
}

/// A row for an expectation; others may have to take another for it.
fn find(want: usize, fits: &[Vec<usize>], taken_by: &mut [Option<usize>], asked: &mut [bool]) -> bool {
    for &row in &fits[want] {
        if !std::mem::replace(&mut asked[row], true)
            && taken_by[row].is_none_or(|other| find(other, fits, taken_by, asked))
        {
            taken_by[row] = Some(want);
            return true;
        }
    }
    false
}

/// How many columns are as expected.
fn alike(want: &Expected, row: &Row) -> usize {
    want.cells.iter().filter(|(name, want)| want.is(cell(row, name))).count()
}

fn cell<'a>(row: &'a Row, name: &str) -> &'a Found {
    row.iter().find(|(column, _)| column == name).map_or(&Found::Null, |(_, value)| value)
}

fn differing(want: &Expected, row: &Row) -> Difference {
    let (mut same, mut differing) = (Vec::new(), Vec::new());
    for (name, want) in &want.cells {
        let found = cell(row, name);
        match want.is(found) {
            true => same.push(format!("{name} {}", want.typed)),
            false => {
                differing.push(Differing { column: name.clone(), expected: want.typed.clone(), got: want.show(found) });
            }
        }
    }
    Difference::Differs { line: want.at.line(), same, differing }
}

/// The columns that others are expected by, in their form; else the first few.
fn shown(row: &Row, expected: &[Expected]) -> Vec<String> {
    let Some(like) = expected.first() else {
        let filled = row.iter().filter(|(_, value)| *value != Found::Null).take(SHOWN);
        return filled.map(|(name, value)| format!("{name} {value}")).collect();
    };
    like.cells.iter().map(|(name, want)| format!("{name} {}", want.show(cell(row, name)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Location, ValueKind, Want};
    use rhumb_engine::time::EventTime;
    use std::sync::Arc;

    fn rows(text: &str) -> Vec<Row> {
        let cell = |cell: &str| {
            let (name, value) = cell.split_once('=').expect("name=value");
            (name.to_owned(), Found::Text(value.to_owned()))
        };
        text.split("; ").filter(|row| !row.is_empty()).map(|row| row.split(' ').map(cell).collect()).collect()
    }

    /// Rows are `a=1 b=2; a=3`. Gives what differs, in short.
    #[track_caller]
    fn check(expected: &str, came: &str, partial: bool, told: &[&str]) {
        let want = |(name, value): (String, Found)| {
            let want = Want::read(ValueKind::Text, &value.to_string(), EventTime(0)).expect("a text");
            (name, want)
        };
        let at = Location::new(&Arc::default(), 0..0);
        let expected: Vec<Expected> = rows(expected)
            .into_iter()
            .map(|row| Expected { at: at.clone(), cells: row.into_iter().map(want).collect() })
            .collect();
        let short = |difference: Difference| match difference {
            Difference::Differs { same, differing, .. } => {
                let differing = differing.iter().map(|one| format!("{} {} not {}", one.column, one.got, one.expected));
                format!("{}: {}", same.join(" "), differing.collect::<Vec<_>>().join(" "))
            }
            Difference::Missing { row, .. } => format!("missing {}", row.join(" ")),
            Difference::Unexpected { row } => format!("unexpected {}", row.join(" ")),
        };
        let found: Vec<String> = compare(&expected, &rows(came), partial).into_iter().map(short).collect();
        assert_eq!(found, told);
    }

    #[test]
    fn a_row_that_says_little_leaves_the_others_theirs() {
        check("a=1; a=1 b=2", "a=1 b=2; a=1 b=3", false, &[]);
        check("a=1; a=1; a=1 b=2; b=3", "a=1 b=2; a=1 b=3; a=1 b=4; a=2 b=3", false, &[]);
    }

    #[test]
    fn no_row_counts_twice() {
        check("a=1; a=1", "a=1 b=2", false, &["missing a 1"]);
        check("a=1", "a=1; a=1", false, &["unexpected a 1"]);
    }

    #[test]
    fn nearest_row_is_shown_if_half_of_it_is_as_expected() {
        check("a=1 b=2 c=3", "a=1 b=9 c=9; a=1 b=2 c=9", true, &["a 1 b 2: c 9 not 3"]);
        check("a=1 b=2 c=3", "a=1 b=9 c=9", true, &["missing a 1 b 2 c 3"]);
        check("a=1", "a=2", false, &["missing a 1", "unexpected a 2"]);
    }

    #[test]
    fn partial_lets_others_come() {
        check("a=1", "a=2; a=1", true, &[]);
        check("", "a=2", false, &["unexpected a 2"]);
        check("", "a=2", true, &[]);
    }
}
