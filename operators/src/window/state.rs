//! Open windows in a snapshot.

use super::group::{Group, History};
use super::key::{Key, UNKNOWN, Value};
use super::open::ALL;
use super::rows::RowPlan;
use arrow::array::{ArrayRef, AsArray, BinaryArray, Int32Array, Int64Array, UInt32Array, UInt64Array};
use arrow::datatypes::{Int32Type, Int64Type, UInt32Type, UInt64Type};
use rhumb_engine::state::{StateError, StateReader, StateRows, StateWriter};
use std::sync::Arc;

const TABLE: &str = "open";
const VERSION: u32 = 3;
const LANES: &str = "lanes";
const PARTS: &str = "parts";
const FILLED: &str = "filled";
/// Of the small tables.
const SMALL_VERSION: u32 = 1;

/// Open windows, row by row.
pub struct Table {
    lanes: Vec<u16>,
    parts: Vec<i32>,
    starts: Vec<i64>,
    ends: Vec<i64>,
    froms: Vec<i64>,
    keys: Vec<Vec<u8>>,
    revisions: Vec<u32>,
    told: Vec<u32>,
    changed: Vec<u32>,
    told_starts: Vec<Vec<u8>>,
    /// By word.
    words: Vec<Vec<u64>>,
    /// By side.
    sides: Vec<Vec<Vec<u8>>>,
}

impl Table {
    pub fn new(plan: &RowPlan) -> Table {
        Table {
            lanes: Vec::new(),
            parts: Vec::new(),
            starts: Vec::new(),
            ends: Vec::new(),
            froms: Vec::new(),
            keys: Vec::new(),
            revisions: Vec::new(),
            told: Vec::new(),
            changed: Vec::new(),
            told_starts: Vec::new(),
            words: vec![Vec::new(); plan.layouts.width()],
            sides: vec![Vec::new(); plan.layouts.sides.len()],
        }
    }

    pub fn push(&mut self, lane: u16, part: i32, key: &Key, group: &Group) {
        self.lanes.push(lane);
        self.parts.push(part);
        self.starts.push(group.start);
        self.ends.push(group.end);
        self.froms.push(group.from);
        self.keys.push(encode(key));
        self.revisions.push(group.history.revision);
        self.told.push(group.history.told);
        self.changed.push(group.history.changed);
        let starts = group.history.starts.iter();
        self.told_starts.push(starts.flat_map(|(s, r)| [&s.to_le_bytes()[..], &r.to_le_bytes()].concat()).collect());
        self.words.iter_mut().zip(group.words).for_each(|(column, word)| column.push(*word));
        self.sides.iter_mut().zip(group.sides).for_each(|(column, side)| column.push(side.to_bytes()));
    }

    pub fn put(self, state: &mut StateWriter) {
        let binary = |values: Vec<Vec<u8>>| Arc::new(BinaryArray::from_iter_values(values));
        let word_names: Vec<String> = (0..self.words.len()).map(word_name).collect();
        let side_names: Vec<String> = (0..self.sides.len()).map(side_name).collect();
        let mut columns: Vec<(&str, ArrayRef)> = vec![
            ("part", Arc::new(Int32Array::from(self.parts))),
            ("window_start", Arc::new(Int64Array::from(self.starts))),
            ("window_end", Arc::new(Int64Array::from(self.ends))),
            ("taken_from", Arc::new(Int64Array::from(self.froms))),
            ("key", binary(self.keys)),
            ("revision", Arc::new(UInt32Array::from(self.revisions))),
            ("told", Arc::new(UInt32Array::from(self.told))),
            ("changed", Arc::new(UInt32Array::from(self.changed))),
            ("told_starts", binary(self.told_starts)),
        ];
        for (name, column) in word_names.iter().zip(self.words) {
            columns.push((name, Arc::new(UInt64Array::from(column))));
        }
        for (name, column) in side_names.iter().zip(self.sides) {
            columns.push((name, binary(column)));
        }
        state.put(TABLE, VERSION, self.lanes, columns);
    }
}

