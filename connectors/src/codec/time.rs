//! Times in text: RFC 3339, and seconds, milliseconds or microseconds since 1970. Exact; digits below a microsecond are
//! cut off, towards the past.

use super::number::Decimal;
use super::units::TimeUnit;
use rhumb_engine::time::{DAY_US, EventTime, SECOND_US};

/// Below this a number of unknown unit is seconds: until the year 5138, and milliseconds before March 1973 are taken
/// for seconds.
pub const SECONDS_BELOW: i64 = 100_000_000_000;
/// Below this it is milliseconds.
pub const MILLISECONDS_BELOW: i64 = 1000 * SECONDS_BELOW;
/// Below this it is microseconds; from here on it is no time.
pub const MICROSECONDS_BELOW: i64 = 1000 * MILLISECONDS_BELOW;

/// The time that a number means. `None` if it does not fit, or if the unit takes no numbers.
#[inline(always)]
pub fn of_number(value: Decimal, unit: TimeUnit) -> Option<EventTime> {
    let shift = match unit {
        TimeUnit::Auto => shift_by_size(value)?,
        TimeUnit::Seconds => 6,
        TimeUnit::Milliseconds => 3,
        TimeUnit::Microseconds => 0,
        TimeUnit::Rfc3339 => return None,
    };
    value.scaled(shift).map(EventTime)
}

#[inline(always)]
fn shift_by_size(value: Decimal) -> Option<i64> {
    let size = Decimal { mantissa: value.mantissa.abs(), ..value }.scaled(0)?;
    match size {
        0..SECONDS_BELOW => Some(6),
        SECONDS_BELOW..MILLISECONDS_BELOW => Some(3),
        MILLISECONDS_BELOW..MICROSECONDS_BELOW => Some(0),
        _ => None,
    }
}

/// Reads an RFC 3339 time at `start`, and says where it ends.
///
/// Beyond the standard: a space or `t` for `T`, `z` for `Z`, an offset without colon or minutes (`+0200`, `+02`), any
/// number of digits of fraction, a comma before them. An offset is required: a local time of unknown place is no
/// time. Second 60, a leap second, becomes the last microsecond of its minute, so that order is kept.
#[inline]
pub fn rfc3339(text: &[u8], start: usize) -> Option<(EventTime, usize)> {
    let head: &[u8; 19] = text.get(start..)?.first_chunk()?;
    let separators = [head[4], head[7], head[10] | 0x20, head[13], head[16]];
    if separators != *b"--t::" && separators != *b"-- ::" {
        return None;
    }
    let year = 100 * two(head, 0)? + two(head, 2)?;
    let (month, day) = (two(head, 5)?, two(head, 8)?);
    let (hour, minute, second) = (two(head, 11)?, two(head, 14)?, two(head, 17)?);
    if !(1..=12).contains(&month) || day < 1 || day > days_of(year, month) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction_us, at) = fraction(text, start + 19)?;
    let (offset_s, end) = offset(text, at)?;
    let (second, fraction_us) = if second == 60 { (59, SECOND_US - 1) } else { (second, fraction_us) };
    let seconds = hour * 3600 + minute * 60 + second - offset_s;
    Some((EventTime(days_since_1970(year, month, day) * DAY_US + seconds * SECOND_US + fraction_us), end))
}

