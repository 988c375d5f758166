//! `rhumb explain`: what a pipeline will do.

use super::{Exit, load_pipeline, print_line};
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Explain {
    /// File of the pipeline
    pipeline: PathBuf,
}

impl Explain {
    pub fn run(self) -> anyhow::Result<Exit> {
        let Some(checked) = load_pipeline(&self.pipeline) else { return Ok(Exit::Configuration) };
        print_line(crate::config::explain(&checked).trim_end())?;
        Ok(Exit::Done)
    }
}
