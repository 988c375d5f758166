//! `rhumb query`: SQL over a lake.

use super::current::current;
use super::{Exit, load_pipeline, usage};
use anyhow::Context;
use rhumb_query::{Format, Limits, Session};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(clap::Args)]
pub struct Query {
    /// Data folder of a pipeline
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// With --data: SQL. Without: file of the pipeline, then SQL
    #[arg(required = true, num_args = 1..=2, value_names = ["PIPELINE", "SQL"])]
    words: Vec<String>,
    /// table, csv, json (one object a line), parquet, or geojson (rows with lat and lon)
    #[arg(long, default_value = "table")]
    format: Format,
    /// Write to this file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Give up after so many seconds
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    timeout_s: u64,
}

impl Query {
    pub fn run(self) -> anyhow::Result<Exit> {
        let (data, offline_after_us, sql) = match (&self.data, &self.words[..]) {
            (Some(data), [sql]) => (data.clone(), None, sql),
            (None, [pipeline, sql]) => match load_pipeline(Path::new(pipeline)) {
                Some(checked) => (checked.data, Some(checked.engine.offline_after_us), sql),
                None => return Ok(Exit::Configuration),
            },
            (Some(_), _) => return Ok(usage("with --data there is one more word: the SQL, in quotes")),
            (None, _) => {
                return Ok(usage(
                    "say which lake, and what to ask: rhumb query PIPELINE SQL, or rhumb query --data DIR SQL",
                ));
            }
        };
        let limits = Limits { timeout: Some(Duration::from_secs(self.timeout_s)), ..Limits::default() };
        let mut session = Session::open(&data, limits)?;
        if let Some(current) = current(&data, offline_after_us)? {
            session = session.with_current(current)?;
        }
        let rows = match &self.output {
            Some(path) => {
                let making = || format!("write {}", path.display());
                let mut file = std::io::BufWriter::new(std::fs::File::create(path).with_context(making)?);
                let rows = session.run(sql, self.format, &mut file)?;
                file.flush().with_context(making)?;
                rows
            }
            None => session.run(sql, self.format, &mut std::io::stdout().lock())?,
        };
        if self.output.is_some() {
            eprintln!("{} rows", rows.rows);
        }
        Ok(Exit::Done)
    }
}
