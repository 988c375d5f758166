//! Rows that are typed as text: a line of names, then a line for each row, values separated by commas.

use super::mistake::Location;
use super::value::At;
use std::ops::Range;

/// Values by name; those that were left empty are not there.
#[derive(Debug, Clone)]
pub struct Row {
    pub at: Location,
    /// Name and value, in the order in which they were typed.
    pub cells: Vec<(At<String>, At<String>)>,
}

/// Stands between the values of a list.
pub const LIST: char = ';';
/// A list without values: an empty value is none at all.
pub const EMPTY_LIST: &str = "[]";

/// Reads rows; `at` says where a stretch of the text was typed. Or all that is wrong with them.
///
/// Spaces around a value do not count. Empty lines, and those that begin with `#`, are passed over.
pub fn parse(text: &str, at: &dyn Fn(Range<usize>) -> Location) -> Result<Vec<Row>, Vec<(Location, String)>> {
    let mut names: Vec<At<String>> = Vec::new();
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let range = start..start + line.trim_end().len();
        start += line.len();
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let values: Vec<At<String>> = values(&text[range.clone()], range.start, at).collect();
        if names.is_empty() {
            let twice = (1..values.len()).find(|n| values[..*n].iter().any(|other| other.value == values[*n].value));
            if let Some(twice) = twice.map(|n| &values[n]) {
                wrong.push((twice.at.clone(), format!("a second column \"{}\"; remove one", twice.value)));
            }
            names = values;
            continue;
        }
        let row = at(range.start + indent(&text[range.clone()])..range.end);
        if values.len() != names.len() {
            let what = format!("{} values where the first line names {} columns", values.len(), names.len());
            wrong.push((row, what));
            continue;
        }
        let cells = names.iter().cloned().zip(values).filter(|(_, value)| !value.value.is_empty()).collect();
        rows.push(Row { at: row, cells });
    }
    if wrong.is_empty() { Ok(rows) } else { Err(wrong) }
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn values<'a>(
    line: &'a str,
    start: usize,
    at: &'a dyn Fn(Range<usize>) -> Location,
) -> impl Iterator<Item = At<String>> + 'a {
    let mut next = start;
    line.split(',').map(move |value| {
        let from = next + indent(value);
        next += value.len() + 1;
        let value = value.trim();
        At { value: value.to_owned(), at: at(from..from + value.len()) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::mistake::Text;
    use expect_test::{Expect, expect};
    use std::sync::Arc;

    fn check(content: &str, expected: Expect) {
        let text = Arc::new(Text { name: "t".to_owned(), content: content.to_owned() });
        let place = |at: &Location| format!("{}:{}", at.line(), at.column());
        let cell =
            |(name, value): &(At<String>, At<String>)| format!("{}={}@{}", name.value, value.value, place(&value.at));
        let told: Vec<String> = match parse(content, &|range| Location::new(&text, range)) {
            Ok(rows) => rows.iter().map(|row| row.cells.iter().map(cell).collect::<Vec<_>>().join(" ")).collect(),
            Err(wrong) => wrong.iter().map(|(at, what)| format!("{}: {what}", place(at))).collect(),
        };
        expected.assert_eq(&told.join("\n"));
    }

    #[test]
    fn values_have_their_names_and_places() {
        let text = "\n# a comment\n kind,  zone_id\n enter, é depot\n\nexit,\n";
        check(
            text,
            expect![[r#"
            kind=enter@4:2 zone_id=é depot@4:9
            kind=exit@6:1"#]],
        );
        check("", expect![""]);
        check("kind\n", expect![""]);
    }

    #[test]
    fn rows_of_another_width_and_columns_named_twice_are_told() {
        check(
            "a,b,a\n1,2\n1,2,3,4",
            expect![[r#"
            1:5: a second column "a"; remove one
            2:1: 2 values where the first line names 3 columns
            3:1: 4 values where the first line names 3 columns"#]],
        );
    }
}
