//! How many different values: exact up to 512 of them, HyperLogLog with 4,096 registers above, whose standard error is
//! 1.6 %. Whether there are more than 512 depends on the values alone, so that order does not show.
//!
//! The estimate is Ertl's, from "New cardinality estimation algorithms for HyperLogLog sketches" (2017), which needs no
//! table of corrections.

use super::{FEW, MANY};

/// Hashes that are kept as they are: as large as the registers.
const FEW_MAX: usize = 512;
const REGISTER_BITS: u32 = 12;
const REGISTERS: usize = 1 << REGISTER_BITS;
/// Bits of a hash that do not choose the register, and so the highest rank but one.
const RANK_BITS: usize = 64 - REGISTER_BITS as usize;

/// Hashes are 64 bits and must be well mixed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Distinct {
    /// In order.
    Few(Vec<u64>),
    /// By register: the highest rank seen.
    Many(Box<[u8]>),
}

impl Default for Distinct {
    fn default() -> Distinct {
        Distinct::Few(Vec::new())
    }
}

impl Distinct {
    pub fn add(&mut self, hash: u64) {
        match self {
            Distinct::Many(registers) => note(registers, hash),
            Distinct::Few(hashes) => {
                let Err(at) = hashes.binary_search(&hash) else { return };
                hashes.insert(at, hash);
                if hashes.len() > FEW_MAX {
                    let mut registers = vec![0; REGISTERS].into_boxed_slice();
                    hashes.iter().for_each(|hash| note(&mut registers, *hash));
                    *self = Distinct::Many(registers);
                }
            }
        }
    }

    pub fn merge(&mut self, other: &Distinct) {
        match (&mut *self, other) {
            (_, Distinct::Few(hashes)) => hashes.iter().for_each(|hash| self.add(*hash)),
            (Distinct::Many(registers), Distinct::Many(other)) => {
                registers.iter_mut().zip(other).for_each(|(rank, other)| *rank = (*rank).max(*other));
            }
            (Distinct::Few(hashes), Distinct::Many(other)) => {
                let mut registers = other.clone();
                hashes.iter().for_each(|hash| note(&mut registers, *hash));
                *self = Distinct::Many(registers);
            }
        }
    }

    /// How many different values there were.
    pub fn count(&self) -> u64 {
        match self {
            Distinct::Few(hashes) => hashes.len() as u64,
            Distinct::Many(registers) => estimate(registers).round() as u64,
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Distinct::Few(hashes) => std::iter::once(FEW).chain(hashes.iter().flat_map(|h| h.to_le_bytes())).collect(),
            Distinct::Many(registers) => std::iter::once(MANY).chain(registers.iter().copied()).collect(),
        }
    }

    /// `bytes` with the first one.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Distinct> {
        let (kind, bytes) = bytes.split_first()?;
        match *kind {
            FEW => {
                let (hashes, []) = bytes.as_chunks::<8>() else { return None };
                let mut found = Distinct::default();
                hashes.iter().for_each(|hash| found.add(u64::from_le_bytes(*hash)));
                Some(found)
            }
            _ => {
                let fits = bytes.len() == REGISTERS && bytes.iter().all(|rank| usize::from(*rank) <= RANK_BITS + 1);
                fits.then(|| Distinct::Many(bytes.into()))
            }
        }
    }
}

fn note(registers: &mut [u8], hash: u64) {
    let register = &mut registers[(hash >> RANK_BITS) as usize];
    // The bit below the lowest ends the count where all others are zero.
    let rank = (hash << REGISTER_BITS | 1 << (REGISTER_BITS - 1)).leading_zeros() as u8 + 1;
    *register = (*register).max(rank);
}

fn estimate(registers: &[u8]) -> f64 {
    let mut counts = [0_u32; RANK_BITS + 2];
    registers.iter().for_each(|rank| counts[usize::from(*rank)] += 1);
    let all = REGISTERS as f64;
    let mut z = all * tau(1.0 - f64::from(counts[RANK_BITS + 1]) / all);
    for count in counts[1..=RANK_BITS].iter().rev() {
        z = 0.5 * (z + f64::from(*count));
    }
    z += all * sigma(f64::from(counts[0]) / all);
    all * all / (2.0 * std::f64::consts::LN_2 * z)
}

fn sigma(mut x: f64) -> f64 {
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before || z.is_infinite() {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Sketch;
    use super::*;
    use crate::lane::hash_of;
    use proptest::prelude::*;

    fn of(values: impl IntoIterator<Item = u64>) -> Distinct {
        let mut distinct = Distinct::default();
        values.into_iter().for_each(|value| distinct.add(hash_of(&value.to_le_bytes())));
        distinct
    }

    #[test]
    fn few_are_counted_exactly_and_many_within_five_standard_errors() {
        for n in [0, 1, 2, 512] {
            assert_eq!(of((0..n).chain(0..n)).count(), n);
        }
        for n in [513, 1_000, 5_000, 20_000, 100_000, 1_000_000_u64] {
            let found = of(0..n).count();
            assert!(found.abs_diff(n) as f64 <= 5.0 * 0.01625 * n as f64, "{found} for {n}");
        }
    }

    proptest! {
        #[test]
        fn neither_order_nor_grouping_nor_storing_shows(
            mut values in prop::collection::vec(0_u64..900, 0..1_500), cut in 0_usize..1_500, by in 0_usize..1_500,
        ) {
            let whole = Sketch::Distinct(of(values.iter().copied()));
            let by = by.min(values.len());
            values.rotate_left(by);
            let (left, right) = values.split_at(cut.min(values.len()));
            let stored = Sketch::Distinct(of(right.iter().copied())).to_bytes();
            let mut merged = Sketch::from_bytes(&stored).expect("its own bytes");
            merged.merge(&Sketch::Distinct(of(left.iter().copied())));
            prop_assert_eq!(merged.to_bytes(), whole.to_bytes());
        }
    }
}
