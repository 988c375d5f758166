//! `rhumb explain`: what a pipeline will do; or why an alert was told or was not.

use super::{Exit, load_pipeline, print_line, why};
use crate::build;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Explain {
    /// File of the pipeline
    pipeline: PathBuf,
    /// Say why alerts of this vehicle were told or were not, from the recorded history
    #[arg(long, requires = "at")]
    vehicle: Option<String>,
    /// Around this time (RFC 3339; without an offset UTC)
    #[arg(long, requires = "vehicle", value_name = "TIME")]
    at: Option<String>,
    /// At this zone; without it, at the zones nearest to the vehicle
    #[arg(long, requires = "vehicle", value_name = "ID")]
    zone: Option<String>,
}

impl Explain {
    pub fn run(self) -> anyhow::Result<Exit> {
        let Some(checked) = load_pipeline(&self.pipeline) else { return Ok(Exit::Configuration) };
        let text = match (&self.vehicle, &self.at) {
            (Some(vehicle), Some(at)) => why::explain(&checked, vehicle, at, self.zone.as_deref())?,
            _ => {
                let operators = build::operators(&checked.operators, &checked.sources);
                crate::config::explain(&checked, &operators, &build::sinks(&checked.sinks))
                    .map_err(anyhow::Error::msg)?
            }
        };
        print_line(text.trim_end())?;
        Ok(Exit::Done)
    }
}
