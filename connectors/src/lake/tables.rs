//! Rejects, and the tables of operators, on their way into segments.

use super::schema::{EPOCH, rejects as rejects_schema};
use arrow::array::{
    ArrayRef, AsArray, BinaryArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt32Array,
};
use arrow::compute::{SortColumn, cast, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use arrow::error::ArrowError;
use rhumb_engine::frame::timestamps;
use rhumb_engine::reject::Reject;
use rhumb_engine::time::EventTime;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rejects as a batch. `number` is that of the first in its epoch; `redriven`: they had been rejects before.
pub fn rejects(rejects: &[Reject], epoch: i64, number: i64, redriven: bool) -> RecordBatch {
    fn text<'a>(rejects: &'a [Reject], value: impl Fn(&'a Reject) -> &'a str) -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rejects.iter().map(value)))
    }
    let measure = |value: fn(&Reject) -> Option<f64>| -> ArrayRef {
        Arc::new(rejects.iter().map(value).collect::<Float64Array>())
    };
    let times = rejects.iter().map(|r| r.event_time.map(|t| t.0)).collect::<TimestampMicrosecondArray>();
    let received: Vec<i64> = rejects.iter().map(|r| r.received_at.0).collect();
    let columns: Vec<ArrayRef> = vec![
        text(rejects, |r| r.reason.name()),
        measure(|r| r.measured),
        measure(|r| r.threshold),
        Arc::new(StringArray::from_iter(rejects.iter().map(|r| r.vehicle_id.as_deref()))),
        Arc::new(times.with_timezone("UTC")),
        Arc::new(timestamps(received)),
        measure(|r| r.lat),
        measure(|r| r.lon),
        text(rejects, |r| &r.source),
        text(rejects, |r| &r.partition),
        Arc::new(Int64Array::from_iter_values(rejects.iter().map(|r| r.offset))),
        Arc::new(BinaryArray::from_iter_values(rejects.iter().map(|r| &r.raw))),
        text(rejects, |r| &r.detail),
        Arc::new(Int64Array::from_iter_values((number..).take(rejects.len()))),
        Arc::new(BooleanArray::from(vec![redriven; rejects.len()])),
        Arc::new(Int64Array::from_value(epoch, rejects.len())),
    ];
    RecordBatch::try_new(rejects_schema(), columns).expect("columns as the schema has them")
}

/// Rows of an operator's table in the types of the lake.
pub fn of_operator(batches: &[RecordBatch], schema: &SchemaRef, epoch: i64) -> Result<RecordBatch, ArrowError> {
    let mut stored = Vec::with_capacity(batches.len());
    for batch in batches {
        let column = |field: &arrow::datatypes::FieldRef| -> Result<ArrayRef, ArrowError> {
            if field.name() == EPOCH {
                return Ok(Arc::new(Int64Array::from_value(epoch, batch.num_rows())));
            }
            let missing = || ArrowError::SchemaError(format!("the operator gave no column {}", field.name()));
            cast(batch.column_by_name(field.name()).ok_or_else(missing)?, field.data_type())
        };
        let columns = schema.fields().iter().map(column).collect::<Result<Vec<_>, ArrowError>>()?;
        stored.push(RecordBatch::try_new(schema.clone(), columns)?);
    }
    concat_batches(schema, &stored)
}

/// Rows by date of `date_from`, sorted by `sorted_by` within a date.
pub fn by_date(
    rows: &RecordBatch,
    date_from: &str,
    sorted_by: &[&str],
) -> Result<BTreeMap<i32, RecordBatch>, ArrowError> {
    let column = |name: &str| {
        rows.column_by_name(name).ok_or_else(|| ArrowError::SchemaError(format!("there is no column {name}")))
    };
    let order = match sorted_by {
        [] => UInt32Array::from_iter_values(0..rows.num_rows() as u32),
        names => {
            let columns = names.iter().map(|n| Ok(SortColumn { values: column(n)?.clone(), options: None }));
            lexsort_to_indices(&columns.collect::<Result<Vec<_>, ArrowError>>()?, None)?
        }
    };
    let times = column(date_from)?.as_primitive::<TimestampMicrosecondType>();
    let mut dates: BTreeMap<i32, Vec<u32>> = BTreeMap::new();
    for row in order.values() {
        dates.entry(EventTime(times.value(*row as usize)).date()).or_default().push(*row);
    }
    dates.into_iter().map(|(date, of)| Ok((date, take_record_batch(rows, &UInt32Array::from(of))?))).collect()
}
