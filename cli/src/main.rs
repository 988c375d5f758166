//! The `rhumb` command.

use clap::Parser;
use rhumb::commands::{Command, Exit};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A GPS stream-processing engine: frames in by UDP or from files, through validate, enrich, geofence and window, out
/// to a lake of Parquet that answers SQL.
#[derive(Parser)]
#[command(name = "rhumb", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nobody reads on if standard output is closed.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    match arguments.command.run() {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("error: {}", rhumb_engine::run::with_causes(error.as_ref()));
            Exit::Failed.into()
        }
    }
}
