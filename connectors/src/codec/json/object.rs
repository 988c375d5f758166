//! One object: its values are found in one pass over the text, then read as fields of a frame.

use super::escape::unescape;
use super::keys::{Keys, PATH_MAX, ROOT};
use super::syntax::{self, Scanned, Trouble};
use crate::codec::extra::Extras;
use crate::codec::fields::{Field, Fields, NAMES_MAX, Unreadable};
use crate::codec::mapping::FieldsConfig;
use crate::codec::number::Decimal;
use crate::codec::value::Value;
use rhumb_engine::extra::Row;
use rhumb_engine::frame::Frame;

/// A value that a name leads to: what it is, and where it stands.
#[derive(Debug, Clone, Copy)]
struct Found {
    kind: Kind,
    start: u32,
    end: u32,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Number(Decimal),
    Text { escaped: bool },
    Bool(bool),
    Other,
}

impl Found {
    #[inline]
    fn value<'a>(&self, text: &'a [u8], unescaped: &'a mut Vec<u8>) -> Value<'a> {
        let text = &text[self.start as usize..self.end as usize];
        match self.kind {
            Kind::Number(value) => Value::Number(value, text),
            Kind::Text { escaped: false } => Value::Text(text),
            Kind::Text { escaped: true } if unescape(text, unescaped) => Value::Text(unescaped),
            Kind::Bool(value) => Value::Bool(value),
            _ => Value::Other(text),
        }
    }
}

/// Reads objects, and keeps the values of the last one.
pub struct Object {
    fields: Fields,
    keys: Keys,
    /// Whether a name has a value, by its place in `Fields::names` and behind these in `Fields::extra`.
    seen: u64,
    /// The names of the fields of a frame other than the vehicle.
    core: u64,
    found: [Found; NAMES_MAX],
    vehicle: Vec<u8>,
    unescaped: Vec<u8>,
    pub unreadable: Unreadable,
    pub extras: Extras,
}

impl Object {
    pub fn new(config: &FieldsConfig) -> Object {
        let fields = Fields::new(config);
        Object {
            keys: Keys::new(&fields),
            core: ((1 << fields.names().len()) - 1) & !fields.names_of(Field::Vehicle),
            extras: Extras::new(fields.extra()),
            fields,
            seen: 0,
            found: [Found { kind: Kind::Other, start: 0, end: 0 }; NAMES_MAX],
            vehicle: Vec::new(),
            unescaped: Vec::new(),
            unreadable: Unreadable::default(),
        }
    }

    /// Finds the values of the object at the head of `text`, which is at most `RECORD_MAX` long, and says where it
    /// ends.
    #[inline]
    pub fn read(&mut self, text: &[u8]) -> Scanned<usize> {
        self.seen = 0;
        if syntax::byte(text, 0)? != b'{' {
            return no_object(text);
        }
        let mut at = syntax::space(text, 1);
        if syntax::byte(text, at)? == b'}' {
            return Ok(at + 1);
        }
        let mut nodes = [ROOT; PATH_MAX];
        let mut depth = 0;
        let mut place = 0;
        loop {
            let (key, value) = self.keys.find(text, at, nodes[depth], place)?;
            place += 1;
            at = match (key.inside, key.name) {
                (Some(inside), _) if text.get(value) == Some(&b'{') => {
                    depth += 1;
                    nodes[depth] = inside;
                    at = syntax::space(text, value + 1);
                    if syntax::byte(text, at)? != b'}' {
                        continue;
                    }
                    at
                }
                (_, Some(name)) => self.take(usize::from(name), text, value)?,
                _ => syntax::skip(text, value)?,
            };
            loop {
                at = syntax::space(text, at);
                match syntax::byte(text, at)? {
                    b',' => break,
                    b'}' if depth == 0 => return Ok(at + 1),
                    b'}' => depth -= 1,
                    _ => return syntax::bad(at, "',' or '}'"),
                }
                at += 1;
            }
            at = syntax::space(text, at + 1);
        }
    }

    /// Keeps the value of a name, and says where it ends.
    #[inline]
    fn take(&mut self, name: usize, text: &[u8], start: usize) -> Scanned<usize> {
        let bit = 1 << name;
        let (kind, start, end, next) = match syntax::byte(text, start)? {
            b'"' => {
                let (end, escaped) = syntax::string(text, start + 1)?;
                (Kind::Text { escaped }, start + 1, end, end + 1)
            }
            b'-' | b'0'..=b'9' => {
                let number = syntax::number(text, start)?;
                (Kind::Number(number.value), start, number.end, number.end)
            }
            b'n' => {
                self.seen &= !bit;
                return syntax::literal(text, start, "null");
            }
            first => {
                let end = syntax::skip(text, start)?;
                let kind = if let b't' | b'f' = first { Kind::Bool(first == b't') } else { Kind::Other };
                (kind, start, end, end)
            }
        };
        self.found[name] = Found { kind, start: start as u32, end: end as u32 };
        self.seen |= bit;
        Ok(next)
    }

    /// The object last read, from the same text, into `frame`; or why it is none.
    #[inline]
    pub fn frame<'a>(&'a mut self, text: &'a [u8], frame: &mut Frame<'a>) -> Result<(), String> {
        let Object { fields, seen, core, found, vehicle, unescaped, unreadable, .. } = self;
        let absent = fields.needed().iter().find(|field| *seen & fields.names_of(**field) == 0);
        if let Some(absent) = absent {
            return Err(format!("no field {} (looked for {})", absent.name(), fields.looked_for(*absent)));
        }
        let ids = fields.names_of(Field::Vehicle);
        let vehicle = match *seen & ids {
            0 => "",
            named => {
                let n = named.trailing_zeros() as usize;
                let value = found[n].value(text, vehicle);
                let name = value.text();
                name.ok_or_else(|| fields.complaint(Field::Vehicle, &fields.names()[n].name, value))?
            }
        };
        *frame = Frame { vehicle, ..Frame::default() };
        let mut left = *seen & *core;
        while left != 0 {
            let n = left.trailing_zeros() as usize;
            let name = &fields.names()[n];
            // The names of a field stand together, the best first: after it the others do not count.
            left &= !fields.names_of(name.field);
            let value = found[n].value(text, unescaped);
            if !fields.read(name.field, value, frame) {
                if name.field.is_needed() {
                    return Err(fields.complaint(name.field, &name.name, value));
                }
                let is_empty = matches!(value, Value::Text(text) if text.trim_ascii().is_empty());
                unreadable.add(name.field, u64::from(!is_empty));
            }
        }
        Ok(())
    }

    /// Fills the columns beyond the core from the object last read, from the same text.
    #[inline]
    pub fn fill(&mut self, text: &[u8], mut row: Row) {
        let Object { fields, seen, found, unescaped, extras, .. } = self;
        let first = fields.names().len();
        let mut left = *seen >> first;
        while left != 0 {
            let n = left.trailing_zeros() as usize;
            left &= left - 1;
            extras.put(n, found[first + n].value(text, unescaped), &mut row);
        }
    }
}

/// What stands at the head of `text`, if it is something else than an object.
#[cold]
fn no_object(text: &[u8]) -> Scanned<usize> {
    let found = match text[0] {
        b'"' => "a string",
        b't' | b'f' => "true or false",
        b'n' => "null",
        _ => "a number",
    };
    let end = syntax::skip(text, 0)?;
    Err(Trouble::NoObject { found, end })
}
