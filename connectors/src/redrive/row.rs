//! Rows of the rejects table, as they are redriven.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use rhumb_engine::frame::timestamp;
use rhumb_engine::reject::Reason;
use rhumb_engine::time::EventTime;

/// A batch, and how far it has been read.
pub struct RejectRows {
    at: usize,
    epoch: Int64Array,
    number: Int64Array,
    reason: StringArray,
    redriven: BooleanArray,
    partition: StringArray,
    offset: Int64Array,
    received_at: Int64Array,
    lat: Float64Array,
    lon: Float64Array,
    raw: BinaryArray,
}

/// One reject.
pub struct Row<'a> {
    pub epoch: i64,
    pub number: i64,
    pub reason_name: &'a str,
    /// `None`: a newer version knows it.
    pub reason: Option<Reason>,
    pub redriven: bool,
    pub partition: &'a str,
    pub offset: i64,
    pub received_at: EventTime,
    pub lat: Option<f64>,
    pub lon: Option<f64>,
    pub raw: &'a [u8],
}

impl RejectRows {
    pub fn new(batch: &RecordBatch) -> Result<RejectRows, String> {
        let column = |name: &str, data_type: &DataType| -> Result<ArrayRef, String> {
            let column = batch.column_by_name(name).ok_or_else(|| format!("there is no column {name}"))?;
            cast(column, data_type).map_err(|e| e.to_string())
        };
        let integers = |name| Ok::<_, String>(column(name, &DataType::Int64)?.as_primitive::<Int64Type>().clone());
        let floats = |name| Ok::<_, String>(column(name, &DataType::Float64)?.as_primitive::<Float64Type>().clone());
        let texts = |name| Ok::<_, String>(column(name, &DataType::Utf8)?.as_string::<i32>().clone());
        let received_at = cast(&column("received_at", &timestamp())?, &DataType::Int64).map_err(|e| e.to_string())?;
        Ok(RejectRows {
            at: 0,
            epoch: integers("epoch")?,
            number: integers("number")?,
            reason: texts("reason")?,
            redriven: column("redriven", &DataType::Boolean)?.as_boolean().clone(),
            partition: texts("partition")?,
            offset: integers("offset")?,
            received_at: received_at.as_primitive::<Int64Type>().clone(),
            lat: floats("lat")?,
            lon: floats("lon")?,
            raw: column("raw", &DataType::Binary)?.as_binary::<i32>().clone(),
        })
    }

    pub fn is_read(&self) -> bool {
        self.at >= self.epoch.len()
    }

    pub fn next(&mut self) {
        self.at += 1;
    }

    /// The row that is to be read.
    pub fn row(&self) -> Row<'_> {
        let at = self.at;
        let float = |column: &Float64Array| column.is_valid(at).then(|| column.value(at));
        let reason_name = self.reason.value(at);
        Row {
            epoch: self.epoch.value(at),
            number: self.number.value(at),
            reason_name,
            reason: Reason::named(reason_name),
            redriven: self.redriven.is_valid(at) && self.redriven.value(at),
            partition: self.partition.value(at),
            offset: self.offset.value(at),
            received_at: EventTime(self.received_at.value(at)),
            lat: float(&self.lat),
            lon: float(&self.lon),
            raw: self.raw.value(at),
        }
    }
}
