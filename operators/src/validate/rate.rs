//! How many frames a vehicle has sent in each of its last minutes of event time.

/// Minutes that are told apart. More than `clock_skew_max` lets a frame run ahead by default, so that one such frame does
/// not crowd all that follow into its minute.
const MINUTES: usize = 16;

/// A ring by minute: `newest` and the ones before it.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    newest: i64,
    frames: [u32; MINUTES],
}

impl Default for Rate {
    fn default() -> Rate {
        Rate { newest: i64::MIN, frames: [0; MINUTES] }
    }
}

impl Rate {
    /// Counts a frame: how many its minute has now. One that is older than all minutes kept counts in the newest.
    pub fn count(&mut self, minute: i64) -> u32 {
        self.reach(minute);
        let minute = if self.keeps(minute) { minute } else { self.newest };
        let frames = &mut self.frames[place(minute)];
        *frames = frames.saturating_add(1);
        *frames
    }

    /// Minutes that have frames, with their number, oldest first.
    pub fn counts(&self) -> impl Iterator<Item = (i64, u32)> + '_ {
        let minutes = (0..MINUTES as i64).rev().map(|ago| self.newest.saturating_sub(ago));
        minutes.map(|minute| (minute, self.frames[place(minute)])).filter(|(_, frames)| *frames > 0)
    }

    /// Puts back what `counts` gave.
    pub fn put(&mut self, minute: i64, frames: u32) {
        self.reach(minute);
        if self.keeps(minute) {
            self.frames[place(minute)] = frames;
        }
    }

    fn keeps(&self, minute: i64) -> bool {
        self.newest.saturating_sub(minute) < MINUTES as i64
    }

    /// Forgets minutes to make room for a newer one.
    fn reach(&mut self, minute: i64) {
        if minute <= self.newest {
            return;
        }
        let gone = minute.saturating_sub(self.newest).min(MINUTES as i64);
        (0..gone).for_each(|ago| self.frames[place(minute - ago)] = 0);
        self.newest = minute;
    }
}

fn place(minute: i64) -> usize {
    minute.rem_euclid(MINUTES as i64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn a_frame_counts_in_its_minute_if_kept_else_in_the_newest(minutes in prop::collection::vec(-50i64..50, 1..80)) {
            let mut rate = Rate::default();
            let mut all: BTreeMap<i64, u32> = BTreeMap::new();
            let mut newest = i64::MIN;
            for minute in minutes {
                newest = newest.max(minute);
                let counts_in = if newest - minute < MINUTES as i64 { minute } else { newest };
                let frames = all.entry(counts_in).or_default();
                *frames += 1;
                prop_assert_eq!(rate.count(minute), *frames);
                let kept: Vec<_> = all.range(newest - (MINUTES as i64 - 1)..).map(|(m, n)| (*m, *n)).collect();
                prop_assert_eq!(rate.counts().collect::<Vec<_>>(), &kept[..]);
                let mut restored = Rate::default();
                kept.iter().for_each(|(minute, frames)| restored.put(*minute, *frames));
                prop_assert_eq!(restored.counts().collect::<Vec<_>>(), kept);
            }
        }
    }
}
