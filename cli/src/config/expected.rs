//! What a `[[test]]` means: its frames, and what is expected of them.

use super::mistake::Location;
use super::rows::{EMPTY_LIST, LIST};
use super::value::{At, SECOND, ValueKind, duration};
use rhumb_engine::frame::Frame;
use rhumb_engine::time::EventTime;
use rhumb_operators::geofence::schedule::{text_of, utc};
use std::fmt;

#[derive(Debug, Clone)]
pub struct TestMeans {
    pub name: String,
    pub at: Location,
    /// Place of its source among those of the pipeline.
    pub source: usize,
    pub input: TestInput,
    /// The clock goes on until then without frames.
    pub until: Option<EventTime>,
    pub start: EventTime,
    /// What is not expected may come, too.
    pub partial: bool,
    /// By name of the table; of tables that are looked at.
    pub expected: Vec<(String, Vec<Expected>)>,
}

#[derive(Debug, Clone)]
pub enum TestInput {
    Frames(Vec<TestFrame>),
    /// Datagrams, or pieces of a stream.
    Bytes {
        pieces: Vec<Vec<u8>>,
        received_at: Option<EventTime>,
    },
}

/// A frame as typed.
#[derive(Debug, Clone, Default)]
pub struct TestFrame {
    /// Without its vehicle.
    pub frame: Frame<'static>,
    pub vehicle: String,
    /// Columns of the source by number, and their values.
    pub extra: Vec<(usize, Found)>,
}

/// A value of a row that came.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    Null,
    Text(String),
    Whole(i64),
    Fraction(f64),
    Flag(bool),
    /// Microseconds since 1970.
    Time(i64),
    List(Vec<String>),
}

/// A row that is to come: of each column that matters its name and value.
#[derive(Debug, Clone)]
pub struct Expected {
    pub at: Location,
    pub cells: Vec<(String, Want)>,
}

/// A value that is to come, and how it was typed.
#[derive(Debug, Clone)]
pub struct Want {
    pub typed: String,
    pub value: WantedValue,
}

#[derive(Debug, Clone, PartialEq)]
pub enum WantedValue {
    Null,
    Text(String),
    Whole(i64),
    /// Equal if it is no farther away: half of the last digit that was typed.
    Fraction {
        value: f64,
        within: f64,
    },
    Flag(bool),
    Time {
        at: i64,
        within: i64,
        since: Option<i64>,
    },
    List(Vec<String>),
}

impl Want {
    /// Reads a value as typed; the error is a sentence.
    pub fn read(kind: ValueKind, typed: &str, start: EventTime) -> Result<Want, String> {
        let wrong = || format!("expected {}, found \"{typed}\"", kind.expected());
        let value = match kind {
            _ if typed == "null" => WantedValue::Null,
            ValueKind::Text => WantedValue::Text(typed.to_owned()),
            ValueKind::Whole => WantedValue::Whole(typed.parse().map_err(|_| wrong())?),
            ValueKind::Fraction => {
                let value: f64 = typed.parse().ok().filter(|value: &f64| value.is_finite()).ok_or_else(wrong)?;
                let decimals = typed.split_once('.').map_or(0, |(_, decimals)| decimals.len());
                // A little more, because no fraction is exact.
                WantedValue::Fraction { value, within: 0.5001 * 10f64.powi(-(decimals as i32)) }
            }
            ValueKind::Flag => WantedValue::Flag(typed.parse().map_err(|_| wrong())?),
            ValueKind::Time => {
                let at = time(typed, start).ok_or_else(wrong)?.0;
                let to_the_second = at % SECOND == 0 && !typed.contains('.');
                let since = typed.starts_with('+').then_some(start.0);
                WantedValue::Time { at, within: if to_the_second { SECOND / 2 } else { 500 }, since }
            }
            ValueKind::List => {
                let all = typed.split(LIST).map(str::trim).filter(|one| !one.is_empty() && typed != EMPTY_LIST);
                WantedValue::List(all.map(str::to_owned).collect())
            }
        };
        Ok(Want { typed: typed.to_owned(), value })
    }

    pub fn is(&self, found: &Found) -> bool {
        match (&self.value, found) {
            (WantedValue::Null, Found::Null) => true,
            (WantedValue::Text(want), Found::Text(found)) => want == found,
            (WantedValue::Whole(want), Found::Whole(found)) => want == found,
            (WantedValue::Fraction { value, within }, Found::Fraction(found)) => (value - found).abs() <= *within,
            (WantedValue::Flag(want), Found::Flag(found)) => want == found,
            (WantedValue::Time { at, within, .. }, Found::Time(found)) => at.abs_diff(*found) <= within.unsigned_abs(),
            (WantedValue::List(want), Found::List(found)) => {
                want.len() == found.len() && want.iter().all(|one| found.contains(one))
            }
            _ => false,
        }
    }

