//! `rhumb test`: frames of a pipeline's `[[test]]`s through its operators, and what came held against what was expected.

use super::{Exit, load_pipeline, print_line};
use crate::testing::{Outcome, junit, run};
use anyhow::Context;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Test {
    /// Files of pipelines
    #[arg(required = true)]
    pipelines: Vec<PathBuf>,
    /// Write the outcomes to this file, too, as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

impl Test {
    pub fn run(self) -> anyhow::Result<Exit> {
        let checked: Vec<_> =
            self.pipelines.iter().map(|path| (path.display().to_string(), load_pipeline(path))).collect();
        let exit =
            if checked.iter().any(|(_, pipeline)| pipeline.is_none()) { Exit::Configuration } else { Exit::Done };
        let mut all = Vec::new();
        for (file, pipeline) in &checked {
            let outcomes = pipeline.as_ref().map(|pipeline| run(pipeline).with_context(|| file.clone())).transpose()?;
            if let Some(outcomes) = &outcomes {
                tell(file, outcomes)?;
            }
            all.push((file.clone(), outcomes));
        }
        if let Some(path) = &self.junit {
            std::fs::write(path, junit(&all)).with_context(|| format!("write {}", path.display()))?;
        }
        let outcomes = all.iter().filter_map(|(_, outcomes)| outcomes.as_ref()).flatten();
        let any_failed = outcomes.into_iter().any(|outcome| !outcome.passed());
        Ok(if any_failed && exit == Exit::Done { Exit::Failed } else { exit })
    }
}

/// A line a test, under one that failed what differs, and how many there were.
fn tell(file: &str, outcomes: &[Outcome]) -> anyhow::Result<()> {
    for outcome in outcomes {
        let (name, line) = (&outcome.test.name, outcome.test.at.line());
        if outcome.passed() {
            print_line(&format!("ok    {file}: {name}"))?;
            continue;
        }
        print_line(&format!("FAIL  {file}:{line}: {name}"))?;
        for line in outcome.to_string().lines() {
            print_line(&format!("      {line}"))?;
        }
    }
    let failed = outcomes.iter().filter(|outcome| !outcome.passed()).count();
    let passed = outcomes.len() - failed;
    print_line(&match outcomes.len() {
        0 => format!("{file}: no [[test]]"),
        _ => format!("{file}: {passed} passed, {failed} failed"),
    })?;
    Ok(())
}
