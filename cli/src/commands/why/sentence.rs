//! What one frame means at a zone, in words.

use super::path::Frame;
use rhumb_operators::geofence::schedule::text_of;
use rhumb_operators::geofence::why::Why;
use rhumb_operators::geofence::{GeofenceConfig, ZoneRules};

pub fn sentence(why: &Why, frame: &Frame, config: &GeofenceConfig, zone: u32) -> String {
    let rules = &config.rules[zone as usize];
    let mut parts = vec![match why.holds {
        true => format!("inside, {:.1} m from the border", why.border_m),
        false => format!("{:.1} m outside", why.border_m),
    }];
    let mut say = |on: bool, text: &dyn Fn() -> String| parts.extend(on.then(text));
    say(!why.trusted, &|| {
        let accuracy_m = frame.recorded.accuracy_m.unwrap_or(f32::NAN);
        format!("accuracy {accuracy_m} m is worse than {} m: changes nothing", rules.accuracy_max_m)
    });
    say(!why.in_force, &|| "the zone is not in force".to_owned());
    let held = !why.holds && why.since.is_some() && why.border_m <= rules.exit_buffer_m;
    say(held, &|| format!("within the buffer of {} m", rules.exit_buffer_m));
    if let Some((frames, us)) = why.pending {
        let (wanted, wanted_s) = (rules.confirm_frames, rules.confirm_us as f64 / 1e6);
        say(true, &|| format!("not confirmed: {frames} of {wanted} frames, {:.0} of {wanted_s:.0} s", us as f64 / 1e6));
    }
    if let Some(since) = why.since {
        say(true, &|| format!("counts as inside since {}", text_of(since)));
        let dwell = rules.dwell_us.map(|dwell| format!("dwell: {}", so_far(frame.recorded.time - since, dwell)));
        say(dwell.is_some(), &|| dwell.clone().unwrap_or_default());
    }
    say(rules.speed_limit_mps.is_some(), &|| speed(why, rules));
    for (kind, reason, at) in &why.told {
        let told = if config.alerts.contains(kind) { "" } else { ", which alerts does not name" };
        let reason = reason.name().map_or(String::new(), |reason| format!(" ({reason})"));
        say(true, &|| format!("{}{reason} at {}{told}", kind.name(), text_of(*at)));
    }
    parts.join("; ")
}

fn speed(why: &Why, rules: &ZoneRules) -> String {
    let Some(mps) = why.speed_mps else { return "speed not known".to_owned() };
    let limit = rules.speed_limit_mps.unwrap_or(f32::INFINITY);
    let over = why.speeding_us.map(|us| format!(", over it for {}", so_far(us, rules.speed_limit_us)));
    format!("speed {mps:.2} m/s, limit {limit:.2} m/s{}", over.unwrap_or_default())
}

/// Both in the unit that is wanted.
fn so_far(us: i64, wanted_us: i64) -> String {
    let units = [("h", 3_600_000_000), ("min", 60_000_000), ("s", 1_000_000)];
    let (unit, of) = units.into_iter().find(|(_, of)| wanted_us >= 2 * of).unwrap_or(("s", 1_000_000));
    let [so_far, wanted] = [us, wanted_us].map(|us| (us as f64 / of as f64 * 10.0).floor() / 10.0);
    format!("{so_far} of {wanted} {unit}")
}

#[cfg(test)]
mod tests {
    use super::so_far;

    #[test]
    fn times_are_told_in_the_unit_that_is_wanted() {
        for (us, wanted, text) in [
            (1_500_000, 40_000_000, "1.5 of 40 s"),
            (59_990_000, 600_000_000, "0.9 of 10 min"),
            (165_600_000_000, 162_000_000_000, "46 of 45 h"),
            (7_000_000, 0, "7 of 0 s"),
        ] {
            assert_eq!(so_far(us, wanted), text);
        }
    }
}