/// One key of one window, without the key's number.
pub struct Stored<'a> {
    pub lane: u16,
    pub part: i32,
    pub key: &'a Key,
    pub group: Group<'a>,
}

fn side_name(at: usize) -> String {
    format!("sketch_{at}")
}

fn word_name(at: usize) -> String {
    format!("word_{at}")
}

fn malformed(detail: &str) -> StateError {
    StateError::Malformed { table: TABLE.to_owned(), detail: detail.to_owned() }
}

/// Hands over every row, in the order in which they were put.
pub fn read(state: &StateReader, plan: &RowPlan, mut take: impl FnMut(Stored)) -> Result<(), StateError> {
    state.rows(TABLE, VERSION)?.iter().try_for_each(|rows| read_rows(rows, plan, &mut take))
}

fn read_rows(rows: &StateRows, plan: &RowPlan, take: &mut impl FnMut(Stored)) -> Result<(), StateError> {
    let binary = |name: &str| {
        let array = rows.array(name)?.as_binary_opt::<i32>();
        array.ok_or_else(|| malformed(&format!("column {name} is not binary")))
    };
    let (lanes, parts) = (rows.lanes()?, rows.primitive::<Int32Type>("part")?);
    let (starts, ends) = (rows.primitive::<Int64Type>("window_start")?, rows.primitive::<Int64Type>("window_end")?);
    // State of an older version lacks it.
    let froms = rows.primitive::<Int64Type>("taken_from").ok();
    let (keys, told_starts) = (binary("key")?, binary("told_starts")?);
    let revisions = rows.primitive::<UInt32Type>("revision")?;
    let (told, changed) = (rows.primitive::<UInt32Type>("told")?, rows.primitive::<UInt32Type>("changed")?);
    let words = (0..plan.layouts.width()).map(|at| rows.primitive::<UInt64Type>(&word_name(at)));
    let words = words.collect::<Result<Vec<_>, _>>()?;
    let sides = (0..plan.layouts.sides.len()).map(|at| binary(&side_name(at)));
    let sides = sides.collect::<Result<Vec<_>, _>>()?;
    for row in 0..rows.len() {
        let key = decode(keys.value(row)).ok_or_else(|| malformed("a key cannot be read"))?;
        let history = History {
            revision: revisions.value(row),
            told: told.value(row),
            changed: changed.value(row),
            starts: starts_of(told_starts.value(row)),
        };
        let words: Vec<u64> = words.iter().map(|column| column.value(row)).collect();
        let kept = sides.iter().zip(&plan.layouts.empty_sides).map(|(column, kind)| kind.of_bytes(column.value(row)));
        let kept = kept.collect::<Option<Vec<_>>>().ok_or_else(|| malformed("a sketch or text cannot be read"))?;
        let group = Group {
            key: UNKNOWN,
            start: starts.value(row),
            end: ends.value(row),
            from: froms.map_or(ALL, |froms| froms.value(row)),
            history: &history,
            words: &words,
            sides: &kept,
            retracted: false,
        };
        take(Stored { lane: lanes.value(row), part: parts.value(row), key: &key, group });
    }
    Ok(())
}

fn starts_of(bytes: &[u8]) -> Vec<(i64, u32)> {
    let one = |bytes: &[u8; 12]| {
        let [start @ .., a, b, c, d] = *bytes;
        (i64::from_le_bytes(start), u32::from_le_bytes([a, b, c, d]))
    };
    bytes.as_chunks::<12>().0.iter().map(one).collect()
}

/// When each lane has something to do next, which a restart is to do then, neither sooner nor later; and what it has
/// let go.
pub fn put_lanes(state: &mut StateWriter, open: impl Iterator<Item = (u16, i64, i64)>) {
    let (mut lanes, mut dues, mut floors) = (Vec::new(), Vec::new(), Vec::new());
    for (lane, due, floor) in open {
        lanes.push(lane);
        dues.push(due);
        floors.push(floor);
    }
    let columns: Vec<(&str, ArrayRef)> =
        vec![("due", Arc::new(Int64Array::from(dues))), ("floor", Arc::new(Int64Array::from(floors)))];
    state.put(LANES, SMALL_VERSION, lanes, columns);
}

