//! A row as most are: no quotes, every column there, numbers in plain digits. Its fields are found by the marks of
//! the text, and then read without one having to wait for the other.

use super::columns::Columns;
use super::marks::{Bits, Marks};
use crate::codec::fields::{Field, Fields};
use crate::codec::number::{self, Decimal};
use crate::codec::value::Value;
use crate::codec::{scan, time};
use rhumb_engine::frame::Frame;
use rhumb_engine::time::EventTime;

/// Rows with more columns, up to the last one wanted, are read with care.
pub const COLUMNS_MAX: usize = 64;

/// Longer rows are read with care.
const LENGTH_MAX: usize = 1024;

/// Bytes after the beginning of a field that must be there, so that it can be read in whole words.
const ROOM: usize = 64 + 16;

/// Where the fields of a row begin. What stands in it before and after a row is read means nothing.
pub type Starts = [u16; COLUMNS_MAX + 1];

/// Reads the row at `start` into `frame`, and says where its line break stands. `None`: the row needs care; what it
/// is then, `Row` says. Never another answer than `Row` gives.
#[inline(always)]
pub fn row<'a>(
    bytes: &'a [u8],
    start: usize,
    marks: &mut Marks,
    starts: &mut Starts,
    columns: &Columns,
    fields: &Fields,
    frame: &mut Frame<'a>,
) -> Option<usize> {
    if bytes.len() - start < ROOM {
        return None;
    }
    let bits = marks.at(bytes, start);
    let length = find(bytes, start, bits, marks, starts.get_mut(..=columns.roles.len())?, columns.width())?;
    let mut row = Row { bytes, start, bits, starts, marks };
    frame.vehicle = scan::utf8(row.text(columns.vehicle))?;
    frame.event_time = row.cell(columns.event_time)?.time(fields, Field::EventTime)?;
    frame.lat = row.cell(columns.lat)?.float()?;
    frame.lon = row.cell(columns.lon)?.float()?;
    for (column, field) in &columns.optional {
        row.cell(*column)?.optional(*field, fields, frame)?;
    }
    Some(start + length)
}

/// A column of the row at `start`, for which `row` has just told where its fields begin.
#[inline]
pub fn column<'a>(bytes: &'a [u8], start: usize, starts: &Starts, column: usize) -> &'a [u8] {
    &bytes[start + usize::from(starts[column])..start + usize::from(starts[column + 1]) - 1]
}

/// Finds where the fields of a row begin, and how long it is; the last of `starts` is one past the end of the last
/// field wanted. `None` too if it has not `width` fields.
#[inline(always)]
fn find(
    bytes: &[u8],
    start: usize,
    mut bits: Bits,
    marks: &mut Marks,
    starts: &mut [u16],
    width: usize,
) -> Option<usize> {
    let (mut found, mut fields) = (1, 1);
    let mut base = 0;
    loop {
        let inside = bits.ends.wrapping_sub(1) & !bits.ends;
        let mut delimiters = bits.delimiters & inside;
        fields += delimiters.count_ones() as usize;
        while delimiters != 0 && found < starts.len() {
            starts[found] = (base + delimiters.trailing_zeros() as usize + 1) as u16;
            found += 1;
            delimiters &= delimiters - 1;
        }
        if bits.ends != 0 {
            break;
        }
        base += 64;
        if base == LENGTH_MAX || start + base >= bytes.len() {
            return None;
        }
        bits = marks.at(bytes, start + base);
    }
    let length = base + bits.ends.trailing_zeros() as usize;
    if found < starts.len() {
        starts[found] = length as u16 + 1;
        found += 1;
    }
    let ends_well = matches!(bytes.get(start + length), Some(b'\n' | b'\r'));
    (found == starts.len() && fields == width && ends_well).then_some(length)
}

/// A row whose fields are found.
struct Row<'a, 'b> {
    bytes: &'a [u8],
    start: usize,
    /// Of its first 64 bytes.
    bits: Bits,
    starts: &'b Starts,
    marks: &'b mut Marks,
}

