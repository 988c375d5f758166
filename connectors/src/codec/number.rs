//! Decimal numbers in text, eight digits a step: no allocation, and the same `f64` as the standard library gives.

use super::scan;

/// A decimal number as it stands in the text: `mantissa * 10^exponent`. Digits after the eighteenth that counts are
/// left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    pub mantissa: i64,
    pub exponent: i64,
}

/// A number at the head of some text.
#[derive(Debug, Clone, Copy)]
pub struct Number {
    pub value: Decimal,
    /// Where the number ends in the text.
    pub end: usize,
    /// Keeps to the grammar of JSON: no `+`, no needless zero in front, digits on both sides of the point.
    pub strict: bool,
}

/// Any number of so many digits fits into 63 bits.
const DIGITS_MAX: usize = 18;
const FULL: u64 = 10_u64.pow(DIGITS_MAX as u32 - 1);

/// Powers of ten that `f64` holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

const TEN_TO: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

impl Decimal {
    /// The nearest `f64`, where one operation on exact values gives it; otherwise `None`, and the text must be
    /// parsed. (A mantissa that digits were left out of is too large for it.)
    #[inline(always)]
    pub fn to_f64(self) -> Option<f64> {
        let power = *POWERS.get(self.exponent.unsigned_abs() as usize)?;
        if self.mantissa.unsigned_abs() > 1 << 53 {
            return None;
        }
        let mantissa = self.mantissa as f64;
        Some(if self.exponent > 0 { mantissa * power } else { mantissa / power })
    }

    /// `value * 10^shift` rounded down to a whole number; `None` if it does not fit.
    #[inline(always)]
    pub fn scaled(self, shift: i64) -> Option<i64> {
        let exponent = self.exponent.saturating_add(shift);
        match TEN_TO.get(exponent as usize) {
            Some(ten) => self.mantissa.checked_mul(*ten as i64),
            None => self.scaled_far(exponent),
        }
    }

    fn scaled_far(self, exponent: i64) -> Option<i64> {
        let mantissa = i128::from(self.mantissa);
        let ten = 10_i128.pow(exponent.unsigned_abs().min(38) as u32);
        match exponent {
            0.. => i64::try_from(mantissa.checked_mul(ten)?).ok(),
            _ => i64::try_from(mantissa.div_euclid(ten)).ok(),
        }
    }
}

/// The number that begins at `start`, as `str::parse::<f64>` knows numbers, without `inf` and `nan`. What follows it is
/// the caller's to judge.
#[inline(always)]
pub fn number(text: &[u8], start: usize) -> Option<Number> {
    let sign = text.get(start).copied();
    let negative = sign == Some(b'-');
    let plus = sign == Some(b'+');
    let first = start + usize::from(negative || plus);
    let mut at = first;
    let mut mantissa = 0;
    let whole = digits(text, &mut at, &mut mantissa);
    let point = text.get(at) == Some(&b'.');
    let mut fraction = 0;
    if point {
        at += 1;
        fraction = digits(text, &mut at, &mut mantissa);
    }
    if whole + fraction == 0 {
        return None;
    }
    let padded = whole > 1 && text[first] == b'0';
    let strict = whole > 0 && !plus && !padded && point == (fraction > 0);
    let mut exponent = -(fraction as i64);
    if whole + fraction > DIGITS_MAX {
        (mantissa, exponent) = long(&text[first..at]);
    }
    if let Some(b'e' | b'E') = text.get(at) {
        (exponent, at) = scientific(text, at, exponent)?;
    }
    let mantissa = if negative { -(mantissa as i64) } else { mantissa as i64 };
    Some(Number { value: Decimal { mantissa, exponent }, end: at, strict })
}

/// Adds the digits at `at` to `mantissa`, and says how many they were. Past 18 the mantissa means nothing.
#[inline(always)]
fn digits(text: &[u8], at: &mut usize, mantissa: &mut u64) -> usize {
    let mut total = 0;
    loop {
        let values = scan::word(text, *at) ^ scan::each(b'0');
        let others = ((values.wrapping_add(scan::each(0x76))) | values) & scan::each(0x80);
        let count = (others.trailing_zeros() / 8) as usize;
        if count == 0 {
            return total;
        }
        *mantissa = mantissa.wrapping_mul(TEN_TO[count]).wrapping_add(eight_digits(values << (64 - 8 * count)));
        *at += count;
        total += count;
        if count < 8 {
            return total;
        }
    }
}

/// The number that the first `count` of eight digits make; at most 8.
#[inline(always)]
pub fn first_digits(values: u64, count: u32) -> u64 {
    eight_digits(values.unbounded_shl(64 - 8 * count))
}

/// `whole.part` where `part` has so many digits, up to eight, and both together no more than fifteen.
#[inline(always)]
pub fn quotient(whole: u64, part: u64, digits: usize) -> f64 {
    let mantissa = whole * TEN_TO[digits] + part;
    mantissa as i64 as f64 / POWERS[digits]
}

