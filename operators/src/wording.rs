//! What is said of expressions: mistakes with their place, types as people call them.

use arrow::datatypes::DataType;
use std::ops::Range;

/// What is wrong with a part of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpressionMistake {
    /// Bytes of the text.
    pub span: Range<usize>,
    pub problem: Problem,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    UnknownColumn {
        name: String,
        /// It stands in double quotes, as texts do elsewhere.
        is_quoted: bool,
    },
    UnknownFunction(String),
    /// A sentence.
    Other(String),
}

/// A type as people call it.
pub fn words(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Null => "null",
        DataType::Boolean => "true or false",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "a text",
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 | DataType::Time64(_) | DataType::Time32(_) => {
            "a time"
        }
        DataType::Interval(_) | DataType::Duration(_) => "a stretch of time",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "bytes",
        DataType::Struct(_) => "a point",
        other if other.is_integer() => "a whole number",
        other if other.is_numeric() => "a number",
        _ => "a list",
    }
}

/// Without a capital at the start, unless more follow: it goes on a sentence.
pub fn lower(text: &str) -> String {
    let mut rest = text.chars();
    match (rest.next(), rest.clone().next()) {
        (Some(first), Some(second)) if !second.is_uppercase() => first.to_lowercase().chain(rest).collect(),
        _ => text.to_owned(),
    }
}

/// How many are new, gone, and not what they were: `+3 zones, -1, 2 changed`.
pub fn difference(noun: &str, added: usize, gone: usize, changed: usize) -> String {
    let parts = [(added, "+", ""), (gone, "-", ""), (changed, "", " changed")];
    let mut said = String::new();
    for (count, sign, word) in parts.into_iter().filter(|(count, ..)| *count > 0) {
        let counted = match (said.is_empty(), count) {
            (true, 1) => format!("{sign}1 {noun}{word}"),
            (true, n) => format!("{sign}{n} {noun}s{word}"),
            (false, n) => format!(", {sign}{n}{word}"),
        };
        said += &counted;
    }
    if said.is_empty() { format!("no {noun} changed") } else { said }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_name_what_they_count_once() {
        for (counts, said) in [
            ([3, 1, 2], "+3 zones, -1, 2 changed"),
            ([1, 0, 0], "+1 zone"),
            ([0, 2, 0], "-2 zones"),
            ([0, 0, 1], "1 zone changed"),
            ([0, 1, 1], "-1 zone, 1 changed"),
            ([0, 0, 0], "no zone changed"),
        ] {
            assert_eq!(difference("zone", counts[0], counts[1], counts[2]), said);
        }
    }
}
