//! The engine of Rhumb: frames in columns, the traits that sources, operators and sinks keep, and the run-time that
//! takes batches from readers through shards to the writer and commits them in epochs.
//!
//! Knows nothing of sockets, file formats, zones or SQL.

pub mod alert;
pub mod builder;
pub mod effects;
pub mod frame;
pub mod lane;
pub mod message;
pub mod operator;
pub mod reject;
pub mod sink;
pub mod source;
pub mod state;
pub mod time;
pub mod timeline;
pub mod vehicle;
