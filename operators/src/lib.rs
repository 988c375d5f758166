//! Operators, one file or folder each: its configuration, its machine, its tests.

pub mod enrich;
mod fix;
pub mod geofence;
pub mod trips;
pub mod validate;
pub mod window;
