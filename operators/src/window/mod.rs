//! `window`: aggregates over stretches of event time, by key.

mod config;

pub use config::{Aggregate, AggregateError, WindowConfig};
