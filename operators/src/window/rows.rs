//! The table of a window: its columns, and rows for it.

use super::cells::{Kind, Layout, Layouts};
use super::config::WindowConfig;
use super::key::{Key, VEHICLE, Value, ZONE};
use super::panes::Group;
use super::sum;
use super::widths::Widths;
use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Array, Float64Builder, Int32Array, Int64Array, Int64Builder, RecordBatch,
    StringBuilder, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use rhumb_engine::frame::{timestamp, timestamps};
use std::collections::HashMap;
use std::sync::Arc;

/// Metadata of the schema: the key columns, by which a reader puts revisions and parts together.
const KEYS: &str = "rhumb.keys";

/// Columns: `window_start`, `window_end` (exclusive), the keys, the aggregates, `revision`, `part`. An average has
/// `<name>__sum` and `<name>__count` beside it, a first or last `<name>__time`, so that rows of several parts can be
/// put together.
#[derive(Debug, Clone)]
pub struct RowPlan {
    pub schema: SchemaRef,
    pub layouts: Layouts,
    pub widths: Widths,
    keys: usize,
}

impl RowPlan {
    /// `columns`: all columns of the frames that reach the window, for the types of its keys.
    pub fn new(config: &WindowConfig, columns: &[FieldRef]) -> RowPlan {
        let layouts = Layouts::of(config.aggregates.iter().map(|(_, aggregate)| aggregate));
        let mut fields =
            vec![Field::new("window_start", timestamp(), false), Field::new("window_end", timestamp(), false)];
        fields.extend(config.key.iter().map(|name| Field::new(name, key_type(name, columns), true)));
        for ((name, _), layout) in config.aggregates.iter().zip(&layouts.all) {
            let counts = layout.kind == Kind::Count;
            let data_type = if counts { DataType::Int64 } else { DataType::Float64 };
            fields.push(Field::new(name, data_type, !counts));
            match layout.kind {
                Kind::Avg => {
                    fields.push(Field::new(format!("{name}__sum"), DataType::Float64, false));
                    fields.push(Field::new(format!("{name}__count"), DataType::Int64, false));
                }
                Kind::First | Kind::Last => fields.push(Field::new(format!("{name}__time"), timestamp(), true)),
                _ => {}
            }
        }
        fields.push(Field::new("revision", DataType::Int32, false));
        fields.push(Field::new("part", DataType::Int32, false));
        let widths = Widths { every_us: config.every_us, lateness_us: config.lateness_us };
        let keys = HashMap::from([(KEYS.to_owned(), config.key.join(","))]);
        RowPlan { schema: Arc::new(Schema::new_with_metadata(fields, keys)), layouts, widths, keys: config.key.len() }
    }
}

/// Rows of a window's table while they grow.
pub struct Rows {
    plan: Arc<RowPlan>,
    starts: Vec<i64>,
    keys: Vec<KeyColumn>,
    /// Of all rows, one after the other.
    words: Vec<u64>,
    revisions: Vec<i32>,
    parts: Vec<i32>,
}

impl Rows {
    pub fn new(plan: Arc<RowPlan>) -> Rows {
        let keys = (0..plan.keys).map(|at| KeyColumn::of(plan.schema.field(2 + at).data_type())).collect();
        Rows { plan, starts: Vec::new(), keys, words: Vec::new(), revisions: Vec::new(), parts: Vec::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Adds a result of a part, which is the engine that found it.
    pub fn push(&mut self, part: i32, group: &Group, key: &Key) {
        self.starts.push(group.start);
        self.keys.iter_mut().zip(key).for_each(|(column, value)| column.push(value));
        self.words.extend_from_slice(group.words);
        self.revisions.push(group.revision as i32);
        self.parts.push(part);
    }

    pub fn finish(mut self) -> RecordBatch {
        let plan = self.plan.clone();
        let ends: Vec<i64> = self.starts.iter().map(|start| plan.widths.end_of(*start)).collect();
        let starts = std::mem::take(&mut self.starts);
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(timestamps(starts)), Arc::new(timestamps(ends))];
        arrays.extend(self.keys.iter_mut().map(KeyColumn::finish));
        for layout in &plan.layouts.all {
            self.push_aggregate(*layout, &mut arrays);
        }
        arrays.push(Arc::new(Int32Array::from(self.revisions)));
        arrays.push(Arc::new(Int32Array::from(self.parts)));
        RecordBatch::try_new(plan.schema.clone(), arrays).expect("arrays as the schema says")
    }

    fn push_aggregate(&self, layout: Layout, arrays: &mut Vec<ArrayRef>) {
        let layouts = &self.plan.layouts;
        let rows = || self.words.chunks_exact(layouts.width());
        if layout.kind == Kind::Count {
            arrays.push(Arc::new(Int64Array::from_iter_values(rows().map(|words| words[layout.at] as i64))));
            return;
        }
        arrays.push(Arc::new(rows().map(|words| layouts.result(layout, words)).collect::<Float64Array>()));
        match layout.kind {
            Kind::Avg => {
                arrays.push(Arc::new(Float64Array::from_iter_values(rows().map(|w| sum::total(sum_of(w, layout))))));
                arrays
                    .push(Arc::new(Int64Array::from_iter_values(rows().map(|w| sum::count(sum_of(w, layout)) as i64))));
            }
            Kind::First | Kind::Last => {
                let times = rows().map(|words| layouts.time(layout, words));
                arrays.push(Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone("UTC")));
            }
            Kind::Count | Kind::Min | Kind::Max | Kind::Sum => {}
        }
    }
}

fn sum_of(words: &[u64], layout: Layout) -> &[u64] {
    &words[layout.at..layout.at + sum::WORDS]
}

/// The type that a key column has in the table.
fn key_type(name: &str, columns: &[FieldRef]) -> DataType {
    if name == VEHICLE || name == ZONE {
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
