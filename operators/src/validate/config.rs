//! What `[operator.validate]` means once checked.

use super::Overrides;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The rules in the order in which they run. A frame is refused by the first that it breaks.
/// `future` stands before all of them: see `clock_skew_max` of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    Range,
    Heading,
    SpeedReported,
    NullIsland,
    NoFix,
    Past,
    Accuracy,
    Satellites,
    Hdop,
    UnknownVehicle,
    RateLimit,
    Duplicate,
    Swapped,
    Static,
    Distance,
    SpeedMax,
    PeriodMin,
}

/// Thresholds; `None` or `false`: the rule is off. Durations in microseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidateConfig {
    /// Latitude in -90..=90, longitude in -180..=180, neither NaN. Default on.
    pub range: bool,
    /// The heading that the device says is in 0..=360, if it says one. Default on.
    pub heading: bool,
    /// The speed that the device says is not below 0, and not above `speed_max_mps` where that is on. Default on.
    pub speed_reported: bool,
    /// Not exactly (0, 0). Default on.
    pub null_island: bool,
    /// The device says that it has a fix. Default off.
    pub no_fix: bool,
    /// Not older than this against the time of receipt.
    pub past_max_us: Option<i64>,
    pub accuracy_max_m: Option<f32>,
    pub satellites_min: Option<i16>,
    pub hdop_max: Option<f32>,
    /// Only these vehicles.
    pub known_vehicles: Option<Arc<BTreeSet<String>>>,
    /// Thresholds of single vehicles in the place of those here; a rule that is off here is on for who has one.
    pub overrides: Option<Arc<Overrides>>,
    /// Frames of one vehicle in any minute of event time aligned to the clock. A late frame counts in its own minute, or
    /// in the newest one if its own is too long ago.
    pub rate_max_per_minute: Option<u32>,
    /// No second frame of one vehicle and event time, as far as `path_keep` remembers. Default on.
    pub duplicate: bool,
    /// Swapping latitude and longitude would bring the frame next to its neighbour in time, and as it is it is far off.
    pub swapped: bool,
    /// Not a frame that says speed 0 and has not moved since the one before.
    pub r#static: bool,
    /// Moved at least so far from the accepted frame before it in time, metres.
    pub distance_min_m: Option<f64>,
    /// Great-circle speed from and to the neighbours in time among the accepted frames, metres a second. Default 70.
    pub speed_max_mps: Option<f64>,
    /// At least this long after the accepted frame before it in time.
    pub period_min_us: Option<i64>,
    /// Accepted frames that each vehicle remembers, for late frames to be held against. Default 16.
    pub path_keep: usize,
}

impl Default for ValidateConfig {
    fn default() -> ValidateConfig {
        ValidateConfig {
            range: true,
            heading: true,
            speed_reported: true,
            null_island: true,
            no_fix: false,
            past_max_us: None,
            accuracy_max_m: None,
            satellites_min: None,
            hdop_max: None,
            known_vehicles: None,
            overrides: None,
            rate_max_per_minute: None,
            duplicate: true,
            swapped: false,
            r#static: false,
            distance_min_m: None,
            speed_max_mps: Some(70.0),
            period_min_us: None,
            path_keep: 16,
        }
    }
}
