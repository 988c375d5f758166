//! `validate`: refuses frames that cannot be true or are not wanted, and keeps each with the rule that refused it.

mod config;

pub use config::{Rule, ValidateConfig};