pub fn read_lanes(state: &StateReader, mut take: impl FnMut(u16, i64, i64)) -> Result<(), StateError> {
    for rows in state.rows(LANES, SMALL_VERSION)? {
        let (lanes, dues) = (rows.lanes()?, rows.primitive::<Int64Type>("due")?);
        let floors = rows.primitive::<Int64Type>("floor")?;
        (0..rows.len()).for_each(|row| take(lanes.value(row), dues.value(row), floors.value(row)));
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
    state.put(PARTS, SMALL_VERSION, vec![lane; rows], columns);
}

pub fn read_parts(state: &StateReader, mut take: impl FnMut(i32, i64, i32)) -> Result<(), StateError> {
    for rows in state.rows(PARTS, SMALL_VERSION)? {
        let (ids, floors) = (rows.primitive::<Int32Type>("part")?, rows.primitive::<Int64Type>("floor")?);
        let more = rows.primitive::<Int32Type>("more")?;
        (0..rows.len()).for_each(|row| take(ids.value(row), floors.value(row), more.value(row)));
    }
    Ok(())
}

/// How far windows without frames have been told of: a row of times.
pub fn put_filled(state: &mut StateWriter, lane: u16, filled: Option<[i64; 3]>) {
    let column =
        |at: usize| -> ArrayRef { Arc::new(Int64Array::from_iter_values(filled.iter().map(|times| times[at]))) };
    let lanes = filled.iter().map(|_| lane).collect();
    state.put(FILLED, SMALL_VERSION, lanes, vec![("from", column(0)), ("to", column(1)), ("last", column(2))]);
}

pub fn read_filled(state: &StateReader) -> Result<Option<[i64; 3]>, StateError> {
    let mut filled: Option<[i64; 3]> = None;
    // Whoever goes on with windows of another engine goes on where either has come.
    for rows in state.rows(FILLED, SMALL_VERSION)?.iter().filter(|rows| !rows.is_empty()) {
        let time = |name: &str| Ok::<i64, StateError>(rows.primitive::<Int64Type>(name)?.value(0));
        let [from, to, last] = [time("from")?, time("to")?, time("last")?];
        filled = Some(filled.map_or([from, to, last], |[f, t, l]| [f.min(from), t.max(to), l.max(last)]));
    }
    Ok(filled)
}

/// Kind, then length and bytes, value by value.
pub fn encode(key: &Key) -> Vec<u8> {
    let mut bytes = Vec::new();
    for value in key {
        let (kind, data): (u8, &[u8]) = match value {
            Value::Null => (0, &[]),
            Value::Bool(b) => (1, &[u8::from(*b)]),
            Value::Int(i) => (2, &i.to_le_bytes()),
            Value::Float(f) => (3, &f.to_le_bytes()),
            Value::Text(t) => (4, t.as_bytes()),
            Value::Cell(c) => (5, &c.to_le_bytes()),
        };
        bytes.push(kind);
        bytes.extend((data.len() as u32).to_le_bytes());
        bytes.extend(data);
    }
    bytes
}

/// The values of a key, or of several, as they were encoded.
pub fn decode(mut bytes: &[u8]) -> Option<Key> {
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
            5 => Value::Cell(u64::from_le_bytes(data.try_into().ok()?)),
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
        let numbers = [Value::Bool(true), Value::Int(-3), Value::Float(1.5f64.to_bits()), Value::Cell(7)];
        let key: Key = numbers.into_iter().chain([Value::Null, Value::Text("é".into())]).collect();
        assert_eq!(decode(&encode(&key)), Some(key));
        assert_eq!(decode(&[4, 9, 0, 0, 0, 1]), None);
    }
}
