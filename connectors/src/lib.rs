//! Everything outside the process: codecs, sources, the lake.

pub mod codec;
