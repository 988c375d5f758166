//! Columns of many batches as one column in another order.

use super::order::Row;
use super::segment::constant;
use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, DictionaryArray, ListArray, PrimitiveArray,
    StringArray, UInt32Array, downcast_primitive, new_null_array,
};
use arrow::buffer::{BooleanBuffer, NullBuffer, OffsetBuffer};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, Field, FieldRef};
use rhumb_engine::frame::ZoneLists;
use std::sync::Arc;

/// One column in parts; `None` where a part has no values.
pub struct Column {
    field: FieldRef,
    parts: Vec<Option<ArrayRef>>,
}

impl Column {
    /// # Panics
    /// If a part is of another type than the field.
    pub fn new(field: FieldRef, parts: Vec<Option<ArrayRef>>) -> Column {
        for part in parts.iter().flatten() {
            assert_eq!(part.data_type(), field.data_type(), "column {} keeps its type", field.name());
        }
        Column { field, parts }
    }

    /// The number or time that all rows have.
    pub fn constant(&self) -> Option<i64> {
        let mut parts = self.parts.iter().map(|part| part.as_ref().and_then(constant));
        let first = parts.next()??;
        parts.all(|part| part == Some(first)).then_some(first)
    }

    /// The values of these rows.
    pub fn gather(&self, rows: &[Row]) -> ArrayRef {
        let data_type = self.field.data_type();
        if self.parts.iter().all(Option::is_none) {
            return new_null_array(data_type, rows.len());
        }
        macro_rules! typed {
            ($t:ty) => {
                Arc::new(primitives::<$t>(&self.parts, rows).with_data_type(data_type.clone()))
            };
        }
        downcast_primitive! {
            data_type => (typed),
            DataType::Boolean => Arc::new(booleans(&self.parts, rows)),
            _ => any(data_type, &self.parts, rows),
        }
    }
}

fn primitives<T: ArrowPrimitiveType>(parts: &[Option<ArrayRef>], rows: &[Row]) -> PrimitiveArray<T> {
    let parts: Vec<Option<&PrimitiveArray<T>>> =
        parts.iter().map(|p| p.as_ref().map(|a| a.as_primitive::<T>())).collect();
    if parts.iter().all(|p| p.is_some_and(|a| a.null_count() == 0)) {
        let values: Vec<&[T::Native]> = parts.iter().flatten().map(|a| &a.values()[..]).collect();
        let values: Vec<T::Native> = rows.iter().map(|r| values[r.part as usize][r.row as usize]).collect();
        return PrimitiveArray::new(values.into(), None);
    }
    rows.iter()
        .map(|r| {
            let part = parts[r.part as usize]?;
            part.is_valid(r.row as usize).then(|| part.value(r.row as usize))
        })
        .collect()
}

fn booleans(parts: &[Option<ArrayRef>], rows: &[Row]) -> BooleanArray {
    let parts: Vec<Option<&BooleanArray>> = parts.iter().map(|p| p.as_ref().map(|a| a.as_boolean())).collect();
    let plain = |p: &Option<&BooleanArray>| p.is_some_and(|a| a.null_count() == 0);
    if !parts.iter().all(plain) {
        let value =
            |r: &Row| parts[r.part as usize].and_then(|p| p.is_valid(r.row as usize).then(|| p.value(r.row as usize)));
        return rows.iter().map(value).collect();
    }
    let parts: Vec<&BooleanArray> = parts.into_iter().flatten().collect();
    // What is nearly always so costs nothing: no frame is late.
    if parts.iter().all(|p| !p.has_true()) {
        return BooleanArray::new(BooleanBuffer::new_unset(rows.len()), None);
    }
    let value = |i: usize| parts[rows[i].part as usize].value(rows[i].row as usize);
    BooleanArray::new(BooleanBuffer::collect_bool(rows.len(), value), None)
}

