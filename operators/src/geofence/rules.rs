//! What holds at a zone: the pipeline's settings, and those that the zone's properties set in their place.

use super::schedule::{self, Schedule};
use glob::Pattern;
use jiff::tz::TimeZone;
use rhumb_engine::time::duration;
use rhumb_geofence::Zone;
use serde_json::{Map, Value};
use std::sync::Arc;

/// When a change of side counts, and what else is watched.
#[derive(Debug, Clone, PartialEq)]
pub struct ZoneRules {
    /// A vehicle inside counts as inside until it is farther outside than this.
    pub exit_buffer_m: f64,
    /// A change of side counts once so many frames have shown it,
    pub confirm_frames: u32,
    /// and once there is so much time between the first and the last of them.
    pub confirm_us: i64,
    /// A fix that its device calls worse changes no side. Infinite: none does.
    pub accuracy_max_m: f32,
    /// Inside for so long is a `dwell`.
    pub dwell_us: Option<i64>,
    /// Faster than this,
    pub speed_limit_mps: Option<f32>,
    /// for at least so long, is an `overspeed`.
    pub speed_limit_us: i64,
    /// Vehicles and groups that the zone is for; both empty: all.
    pub vehicles: Vec<Pattern>,
    pub groups: Vec<Pattern>,
    pub schedule: Schedule,
}

impl ZoneRules {
    /// Geometry alone: what the positions say, at once.
    pub fn plain() -> ZoneRules {
        ZoneRules {
            exit_buffer_m: 0.0,
            confirm_frames: 1,
            confirm_us: 0,
            accuracy_max_m: f32::INFINITY,
            dwell_us: None,
            speed_limit_mps: None,
            speed_limit_us: 0,
            vehicles: Vec::new(),
            groups: Vec::new(),
            schedule: Schedule::always(),
        }
    }

    /// These, with what the zone's properties set. All that is wrong with them at once, each a sentence.
    pub fn of_zone(&self, zone: &Zone) -> Result<ZoneRules, Vec<String>> {
        let mut rules = self.clone();
        let mut wrong = Vec::new();
        let mut read = Properties { of: &zone.attributes, wrong: &mut wrong };
        read.number("exit_buffer_m", 0.0..=EXIT_BUFFER_MAX_M, |m| rules.exit_buffer_m = m);
        read.number("confirm_frames", 1.0..=CONFIRM_FRAMES_MAX, |n| rules.confirm_frames = n as u32);
        read.number("accuracy_max_m", f64::MIN_POSITIVE..=1e9, |m| rules.accuracy_max_m = m as f32);
        read.text("confirm_for", DURATION, duration, |us| rules.confirm_us = us);
        read.confirm(&mut rules);
        read.text("dwell", DURATION, |text| duration(text).filter(|us| *us > 0), |us| rules.dwell_us = Some(us));
        read.text("speed_limit", SPEED, speed, |mps| rules.speed_limit_mps = Some(mps));
        read.text("speed_limit_for", DURATION, duration, |us| rules.speed_limit_us = us);
        read.patterns("vehicles", |patterns| rules.vehicles = patterns);
        read.patterns("groups", |patterns| rules.groups = patterns);
        read.text("time_zone", "a time zone such as \"Europe/Rome\"", time_zone, |zone| {
            rules.schedule.time_zone = zone;
        });
        let zone = rules.schedule.time_zone.clone();
        read.hours("schedule", |hours| rules.schedule.hours = hours);
        let moment = |text: &str| schedule::moment(text, &zone);
        read.text("valid_from", MOMENT, moment, |at| rules.schedule.valid_from = Some(at));
        read.text("valid_until", MOMENT, moment, |at| rules.schedule.valid_until = Some(at));
        if let (Some(from), Some(until)) = (rules.schedule.valid_from, rules.schedule.valid_until)
            && from >= until
        {
            wrong.push("valid_until is not after valid_from: the zone would never be in force".to_owned());
        }
        if wrong.is_empty() { Ok(rules) } else { Err(wrong) }
    }

    /// Whether the zone is for this vehicle.
    pub fn apply_to(&self, vehicle: &str, group: Option<&str>) -> bool {
        self.vehicles.is_empty() && self.groups.is_empty()
            || self.vehicles.iter().any(|pattern| pattern.matches(vehicle))
            || group.is_some_and(|group| self.groups.iter().any(|pattern| pattern.matches(group)))
    }
}

/// The rules of all zones, by ordinal. Few zones differ from the others, so that those that matter stay at hand.
#[derive(Debug, Clone)]
pub struct RulesByZone {
    different: Arc<[ZoneRules]>,
    of: Arc<[u32]>,
    /// Some zone tells a `dwell`.
    dwells: bool,
    /// Some zone looks at frames whose zones are those of the frame before: at the time or at the speed.
    watches: bool,
    /// The different `accuracy_max_m`, ascending, without infinity.
    accuracies_m: Arc<[f32]>,
}