impl<'a> Row<'a, '_> {
    #[inline(always)]
    fn range(&self, column: usize) -> (usize, usize) {
        (usize::from(self.starts[column]), usize::from(self.starts[column + 1]) - 1)
    }

    #[inline(always)]
    fn text(&self, column: usize) -> &'a [u8] {
        let (from, to) = self.range(column);
        &self.bytes[self.start + from..self.start + to]
    }

    /// A field with its marks. `None` at the end of the text, and if the field is too long for them.
    #[inline(always)]
    fn cell(&mut self, column: usize) -> Option<Cell<'a>> {
        let (from, to) = self.range(column);
        let bytes = self.bytes.get(self.start + from..)?.first_chunk()?;
        let (digits, points) = match to < 64 {
            true => (self.bits.digits >> from, self.bits.points >> from),
            false => {
                let bits = self.marks.at(self.bytes, self.start + from);
                (bits.digits, bits.points)
            }
        };
        (to - from < 64).then_some(Cell { bytes, digits, points, length: (to - from) as u32 })
    }
}

/// A field: its bytes and what follows them, and marks that begin with it.
struct Cell<'a> {
    bytes: &'a [u8; ROOM],
    digits: u64,
    points: u64,
    length: u32,
}

impl<'a> Cell<'a> {
    #[inline(always)]
    fn text(&self) -> &'a [u8] {
        &self.bytes[..self.length as usize]
    }

    /// Eight bytes as the values of digits.
    #[inline(always)]
    fn values(&self, at: u32) -> u64 {
        scan::word(self.bytes, at as usize) ^ scan::each(b'0')
    }

    #[inline(always)]
    fn float(&self) -> Option<f64> {
        let negative = self.bytes[0] == b'-';
        let sign = u32::from(negative);
        let inside = ((1_u64 << self.length) - 1) & !u64::from(sign);
        let point = self.points & inside;
        let plain = !self.digits & inside == point && point & point.wrapping_sub(1) == 0;
        let middle = (point | 1 << self.length).trailing_zeros();
        let (whole, fraction) = (middle.wrapping_sub(sign), self.length - middle - u32::from(point != 0));
        // Seven and eight digits make fifteen at most, which `f64` holds exactly.
        if !plain || whole > 7 || fraction > 8 || whole + fraction == 0 {
            return self.any_float();
        }
        let whole = number::first_digits(self.values(sign), whole);
        let part = number::first_digits(self.values(middle + 1), fraction);
        let value = number::quotient(whole, part, fraction as usize);
        Some(if negative { -value } else { value })
    }

    #[inline(never)]
    fn any_float(&self) -> Option<f64> {
        let text = self.text();
        let number = number::number(text, 0).filter(|number| number.end == text.len())?;
        number::nearest(number.value, text)
    }

    #[inline(always)]
    fn time(&self, fields: &Fields, field: Field) -> Option<EventTime> {
        let inside = (1_u64 << self.length) - 1;
        if self.digits & inside != inside || self.length == 0 || self.length > 16 {
            return self.any_time(fields, field);
        }
        let low = self.length.min(8);
        let mantissa = number::first_digits(self.values(0), self.length - low) * 100_000_000
            + number::first_digits(self.values(self.length - low), low);
        time::of_number(Decimal { mantissa: mantissa as i64, exponent: 0 }, fields.time_unit(field))
    }

    #[inline(never)]
    fn any_time(&self, fields: &Fields, field: Field) -> Option<EventTime> {
        Value::Text(self.text()).time(fields.time_unit(field))
    }

    /// Reads a value that need not be there. `None` too if it cannot be read: care counts it.
    #[inline(always)]
    fn optional(&self, field: Field, fields: &Fields, frame: &mut Frame) -> Option<()> {
        match field {
            _ if self.length == 0 => {}
            Field::NoFix | Field::Valid => fields.read(field, Value::Text(self.text()), frame).then_some(())?,
            Field::ReceivedAt => frame.received_at = Some(self.time(fields, field)?),
            _ => fields.measure(field, self.float()?, frame).then_some(())?,
        }
        Some(())
    }
}
