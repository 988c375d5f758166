//! A row as most are: no quotes, every column there, numbers in plain digits. Takes a row apart and reads it in one pass.

use super::columns::Columns;
use crate::codec::fields::{Field, Fields};
use crate::codec::value::Value;
use crate::codec::{RECORD_MAX, number, scan, time};
use rhumb_engine::frame::Frame;
use rhumb_engine::time::EventTime;

/// The row at `start`, and where its line break stands. `None`: the row needs care; what it is then, `Row` says. Never
/// another answer than `Row` gives.
#[inline]
pub fn row<'a>(
    bytes: &'a [u8],
    start: usize,
    delimiter: u8,
    columns: &Columns,
    fields: &Fields,
) -> Option<(Frame<'a>, usize)> {
    let mut frame = Frame::default();
    let mut at = start;
    for (column, role) in columns.roles.iter().enumerate() {
        if column > 0 {
            if bytes.get(at) != Some(&delimiter) {
                return None;
            }
            at += 1;
        }
        at = match role {
            None => scan::stop(bytes, at, delimiter, b'"'),
            Some(Field::Vehicle) => {
                let end = scan::stop(bytes, at, delimiter, b'"');
                frame.vehicle = std::str::from_utf8(&bytes[at..end]).ok()?;
                end
            }
            Some(Field::EventTime) => {
                let (time, end) = moment(bytes, at, Field::EventTime, fields)?;
                frame.event_time = time;
                end
            }
            Some(Field::Lat) => {
                let number = number::number(bytes, at)?;
                frame.lat = number.value.to_f64()?;
                number.end
            }
            Some(Field::Lon) => {
                let number = number::number(bytes, at)?;
                frame.lon = number.value.to_f64()?;
                number.end
            }
            Some(field) => optional(bytes, at, delimiter, *field, fields, &mut frame)?,
        };
    }
    let end = line_end(bytes, at, delimiter)?;
    (end - start < RECORD_MAX).then_some((frame, end))
}

#[inline]
fn moment(bytes: &[u8], at: usize, field: Field, fields: &Fields) -> Option<(EventTime, usize)> {
    let number = number::number(bytes, at)?;
    if bytes.get(number.end) == Some(&b'-') {
        return time::rfc3339(bytes, at).filter(|_| fields.time_unit(field).takes_text());
    }
    Some((time::of_number(number.value, fields.time_unit(field))?, number.end))
}

/// Reads a value that need not be there, and says where it ends.
#[inline]
fn optional<'a>(bytes: &'a [u8], at: usize, delimiter: u8, field: Field, fields: &Fields, frame: &mut Frame<'a>) -> Option<usize> {
    let next = *bytes.get(at)?;
    if next == delimiter || next == b'\n' || next == b'\r' {
        return Some(at);
    }
    match field {
        Field::NoFix | Field::Valid => {
            let end = scan::stop(bytes, at, delimiter, b'"');
            fields.read(field, Value::Text(&bytes[at..end]), frame);
            Some(end)
        }
        Field::ReceivedAt => {
            let (time, end) = moment(bytes, at, field, fields)?;
            frame.received_at = Some(time);
            Some(end)
        }
        _ => {
            let number = number::number(bytes, at)?;
            fields.measure(field, number.value.to_f64()?, frame);
            Some(number.end)
        }
    }
}

/// Where the line ends, over columns that nobody wants.
#[inline]
fn line_end(bytes: &[u8], mut at: usize, delimiter: u8) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            b'\n' | b'\r' => return Some(at),
            byte if byte == delimiter => at = scan::stop(bytes, at + 1, b'"', b'"'),
            _ => return None,
        }
    }
}
