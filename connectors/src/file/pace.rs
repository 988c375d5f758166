//! How fast a recording plays.

use rhumb_engine::time::{Clock, DAY_US, EventTime};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// Lets time pass: sleeping, or in tests moving the clock on.
pub type Pause = Arc<dyn Fn(Duration) + Send + Sync>;

/// A longer jump of event time, either way, is either a wrong clock or a gap that nobody wants to sit through.
const JUMP_US: i64 = DAY_US;
/// Shorter waits are not worth waking up for.
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// Event time against wall time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// As fast as it can be read.
    Max,
    /// So many seconds of event time a second; above 0.
    Times(f64),
}

impl FromStr for Speed {
    type Err = String;

    /// `max`, `60x`, `0.5x`.
    fn from_str(text: &str) -> Result<Speed, String> {
        if text == "max" {
            return Ok(Speed::Max);
        }
        let times =
            text.strip_suffix('x').and_then(|times| times.parse().ok()).filter(|t: &f64| t.is_finite() && *t > 0.0);
        times.map(Speed::Times).ok_or_else(|| format!("{text:?} is neither \"max\" nor a speed such as \"60x\""))
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Speed::Max => f.write_str("max"),
            Speed::Times(times) => write!(f, "{times}x"),
        }
    }
}

/// Says when a frame is due. The first one is due at once, every other by its event time from there. One that is late
/// or out of order is overdue and does not wait. One more than a day from the one before does not wait either, and if
/// the next agrees with it, play goes on from there: a wrong clock does not stop the play, and long gaps are skipped.
pub(super) struct Pace {
    times: f64,
    clock: Arc<dyn Clock>,
    pause: Pause,
    /// Event time and wall time of the frame that all others are measured from.
    from: Option<(EventTime, EventTime)>,
    last: EventTime,
    jumped_to: Option<EventTime>,
}

impl Pace {
    pub fn new(times: f64, clock: Arc<dyn Clock>, pause: Pause) -> Pace {
        assert!(times > 0.0, "speeds are checked where they are read");
        Pace { times, clock, pause, from: None, last: EventTime::MIN, jumped_to: None }
    }

    pub fn now(&self) -> EventTime {
        self.clock.now()
    }

    /// How long a frame has still to wait; zero: it plays now, and the next question is about the next frame.
    pub fn wait(&mut self, at: EventTime, now: EventTime) -> Duration {
        let Some((event, wall)) = self.from else {
            return self.restart(at, now);
        };
        if far(at, self.last) {
            return match self.jumped_to {
                Some(before) if !far(at, before) => self.restart(at, now),
                _ => {
                    self.jumped_to = Some(at);
                    Duration::ZERO
                }
            };
        }
        let after_us = (at.0 - event.0) as f64 / self.times;
        let wait_us = after_us - (now.0 - wall.0) as f64;
        if wait_us > 0.0 {
            return Duration::from_micros(wait_us as u64).max(PAUSE_MIN);
        }
        (self.last, self.jumped_to) = (at, None);
        Duration::ZERO
    }

    fn restart(&mut self, at: EventTime, now: EventTime) -> Duration {
        (self.from, self.last, self.jumped_to) = (Some((at, now)), at, None);
        Duration::ZERO
    }

    /// Lets this much time pass.
    pub fn pause(&self, time: Duration) {
        (self.pause)(time);
    }
}

fn far(a: EventTime, b: EventTime) -> bool {
    a.0.abs_diff(b.0) > JUMP_US as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use rhumb_engine::time::SECOND_US;

    /// Frames' event times in seconds, and after each the wall time in seconds at which it must play.
    #[track_caller]
    fn check(times: f64, frames: &[(i64, i64)]) {
        let mut pace = Pace::new(times, Arc::new(rhumb_engine::time::SystemClock), Arc::new(|_| {}));
        let mut wall = EventTime(1_000 * SECOND_US);
        for (at, expected) in frames {
            let at = EventTime(at * SECOND_US);
            let wait = pace.wait(at, wall);
            wall.0 += wait.as_micros() as i64;
            if !wait.is_zero() {
                assert_eq!(pace.wait(at, wall), Duration::ZERO);
            }
            assert_eq!(wall.0, (1_000 + expected) * SECOND_US, "frame at {at:?}");
        }
    }

    #[test]
    fn event_time_plays_at_the_speed_asked_for() {
        check(60.0, &[(0, 0), (60, 1), (600, 10), (601 + 59, 11)]);
        check(0.5, &[(0, 0), (1, 2), (2, 4)]);
    }

    #[test]
    fn late_frame_does_not_wait_and_does_not_hold_up_others() {
        check(10.0, &[(0, 0), (100, 10), (40, 10), (110, 11)]);
    }

    #[test]
    fn wrong_clock_does_not_stop_the_play() {
        let year = 365 * 86_400;
        check(10.0, &[(0, 0), (year, 0), (10, 1), (-30 * year, 1), (20, 2)]);
        check(10.0, &[(-30 * year, 0), (0, 0), (10, 0), (20, 1)]);
    }

    #[test]
    fn gap_of_days_is_skipped() {
        let week = 7 * 86_400;
        check(10.0, &[(0, 0), (week, 0), (week + 10, 0), (week + 20, 1)]);
    }

    #[test]
    fn speeds_are_read_as_they_are_written() {
        for text in ["max", "60x", "0.5x"] {
            assert_eq!(text.parse::<Speed>().unwrap().to_string(), text);
        }
        for text in ["", "60", "x", "0x", "-1x", "infx", "NaNx", "fast"] {
            assert!(text.parse::<Speed>().is_err(), "{text}");
        }
    }
}
