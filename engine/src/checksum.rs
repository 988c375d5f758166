//! Checksums of files: what tells whether their bytes are still those that were written.

use std::hash::Hasher;
use twox_hash::xxhash3_64::{DEFAULT_SECRET_LENGTH, RawHasher, SecretBuffer};

/// A checksum while bytes come: xxh3 of 64 bits with seed 0.
pub struct Checksum(RawHasher<[u8; DEFAULT_SECRET_LENGTH]>);

impl Default for Checksum {
    fn default() -> Checksum {
        let Ok(secret) = SecretBuffer::with_seed(0, [0; DEFAULT_SECRET_LENGTH]) else {
            unreachable!("the secret has the length that is asked for")
        };
        Checksum(RawHasher::new(secret))
    }
}

impl Checksum {
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    /// As it is kept in manifests and logs: `xxh3:` and 16 hexadecimal digits.
    pub fn text(&self) -> String {
        format!("xxh3:{:016x}", self.0.finish())
    }

    pub fn of(bytes: &[u8]) -> String {
        let mut sum = Checksum::default();
        sum.add(bytes);
        sum.text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::hash_of;

    #[test]
    fn sum_is_that_of_all_bytes_however_they_come() {
        let bytes: Vec<u8> = (0..5000u32).map(|n| (n % 251) as u8).collect();
        for cut in [0, 1, 64, 255, 1024, 4999, 5000] {
            let mut sum = Checksum::default();
            sum.add(&bytes[..cut]);
            sum.add(&bytes[cut..]);
            assert_eq!(sum.text(), format!("xxh3:{:016x}", hash_of(&bytes)), "cut at {cut}");
        }
        assert_ne!(Checksum::of(&bytes), Checksum::of(&bytes[1..]));
    }
}
