//! Columns of many batches as one column in another order. The parts of a column are first put one after the other: rows
//! are then picked from one stretch of memory that fits into the processor's cache.

use super::segment::constant;
use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, DictionaryArray, ListArray, PrimitiveArray,
    StringArray, UInt32Array, downcast_primitive, new_null_array,
};
use arrow::buffer::{BooleanBuffer, NullBuffer, OffsetBuffer};
use arrow::compute::{concat, take};
use arrow::datatypes::{DataType, Field, FieldRef};
use rhumb_engine::frame::ZoneLists;
use std::sync::Arc;

/// Gives the values of rows, which are numbered through all parts.
pub type Pick<'a> = Box<dyn Fn(&[u32]) -> ArrayRef + 'a>;

/// The values of these rows.
pub fn pick<T: Copy>(values: &[T], rows: &[u32]) -> Vec<T> {
    rows.iter().map(|row| values[*row as usize]).collect()
}

/// One column in parts; `None` where a part has no values.
pub struct Column {
    field: FieldRef,
    parts: Vec<Option<ArrayRef>>,
    /// Rows of each part.
    rows: Vec<usize>,
}

impl Column {
    /// # Panics
    /// If a part is of another type than the field.
    pub fn new(field: FieldRef, parts: Vec<Option<ArrayRef>>, rows: Vec<usize>) -> Column {
        for part in parts.iter().flatten() {
            assert_eq!(part.data_type(), field.data_type(), "column {} keeps its type", field.name());
        }
        Column { field, parts, rows }
    }

    /// The number or time that all rows have.
    pub fn constant(&self) -> Option<i64> {
        let mut parts = self.parts.iter().map(|part| part.as_ref().and_then(constant));
        let first = parts.next()??;
        parts.all(|part| part == Some(first)).then_some(first)
    }

    pub fn picker(&self) -> Pick<'_> {
        let data_type = self.field.data_type();
        if self.parts.iter().all(Option::is_none) {
            return Box::new(move |rows| new_null_array(data_type, rows.len()));
        }
        macro_rules! typed {
            ($t:ty) => {
                primitives::<$t>(data_type, &self.parts)
            };
        }
        let quick = downcast_primitive! {
            data_type => (typed),
            DataType::Boolean => all_false(&self.parts),
            _ => None,
        };
        quick.unwrap_or_else(|| any(data_type, &self.parts, &self.rows))
    }
}

/// Numbers, if there are no nulls.
fn primitives<'a, T: ArrowPrimitiveType>(data_type: &'a DataType, parts: &[Option<ArrayRef>]) -> Option<Pick<'a>> {
    let mut all: Vec<T::Native> = Vec::new();
    for part in parts {
        let part = part.as_ref().filter(|part| part.null_count() == 0)?;
        all.extend_from_slice(part.as_primitive::<T>().values());
    }
    Some(Box::new(move |rows| {
        Arc::new(PrimitiveArray::<T>::new(pick(&all, rows).into(), None).with_data_type(data_type.clone()))
    }))
}

/// What is nearly always so costs nothing: no frame is late.
fn all_false(parts: &[Option<ArrayRef>]) -> Option<Pick<'static>> {
    let none = |part: &ArrayRef| part.null_count() == 0 && !part.as_boolean().has_true();
    let nothing: Pick = Box::new(|rows| Arc::new(BooleanArray::new(BooleanBuffer::new_unset(rows.len()), None)));
    parts.iter().all(|part| part.as_ref().is_some_and(none)).then_some(nothing)
}

/// Columns of whatever type.
fn any(data_type: &DataType, parts: &[Option<ArrayRef>], rows: &[usize]) -> Pick<'static> {
    let absent = |rows: usize| new_null_array(data_type, rows);
    let arrays: Vec<ArrayRef> =
        parts.iter().zip(rows).map(|(part, rows)| part.clone().unwrap_or_else(|| absent(*rows))).collect();
    let arrays: Vec<&dyn Array> = arrays.iter().map(|array| array.as_ref()).collect();
    let all = concat(&arrays).expect("parts of one type");
    Box::new(move |rows| take(&all, &UInt32Array::from(rows.to_vec()), None).expect("rows that exist"))
}

/// Strings that repeat, in parts: each part has a dictionary of its own, which it may share with others.
#[derive(Default)]
pub struct Dictionaries {
    shared: Vec<Arc<StringArray>>,
    /// By part: where its dictionary starts in the joint one.
    starts: Vec<u32>,
}

impl Dictionaries {
    /// Adds the next part.
    pub fn push(&mut self, values: &Arc<StringArray>) {
        let known = self.shared.iter().position(|s| Arc::ptr_eq(s, values));
        let known = known.unwrap_or_else(|| {
            self.shared.push(values.clone());
            self.shared.len() - 1
        });
        let start: usize = self.shared[..known].iter().map(|s| s.len()).sum();
        self.starts.push(u32::try_from(start).expect("fewer than 2^32 zones"));
    }

    /// Adds a part that has no values.
    pub fn push_empty(&mut self) {
        self.starts.push(0);
    }

    pub fn start(&self, part: u32) -> u32 {
        self.starts[part as usize]
    }

    /// All dictionaries as one.
    pub fn joint(&self) -> ArrayRef {
        match self.shared.as_slice() {
            [one] => one.clone(),
            all => Arc::new(StringArray::from_iter(all.iter().flat_map(|s| s.iter()))),
        }
    }
}

/// A column of repeating strings from keys into a dictionary.
pub fn repeating(keys: Vec<u32>, values: ArrayRef) -> ArrayRef {
    Arc::new(DictionaryArray::new(UInt32Array::new(keys.into(), None), values))
}

