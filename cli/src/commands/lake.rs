//! `rhumb lake`: whether a lake holds what was committed.

use super::query::Whose;
use super::{Exit, print_line};
use anyhow::Context;
use rhumb_connectors::lake::verify::verify;

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
    #[command(flatten)]
    whose: Whose,
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
        let Some(lake) = self.whose.lake()? else { return Ok(Exit::Configuration) };
        let report = verify(&lake.data)?;
        match self.format.as_str() {
            "json" => print_line(&serde_json::to_string(&report).context("write the report as JSON")?)?,
            _ => print_line(&report.to_string())?,
        };
        Ok(if report.is_fine() { Exit::Done } else { Exit::Failed })
    }
}
