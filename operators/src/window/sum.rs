//! Sums that do not depend on the order of what is added: exact fixed point of 192 bits, 52 of them after the point.
//!
//! A value is rounded to a multiple of 2^-52 (2.2e-16) once, when it is taken; from there on nothing is lost. A value of
//! 2^75 (3.7e22) or more, and an infinite one, makes the sum infinite; such values of both signs make it NaN. So does a
//! total that large, whatever came on the way.

/// Three words of fixed point, the lowest first; then the count of values and two flags.
pub const WORDS: usize = 4;
/// Nothing added yet.
pub const EMPTY: [u64; WORDS] = [0; WORDS];

const ONE: f64 = (1_u64 << 52) as f64;
const I64_LIMIT: f64 = (1_u64 << 63) as f64;
const I128_LIMIT: f64 = (1_u128 << 127) as f64;
/// A value was too large, or too far below zero, to be added.
const TOO_HIGH: u64 = 1 << 63;
const TOO_LOW: u64 = 1 << 62;
const COUNT: u64 = TOO_LOW - 1;

/// Adds a value that is not NaN.
#[inline]
pub fn add(words: &mut [u64], value: f64) {
    words[3] += 1;
    let scaled = value * ONE;
    let size = scaled.abs();
    if size < I64_LIMIT {
        // From 2^52 on a float is a whole number already.
        let whole = if size < ONE { scaled + 0.5_f64.copysign(scaled) } else { scaled };
        add_fixed(words, i128::from(whole as i64));
    } else if size < I128_LIMIT {
        add_fixed(words, scaled as i128);
    } else {
        words[3] |= if value > 0.0 { TOO_HIGH } else { TOO_LOW };
    }
}

/// Adds a whole number.
#[inline]
pub fn add_whole(words: &mut [u64], value: i64) {
    words[3] += 1;
    add_fixed(words, i128::from(value) << 52);
}

/// The sum of whole numbers; the nearest there is, if it is beyond what 64 bits hold.
pub fn total_whole(words: &[u64]) -> i64 {
    let whole = low(words) as i128;
    if (whole >> 127) as u64 != words[2] {
        return if (words[2] as i64) < 0 { i64::MIN } else { i64::MAX };
    }
    (whole >> 52).clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

/// Puts a value in the place of one that was added before; NaN for none.
pub fn replace(words: &mut [u64], was: f64, is: f64) {
    add(words, is);
    if !was.is_nan() {
        add(words, -was);
        words[3] -= 2;
    }
}

#[inline]
fn add_fixed(words: &mut [u64], value: i128) {
    let (sum, carry) = low(words).overflowing_add(value as u128);
    words[0] = sum as u64;
    words[1] = (sum >> 64) as u64;
    words[2] = words[2].wrapping_add((value >> 127) as u64).wrapping_add(u64::from(carry));
}

/// Adds another sum.
#[inline]
pub fn merge(words: &mut [u64], other: &[u64]) {
    let (sum, carry) = low(words).overflowing_add(low(other));
    words[0] = sum as u64;
    words[1] = (sum >> 64) as u64;
    words[2] = words[2].wrapping_add(other[2]).wrapping_add(u64::from(carry));
    words[3] = ((words[3] & COUNT) + (other[3] & COUNT)) | ((words[3] | other[3]) & !COUNT);
}

#[inline]
fn low(words: &[u64]) -> u128 {
    u128::from(words[1]) << 64 | u128::from(words[0])
}

/// How many values were added.
pub fn count(words: &[u64]) -> u64 {
    words[3] & COUNT
}

/// The sum, rounded once.
pub fn total(words: &[u64]) -> f64 {
    let whole = low(words) as i128;
    let fits = (whole >> 127) as u64 == words[2];
    match (words[3] & TOO_HIGH != 0, words[3] & TOO_LOW != 0) {
        (true, true) => f64::NAN,
        (true, false) => f64::INFINITY,
        (false, true) => f64::NEG_INFINITY,
        (false, false) if fits => whole as f64 / ONE,
        (false, false) if (words[2] as i64) < 0 => f64::NEG_INFINITY,
        (false, false) => f64::INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(values: &[f64]) -> [u64; WORDS] {
        let mut words = EMPTY;
        values.iter().for_each(|value| add(&mut words, *value));
        words
    }

    #[test]
    fn sums_of_values_that_fit_are_right_to_the_last_bit() {
        for (values, total_wanted) in [
            (&[][..], 0.0),
            (&[1.5, -0.25], 1.25),
            (&[1e16, 1.0, -1e16], 1.0),
            (&[-3.0, -4.0], -7.0),
            (&[3e22, 3e22, -3e22], 3e22),
            (&[3e22, 3e22], f64::INFINITY),
            (&[-3e22, -3e22], f64::NEG_INFINITY),
            (&[1e300, 1.0], f64::INFINITY),
            (&[f64::NEG_INFINITY, 1.0], f64::NEG_INFINITY),
            (&[2f64.powi(75) * 0.999, -2f64.powi(75) * 0.999], 0.0),
            (&[1e-17, 1e-17], 0.0),
            (&[-1e-16, -1e-16], 0.0),
        ] {
            assert_eq!(total(&sum(values)), total_wanted, "{values:?}");
            assert_eq!(count(&sum(values)), values.len() as u64);
        }
        assert!(total(&sum(&[f64::INFINITY, f64::NEG_INFINITY])).is_nan());
    }

    #[test]
    fn a_value_in_the_place_of_another_leaves_nothing_of_it() {
        let mut words = sum(&[0.1, 0.7]);
        replace(&mut words, 0.7, 0.3);
        assert_eq!(words, sum(&[0.1, 0.3]));
        replace(&mut words, f64::NAN, 0.9);
        assert_eq!(words, sum(&[0.1, 0.3, 0.9]));
        let mut apart = EMPTY;
        replace(&mut apart, 0.9, 0.2);
        merge(&mut words, &apart);
        assert_eq!(words, sum(&[0.1, 0.3, 0.2]));
    }

    proptest! {
        #[test]
        fn neither_order_nor_grouping_shows(values in prop::collection::vec(any::<f64>(), 0..40), cut in 0_usize..40, by in 0_usize..40) {
            let mut values: Vec<f64> = values.into_iter().filter(|v| !v.is_nan()).collect();
            let whole = sum(&values);
            let (left, right) = values.split_at(cut.min(values.len()));
            let mut merged = sum(right);
            merge(&mut merged, &sum(left));
            prop_assert_eq!(merged, whole);
            if !values.is_empty() {
                let by = by % values.len();
                values.rotate_left(by);
            }
            prop_assert_eq!(sum(&values), whole);
        }
    }
}
