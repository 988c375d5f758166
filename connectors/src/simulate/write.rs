//! Simulated frames to a file or to standard output.

use super::encode::Encode;
use super::frame::SimulatedFrame;
use std::io::{self, Write};

/// Bytes that are gathered before they are written.
const CHUNK_BYTES: usize = 256 << 10;

/// Writes all frames and says how many they were. Needs no buffering in `to`.
pub fn write(
    frames: impl Iterator<Item = SimulatedFrame>,
    encode: &mut dyn Encode,
    to: &mut dyn Write,
) -> io::Result<u64> {
    let mut bytes = Vec::with_capacity(CHUNK_BYTES + 4096);
    let mut count = 0;
    encode.preamble(&mut bytes);
    for frame in frames {
        let name = frame.name();
        encode.encode(&frame.frame(&name), &mut bytes);
        count += 1;
        if bytes.len() >= CHUNK_BYTES {
            to.write_all(&bytes)?;
            bytes.clear();
        }
    }
    to.write_all(&bytes)?;
    to.flush()?;
    Ok(count)
}
