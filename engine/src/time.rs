//! Event time, the two clocks of a frame, and the one place that reads the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since 1970-01-01T00:00:00Z. Used for device time and for our own time alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct EventTime(pub i64);

pub const SECOND_US: i64 = 1_000_000;
pub const DAY_US: i64 = 86_400 * SECOND_US;
const WEEK_US: i64 = 7 * DAY_US;

/// GPS weeks are sent with ten bits, so a receiver with old firmware falls back by 1024 weeks.
pub const ROLLOVER_US: i64 = 1024 * WEEK_US;
/// A fix counts as rolled over if, 1024 weeks later, it would be this near to its time of receipt: as long as a device may
/// keep fixes before it sends them. Traccar's rule has no other end, and makes of a clock that stands at 1970 one of 1989.
pub const ROLLOVER_WITHIN_US: i64 = 90 * DAY_US;

/// Units of durations as one types them. Longest first, so that the shortest text is found first.
const DURATIONS: [(&str, i64); 5] =
    [("d", DAY_US), ("h", 3_600 * SECOND_US), ("m", 60 * SECOND_US), ("s", SECOND_US), ("ms", SECOND_US / 1_000)];

/// Microseconds in `"500ms"`, `"10s"`, `"5m"`, `"2h"`, `"1d"`: a whole number and its unit.
pub fn duration(text: &str) -> Option<i64> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let of = DURATIONS.iter().find(|(name, _)| *name == unit)?.1;
    number.parse::<i64>().ok()?.checked_mul(of)
}

/// A duration as one would type it.
pub fn duration_text(us: i64) -> String {
    let (unit, of) = DURATIONS.iter().find(|(_, of)| us % of == 0 && us >= *of).copied().unwrap_or(("s", SECOND_US));
    format!("{}{unit}", us / of)
}

impl EventTime {
    /// Before every frame: the clock of a lane that has seen none.
    pub const MIN: EventTime = EventTime(i64::MIN);
    /// After every frame: what a lane's clock becomes when its input has ended.
    pub const MAX: EventTime = EventTime(i64::MAX);

    /// The times that calendars of readers know: from 0001-01-01T00:00:00Z on, and before 10000-01-01.
    pub const FIRST: EventTime = EventTime(-62_135_596_800 * SECOND_US);
    pub const LAST: EventTime = EventTime(253_402_300_800 * SECOND_US - 1);

    pub fn is_of_calendar(self) -> bool {
        EventTime::FIRST <= self && self <= EventTime::LAST
    }

    /// Whole days since 1970-01-01: the lake's `event_date`.
    pub fn date(self) -> i32 {
        self.0.div_euclid(DAY_US) as i32
    }

    /// `self - us`, stopping at the ends of the range so that MIN and MAX stay what they mean.
    pub fn minus(self, us: i64) -> EventTime {
        match self {
            EventTime::MIN | EventTime::MAX => self,
            EventTime(t) => EventTime(t.saturating_sub(us)),
        }
    }

    /// How far a whole has come by the clocks of its parts (lanes): what an eighth of them, and no fewer than two if there
    /// are two, have reached. Wrong clocks of a few vehicles do not count. Parts that have seen nothing are left out.
    pub fn reached_by_some(clocks: impl Iterator<Item = EventTime>) -> EventTime {
        let mut clocks: Vec<EventTime> = clocks.filter(|clock| !clock.is_unset()).collect();
        clocks.sort_unstable_by_key(|clock| std::cmp::Reverse(*clock));
        let reached_by = (clocks.len() / 8).max(2).min(clocks.len());
        clocks.get(reached_by.wrapping_sub(1)).copied().unwrap_or(EventTime::MIN)
    }

    /// True for MIN only: no frame has been seen.
    pub fn is_unset(self) -> bool {
        self == EventTime::MIN
    }
}

/// Where the time of receipt comes from. An argument everywhere, so that tests and replays choose it.
pub trait Clock: Send + Sync {
    fn now(&self) -> EventTime;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now(&self) -> EventTime {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        EventTime(since.as_micros() as i64)
    }
}

/// Time since some fixed moment, for measuring durations only; never part of any output row.
#[allow(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
pub fn monotonic_now() -> std::time::Instant {
    std::time::Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_of_a_time_before_1970_is_the_day_it_falls_in() {
        assert_eq!(EventTime(-1).date(), -1);
        assert_eq!(EventTime(0).date(), 0);
        assert_eq!(EventTime(DAY_US - 1).date(), 0);
    }

    #[test]
    fn durations_are_a_whole_number_and_a_unit() {
        let hour = 3_600 * SECOND_US;
        for (text, us) in
            [("500ms", 500_000), ("10s", 10 * SECOND_US), ("5m", hour / 12), ("2h", 2 * hour), ("1d", DAY_US)]
        {
            assert_eq!(duration(text), Some(us));
            assert_eq!(duration_text(us), text);
        }
        for text in ["", "10", "s", "-1s", "1.5h", "10 s", "5min", "99999999999999d"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn ends_of_time_stay_where_they_are() {
        assert_eq!(EventTime::MIN.minus(5), EventTime::MIN);
        assert_eq!(EventTime::MAX.minus(5), EventTime::MAX);
    }
}
