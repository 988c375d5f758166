//! What the rules say of the frames of a batch: next to nothing, for nearly all are accepted.

use super::{Broken, Rule};

#[derive(Debug, Default)]
pub struct Verdicts {
    /// By row: the place of its verdict in `broken`, and one; 0 where no rule is broken.
    of: Vec<u32>,
    broken: Vec<Broken>,
}

impl Verdicts {
    /// For another batch.
    pub fn start(&mut self, rows: usize) {
        self.broken.clear();
        self.of.clear();
        self.of.resize(rows, 0);
    }

    /// The first rule that is broken counts. What it measures is in docs/REJECTS.md.
    pub fn refuse(&mut self, row: usize, rule: Rule, measured: f64, threshold: f64) {
        if self.of[row] == 0 {
            self.broken.push(Broken { rule, measured, threshold });
            self.of[row] = self.broken.len() as u32;
        }
    }

    #[inline]
    pub fn get(&self, row: usize) -> Option<Broken> {
        self.of[row].checked_sub(1).map(|at| self.broken[at as usize])
    }

    /// Of a row that broke a rule, another one says more.
    pub fn replace(&mut self, row: usize, broken: Broken) {
        self.broken[self.of[row] as usize - 1] = broken;
    }

    pub fn are_none(&self) -> bool {
        self.broken.is_empty()
    }

    /// Rows that broke a rule, in their order.
    pub fn broken(&self) -> impl Iterator<Item = (usize, Broken)> {
        (0..self.of.len()).filter_map(|row| Some((row, self.get(row)?)))
    }

    /// By row: whether it broke none.
    pub fn kept(&self) -> Vec<bool> {
        self.of.iter().map(|at| *at == 0).collect()
    }
}
