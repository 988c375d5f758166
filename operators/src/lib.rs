//! Operators, one file or folder each: its configuration, its machine, its tests.

pub mod derive;
pub mod enrich;
pub mod expression;
pub mod filter;
mod fix;
pub mod geofence;
mod rows;
pub mod trips;
pub mod validate;
pub mod window;
mod wording;
