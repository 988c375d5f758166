//! `geofence`: finds the zones of every frame and tells when a vehicle enters or leaves one.

mod config;

pub use config::GeofenceConfig;
