//! The codec `json`: an object a frame. Objects may come alone, one a line, one after the other, or in an array.
//!
//! An array that is not closed by the end of the input is told by a reject without bytes: what came before it counts.
//!
//! Between objects, white space, commas, brackets, NUL and the record separator of RFC 7464 are skipped, so that a
//! reader can take up an array anywhere. Keys come in any order; unknown ones are skipped, whatever they hold; of
//! equal keys the last counts; `null` is as good as no key. Numbers may be written as strings, and ids as numbers.
//!
//! What is no frame is rejected with its bytes. A value that is not an object, or an object without a needed field,
//! ends where it ends. What is no JSON ends before the next line that begins with `{` or `[`, if that comes before
//! what is wrong; else with the line in which it goes wrong.

mod escape;
mod keys;
mod object;
mod syntax;

use self::object::Object;
use self::syntax::Trouble;
use super::mapping::FieldsConfig;
use super::{Codec, Place, RECORD_MAX, scan};
use rhumb_engine::builder::FrameBuilder;
use rhumb_engine::frame::Frame;
use rhumb_engine::reject::Reason;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// What the keys mean.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JsonConfig {
    pub fields: FieldsConfig,
}

impl JsonConfig {
    pub(super) fn mistakes(&self) -> Vec<String> {
        self.fields.mistakes()
    }
}

pub struct JsonCodec {
    object: Object,
    /// Arrays that were opened and not closed yet, as far as can be known: what is skipped in a broken record may
    /// close some.
    open: u32,
}

impl JsonCodec {
    pub fn new(config: &JsonConfig) -> JsonCodec {
        JsonCodec { object: Object::new(&config.fields), open: 0 }
    }

    /// Decodes records; `place` is `None` in a datagram.
    fn records(&mut self, bytes: &[u8], last: bool, place: Option<Place>, out: &mut FrameBuilder) -> usize {
        let mut at = 0;
        let is_core_alone = self.object.extras.is_empty();
        loop {
            at = after_separators(bytes, at, &mut self.open);
            if at == bytes.len() {
                if last && std::mem::take(&mut self.open) > 0 {
                    place.into_iter().for_each(|place| place.at(at, out));
                    out.reject(Reason::Undecodable, &[], "the input ends inside an array");
                }
                return at;
            }
            if let Some(place) = place {
                place.at(at, out);
            }
            let window = &bytes[at..bytes.len().min(at + RECORD_MAX)];
            let full = window.len() == RECORD_MAX;
            at += match self.object.read(window) {
                Ok(end) => {
                    let mut frame = Frame::default();
                    match self.object.frame(window, &mut frame) {
                        Ok(()) if is_core_alone => out.push(&frame),
                        Ok(()) => {
                            if let Some(row) = out.push_row(&frame) {
                                self.object.fill(window, row);
                            }
                        }
                        Err(complaint) => out.reject(Reason::Undecodable, &window[..end], complaint),
                    }
                    end
                }
                Err(Trouble::Cut) if !full && !last => return at,
                Err(trouble) => match broken_end(window, &trouble) {
                    None if !full && !last => return at,
                    end => {
                        self.open = 0;
                        reject(window, end.unwrap_or(window.len()), full, &trouble, out)
                    }
                },
            };
        }
    }
}

#[cold]
fn reject(window: &[u8], end: usize, full: bool, trouble: &Trouble, out: &mut FrameBuilder) -> usize {
    let complaint = match trouble {
        Trouble::Cut if full => format!("a record of more than {RECORD_MAX} bytes"),
        Trouble::Cut => format!("byte {}: the input ends inside the record", window.len()),
        Trouble::Bad { at, expected } => format!("byte {at}: expected {expected}"),
        Trouble::NoObject { found, .. } => format!("expected an object, found {found}"),
    };
    let raw = window[..end].strip_suffix(b"\r").unwrap_or(&window[..end]);
    out.reject(Reason::Undecodable, raw, complaint);
    end
}

/// Where a record ends that is not a readable object. `None`: not in these bytes.
#[cold]
fn broken_end(window: &[u8], trouble: &Trouble) -> Option<usize> {
    let wrong = match trouble {
        Trouble::NoObject { end, .. } => return Some(*end),
        Trouble::Bad { at, .. } => *at,
        Trouble::Cut => window.len(),
    };
    let begins_anew = |line_break: &usize| matches!(window.get(line_break + 1), Some(b'{' | b'['));
    let before = memchr::memchr_iter(b'\n', &window[..wrong]).find(begins_anew);
    before.or_else(|| scan::line_break(window, wrong))
}

#[inline]
fn after_separators(bytes: &[u8], mut at: usize, open: &mut u32) -> usize {
    while let Some(byte @ (b' ' | b'\n' | b'\r' | b'\t' | b',' | b'[' | b']' | 0x1E | 0)) = bytes.get(at) {
        match byte {
            b'[' => *open = open.saturating_add(1),
            // A reader may have taken the array up in its middle.
            b']' => *open = open.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    at
}

impl Codec for JsonCodec {
    fn counters(&self) -> Vec<(&'static str, u64)> {
        self.object.unreadable.counters().into_iter().chain(self.object.extras.counters()).collect()
    }

    fn preamble(&mut self, bytes: &[u8], last: bool) -> Result<Option<usize>, String> {
        match bytes.starts_with(BYTE_ORDER_MARK) {
            true => Ok(Some(BYTE_ORDER_MARK.len())),
            false if !last && BYTE_ORDER_MARK.starts_with(bytes) => Ok(None),
            false => Ok(Some(0)),
        }
    }

    fn stream(&mut self, bytes: &[u8], last: bool, place: Place, out: &mut FrameBuilder) -> usize {
        self.records(bytes, last, Some(place), out)
    }

    fn datagram(&mut self, bytes: &[u8], out: &mut FrameBuilder) {
        let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        if !text.is_empty() && after_separators(text, 0, &mut 0) == text.len() {
            if text.trim_ascii() != b"[]" {
                out.reject(Reason::Undecodable, bytes, "no record in the datagram");
            }
            return;
        }
        self.records(text, true, None, out);
    }
}

#[cfg(test)]
mod tests;
