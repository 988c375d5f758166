//! What the sentences of one instant say together, and which day it was.

use super::sentence::Said;
use rhumb_engine::frame::Frame;
use rhumb_engine::time::{DAY_US, EventTime};

/// One moment of one vehicle.
#[derive(Debug, Clone, PartialEq)]
pub struct Instant {
    /// Microseconds since midnight.
    pub time: i64,
    /// Days since 1970, as its own sentences tell.
    pub date: Option<i32>,
    /// The day by what is known otherwise.
    pub near: Option<i32>,
    pub said: Said,
    /// Where there are several; else all are of the stream's.
    pub vehicle: Option<String>,
}

impl Instant {
    #[inline]
    pub fn day(&self) -> Option<i32> {
        self.date.or(self.near)
    }

    /// Takes in what another of its sentences says. The position is that with the most digits; any sentence can say
    /// that there is no fix; of the rest the first one counts, and of several counts of satellites the greatest.
    #[inline]
    pub fn merge(&mut self, other: Said) {
        let said = &mut self.said;
        let finer = |fix: &super::sentence::Fix| said.fix.is_none_or(|mine| fix.digits > mine.digits);
        if let Some(fix) = other.fix.filter(finer) {
            said.fix = Some(fix);
        }
        said.valid = match (said.valid, other.valid) {
            (Some(mine), Some(other)) => Some(mine && other),
            (mine, other) => mine.or(other),
        };
        said.altitude_m = said.altitude_m.or(other.altitude_m);
        said.speed_mps = said.speed_mps.or(other.speed_mps);
        said.heading_deg = said.heading_deg.or(other.heading_deg);
        said.hdop = said.hdop.or(other.hdop);
        said.satellites = said.satellites.max(other.satellites);
    }

    /// The frame, if there is a position.
    #[inline]
    pub fn frame<'a>(&self, date: i32, vehicle: &'a str) -> Option<Frame<'a>> {
        let Said { fix, valid, altitude_m, speed_mps, heading_deg, hdop, satellites } = self.said;
        let fix = fix?;
        Some(Frame {
            vehicle,
            event_time: EventTime(i64::from(date) * DAY_US + self.time),
            lat: fix.lat,
            lon: fix.lon,
            altitude_m,
            speed_mps,
            heading_deg,
            hdop,
            satellites,
            no_fix: valid == Some(false),
            ..Frame::default()
        })
    }
}

/// The day on which `time` of day is nearest to a known moment: within half a day of it.
pub fn nearest_day((date, at): (i32, i64), time: i64) -> i32 {
    match time - at {
        ahead if ahead > DAY_US / 2 => date - 1,
        ahead if ahead < -DAY_US / 2 => date + 1,
        _ => date,
    }
}

/// Day and time of day of a moment.
pub fn split(moment: EventTime) -> (i32, i64) {
    (moment.date(), moment.0.rem_euclid(DAY_US))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn day_changes_at_midnight_in_both_directions() {
        let hours = |h: i64| h * 3_600_000_000;
        let check = |at, time, want| assert_eq!(nearest_day((100, hours(at)), hours(time)), want, "{at} {time}");
        check(23, 0, 101);
        check(0, 23, 99);
        check(23, 22, 100);
        check(1, 13, 100);
        check(13, 0, 101);
        assert_eq!(split(EventTime(-1)), (-1, DAY_US - 1));
    }
}
