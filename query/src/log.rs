//! What a table's Delta log says: its columns, its files, and what is in them.

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoArrow;
use deltalake_core::logstore::{StorageConfig, default_logstore};
use deltalake_core::{DeltaTable, DeltaTableBuilder, DeltaTableError};
use rhumb_engine::bucket::Bucket;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use url::Url;

/// The partition column of every table of the lake.
pub(crate) const EVENT_DATE: &str = "event_date";
/// Key of the table's configuration that names the columns which tell rows apart, beside their revision.
const KEYS: &str = "rhumb.keys";
/// The same for how rows of several parts are put together.
const MERGE: &str = "rhumb.merge";

/// A table at one version of its log.
#[derive(Debug, Clone)]
pub(crate) struct TableLog {
    /// Columns of the files.
    pub(crate) stored: SchemaRef,
    pub(crate) files: Vec<DataFile>,
    /// Columns that tell rows apart, beside window and revision; `None` if nobody said.
    pub(crate) keys: Option<Vec<String>>,
    /// How rows of several parts are put together; `None` if nobody said.
    pub(crate) merge: Option<String>,
}

impl TableLog {
    /// Whether all rows are known to have one value of a column.
    pub(crate) fn is_one(&self, column: &str) -> bool {
        let Ok(at) = self.stored.index_of(column) else { return false };
        let mut bounds = self.files.iter().flat_map(|file| [&file.columns[at].min, &file.columns[at].max]);
        let first = bounds.next();
        first.is_none_or(|first| first.is_some() && bounds.all(|bound| bound == first))
    }
}

/// A file of a table.
#[derive(Debug, Clone)]
pub(crate) struct DataFile {
    /// Relative to the table's folder.
    pub(crate) path: String,
    pub(crate) bytes: u64,
    pub(crate) event_date: ScalarValue,
    pub(crate) rows: Option<usize>,
    /// By column of `stored`.
    pub(crate) columns: Vec<ColumnBounds>,
}

/// What is known of a column in a file. Bounds of strings may have been cut: all values are between them, but they
/// need not be values.
#[derive(Debug, Clone, Default)]
pub(crate) struct ColumnBounds {
    pub(crate) min: Option<ScalarValue>,
    pub(crate) max: Option<ScalarValue>,
    pub(crate) nulls: Option<usize>,
}

/// A table on a disk.
pub(crate) fn in_folder(folder: &Path) -> Result<DeltaTable, DeltaTableError> {
    let no_url = || DeltaTableError::Generic(format!("{} has no URL", folder.display()));
    let url = Url::from_directory_path(folder).map_err(|()| no_url())?;
    DeltaTableBuilder::from_url(url)?.build()
}

/// A table in an object store.
pub(crate) fn in_bucket(at: &Bucket) -> Result<DeltaTable, DeltaTableError> {
    let no_url = |_| DeltaTableError::Generic(format!("{} is no URL", at.url()));
    let url = Url::parse(&format!("{}/", at.url())).map_err(no_url)?;
    Ok(DeltaTable::new(default_logstore(at.objects(), at.root(), &url, &StorageConfig::default())))
}

/// Reads the newest version of a table's log.
pub(crate) async fn read(mut table: DeltaTable) -> Result<TableLog, DeltaTableError> {
    table.load().await?;
    let state = table.snapshot()?;
    let all: Schema = state.schema().as_ref().try_into_arrow()?;
    let stored: Vec<Field> =
        all.fields().iter().filter(|f| f.name() != EVENT_DATE).map(|f| f.as_ref().clone()).collect();
    let stored = Arc::new(Schema::new(stored));
    let mut files = Vec::new();
    for view in state.log_data().iter() {
        let statistics: Value = view.stats().and_then(|s| serde_json::from_str(&s).ok()).unwrap_or_default();
        let date = view.partition_values_map().get(EVENT_DATE).cloned().flatten();
        files.push(DataFile {
            path: view.path().into_owned(),
            bytes: u64::try_from(view.size()).unwrap_or_default(),
            event_date: scalar(&date.map_or(Value::Null, Value::String), &DataType::Date32)
                .unwrap_or(ScalarValue::Date32(None)),
            rows: statistics["numRecords"].as_u64().and_then(|n| usize::try_from(n).ok()),
            columns: stored.fields().iter().map(|f| bounds(&statistics, f)).collect(),
        });
    }
    let keys = state.metadata().configuration().get(KEYS);
    let keys = keys.map(|k| k.split(',').map(|k| k.trim().to_owned()).filter(|k| !k.is_empty()).collect());
    let merge = state.metadata().configuration().get(MERGE).cloned();
    Ok(TableLog { stored, files, keys, merge })
}

fn bounds(statistics: &Value, field: &Field) -> ColumnBounds {
    let of = |which: &str| scalar(&statistics[which][field.name().as_str()], field.data_type());
    ColumnBounds {
        min: of("minValues"),
        max: of("maxValues"),
        nulls: statistics["nullCount"][field.name().as_str()].as_u64().and_then(|n| usize::try_from(n).ok()),
    }
}

/// A bound as a value of the column's type; none where the log has none that we know how to read.
fn scalar(value: &Value, data_type: &DataType) -> Option<ScalarValue> {
    Some(match (data_type, value) {
        (DataType::Int8, v) => ScalarValue::Int8(Some(i8::try_from(v.as_i64()?).ok()?)),
        (DataType::Int16, v) => ScalarValue::Int16(Some(i16::try_from(v.as_i64()?).ok()?)),
        (DataType::Int32, v) => ScalarValue::Int32(Some(i32::try_from(v.as_i64()?).ok()?)),
        (DataType::Int64, v) => ScalarValue::Int64(Some(v.as_i64()?)),
        (DataType::Float32, v) => ScalarValue::Float32(Some(v.as_f64()? as f32)),
        (DataType::Float64, v) => ScalarValue::Float64(Some(v.as_f64()?)),
        (DataType::Utf8, Value::String(text)) => ScalarValue::Utf8(Some(text.clone())),
        (DataType::Date32 | DataType::Timestamp(..), Value::String(text)) => {
            ScalarValue::try_from_string(text.clone(), data_type).ok()?
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::TimeUnit;
    use serde_json::json;

    #[test]
    fn bounds_are_read_in_the_types_of_their_columns() {
        let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let at = ScalarValue::TimestampMicrosecond(Some(1_700_000_000_123_456), Some("UTC".into()));
        assert_eq!(scalar(&json!("2023-11-14T22:13:20.123456Z"), &time), Some(at));
        assert_eq!(scalar(&json!("1970-01-02"), &DataType::Date32), Some(ScalarValue::Date32(Some(1))));
        assert_eq!(scalar(&json!(-3), &DataType::Int16), Some(ScalarValue::Int16(Some(-3))));
        assert_eq!(scalar(&json!(70_000), &DataType::Int16), None);
        assert_eq!(scalar(&json!("x"), &DataType::Float64), None);
        assert_eq!(scalar(&Value::Null, &DataType::Utf8), None);
    }
}
