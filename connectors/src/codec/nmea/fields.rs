//! Fields of a sentence: times, days, coordinates, numbers.

use crate::codec::number::{self, Decimal};
use crate::codec::scan;

/// Digits of minutes that are kept: a thousandth of a millimetre.
const DIGITS_MAX: usize = 9;
const TEN_TO: [u64; 10] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

const SECOND_US: i64 = 1_000_000;

/// A field in the sentence that it stands in: what follows it lets it be read eight bytes at a time.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    sentence: &'a [u8],
    start: usize,
    end: usize,
}

impl<'a> Field<'a> {
    /// # Panics
    /// If it does not lie in the sentence.
    #[inline]
    pub fn new(sentence: &'a [u8], start: usize, end: usize) -> Field<'a> {
        assert!(start <= end && end <= sentence.len(), "a field is a part of its sentence");
        Field { sentence, start, end }
    }

    #[cfg(test)]
    fn alone(text: &str) -> Field<'_> {
        Field::new(text.as_bytes(), 0, text.len())
    }

    #[inline]
    pub fn bytes(self) -> &'a [u8] {
        &self.sentence[self.start..self.end]
    }

    #[inline]
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    #[inline]
    fn decimal(self) -> Option<Decimal> {
        let number = number::number(self.sentence, self.start).filter(|number| number.end == self.end)?;
        Some(number.value)
    }
}

/// A number; `None` if it is empty or none.
#[inline]
pub fn float(field: Field) -> Option<f32> {
    if field.is_empty() {
        return None;
    }
    let value = number::nearest(field.decimal()?, field.bytes())? as f32;
    value.is_finite().then_some(value)
}

