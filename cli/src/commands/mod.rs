//! The subcommands, one file each.

mod check;
mod current;
mod decode;
mod explain;
mod instance;
mod lake;
mod outgoing;
mod query;
mod redrive;
mod rejects;
mod replay;
mod run;
mod simulate;
mod summary;
mod tap;
mod test;
mod unread;
mod why;
mod zone_table;
mod zones;

use crate::config::{Checked, Mistake, Severity, load, ready};
use crate::terminal::LogFormat;
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
    /// Run the tests that stand in pipelines
    Test(test::Test),
    /// Say what a pipeline will do
    Explain(explain::Explain),
    /// Ask a lake in SQL
    Query(query::Query),
    /// Look at what was refused, and run it through again
    Rejects(rejects::Rejects),
    /// Send a stretch of history again
    Replay(replay::Replay),
    /// Look after a lake
    Lake(lake::Lake),
    /// Make up a fleet that drives, and send its frames
    Simulate(simulate::Simulate),
    /// Print alerts as they arise
    Tap(tap::Tap),
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
            Command::Test(command) => command.run(),
            Command::Explain(command) => command.run(),
            Command::Query(command) => command.run(),
            Command::Rejects(command) => command.run(),
            Command::Replay(command) => command.run(),
            Command::Lake(command) => command.run(),
            Command::Simulate(command) => command.run(),
            Command::Tap(command) => command.run(),
            Command::Zones(command) => command.run(),
            Command::Decode(command) => command.run(),
        }
    }
}

/// A pipeline without mistakes; its warnings, or all that is wrong with it, are written to standard error.
fn load_pipeline(path: &Path) -> Option<Checked> {
    told(path, load(path, &variable), LogFormat::Text)
}

/// As `load_pipeline`; what would stop a run at once is a mistake, too.
fn load_to_run(path: &Path, format: LogFormat) -> Option<Checked> {
    let loaded = load(path, &variable).and_then(|(checked, mut warnings)| {
        let found = ready(&checked);
        let can_run = found.iter().all(|mistake| mistake.severity != Severity::Error);
        warnings.extend(found);
        if can_run { Ok((checked, warnings)) } else { Err(warnings) }
    });
    told(path, loaded, format)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn told(path: &Path, loaded: Result<(Checked, Vec<Mistake>), Vec<Mistake>>, format: LogFormat) -> Option<Checked> {
    let (checked, mistakes) = match loaded {
        Ok((checked, warnings)) => (Some(checked), warnings),
        Err(mistakes) => (None, mistakes),
    };
    mistakes.iter().for_each(|mistake| tell(mistake, format));
    if checked.is_none() {
        let of = |m: &Mistake| if m.severity == Severity::Error { 1 + m.more } else { 0 };
        let refused = format!("{}: {}", path.display(), count_of_mistakes(mistakes.iter().map(of).sum()));
        match format {
            LogFormat::Text => crate::terminal::say(format_args!("{refused}")),
            LogFormat::Json => tracing::error!("{refused}"),
        }
    }
    checked
}

fn count_of_mistakes(count: usize) -> String {
    format!("{count} {}", if count == 1 { "mistake" } else { "mistakes" })
}

/// All that is wrong with a pipeline, and how much that is.
fn print_refused(path: &Path, mistakes: Vec<Mistake>) {
    told(path, Err(mistakes), LogFormat::Text);
}

fn tell(mistake: &Mistake, format: LogFormat) {
    if format == LogFormat::Text {
        return crate::terminal::say(format_args!("{mistake}"));
    }
    let Mistake { at, component, what, more, .. } = mistake;
    let (file, line, column) = (at.file(), at.line(), at.column());
    match mistake.severity {
        Severity::Error => tracing::error!(file, line, column, component, more, "{what}"),
        Severity::Warning => tracing::warn!(file, line, column, component, more, "{what}"),
        Severity::Note => tracing::info!(file, line, column, component, more, "{what}"),
    }
}

/// Says what does not fit together in what was typed, where clap cannot see it.
fn usage(what: impl std::fmt::Display) -> Exit {
    crate::terminal::say(format_args!("error: {what}\n\nFor more information, try '--help'."));
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
