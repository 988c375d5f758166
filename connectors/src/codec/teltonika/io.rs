//! IO elements: which of them become columns, and how their values are read.

use super::record::Element;
use crate::codec::scan;
use arrow::datatypes::{DataType, Field, FieldRef};
use rhumb_engine::extra::{Extra, Row};
use std::fmt::Write;
use std::sync::Arc;

/// What a column of an IO element holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IoType {
    /// True unless the value is 0.
    Bool,
    #[default]
    Int,
    /// `value * scale`.
    Float,
    /// The element's bytes as text if they are printable ASCII, else as hexadecimal digits.
    Text,
}

impl IoType {
    pub const ALL: [(&str, IoType); 4] =
        [("bool", IoType::Bool), ("int", IoType::Int), ("float", IoType::Float), ("text", IoType::Text)];
}

/// Units that values are converted from, and by what.
pub const UNITS: &[(&str, f64)] = &[
    ("mV", 1e-3),
    ("V", 1.0),
    ("mA", 1e-3),
    ("A", 1.0),
    ("m", 1.0),
    ("km", 1e3),
    ("ft", 0.3048),
    ("m/s", 1.0),
    ("km/h", 1.0 / 3.6),
    ("mph", 0.44704),
    ("ms", 1e-3),
    ("s", 1.0),
    ("h", 3600.0),
    ("ml", 1e-3),
    ("l", 1.0),
    ("g", 1e-3),
    ("kg", 1.0),
    ("mg", 1e-6),
    ("%", 1.0),
    ("C", 1.0),
];

/// A column that holds the values of one IO element.
#[derive(Debug, Clone, PartialEq)]
pub struct IoColumn {
    pub name: String,
    pub id: u16,
    pub holds: IoType,
    /// The element is a signed number: two's complement in the width it was sent with.
    pub signed: bool,
    /// For floats.
    pub scale: f64,
}

impl Eq for IoColumn {}

impl IoColumn {
    /// The element as a whole number without sign.
    pub fn new(name: &str, id: u16) -> IoColumn {
        IoColumn { name: name.to_owned(), id, holds: IoType::Int, signed: false, scale: 1.0 }
    }
}

macro_rules! kept {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal: $data_type:ident,)*) => {
        /// What of a record beyond position and chosen IO elements becomes a column.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Kept { $($(#[doc = $doc])* $variant,)* }

        impl Kept {
            pub const NAMES: &[&str] = &[$($name,)*];
            pub const ALL: &[Kept] = &[$(Kept::$variant,)*];

            /// Of the column, and in a pipeline.
            pub fn name(self) -> &'static str {
                match self { $(Kept::$variant => $name,)* }
            }

            fn data_type(self) -> DataType {
                match self { $(Kept::$variant => DataType::$data_type,)* }
            }
        }
    };
}

kept! {
    /// 0 low, 1 high, 2 panic.
    Priority = "priority": Int64,
    /// The IO element whose change caused the record; 0: none did.
    EventIoId = "event_io_id": Int64,
    /// Codec 16: what caused the record.
    GenerationType = "generation_type": Int64,
    /// All IO elements as a JSON object, from their id to their value: a number without sign (from 2^53 on
    /// as a text), or hexadecimal digits.
    Io = "io": Utf8,
}

/// The columns of a codec, ready for use.
pub struct IoColumns {
    kept: Vec<Kept>,
    columns: Vec<IoColumn>,
    /// By id: the place in `columns`, counted from 1; 0 for an element that is not asked for.
    places: Vec<u16>,
    text: String,
}

/// The columns that a configuration asks for, in their order.
pub fn fields(kept: &[Kept], columns: &[IoColumn]) -> Vec<FieldRef> {
    let data_type = |column: &IoColumn| match column.holds {
        IoType::Bool => DataType::Boolean,
        IoType::Int => DataType::Int64,
        IoType::Float => DataType::Float64,
        IoType::Text => DataType::Utf8,
    };
    let kept = kept.iter().map(|kept| Field::new(kept.name(), kept.data_type(), true));
    let columns = columns.iter().map(|column| Field::new(&column.name, data_type(column), true));
    kept.chain(columns).map(Arc::new).collect()
}

impl IoColumns {
    pub fn new(kept: &[Kept], columns: &[IoColumn]) -> IoColumns {
        let largest = columns.iter().map(|column| usize::from(column.id) + 1).max();
        let mut places = vec![0; largest.unwrap_or(0)];
        for (place, column) in columns.iter().enumerate() {
            places[usize::from(column.id)] = place as u16 + 1;
        }
        IoColumns { kept: kept.to_vec(), columns: columns.to_vec(), places, text: String::new() }
    }

