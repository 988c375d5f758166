//! Functions over stored sketches: `merge_sketches(sketch)` puts those of many rows together, `sketch_quantile(sketch,
//! share)` and `sketch_count(sketch)` read them. So a quantile of an hour comes from its minutes.

use arrow::array::{ArrayRef, AsArray, BinaryArray, Float64Array, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::{Accumulator, ColumnarValue, Volatility, create_udaf, create_udf};
use rhumb_engine::sketch::Sketch;
use std::sync::Arc;

/// Makes the functions known to a session.
pub(crate) fn register(context: &SessionContext) {
    let binary = || Arc::new(DataType::Binary);
    context.register_udaf(create_udaf(
        "merge_sketches",
        vec![DataType::Binary],
        binary(),
        Volatility::Immutable,
        Arc::new(|_| Ok(Box::new(Merge::default()))),
        Arc::new(vec![DataType::Binary]),
    ));
    let quantile = |arguments: &[ColumnarValue]| {
        let arrays = ColumnarValue::values_to_arrays(arguments)?;
        let shares = cast(&arrays[1], &DataType::Float64)?;
        let shares = shares.as_primitive::<Float64Type>();
        let quantile = |(row, bytes): (usize, Option<&[u8]>)| match sketch(bytes)? {
            Some(Sketch::Quantiles(quantiles)) => Ok(quantiles.quantile(shares.value(row))),
            Some(Sketch::Distinct(_)) => Err(wrong("sketch_quantile", "of distinct values")),
            None => Ok(None),
        };
        let found = binary_of(&arrays[0])?.iter().enumerate().map(quantile).collect::<Result<Float64Array>>()?;
        Ok(ColumnarValue::Array(Arc::new(found)))
    };
    context.register_udf(create_udf(
        "sketch_quantile",
        vec![DataType::Binary, DataType::Float64],
        DataType::Float64,
        Volatility::Immutable,
        Arc::new(quantile),
    ));
    let count = |arguments: &[ColumnarValue]| {
        let arrays = ColumnarValue::values_to_arrays(arguments)?;
        let count = |bytes: Option<&[u8]>| match sketch(bytes)? {
            Some(Sketch::Distinct(distinct)) => Ok(i64::try_from(distinct.count()).ok()),
            Some(Sketch::Quantiles(_)) => Err(wrong("sketch_count", "of quantiles")),
            None => Ok(None),
        };
        let found = binary_of(&arrays[0])?.iter().map(count).collect::<Result<Int64Array>>()?;
        Ok(ColumnarValue::Array(Arc::new(found)))
    };
    context.register_udf(create_udf(
        "sketch_count",
        vec![DataType::Binary],
        DataType::Int64,
        Volatility::Immutable,
        Arc::new(count),
    ));
}

fn wrong(function: &str, detail: &str) -> DataFusionError {
    DataFusionError::Execution(format!("{function}: the sketch is {detail}"))
}

fn sketch(bytes: Option<&[u8]>) -> Result<Option<Sketch>> {
    let read = |bytes| Sketch::from_bytes(bytes).ok_or_else(|| wrong("sketch", "not one that rhumb wrote"));
    bytes.map(read).transpose()
}

fn binary_of(array: &ArrayRef) -> Result<BinaryArray> {
    let binary = cast(array, &DataType::Binary)?;
    Ok(binary.as_binary::<i32>().clone())
}

/// What has been merged so far.
#[derive(Debug, Default)]
struct Merge(Option<Sketch>);

impl Accumulator for Merge {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for bytes in binary_of(&values[0])?.iter() {
            match (&mut self.0, sketch(bytes)?) {
                (_, None) => {}
                (Some(merged), Some(sketch)) => merged.merge(&sketch),
                (empty, sketch) => *empty = sketch,
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Binary(self.0.as_ref().map(Sketch::to_bytes)))
    }

    fn size(&self) -> usize {
        size_of::<Merge>() + self.0.as_ref().map_or(0, Sketch::bytes)
    }
}