/// The number that eight digits make, the first in the lowest byte: neighbours are added up to pairs, then fours,
/// then all.
#[inline(always)]
fn eight_digits(values: u64) -> u64 {
    let pairs = values.wrapping_mul(10).wrapping_add(values >> 8);
    let low = (pairs & 0x0000_00FF_0000_00FF).wrapping_mul(100 + (1_000_000 << 32));
    let high = ((pairs >> 16) & 0x0000_00FF_0000_00FF).wrapping_mul(1 + (10_000 << 32));
    low.wrapping_add(high) >> 32
}

/// A number of more digits than fit: the first 18 that count, and the exponent.
#[cold]
fn long(text: &[u8]) -> (u64, i64) {
    let (mut mantissa, mut exponent) = (0, 0);
    let mut fraction = false;
    for byte in text {
        if *byte == b'.' {
            fraction = true;
            continue;
        }
        let room = mantissa < FULL;
        if room {
            mantissa = mantissa * 10 + u64::from(byte - b'0');
        }
        exponent += i64::from(!room) - i64::from(fraction);
    }
    (mantissa, exponent)
}

/// Reads `e-7`: the exponent with that of the digits, and where it ends.
#[cold]
fn scientific(text: &[u8], at: usize, exponent: i64) -> Option<(i64, usize)> {
    let sign = text.get(at + 1).copied();
    let first = at + 1 + usize::from(matches!(sign, Some(b'-' | b'+')));
    let count = text[first..].iter().take_while(|b| b.is_ascii_digit()).count();
    if count == 0 {
        return None;
    }
    let written = text[first..first + count]
        .iter()
        .fold(0_i64, |sum, digit| sum.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    let written = if sign == Some(b'-') { -written } else { written };
    Some((exponent.saturating_add(written), first + count))
}

/// The whole of `text` as an `f64`, spaces around it allowed; `inf` and `nan` too, as the standard library spells them.
pub fn parse(text: &[u8]) -> Option<f64> {
    let text = text.trim_ascii();
    match number(text, 0) {
        Some(number) if number.end == text.len() => nearest(number.value, text),
        _ => std::str::from_utf8(text).ok()?.parse().ok(),
    }
}

/// The `f64` nearest to a number, given its text too.
#[inline]
pub fn nearest(value: Decimal, text: &[u8]) -> Option<f64> {
    if value.mantissa == 0 {
        return Some(if text.first() == Some(&b'-') { -0.0 } else { 0.0 });
    }
    value.to_f64().or_else(|| std::str::from_utf8(text).ok()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_end_where_their_grammar_does() {
        let check = |text: &str, want: Option<(usize, bool)>| {
            let got = number(text.as_bytes(), 0).map(|n| (n.end, n.strict));
            assert_eq!(got, want, "{text}");
        };
        check("12.5,", Some((4, true)));
        check("-0", Some((2, true)));
        check("01", Some((2, false)));
        check("+1", Some((2, false)));
        check(".5", Some((2, false)));
        check("5.", Some((2, false)));
        check("1e5]", Some((3, true)));
        check("1e", None);
        check("-", None);
        check("abc", None);
        check("", None);
    }

    #[test]
    fn scaling_rounds_down_and_never_wraps() {
        let check = |text: &str, shift, want| {
            assert_eq!(number(text.as_bytes(), 0).unwrap().value.scaled(shift), want, "{text}");
        };
        check("1211018404.5", 6, Some(1_211_018_404_500_000));
        check("1.9999999", 6, Some(1_999_999));
        check("-1.0000001", 6, Some(-1_000_001));
        check("1700000000.00000012345678901234567", 6, Some(1_700_000_000_000_000));
        check("-00000000000000000000000001.5", 0, Some(-2));
        check("1e300", 6, None);
        check("-1e300", 6, None);
        check("1e-300", 6, Some(0));
        check("-1e-300", 6, Some(-1));
        check("0e99999999999", 6, Some(0));
        check("999999999999999999", 0, Some(999_999_999_999_999_999));
        check("99999999999999999999999", 0, None);
    }

    proptest! {
        #[test]
        fn any_number_is_what_the_standard_library_reads(
            text in r"[+-]?(0{0,3}[0-9]{0,25}\.[0-9]{1,25}|[0-9]{1,24}\.?|[0-9]{1,3}\.[0-9]{4,8})([eE][+-]?[0-9]{1,3})?"
        ) {
            let want: f64 = text.parse().unwrap();
            prop_assert_eq!(parse(text.as_bytes()).unwrap().to_bits(), want.to_bits(), "{}", text);
        }

        #[test]
        fn every_f64_comes_back_from_its_text(bits: u64) {
            let value = f64::from_bits(bits);
            let got = parse(format!("{value}").as_bytes()).unwrap();
            prop_assert!(got == value || got.is_nan() && value.is_nan());
        }

        #[test]
        fn whatever_the_text_both_read_it_or_neither(text in r"[-+.eE0-9infaNx ]{0,12}") {
            let want = text.trim_ascii().parse::<f64>().ok().map(f64::to_bits);
            prop_assert_eq!(parse(text.as_bytes()).map(f64::to_bits), want);
        }
    }
}
