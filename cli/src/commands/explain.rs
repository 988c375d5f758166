//! `rhumb explain`: what a pipeline will do.

use super::{Exit, load_pipeline, print_line};
use crate::build;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Explain {
    /// File of the pipeline
    pipeline: PathBuf,
}

impl Explain {
    pub fn run(self) -> anyhow::Result<Exit> {
        let Some(checked) = load_pipeline(&self.pipeline) else { return Ok(Exit::Configuration) };
        let plan = crate::config::explain(&checked, &build::operators(&checked.operators, &checked.sources))
            .map_err(anyhow::Error::msg)?;
        print_line(plan.trim_end())?;
        Ok(Exit::Done)
    }
}
