//! Frames to a file or to standard output.

use super::encode::Encode;
use super::outgoing::{Outgoing, Pacer, sleep};
use super::send::Rate;
use std::io::{self, Write};

/// Bytes that are gathered before they are written.
const CHUNK_BYTES: usize = 256 << 10;

/// Writes all frames and says how many they were. Needs no buffering in `to`.
pub fn write(frames: &mut dyn Outgoing, encode: &mut dyn Encode, rate: Rate, to: &mut dyn Write) -> io::Result<u64> {
    let mut bytes = Vec::with_capacity(CHUNK_BYTES + 4096);
    let mut count = 0;
    let mut pacer = Pacer::new(rate);
    encode.preamble(&mut bytes);
    while let Some((due, frame)) = frames.next()? {
        while let Some(wait) = pacer.wait(due) {
            to.write_all(&bytes)?;
            to.flush()?;
            bytes.clear();
            sleep(wait);
        }
        encode.encode(&frame, &mut bytes);
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
