//! The first bytes of a recording, unpacked: what can be said of it before it is run.

use super::stream::Stream;
use std::io;
use std::path::Path;

/// So many bytes are looked at.
const HEAD_BYTES: usize = 64 << 10;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    pub bytes: Vec<u8>,
    /// The file has no more.
    pub whole: bool,
}

/// Of a file that is damaged, what is whole before the damage.
pub fn head(path: &Path) -> io::Result<Head> {
    let mut stream = Stream::open(path)?;
    let mut bytes = vec![0; HEAD_BYTES];
    let (mut filled, mut whole) = (0, false);
    while filled < bytes.len() {
        match stream.read(&mut bytes[filled..]) {
            Ok(0) => {
                whole = true;
                break;
            }
            Ok(got) => filled += got,
            // The run tells of it, with its place.
            Err(_) => break,
        }
    }
    bytes.truncate(filled);
    Ok(Head { bytes, whole })
}
