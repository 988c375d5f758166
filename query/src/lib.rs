//! SQL over a data folder: history, current state, alerts, rejects and windows, read through the lake's Delta logs.
//!
//! The only crate that knows DataFusion beside one file of the operators. Reads; never writes.

mod error;
mod format;
mod functions;
mod geojson;
mod lake;
mod lazy;
mod log;
mod session;
mod sketches;
mod store;
mod table;
mod text;
mod wait;
mod windows;

pub use error::QueryError;
pub use format::{Format, RowCount};
pub use session::{Limits, MEMORY_BYTES, RowStream, SPILL_BYTES, Session};
