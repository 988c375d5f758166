//! `rhumb lake`: whether a lake holds what was committed.

use super::{Exit, print_line, print_refused, usage};
use crate::config::place;
use anyhow::Context;
use rhumb_connectors::lake::verify::verify;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Lake {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Check that all that was committed is there, once, and as it was written; exit code 1 if not
    Verify(Verify),
}

#[derive(clap::Args)]
struct Verify {
    /// File of the pipeline whose lake it is
    #[arg(required_unless_present = "data")]
    pipeline: Option<PathBuf>,
    /// In its place: data folder of a pipeline
    #[arg(long, value_name = "DIR", conflicts_with = "pipeline")]
    data: Option<PathBuf>,
    /// text, for people, or json, one object
    #[arg(long, default_value = "text", value_parser = ["text", "json"])]
    format: String,
}

impl Lake {
    pub fn run(self) -> anyhow::Result<Exit> {
        match self.what {
            What::Verify(command) => command.run(),
        }
    }
}

impl Verify {
    fn run(self) -> anyhow::Result<Exit> {
        let data = match (self.data, &self.pipeline) {
            (Some(data), _) => data,
            (None, Some(pipeline)) => match place(pipeline, &|name| std::env::var(name).ok()) {
                Ok(place) => place.data,
                Err(mistakes) => {
                    print_refused(pipeline, mistakes);
                    return Ok(Exit::Configuration);
                }
            },
            (None, None) => return Ok(usage("say which lake: rhumb lake verify PIPELINE, or --data DIR")),
        };
        let report = verify(&data)?;
        match self.format.as_str() {
            "json" => print_line(&serde_json::to_string(&report).context("write the report as JSON")?)?,
            _ => print_line(&report.to_string())?,
        };
        Ok(if report.is_fine() { Exit::Done } else { Exit::Failed })
    }
}
