//! One row, read with care: quotes, missing columns, and what is wrong with it.

use super::columns::Columns;
use crate::codec::fields::{Field, Fields, Unreadable};
use crate::codec::value::Value;
use rhumb_engine::frame::Frame;

/// How far a row goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Its line break stands here.
    Ended(usize),
    /// The text ends first; inside quotes, or not.
    Open { quoted: bool },
}

/// The columns of one row without their quotes. Reused from row to row.
#[derive(Default)]
pub struct Row {
    text: Vec<u8>,
    /// Where each column ends in `text`.
    ends: Vec<usize>,
}

impl Row {
    /// Takes the row at the head of `bytes` apart. What the `csv` crate makes of quotes holds here: they count at the
    /// beginning of a column only; what follows the closing one belongs to the column.
    pub fn read(&mut self, bytes: &[u8], delimiter: u8) -> Extent {
        self.text.clear();
        self.ends.clear();
        let mut quoted = false;
        let mut at = 0;
        let mut beginning = true;
        while let Some(byte) = bytes.get(at) {
            at += 1;
            match *byte {
                b'"' if quoted && bytes.get(at) == Some(&b'"') => {
                    self.text.push(b'"');
                    at += 1;
                }
                b'"' if quoted => quoted = false,
                byte if quoted => self.text.push(byte),
                b'"' if beginning => quoted = true,
                b'\n' | b'\r' => {
                    self.ends.push(self.text.len());
                    return Extent::Ended(at - 1);
                }
                byte if byte == delimiter => {
                    self.ends.push(self.text.len());
                    beginning = true;
                    continue;
                }
                byte => self.text.push(byte),
            }
            beginning = false;
        }
        self.ends.push(self.text.len());
        Extent::Open { quoted }
    }

    fn columns(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.text[start..*end])
    }

    /// A column; empty if the row has not so many.
    pub fn column(&self, column: usize) -> &[u8] {
        self.columns().nth(column).unwrap_or_default()
    }

    /// The row as names of columns.
    pub fn names(&self) -> Vec<String> {
        self.columns().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
    }

    /// The row as a frame, or why it is none.
    pub fn frame(&self, columns: &Columns, fields: &Fields, unreadable: &mut Unreadable) -> Result<Frame<'_>, String> {
        if let Some(complaint) = columns.wrong_width(self.ends.len()) {
            return Err(complaint);
        }
        let mut frame = Frame::default();
        for (column, (role, text)) in columns.roles.iter().zip(self.columns()).enumerate() {
            let Some(field) = *role else { continue };
            let value = Value::Text(text);
            if field == Field::Vehicle {
                frame.vehicle = value.text().ok_or_else(|| fields.complaint(field, columns.name(column), value))?;
                continue;
            }
            if !fields.read(field, value, &mut frame) {
                if field.is_needed() {
                    return Err(fields.complaint(field, columns.name(column), value));
                }
                // Nothing in a column is no value.
                unreadable.add(field, u64::from(!text.trim_ascii().is_empty()));
            }
        }
        Ok(frame)
    }
}