#[inline]
pub fn integer(text: &[u8]) -> Option<i64> {
    let digits = !text.is_empty() && text.len() <= 9 && text.iter().all(u8::is_ascii_digit);
    digits.then(|| text.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
}

/// Degrees from `dddmm.mmmm` without sign, and the digits after the point; one division gives the nearest `f64`.
#[inline]
pub fn coordinate(field: Field, degrees_max: u64) -> Option<(f64, u8)> {
    let Field { sentence, start, end } = field;
    let (whole, digits) = leading_digits(sentence, start);
    let point = start + digits;
    if digits == 0 || digits > 5 {
        return None;
    }
    let (mut fraction, mut written) = (0, 0);
    if point < end {
        let (part, count) = leading_digits(sentence, point + 1);
        if sentence[point] != b'.' || point + 1 + count != end {
            return None;
        }
        (fraction, written) = (part, count.min(DIGITS_MAX));
    }
    let one = TEN_TO[written];
    let (degrees, minutes) = (whole / 100, whole % 100);
    let in_minutes = (degrees * 60 + minutes) * one + fraction;
    let right = minutes < 60 && in_minutes <= degrees_max * 60 * one;
    right.then(|| (in_minutes as i64 as f64 / (60 * one) as i64 as f64, written as u8))
}

/// The number that the digits at `at` make, of which no more than `DIGITS_MAX` count, and how many they are.
#[inline]
fn leading_digits(text: &[u8], at: usize) -> (u64, usize) {
    let word = scan::word(text, at) ^ scan::each(b'0');
    let others = (word.wrapping_add(scan::each(0x76)) | word) & scan::each(0x80);
    let count = others.trailing_zeros() / 8;
    match count {
        8 => long_digits(text, at),
        _ => (number::first_digits(word, count), count as usize),
    }
}

#[cold]
fn long_digits(text: &[u8], at: usize) -> (u64, usize) {
    let digits = text[at..].iter().take_while(|byte| byte.is_ascii_digit());
    let counted = digits.clone().take(DIGITS_MAX).fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    (counted, digits.count())
}

/// Microseconds since midnight from `hhmmss`, with or without a fraction. A second 60 is squeezed into the last
/// millisecond of the one before it: it is another moment than those around it, and in its place.
#[inline]
pub fn time_of_day(field: Field) -> Option<i64> {
    let Field { sentence, start, end } = field;
    let (whole, digits) = leading_digits(sentence, start);
    if digits != 6 {
        return None;
    }
    let (hour, minute, second) = (whole as i64 / 10_000, whole as i64 / 100 % 100, whole as i64 % 100);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let part = match sentence[start + 6..end].first() {
        None => 0,
        Some(b'.') => {
            let (part, count) = leading_digits(sentence, start + 7);
            if start + 7 + count != end {
                return None;
            }
            let part = part as i64;
            match count {
                ..=6 => part * TEN_TO[6 - count] as i64,
                7 => part / 10,
                8 => part / 100,
                _ => part / 1000,
            }
        }
        Some(_) => return None,
    };
    let part = if second == 60 { SECOND_US - 1000 + part / 1000 } else { part };
    Some(((hour * 60 + minute) * 60 + second.min(59)) * SECOND_US + part)
}

/// Days since 1970 from `ddmmyy`; 80 to 99 are years of the last century.
#[inline]
pub fn day(text: &[u8]) -> Option<i32> {
    let number = integer(text).filter(|_| text.len() == 6)?;
    let year = number % 100;
    days(if year < 80 { 2000 + year } else { 1900 + year }, number / 100 % 100, number / 10_000)
}

/// Days since 1970 of a date in the Gregorian calendar. After Howard Hinnant, "chrono-compatible low-level date
/// algorithms".
#[inline]
pub fn days(year: i64, month: i64, day: i64) -> Option<i32> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1970..=9999).contains(&year) || !(1..=length).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some((era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_degrees_and_minutes() {
        let check = |text: &str, limit, want: Option<f64>| {
            assert_eq!(coordinate(Field::alone(text), limit).map(|(degrees, _)| degrees), want, "{text}");
        };
        check("4916.45", 90, Some(49.274_166_666_666_665));
        check("5327.04319", 90, Some(53.450_719_833_333_33));
        check("12311.12", 180, Some(123.185_333_333_333_33));
        check("9000.000", 90, Some(90.0));
        check("9000.001", 90, None);
        check("4860.0", 90, None);
        check("0.5", 90, Some(0.5 / 60.0));
        check("4916.45000000000000000000001", 90, Some(49.274_166_666_666_665));
        for text in ["", "-4916.45", "49e2", "4916.4x", "abc", "."] {
            check(text, 90, None);
        }
    }

    #[test]
    fn times_of_day_have_six_digits_and_perhaps_a_fraction() {
        let check = |text: &str, want| assert_eq!(time_of_day(Field::alone(text)), want, "{text}");
        check("000000", Some(0));
        check("235959.9999999", Some(86_399_999_999));
        check("235960", Some(86_399_999_000));
        check("235960.5", Some(86_399_999_500));
        check("235960.999999", Some(86_399_999_999));
        check("222509.", Some(80_709_000_000));
        check("222510.1", Some(80_710_100_000));
        for text in ["", ".1", "22251", "222515.x", "240000", "226000", "222561", "222523.0x"] {
            check(text, None);
        }
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        for (text, date) in [
            ("010170", None),
            ("311299", Some("1999-12-31")),
            ("290200", Some("2000-02-29")),
            ("231019", Some("2019-10-23")),
            ("290219", None),
            ("320119", None),
            ("001319", None),
        ] {
            let want = date.map(|date| {
                let date: jiff::civil::Date = date.parse().unwrap();
                (date - jiff::civil::date(1970, 1, 1)).get_days()
            });
            let got = day(text.as_bytes());
            assert!(got == want || text == "010170" && got == days(2070, 1, 1), "{text}: {got:?}");
        }
        for n in 0..40_000 {
            let date = jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().days(n)).unwrap();
            assert_eq!(days(date.year().into(), date.month().into(), date.day().into()), Some(n));
        }
    }
}
