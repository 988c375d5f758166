//! Properties of zones that are nearly the name of a setting, and so do nothing that their writer meant.

use rhumb_geofence::{Zone, Zones};
use rhumb_operators::geofence::rules::SETTINGS;
use std::collections::HashMap;

/// What is to be said of each zone, by ordinal.
pub fn misspelt_settings<'a>(zones: &'a Zones) -> Vec<(usize, String)> {
    // The zones of a file mostly have the same properties.
    let mut known: HashMap<&str, Option<&'static str>> = HashMap::new();
    let mut of = |(number, zone): (usize, &'a Zone)| {
        let mut meant = |name: &'a String| *known.entry(name).or_insert_with(|| setting(name));
        let names: Vec<_> = zone.attributes.keys().filter_map(|name| Some((name, meant(name)?))).collect();
        let told = names.into_iter().filter(|(_, meant)| !zone.attributes.contains_key(*meant));
        told.map(|(name, meant)| (number, format!("property {name:?} sets nothing; did you mean {meant:?}?"))).collect()
    };
    zones.iter().enumerate().flat_map(|zone| -> Vec<_> { of(zone) }).collect()
}

/// The setting that a name was probably meant for; `None` for a setting itself and for names of other things.
fn setting(name: &str) -> Option<&'static str> {
    if SETTINGS.contains(&name) || OF_SHAPES.contains(&name) {
        return None;
    }
    let plain =
        |text: &str| -> String { text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase() };
    let word = plain(name);
    // Short words are near to too many others.
    let allowed = |setting: &str| (plain(setting).len() / 5).min(2);
    let far = |setting: &&str| strsim::damerau_levenshtein(&word, &plain(setting));
    let near = SETTINGS.into_iter().filter(|setting| far(setting) <= allowed(setting));
    // With another unit or none at its end: `exit_buffer`, `speed_limit_kmh`.
    let unit =
        |setting: &str| UNITS.iter().any(|unit| word == format!("{}{unit}", plain(setting.trim_end_matches("_m"))));
    near.min_by_key(far).or_else(|| SETTINGS.into_iter().find(|setting| unit(setting)))
}

/// Without these a point or a line is no zone, which is told; to a polygon they mean nothing.
const OF_SHAPES: [&str; 2] = ["radius_m", "buffer_m"];

const UNITS: [&str; 10] = ["", "m", "km", "ft", "kmh", "kph", "mph", "mps", "s", "min"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_nearly_settings_are_told_and_others_are_free() {
        for (name, meant) in [
            ("exit_bufer_m", "exit_buffer_m"),
            ("exitBufferM", "exit_buffer_m"),
            ("exit_buffer", "exit_buffer_m"),
            ("speed_limt", "speed_limit"),
            ("speed_limit_kmh", "speed_limit"),
            ("SPEED_LIMIT", "speed_limit"),
            ("timezone", "time_zone"),
            ("shedule", "schedule"),
            ("group", "groups"),
            ("dwel", "dwell"),
        ] {
            assert_eq!(setting(name), Some(meant), "{name}");
        }
        for name in
            ["speed_limit", "name", "radius", "buffer", "radius_m", "gruppe", "valid", "speed", "cartodb_id", "time"]
        {
            assert_eq!(setting(name), None, "{name}");
        }
    }
}
