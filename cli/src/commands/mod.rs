//! The subcommands, one file each.

mod check;
mod current;
mod decode;
mod explain;
mod query;
mod run;
mod simulate;
mod summary;
mod why;
mod zone_table;
mod zones;

use crate::config::{Checked, Mistake, Severity, load};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done,
    Failed,
    Usage,
    Configuration,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Configuration => 78,
        })
    }
}

#[derive(clap::Subcommand)]
pub enum Command {
    /// Run a pipeline
    Run(run::Run),
    /// Say all that is wrong with pipelines
    Check(check::Check),
    /// Say what a pipeline will do
    Explain(explain::Explain),
    /// Ask a lake in SQL
    Query(query::Query),
    /// Make up a fleet that drives, and send its frames
    Simulate(simulate::Simulate),
    /// Look at a file of zones
    Zones(zones::Zones),
    /// Say what the bytes of a device mean
    Decode(decode::Decode),
}

impl Command {
    pub fn run(self) -> anyhow::Result<Exit> {
        match self {
            Command::Run(command) => command.run(),
            Command::Check(command) => command.run(),
            Command::Explain(command) => command.run(),
            Command::Query(command) => command.run(),
            Command::Simulate(command) => command.run(),
            Command::Zones(command) => command.run(),
            Command::Decode(command) => command.run(),
        }
    }
}

/// A pipeline without mistakes; its warnings, or all that is wrong with it, are written to standard error.
fn load_pipeline(path: &Path) -> Option<Checked> {
    let variable = |name: &str| std::env::var(name).ok();
    match load(path, &variable) {
        Ok((checked, warnings)) => {
            print_mistakes(&warnings);
            Some(checked)
        }
        Err(mistakes) => {
            print_refused(path, &mistakes);
            None
        }
    }
}

/// All that is wrong with a pipeline, and how much that is.
fn print_refused(path: &Path, mistakes: &[Mistake]) {
    print_mistakes(mistakes);
    let errors = mistakes.iter().filter(|m| m.severity == Severity::Error).count();
    eprintln!("{}: {errors} {}", path.display(), if errors == 1 { "mistake" } else { "mistakes" });
}

fn print_mistakes(mistakes: &[Mistake]) {
    mistakes.iter().for_each(|mistake| eprintln!("{mistake}"));
}

/// Says what does not fit together in what was typed, where clap cannot see it.
fn usage(what: impl std::fmt::Display) -> Exit {
    eprintln!("error: {what}\n\nFor more information, try '--help'.");
    Exit::Usage
}

/// Writes a line to standard output. A reader that has gone (`| head`) is no error.
fn print_line(line: &str) -> anyhow::Result<bool> {
    match writeln!(std::io::stdout(), "{line}") {
        Ok(()) => Ok(true),
        Err(cause) if cause.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(cause) => Err(cause.into()),
    }
}
