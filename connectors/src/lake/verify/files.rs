//! The files of a table: there, whole, as they were written; and nothing beside them.

use super::super::schema::EPOCH;
use super::counts::{Counts, Numbers};
use super::log::Named;
use arrow::array::{Array, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rhumb_engine::checksum::Checksum;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Bytes of a file that are read at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// What is wrong with a file.
pub enum Fault {
    Missing,
    Damaged(String),
}

/// Holds a file's length and bytes against what was written.
pub fn whole(path: &Path, bytes: u64, checksum: Option<&str>) -> Result<(), Fault> {
    let read = || -> io::Result<(u64, String)> {
        let (mut file, mut sum, mut total) = (File::open(path)?, Checksum::default(), 0);
        let mut chunk = vec![0; CHUNK_BYTES];
        // Without a checksum to hold them against, nothing is learned from the bytes.
        if checksum.is_none() {
            return Ok((file.metadata()?.len(), String::new()));
        }
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
pub fn count(path: &Path, named: &Named, counts: &mut Counts, numbers: Option<&mut Numbers>) -> Result<u64, Fault> {
    let damaged = |cause: &dyn std::error::Error| Fault::Damaged(format!("it cannot be read: {cause}"));
    let file = File::open(path).map_err(|e| damaged(&e))?;
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

/// All files below a folder that are not of its log, relative to it, in order.
pub fn below(folder: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(at) = folders.pop() {
        let entries = match std::fs::read_dir(folder.join(&at)) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let path = at.join(entry.file_name());
            match entry.file_type()?.is_dir() {
                true if path.as_os_str() == super::super::delta::LOG_FOLDER => {}
                true => folders.push(path),
                false => found.push(path.to_string_lossy().into_owned()),
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}
