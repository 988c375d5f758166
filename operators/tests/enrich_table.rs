//! Tables of vehicles in CSV and Parquet: what is taken, in which types, and what is refused.

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array, Float64Array,
    Int32Array, Int64Array, ListArray, RecordBatch, StringArray, StringViewArray, TimestampNanosecondArray,
    UInt64Array,
};
use arrow::datatypes::{Int64Type, UInt32Type};
use arrow::util::display::array_value_to_string;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use rhumb_operators::enrich::{TableFormat, VehicleTable};
use std::path::Path;
use std::sync::Arc;

/// In row groups of two rows.
fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).expect("columns");
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(2)).build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).expect("a writer");
    writer.write(&batch).expect("rows");
    writer.close().expect("a file");
    bytes
}

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// A row of the table: name, type and value of each column.
fn row(table: &VehicleTable, vehicle: &str) -> Vec<String> {
    let at = table.row(vehicle).expect("a vehicle of the table") as usize;
    let of = |(field, values): &(arrow::datatypes::FieldRef, ArrayRef)| {
        assert_eq!(field.data_type(), values.data_type());
        let value =
            if values.is_null(at) { "null".to_owned() } else { array_value_to_string(values, at).expect("a value") };
        format!("{} {} {value}", field.name(), field.data_type())
    };
    table.columns().iter().map(of).collect()
}

#[test]
fn columns_of_parquet_keep_the_types_that_frames_can_have() {
    let bytes = parquet(vec![
        ("team", texts(&[Some("north"), None, Some("south")])),
        ("vehicle_id", texts(&[Some("a"), Some("b"), Some("c")])),
        ("tons", Arc::new(Int32Array::from(vec![Some(3), Some(-7), None]))),
        ("many", Arc::new(UInt64Array::from(vec![1, 2, i64::MAX as u64]))),
        ("share", Arc::new(Float32Array::from(vec![0.5, 1.5, f32::NAN]))),
        ("wide", Arc::new(Float64Array::from(vec![0.1, 0.2, 0.3]))),
        ("electric", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
        ("since", Arc::new(TimestampNanosecondArray::from(vec![1_000_000_001_000, 0, -1_000]))),
        ("built", Arc::new(Date32Array::from(vec![1, 0, 19_800]))),
        ("driver", Arc::new(StringViewArray::from(vec![Some("ann"), Some("bob"), None]))),
        ("depot", Arc::new(["x", "y", "x"].into_iter().collect::<DictionaryArray<UInt32Type>>())),
        (
            "price",
            Arc::new(Decimal128Array::from(vec![1_250, 0, 1]).with_precision_and_scale(9, 2).expect("a decimal")),
        ),
    ]);
    let table = VehicleTable::read(bytes, TableFormat::Parquet, "vehicle_id", None).expect("a table");
    assert_eq!(
        row(&table, "a"),
        [
            "team Utf8 north",
            "tons Int64 3",
            "many Int64 1",
            "share Float64 0.5",
            "wide Float64 0.1",
            "electric Boolean true",
            "since Timestamp(µs, \"UTC\") 1970-01-01T00:16:40.000001Z",
            "built Timestamp(µs, \"UTC\") 1970-01-02T00:00:00Z",
            "driver Utf8 ann",
            "depot Utf8 x",
            "price Float64 12.5",
        ]
    );
    assert_eq!(
        row(&table, "c")[..4],
        ["team Utf8 south", "tons Int64 null", "many Int64 9223372036854775807", "share Float64 NaN"]
    );
    assert_eq!((table.row("d"), table.vehicles().count()), (None, 3));
}

#[test]
fn vehicles_of_parquet_may_be_whole_numbers_and_columns_stand_in_the_order_asked_for() {
    let bytes = parquet(vec![
        ("mmsi", Arc::new(Int64Array::from(vec![577_000_001, 577_000_002]))),
        ("name", texts(&[Some("Lagoon Star"), Some("Reef Runner")])),
        ("kind", texts(&[Some("cargo"), Some("ferry")])),
        ("routes", Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([Some([Some(1)]), None]))),
    ]);
    let only = ["kind", "mmsi"].map(str::to_owned);
    let table =
        VehicleTable::read(bytes, TableFormat::Parquet, "mmsi", Some(&only)).expect("the list is not asked for");
    assert_eq!(row(&table, "577000002"), ["kind Utf8 ferry", "mmsi Int64 577000002"]);
}

