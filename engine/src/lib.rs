//! The engine of Rhumb: frames in columns, the traits that sources, operators and sinks keep, and the run-time that
//! takes batches from readers through shards to the writer and commits them in epochs.
//!
//! Knows nothing of sockets, file formats, zones or SQL.

pub mod account;
pub mod alert;
pub mod alert_log;
pub mod bucket;
pub mod builder;
pub mod chain;
pub mod checksum;
pub mod control;
pub mod current;
pub mod definition;
pub mod durable;
pub mod effects;
pub mod extra;
pub mod frame;
pub mod functions;
pub mod health;
pub mod inputs;
pub mod lane;
mod lock;
pub mod manifest;
pub mod message;
pub mod operator;
pub mod reader;
pub mod reference;
pub mod reject;
pub mod retry;
pub mod run;
pub mod shard;
pub mod sink;
pub mod sketch;
pub mod source;
pub mod sphere;
pub mod state;
mod steady;
pub mod store;
pub mod threads;
pub mod time;
pub mod timeline;
pub mod totals;
pub mod trouble;
pub mod vehicle;
pub mod writer;
