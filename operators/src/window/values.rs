//! What values aggregates have, and words that compare as they do.

use arrow::datatypes::{DataType, FieldRef};

/// What values an aggregate has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    Fractions,
    Wholes,
    /// Microseconds.
    Times,
    Texts,
}

impl Of {
    /// That of a column.
    pub fn column(name: &str, columns: &[FieldRef]) -> Of {
        match columns.iter().find(|field| field.name() == name).map(|field| field.data_type()) {
            Some(DataType::Utf8 | DataType::Dictionary(..)) => Of::Texts,
            Some(DataType::Timestamp(..) | DataType::Date32) => Of::Times,
            Some(data_type) if data_type.is_integer() => Of::Wholes,
            _ => Of::Fractions,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Of::Fractions => "fractions",
            Of::Wholes => "whole numbers",
            Of::Times => "times",
            Of::Texts => "texts",
        }
    }
}

const SIGN: u64 = 1 << 63;

/// A word that compares as the float does; -0 below 0. No float but a NaN gives 0 or the highest word.
#[inline]
pub fn ordered(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

#[inline]
pub fn disordered(word: u64) -> f64 {
    f64::from_bits(if word & SIGN != 0 { word ^ SIGN } else { !word })
}

/// A word that compares as the whole number does.
#[inline]
pub fn ordered_whole(value: i64) -> u64 {
    value as u64 ^ SIGN
}

pub fn whole_of(word: u64) -> i64 {
    (word ^ SIGN) as i64
}