/// Columns of operators, of whatever type.
fn any(data_type: &DataType, parts: &[Option<ArrayRef>], rows: &[Row]) -> ArrayRef {
    let nothing = new_null_array(data_type, 1);
    let arrays: Vec<&dyn Array> = parts.iter().map(|p| p.as_deref().unwrap_or(nothing.as_ref())).collect();
    let place = |r: &Row| (r.part as usize, if parts[r.part as usize].is_some() { r.row as usize } else { 0 });
    let places: Vec<(usize, usize)> = rows.iter().map(place).collect();
    interleave(&arrays, &places).expect("parts of one type, rows that exist")
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
    dictionaries: Dictionaries,
    joint: ArrayRef,
}

impl<'a> ZoneColumn<'a> {
    pub fn new(parts: Vec<Option<&'a ZoneLists>>) -> ZoneColumn<'a> {
        let mut dictionaries = Dictionaries::default();
        for part in &parts {
            match part {
                Some(zones) => dictionaries.push(&zones.ids),
                None => dictionaries.push_empty(),
            }
        }
        let joint = dictionaries.joint();
        ZoneColumn { parts, dictionaries, joint }
    }

    pub fn gather(&self, rows: &[Row]) -> ArrayRef {
        let mut offsets = Vec::with_capacity(rows.len() + 1);
        let mut keys = Vec::new();
        offsets.push(0);
        for row in rows {
            if let Some(zones) = self.parts[row.part as usize] {
                let start = self.dictionaries.start(row.part);
                keys.extend(zones.of(row.row as usize).iter().map(|zone| zone + start));
            }
            offsets.push(keys.len() as i32);
        }
        let looked = |r: &Row| self.parts[r.part as usize].is_some();
        let nulls = self.parts.iter().any(Option::is_none).then(|| NullBuffer::from_iter(rows.iter().map(looked)));
        let item = Arc::new(Field::new("element", super::schema::repeating(), false));
        Arc::new(ListArray::new(item, OffsetBuffer::new(offsets.into()), repeating(keys, self.joint.clone()), nulls))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Float32Array, Int64Array};

    fn rows(places: &[(u32, u32)]) -> Vec<Row> {
        places.iter().map(|(part, row)| Row { time: 0, part: *part, row: *row }).collect()
    }

    fn column(parts: Vec<Option<ArrayRef>>) -> Column {
        let data_type = parts.iter().flatten().next().map_or(DataType::Float32, |a| a.data_type().clone());
        Column::new(Arc::new(Field::new("c", data_type, true)), parts)
    }

    #[test]
    fn parts_without_values_give_nulls() {
        let some: ArrayRef = Arc::new(Float32Array::from(vec![Some(1.0), None]));
        let found = column(vec![Some(some), None]).gather(&rows(&[(1, 0), (0, 1), (0, 0)]));
        assert_eq!(found.as_primitive(), &Float32Array::from(vec![None, None, Some(1.0)]));
        assert_eq!(column(vec![None]).gather(&rows(&[(0, 0)])).null_count(), 1);
    }

    #[test]
    fn full_parts_give_no_nulls() {
        let parts = [vec![1, 2], vec![3]].map(|v| Some(Arc::new(Int64Array::from(v)) as ArrayRef));
        let found = column(parts.to_vec()).gather(&rows(&[(1, 0), (0, 1), (0, 0)]));
        assert_eq!(found.as_primitive(), &Int64Array::from(vec![3, 2, 1]));
    }

    #[test]
    fn strings_of_operators_come_in_order() {
        let some: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
        let found = column(vec![Some(some), None]).gather(&rows(&[(0, 1), (1, 7), (0, 0)]));
        assert_eq!(found.as_string::<i32>(), &StringArray::from(vec![Some("b"), None, Some("a")]));
    }

    #[test]
    fn late_flags_keep_their_rows() {
        let parts = [vec![false, true], vec![false]].map(|v| Some(Arc::new(BooleanArray::from(v)) as ArrayRef));
        let found = column(parts.to_vec()).gather(&rows(&[(0, 1), (1, 0), (0, 0)]));
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
        let column = ZoneColumn::new(vec![Some(&old), Some(&new), None]);
        let found = column.gather(&rows(&[(1, 0), (2, 0), (0, 0), (0, 1)]));
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