impl RulesByZone {
    pub fn len(&self) -> usize {
        self.of.len()
    }

    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    pub fn dwells(&self) -> bool {
        self.dwells
    }

    pub fn watches(&self) -> bool {
        self.watches
    }

    pub fn accuracies_m(&self) -> &[f32] {
        &self.accuracies_m
    }

    pub fn iter(&self) -> impl Iterator<Item = &ZoneRules> {
        self.of.iter().map(|place| &self.different[*place as usize])
    }
}

impl From<Vec<ZoneRules>> for RulesByZone {
    fn from(rules: Vec<ZoneRules>) -> RulesByZone {
        rules.into_iter().collect()
    }
}

impl FromIterator<ZoneRules> for RulesByZone {
    fn from_iter<I: IntoIterator<Item = ZoneRules>>(rules: I) -> RulesByZone {
        /// So many are looked through for each zone.
        const SHARED_MAX: usize = 64;
        let mut different: Vec<ZoneRules> = Vec::new();
        let place = |rules: ZoneRules| {
            let known = different.iter().rev().take(SHARED_MAX).position(|known| *known == rules);
            let place = known.map_or(different.len(), |back| different.len() - 1 - back);
            if known.is_none() {
                different.push(rules);
            }
            place as u32
        };
        let of = rules.into_iter().map(place).collect();
        let dwells = different.iter().any(|rules| rules.dwell_us.is_some());
        let watches = |rules: &ZoneRules| rules.speed_limit_mps.is_some() || !rules.schedule.is_always();
        let watches = dwells || different.iter().any(watches);
        let mut accuracies_m: Vec<f32> =
            different.iter().map(|rules| rules.accuracy_max_m).filter(|m| m.is_finite()).collect();
        accuracies_m.sort_unstable_by(f32::total_cmp);
        accuracies_m.dedup();
        RulesByZone { of, dwells, watches, accuracies_m: accuracies_m.into(), different: different.into() }
    }
}

impl std::ops::Index<usize> for RulesByZone {
    type Output = ZoneRules;

    #[inline]
    fn index(&self, zone: usize) -> &ZoneRules {
        &self.different[self.of[zone] as usize]
    }
}

/// Properties of a zone that set something, as `of_zone` reads them; all others are the zone's own.
pub const SETTINGS: [&str; 13] = [
    "accuracy_max_m",
    "confirm_for",
    "confirm_frames",
    "dwell",
    "exit_buffer_m",
    "groups",
    "schedule",
    "speed_limit",
    "speed_limit_for",
    "time_zone",
    "valid_from",
    "valid_until",
    "vehicles",
];

/// Farther than this the distance to a border is not measured well.
pub const EXIT_BUFFER_MAX_M: f64 = 10_000.0;
pub const CONFIRM_FRAMES_MAX: f64 = 1_000.0;

const DURATION: &str = "a duration such as \"30s\" or \"5m\"";
const SPEED: &str = "a speed with its unit such as \"50 km/h\", \"30 mph\", \"14 m/s\" or \"20 knots\"";
const MOMENT: &str = "a date and time such as \"2024-03-08T08:00:00+01:00\" or \"2024-03-08\"";

/// Reads properties that are there, noting what is wrong with them.
struct Properties<'a> {
    of: &'a Map<String, Value>,
    wrong: &'a mut Vec<String>,
}

