//! What `[operator.enrich]` means once checked.

use super::{Cell, VehicleTable};
use std::sync::Arc;

/// A column worked out from the vehicle's frame before. Null for its first frame and for late ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Added {
    /// Great-circle distance from the frame before, metres.
    DistanceM,
    /// That distance over the time between, metres a second.
    ComputedSpeedMps,
    /// Initial bearing from the frame before, degrees from north, 0..360; null while standing still.
    ComputedHeadingDeg,
}

impl Added {
    pub const ALL: &[Added] = &[Added::DistanceM, Added::ComputedSpeedMps, Added::ComputedHeadingDeg];

    /// Name of the column, and in TOML.
    pub fn name(self) -> &'static str {
        match self {
            Added::DistanceM => "distance_m",
            Added::ComputedSpeedMps => "computed_speed_mps",
            Added::ComputedHeadingDeg => "computed_heading_deg",
        }
    }
}

#[derive(Debug, Clone, Default)]
pub struct EnrichConfig {
    pub table: Option<Arc<VehicleTable>>,
    pub add: Vec<Added>,
    pub cells: Vec<Cell>,
}
