//! Operators, one file or folder each: its configuration, its machine, its tests.

pub mod enrich;
pub mod geofence;
pub mod validate;
pub mod window;
