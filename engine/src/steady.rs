//! A clock made of event times that one wrong frame cannot move far.

use crate::time::EventTime;

/// The newest event time of the frames seen, where a single frame far ahead of all others does not count: in a recording
/// nothing else tells a wrong clock from a gap. After a gap the clock goes on with the second frame; where every frame is
/// far from the one before, it is one frame behind. A function of the frames in their order alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SteadyClock {
    now: i64,
    /// The frame far ahead that the last one was, or `i64::MIN`.
    held: i64,
}

impl Default for SteadyClock {
    fn default() -> SteadyClock {
        SteadyClock { now: i64::MIN, held: i64::MIN }
    }
}

impl SteadyClock {
    /// As `now` and `held` gave it.
    pub fn restored(now: EventTime, held: EventTime) -> SteadyClock {
        SteadyClock { now: now.0, held: held.0 }
    }

    /// `EventTime::MIN` before the first frame.
    #[inline]
    pub fn now(&self) -> EventTime {
        EventTime(self.now)
    }

    /// The time that waits for the next frame; `EventTime::MIN` if none does.
    pub fn held(&self) -> EventTime {
        EventTime(self.held)
    }

    /// The next frame; says whether the clock moved. A step forward of more than `step_max_us` counts only once the frame
    /// after it makes one, too.
    #[inline]
    pub fn see(&mut self, time: i64, step_max_us: i64) -> bool {
        if self.now != i64::MIN && time > self.now.saturating_add(step_max_us) {
            return self.step_far(time, step_max_us);
        }
        self.held = i64::MIN;
        self.reach(time)
    }

    /// Goes to a time that is certain, unless it is there already; says whether it moved.
    #[inline]
    pub fn reach(&mut self, time: i64) -> bool {
        let moves = time > self.now;
        self.now = self.now.max(time);
        moves
    }

    #[cold]
    fn step_far(&mut self, time: i64, step_max_us: i64) -> bool {
        let (low, high) = (self.held.min(time), self.held.max(time));
        let agree = high <= low.saturating_add(step_max_us);
        self.held = if agree { i64::MIN } else { high };
        self.reach(if agree { high } else { low })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::DAY_US;

    /// Days of frames, and where the clock stands after each.
    #[track_caller]
    fn check(days: &[i64], expected: &[i64]) {
        let mut clock = SteadyClock::default();
        let seen = days.iter().map(|day| {
            let before = clock.now();
            assert_eq!(clock.see(day * DAY_US, DAY_US), clock.now() != before);
            clock = SteadyClock::restored(clock.now(), clock.held());
            clock.now().0 / DAY_US
        });
        assert_eq!(seen.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn clock_is_the_newest_time() {
        check(&[3, 4, 2, 5, 5, 6], &[3, 4, 4, 5, 5, 6]);
    }

    #[test]
    fn one_frame_far_ahead_moves_nothing() {
        check(&[3, 900, 4, 5], &[3, 3, 4, 5]);
        check(&[3, 900, 2, 900, 4], &[3, 3, 3, 3, 4]);
    }

    #[test]
    fn gap_is_over_with_the_second_frame() {
        check(&[3, 90, 91, 92], &[3, 3, 91, 92]);
        check(&[3, 91, 90, 92], &[3, 3, 91, 92]);
    }

    #[test]
    fn frame_far_ahead_just_before_a_gap_moves_nothing() {
        check(&[3, 900, 20, 21, 22], &[3, 3, 20, 21, 22]);
    }

    #[test]
    fn frames_that_are_all_far_apart_are_followed_one_behind() {
        check(&[0, 10, 20, 30], &[0, 0, 10, 20]);
    }
}
