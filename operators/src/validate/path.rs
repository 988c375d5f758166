//! The recent path of every vehicle: its last accepted fixes in order of event time.

use crate::fix::Fix;
use rhumb_engine::vehicle::Slot;

/// A ring of at most `keep` fixes a vehicle, all in one slab: a frame in order touches one line or two.
#[derive(Debug)]
pub struct Paths {
    keep: usize,
    fixes: Vec<Fix>,
    /// By slot: where the oldest stands in its ring, and how many there are.
    rings: Vec<Ring>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Ring {
    oldest: u16,
    len: u16,
}

/// What stands around a moment in a path.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Around {
    /// The newest fix that is older, if the path reaches back so far.
    pub before: Option<Fix>,
    /// There is a fix of exactly this time.
    pub same: bool,
    /// The oldest fix that is newer: there is one for late frames only.
    pub after: Option<Fix>,
}

impl Paths {
    pub fn new(keep: usize) -> Paths {
        let keep = keep.clamp(1, usize::from(u16::MAX));
        Paths { keep, fixes: Vec::new(), rings: Vec::new() }
    }

    /// Makes room for vehicles up to `slots`.
    pub fn reach(&mut self, slots: usize) {
        if self.rings.len() < slots {
            self.rings.resize(slots, Ring::default());
            self.fixes.resize(slots * self.keep, Fix::NONE);
        }
    }

    #[inline]
    pub fn around(&self, slot: Slot, time: i64) -> Around {
        match self.newest(slot) {
            None => Around::default(),
            Some(newest) if newest.time < time => Around { before: Some(newest), ..Around::default() },
            Some(_) => self.around_late(slot, time),
        }
    }

    #[inline]
    fn newest(&self, slot: Slot) -> Option<Fix> {
        let len = usize::from(self.rings[slot as usize].len);
        (len > 0).then(|| self.fixes[self.place(slot, len - 1)])
    }

    #[cold]
    fn around_late(&self, slot: Slot, time: i64) -> Around {
        let mut around = Around::default();
        for fix in self.of(slot) {
            match fix.time.cmp(&time) {
                std::cmp::Ordering::Less => around.before = Some(fix),
                std::cmp::Ordering::Equal => around.same = true,
                std::cmp::Ordering::Greater => {
                    around.after = Some(fix);
                    break;
                }
            }
        }
        around
    }

    /// Fixes of a vehicle, oldest first.
    pub fn of(&self, slot: Slot) -> impl Iterator<Item = Fix> + '_ {
        (0..usize::from(self.rings[slot as usize].len)).map(move |n| self.fixes[self.place(slot, n)])
    }

    /// Puts a fix in its place in time; the oldest one goes if the ring is full, which may be the fix itself.
    #[inline]
    pub fn insert(&mut self, slot: Slot, fix: Fix) {
        let ring = self.rings[slot as usize];
        let len = usize::from(ring.len);
        let late_by = (0..len).rev().take_while(|n| self.fixes[self.place(slot, *n)].time > fix.time).count();
        if len == self.keep {
            if late_by == len {
                return;
            }
            self.rings[slot as usize].oldest = ((usize::from(ring.oldest) + 1) % self.keep) as u16;
        } else {
            self.rings[slot as usize].len += 1;
        }
        let last = usize::from(self.rings[slot as usize].len) - 1;
        for n in (last - late_by..last).rev() {
            let (from, to) = (self.place(slot, n), self.place(slot, n + 1));
            self.fixes[to] = self.fixes[from];
        }
        let place = self.place(slot, last - late_by);
        self.fixes[place] = fix;
    }

    fn place(&self, slot: Slot, n: usize) -> usize {
        let at = usize::from(self.rings[slot as usize].oldest) + n;
        slot as usize * self.keep + if at < self.keep { at } else { at - self.keep }
    }

    pub fn slots(&self) -> impl Iterator<Item = Slot> {
        0..self.rings.len() as Slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_ring_is_the_newest_fixes_in_order_of_time(times in prop::collection::vec(0i64..40, 0..60), keep in 1usize..6) {
            let mut paths = Paths::new(keep);
            paths.reach(3);
            let mut all: Vec<i64> = Vec::new();
            for time in times {
                let kept = all[all.len().saturating_sub(keep)..].to_vec();
                let around = paths.around(1, time);
                prop_assert_eq!(around.before.map(|f| f.time), kept.iter().copied().filter(|t| *t < time).max());
                prop_assert_eq!(around.after.map(|f| f.time), kept.iter().copied().filter(|t| *t > time).min());
                prop_assert_eq!(around.same, kept.contains(&time));
                paths.insert(1, Fix { time, lat: 0.0, lon: 0.0 });
                // What falls out of the ring is forgotten for good.
                all = kept;
                all.push(time);
                all.sort_unstable();
                let expected = &all[all.len().saturating_sub(keep)..];
                prop_assert_eq!(paths.of(1).map(|f| f.time).collect::<Vec<_>>(), expected);
            }
        }
    }
}
