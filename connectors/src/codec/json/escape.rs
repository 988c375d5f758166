//! Strings with escapes.

/// Appends the characters of a string to `into`. False if a `\u` stands for half a character.
pub fn unescape(mut text: &[u8], into: &mut Vec<u8>) -> bool {
    into.clear();
    while let Some(backslash) = memchr::memchr(b'\\', text) {
        into.extend_from_slice(&text[..backslash]);
        let Some(kind) = text.get(backslash + 1) else { return false };
        text = &text[backslash + 2..];
        let plain = match kind {
            b'b' => 0x08,
            b'f' => 0x0C,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let Some((character, rest)) = character(text) else { return false };
                text = rest;
                into.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            other => *other,
        };
        into.push(plain);
    }
    into.extend_from_slice(text);
    true
}

/// The character whose `\u` has been read, and what follows it.
fn character(text: &[u8]) -> Option<(char, &[u8])> {
    let (high, rest) = unit(text)?;
    if !(0xD800..0xDC00).contains(&high) {
        return Some((char::from_u32(high)?, rest));
    }
    let (low, rest) = unit(rest.strip_prefix(b"\\u")?)?;
    if !(0xDC00..0xE000).contains(&low) {
        return None;
    }
    Some((char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))?, rest))
}

/// Four hexadecimal digits.
fn unit(text: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_at_checked(4)?;
    let value = digits.iter().try_fold(0, |sum, digit| Some(sum * 16 + char::from(*digit).to_digit(16)?))?;
    Some((value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn half_a_character_is_none() {
        let mut into = Vec::new();
        for text in [r"\ud83d", r"\ud83dx", r"\ud83d\u0041", r"\ude97", r"\u12", r"\"] {
            assert!(!unescape(text.as_bytes(), &mut into), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_string_comes_back(text: String) {
            let utf16: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            let quoted = serde_json::to_string(&text).unwrap();
            let mut into = Vec::new();
            for escaped in [&utf16, &quoted[1..quoted.len() - 1]] {
                prop_assert!(unescape(escaped.as_bytes(), &mut into));
                prop_assert_eq!(&into[..], text.as_bytes());
            }
        }
    }
}