/// Two digits.
#[inline(always)]
fn two(text: &[u8; 19], at: usize) -> Option<i64> {
    let (tens, ones) = (text[at].wrapping_sub(b'0'), text[at + 1].wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then_some(i64::from(tens * 10 + ones))
}

/// Microseconds of a fraction, if there is one, and where it ends.
#[inline]
fn fraction(text: &[u8], at: usize) -> Option<(i64, usize)> {
    if !matches!(text.get(at)?, b'.' | b',') {
        return Some((0, at));
    }
    let digits = text[at + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
    let kept = &text[at + 1..at + 1 + digits.min(6)];
    let value = kept.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    let scale = [0, 100_000, 10_000, 1000, 100, 10, 1][kept.len()];
    (digits > 0).then_some((value * scale, at + 1 + digits))
}

/// Seconds east of UTC, and where the offset ends.
#[inline]
fn offset(text: &[u8], at: usize) -> Option<(i64, usize)> {
    let sign = match text.get(at)? {
        b'Z' | b'z' => return Some((0, at + 1)),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let pair = |at: usize| match text.get(at..at + 2) {
        Some([tens @ b'0'..=b'9', ones @ b'0'..=b'9']) => Some(i64::from((tens - b'0') * 10 + ones - b'0')),
        _ => None,
    };
    let hours = pair(at + 1)?;
    let colon = usize::from(text.get(at + 3) == Some(&b':'));
    let (minutes, end) = match pair(at + 3 + colon) {
        Some(minutes) => (minutes, at + 5 + colon),
        None if colon == 0 => (0, at + 3),
        None => return None,
    };
    (hours <= 23 && minutes <= 59).then_some((sign * (hours * 3600 + minutes * 60), end))
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms",
/// `days_from_civil`. Years begin in March there, so that the leap day comes last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::super::number::number;
    use super::*;
    use proptest::prelude::*;

    fn of_text(text: &str) -> Option<i64> {
        rfc3339(text.as_bytes(), 0).filter(|(_, end)| *end == text.len()).map(|(time, _)| time.0)
    }

    #[test]
    fn rfc_3339_with_any_offset_and_fraction() {
        let check = |text: &str, want: Option<i64>| assert_eq!(of_text(text), want, "{text}");
        check("1970-01-01T00:00:00Z", Some(0));
        check("2008-05-17T10:00:04Z", Some(1_211_018_404_000_000));
        check("2008-05-17 12:00:04.5+02:00", Some(1_211_018_404_500_000));
        check("2008-05-17t10:00:04,123456789z", Some(1_211_018_404_123_456));
        check("2008-05-17T04:30:04-0530", Some(1_211_018_404_000_000));
        check("2008-05-17T10:00:04+00", Some(1_211_018_404_000_000));
        check("1969-12-31T23:59:59.9999999Z", Some(-1));
        check("2016-12-31T23:59:60Z", Some(1_483_228_799_999_999));
        check("2000-02-29T00:00:00Z", Some(951_782_400_000_000));
        check("1900-02-29T00:00:00Z", None);
        check("2023-13-01T00:00:00Z", None);
        check("2023-00-01T00:00:00Z", None);
        check("2023-04-31T00:00:00Z", None);
        check("2023-01-01T24:00:00Z", None);
        check("2023-01-01T00:00:61Z", None);
        check("2023-01-01T00:00:00", None);
        check("2023-01-01T00:00:00.Z", None);
        check("2023-01-01T00:00:00+02:", None);
        check("2023-01-01T00:00:00+24:00", None);
        check("2023-01-01", None);
        check("２023-01-01T00:00:00Z", None);
    }

    #[test]
    fn numbers_by_their_size() {
        let check = |text: &str, unit, want: Option<i64>| {
            let got = of_number(number(text.as_bytes(), 0).unwrap().value, unit).map(|t| t.0);
            assert_eq!(got, want, "{text} {unit:?}");
        };
        check("1211018404", TimeUnit::Auto, Some(1_211_018_404_000_000));
        check("1211018404.5", TimeUnit::Auto, Some(1_211_018_404_500_000));
        check("1.211018404e9", TimeUnit::Auto, Some(1_211_018_404_000_000));
        check("1211018404000", TimeUnit::Auto, Some(1_211_018_404_000_000));
        check("1211018404000.25", TimeUnit::Auto, Some(1_211_018_404_000_250));
        check("1211018404000000", TimeUnit::Auto, Some(1_211_018_404_000_000));
        check("99999999999", TimeUnit::Auto, Some(99_999_999_999_000_000));
        check("100000000000", TimeUnit::Auto, Some(100_000_000_000_000));
        check("100000000000000000", TimeUnit::Auto, None);
        check("-1", TimeUnit::Auto, Some(-1_000_000));
        check("0", TimeUnit::Auto, Some(0));
        check("86400000", TimeUnit::Milliseconds, Some(86_400_000_000));
        check("86400000.0009", TimeUnit::Milliseconds, Some(86_400_000_000));
        check("1211018404000", TimeUnit::Seconds, Some(1_211_018_404_000_000_000));
        check("999999999999999999", TimeUnit::Microseconds, Some(999_999_999_999_999_999));
        check("999999999999999999", TimeUnit::Milliseconds, None);
        check("1211018404", TimeUnit::Rfc3339, None);
    }

    proptest! {
        #[test]
        fn every_time_comes_back_from_its_text(us in -62_000_000_000_000_000_i64..250_000_000_000_000_000, east_m in -1439_i64..1440) {
            let utc = jiff::Timestamp::from_microsecond(us).unwrap();
            prop_assert_eq!(of_text(&utc.to_string()), Some(us));
            let zone = jiff::tz::Offset::from_seconds(i32::try_from(east_m * 60).unwrap()).unwrap();
            let there = utc.display_with_offset(zone).to_string();
            prop_assert_eq!(of_text(&there), Some(us), "{}", there);
        }

        #[test]
        fn no_text_makes_it_panic(text: Vec<u8>, start in 0_usize..40, near in "[-0-9TZ:. +]{15,40}") {
            rfc3339(&text, start);
            rfc3339(near.as_bytes(), start % 8);
        }
    }
}
