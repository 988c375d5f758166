//! `rhumb check`: all that is wrong with pipelines.

use super::{Exit, load_to_run};
use crate::terminal::LogFormat;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Check {
    /// Files of pipelines
    #[arg(required = true)]
    pipelines: Vec<PathBuf>,
}

impl Check {
    pub fn run(self) -> anyhow::Result<Exit> {
        let mut exit = Exit::Done;
        for path in &self.pipelines {
            match load_to_run(path, LogFormat::Text) {
                Some(_) => crate::terminal::say(format_args!("{}: ok", path.display())),
                None => exit = Exit::Configuration,
            }
        }
        Ok(exit)
    }
}
