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