impl Properties<'_> {
    fn given(&self, name: &str) -> Option<&Value> {
        self.of.get(name).filter(|value| !value.is_null())
    }

    fn refuse(&mut self, name: &str, expected: &str) {
        let found = self.given(name).map_or(String::new(), Value::to_string);
        self.wrong.push(format!("{name} is {found}: write {expected}"));
    }

    fn number(&mut self, name: &str, range: std::ops::RangeInclusive<f64>, mut take: impl FnMut(f64)) {
        let Some(value) = self.given(name) else { return };
        match value.as_f64().filter(|n| range.contains(n)) {
            Some(number) => take(number),
            None if *range.start() < 1e-300 && *range.start() > 0.0 => {
                self.refuse(name, &format!("a number greater than 0 and at most {}", range.end()));
            }
            None => self.refuse(name, &format!("a number from {} to {}", range.start(), range.end())),
        }
    }

    fn text<T>(&mut self, name: &str, expected: &str, read: impl Fn(&str) -> Option<T>, mut take: impl FnMut(T)) {
        let Some(value) = self.given(name) else { return };
        match value.as_str().and_then(read) {
            Some(value) => take(value),
            None => self.refuse(name, expected),
        }
    }

    fn texts(&self, name: &str) -> Option<Option<Vec<&str>>> {
        match self.given(name)? {
            Value::String(text) => Some(Some(vec![text])),
            Value::Array(list) => Some(list.iter().map(Value::as_str).collect()),
            _ => Some(None),
        }
    }

    /// `confirm` says `confirm_frames` or `confirm_for`, as its type has it.
    fn confirm(&mut self, rules: &mut ZoneRules) {
        let meant = match self.given("confirm") {
            None => return,
            Some(Value::Number(_)) => "confirm_frames",
            Some(_) => "confirm_for",
        };
        if self.given(meant).is_some() {
            self.wrong.push(format!("confirm and {meant} say the same thing: leave one of them out"));
        } else if meant == "confirm_frames" {
            self.number("confirm", 1.0..=CONFIRM_FRAMES_MAX, |n| rules.confirm_frames = n as u32);
        } else {
            let expected = "a number of frames such as 2, or a duration such as \"30s\"";
            self.text("confirm", expected, duration, |us| rules.confirm_us = us);
        }
    }

    fn patterns(&mut self, name: &str, mut take: impl FnMut(Vec<Pattern>)) {
        let Some(texts) = self.texts(name) else { return };
        match texts.and_then(|texts| texts.iter().map(|text| Pattern::new(text).ok()).collect()) {
            Some(patterns) => take(patterns),
            None => self.refuse(name, "a pattern such as \"bus-*\", or a list of them"),
        }
    }

    fn hours(&mut self, name: &str, mut take: impl FnMut(Vec<schedule::Hours>)) {
        let Some(texts) = self.texts(name) else { return };
        match texts.and_then(|texts| texts.iter().map(|text| schedule::hours(text)).collect::<Option<Vec<_>>>()) {
            Some(hours) => take(hours.concat()),
            None => self.refuse(name, "hours such as \"Mon-Fri 08:00-18:00, Sat 09:00-12:00\""),
        }
    }
}

/// Metres a second in `"50 km/h"`, `"30 mph"`, `"14 m/s"`, `"20 knots"`.
pub fn speed(text: &str) -> Option<f32> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let of = match text[end..].trim() {
        "km/h" => 1.0 / 3.6,
        "mph" => 0.44704,
        "m/s" => 1.0,
        "knots" => 1852.0 / 3600.0,
        _ => return None,
    };
    text[..end].parse::<f64>().ok().map(|number| (number * of) as f32).filter(|mps| *mps > 0.0)
}

/// A time zone of the IANA's list.
pub fn time_zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confirm_is_of_frames_or_of_time() {
        let check = |properties: &str| -> Result<(u32, i64), Vec<String>> {
            let text = format!(
                r#"{{"type":"Feature","id":"yard","properties":{properties},"geometry":{{"type":"Polygon",
                "coordinates":[[[0,0],[1,0],[1,1],[0,0]]]}}}}"#
            );
            let zones = rhumb_geofence::Zones::from_geojson(&text, &Default::default()).expect("a zone").0;
            let rules = ZoneRules::plain().of_zone(zones.zone(0))?;
            Ok((rules.confirm_frames, rules.confirm_us))
        };
        for (properties, means) in [
            (r#"{"confirm": 2}"#, (2, 0)),
            (r#"{"confirm": "10s"}"#, (1, 10_000_000)),
            (r#"{"confirm": 3, "confirm_for": "1m"}"#, (3, 60_000_000)),
            (r#"{"confirm": "1m", "confirm_frames": 3}"#, (3, 60_000_000)),
            (r#"{"confirm": null}"#, (1, 0)),
        ] {
            assert_eq!(check(properties), Ok(means), "{properties}");
        }
        for (properties, wrong) in [
            (r#"{"confirm": 0}"#, "confirm is 0: write a number from 1 to 1000"),
            (
                r#"{"confirm": "2"}"#,
                "confirm is \"2\": write a number of frames such as 2, or a duration such as \"30s\"",
            ),
            (
                r#"{"confirm": true}"#,
                "confirm is true: write a number of frames such as 2, or a duration such as \"30s\"",
            ),
            (
                r#"{"confirm": 2, "confirm_frames": 2}"#,
                "confirm and confirm_frames say the same thing: leave one of them out",
            ),
        ] {
            assert_eq!(check(properties), Err(vec![wrong.to_owned()]), "{properties}");
        }
    }

    #[test]
    fn speeds_have_units() {
        for (text, mps) in [("50 km/h", 13.888889), ("30mph", 13.4112), ("14 m/s", 14.0), ("20 knots", 10.288889)] {
            assert_eq!(speed(text), Some(mps), "{text}");
        }
        for text in ["", "50", "km/h", "0 km/h", "-1 m/s", "50 kmh"] {
            assert_eq!(speed(text), None, "{text}");
        }
    }
}
