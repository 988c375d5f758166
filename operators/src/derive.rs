//! `derive`: adds columns that expressions work out from those of the same frame.

use crate::expression::Expression;
use crate::rows;
use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use rhumb_engine::effects::Effects;
use rhumb_engine::frame::{FrameBatch, timestamp};
use rhumb_engine::operator::{Operator, OperatorPlan, ShardContext};
use rhumb_engine::vehicle::Vehicles;
use std::sync::Arc;

/// A column and what it is worked out by.
#[derive(Debug, Clone)]
pub struct Derived {
    field: FieldRef,
    expression: Arc<Expression>,
}

impl Derived {
    /// The column, or `None` if no column of frames can hold what the expression gives.
    pub fn new(name: &str, expression: Arc<Expression>) -> Option<Derived> {
        let data_type = column_type(expression.data_type())?;
        Some(Derived { field: Arc::new(Field::new(name, data_type, true)), expression })
    }

    pub fn field(&self) -> &FieldRef {
        &self.field
    }

    pub fn expression(&self) -> &Expression {
        &self.expression
    }
}

/// The type in which frames have such values: one each for whole numbers, numbers, texts, flags and times.
fn column_type(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::Boolean => DataType::Boolean,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => timestamp(),
        other if other.is_integer() => DataType::Int64,
        other if other.is_numeric() => DataType::Float64,
        _ => return None,
    })
}

/// `[operator.derive]`, planned.
pub struct DerivePlan {
    name: String,
    columns: Arc<[Derived]>,
}

impl DerivePlan {
    /// Each expression may read the columns before its own.
    pub fn new(name: impl Into<String>, columns: impl Into<Arc<[Derived]>>) -> DerivePlan {
        DerivePlan { name: name.into(), columns: columns.into() }
    }
}

impl OperatorPlan for DerivePlan {
    fn name(&self) -> &str {
        &self.name
    }

    fn columns(&self) -> Vec<FieldRef> {
        self.columns.iter().map(|column| column.field.clone()).collect()
    }

    fn build(&self, context: &ShardContext) -> Box<dyn Operator> {
        let errors =
            self.columns.iter().map(|column| format!("errors.{}.{}", self.name, column.field.name())).collect();
        Box::new(Derive { columns: self.columns.clone(), vehicles: context.vehicles.clone(), errors })
    }
}

/// The machine of one shard: it remembers nothing.
struct Derive {
    columns: Arc<[Derived]>,
    vehicles: Arc<Vehicles>,
    /// Names of the counters, by column.
    errors: Vec<String>,
}

impl Operator for Derive {
    fn process(&mut self, mut frames: FrameBatch, effects: &mut Effects) -> FrameBatch {
        if frames.is_empty() {
            return frames;
        }
        for (column, errors) in self.columns.iter().zip(&self.errors) {
            let expression = &column.expression;
            let found = expression.evaluate(&rows::of_frames(&frames, &self.vehicles, expression.schema()));
            effects.count(errors, found.errors.len() as u64);
            frames.extra.push((column.field.clone(), as_column(&found.values, &column.field)));
        }
        frames
    }
}

/// Values in the type of their column; what it cannot hold is null, and so is what is no number.
fn as_column(values: &ArrayRef, field: &FieldRef) -> ArrayRef {
    let values = cast(values, field.data_type()).expect("column_type gives a type that such values are cast to");
    if *field.data_type() != DataType::Float64 {
        return values;
    }
    let numbers = values.as_primitive::<Float64Type>();
    let is_number = |row: usize| numbers.is_null(row) || numbers.value(row).is_finite();
    if (0..numbers.len()).all(is_number) {
        return values;
    }
    Arc::new(numbers.iter().map(|value| value.filter(|value| value.is_finite())).collect::<Float64Array>())
}