    /// What came, written as what was wanted is.
    pub fn show(&self, found: &Found) -> String {
        match (&self.value, found) {
            (WantedValue::Time { since: Some(since), .. }, Found::Time(found)) => after(*found - since),
            _ => found.to_string(),
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Found::Null => f.write_str("null"),
            Found::Text(text) => f.write_str(text),
            Found::Whole(number) => write!(f, "{number}"),
            Found::Fraction(number) => write!(f, "{number}"),
            Found::Flag(flag) => write!(f, "{flag}"),
            Found::Time(us) => f.write_str(&text_of(*us)),
            Found::List(all) if all.is_empty() => f.write_str(EMPTY_LIST),
            Found::List(all) => f.write_str(&all.join(&LIST.to_string())),
        }
    }
}

/// RFC 3339, or `+1h30m` after `start`.
pub fn time(typed: &str, start: EventTime) -> Option<EventTime> {
    match typed.strip_prefix('+') {
        Some(parts) => Some(EventTime(start.0.checked_add(durations(parts)?)?)),
        None => utc(typed).map(EventTime),
    }
}

/// One duration after the other: `1h30m`.
fn durations(text: &str) -> Option<i64> {
    let mut sum = 0i64;
    let mut rest = text;
    while !rest.is_empty() {
        let unit = rest.find(|c: char| !c.is_ascii_digit())?;
        let end = rest[unit..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |digit| unit + digit);
        sum = sum.checked_add(duration(&rest[..end])?)?;
        rest = &rest[end..];
    }
    (!text.is_empty()).then_some(sum)
}

/// So long after, as one would type it; fractions of a second as they are.
fn after(us: i64) -> String {
    let (sign, us) = if us < 0 { ("-", us.unsigned_abs()) } else { ("+", us.unsigned_abs()) };
    let second = SECOND.unsigned_abs();
    let (hours, minutes, rest) = (us / (3600 * second), us / (60 * second) % 60, us % (60 * second));
    let mut out = sign.to_owned();
    for (count, unit) in [(hours, "h"), (minutes, "m")] {
        if count > 0 {
            out += &format!("{count}{unit}");
        }
    }
    if rest > 0 || out.len() == 1 {
        out += &format!("{}s", rest as f64 / second as f64);
    }
    out
}

/// A value of a frame's own column.
pub fn frame_value(kind: ValueKind, typed: &At<String>) -> Result<Found, String> {
    let wrong = || format!("expected {}, found \"{}\"", kind.expected(), typed.value);
    let text = typed.value.as_str();
    match kind {
        ValueKind::Text => Ok(Found::Text(text.to_owned())),
        ValueKind::Whole => text.parse().map(Found::Whole).map_err(|_| wrong()),
        ValueKind::Fraction => text.parse().map(Found::Fraction).map_err(|_| wrong()),
        ValueKind::Flag => text.parse().map(Found::Flag).map_err(|_| wrong()),
        ValueKind::Time | ValueKind::List => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: EventTime = EventTime(1_704_067_200 * SECOND);

    #[track_caller]
    fn check(kind: ValueKind, typed: &str, found: Found, same: bool) {
        let want = Want::read(kind, typed, START).expect("it can be read");
        assert_eq!(want.is(&found), same, "{typed} and {found}");
    }

    #[test]
    fn numbers_and_times_are_compared_to_the_digits_that_were_typed() {
        use ValueKind::{Fraction, Time, Whole};
        for (typed, found, same) in
            [("12", 12.4, true), ("12", 12.6, false), ("12.30", 12.304, true), ("12.30", 12.306, false)]
        {
            check(Fraction, typed, Found::Fraction(found), same);
        }
        check(Whole, "12", Found::Whole(13), false);
        let at = |us: i64| Found::Time(START.0 + us);
        for (typed, us, same) in [
            ("+1m5s", 65 * SECOND, true),
            ("+65s", 65 * SECOND + 400_000, true),
            ("+65s", 65 * SECOND + 600_000, false),
            ("+1500ms", 1_500_400, true),
            ("+1500ms", 1_501_000, false),
            ("2024-01-01T00:00:02Z", 1_900_000, true),
            ("2024-01-01T00:00:02.000Z", 1_900_000, false),
        ] {
            check(Time, typed, at(us), same);
        }
    }

    #[test]
    fn what_came_is_written_as_what_was_wanted() {
        let want = Want::read(ValueKind::Time, "+65s", START).expect("a time");
        for (us, text) in [(0, "+0s"), (65_500_000, "+1m5.5s"), (3_600 * SECOND, "+1h"), (-SECOND, "-1s")] {
            assert_eq!(want.show(&Found::Time(START.0 + us)), text);
        }
        let want = Want::read(ValueKind::Time, "2024-01-01T00:00:00Z", START).expect("a time");
        assert_eq!(want.show(&Found::Time(START.0 + SECOND)), "2024-01-01T00:00:01Z");
    }

    #[test]
    fn what_cannot_be_read_is_no_expectation() {
        for (kind, typed) in [
            (ValueKind::Whole, "1.5"),
            (ValueKind::Fraction, "north"),
            (ValueKind::Flag, "yes"),
            (ValueKind::Time, "+"),
            (ValueKind::Time, "+5"),
            (ValueKind::Time, "noon"),
        ] {
            assert!(Want::read(kind, typed, START).is_err(), "{typed}");
        }
    }
}
