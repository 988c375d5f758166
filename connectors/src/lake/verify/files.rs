//! The files of a table: there, whole, as they were written; and nothing beside them.

use super::super::place::{Content, LakePlace};
use super::super::schema::EPOCH;
use super::counts::{Counts, Numbers};
use super::log::Named;
use arrow::array::{Array, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::ChunkReader;
use rhumb_engine::checksum::Checksum;
use std::io::{self, Read};

/// Bytes of a file that are read at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// What is wrong with a file.
pub enum Fault {
    Missing,
    Damaged(String),
}

/// Holds a file's length and bytes against what was written.
pub fn whole(lake: &LakePlace, path: &str, bytes: u64, checksum: Option<&str>) -> Result<(), Fault> {
    let read = || -> io::Result<(u64, String)> {
        let mut file = match lake.open(path)? {
            // Without a checksum to hold them against, nothing is learned from the bytes.
            Content::File(file) if checksum.is_none() => return Ok((file.metadata()?.len(), String::new())),
            Content::Bytes(bytes) if checksum.is_none() => return Ok((bytes.len() as u64, String::new())),
            Content::File(file) => file,
            Content::Bytes(bytes) => return Ok((bytes.len() as u64, Checksum::of(&bytes))),
        };
        let (mut sum, mut total) = (Checksum::default(), 0);
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            match file.read(&mut chunk)? {
                0 => return Ok((total, sum.text())),
                n => {
                    sum.add(&chunk[..n]);
                    total += n as u64;
                }
            }
        }
    };
    match read() {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Err(Fault::Missing),
        Err(cause) => Err(Fault::Damaged(cause.to_string())),
        Ok((found, _)) if found != bytes => Err(Fault::Damaged(format!("it has {found} bytes, {bytes} were written"))),
        Ok((_, sum)) if checksum.is_some_and(|written| written != sum) => {
            Err(Fault::Damaged("its bytes do not have the checksum that was written".to_owned()))
        }
        Ok(_) => Ok(()),
    }
}

/// Counts the rows of a file by epoch, and by source where the table has one, and takes note of their numbers.
pub fn count(
    lake: &LakePlace,
    path: &str,
    named: &Named,
    counts: &mut Counts,
    numbers: Option<&mut Numbers>,
) -> Result<u64, Fault> {
    match lake.open(path).map_err(|cause| damaged(&cause))? {
        Content::File(file) => count_in(file, named, counts, numbers),
        Content::Bytes(bytes) => count_in(bytes, named, counts, numbers),
    }
}

fn damaged(cause: &dyn std::error::Error) -> Fault {
    Fault::Damaged(format!("it cannot be read: {cause}"))
}

fn count_in(
    file: impl ChunkReader + 'static,
    named: &Named,
    counts: &mut Counts,
    numbers: Option<&mut Numbers>,
) -> Result<u64, Fault> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| damaged(&e))?;
    let rows = u64::try_from(reader.metadata().file_metadata().num_rows()).unwrap_or_default();
    if named.rows.is_some_and(|written| written != rows) {
        let written = named.rows.unwrap_or_default();
        return Err(Fault::Damaged(format!("it has {rows} rows, its log says {written}")));
    }
    let number = numbers.as_ref().map_or("", |numbers| numbers.column);
    let columns = ProjectionMask::columns(reader.parquet_schema(), [EPOCH, "source", number]);
    let reader = reader.with_projection(columns).build().map_err(|e| damaged(&e))?;
    // Counted into the table's once all of it could be read.
    let (mut of_file, mut seen) = (Counts::default(), Vec::new());
    for batch in reader {
        let batch = batch.map_err(|e| damaged(&e))?;
        let Some(epochs) = column(&batch, EPOCH) else {
            return Err(Fault::Damaged(format!("it has no column {EPOCH}")));
        };
        let sources = batch.column_by_name("source").and_then(|source| source.as_string_opt::<i32>());
        for row in 0..batch.num_rows() {
            let source = sources.map_or("", |sources| sources.value(row));
            of_file.add(epoch_of(epochs, row), source, 1);
        }
        if let Some(values) = column(&batch, number) {
            let of_row = |row: usize| (epoch_of(epochs, row), values.is_valid(row).then(|| values.value(row)));
            seen.extend((0..batch.num_rows()).map(of_row));
        } else if numbers.is_some() {
            seen.extend((0..batch.num_rows()).map(|row| (epoch_of(epochs, row), None)));
        }
    }
    counts.merge(of_file);
    if let Some(numbers) = numbers {
        seen.into_iter().for_each(|(epoch, number)| numbers.see(epoch, number));
    }
    Ok(rows)
}

fn epoch_of(epochs: &Int64Array, row: usize) -> u64 {
    u64::try_from(epochs.value(row)).unwrap_or_default()
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Option<&'a Int64Array> {
    batch.column_by_name(name)?.as_primitive_opt::<Int64Type>()
}
