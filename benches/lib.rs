//! Benches, one file a level; see docs/PERFORMANCE.md for what they found.