#[test]
fn parquet_without_rows_is_a_table_of_no_vehicles() {
    let bytes = parquet(vec![("vehicle_id", texts(&[])), ("team", texts(&[]))]);
    let table = VehicleTable::read(bytes, TableFormat::Parquet, "vehicle_id", None).expect("a table");
    assert_eq!(table.vehicles().count(), 0);
    assert_eq!(table.columns()[0].1.as_string::<i32>().len(), 0);
}

#[track_caller]
fn refused(bytes: Vec<u8>, format: TableFormat, key: &str, message: &str) {
    let error = VehicleTable::read(bytes, format, key, None).expect_err(message).to_string();
    assert!(error.starts_with(message), "{error}");
}

#[test]
fn what_is_wrong_with_a_table_is_told_with_its_row() {
    let team = || texts(&[Some("x"); 3]);
    let of = |vehicles: &[Option<&str>]| parquet(vec![("vehicle_id", texts(vehicles)), ("team", team())]);
    use TableFormat::{Csv, Parquet};
    refused(
        of(&[Some("a"), Some("b"), Some("a")]),
        Parquet,
        "vehicle_id",
        "row 3: vehicle \"a\" stands in row 1 already",
    );
    refused(of(&[Some("a"), None, Some("b")]), Parquet, "vehicle_id", "row 2: no vehicle in column \"vehicle_id\"");
    refused(of(&[Some("a"), Some("b"), Some("")]), Parquet, "vehicle_id", "row 3: no vehicle in column \"vehicle_id\"");
    refused(of(&[Some("a"); 3]), Parquet, "vehicle", "no column \"vehicle\"; the columns are vehicle_id, team");
    let fractions = || Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0])) as ArrayRef;
    refused(
        parquet(vec![("id", fractions())]),
        Parquet,
        "id",
        "column \"id\" is of type Float64, and vehicles are texts or whole numbers",
    );
    let lists =
        || Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([Some([Some(1)]), None, None])) as ArrayRef;
    refused(parquet(vec![("id", team()), ("routes", lists())]), Parquet, "id", "column \"routes\" is of type List(");
    let large = Arc::new(UInt64Array::from(vec![1, u64::MAX])) as ArrayRef;
    refused(
        parquet(vec![("id", texts(&[Some("a"), Some("b")])), ("n", large)]),
        Parquet,
        "id",
        "column \"n\": Cast error",
    );
    let mut cut = of(&[Some("a"), Some("b"), Some("c")]);
    cut.truncate(cut.len() - 5);
    refused(cut, Parquet, "vehicle_id", "Parquet error: Invalid Parquet file");
    refused(of(&[Some("a"), Some("b"), Some("c")]), Csv, "vehicle_id", "it is not CSV but Parquet");
    refused(b"vehicle_id,team\na,x\n".to_vec(), Parquet, "vehicle_id", "it is not Parquet");
    refused(b"vehicle_id,team\na,x\n,y\n".to_vec(), Csv, "vehicle_id", "line 3: no vehicle in column \"vehicle_id\"");
    refused(
        b"vehicle_id,team\na,x\nb,y\na,z\n".to_vec(),
        Csv,
        "vehicle_id",
        "line 4: vehicle \"a\" stands in line 2 already",
    );
}

/// Damaged files are refused or read, and never stop the program.
#[test]
fn no_damage_to_a_file_makes_the_reader_panic() {
    let whole =
        parquet(vec![("vehicle_id", texts(&[Some("a"), Some("b"), Some("c")])), ("team", texts(&[Some("x"); 3]))]);
    for at in 0..whole.len() {
        for bits in [1u8, 0x80, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] ^= bits;
            let _ = VehicleTable::read(damaged, TableFormat::Parquet, "vehicle_id", None);
        }
    }
}

#[test]
fn names_of_files_say_what_they_are_written_in() {
    for (name, format) in [
        ("vans.csv", TableFormat::Csv),
        ("vans", TableFormat::Csv),
        ("vans.csv.gz", TableFormat::Csv),
        ("vans.parquet", TableFormat::Parquet),
        ("VANS.PARQUET", TableFormat::Parquet),
        ("vans.pq.zst", TableFormat::Parquet),
        ("parquet", TableFormat::Csv),
    ] {
        assert_eq!(TableFormat::of_path(Path::new(name)), format, "{name}");
    }
}
