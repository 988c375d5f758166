//! Open windows in a snapshot.

use super::key::{Key, UNKNOWN, Value};
use super::panes::Group;
use arrow::array::{ArrayRef, AsArray, BinaryArray, BooleanArray, Int32Array, Int64Array, UInt32Array, UInt64Array};
use arrow::datatypes::{Int32Type, Int64Type, UInt32Type, UInt64Type};
use rhumb_engine::state::{StateError, StateReader, StateRows, StateWriter};
use std::sync::Arc;

const TABLE: &str = "open";
const VERSION: u32 = 2;
const DUES: &str = "due";
const DUES_VERSION: u32 = 1;
const PARTS: &str = "parts";
const PARTS_VERSION: u32 = 1;

/// One key of one window.
pub struct Stored<'a> {
    pub lane: u16,
    pub part: i32,
    pub key: &'a Key,
    /// When it was read: without the key's number.
    pub group: Group<'a>,
}

pub fn put<'a>(state: &mut StateWriter, stored: impl Iterator<Item = Stored<'a>>) {
    let (mut lanes, mut parts, mut starts, mut keys) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut revisions, mut dirty) = (Vec::new(), Vec::new());
    // A column a word.
    let mut words: Vec<Vec<u64>> = Vec::new();
    for Stored { lane, part, key, group } in stored {
        lanes.push(lane);
        parts.push(part);
        starts.push(group.start);
        keys.push(encode(key));
        revisions.push(group.revision);
        dirty.push(group.dirty);
        words.resize(group.words.len(), Vec::new());
        words.iter_mut().zip(group.words).for_each(|(column, word)| column.push(*word));
    }
    let names: Vec<String> = (0..words.len()).map(word_name).collect();
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("part", Arc::new(Int32Array::from(parts))),
        ("window_start", Arc::new(Int64Array::from(starts))),
        ("key", Arc::new(BinaryArray::from_iter_values(keys))),
        ("revision", Arc::new(UInt32Array::from(revisions))),
        ("dirty", Arc::new(BooleanArray::from(dirty))),
    ];
    columns.extend(names.iter().zip(words).map(|(name, column)| {
        let column: ArrayRef = Arc::new(UInt64Array::from(column));
        (name.as_str(), column)
    }));
    state.put(TABLE, VERSION, lanes, columns);
}

fn word_name(at: usize) -> String {
    format!("word_{at}")
}

fn malformed(detail: &str) -> StateError {
    StateError::Malformed { table: TABLE.to_owned(), detail: detail.to_owned() }
}

/// Hands over every row, in the order in which they were put. `width`: words of a group.
pub fn read(state: &StateReader, width: usize, mut take: impl FnMut(Stored)) -> Result<(), StateError> {
    state.rows(TABLE, VERSION)?.iter().try_for_each(|rows| read_rows(rows, width, &mut take))
}

fn read_rows(rows: &StateRows, width: usize, take: &mut impl FnMut(Stored)) -> Result<(), StateError> {
    if rows.is_empty() {
        return Ok(());
    }
    let (lanes, parts) = (rows.lanes()?, rows.primitive::<Int32Type>("part")?);
    let starts = rows.primitive::<Int64Type>("window_start")?;
    let keys = rows.array("key")?.as_binary_opt::<i32>().ok_or_else(|| malformed("column key is not binary"))?;
    let (revisions, dirty) = (rows.primitive::<UInt32Type>("revision")?, rows.booleans("dirty")?);
    let words = (0..width).map(|at| rows.primitive::<UInt64Type>(&word_name(at))).collect::<Result<Vec<_>, _>>()?;
    let mut of_row = vec![0; width];
    for row in 0..rows.len() {
        let key = decode(keys.value(row)).ok_or_else(|| malformed("a key cannot be read"))?;
        of_row.iter_mut().zip(&words).for_each(|(word, column)| *word = column.value(row));
        let group = Group {
            start: starts.value(row),
            key: UNKNOWN,
            revision: revisions.value(row),
            dirty: dirty.value(row),
            words: &of_row,
        };
        take(Stored { lane: lanes.value(row), part: parts.value(row), key: &key, group });
    }
    Ok(())
}

/// When each lane has something to do next: a restart is to do it then, neither sooner nor later.
pub fn put_dues(state: &mut StateWriter, dues: impl Iterator<Item = (u16, i64)>) {
    let (lanes, dues): (Vec<u16>, Vec<i64>) = dues.unzip();
    state.put(DUES, DUES_VERSION, lanes, vec![("due", Arc::new(Int64Array::from(dues)))]);
}

pub fn read_dues(state: &StateReader, mut take: impl FnMut(u16, i64)) -> Result<(), StateError> {
    for rows in state.rows(DUES, DUES_VERSION)? {
        let (lanes, dues) = (rows.lanes()?, rows.primitive::<Int64Type>("due")?);
        (0..rows.len()).for_each(|row| take(lanes.value(row), dues.value(row)));
    }
    Ok(())
}

/// The parts of a merger: what each has let go, and how many its engine has made beside the first.
pub fn put_parts(state: &mut StateWriter, lane: u16, more: i32, parts: impl Iterator<Item = (i32, i64)>) {
    let (ids, floors): (Vec<i32>, Vec<i64>) = parts.unzip();
    let rows = ids.len();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("part", Arc::new(Int32Array::from(ids))),
        ("floor", Arc::new(Int64Array::from(floors))),
        ("more", Arc::new(Int32Array::from(vec![more; rows]))),
    ];
    state.put(PARTS, PARTS_VERSION, vec![lane; rows], columns);
}

pub fn read_parts(state: &StateReader, mut take: impl FnMut(i32, i64, i32)) -> Result<(), StateError> {
    for rows in state.rows(PARTS, PARTS_VERSION)? {
        let (ids, floors) = (rows.primitive::<Int32Type>("part")?, rows.primitive::<Int64Type>("floor")?);
        let more = rows.primitive::<Int32Type>("more")?;
        (0..rows.len()).for_each(|row| take(ids.value(row), floors.value(row), more.value(row)));
    }
    Ok(())
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
