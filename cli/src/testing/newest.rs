//! Rows that are told anew: of each the newest revision, as `rhumb query` shows them.

use super::found::{Row, Rows};
use crate::config::Found;
use std::collections::HashMap;

/// Columns that tell rows of a table apart, beside those whose values are keys.
const STARTS: [&str; 2] = ["window_start", "start_time"];
const REVISION: &str = "revision";
const RETRACTED: &str = "retracted";

/// Keeps the newest revision of each row, in their order; `keys` names the columns that tell rows apart.
pub fn newest(rows: &mut Rows, keys: &[String]) {
    let key = |row: &Row| -> Vec<String> {
        let is_key = |name: &String| keys.contains(name) || STARTS.contains(&name.as_str());
        row.iter().filter(|(name, _)| is_key(name)).map(|(_, value)| format!("{value:?}")).collect()
    };
    let revision = |row: &Row| match cell(row, REVISION) {
        Some(Found::Whole(revision)) => *revision,
        _ => 0,
    };
    let mut last: HashMap<Vec<String>, i64> = HashMap::new();
    for row in rows.iter() {
        let newest = last.entry(key(row)).or_insert(i64::MIN);
        *newest = revision(row).max(*newest);
    }
    let counts = |row: &Row| last[&key(row)] == revision(row) && cell(row, RETRACTED) != Some(&Found::Flag(true));
    rows.retain(counts);
}

fn cell<'a>(row: &'a Row, name: &str) -> Option<&'a Found> {
    row.iter().find(|(column, _)| column == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(start: i64, zone: &str, revision: i64, retracted: bool) -> Row {
        let cells = [
            ("window_start", Found::Time(start)),
            ("zone_id", Found::Text(zone.to_owned())),
            ("revision", Found::Whole(revision)),
            ("retracted", Found::Flag(retracted)),
        ];
        cells.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    #[test]
    fn newest_revision_of_a_key_and_start_counts_unless_it_was_taken_back() {
        let mut rows = vec![
            row(0, "a", 0, false),
            row(0, "b", 0, false),
            row(0, "a", 1, false),
            row(60, "a", 0, false),
            row(60, "b", 0, false),
            row(60, "b", 1, true),
        ];
        newest(&mut rows, &["zone_id".to_owned()]);
        assert_eq!(rows, [row(0, "b", 0, false), row(0, "a", 1, false), row(60, "a", 0, false)]);
    }
}
