//! What a single value means: durations, sizes; read from text and written back as one would type them.

use super::mistake::Location;
use super::rows::Row;
use super::typed::Table;
use arrow::datatypes::DataType;
use rhumb_connectors::file::Speed;
pub use rhumb_engine::time::{duration, duration_text};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

pub const MILLISECOND: i64 = 1_000;
pub const SECOND: i64 = 1_000 * MILLISECOND;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

pub const KIB: u64 = 1024;
pub const MIB: u64 = 1024 * KIB;
pub const GIB: u64 = 1024 * MIB;

/// Longest unit first, so that the shortest text is found first.
const SIZES: [(&str, u64); 4] = [("GiB", GIB), ("MiB", MIB), ("KiB", KIB), ("B", 1)];

/// Something and where it was typed; a default has the place of its section.
#[derive(Debug, Clone)]
pub struct At<T> {
    pub value: T,
    pub at: Location,
}

/// A value as its field's kind reads it.
#[derive(Debug)]
pub enum Value {
    Text(String),
    Secret(Secret),
    Path(PathBuf),
    Address(SocketAddr),
    Flag(bool),
    Integer(i64),
    Number(f64),
    /// Microseconds.
    Duration(i64),
    Bytes(u64),
    Speed(Speed),
    Texts(Vec<At<String>>),
    Pairs(Vec<(At<String>, At<String>)>),
    Mapping(Mapping),
    Tables(Vec<Table>),
    Named(Vec<(At<String>, Table)>),
    Rows(Vec<Row>),
    RowsOf(Vec<(At<String>, Vec<Row>)>),
}

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    Text,
    Whole,
    Fraction,
    Flag,
    Time,
    List,
}

impl ValueKind {
    pub fn of(data_type: &DataType) -> ValueKind {
        match data_type {
            DataType::Boolean => ValueKind::Flag,
            DataType::Timestamp(..) | DataType::Date32 => ValueKind::Time,
            DataType::List(_) => ValueKind::List,
            other if other.is_floating() => ValueKind::Fraction,
            other if other.is_integer() => ValueKind::Whole,
            _ => ValueKind::Text,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            ValueKind::Text => "a text",
            ValueKind::Whole => "a whole number",
            ValueKind::Fraction => "a number with fractions",
            ValueKind::Flag => "true or false",
            ValueKind::Time => "a time",
            ValueKind::List => "a list",
        }
    }

    /// What one may write for it.
    pub fn expected(self) -> &'static str {
        match self {
            ValueKind::Fraction => "a number",
            ValueKind::Time => "a time such as \"2024-03-08T07:00:00Z\" or \"+1m30s\"",
            ValueKind::List => "a list such as \"depot;yard\"",
            other => other.name(),
        }
    }
}

/// What the input calls a field of the frame, and the unit it has there.
#[derive(Debug, Clone)]
pub struct Mapping {
    pub field: At<String>,
    pub unit: Option<At<String>>,
}

/// Text that no output shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Bytes in `"512B"`, `"64KiB"`, `"8MiB"`, `"1GiB"`.
pub fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let of = SIZES.iter().find(|(name, _)| *name == unit)?.1;
    number.parse::<u64>().ok()?.checked_mul(of)
}

fn split(text: &str) -> Option<(&str, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    (digits > 0).then(|| text.split_at(digits))
}

/// A size as one would type it.
pub fn bytes_text(bytes: u64) -> String {
    let (unit, of) =
        SIZES.iter().find(|(_, of)| bytes.is_multiple_of(*of) && bytes >= *of).copied().unwrap_or(("B", 1));
    format!("{}{unit}", bytes / of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_a_whole_number_and_a_unit() {
        for (text, size) in [("512B", 512), ("64KiB", 64 * KIB), ("8MiB", 8 * MIB), ("1GiB", GIB)] {
            assert_eq!(bytes(text), Some(size));
            assert_eq!(bytes_text(size), text);
        }
        for text in ["", "8", "8MB", "8 MiB", "99999999999GiB"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }

    #[test]
    fn a_secret_does_not_show_itself() {
        assert_eq!(format!("{:?}", Secret("hunter2".to_owned())), "Secret(..)");
    }
}
