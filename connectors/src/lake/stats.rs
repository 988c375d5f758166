//! What a Delta log says of a file's columns: rows, nulls, and bounds that readers skip files by. A bound that is not
//! sure is left out: too little is slow, too much is wrong.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Schema};
use jiff::Timestamp;
use parquet::basic::{LogicalType, TimeUnit};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::statistics::Statistics;
use serde_json::{Map, Value, json};
use std::cmp::Ordering;

/// Which float columns hold a value that is not a number. Readers order those above all numbers, Parquet's bounds
/// leave them out, so such a column has no bounds.
pub struct NotNumbers {
    found: Vec<bool>,
}

impl NotNumbers {
    pub fn new(schema: &Schema) -> NotNumbers {
        NotNumbers { found: vec![false; schema.fields().len()] }
    }

    /// Takes note of some values of a column.
    pub fn look(&mut self, n: usize, column: &ArrayRef) {
        if column.null_count() < column.len() {
            self.found[n] |= match column.data_type() {
                DataType::Float32 => {
                    column.as_primitive::<Float32Type>().values().iter().fold(false, |f, v| f | v.is_nan())
                }
                DataType::Float64 => {
                    column.as_primitive::<Float64Type>().values().iter().fold(false, |f, v| f | v.is_nan())
                }
                _ => false,
            };
        }
    }
}

/// Statistics of a file as the JSON of an `add` action.
pub fn of(metadata: &ParquetMetaData, not_numbers: &NotNumbers) -> String {
    let (mut min, mut max, mut nulls) = (Map::new(), Map::new(), Map::new());
    let schema = metadata.file_metadata().schema_descr();
    for (n, leaf) in schema.columns().iter().enumerate() {
        if leaf.path().parts().len() > 1 {
            continue;
        }
        let chunks: Option<Vec<&Statistics>> = metadata.row_groups().iter().map(|g| g.column(n).statistics()).collect();
        let Some(chunks) = chunks else { continue };
        let name = leaf.name().to_owned();
        if let Some(count) = chunks.iter().map(|s| s.null_count_opt()).sum::<Option<u64>>() {
            nulls.insert(name.clone(), json!(count));
        }
        if not_numbers.found[n] {
            continue;
        }
        let bounds = Bounds::of(&chunks, leaf.logical_type_ref());
        min.extend(bounds.min.map(|v| (name.clone(), v)));
        max.extend(bounds.max.map(|v| (name, v)));
    }
    let rows = metadata.file_metadata().num_rows();
    json!({"numRecords": rows, "minValues": min, "maxValues": max, "nullCount": nulls}).to_string()
}

/// Least and greatest value of a column in a file, as JSON.
struct Bounds {
    min: Option<Value>,
    max: Option<Value>,
}

impl Bounds {
    fn of(chunks: &[&Statistics], logical: Option<&LogicalType>) -> Bounds {
        macro_rules! over {
            ($variant:ident, $to_json:expr) => {{
                let typed = || {
                    chunks.iter().filter_map(|s| match s {
                        Statistics::$variant(v) => Some(v),
                        _ => None,
                    })
                };
                let order = |a: &_, b: &_| PartialOrd::partial_cmp(a, b).unwrap_or(Ordering::Equal);
                let min = typed().filter_map(|v| v.min_opt()).min_by(|a, b| order(*a, *b));
                let max = typed().filter_map(|v| v.max_opt()).max_by(|a, b| order(*a, *b));
                Bounds { min: min.and_then($to_json), max: max.and_then($to_json) }
            }};
        }
        let micros = matches!(logical, Some(LogicalType::Timestamp(t)) if t.unit == TimeUnit::MICROS);
        let is_text = matches!(logical, Some(LogicalType::String));
        match chunks.first() {
            Some(Statistics::Int32(_)) if matches!(logical, None | Some(LogicalType::Integer(_))) => {
                over!(Int32, |v: &i32| Some(json!(v)))
            }
            Some(Statistics::Int64(_)) if micros => over!(Int64, |v: &i64| time(*v)),
            Some(Statistics::Int64(_)) => over!(Int64, |v: &i64| Some(json!(v))),
            Some(Statistics::Float(_)) => over!(Float, |v: &f32| number(f64::from(*v))),
            Some(Statistics::Double(_)) => over!(Double, |v: &f64| number(*v)),
            // Parquet has cut long ones such that the bounds still hold.
            Some(Statistics::ByteArray(_)) if is_text => {
                over!(ByteArray, |v: &parquet::data_type::ByteArray| v.as_utf8().ok().map(|s| json!(s)))
            }
            _ => Bounds { min: None, max: None },
        }
    }
}

