//! `rhumb query`: SQL over a lake.

use super::current::current;
use super::{Exit, print_refused, usage, zone_table};
use crate::build;
use crate::config::{Mistake, Place, PlaceZones, place};
use anyhow::Context;
use arrow::array::RecordBatch;
use rhumb_connectors::lake::FOLDER;
use rhumb_engine::bucket::DataPlace;
use rhumb_query::{Format, Limits, Session};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

#[derive(clap::Args)]
pub struct Query {
    /// Data folder of a pipeline, or s3://bucket/prefix
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// With --data: SQL. Without: file of the pipeline, then SQL
    #[arg(required = true, num_args = 1..=2, value_names = ["PIPELINE", "SQL"])]
    words: Vec<String>,
    #[command(flatten)]
    answer: Answer,
    /// Give up after so many seconds
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    timeout_s: u64,
}

/// How an answer is given.
#[derive(clap::Args)]
pub(super) struct Answer {
    /// table, csv, json (one object a line), parquet, or geojson (rows with lat and lon); as the file's name ends, else table
    #[arg(long)]
    format: Option<Format>,
    /// Write to this file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Whose data it is: that of a pipeline, or of a folder.
#[derive(clap::Args)]
pub(super) struct Whose {
    /// File of the pipeline
    #[arg(required_unless_present = "data")]
    pipeline: Option<PathBuf>,
    /// In its place: data folder of a pipeline, or s3://bucket/prefix
    #[arg(long, value_name = "DIR", conflicts_with = "pipeline")]
    data: Option<PathBuf>,
}

impl Whose {
    /// `None`: the pipeline has mistakes, which have been told.
    pub(super) fn lake(&self) -> anyhow::Result<Option<Lake>> {
        match &self.data {
            Some(data) => Lake::of_data(data).map(Some),
            None => Lake::of_pipeline(self.pipeline.as_deref().unwrap_or(Path::new(""))),
        }
    }
}

/// Whose lake is asked.
pub(super) struct Lake {
    pub(super) data: DataPlace,
    /// What makes a lake there.
    run: String,
    offline_after_us: Option<i64>,
    zones: Option<Arc<PlaceZones>>,
}

impl Lake {
    pub(super) fn of_data(data: &Path) -> anyhow::Result<Lake> {
        let run = "rhumb run PIPELINE, whose `data` is this folder,".to_owned();
        Ok(Lake { data: build::typed_place(data)?, run, offline_after_us: None, zones: None })
    }

    /// `None`: the file has mistakes, which have been told.
    pub(super) fn of_pipeline(pipeline: &Path) -> anyhow::Result<Option<Lake>> {
        match place(pipeline, &|name| std::env::var(name).ok()) {
            Ok(Place { data, bucket, offline_after_us, zones }) => {
                let run = format!("rhumb run {}", pipeline.display());
                let data = build::place(&data, bucket.as_deref())?;
                Ok(Some(Lake { data, run, offline_after_us, zones: zones.map(Arc::new) }))
            }
            Err(mistakes) => {
                print_refused(pipeline, mistakes);
                Ok(None)
            }
        }
    }

    pub(super) fn open(&self, limits: Limits) -> anyhow::Result<Session> {
        let Lake { data, run, .. } = self;
        if let DataPlace::Folder(data) = data
            && !data.join(FOLDER).is_dir()
        {
            let is_lake = data.join("history").join("_delta_log").is_dir();
            let instead = match data.canonicalize().ok().as_deref().and_then(Path::parent).filter(|_| is_lake) {
                Some(parent) => format!("this is a lake itself: write --data {}", parent.display()),
                None => format!("{run} makes one"),
            };
            anyhow::bail!("there is no lake in {}: {instead}", data.display());
        }
        let mut session = Session::open(data, limits)?;
        if matches!(data, DataPlace::Bucket(_)) && session.tables().is_empty() {
            anyhow::bail!("there is no lake in {data}: {run} makes one");
        }
        if let Some(current) = current(data, self.offline_after_us)? {
            session = session.with_current(current)?;
        }
        if let Some(zones) = self.zones.clone() {
            session = session.with_zones(zone_table::schema(), move || rows_of(&zones))?;
        }
        Ok(session)
    }
}

/// The rows of the table `zones`, or why there are none.
fn rows_of(zones: &PlaceZones) -> Result<RecordBatch, String> {
    let cannot = |why: String| format!("the pipeline's zones cannot be read: {why}");
    let read = zones.read().map_err(|wrong| cannot(wrong.first().map_or_else(String::new, Mistake::headline)))?;
    zone_table::rows(&read).map_err(|cause| cannot(cause.to_string()))
}

impl Answer {
    /// As asked for, else as the file's name ends.
    fn format(&self) -> Format {
        let ending = self.output.as_ref().and_then(|path| path.extension()?.to_str());
        let of_ending = || match ending? {
            "csv" => Some(Format::Csv),
            "json" | "ndjson" | "jsonl" => Some(Format::Json),
            "parquet" => Some(Format::Parquet),
            "geojson" => Some(Format::GeoJson),
            _ => None,
        };
        self.format.or_else(of_ending).unwrap_or(Format::Table)
    }

    /// Asks, and writes what comes.
    pub(super) fn give(&self, session: &Session, sql: &str) -> anyhow::Result<Exit> {
        let Some(path) = &self.output else {
            let mut out = Pipe { to: std::io::stdout().lock(), is_broken: false };
            let is_terminal = std::io::stdout().is_terminal();
            let format = if is_terminal { self.format().on_a_terminal() } else { self.format() };
            return match session.run(sql, format, &mut out) {
                // Whoever read has seen enough.
                Err(_) if out.is_broken => Ok(Exit::Done),
                Err(error) => Err(error.into()),
                Ok(_) => Ok(Exit::Done),
            };
        };
        let making = || format!("write {}", path.display());
        let mut file = std::io::BufWriter::new(std::fs::File::create(path).with_context(making)?);
        let rows = session.run(sql, self.format(), &mut file)?;
        file.flush().with_context(making)?;
        crate::terminal::say(format_args!("{} rows", rows.rows));
        Ok(Exit::Done)
    }
}

impl Query {
    pub fn run(self) -> anyhow::Result<Exit> {
        let (lake, sql) = match (&self.data, &self.words[..]) {
            (Some(data), [sql]) => (Lake::of_data(data)?, sql),
            (None, [pipeline, sql]) => match Lake::of_pipeline(Path::new(pipeline))? {
                Some(lake) => (lake, sql),
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
        self.answer.give(&lake.open(limits)?, sql)
    }
}

/// Standard output, which remembers that nobody reads it any more: writers put that into words of their own.
struct Pipe<W> {
    to: W,
    is_broken: bool,
}

impl<W: Write> Pipe<W> {
    fn seen<T>(&mut self, outcome: std::io::Result<T>) -> std::io::Result<T> {
        self.is_broken |= outcome.as_ref().is_err_and(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe);
        outcome
    }
}

impl<W: Write> Write for Pipe<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.to.write(bytes);
        self.seen(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let flushed = self.to.flush();
        self.seen(flushed)
    }
}
