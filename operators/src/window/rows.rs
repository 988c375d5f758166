//! The table of a window: its columns, and rows for it.

use super::cells::{Kind, Layouts};
use super::config::WindowConfig;
use super::key::{Key, VEHICLE, Value, ZONE};
use super::open::Widths;
use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int32Builder, Int64Array, Int64Builder, RecordBatch, StringBuilder,
};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use rhumb_engine::frame::{timestamp, timestamps};
use std::collections::HashMap;
use std::sync::Arc;

/// Which engine wrote a row: with several instances each writes its own part. One instance writes this.
pub const PART: i32 = 0;

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
    /// Cells of all rows, one after the other.
    cells: Vec<f64>,
    revisions: Int32Builder,
}

impl Rows {
    pub fn new(plan: Arc<RowPlan>) -> Rows {
        let keys = (0..plan.keys).map(|at| KeyColumn::of(plan.schema.field(2 + at).data_type())).collect();
        Rows { plan, starts: Vec::new(), keys, cells: Vec::new(), revisions: Int32Builder::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    pub fn push(&mut self, start: i64, key: &Key, cells: &[f64], revision: u32) {
        self.starts.push(start);
        self.keys.iter_mut().zip(key).for_each(|(column, value)| column.push(value));
        self.cells.extend_from_slice(cells);
        self.revisions.append_value(revision as i32);
    }

    pub fn finish(mut self) -> RecordBatch {
        let plan = &self.plan;
        let rows = self.starts.len();
        let ends: Vec<i64> = self.starts.iter().map(|start| plan.widths.end_of(*start)).collect();
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(timestamps(self.starts.clone())), Arc::new(timestamps(ends))];
        arrays.extend(self.keys.iter_mut().map(KeyColumn::finish));
        let cells = |row: usize| &self.cells[row * plan.layouts.cells..(row + 1) * plan.layouts.cells];
        for (at, layout) in plan.layouts.all.iter().enumerate() {
            let results = (0..rows).map(|row| plan.layouts.result(at, cells(row)));
            let cell = layout.cell;
            match layout.kind {
                Kind::Count => {
                    arrays.push(Arc::new(Int64Array::from_iter_values(results.map(|r| r.unwrap_or_default() as i64))));
                    continue;
                }
                _ => arrays.push(Arc::new(results.collect::<arrow::array::Float64Array>())),
            }
            match layout.kind {
                Kind::Avg => {
                    let sums = (0..rows).map(|row| cells(row)[cell]);
                    arrays.push(Arc::new(arrow::array::Float64Array::from_iter_values(sums)));
                    let counts = (0..rows).map(|row| cells(row)[cell + 1] as i64);
                    arrays.push(Arc::new(Int64Array::from_iter_values(counts)));
                }
                Kind::First | Kind::Last => {
                    let time = |row: usize| (!cells(row)[cell + 1].is_nan()).then(|| cells(row)[cell].to_bits() as i64);
                    let times = (0..rows).map(time).collect::<arrow::array::TimestampMicrosecondArray>();
                    arrays.push(Arc::new(times.with_timezone("UTC")));
                }
                _ => {}
            }
        }
        arrays.push(Arc::new(self.revisions.finish()));
        arrays.push(Arc::new(arrow::array::Int32Array::from(vec![PART; rows])));
        RecordBatch::try_new(plan.schema.clone(), arrays).expect("arrays as the schema says")
    }
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
