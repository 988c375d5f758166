//! When a zone is in force: hours of the week in its time zone, and from when until when at all.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Hours of the week and validity. Without either, always.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    pub time_zone: TimeZone,
    /// Empty: all hours.
    pub hours: Vec<Hours>,
    /// Microseconds since 1970.
    pub valid_from: Option<i64>,
    pub valid_until: Option<i64>,
}

/// From a time of some days until another, which is of the day after if it is not later.
#[derive(Debug, Clone, PartialEq)]
pub struct Hours {
    /// Monday first.
    pub days: [bool; 7],
    pub from_minute: u16,
    pub until_minute: u16,
}

/// A stretch of time in which a zone is in force all along, or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    pub open: bool,
    /// When it began; `i64::MIN` if that is more than a week ago.
    pub since: i64,
    /// Until then it surely lasts.
    pub until: i64,
}

/// Days before and after a moment whose hours are looked at.
const DAYS_AROUND: i64 = 8;
const DAY_MINUTES: u16 = 24 * 60;

impl Schedule {
    pub fn always() -> Schedule {
        Schedule { time_zone: TimeZone::UTC, hours: Vec::new(), valid_from: None, valid_until: None }
    }

    #[inline]
    pub fn is_always(&self) -> bool {
        self.hours.is_empty() && self.valid_from.is_none() && self.valid_until.is_none()
    }

    /// The stretch that `time` (microseconds since 1970) is in.
    pub fn at(&self, time: i64) -> Stretch {
        if self.is_always() {
            return Stretch { open: true, since: i64::MIN, until: i64::MAX };
        }
        let mut open = match self.hours.is_empty() {
            true => vec![(i64::MIN, i64::MAX)],
            false => self.open_around(time),
        };
        let (from, until) = (self.valid_from.unwrap_or(i64::MIN), self.valid_until.unwrap_or(i64::MAX));
        open.iter_mut().for_each(|(start, end)| (*start, *end) = ((*start).max(from), (*end).min(until)));
        open.retain(|(start, end)| start < end);
        let around = |days: i64| {
            if self.hours.is_empty() { days.signum().saturating_mul(i64::MAX) } else { time + days * DAY_US }
        };
        match open.iter().find(|(start, end)| (*start..*end).contains(&time)) {
            Some((since, until)) => Stretch { open: true, since: *since, until: *until },
            None => Stretch {
                open: false,
                since: open.iter().map(|(_, end)| *end).filter(|end| *end <= time).max().unwrap_or(i64::MIN),
                until: open
                    .iter()
                    .map(|(start, _)| *start)
                    .filter(|s| *s > time)
                    .min()
                    .unwrap_or(around(DAYS_AROUND - 1)),
            },
        }
    }

    /// The open stretches of the days around, those that touch joined, ascending.
    fn open_around(&self, time: i64) -> Vec<(i64, i64)> {
        let Ok(now) = Timestamp::from_microsecond(time) else { return Vec::new() };
        let today = now.to_zoned(self.time_zone.clone()).date();
        let mut open: Vec<(i64, i64)> = Vec::new();
        for days in -DAYS_AROUND..=DAYS_AROUND {
            let Ok(date) = today.checked_add(days.days()) else { continue };
            for hours in self.hours.iter().filter(|hours| hours.days[weekday(date)]) {
                let over_night = i64::from(hours.until_minute <= hours.from_minute);
                let start = self.instant(date, hours.from_minute);
                let end = date.checked_add(over_night.days()).ok().and_then(|d| self.instant(d, hours.until_minute));
                open.extend(start.zip(end));
            }
        }
        open.sort_unstable();
        let mut joined: Vec<(i64, i64)> = Vec::new();
        for (start, end) in open {
            match joined.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => joined.push((start, end)),
            }
        }
        joined
    }

    /// A local time as an instant. One that a change of the clocks leaves out is taken as that much later, one that
    /// comes twice as its first.
    fn instant(&self, date: Date, minute: u16) -> Option<i64> {
        let days = i64::from(minute / DAY_MINUTES);
        let minute = minute % DAY_MINUTES;
        let time = Time::new((minute / 60) as i8, (minute % 60) as i8, 0, 0).ok()?;
        let local = date.checked_add(days.days()).ok()?.to_datetime(time);
        self.time_zone.to_ambiguous_timestamp(local).compatible().ok().map(|at| at.as_microsecond())
    }
}

const DAY_US: i64 = 86_400_000_000;

fn weekday(date: Date) -> usize {
    date.weekday().to_monday_zero_offset() as usize
}

