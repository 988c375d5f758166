//! Benches, one file a level; docs/PERFORMANCE.md has what they found. What several of them need stands here.

pub mod plain;
pub mod workload;
