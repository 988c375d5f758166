//! The sentences of a line, and what stands before them.

use crate::codec::units::TimeUnit;
use crate::codec::{number, time};
use rhumb_engine::time::EventTime;

/// Milliseconds have no more digits until the year 5138.
const UNIX_DIGITS_MAX: usize = 14;

/// What a TAG block (NMEA 0183, version 4) says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag<'a> {
    /// Parameter `s`.
    pub source: Option<&'a [u8]>,
    /// Parameter `g`: it belongs to others.
    pub grouped: bool,
    /// Parameter `c`: seconds or milliseconds since 1970.
    pub time: Option<EventTime>,
}

/// A sentence with what stands before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Without a TAG block.
    pub before: &'a [u8],
    pub tag: Option<Tag<'a>>,
    /// From its `$` or `!`; `None`: nothing in the line begins like a sentence.
    pub sentence: Option<&'a [u8]>,
    /// Where it begins in the line, with what stands before it.
    pub start: usize,
}

/// Takes a line apart. Where one sentence breaks off and another begins in the same line, both come.
#[inline]
pub fn parts(line: &[u8]) -> Parts<'_> {
    Parts { line, at: 0 }
}

pub struct Parts<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Parts<'a> {
    type Item = Line<'a>;

    #[inline]
    fn next(&mut self) -> Option<Line<'a>> {
        let rest = self.line.get(self.at..).filter(|rest| !rest.is_empty())?;
        let (tag, length) = match rest[0] {
            b'\\' => tag(rest),
            _ => (None, 0),
        };
        let begin = match rest.get(length) {
            Some(b'$' | b'!') => length,
            _ => match memchr::memchr2(b'$', b'!', &rest[length..]) {
                Some(n) => length + n,
                None => {
                    self.at = self.line.len();
                    return Some(Line { before: rest, tag: None, sentence: None, start: self.line.len() - rest.len() });
                }
            },
        };
        let end = memchr::memchr(b'$', &rest[begin + 1..]).map_or(rest.len(), |n| begin + 1 + n);
        let start = self.at;
        self.at += end;
        Some(Line { before: &rest[length..begin], tag, sentence: Some(&rest[begin..end]), start })
    }
}

/// Reads the TAG block at the head of a line, and says how long it is; it may be none.
#[cold]
fn tag(line: &[u8]) -> (Option<Tag<'_>>, usize) {
    let Some(end) = memchr::memchr(b'\\', &line[1..]).map(|n| n + 1) else { return (None, 0) };
    let block = &line[1..end];
    let (text, sound) = match block {
        [text @ .., b'*', high, low] => {
            let sum = super::sentence::checksum(text);
            let hex = super::sentence::hex;
            (text, hex(*high).zip(hex(*low)).is_some_and(|(high, low)| high << 4 | low == sum))
        }
        text => (text, true),
    };
    let mut tag = Tag { source: None, grouped: false, time: None };
    for parameter in text.split(|byte| *byte == b',').filter(|_| sound) {
        match parameter {
            [b's', b':', source @ ..] => tag.source = Some(source),
            [b'g', b':', ..] => tag.grouped = true,
            [b'c', b':', digits @ ..] => tag.time = unix_time(digits),
            _ => {}
        }
    }
    (Some(tag), end + 1)
}

/// Whole seconds, or milliseconds if there are too many digits for these.
fn unix_time(digits: &[u8]) -> Option<EventTime> {
    let number = number::number(digits, 0).filter(|number| number.end == digits.len())?;
    let is_whole = digits.iter().all(u8::is_ascii_digit) && digits.len() <= UNIX_DIGITS_MAX;
    if is_whole { time::of_number(number.value, TimeUnit::Auto) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_block_tells_source_group_and_time() {
        let check = |block: &str, source: Option<&str>, grouped, time: Option<i64>| {
            let line = format!("\\{block}\\$X");
            let want = Tag { source: source.map(str::as_bytes), grouped, time: time.map(EventTime) };
            let part = parts(line.as_bytes()).next().unwrap();
            assert_eq!((part.tag, part.sentence), (Some(want), Some(&b"$X"[..])), "{block}");
        };
        check("s:a,c:1714564800", Some("a"), false, Some(1_714_564_800_000_000));
        check("c:1714564800123,g:1-2-34", None, true, Some(1_714_564_800_123_000));
        for time in ["", "x", "-1", "17145648e2", "1714564800.5", "171456480012300"] {
            check(&format!("c:{time}"), None, false, None);
        }
        check("s:a,c:1714564800*00", None, false, None);
    }
}