/// `"Mon-Fri 08:00-18:00"`, `"Sat 22:00-06:00"`, `"08:00-18:00"`; several are separated by commas.
pub fn hours(text: &str) -> Option<Vec<Hours>> {
    text.split(',').map(|part| one(part.trim())).collect()
}

fn one(text: &str) -> Option<Hours> {
    let (days, times) = match text.split_once(' ') {
        Some((days, times)) => (days_of(days)?, times.trim()),
        None => ([true; 7], text),
    };
    let (from, until) = times.split_once('-')?;
    let (from_minute, until_minute) = (minute(from)?, minute(until)?);
    (from_minute < DAY_MINUTES && until_minute > 0).then_some(Hours { days, from_minute, until_minute })
}

fn days_of(text: &str) -> Option<[bool; 7]> {
    let day = |name: &str| {
        let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        names.iter().position(|known| name.eq_ignore_ascii_case(known))
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (day(first)?, day(last)?);
    let mut days = [false; 7];
    let mut at = first;
    loop {
        days[at] = true;
        if at == last {
            return Some(days);
        }
        at = (at + 1) % 7;
    }
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let two = |text: &str| (text.len() == 2).then(|| text.parse::<u16>().ok()).flatten();
    let (hour, minute) = (two(hour)?, two(minute)?);
    (minute < 60 && hour * 60 + minute <= DAY_MINUTES).then_some(hour * 60 + minute)
}

/// RFC 3339, or a local date and time (or date) of the time zone.
pub fn moment(text: &str, time_zone: &TimeZone) -> Option<i64> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at.as_microsecond());
    }
    let local: jiff::civil::DateTime = text.parse().ok().or_else(|| Some(text.parse::<Date>().ok()?.at(0, 0, 0, 0)))?;
    time_zone.to_ambiguous_timestamp(local).compatible().ok().map(|at| at.as_microsecond())
}

/// The same in UTC.
pub fn utc(text: &str) -> Option<i64> {
    moment(text, &TimeZone::UTC)
}

/// As RFC 3339 in UTC.
pub fn text_of(time: i64) -> String {
    Timestamp::from_microsecond(time).map_or_else(|_| format!("{time} us"), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(text: &str, zone: &str) -> Schedule {
        let time_zone = TimeZone::get(zone).expect("a time zone");
        Schedule { time_zone, hours: hours(text).expect("hours"), ..Schedule::always() }
    }

    fn at(text: &str) -> i64 {
        moment(text, &TimeZone::UTC).expect("a time")
    }

    fn check(text: &str, zone: &str, time: &str, open: bool, since: &str, until: &str) {
        let stretch = schedule(text, zone).at(at(time));
        assert_eq!(stretch, Stretch { open, since: at(since), until: at(until) }, "{text} at {time}");
    }

    #[test]
    fn hours_are_those_of_the_time_zone() {
        let office = "Mon-Fri 08:00-18:00";
        // 2024-03-08 was a Friday; on 2024-03-10 clocks in Texas went forward.
        check(office, "America/Chicago", "2024-03-08T15:00:00Z", true, "2024-03-08T14:00:00Z", "2024-03-09T00:00:00Z");
        check(office, "America/Chicago", "2024-03-10T15:00:00Z", false, "2024-03-09T00:00:00Z", "2024-03-11T13:00:00Z");
        check("22:00-06:00", "UTC", "2024-03-08T23:00:00Z", true, "2024-03-08T22:00:00Z", "2024-03-09T06:00:00Z");
        check(
            "Sat 22:00-24:00, Sun 00:00-02:00",
            "UTC",
            "2024-03-10T01:00:00Z",
            true,
            "2024-03-09T22:00:00Z",
            "2024-03-10T02:00:00Z",
        );
    }

    #[test]
    fn validity_cuts_hours() {
        let mut cut = schedule("08:00-18:00", "UTC");
        cut.valid_from = Some(at("2024-03-08T10:00:00Z"));
        let stretch = cut.at(at("2024-03-08T09:00:00Z"));
        assert_eq!((stretch.open, stretch.until), (false, at("2024-03-08T10:00:00Z")));
        let only = Schedule { valid_until: Some(at("2024-03-08")), ..Schedule::always() };
        assert_eq!(only.at(0), Stretch { open: true, since: i64::MIN, until: at("2024-03-08") });
        assert_eq!(only.at(i64::MAX - 1), Stretch { open: false, since: at("2024-03-08"), until: i64::MAX });
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in [
            "",
            "Mon",
            "Mon-Fri",
            "8:00-18:00",
            "25:00-26:00",
            "Foo 08:00-10:00",
            "08:00",
            "24:00-08:00",
            "08:00-00:00x",
        ] {
            assert_eq!(hours(text), None, "{text}");
        }
    }
}
