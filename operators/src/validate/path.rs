//! The recent path of every vehicle: its last accepted fixes in order of event time.

use crate::fix::Fix;
use rhumb_engine::time::DAY_US;
use rhumb_engine::vehicle::Slot;
use rhumb_geofence::prefetch_element;

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

    /// Asks for the newest fix and the place of the next.
    #[inline]
    pub fn prefetch(&self, slot: Slot) {
        let len = usize::from(self.rings[slot as usize].len);
        prefetch_element(&self.fixes, self.place(slot, len.saturating_sub(1)));
        prefetch_element(&self.fixes, self.place(slot, if len == self.keep { 0 } else { len }));
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
    ///
    /// What is more than a day ahead of it, as frames are that a wrong clock gave, may take up half of the ring: the oldest
    /// of that goes before anything else.
    #[inline]
    pub fn insert(&mut self, slot: Slot, fix: Fix) {
        let ring = self.rings[slot as usize];
        let len = usize::from(ring.len);
        let ahead = |us: i64| {
            let since = fix.time.saturating_add(us);
            (0..len).rev().take_while(|n| self.fixes[self.place(slot, *n)].time > since).count()
        };
        let late_by = ahead(0);
        if len == self.keep {
            if late_by > self.keep / 2 {
                let far = ahead(DAY_US);
                if far > self.keep / 2 {
                    return self.insert_before(slot, fix, len - late_by, len - far);
                }
            }
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

    /// At place `at` of the ring, in the room of the fix at place `gone`.
    #[cold]
    fn insert_before(&mut self, slot: Slot, fix: Fix, at: usize, gone: usize) {
        for n in (at..gone).rev() {
            let (from, to) = (self.place(slot, n), self.place(slot, n + 1));
            self.fixes[to] = self.fixes[from];
        }
        let place = self.place(slot, at);
        self.fixes[place] = fix;
    }

    #[inline]
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
    #[test]
    fn wrong_clocks_take_up_at_most_half_of_a_ring() {
        for keep in 1..6 {
            let mut paths = Paths::new(keep);
            paths.reach(1);
            let mut insert = |time| {
                paths.insert(0, Fix { time, lat: 0.0, lon: 0.0 });
                paths.of(0).map(|fix| fix.time).collect::<Vec<_>>()
            };
            for n in 0..20 {
                insert((1000 + n) * DAY_US);
                let kept = insert(n);
                assert!(kept.is_sorted() && kept.contains(&n), "{kept:?}");
            }
            let kept: Vec<i64> = (20..30).map(&mut insert).last().unwrap();
            let wrong = kept.iter().filter(|time| **time > DAY_US).count();
            assert!(wrong <= keep / 2, "{kept:?}");
            assert_eq!(kept.len(), keep);
            let true_ones: Vec<i64> = (30 - (keep - wrong) as i64..30).collect();
            assert_eq!(kept[..keep - wrong], true_ones);
        }
    }
}
