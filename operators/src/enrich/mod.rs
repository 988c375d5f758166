//! `enrich`: adds columns to frames: from a table by vehicle, and from the frame before.

mod config;
mod table;

pub use config::{Added, EnrichConfig};
pub use table::{TableError, VehicleTable};
