//! Snapshots: state as tables of rows by lane, so that any number of shards can take it up again.

use crate::lane::Lane;
use arrow::array::{Array, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray, RecordBatch, UInt16Array};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, UInt16Type};
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::FileWriter;
use std::io::Cursor;
use std::sync::Arc;

/// Name of the column that says which lane a row of state belongs to.
pub const LANE: &str = "lane";

/// The state of an operator's merger stands beside that of the operator.
pub fn merger_name(operator: &str) -> String {
    format!("{operator}{MERGER}")
}

const MERGER: &str = ".merger";

/// Whether state is of a merger: of all lanes of an engine, and of none alone.
pub fn is_merged(operator: &str) -> bool {
    operator.ends_with(MERGER)
}

#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("state table {table}: {detail}")]
    Malformed { table: String, detail: String },
    #[error(
        "state table {table} has version {found}, this build reads up to {known}: use the newer rhumb that wrote it"
    )]
    Newer { table: String, found: u32, known: u32 },
}

/// One table of an operator's state.
#[derive(Debug, Clone, PartialEq)]
pub struct StateTable {
    pub operator: String,
    pub table: String,
    pub version: u32,
    /// Has the column `lane`.
    pub rows: RecordBatch,
}

/// Takes the state of one operator after the other.
#[derive(Debug, Default)]
pub struct StateWriter {
    operator: String,
    tables: Vec<StateTable>,
}

impl StateWriter {
    /// What is put from here on belongs to this operator.
    pub fn begin(&mut self, operator: &str) {
        self.operator = operator.to_owned();
    }

    /// Puts rows, the lane of each first, then named columns of equal length.
    pub fn put(&mut self, table: &str, version: u32, lanes: Vec<u16>, columns: Vec<(&str, Arc<dyn Array>)>) {
        let lane: Arc<dyn Array> = Arc::new(UInt16Array::from(lanes));
        let columns: Vec<_> = std::iter::once((LANE, lane)).chain(columns).collect();
        let fields: Vec<_> = columns.iter().map(|(name, a)| Field::new(*name, a.data_type().clone(), true)).collect();
        let arrays = columns.into_iter().map(|(_, array)| array).collect();
        let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).expect("columns of equal length");
        self.tables.push(StateTable { operator: self.operator.clone(), table: table.to_owned(), version, rows });
    }

    pub fn finish(self) -> Vec<StateTable> {
        self.tables
    }
}

/// The state of one operator, limited to the lanes that the reader owns.
#[derive(Debug, Default)]
pub struct StateReader<'a> {
    tables: Vec<&'a StateTable>,
}

impl<'a> StateReader<'a> {
    pub fn new(all: &'a [StateTable], operator: &str) -> StateReader<'a> {
        StateReader { tables: all.iter().filter(|t| t.operator == operator).collect() }
    }

    /// Row batches of a table; none if there was no such state. `known` is the newest version the caller reads.
    pub fn rows(&self, table: &str, known: u32) -> Result<Vec<StateRows<'a>>, StateError> {
        let of_table = self.tables.iter().filter(|t| t.table == table);
        of_table
            .map(|t| match t.version <= known {
                true => Ok(StateRows { table: &t.table, rows: &t.rows }),
                false => Err(StateError::Newer { table: table.to_owned(), found: t.version, known }),
            })
            .collect()
    }
}

/// Rows of one state table, with columns by name and type.
#[derive(Debug, Clone, Copy)]
pub struct StateRows<'a> {
    table: &'a str,
    pub rows: &'a RecordBatch,
}

impl<'a> StateRows<'a> {
    pub fn len(&self) -> usize {
        self.rows.num_rows()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn lanes(&self) -> Result<&'a PrimitiveArray<UInt16Type>, StateError> {
        self.primitive(LANE)
    }

    pub fn primitive<T: ArrowPrimitiveType>(&self, name: &str) -> Result<&'a PrimitiveArray<T>, StateError> {
        let array = self.array(name)?;
        array.as_primitive_opt::<T>().ok_or_else(|| self.unlike(name, array.data_type()))
    }

    pub fn strings(&self, name: &str) -> Result<&'a arrow::array::StringArray, StateError> {
        let array = self.array(name)?;
        array.as_string_opt::<i32>().ok_or_else(|| self.unlike(name, array.data_type()))
    }

    pub fn booleans(&self, name: &str) -> Result<&'a BooleanArray, StateError> {
        let array = self.array(name)?;
        array.as_boolean_opt().ok_or_else(|| self.unlike(name, array.data_type()))
    }

    pub fn array(&self, name: &str) -> Result<&'a Arc<dyn Array>, StateError> {
        let missing = || StateError::Malformed { table: self.table.to_owned(), detail: format!("no column {name}") };
        self.rows.column_by_name(name).ok_or_else(missing)
    }

    fn unlike(&self, name: &str, found: &DataType) -> StateError {
        StateError::Malformed { table: self.table.to_owned(), detail: format!("column {name} is of type {found}") }
    }
}

/// The rows of `tables` whose lane is owned.
pub fn of_lanes(tables: &[StateTable], owned: impl Fn(Lane) -> bool) -> Result<Vec<StateTable>, StateError> {
    let of_table = |t: &StateTable| {
        let lanes = StateRows { table: &t.table, rows: &t.rows }.lanes()?;
        let keep = BooleanArray::from_iter(lanes.values().iter().map(|lane| Some(owned(Lane(*lane)))));
        let rows = filter_record_batch(&t.rows, &keep).expect("one flag a row");
        Ok(StateTable { rows, ..t.clone() })
    };
    tables.iter().map(of_table).collect()
}

/// A table as an Arrow IPC file.
pub fn encode(rows: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(rows.get_array_memory_size() + 4096);
    let mut writer = FileWriter::try_new(&mut bytes, &rows.schema()).expect("writing to memory");
    writer.write(rows).expect("writing to memory");
    writer.finish().expect("writing to memory");
    drop(writer);
    bytes
}

/// The opposite of `encode`.
pub fn decode(table: &str, bytes: &[u8]) -> Result<RecordBatch, StateError> {
    let malformed =
        |e: arrow::error::ArrowError| StateError::Malformed { table: table.to_owned(), detail: e.to_string() };
    let reader = FileReader::try_new(Cursor::new(bytes), None).map_err(malformed)?;
    let schema = reader.schema();
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(malformed)?;
    arrow::compute::concat_batches(&schema, &batches).map_err(malformed)
}
