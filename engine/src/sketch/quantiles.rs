//! Quantiles from counts by size: 64 buckets for each doubling, cut by the highest bits of the float itself, so that no
//! logarithm's last bit decides. A quantile is the middle of its bucket: within 0.8 % of the value of that rank.
//!
//! Values from 2^-30 (9.3e-10) to 2^40 (1.1e12) have buckets of their own, and so have those below zero. What is nearer
//! to zero counts as zero, what is further off as the furthest.

use super::QUANTILES;

/// Bits of a float below those that choose the bucket: 6 bits of fraction are left.
const CUT: u32 = 52 - 6;
const LOWEST: u64 = (1023 - 30) << 6;
const HIGHEST: u64 = (1023 + 40) << 6;
/// Buckets on each side of zero.
const SIDE: u64 = HIGHEST - LOWEST;

/// The bucket of a value that is not NaN: 0 for zero, else 1 to 4480, below zero if the value is.
#[inline]
pub fn bucket(value: f64) -> i16 {
    let size = value.abs().to_bits() >> CUT;
    let bucket = if size < LOWEST { 0 } else { (size - LOWEST + 1).min(SIDE) as i16 };
    if value < 0.0 { -bucket } else { bucket }
}

/// The middle of a bucket.
fn middle(bucket: i16) -> f64 {
    if bucket == 0 {
        return 0.0;
    }
    let edge = |n: u64| f64::from_bits((LOWEST + n) << CUT);
    let n = u64::from(bucket.unsigned_abs());
    ((edge(n - 1) + edge(n)) / 2.0).copysign(f64::from(bucket))
}

/// Counts by bucket, of those that are not zero, in order. At most 8,961.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Quantiles(Vec<(i16, u64)>);

impl Quantiles {
    pub fn add(&mut self, bucket: i16, count: u64) {
        match self.0.binary_search_by_key(&bucket, |(known, _)| *known) {
            Ok(at) => self.0[at].1 += count,
            Err(at) => self.0.insert(at, (bucket, count)),
        }
    }

    pub fn merge(&mut self, other: &Quantiles) {
        other.0.iter().for_each(|(bucket, count)| self.add(*bucket, *count));
    }

    /// The value that a share `q` of all values does not exceed: of n values the one of rank ceil(q n). `None` if there
    /// are no values.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let all: u64 = self.0.iter().map(|(_, count)| count).sum();
        let mut left = ((q * all as f64).ceil() as u64).clamp(1, all.max(1));
        let holds = |(_, count): &&(i16, u64)| {
            let found = left <= *count;
            left -= if found { 0 } else { *count };
            found
        };
        self.0.iter().find(holds).map(|(bucket, _)| middle(*bucket))
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<(i16, u64)>()
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![QUANTILES];
        let mut before = 0;
        for (bucket, count) in &self.0 {
            let step = i64::from(*bucket) - before;
            put(&mut bytes, ((step << 1) ^ (step >> 63)) as u64);
            put(&mut bytes, *count);
            before = i64::from(*bucket);
        }
        bytes
    }

    pub(super) fn from_bytes(mut bytes: &[u8]) -> Option<Quantiles> {
        let mut found = Quantiles::default();
        let mut before = 0_i64;
        while !bytes.is_empty() {
            let step = take(&mut bytes)?;
            before = before.checked_add((step >> 1) as i64 ^ -((step & 1) as i64))?;
            let bucket = i16::try_from(before).ok().filter(|b| u64::from(b.unsigned_abs()) <= SIDE)?;
            found.add(bucket, take(&mut bytes)?);
        }
        Some(found)
    }
}

/// Seven bits a byte, the lowest first; all but the last byte have the highest bit.
fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::Sketch;
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[f64]) -> Quantiles {
        let mut quantiles = Quantiles::default();
        values.iter().for_each(|value| quantiles.add(bucket(*value), 1));
        quantiles
    }

    #[test]
    fn values_far_out_count_as_the_furthest_and_those_near_zero_as_zero() {
        for (value, expected) in
            [(0.0, 0), (-0.0, 0), (1e-12, 0), (-1e-12, 0), (1e300, 4480), (f64::NEG_INFINITY, -4480)]
        {
            assert_eq!(bucket(value), expected, "{value}");
        }
        assert_eq!(Quantiles::default().quantile(0.5), None);
    }

    #[test]
    fn bytes_that_are_no_sketch_are_refused() {
        for bytes in [
            &[][..],
            &[9],
            &[QUANTILES, 0x80],
            &[QUANTILES, 2],
            &[QUANTILES, 0xff, 0xff, 0x7f, 1],
            &[super::super::FEW, 1],
        ] {
            assert_eq!(Sketch::from_bytes(bytes), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn a_quantile_is_within_its_error_of_the_value_of_that_rank(
            mut values in prop::collection::vec((-1e6..1e6_f64, -9i32..4).prop_map(|(v, e)| v * 10f64.powi(e)), 1..200), q in 0.0..1.0_f64,
        ) {
            let found = of(&values).quantile(q).expect("there are values");
            values.sort_by(f64::total_cmp);
            let rank = ((q * values.len() as f64).ceil() as usize).max(1);
            let exact = values[rank - 1];
            prop_assert!((found - exact).abs() <= 0.0079 * exact.abs() + 1e-9, "{found} for {exact}");
        }

        #[test]
        fn neither_order_nor_grouping_nor_storing_shows(values in prop::collection::vec(-50.0..50.0_f64, 0..100), cut in 0usize..100) {
            let whole = Sketch::Quantiles(of(&values));
            let (left, right) = values.split_at(cut.min(values.len()));
            let mut merged = Sketch::from_bytes(&Sketch::Quantiles(of(right)).to_bytes()).expect("its own bytes");
            merged.merge(&Sketch::Quantiles(of(left)));
            prop_assert_eq!(merged.to_bytes(), whole.to_bytes());
        }
    }
}
