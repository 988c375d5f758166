//! Columns beyond the core that `json` and `csv` fill from the input, such as whether the engine runs.

use super::UNREADABLE;
use super::value::Value;
use arrow::datatypes::{DataType, Field, FieldRef};
use rhumb_engine::extra::{Extra, Row};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Columns of one source. With the names of the core fields they are fewer than `fields::NAMES_MAX`.
pub const COLUMNS_MAX: usize = 32;

/// A longer text is none that a column holds.
pub const TEXT_BYTES_MAX: usize = 4096;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// Also 1 and 0, yes and no.
    Bool,
    /// A whole number of 64 bits.
    Int,
    Float,
    /// Numbers, true and false as they are written.
    Text,
}

impl ColumnType {
    pub const ALL: [ColumnType; 4] = [ColumnType::Bool, ColumnType::Int, ColumnType::Float, ColumnType::Text];

    pub fn name(self) -> &'static str {
        match self {
            ColumnType::Bool => "bool",
            ColumnType::Int => "int",
            ColumnType::Float => "float",
            ColumnType::Text => "text",
        }
    }

    fn data_type(self) -> DataType {
        match self {
            ColumnType::Bool => DataType::Boolean,
            ColumnType::Int => DataType::Int64,
            ColumnType::Float => DataType::Float64,
            ColumnType::Text => DataType::Utf8,
        }
    }
}

/// A column that a field of the input fills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraColumn {
    pub name: String,
    /// What the input calls it, as it is written; for `json` it may be a path.
    pub from: String,
    pub holds: ColumnType,
    /// The counter of its values that could not be read.
    unreadable: &'static str,
}

impl ExtraColumn {
    pub fn new(name: &str, from: &str, holds: ColumnType) -> ExtraColumn {
        let unreadable = kept(format!("{name}{UNREADABLE}"));
        ExtraColumn { name: name.to_owned(), from: from.to_owned(), holds, unreadable }
    }

    pub fn field(&self) -> FieldRef {
        Arc::new(Field::new(&self.name, self.holds.data_type(), true))
    }
}

/// Counters have names that last as long as the process; each is kept once, and configurations name few.
fn kept(name: String) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    match names.get(name.as_str()) {
        Some(known) => known,
        None => {
            let name: &'static str = name.leak();
            names.insert(name);
            name
        }
    }
}

/// The columns of a codec, ready for use.
pub struct Extras {
    columns: Vec<(ColumnType, &'static str)>,
    /// Of each column, the values that could not be read.
    unreadable: Vec<u64>,
}

impl Extras {
    pub fn new(columns: &[ExtraColumn]) -> Extras {
        Extras {
            columns: columns.iter().map(|column| (column.holds, column.unreadable)).collect(),
            unreadable: vec![0; columns.len()],
        }
    }

    /// True if rows have no columns beyond the core.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// Puts a value into a column, or counts it.
    #[inline]
    pub fn put(&mut self, column: usize, value: Value, row: &mut Row) {
        match read(self.columns[column].0, value) {
            Some(Some(value)) => row.set(column, value),
            Some(None) => {}
            None => self.unreadable[column] += 1,
        }
    }

    /// Those that are not 0.
    pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let all = self.columns.iter().zip(&self.unreadable).map(|((_, name), count)| (*name, *count));
        all.filter(|(_, count)| *count > 0)
    }
}

/// A value as what a column holds; `Some(None)`: nothing is written there. `None`: it cannot be read as that.
#[inline]
fn read(holds: ColumnType, value: Value<'_>) -> Option<Option<Extra<'_>>> {
    let read = match holds {
        ColumnType::Bool => value.flag().map(Extra::Bool),
        ColumnType::Int => whole(value).map(Extra::Int),
        ColumnType::Float => value.float().filter(|value| value.is_finite()).map(Extra::Float),
        ColumnType::Text => return text(value).map(|text| Some(Extra::Text(text))),
    };
    let is_empty = || matches!(value, Value::Text(text) if text.trim_ascii().is_empty());
    read.map(Some).or_else(|| is_empty().then_some(None))
}

/// Up to here every whole number is an `f64`.
const EXACT_MAX: f64 = (1_u64 << 53) as f64;

#[inline]
fn whole(value: Value) -> Option<i64> {
    let text = match value {
        Value::Number(number, _) if number.exponent == 0 => return Some(number.mantissa),
        Value::Number(_, text) | Value::Text(text) => text.trim_ascii(),
        _ => return None,
    };
    // Beyond these an `f64` need not be the number that was written.
    let exact = || value.float().filter(|value| value.fract() == 0.0 && value.abs() <= EXACT_MAX);
    std::str::from_utf8(text).ok()?.parse().ok().or_else(|| exact().map(|value| value as i64))
}

#[inline]
fn text(value: Value<'_>) -> Option<&str> {
    let text = match value {
        Value::Bool(value) => Some(if value { "true" } else { "false" }),
        value => value.text(),
    };
    text.filter(|text| text.len() <= TEXT_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::number;

    #[test]
    fn values_are_read_as_the_column_says() {
        use ColumnType::*;
        let check = |holds, written: &str, want: Option<Option<Extra>>| {
            assert_eq!(read(holds, Value::Text(written.as_bytes())), want, "{holds:?} {written}");
            // As a number of json, where it is one.
            if let Some(number) = number::number(written.as_bytes(), 0).filter(|n| n.end == written.len()) {
                assert_eq!(read(holds, Value::Number(number.value, written.as_bytes())), want, "{holds:?} {written}");
            }
        };
        let some = |value| Some(Some(value));
        check(Bool, "1", some(Extra::Bool(true)));
        check(Bool, " No ", some(Extra::Bool(false)));
        check(Bool, "2", None);
        check(Int, "-12", some(Extra::Int(-12)));
        check(Int, " 7 ", some(Extra::Int(7)));
        check(Int, "9223372036854775807", some(Extra::Int(i64::MAX)));
        check(Int, "9223372036854775808", None);
        check(Int, "12.0", some(Extra::Int(12)));
        check(Int, "1.2e1", some(Extra::Int(12)));
        check(Int, "12.5", None);
        check(Int, "x", None);
        check(Float, "-12.5", some(Extra::Float(-12.5)));
        check(Float, "1e999", None);
        check(Float, "nan", None);
        check(Text, "", some(Extra::Text("")));
        check(Text, " a,b ", some(Extra::Text(" a,b ")));
        check(Text, "007", some(Extra::Text("007")));
        let longest = "x".repeat(TEXT_BYTES_MAX);
        check(Text, &longest, some(Extra::Text(&longest)));
        check(Text, &"x".repeat(TEXT_BYTES_MAX + 1), None);
        for holds in [Bool, Int, Float] {
            check(holds, " ", Some(None));
            assert_eq!(read(holds, Value::Other(b"[1]")), None);
        }
        assert_eq!(read(Bool, Value::Bool(true)), some(Extra::Bool(true)));
        assert_eq!(read(Int, Value::Bool(true)), None);
        assert_eq!(read(Text, Value::Bool(true)), some(Extra::Text("true")));
        assert_eq!(read(Text, Value::Other(b"{}")), None);
        assert_eq!(read(Text, Value::Text(b"\xFF")), None);
    }

    #[test]
    fn name_of_a_counter_is_kept_once() {
        let counter = || ExtraColumn::new("fuel_l", "fuel", ColumnType::Float).unreadable;
        assert!(std::ptr::eq(counter(), counter()));
        assert_eq!(counter(), "fuel_l_unreadable");
    }
}
