//! The bytes of a file, unpacked. How it is packed shows in its first bytes, not in its name.

use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// Compressed bytes read at a time.
const PACKED_CHUNK_BYTES: usize = 256 << 10;
/// Bytes unpacked at a time: an unpacker that meets damage gives nothing of what it was asked for in that call.
const UNPACKED_BITE_BYTES: usize = 64 << 10;

/// Formats that are not read, by their first bytes: better named than decoded as noise.
const NOT_READ: [(&[u8], &str); 4] =
    [(b"\xfd7zXZ\0", "xz"), (b"BZh", "bzip2"), (b"PK\x03\x04", "zip"), (b"\x04\x22\x4d\x18", "lz4")];

pub(super) enum Stream {
    Plain(File),
    /// Of any number of members, as `cat a.gz b.gz` makes them.
    Gzip(Box<MultiGzDecoder<BufReader<File>>>),
    /// Of any number of frames.
    Zstd(Box<zstd::Decoder<'static, BufReader<File>>>),
}

impl Stream {
    pub fn open(path: &Path) -> io::Result<Stream> {
        let mut file = File::open(path)?;
        let mut head = Vec::new();
        (&mut file).take(6).read_to_end(&mut head)?;
        if let Some((_, name)) = NOT_READ.iter().find(|(magic, _)| head.starts_with(magic)) {
            let message = format!("is packed with {name}; plain, gzip and zstd files are read");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        file.seek(SeekFrom::Start(0))?;
        if head.starts_with(b"\x1f\x8b") {
            let packed = BufReader::with_capacity(PACKED_CHUNK_BYTES, file);
            return Ok(Stream::Gzip(Box::new(MultiGzDecoder::new(packed))));
        }
        if is_zstd(&head) {
            let packed = BufReader::with_capacity(PACKED_CHUNK_BYTES, file);
            return Ok(Stream::Zstd(Box::new(zstd::Decoder::with_buffer(packed)?)));
        }
        Ok(Stream::Plain(file))
    }

    /// What the packing is called in messages.
    pub fn packing(&self) -> &'static str {
        match self {
            Stream::Plain(_) => "file",
            Stream::Gzip(_) => "gzip stream",
            Stream::Zstd(_) => "zstd stream",
        }
    }

    /// As `Read::read`. All that a truncated stream holds comes before the error; of a corrupt one, all but the 64 KiB
    /// before the place where it shows, which nothing vouches for anyway.
    pub fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let bite = room.len().min(UNPACKED_BITE_BYTES);
        loop {
            let got = match self {
                Stream::Plain(file) => file.read(room),
                Stream::Gzip(packed) => packed.read(&mut room[..bite]),
                Stream::Zstd(packed) => packed.read(&mut room[..bite]),
            };
            match got {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                got => return got,
            }
        }
    }

    /// Goes to an offset at once if the file allows it; false: it has to be read up to there.
    pub fn jump(&mut self, offset: u64) -> io::Result<bool> {
        match self {
            Stream::Plain(file) if file.metadata()?.len() >= offset => file.seek(SeekFrom::Start(offset)).map(|_| true),
            _ => Ok(false),
        }
    }
}

/// A frame or a skippable frame (RFC 8878, sections 3.1.1 and 3.1.2).
fn is_zstd(head: &[u8]) -> bool {
    head.starts_with(b"\x28\xb5\x2f\xfd")
        || (head.len() >= 4 && head[0] & 0xf0 == 0x50 && head[1..4] == *b"\x2a\x4d\x18")
}