/// JSON has no infinity.
fn number(value: f64) -> Option<Value> {
    value.is_finite().then(|| json!(value))
}

/// As Delta writes times; none beyond the years that readers know.
fn time(micros: i64) -> Option<Value> {
    let time = Timestamp::from_microsecond(micros).ok()?;
    let year = time.to_zoned(jiff::tz::TimeZone::UTC).year();
    (1..=9999).contains(&year).then(|| json!(time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()))
}

#[cfg(test)]
mod tests {
    use crate::lake::segment::{Shape, write};
    use arrow::array::{ArrayRef, Float32Array, Float64Array, Int16Array, RecordBatch, StringArray};
    use rhumb_engine::frame::timestamps;
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn check(name: &str, column: ArrayRef, min: Option<Value>, max: Option<Value>, nulls: u64) {
        let batch = RecordBatch::try_from_iter_with_nullable([("c", column, true)]).unwrap();
        let shape = Shape { schema: batch.schema(), sorted_by: &[], has_bloom: false };
        let folder = tempfile::tempdir().unwrap();
        let rows = batch.num_rows();
        let written = write(&folder.path().join("f"), &shape, &batch).unwrap();
        let found: Value = serde_json::from_str(&written.statistics).unwrap();
        assert_eq!(found["numRecords"], json!(rows), "{name}");
        assert_eq!(found["minValues"].get("c"), min.as_ref(), "least {name}");
        assert_eq!(found["maxValues"].get("c"), max.as_ref(), "greatest {name}");
        assert_eq!(found["nullCount"]["c"], json!(nulls), "nulls of {name}");
    }

    #[test]
    fn bounds_hold_for_every_reader() {
        let text = |s: &[&str]| Arc::new(StringArray::from(s.to_vec())) as ArrayRef;
        check(
            "integers",
            Arc::new(Int16Array::from(vec![Some(3), None, Some(-4)])),
            Some(json!(-4)),
            Some(json!(3)),
            1,
        );
        check("floats", Arc::new(Float64Array::from(vec![1.5, -2.25])), Some(json!(-2.25)), Some(json!(1.5)), 0);
        check("with NaN", Arc::new(Float64Array::from(vec![1.5, f64::NAN])), None, None, 0);
        check("infinite", Arc::new(Float32Array::from(vec![1.5, f32::INFINITY])), Some(json!(1.5)), None, 0);
        check("nothing", Arc::new(Float32Array::from(vec![None, None])), None, None, 2);
        check("text", text(&["b", "a"]), Some(json!("a")), Some(json!("b")), 0);
        let (low, high) = ("a".repeat(100), "z".repeat(100));
        let above = format!("{}{{", "z".repeat(63));
        check("long text", text(&[&low, &high]), Some(json!("a".repeat(64))), Some(json!(above)), 0);
        let times = Arc::new(timestamps(vec![-1, 1_700_000_000_123_456]));
        let (first, last) = ("1969-12-31T23:59:59.999999Z", "2023-11-14T22:13:20.123456Z");
        check("times", times, Some(json!(first)), Some(json!(last)), 0);
        check(
            "wild times",
            Arc::new(timestamps(vec![0, i64::MAX])),
            Some(json!("1970-01-01T00:00:00.000000Z")),
            None,
            0,
        );
    }
}
