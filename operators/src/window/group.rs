//! What is known of one key in one window: told to tables, written to snapshots.

use super::cells::{Cells, Layouts};
use super::side::Side;

/// One key in one window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Group<'a> {
    pub key: u32,
    pub start: i64,
    /// Exclusive.
    pub end: i64,
    /// Of a part of sliding windows the first window that it counts in, or `ALL`; of a session the time from which it
    /// takes late frames.
    pub from: i64,
    pub history: &'a History,
    pub words: &'a [u64],
    pub sides: &'a [Side],
    /// There is no such window any more: it is part of another.
    pub retracted: bool,
}

impl Group<'_> {
    /// The same of a key that has another number.
    pub fn of_key(self, key: u32) -> Self {
        Group { key, ..self }
    }
}

/// What was told of a group so far. Results are numbered, and changes by the result that they come before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// Of the next result; 0 before the first.
    pub revision: u32,
    /// The last result that it was in; 0 before the first.
    pub told: u32,
    /// The first result that can know of the last change; 0 if nothing was ever added.
    pub changed: u32,
    /// Of a session: starts under which it was told, each with the revision of the next result.
    pub starts: Vec<(i64, u32)>,
}

impl History {
    /// Whether something has changed since it was told.
    #[inline]
    pub fn is_dirty(&self) -> bool {
        self.changed > self.told
    }

    pub fn tell(&mut self, result: u32) {
        self.told = result;
        self.revision += 1;
    }
}

/// Words and sides that are owned.
#[derive(Debug, Clone)]
pub struct Sums {
    pub words: Vec<u64>,
    pub sides: Vec<Side>,
}

impl Sums {
    pub fn empty(layouts: &Layouts) -> Sums {
        Sums { words: layouts.empty.clone(), sides: layouts.empty_sides.clone() }
    }

    pub fn cells(&mut self) -> Cells<'_> {
        Cells { words: &mut self.words, sides: &mut self.sides }
    }

    pub fn merge(&mut self, layouts: &Layouts, words: &[u64], sides: &[Side]) {
        layouts.merge(&mut self.words, words);
        self.sides.iter_mut().zip(sides).for_each(|(side, other)| side.merge(other));
    }
}
