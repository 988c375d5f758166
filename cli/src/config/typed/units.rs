//! Fields that were typed in another unit than they take: `speed_max_kmh = 120`, `speed_max_mps = "120 km/h"`.

use crate::config::describe::{Field, Kind, Section};
use crate::config::value::{SECOND, duration_text};
use toml::de::DeValue;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    Speed,
    Length,
    Time,
}

/// As the end of a name, as it is written after a number, and how many m/s, m or s it is.
static UNITS: [(&str, &str, Measure, f64); 20] = [
    ("kmh", "km/h", Measure::Speed, 1.0 / 3.6),
    ("kph", "km/h", Measure::Speed, 1.0 / 3.6),
    ("mph", "mph", Measure::Speed, 0.44704),
    ("knots", "knots", Measure::Speed, 1852.0 / 3600.0),
    ("kn", "knots", Measure::Speed, 1852.0 / 3600.0),
    ("mps", "m/s", Measure::Speed, 1.0),
    ("km", "km", Measure::Length, 1000.0),
    ("ft", "ft", Measure::Length, 0.3048),
    ("feet", "ft", Measure::Length, 0.3048),
    ("miles", "miles", Measure::Length, 1609.344),
    ("m", "m", Measure::Length, 1.0),
    ("ms", "ms", Measure::Time, 0.001),
    ("s", "s", Measure::Time, 1.0),
    ("sec", "s", Measure::Time, 1.0),
    ("seconds", "s", Measure::Time, 1.0),
    ("min", "m", Measure::Time, 60.0),
    ("minutes", "m", Measure::Time, 60.0),
    ("h", "h", Measure::Time, 3600.0),
    ("hours", "h", Measure::Time, 3600.0),
    ("days", "d", Measure::Time, 86_400.0),
];

type Unit = (&'static str, &'static str, Measure, f64);

/// The field of a section that a name means in another unit, and what to write in its own.
pub fn meant(section: &Section, name: &str, value: &DeValue) -> Option<(&'static Field, String)> {
    let unit_of = |end: &str| UNITS.iter().find(|(suffix, ..)| *suffix == end);
    // `speed_max_kmh = 120`, or `speed_max = "120 km/h"`.
    let ended = name.rsplit_once('_').and_then(|(stem, end)| Some((stem, unit_of(end)?, number(value))));
    let (stem, unit, number) = match ended {
        Some(ended) => ended,
        None => quantity(value).map(|(number, unit)| (name, unit, Some(number)))?,
    };
    let field = section.fields.iter().find(|field| stem_of(field) == stem && measure(field) == Some(unit.2))?;
    Some((field, advice(field, number, unit)?))
}

/// What to write for a text such as "120 km/h" in a field that takes a plain number of its own unit.
pub fn converted(field: &Field, value: &DeValue) -> Option<String> {
    let (number, unit) = quantity(value)?;
    if measure(field) == Some(unit.2) { advice(field, Some(number), unit) } else { None }
}

/// A field's name without its unit.
fn stem_of(field: &Field) -> &'static str {
    ["_mps", "_m"].iter().find_map(|unit| field.name.strip_suffix(unit)).unwrap_or(field.name)
}

fn measure(field: &Field) -> Option<Measure> {
    match (field.kind, field.unit) {
        (Kind::Number { .. } | Kind::Amount { .. }, "m/s") => Some(Measure::Speed),
        (Kind::Number { .. } | Kind::Amount { .. }, "m") => Some(Measure::Length),
        (Kind::Duration { .. }, _) => Some(Measure::Time),
        (Kind::Text, _) if field.name == "speed_limit" => Some(Measure::Speed),
        _ => None,
    }
}

fn number(value: &DeValue) -> Option<f64> {
    match value {
        DeValue::Integer(number) => number.as_str().parse().ok(),
        DeValue::Float(number) => number.as_str().parse().ok(),
        DeValue::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn quantity(value: &DeValue) -> Option<(f64, &'static Unit)> {
    let text = value.as_str()?.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(digits);
    let unit = UNITS.iter().find(|(suffix, written, ..)| [*suffix, *written].contains(&unit.trim()))?;
    Some((number.parse().ok()?, unit))
}

fn advice(field: &Field, number: Option<f64>, unit: &Unit) -> Option<String> {
    let (name, (_, written, _, factor)) = (field.name, unit);
    Some(match (field.kind, number) {
        (Kind::Text, Some(number)) => format!("write {name} = \"{number} {written}\""),
        (Kind::Text, None) => format!("write {name}, as {}", field.example),
        (Kind::Duration { .. }, Some(number)) => {
            let us = (number * factor * SECOND as f64).round();
            (1.0..1e18).contains(&us).then(|| format!("write {name} = \"{}\"", duration_text(us as i64)))?
        }
        (Kind::Duration { .. }, None) => format!("write {name}, as {}", field.example),
        (_, Some(number)) => {
            let own = rounded(number * factor);
            format!("write {name} = {own}, which is {number} {written} in {}", field.unit)
        }
        (_, None) => format!("write {name}, in {}: 1 {written} is {} {}", field.unit, rounded(*factor), field.unit),
    })
}

/// To three decimals, without zeros at the end.
fn rounded(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::describe::OPERATOR;

    #[track_caller]
    fn check(kind: &str, name: &str, value: &str, expected: Option<&str>) {
        let section = OPERATOR.kinds.iter().find(|section| section.key() == kind).expect("a kind");
        let value = DeValue::parse(value).expect("TOML");
        assert_eq!(meant(section, name, value.get_ref()).map(|(_, advice)| advice).as_deref(), expected);
    }

    #[test]
    fn name_with_another_unit_is_converted() {
        check("validate", "speed_max_kmh", "120", Some("write speed_max_mps = 33.333, which is 120 km/h in m/s"));
        check("validate", "speed_max_mph", "60.5", Some("write speed_max_mps = 27.046, which is 60.5 mph in m/s"));
        check("validate", "speed_max_kmh", "true", Some("write speed_max_mps, in m/s: 1 km/h is 0.278 m/s"));
        check("validate", "speed_max", "\"120 km/h\"", Some("write speed_max_mps = 33.333, which is 120 km/h in m/s"));
        check("validate", "distance_min_km", "0.2", Some("write distance_min_m = 200, which is 0.2 km in m"));
        check("validate", "past_max_days", "30", Some("write past_max = \"30d\""));
        check("validate", "period_min_s", "5", Some("write period_min = \"5s\""));
        check("geofence", "speed_limit_kmh", "50", Some("write speed_limit = \"50 km/h\""));
        check("geofence", "dwell_minutes", "5", Some("write dwell = \"5m\""));
        check("validate", "speed_max_km", "120", None);
        check("validate", "colour", "120", None);
    }
}
