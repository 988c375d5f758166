//! The table of a window: its columns, and rows for it.

use super::cells::{Kind, Layout, Layouts};
use super::config::{Aggregate, Shape, WindowConfig};
use super::group::Group;
use super::key::{Key, VEHICLE, Value, ZONE, cell_resolution};
use super::side::Side;
use super::sum;
use super::values::Of;
use super::widths::Widths;
use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, BooleanBuilder, Float64Array, Float64Builder, Int32Array, Int64Array,
    Int64Builder, RecordBatch, StringArray, StringBuilder, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use rhumb_engine::frame::{timestamp, timestamps};
use std::collections::HashMap;
use std::sync::Arc;

/// Metadata of the schema: the key columns, by which a reader puts revisions and parts together.
const KEYS: &str = "rhumb.keys";
/// Metadata of the schema: how a reader puts each aggregate of several parts together. `name kind`, or for sketches
/// `name kind sketch` and `name quantile sketch share`, separated by semicolons.
const MERGE: &str = "rhumb.merge";

/// Columns: `window_start`, `window_end` (exclusive), the keys, the aggregates, `revision`, `part`, and for sessions
/// `retracted`. An average has `<name>__sum` and `<name>__count` beside it, a first or last `<name>__time`, the first of
/// the quantiles or distinct counts of a column `<name>__sketch`, so that rows of several parts can be put together.
#[derive(Debug, Clone)]
pub struct RowPlan {
    pub schema: SchemaRef,
    pub layouts: Layouts,
    pub widths: Widths,
    keys: usize,
}

impl RowPlan {
    /// `columns`: all columns of the frames that reach the window, for the types of its keys and values.
    pub fn new(config: &WindowConfig, columns: &[FieldRef]) -> RowPlan {
        let layouts = Layouts::of(config.aggregates.iter().map(|(_, aggregate)| aggregate), columns);
        let widths = Widths { shape: config.shape, lateness_us: config.lateness_us };
        let mut fields =
            vec![Field::new("window_start", timestamp(), false), Field::new("window_end", timestamp(), false)];
        fields.extend(config.key.iter().map(|name| Field::new(name, key_type(name, columns), true)));
        let mut merges = Vec::new();
        // By sketch: the column that holds it.
        let mut sketches: Vec<Option<String>> = vec![None; layouts.sides.len()];
        for ((name, aggregate), layout) in config.aggregates.iter().zip(&layouts.all) {
            let counts = matches!(layout.kind, Kind::Count | Kind::Distinct);
            let data_type = match layout.of {
                _ if counts => DataType::Int64,
                Of::Fractions => DataType::Float64,
                Of::Wholes => DataType::Int64,
                Of::Times => timestamp(),
                Of::Texts => DataType::Utf8,
            };
            fields.push(Field::new(name, data_type, !counts));
            match layout.kind {
                Kind::Avg => {
                    fields.push(Field::new(format!("{name}__sum"), DataType::Float64, false));
                    fields.push(Field::new(format!("{name}__count"), DataType::Int64, false));
                }
                Kind::First | Kind::Last => fields.push(Field::new(format!("{name}__time"), timestamp(), true)),
                Kind::Quantile(_) | Kind::Distinct if sketches[layout.at].is_none() => {
                    let sketch = format!("{name}__sketch");
                    fields.push(Field::new(&sketch, DataType::Binary, false));
                    sketches[layout.at] = Some(sketch);
                }
                _ => {}
            }
            let sketch = sketches.get(layout.at).and_then(Option::as_deref).unwrap_or_default();
            merges.push(match layout.kind {
                Kind::Quantile(share) => format!("{name} quantile {sketch} {share}"),
                Kind::Distinct => format!("{name} distinct {sketch}"),
                _ => format!("{name} {}", merge_word(aggregate)),
            });
        }
        fields.push(Field::new("revision", DataType::Int32, false));
        fields.push(Field::new("part", DataType::Int32, false));
        if let Shape::Session { .. } = config.shape {
            fields.push(Field::new("retracted", DataType::Boolean, false));
        }
        let metadata = [(KEYS, config.key.join(",")), (MERGE, merges.join(";"))];
        let metadata: HashMap<String, String> = metadata.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
        RowPlan { schema, layouts, widths, keys: config.key.len() }
    }

