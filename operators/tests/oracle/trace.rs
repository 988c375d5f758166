//! What a recording's rows are before zones are asked: refused, late, the newest; and how far each lane's clock is. Row by
//! row, with nothing of the engine.
#![allow(dead_code, reason = "each test file uses its part")]

use super::Path;

pub const SPEED_MAX_MPS: f64 = 70.0;
pub const PATH_KEEP: usize = 16;
/// The default of `lateness`.
pub const LATENESS_US: i64 = 300_000_000;

pub fn haversine_m(a: (f64, f64), b: (f64, f64)) -> f64 {
    let sin2 = |x: f64| (x / 2.0).sin().powi(2);
    let [lat1, lon1, lat2, lon2] = [a.0, a.1, b.0, b.1].map(f64::to_radians);
    2.0 * 6_371_008.8 * (sin2(lat2 - lat1) + lat1.cos() * lat2.cos() * sin2(lon2 - lon1)).sqrt().min(1.0).asin()
}

/// What one vehicle's past is to the oracle.
#[derive(Default)]
pub struct Past {
    /// The last accepted fixes by time: (time, place), for validate.
    pub recent: Vec<(i64, (f64, f64))>,
    pub path: Path,
    newest: Option<i64>,
    /// Newest times that nothing bears out yet, of frames in a row, with the newest before them.
    doubts: (Vec<i64>, Option<i64>),
}

impl Past {
    /// Remembers an accepted fix for validate.
    pub fn accept(&mut self, time: i64, place: (f64, f64)) {
        let at = self.recent.partition_point(|(t, _)| *t <= time);
        self.recent.insert(at, (time, place));
        if self.recent.len() > PATH_KEEP {
            self.recent.remove(0);
        }
    }

    /// Whether a frame is late. One far ahead of its lane is in doubt until its lane has come near it, and up to four in a row
    /// give way to one that is not older than what was there before them.
    pub fn is_late(&mut self, time: i64, clock: i64) -> bool {
        let is_far = |time: i64| time > clock.saturating_add(LATENESS_US);
        if self.doubts.0.last().is_some_and(|doubt| self.newest != Some(*doubt) || !is_far(*doubt)) {
            self.doubts.0.clear();
        }
        let (doubts, before) = &mut self.doubts;
        if self.newest.is_some_and(|newest| time < newest) {
            if doubts.is_empty() || before.is_some_and(|before| time < before) {
                return true;
            }
            self.newest = *before;
            self.path.all.retain(|fix| fix.time <= time);
        }
        match (is_far(time), doubts.len()) {
            (true, 0) => (*doubts, *before) = (vec![time], self.newest),
            (true, 1..4) => doubts.push(time),
            _ => doubts.clear(),
        }
        self.newest = Some(time);
        false
    }
}

/// A lane's clock as its frames alone move it: a step of more than `lateness` counts once the next frame makes one, too.
pub struct LaneClock {
    pub now: i64,
    held: i64,
}

impl Default for LaneClock {
    fn default() -> LaneClock {
        LaneClock { now: i64::MIN, held: i64::MIN }
    }
}

impl LaneClock {
    pub fn see(&mut self, time: i64) {
        let is_far = |from: i64, to: i64| to > from.saturating_add(LATENESS_US);
        if self.now == i64::MIN || !is_far(self.now, time) {
            (self.now, self.held) = (self.now.max(time), i64::MIN);
        } else {
            let (low, high) = (self.held.min(time), self.held.max(time));
            let is_alone = is_far(low, high);
            self.now = self.now.max(if is_alone { low } else { high });
            self.held = if is_alone { high } else { i64::MIN };
        }
    }
}

/// The rule of validate that refuses a frame.
pub fn refused_by(past: &Past, time: i64, place: (f64, f64), speed_mps: Option<f32>) -> Option<&'static str> {
    if !(place.0.abs() <= 90.0 && place.1.abs() <= 180.0) {
        return Some("range");
    }
    if speed_mps.is_some_and(|mps| mps < 0.0 || f64::from(mps) > SPEED_MAX_MPS) {
        return Some("speed_reported");
    }
    if place == (0.0, 0.0) {
        return Some("null_island");
    }
    if past.recent.iter().any(|(t, _)| *t == time) {
        return Some("duplicate");
    }
    let before = past.recent.iter().rev().find(|(t, _)| *t < time);
    let after = past.recent.iter().find(|(t, _)| *t > time);
    let too_fast =
        |(t, from): &(i64, (f64, f64))| haversine_m(*from, place) / (time.abs_diff(*t) as f64 / 1e6) > SPEED_MAX_MPS;
    before.into_iter().chain(after).any(too_fast).then_some("speed_max")
}
