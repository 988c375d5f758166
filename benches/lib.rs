//! Benches, one file a level; docs/PERFORMANCE.md has what they found. What several of them need stands here.

pub mod job;
pub mod plain;
pub mod plain_trips;
pub mod traces;
pub mod workload;
