//! What `[operator.geofence]` means once checked.

use rhumb_engine::alert::AlertKind;
use rhumb_geofence::Zones;
use std::sync::Arc;

#[derive(Clone)]
pub struct GeofenceConfig {
    pub zones: Arc<Zones>,
    /// Kinds that are told; default enter and exit. The state is kept whichever are.
    pub alerts: Vec<AlertKind>,
    /// Makes alert ids of this pipeline differ from those of another: its name.
    pub pipeline: String,
}