    /// True if a record's elements need not be looked at.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.columns.is_empty()
    }

    /// Fills the columns of a record, of which `elements` are the IO elements.
    #[inline]
    pub fn fill<'a>(&mut self, head: RecordHead, elements: impl Iterator<Item = Element<'a>> + Clone, mut row: Row) {
        if !self.columns.is_empty() {
            for element in elements.clone() {
                let place = self.places.get(usize::from(element.id)).copied().unwrap_or(0);
                if let Some(column) = usize::from(place).checked_sub(1) {
                    self.text.clear();
                    if let Some(value) = value(&self.columns[column], element.bytes, &mut self.text) {
                        row.set(self.kept.len() + column, value);
                    }
                }
            }
        }
        for (column, kept) in self.kept.iter().enumerate() {
            match kept {
                Kept::Priority => row.set(column, Extra::Int(i64::from(head.priority))),
                Kept::EventIoId => row.set(column, Extra::Int(i64::from(head.event_io_id))),
                Kept::GenerationType => {
                    if let Some(generation_type) = head.generation_type {
                        row.set(column, Extra::Int(i64::from(generation_type)));
                    }
                }
                Kept::Io => {
                    write_all(elements.clone(), &mut self.text);
                    row.set(column, Extra::Text(&self.text));
                }
            }
        }
    }
}

/// What a record says before its IO elements, beside the position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordHead {
    pub priority: u8,
    pub event_io_id: u16,
    pub generation_type: Option<u8>,
}

/// `None`: the element has no value of the column's type.
#[inline]
fn value<'a>(column: &IoColumn, bytes: &[u8], text: &'a mut String) -> Option<Extra<'a>> {
    if column.holds == IoType::Text {
        write_text(bytes, text);
        return Some(Extra::Text(text));
    }
    let unsigned = number(bytes)?;
    let signed = column.signed.then(|| extended(unsigned, bytes.len()));
    match column.holds {
        IoType::Bool => Some(Extra::Bool(unsigned != 0)),
        IoType::Int => signed.or_else(|| i64::try_from(unsigned).ok()).map(Extra::Int),
        IoType::Float | IoType::Text => {
            let value = signed.map_or(unsigned as f64, |signed| signed as f64);
            Some(Extra::Float(value * column.scale))
        }
    }
}

/// A big-endian number of one to eight bytes.
#[inline]
fn number(bytes: &[u8]) -> Option<u64> {
    (1..=8).contains(&bytes.len()).then(|| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

fn extended(value: u64, bytes: usize) -> i64 {
    let unused = 64 - 8 * bytes as u32;
    (value << unused) as i64 >> unused
}

fn write_text(bytes: &[u8], out: &mut String) {
    // Texts come padded with zeros at the end.
    let length = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    match scan::utf8(&bytes[..length]) {
        Some(text) if length > 0 && text.bytes().all(|byte| (b' '..0x7F).contains(&byte)) => out.push_str(text),
        _ => write_hex(bytes, out),
    }
}

fn write_hex(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
}

fn write_all<'a>(elements: impl Iterator<Item = Element<'a>>, out: &mut String) {
    out.clear();
    out.push('{');
    for element in elements {
        if out.len() > 1 {
            out.push(',');
        }
        let _ = write!(out, "\"{}\":", element.id);
        match number(element.bytes).filter(|_| !element.variable) {
            // Larger ones are not exact in many a reader of JSON.
            Some(value) if value > 1 << 53 => {
                let _ = write!(out, "\"{value}\"");
            }
            Some(value) => {
                let _ = write!(out, "{value}");
            }
            None => {
                out.push('"');
                write_hex(element.bytes, out);
                out.push('"');
            }
        }
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut IoColumn), bytes: &[u8], want: Option<Extra>) {
        let mut column = IoColumn::new("x", 1);
        change(&mut column);
        assert_eq!(value(&column, bytes, &mut String::new()), want, "{column:?}");
    }

    #[test]
    fn values_are_read_as_the_column_says() {
        check(|_| {}, &[0xFF], Some(Extra::Int(255)));
        check(|c| c.signed = true, &[0xFF], Some(Extra::Int(-1)));
        check(|c| c.signed = true, &[0xFF, 0x38], Some(Extra::Int(-200)));
        check(|c| c.signed = true, &[0xFF; 8], Some(Extra::Int(-1)));
        check(|_| {}, &[0xFF; 8], None);
        check(|_| {}, &[1; 9], None);
        check(|_| {}, &[], None);
        check(|c| c.holds = IoType::Bool, &[0, 0], Some(Extra::Bool(false)));
        check(|c| c.holds = IoType::Bool, &[2], Some(Extra::Bool(true)));
        check(|c| (c.holds, c.scale) = (IoType::Float, 0.5), &[0x10, 1], Some(Extra::Float(2048.5)));
        check(|c| c.holds = IoType::Text, b"WDB9066131S123456", Some(Extra::Text("WDB9066131S123456")));
        check(|c| c.holds = IoType::Text, b"AB\0\0", Some(Extra::Text("AB")));
        check(|c| c.holds = IoType::Text, &[0x01, 0x3C, 0xAB, 0, 0, 0, 0, 0], Some(Extra::Text("013cab0000000000")));
    }
}
