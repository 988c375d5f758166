//! Results for people: columns below each other, numbers at their right end.

use crate::error::QueryError;
use crate::format::{is_number, of_arrow};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use std::io::Write;

/// Rows that are shown. Who wants more wants a file.
pub(crate) const ROWS_MAX: usize = 1000;
pub(crate) struct Table<'a> {
    to: &'a mut dyn Write,
    schema: SchemaRef,
    rows: Vec<Vec<String>>,
    /// Longer values are cut.
    chars_max: usize,
    cut: usize,
}

impl<'a> Table<'a> {
    pub(crate) fn new(schema: &SchemaRef, chars_max: usize, to: &'a mut dyn Write) -> Table<'a> {
        Table { to, schema: schema.clone(), rows: Vec::new(), chars_max, cut: 0 }
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        let wanted = batch.num_rows().min(ROWS_MAX - self.rows.len());
        let options = FormatOptions::default();
        let columns = batch.columns().iter().map(|c| ArrayFormatter::try_new(c.as_ref(), &options));
        let columns = columns.collect::<Result<Vec<_>, _>>().map_err(of_arrow)?;
        for row in 0..wanted {
            let values = columns.iter().map(|c| c.value(row).try_to_string());
            let values = values.collect::<Result<Vec<_>, _>>().map_err(of_arrow)?;
            self.cut += values.iter().filter(|value| value.chars().nth(self.chars_max).is_some()).count();
            self.rows.push(values.iter().map(|value| shown(value, self.chars_max)).collect());
        }
        Ok(())
    }

    /// Writes the table; gives the number of rows in it.
    pub(crate) fn finish(self, rows: u64) -> Result<u64, QueryError> {
        let names: Vec<String> = self.schema.fields().iter().map(|f| f.name().clone()).collect();
        let width = |c: usize| {
            self.rows.iter().map(|r| r[c].chars().count()).chain([names[c].chars().count()]).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..names.len()).map(width).collect();
        let numbers: Vec<bool> = self.schema.fields().iter().map(|f| is_number(f.data_type())).collect();
        let line = |values: &[String]| -> String {
            let cell = |(c, value): (usize, &String)| match numbers[c] {
                true => format!("{value:>0$}", widths[c]),
                false => format!("{value:<0$}", widths[c]),
            };
            values.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        writeln!(self.to, "{}", line(&names))?;
        writeln!(self.to, "{}", widths.iter().map(|w| "-".repeat(*w)).collect::<Vec<_>>().join("  "))?;
        for row in &self.rows {
            writeln!(self.to, "{}", line(row))?;
        }
        let shown = self.rows.len() as u64;
        let counted = match (rows, shown == rows) {
            (1, _) => "1 row".to_owned(),
            (_, true) => format!("{rows} rows"),
            _ => format!("{rows} rows, the first {shown} shown; csv, json and parquet have all"),
        };
        let (cut, most) = (self.cut, self.chars_max);
        let values = if cut == 1 { "value" } else { "values" };
        let cut = match cut {
            0 => String::new(),
            _ => format!("; {cut} {values} cut to {most} characters, which csv, json and a pipe have whole"),
        };
        writeln!(self.to, "{counted}{cut}")?;
        self.to.flush()?;
        Ok(shown)
    }
}

/// A value on one line, within the width.
fn shown(value: &str, chars_max: usize) -> String {
    let on_one_line = value.chars().map(|c| if c.is_control() { ' ' } else { c });
    match value.chars().nth(chars_max) {
        None => on_one_line.collect(),
        Some(_) => on_one_line.take(chars_max - 1).chain(['…']).collect(),
    }
}
