//! The table of a window: its columns, and rows for it.

use super::cells::{Kind, Layouts};
use super::config::WindowConfig;
use super::key::{Key, VEHICLE, Value, ZONE};
use super::open::{Group, Widths};
use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int32Builder, Int64Array, Int64Builder, RecordBatch, StringBuilder,
};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use rhumb_engine::frame::{timestamp, timestamps};
use std::sync::Arc;

/// Which engine wrote a row: with several instances each writes its own part. One instance writes this.
pub const PART: i32 = 0;

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
        RowPlan { schema: Arc::new(Schema::new(fields)), layouts, widths, keys: config.key.len() }
    }
}

/// Rows of a window's table while they grow.
pub struct Rows {
    plan: Arc<RowPlan>,
    starts: Vec<i64>,
    keys: Vec<Key>,
    /// Cells of all rows, one after the other.
    cells: Vec<f64>,
    revisions: Int32Builder,
}

impl Rows {
    pub fn new(plan: Arc<RowPlan>) -> Rows {
        Rows { plan, starts: Vec::new(), keys: Vec::new(), cells: Vec::new(), revisions: Int32Builder::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    pub fn push(&mut self, start: i64, key: &Key, group: &Group) {
        self.starts.push(start);
        self.keys.push(key.clone());
        self.cells.extend_from_slice(&group.cells);
        self.revisions.append_value(group.revision as i32);
    }

    pub fn finish(mut self) -> RecordBatch {
        let plan = &self.plan;
        let rows = self.starts.len();
        let ends: Vec<i64> = self.starts.iter().map(|start| plan.widths.end_of(*start)).collect();
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(timestamps(self.starts.clone())), Arc::new(timestamps(ends))];
        for at in 0..plan.keys {
            arrays.push(key_array(self.keys.iter().map(|key| &key[at]), plan.schema.field(2 + at).data_type()));
        }
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

fn key_array<'a>(values: impl Iterator<Item = &'a Value>, data_type: &DataType) -> ArrayRef {
    match data_type {
        DataType::Boolean => {
            let mut array = BooleanBuilder::new();
            values.for_each(|v| array.append_option(if let Value::Bool(b) = v { Some(*b) } else { None }));
            Arc::new(array.finish())
        }
        DataType::Float64 => {
            let mut array = Float64Builder::new();
            values.for_each(|v| {
                array.append_option(if let Value::Float(f) = v { Some(f64::from_bits(*f)) } else { None })
            });
            Arc::new(array.finish())
        }
        DataType::Int64 => {
            let mut array = Int64Builder::new();
            values.for_each(|v| array.append_option(if let Value::Int(i) = v { Some(*i) } else { None }));
            Arc::new(array.finish())
        }
        _ => {
            let mut array = StringBuilder::new();
            values.for_each(|v| array.append_option(if let Value::Text(t) = v { Some(&**t) } else { None }));
            Arc::new(array.finish())
        }
    }
}
