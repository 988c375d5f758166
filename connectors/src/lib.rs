//! Everything outside the process: codecs, sources, the simulator, the lake, Kafka.

pub mod acknowledge;
pub mod alerts;
pub mod bucket;
pub mod codec;
pub mod file;
pub mod journal;
pub mod kafka;
pub mod lake;
pub mod redrive;
pub mod simulate;
pub mod tcp;
pub mod udp;

/// How a source opens its codec: one instance a socket or a file.
pub type MakeCodec = std::sync::Arc<dyn Fn() -> Box<dyn codec::Codec> + Send + Sync>;

#[cfg(test)]
#[path = "file/line.rs"]
mod line;
