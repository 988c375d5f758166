//! Open windows in a snapshot.

use super::key::{Key, Value};
use super::open::{Group, LaneWindows};
use super::rows::RowPlan;
use arrow::array::{
    ArrayRef, AsArray, BinaryArray, BooleanArray, Float64Builder, Int64Array, ListBuilder, UInt32Array,
};
use arrow::datatypes::{Float64Type, Int64Type, UInt32Type};
use rhumb_engine::state::{StateError, StateRows, StateWriter};
use std::sync::Arc;

pub const VERSION: u32 = 1;
pub const TABLE: &str = "open";

/// One key of one window of one lane.
pub struct Stored<'a> {
    pub lane: u16,
    pub start: i64,
    pub closed: bool,
    pub key: &'a Key,
    pub revision: u32,
    pub dirty: bool,
    pub cells: &'a [f64],
}

pub fn put<'a>(state: &mut StateWriter, stored: impl Iterator<Item = Stored<'a>>) {
    let (mut lanes, mut starts, mut closed, mut keys) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut revisions, mut dirty) = (Vec::new(), Vec::new());
    let mut cells = ListBuilder::new(Float64Builder::new());
    for stored in stored {
        lanes.push(stored.lane);
        starts.push(stored.start);
        closed.push(stored.closed);
        keys.push(encode(stored.key));
        revisions.push(stored.revision);
        dirty.push(stored.dirty);
        cells.values().append_slice(stored.cells);
        cells.append(true);
    }
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("window_start", Arc::new(Int64Array::from(starts))),
        ("closed", Arc::new(BooleanArray::from(closed))),
        ("key", Arc::new(BinaryArray::from_iter_values(keys))),
        ("revision", Arc::new(UInt32Array::from(revisions))),
        ("dirty", Arc::new(BooleanArray::from(dirty))),
        ("cells", Arc::new(cells.finish())),
    ];
    state.put(TABLE, VERSION, lanes, columns);
}

/// Hands over every row, in the order in which they were put.
pub fn read(rows: &StateRows, mut take: impl FnMut(Stored)) -> Result<(), StateError> {
    let malformed = |detail: &str| StateError::Malformed { table: TABLE.to_owned(), detail: detail.to_owned() };
    let lanes = rows.lanes()?;
    let starts = rows.primitive::<Int64Type>("window_start")?;
    let (closed, dirty) = (rows.booleans("closed")?, rows.booleans("dirty")?);
    let revisions = rows.primitive::<UInt32Type>("revision")?;
    let keys = rows.array("key")?.as_binary_opt::<i32>().ok_or_else(|| malformed("column key is not binary"))?;
    let cells = rows.array("cells")?.as_list_opt::<i32>().ok_or_else(|| malformed("column cells is not a list"))?;
    for row in 0..rows.len() {
        let key = decode(keys.value(row)).ok_or_else(|| malformed("a key cannot be read"))?;
        let cells = cells.value(row);
        let cells = cells.as_primitive_opt::<Float64Type>().ok_or_else(|| malformed("cells are not floats"))?;
        take(Stored {
            lane: lanes.value(row),
            start: starts.value(row),
            closed: closed.value(row),
            key: &key,
            revision: revisions.value(row),
            dirty: dirty.value(row),
            cells: cells.values(),
        });
    }
    Ok(())
}

/// Puts a restored group where it was.
pub fn put_back(windows: &mut LaneWindows, stored: &Stored, number: u32, plan: &RowPlan) {
    let open = windows.open.entry(stored.start).or_default();
    open.closed = stored.closed;
    open.corrected |= stored.closed && stored.dirty;
    let group = Group { key: number, revision: stored.revision, dirty: stored.dirty, cells: stored.cells };
    open.put_back(group, &plan.layouts);
    // The first look after a restart works out what is really due.
    windows.due = windows.due.min(if stored.closed { i64::MIN + 1 } else { plan.widths.end_of(stored.start) });
}

/// Kind, then length and bytes, value by value.
fn encode(key: &Key) -> Vec<u8> {
    let mut bytes = Vec::new();
    for value in key {
        let (kind, data): (u8, &[u8]) = match value {
            Value::Null => (0, &[]),
            Value::Bool(b) => (1, &[u8::from(*b)]),
            Value::Int(i) => (2, &i.to_le_bytes()),
            Value::Float(f) => (3, &f.to_le_bytes()),
            Value::Text(t) => (4, t.as_bytes()),
        };
        bytes.push(kind);
        bytes.extend((data.len() as u32).to_le_bytes());
        bytes.extend(data);
    }
    bytes
}

fn decode(mut bytes: &[u8]) -> Option<Key> {
    let mut key = Vec::new();
    while let Some((kind, rest)) = bytes.split_first() {
        let (len, rest) = rest.split_first_chunk::<4>()?;
        let (data, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        key.push(match kind {
            0 => Value::Null,
            1 => Value::Bool(*data.first()? != 0),
            2 => Value::Int(i64::from_le_bytes(data.try_into().ok()?)),
            3 => Value::Float(u64::from_le_bytes(data.try_into().ok()?)),
            4 => Value::Text(std::str::from_utf8(data).ok()?.into()),
            _ => return None,
        });
        bytes = rest;
    }
    Some(key.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_as_they_were() {
        let key: Key =
            [Value::Null, Value::Bool(true), Value::Int(-3), Value::Float(1.5f64.to_bits()), Value::Text("é".into())]
                .into();
        assert_eq!(decode(&encode(&key)), Some(key));
        assert_eq!(decode(&[4, 9, 0, 0, 0, 1]), None);
    }
}
