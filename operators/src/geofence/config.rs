//! What `[operator.geofence]` means once checked.

use super::rules::{RulesByZone, ZoneRules};
use rhumb_engine::alert::AlertKind;
use rhumb_geofence::Zones;
use std::sync::Arc;

#[derive(Clone)]
pub struct GeofenceConfig {
    pub zones: Arc<Zones>,
    /// One for each zone.
    pub rules: RulesByZone,
    /// Kinds that are told. The state is kept whichever are.
    pub alerts: Vec<AlertKind>,
    /// Fixes that each vehicle remembers, at least 1: late frames are put between them.
    pub path_keep: usize,
    /// The column that holds a vehicle's group.
    pub group_column: Option<String>,
    /// Adds the nearest zone of each frame, up to so far away.
    pub nearest_within_m: Option<f64>,
    /// Makes alert ids of this pipeline differ from those of another: its name.
    pub pipeline: String,
}

impl GeofenceConfig {
    /// Enter and exit by geometry alone.
    pub fn plain(zones: Arc<Zones>, pipeline: impl Into<String>) -> GeofenceConfig {
        GeofenceConfig {
            rules: vec![ZoneRules::plain(); zones.len()].into(),
            zones,
            alerts: vec![AlertKind::Enter, AlertKind::Exit],
            path_keep: 16,
            group_column: None,
            nearest_within_m: None,
            pipeline: pipeline.into(),
        }
    }
}