    /// How many values a key has.
    pub fn key_columns(&self) -> usize {
        self.keys
    }
}

fn merge_word(aggregate: &Aggregate) -> &'static str {
    match aggregate {
        Aggregate::Count | Aggregate::Sum(_) | Aggregate::Distance => "sum",
        Aggregate::Min(_) => "min",
        Aggregate::Max(_) => "max",
        Aggregate::Avg(_) => "avg",
        Aggregate::First(_) => "first",
        Aggregate::Last(_) => "last",
        Aggregate::Quantile(..) => "quantile",
        Aggregate::Distinct(_) => "distinct",
    }
}

/// Rows of a window's table while they grow.
pub struct Rows {
    plan: Arc<RowPlan>,
    starts: Vec<i64>,
    ends: Vec<i64>,
    keys: Vec<KeyColumn>,
    /// Of all rows, one after the other.
    words: Vec<u64>,
    sides: Vec<Side>,
    revisions: Vec<i32>,
    parts: Vec<i32>,
    retracted: Vec<bool>,
}

impl Rows {
    pub fn new(plan: Arc<RowPlan>) -> Rows {
        let keys = (0..plan.keys).map(|at| KeyColumn::of(plan.schema.field(2 + at).data_type())).collect();
        Rows {
            plan,
            starts: Vec::new(),
            ends: Vec::new(),
            keys,
            words: Vec::new(),
            sides: Vec::new(),
            revisions: Vec::new(),
            parts: Vec::new(),
            retracted: Vec::new(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Adds a result of a part, which is the engine that found it.
    pub fn push(&mut self, part: i32, group: &Group, key: &Key) {
        let layouts = &self.plan.layouts;
        let (words, sides) = match group.retracted {
            true => (&layouts.empty[..], &layouts.empty_sides[..]),
            false => (group.words, group.sides),
        };
        self.starts.push(group.start);
        self.ends.push(group.end);
        self.keys.iter_mut().zip(key).for_each(|(column, value)| column.push(value));
        self.words.extend_from_slice(words);
        self.sides.extend_from_slice(sides);
        self.revisions.push(group.history.revision as i32);
        self.parts.push(part);
        self.retracted.push(group.retracted);
    }

    pub fn finish(mut self) -> RecordBatch {
        let plan = self.plan.clone();
        let times = |times: &mut Vec<i64>| Arc::new(timestamps(std::mem::take(times)));
        let rows = self.starts.len();
        let mut arrays: Vec<ArrayRef> = vec![times(&mut self.starts), times(&mut self.ends)];
        arrays.extend(self.keys.iter_mut().map(KeyColumn::finish));
        let mut stored = vec![false; plan.layouts.sides.len()];
        for layout in &plan.layouts.all {
            self.push_aggregate(*layout, rows, &mut stored, &mut arrays);
        }
        arrays.push(Arc::new(Int32Array::from(self.revisions)));
        arrays.push(Arc::new(Int32Array::from(self.parts)));
        if let Shape::Session { .. } = plan.widths.shape {
            arrays.push(Arc::new(BooleanArray::from(self.retracted)));
        }
        RecordBatch::try_new(plan.schema.clone(), arrays).expect("arrays as the schema says")
    }

    /// The results of an aggregate, and what stands beside them.
    fn push_aggregate(&self, layout: Layout, rows: usize, stored: &mut [bool], arrays: &mut Vec<ArrayRef>) {
        let layouts = &self.plan.layouts;
        let (width, sides) = (layouts.width(), layouts.empty_sides.len());
        let words = |row: usize| &self.words[row * width..(row + 1) * width];
        let sides = |row: usize| &self.sides[row * sides..(row + 1) * sides];
        let sum = |row: usize| &words(row)[layout.at..layout.at + sum::WORDS];
        let wholes = || (0..rows).map(|row| layouts.whole(layout, words(row)));
        arrays.push(match (layout.kind, layout.of) {
            (Kind::Count | Kind::Distinct, _) => {
                let counts = (0..rows).map(|row| layouts.count(layout, words(row), sides(row)) as i64);
                Arc::new(Int64Array::from_iter_values(counts))
            }
            (_, Of::Fractions) => {
                let results = (0..rows).map(|row| layouts.result(layout, words(row), sides(row)));
                Arc::new(results.collect::<Float64Array>())
            }
            (_, Of::Wholes) => Arc::new(wholes().collect::<Int64Array>()),
            (_, Of::Times) => Arc::new(wholes().collect::<TimestampMicrosecondArray>().with_timezone("UTC")),
            (_, Of::Texts) => {
                let texts = (0..rows).map(|row| sides(row)[layout.at].text().map(|(_, text)| text));
                Arc::new(texts.collect::<StringArray>())
            }
        });
        match layout.kind {
            Kind::Avg => {
                arrays.push(Arc::new(Float64Array::from_iter_values((0..rows).map(|row| sum::total(sum(row))))));
                arrays.push(Arc::new(Int64Array::from_iter_values((0..rows).map(|row| sum::count(sum(row)) as i64))));
            }
            Kind::First | Kind::Last => {
                let times = (0..rows).map(|row| layouts.time(layout, words(row), sides(row)));
                arrays.push(Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone("UTC")));
            }
            Kind::Quantile(_) | Kind::Distinct if !std::mem::replace(&mut stored[layout.at], true) => {
                let bytes = (0..rows).map(|row| sides(row)[layout.at].to_bytes());
                arrays.push(Arc::new(BinaryArray::from_iter_values(bytes)));
            }
            _ => {}
        }
    }
}

/// The type that a key column has in the table.
fn key_type(name: &str, columns: &[FieldRef]) -> DataType {
    if name == VEHICLE || name == ZONE || cell_resolution(name).is_some() {
        return DataType::Utf8;
    }
    let found = columns.iter().find(|field| field.name() == name).map(|field| field.data_type());
    match found {
        Some(DataType::Boolean) => DataType::Boolean,
        Some(DataType::Float32 | DataType::Float64) => DataType::Float64,
        Some(DataType::Int16 | DataType::Int32 | DataType::Int64) => DataType::Int64,
        _ => DataType::Utf8,
    }
}

/// A key column while it grows. A value of another type than the column's is null: the plan has seen to it that there
/// is none.
enum KeyColumn {
    Bool(BooleanBuilder),
    Int(Int64Builder),
    Float(Float64Builder),
    Text(StringBuilder),
}

impl KeyColumn {
    fn of(data_type: &DataType) -> KeyColumn {
        match data_type {
            DataType::Boolean => KeyColumn::Bool(BooleanBuilder::new()),
            DataType::Int64 => KeyColumn::Int(Int64Builder::new()),
            DataType::Float64 => KeyColumn::Float(Float64Builder::new()),
            _ => KeyColumn::Text(StringBuilder::new()),
        }
    }

    fn push(&mut self, value: &Value) {
        match (self, value) {
            (KeyColumn::Bool(column), Value::Bool(value)) => column.append_value(*value),
            (KeyColumn::Int(column), Value::Int(value)) => column.append_value(*value),
            (KeyColumn::Float(column), Value::Float(bits)) => column.append_value(f64::from_bits(*bits)),
            (KeyColumn::Text(column), Value::Text(value)) => column.append_value(value),
            (KeyColumn::Text(column), Value::Cell(cell)) => column.append_value(format!("{cell:x}")),
            (KeyColumn::Bool(column), _) => column.append_null(),
            (KeyColumn::Int(column), _) => column.append_null(),
            (KeyColumn::Float(column), _) => column.append_null(),
            (KeyColumn::Text(column), _) => column.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            KeyColumn::Bool(column) => Arc::new(column.finish()),
            KeyColumn::Int(column) => Arc::new(column.finish()),
            KeyColumn::Float(column) => Arc::new(column.finish()),
            KeyColumn::Text(column) => Arc::new(column.finish()),
        }
    }
}
