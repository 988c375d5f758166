//! `rhumb check`: all that is wrong with pipelines.

use super::{Exit, load_pipeline};
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
            match load_pipeline(path) {
                Some(_) => eprintln!("{}: ok", path.display()),
                None => exit = Exit::Configuration,
            }
        }
        Ok(exit)
    }
}
