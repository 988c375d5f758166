//! What was remembered of a vehicle before each fix of its path that changed it: from there a late frame is worked out
//! anew.

use super::state::{State, Visit};
use rhumb_geofence::prefetch_element;

/// A ring of sixteen bytes a change, as long as the path needs.
#[derive(Debug, Default)]
pub struct Undo {
    ring: Box<[Entry]>,
    /// Where the next one goes.
    next: u32,
    len: u32,
    /// States that are no simple ones, by number, ascending.
    rest: Vec<(u32, State)>,
}

/// The state before the fix of this number, where it is a simple one: in one zone or in none.
#[derive(Debug, Clone, Copy)]
struct Entry {
    number: u32,
    /// Its ordinal, with `DWELLED` where that has been told, or `OUTSIDE`, or `REST`.
    zone: u32,
    since: i64,
}

const DWELLED: u32 = 1 << 31;
const OUTSIDE: u32 = u32::MAX;
const REST: u32 = u32::MAX - 1;

/// The first ring.
const LEN_MIN: usize = 4;

impl Undo {
    /// `number` is higher than all before; nobody will ask for what was before the fix `oldest` or an older one.
    pub fn push(&mut self, number: u32, oldest: u32, before: State) {
        if self.len as usize == self.ring.len() {
            // The oldest stands where the new one goes.
            if self.ring.get(self.next as usize).is_some_and(|entry| !is_after(entry.number, oldest)) {
                self.len -= 1;
            } else {
                self.grow();
            }
        }
        let entry = match before.visits[..] {
            [] if before.open.is_none() => Entry { number, zone: OUTSIDE, since: 0 },
            [Visit { zone, dwelled, since }] if before.open.is_none() => {
                Entry { number, zone: if dwelled { zone | DWELLED } else { zone }, since }
            }
            _ => {
                let old = self.rest.iter().take_while(|(number, _)| !is_after(*number, oldest)).count();
                self.rest.drain(..old);
                self.rest.push((number, before));
                Entry { number, zone: REST, since: 0 }
            }
        };
        self.ring[self.next as usize] = entry;
        self.next = if self.next as usize + 1 == self.ring.len() { 0 } else { self.next + 1 };
        self.len += 1;
    }

    fn grow(&mut self) {
        let mut ring: Vec<Entry> = (0..self.len).map(|n| *self.entry(n)).collect();
        self.next = self.len;
        ring.resize((ring.len() * 2).max(LEN_MIN), Entry { number: 0, zone: OUTSIDE, since: 0 });
        self.ring = ring.into();
    }

    /// The `n`th oldest.
    fn entry(&self, n: u32) -> &Entry {
        let len = self.ring.len() as u32;
        &self.ring[((self.next + len - self.len + n) % len) as usize]
    }

    /// What was remembered before the fix of this number, or before the next one that changed it; `None`: nothing
    /// has changed since.
    pub fn before(&self, number: u32) -> Option<State> {
        let found = (0..self.len).map(|n| self.entry(n)).find(|entry| !is_after(number, entry.number))?;
        Some(match found.zone {
            OUTSIDE => State::default(),
            REST => self.rest.iter().find(|(number, _)| *number == found.number).map(|(_, state)| state.clone())?,
            zone => {
                let visit = Visit { zone: zone & !DWELLED, dwelled: zone & DWELLED != 0, since: found.since };
                State { visits: [visit].into_iter().collect(), open: None }
            }
        })
    }

    /// Forgets all before this fix and later ones.
    pub fn truncate(&mut self, number: u32) {
        while self.len > 0 && !is_after(number, self.entry(self.len - 1).number) {
            self.next = if self.next == 0 { self.ring.len() as u32 - 1 } else { self.next - 1 };
            self.len -= 1;
        }
        let kept = self.rest.iter().take_while(|(of, _)| is_after(number, *of)).count();
        self.rest.truncate(kept);
    }

    pub fn clear(&mut self) {
        *self = Undo::default();
    }

    /// Asks for what `push` will touch.
    #[inline]
    pub fn prefetch(&self) {
        prefetch_element(&self.ring, self.next as usize);
    }

    /// Bytes beside its own.
    #[cfg(test)]
    pub fn memory_bytes(&self) -> usize {
        let rest: usize = self.rest.iter().map(|(_, state)| state.memory_bytes()).sum();
        self.ring.len() * size_of::<Entry>() + self.rest.capacity() * size_of::<(u32, State)>() + rest
    }
}

/// Numbers go around.
fn is_after(number: u32, other: u32) -> bool {
    number.wrapping_sub(other) as i32 > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geofence::state::Open;
    use proptest::prelude::*;

    fn state(kind: u8, since: i64) -> State {
        let visit = |zone| Visit { zone, dwelled: kind == 2, since };
        let visits = (0..match kind {
            0 => 0,
            1 | 2 | 4 => 1,
            _ => 2,
        })
            .map(visit)
            .collect();
        State { visits, open: (kind == 4).then(|| Box::new(Open::default())) }
    }

    proptest! {
        /// Against a plain list of all that was ever noted.
        #[test]
        fn what_was_before_each_kept_fix_comes_back(
            changes in prop::collection::vec((1..4u32, 0..5u8, prop::option::weighted(0.1, 0..20u32)), 1..100),
            keep in 1..20u32,
            start in prop_oneof![Just(0u32), Just(u32::MAX - 30)],
        ) {
            let (mut undo, mut all) = (Undo::default(), Vec::<(u32, State)>::new());
            let (mut number, mut head) = (start, start);
            for (n, (step, kind, back)) in changes.into_iter().enumerate() {
                if let Some(back) = back {
                    // A late frame: the path behind it is worked out anew, and is one longer.
                    number = head.wrapping_sub(back.min(keep - 1));
                    head = head.wrapping_add(1);
                    undo.truncate(number);
                    all.retain(|(of, _)| is_after(number, *of));
                }
                number = number.wrapping_add(step);
                head = if is_after(number, head) { number } else { head };
                let oldest = head.wrapping_sub(keep).wrapping_add(1);
                let before = state(kind, n as i64);
                undo.push(number, oldest, before.clone());
                all.push((number, before));
                for asked in 0..keep.min(30) {
                    let asked = head.wrapping_sub(asked);
                    if is_after(asked, oldest) {
                        let expected = all.iter().find(|(of, _)| !is_after(asked, *of)).map(|(_, state)| state.clone());
                        prop_assert_eq!(undo.before(asked), expected);
                    }
                }
                prop_assert_eq!(undo.before(head.wrapping_add(1)), None);
            }
        }
    }
}
