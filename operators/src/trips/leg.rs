//! What is measured from one fix to the next.

use super::config::TripsConfig;
use super::held::Sample;
use rhumb_engine::sphere::{distance_m, meridian_distance_m, near_distance_m};
use rhumb_engine::time::SECOND_US;

/// Legs of up to so many degrees are short enough for the earth to be flat: to a millionth.
const FLAT_DEG: f64 = 0.1;

/// Thresholds in the units of fixes.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    radius_m: f64,
    pub stop_us: i64,
    pub gap_us: i64,
    speed_min_m_per_us: f64,
}

impl Rules {
    pub fn new(config: &TripsConfig) -> Rules {
        Rules {
            radius_m: config.stop_radius_m,
            stop_us: config.stop_us,
            gap_us: config.gap_us,
            speed_min_m_per_us: config.stop_radius_m / config.stop_us as f64,
        }
    }

    /// Great-circle distance below the radius. Most answers need one cosine.
    #[inline]
    pub fn is_near(&self, a: &Sample, b: &Sample) -> bool {
        if meridian_distance_m(a.place(), b.place()) > self.radius_m * 1.01 {
            return false;
        }
        let roughly = near_distance_m(a.place(), b.place());
        if (roughly - self.radius_m).abs() > self.radius_m * 0.01 {
            return roughly < self.radius_m;
        }
        distance_m(a.place(), b.place()) < self.radius_m
    }
}

/// What is summed up from leg to leg.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sums {
    pub distance_m: f64,
    /// In legs that are not driven.
    pub standing_us: i64,
    /// Of it, with the ignition on.
    pub idle_us: i64,
    /// With the ignition on, driven or not.
    pub on_us: i64,
    pub legs: u32,
    /// NaN: no leg tells.
    pub speed_max_mps: f32,
    /// Some leg began with a frame that tells of the ignition.
    pub knows_ignition: bool,
}

impl Sums {
    pub const NONE: Sums = Sums {
        distance_m: 0.0,
        standing_us: 0,
        idle_us: 0,
        on_us: 0,
        legs: 0,
        speed_max_mps: f32::NAN,
        knows_ignition: false,
    };

    #[inline]
    pub fn join(&mut self, other: &Sums) {
        self.distance_m += other.distance_m;
        self.standing_us += other.standing_us;
        self.idle_us += other.idle_us;
        self.on_us += other.on_us;
        self.legs += other.legs;
        self.speed_max_mps = self.speed_max_mps.max(other.speed_max_mps);
        self.knows_ignition |= other.knows_ignition;
    }
}

/// From one fix to the next.
pub struct Leg {
    pub sums: Sums,
    pub is_driven: bool,
}

impl Leg {
    #[inline]
    pub fn new(rules: &Rules, from: &Sample, to: &Sample) -> Leg {
        let metres = leg_m(from, to);
        let us = to.time - from.time;
        let is_driven = metres > rules.speed_min_m_per_us * us as f64;
        let ignition = from.marks.ignition();
        let on_us = if ignition == Some(true) { us } else { 0 };
        let speed_max_mps =
            if to.speed_mps.is_nan() && us > 0 { (metres * SECOND_US as f64 / us as f64) as f32 } else { to.speed_mps };
        let sums = Sums {
            distance_m: metres,
            standing_us: if is_driven { 0 } else { us },
            idle_us: if is_driven { 0 } else { on_us },
            on_us,
            legs: 1,
            speed_max_mps,
            knows_ignition: ignition.is_some(),
        };
        Leg { sums, is_driven }
    }

    /// Over a silence that is too long to tell of the ignition.
    pub fn silent(from: &Sample, to: &Sample) -> Leg {
        let sums = Sums { distance_m: leg_m(from, to), standing_us: to.time - from.time, legs: 1, ..Sums::NONE };
        Leg { sums, is_driven: false }
    }
}

#[inline]
fn leg_m(from: &Sample, to: &Sample) -> f64 {
    let (lat, lon) = (to.lat - from.lat, to.lon - from.lon);
    if lat == 0.0 && lon == 0.0 {
        return 0.0;
    }
    match lat.abs() <= FLAT_DEG && lon.abs() <= FLAT_DEG {
        true => near_distance_m(from.place(), to.place()),
        false => distance_m(from.place(), to.place()),
    }
}
