//! A value as it stands in text, and what it can be read as.

use super::number::{self, Decimal};
use super::scan;
use super::time;
use super::units::TimeUnit;
use rhumb_engine::time::EventTime;

/// A value as it stands in the input.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    Number(Decimal, &'a [u8]),
    Text(&'a [u8]),
    Bool(bool),
    /// Something that no field can be: an object, an array.
    Other(&'a [u8]),
}

impl<'a> Value<'a> {
    #[inline]
    pub fn text(self) -> Option<&'a str> {
        match self {
            Value::Number(_, text) | Value::Text(text) => scan::utf8(text),
            _ => None,
        }
    }

    #[inline]
    pub fn float(self) -> Option<f64> {
        match self {
            Value::Number(value, text) => number::nearest(value, text),
            Value::Text(text) => number::parse(text),
            _ => None,
        }
    }

    #[inline]
    pub fn time(self, unit: TimeUnit) -> Option<EventTime> {
        let text = match self {
            Value::Number(value, _) => return time::of_number(value, unit),
            Value::Text(text) => text.trim_ascii(),
            _ => return None,
        };
        if let (true, Some((time, end))) = (unit.takes_text(), time::rfc3339(text, 0)) {
            return (end == text.len()).then_some(time);
        }
        let number = number::number(text, 0).filter(|number| number.end == text.len())?;
        time::of_number(number.value, unit)
    }

    /// True or false. `A` and `V` are what NMEA writes for valid and void.
    pub fn flag(self) -> Option<bool> {
        let text = match self {
            Value::Bool(value) => return Some(value),
            Value::Number(_, text) | Value::Text(text) => text.trim_ascii(),
            Value::Other(_) => return None,
        };
        let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()));
        match () {
            () if is(&["true", "1", "yes", "t", "y", "a"]) => Some(true),
            () if is(&["false", "0", "no", "f", "n", "v"]) => Some(false),
            () => None,
        }
    }
}

/// The head of some input, fit to be shown.
pub fn excerpt(text: &[u8]) -> String {
    const SHOWN: usize = 40;
    let head = String::from_utf8_lossy(&text[..text.len().min(SHOWN)]);
    let more = if text.len() > SHOWN { "..." } else { "" };
    format!("{}{more}", head.escape_debug())
}