/// The zones of many batches; `None` where no operator looked for zones.
pub struct ZoneColumn<'a> {
    parts: Vec<Option<&'a ZoneLists>>,
    /// Rows of each part.
    rows: Vec<usize>,
    dictionaries: Dictionaries,
    joint: ArrayRef,
}

impl<'a> ZoneColumn<'a> {
    pub fn new(parts: Vec<Option<&'a ZoneLists>>, rows: Vec<usize>) -> ZoneColumn<'a> {
        let mut dictionaries = Dictionaries::default();
        for part in &parts {
            match part {
                Some(zones) => dictionaries.push(&zones.ids),
                None => dictionaries.push_empty(),
            }
        }
        let joint = dictionaries.joint();
        ZoneColumn { parts, rows, dictionaries, joint }
    }

    pub fn picker(&self) -> Pick<'_> {
        let (mut all, mut looked) = (Vec::new(), Vec::new());
        let mut ends: Vec<u32> = vec![0];
        for (part, (zones, rows)) in self.parts.iter().zip(&self.rows).enumerate() {
            let Some(zones) = zones else {
                ends.resize(ends.len() + rows, all.len() as u32);
                looked.resize(looked.len() + rows, false);
                continue;
            };
            let (from, start) = (all.len() as i32 - zones.offsets[0], self.dictionaries.start(part as u32));
            all.extend(zones.zones[zones.offsets[0] as usize..].iter().map(|zone| zone + start));
            ends.extend(zones.offsets[1..].iter().map(|end| (end + from) as u32));
            looked.resize(looked.len() + rows, true);
        }
        let has_nulls = self.parts.iter().any(Option::is_none);
        let item = Arc::new(Field::new("element", super::schema::repeating(), false));
        Box::new(move |rows| {
            let mut offsets = Vec::with_capacity(rows.len() + 1);
            let mut keys = Vec::with_capacity(rows.len());
            offsets.push(0);
            for row in rows {
                let row = *row as usize;
                keys.extend_from_slice(&all[ends[row] as usize..ends[row + 1] as usize]);
                offsets.push(keys.len() as i32);
            }
            let nulls = has_nulls.then(|| NullBuffer::from_iter(rows.iter().map(|row| looked[*row as usize])));
            let lists = repeating(keys, self.joint.clone());
            Arc::new(ListArray::new(item.clone(), OffsetBuffer::new(offsets.into()), lists, nulls))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Float32Array, Int64Array};

    fn column(parts: Vec<Option<ArrayRef>>, rows: &[usize]) -> Column {
        let data_type = parts.iter().flatten().next().map_or(DataType::Float32, |a| a.data_type().clone());
        Column::new(Arc::new(Field::new("c", data_type, true)), parts, rows.to_vec())
    }

    #[test]
    fn parts_without_values_give_nulls() {
        let some: ArrayRef = Arc::new(Float32Array::from(vec![Some(1.0), None]));
        let found = column(vec![Some(some), None], &[2, 1]).picker()(&[2, 1, 0]);
        assert_eq!(found.as_primitive(), &Float32Array::from(vec![None, None, Some(1.0)]));
        assert_eq!(column(vec![None], &[1]).picker()(&[0]).null_count(), 1);
    }

    #[test]
    fn full_parts_give_no_nulls() {
        let parts = [vec![1, 2], vec![3]].map(|v| Some(Arc::new(Int64Array::from(v)) as ArrayRef));
        let found = column(parts.to_vec(), &[2, 1]).picker()(&[2, 1, 0]);
        assert_eq!(found.as_primitive(), &Int64Array::from(vec![3, 2, 1]));
    }

    #[test]
    fn strings_of_operators_come_in_order() {
        let some: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
        let found = column(vec![Some(some), None], &[2, 8]).picker()(&[1, 9, 0]);
        assert_eq!(found.as_string::<i32>(), &StringArray::from(vec![Some("b"), None, Some("a")]));
    }

    #[test]
    fn late_flags_keep_their_rows() {
        let parts = [vec![false, true], vec![false]].map(|v| Some(Arc::new(BooleanArray::from(v)) as ArrayRef));
        let found = column(parts.to_vec(), &[2, 1]).picker()(&[1, 2, 0]);
        assert_eq!(found.as_boolean(), &BooleanArray::from(vec![true, false, false]));
    }

    #[test]
    fn zones_of_two_versions_meet_in_one_column() {
        let lists = |ids: &[&str], offsets: Vec<i32>, zones: Vec<u32>| ZoneLists {
            offsets: OffsetBuffer::new(offsets.into()),
            zones: zones.into(),
            ids: Arc::new(StringArray::from(ids.to_vec())),
        };
        let (old, new) = (lists(&["a", "b"], vec![0, 2, 2], vec![0, 1]), lists(&["c"], vec![0, 1], vec![0]));
        let column = ZoneColumn::new(vec![Some(&old), Some(&new), None], vec![2, 1, 1]);
        let found = column.picker()(&[2, 3, 0, 1]);
        let found = found.as_list::<i32>();
        let of = |row: usize| -> Option<Vec<String>> {
            let ids = found.is_valid(row).then(|| arrow::compute::cast(&found.value(row), &DataType::Utf8).unwrap())?;
            Some(ids.as_string::<i32>().iter().flatten().map(str::to_owned).collect())
        };
        assert_eq!(of(0), Some(vec!["c".to_owned()]));
        assert_eq!(of(1), None);
        assert_eq!(of(2), Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(of(3), Some(vec![]));
    }
}
