//! Columns of the lake's tables: what the engine writes, as Arrow types for the Parquet writer and as types that
//! Delta knows.

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use rhumb_engine::frame::timestamp;
use rhumb_engine::operator::TablePlan;
use std::sync::Arc;

/// Version of the tables' columns and meaning. Stands in each table's configuration and in each file.
pub const SCHEMA_VERSION: u32 = 1;
/// Key of the version.
pub const SCHEMA_VERSION_KEY: &str = "rhumb.schema_version";
/// Key of a table's configuration, and of the metadata of a `TablePlan`'s schema: the columns that tell rows apart beside
/// window and revision, separated by commas.
pub const KEYS_KEY: &str = "rhumb.keys";
/// The same for how a reader puts rows of several parts together; what it says is the table's own.
pub const MERGE_KEY: &str = "rhumb.merge";
/// The partition column of every table; not stored in the files.
pub const EVENT_DATE: &str = "event_date";
/// Columns of ids that are hashes.
pub const HASHES: [&str; 3] = ["alert_id", "visit_id", "supersedes"];
/// The column that numbers the rejects of an epoch, from 0.
pub const NUMBER: &str = "number";
/// The column that says which commit a row came with.
pub const EPOCH: &str = "epoch";

fn field(name: &str, data_type: DataType, nullable: bool) -> FieldRef {
    Arc::new(Field::new(name, data_type, nullable))
}

/// Strings that repeat: sent to the writer as keys, stored as plain strings.
pub fn repeating() -> DataType {
    DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8))
}

/// `epoch` after a table's own columns.
fn with_epoch(columns: impl IntoIterator<Item = FieldRef>) -> SchemaRef {
    let columns: Vec<FieldRef> = columns.into_iter().chain([field(EPOCH, DataType::Int64, false)]).collect();
    Arc::new(Schema::new(columns))
}

/// The history as it goes to the writer. Columns of operators are nullable: rows of a pipeline without them have none.
pub fn history(columns: &[FieldRef]) -> SchemaRef {
    let core = rhumb_engine::frame::core_columns();
    let is_core = |f: &FieldRef| core.iter().any(|c| c.name() == f.name());
    with_epoch(columns.iter().map(|f| match f.name().as_str() {
        "vehicle_id" | "source" => field(f.name(), repeating(), false),
        "zone_ids" => field("zone_ids", DataType::List(field("element", repeating(), false)), true),
        name => field(name, f.data_type().clone(), !is_core(f) || f.is_nullable()),
    }))
}

/// The alerts as they go to the writer.
pub fn alerts() -> SchemaRef {
    with_epoch([
        field("alert_id", DataType::Utf8, false),
        field("sequence", DataType::Int64, true),
        field("kind", repeating(), false),
        field("vehicle_id", repeating(), false),
        field("zone_id", repeating(), false),
        field("event_time", timestamp(), false),
        field("frame_time", timestamp(), false),
        field("received_at", timestamp(), false),
        field("lat", DataType::Float64, false),
        field("lon", DataType::Float64, false),
        field("visit_id", DataType::Utf8, true),
        field("reason", DataType::Utf8, true),
        field("late", DataType::Boolean, false),
        field("supersedes", DataType::Utf8, true),
        field("left_time", timestamp(), true),
        field("left_lat", DataType::Float64, true),
        field("left_lon", DataType::Float64, true),
        field("zone_version", DataType::Int64, true),
        field("zone_attributes", repeating(), true),
    ])
}

/// The rejects as they go to the writer.
pub fn rejects() -> SchemaRef {
    with_epoch([
        field("reason", DataType::Utf8, false),
        field("measured", DataType::Float64, true),
        field("threshold", DataType::Float64, true),
        field("vehicle_id", DataType::Utf8, true),
        field("event_time", timestamp(), true),
        field("received_at", timestamp(), false),
        field("lat", DataType::Float64, true),
        field("lon", DataType::Float64, true),
        field("source", DataType::Utf8, false),
        field("partition", DataType::Utf8, false),
        field("offset", DataType::Int64, false),
        field("raw", DataType::Binary, false),
        field("detail", DataType::Utf8, false),
        field(NUMBER, DataType::Int64, true),
        field("redriven", DataType::Boolean, true),
    ])
}

/// A table of an operator as it goes to the writer: its columns in types that Delta has.
pub fn table(plan: &TablePlan) -> Result<SchemaRef, String> {
    let of = |f: &FieldRef| Ok(field(f.name(), lake_type(f.name(), f.data_type())?, f.is_nullable()));
    let columns = with_epoch(plan.schema.fields().iter().map(of).collect::<Result<Vec<_>, String>>()?);
    Ok(Arc::new(columns.as_ref().clone().with_metadata(plan.schema.metadata().clone())))
}

/// The tables of a lake with these columns of frames and these tables of operators: name and stored columns of each.
///
/// # Errors
/// If a column is of a type that the lake cannot hold.
pub fn tables(frames: &[FieldRef], operators: &[TablePlan]) -> Result<Vec<(String, Schema)>, String> {
    let core = [("history", history(frames)), ("rejects", rejects()), ("alerts", alerts())];
    let mut tables: Vec<_> = core.map(|(name, written)| Ok((name.to_owned(), stored(&written)?))).into();
    tables.extend(operators.iter().map(|plan| Ok((plan.name.to_string(), stored(table(plan)?.as_ref())?))));
    tables.into_iter().collect()
}

/// A table's columns as Delta has them, `event_date` last.
pub fn stored(written: &Schema) -> Result<Schema, String> {
    let mut columns = Vec::with_capacity(written.fields().len() + 1);
    for f in written.fields() {
        columns.push(field(f.name(), lake_type(f.name(), f.data_type())?, f.is_nullable()));
    }
    columns.push(field(EVENT_DATE, DataType::Date32, false));
    Ok(Schema::new(columns).with_metadata(written.metadata().clone()))
}

/// The type in which a column is stored. Delta has no unsigned integers and one string type.
fn lake_type(column: &str, data_type: &DataType) -> Result<DataType, String> {
    use DataType::*;
    Ok(match data_type {
        Boolean | Int8 | Int16 | Int32 | Int64 | Float32 | Float64 | Utf8 | Binary | Date32 => data_type.clone(),
        UInt8 => Int16,
        UInt16 => Int32,
        UInt32 | UInt64 => Int64,
        LargeUtf8 | Utf8View => Utf8,
        LargeBinary | BinaryView => Binary,
        Timestamp(_, Some(_)) => Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Dictionary(_, value) => lake_type(column, value)?,
        List(item) => List(field("element", lake_type(column, item.data_type())?, item.is_nullable())),
        other => return Err(format!("column {column} is of type {other}, which a Delta table cannot hold")),
    })
}
