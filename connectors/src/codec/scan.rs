//! Looking at text eight bytes at a time. A word holds the first byte lowest.

/// Eight times the same byte.
#[inline(always)]
pub const fn each(byte: u8) -> u64 {
    0x0101_0101_0101_0101 * byte as u64
}

/// The eight bytes at `at`; past the end of the text, zeros.
#[inline(always)]
pub fn word(text: &[u8], at: usize) -> u64 {
    match text.get(at..at + 8).and_then(|eight| eight.try_into().ok()) {
        Some(eight) => u64::from_le_bytes(eight),
        None => tail(text, at),
    }
}

#[cold]
fn tail(text: &[u8], at: usize) -> u64 {
    let rest = text.get(at..).unwrap_or_default();
    let mut bytes = [0; 8];
    bytes[..rest.len()].copy_from_slice(rest);
    u64::from_le_bytes(bytes)
}

/// Marks bytes below `limit` (at most 128) in their highest bit. The lowest mark is right; above it a false one may
/// stand.
#[inline(always)]
pub const fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(each(limit)) & !word & each(0x80)
}

/// Marks bytes equal to `byte` as `below` does.
#[inline(always)]
pub const fn equal(word: u64, byte: u8) -> u64 {
    below(word ^ each(byte), 1)
}

/// Where the first byte stands, from `at` on, that is a control character or one of `a` and `b`; else the text's
/// length.
#[inline(always)]
pub fn stop(text: &[u8], mut at: usize, a: u8, b: u8) -> usize {
    loop {
        let word = word(text, at);
        let marks = below(word, b' ') | equal(word, a) | equal(word, b);
        if marks != 0 {
            return (at + (marks.trailing_zeros() / 8) as usize).min(text.len());
        }
        at += 8;
    }
}

/// The text as a string, if it is UTF-8. Quick for what most ids are: a few ASCII characters.
#[inline(always)]
pub fn utf8(text: &[u8]) -> Option<&str> {
    let ascii = match (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        (Some(head), Some(tail)) if text.len() <= 16 => {
            (u64::from_le_bytes(*head) | u64::from_le_bytes(*tail)) & each(0x80) == 0
        }
        (None, None) => text.iter().fold(0, |all, byte| all | byte) < 0x80,
        _ => false,
    };
    if ascii {
        // SAFETY: every byte is ASCII, and so the whole is UTF-8.
        #[allow(
            unsafe_code,
            reason = "the standard library checks short texts byte by byte, which is felt at 30 ns a frame"
        )]
        return Some(unsafe { std::str::from_utf8_unchecked(text) });
    }
    std::str::from_utf8(text).ok()
}

/// Where the first line break stands, from `at` on.
pub fn line_break(text: &[u8], at: usize) -> Option<usize> {
    memchr::memchr2(b'\n', b'\r', text.get(at..)?).map(|n| at + n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn stop_is_the_first_byte_that_a_plain_search_finds(text: Vec<u8>, at in 0_usize..20, a: u8, b: u8) {
            let at = at.min(text.len());
            let plain = text[at..].iter().position(|c| *c < b' ' || *c == a || *c == b);
            prop_assert_eq!(stop(&text, at, a, b), plain.map_or(text.len(), |n| at + n));
        }
    }
}
