//! What `[operator.trips]` means once checked.

use rhumb_engine::definition::Definition;
use rhumb_engine::time::{SECOND_US, duration_text};

/// Microseconds and metres.
#[derive(Debug, Clone, PartialEq)]
pub struct TripsConfig {
    /// A vehicle stands while its fixes are nearer than this to the first of them, and has left once one is not.
    pub stop_radius_m: f64,
    /// Standing for so long is a stop.
    pub stop_us: i64,
    /// A longer silence ends a trip. At least `stop_us`.
    pub gap_us: i64,
    /// The newest fixes of each vehicle that are held back, for late frames to be put between; at least one.
    pub path_keep: usize,
    /// Column of frames that says whether the engine runs: flags, or whole numbers of which 0 is off. Frames that have
    /// none say nothing.
    pub ignition: String,
    /// The engine's: so long after the gap a silent vehicle's trip or stop is told as far as it is known.
    pub lateness_us: i64,
    /// Ids of trips and stops are made from it.
    pub pipeline: String,
}

/// The column that tells of the ignition unless another is named.
pub const IGNITION: &str = "ignition";

impl TripsConfig {
    /// As they are when nothing is set.
    pub fn plain(pipeline: impl Into<String>) -> TripsConfig {
        TripsConfig {
            stop_radius_m: 200.0,
            stop_us: 180 * SECOND_US,
            gap_us: 3_600 * SECOND_US,
            path_keep: 16,
            ignition: IGNITION.to_owned(),
            lateness_us: 300 * SECOND_US,
            pipeline: pipeline.into(),
        }
    }

    /// What open trips and the rows told depend on. Not how long frames are held back, nor `lateness`: those may change.
    pub fn definition(&self) -> Definition {
        let settings = [
            ("stop_radius_m", self.stop_radius_m.to_string()),
            ("stop_for", duration_text(self.stop_us)),
            ("gap", duration_text(self.gap_us)),
            ("ignition", self.ignition.clone()),
        ];
        settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// A leg is driven if it is faster than leaving a stop in the time that makes one.
    pub fn speed_min_mps(&self) -> f64 {
        self.stop_radius_m / (self.stop_us as f64 / SECOND_US as f64)
    }
}
