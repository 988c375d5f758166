//! Chance, from a seed alone.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};

pub struct Dice(Pcg64Mcg);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(Pcg64Mcg::seed_from_u64(seed))
    }

    /// One of `0..n`.
    pub fn below(&mut self, n: usize) -> usize {
        ((self.0.next_u64() >> 32) as usize * n) >> 32
    }

    /// True once in so many.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of these, by weight; `None` if all weigh nothing.
    pub fn weighted(&mut self, weights: &[usize]) -> Option<usize> {
        let all: usize = weights.iter().sum();
        let mut at = (all > 0).then(|| self.below(all))?;
        weights.iter().position(|weight| match at.checked_sub(*weight) {
            None => true,
            Some(rest) => {
                at = rest;
                false
            }
        })
    }
}
