//! The grammar of JSON (RFC 8259): what stands at a place of a text and where it ends. Nothing here recurses.

use crate::codec::number::{self, Number};
use crate::codec::scan;

/// Deeper nesting is refused.
pub const DEPTH_MAX: u32 = 64;

/// Why there is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The text ends before the value does.
    Cut,
    Bad {
        at: usize,
        expected: &'static str,
    },
    /// A value, but no object; it ends at `end`.
    NoObject {
        found: &'static str,
        end: usize,
    },
}

pub type Scanned<T> = Result<T, Trouble>;

#[inline(always)]
pub fn bad<T>(at: usize, expected: &'static str) -> Scanned<T> {
    Err(Trouble::Bad { at, expected })
}

#[inline(always)]
pub fn byte(text: &[u8], at: usize) -> Scanned<u8> {
    text.get(at).copied().ok_or(Trouble::Cut)
}

/// Where white space ends.
#[inline(always)]
pub fn space(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = text.get(at) {
        at += 1;
    }
    at
}

/// Where the string ends whose first character is at `at`, and whether there are escapes in it.
#[inline]
pub fn string(text: &[u8], at: usize) -> Scanned<(usize, bool)> {
    let end = scan::stop(text, at, b'"', b'\\');
    match byte(text, end)? {
        b'"' => Ok((end, false)),
        b'\\' => Ok((escaped_string(text, end)?, true)),
        _ => bad(end, "no control character in a string"),
    }
}

#[cold]
fn escaped_string(text: &[u8], mut at: usize) -> Scanned<usize> {
    loop {
        at = scan::stop(text, at, b'"', b'\\');
        match byte(text, at)? {
            b'"' => return Ok(at),
            b'\\' => {}
            _ => return bad(at, "no control character in a string"),
        }
        match byte(text, at + 1)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
            b'u' => {
                for digit in at + 2..at + 6 {
                    if !byte(text, digit)?.is_ascii_hexdigit() {
                        return bad(digit, "a hexadecimal digit");
                    }
                }
                at += 6;
            }
            _ => return bad(at + 1, "one of \"\\/bfnrtu after \\"),
        }
    }
}

#[inline(always)]
pub fn number(text: &[u8], at: usize) -> Scanned<Number> {
    match number::number(text, at) {
        Some(number) if number.end == text.len() => Err(Trouble::Cut),
        Some(number) if number.strict => Ok(number),
        _ => no_number(text, at),
    }
}

/// For numbers that nobody wants.
#[inline(never)]
fn number_end(text: &[u8], at: usize) -> Scanned<usize> {
    Ok(number(text, at)?.end)
}

#[cold]
fn no_number(text: &[u8], at: usize) -> Scanned<Number> {
    let is_part = |b: &u8| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    if text[at..].iter().all(is_part) { Err(Trouble::Cut) } else { bad(at, "a number") }
}

/// Where `true`, `false` or `null` ends.
#[inline]
pub fn literal(text: &[u8], at: usize, word: &'static str) -> Scanned<usize> {
    let rest = &text[at..];
    if rest.starts_with(word.as_bytes()) {
        return Ok(at + word.len());
    }
    if word.as_bytes().starts_with(rest) { Err(Trouble::Cut) } else { bad(at, "a value") }
}

/// Passes the colon after a key, and the space around it.
#[inline]
pub fn colon(text: &[u8], at: usize) -> Scanned<usize> {
    let at = space(text, at);
    match byte(text, at)? {
        b':' => Ok(space(text, at + 1)),
        _ => bad(at, "':'"),
    }
}

fn key(text: &[u8], at: usize) -> Scanned<usize> {
    if byte(text, at)? != b'"' {
        return bad(at, "a key in quotes");
    }
    let (end, _) = string(text, at + 1)?;
    colon(text, end + 1)
}

/// Where a value ends that holds no others.
#[inline]
fn scalar(text: &[u8], at: usize) -> Scanned<usize> {
    match byte(text, at)? {
        b'"' => Ok(string(text, at + 1)?.0 + 1),
        b't' => literal(text, at, "true"),
        b'f' => literal(text, at, "false"),
        b'n' => literal(text, at, "null"),
        b'-' | b'0'..=b'9' => number_end(text, at),
        _ => bad(at, "a value"),
    }
}

/// Where the value at `at` ends, whatever it is.
#[inline]
pub fn skip(text: &[u8], at: usize) -> Scanned<usize> {
    match byte(text, at)? {
        b'{' | b'[' => nested(text, at),
        _ => scalar(text, at),
    }
}

/// Where an object or an array ends. What is open is kept in the bits of a word: 1 for an object, the innermost lowest.
fn nested(text: &[u8], mut at: usize) -> Scanned<usize> {
    let mut depth = 0;
    let mut objects = 0_u64;
    loop {
        let opens = byte(text, at)?;
        if let b'{' | b'[' = opens {
            if depth == DEPTH_MAX {
                return bad(at, "no deeper nesting");
            }
            let object = opens == b'{';
            depth += 1;
            objects = (objects << 1) | u64::from(object);
            at = space(text, at + 1);
            let empty = byte(text, at)? == if object { b'}' } else { b']' };
            if !empty {
                at = if object { key(text, at)? } else { at };
                continue;
            }
        } else {
            at = scalar(text, at)?;
        }
        loop {
            at = space(text, at);
            let object = objects & 1 == 1;
            match byte(text, at)? {
                b',' => {
                    at = space(text, at + 1);
                    at = if object { key(text, at)? } else { at };
                    break;
                }
                b'}' if object => {}
                b']' if !object => {}
                _ if object => return bad(at, "',' or '}'"),
                _ => return bad(at, "',' or ']'"),
            }
            (depth, objects, at) = (depth - 1, objects >> 1, at + 1);
            if depth == 0 {
                return Ok(at);
            }
        }
    }
}
