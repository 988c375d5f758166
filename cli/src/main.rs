//! The `rhumb` command.

use clap::Parser;
use rhumb::commands::{Command, Exit};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What `Exit` gives.
const EXIT_CODES: &str = "\
Exit codes:
  0   done
  1   failed: the run stopped, an input was damaged, or with --until-end nothing of the input could be
      decoded, or a test of a pipeline failed
  2   the command makes no sense as typed
  78  the pipeline, or a file that it names, has mistakes
  130 stopped by a second Ctrl-C, before the commit";

/// A GPS stream-processing engine: frames in by UDP or from files, through validate, enrich, geofence and window, out
/// to a lake of Parquet that answers SQL.
#[derive(Parser)]
#[command(name = "rhumb", version, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// `mi_option_purge_delay` of mimalloc's `mi_option_t`.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
/// Freed memory is kept so long before it goes back to the system. Columns are freed by another thread than will need
/// as much again a moment later, and first touch of new memory is what costs (docs/PERFORMANCE.md).
const PURGE_DELAY_MS: std::ffi::c_long = 60_000;

#[allow(unsafe_code, reason = "mimalloc's options have no safe form")]
fn keep_freed_memory() {
    // SAFETY: sets one number of the allocator, before any other thread runs.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, PURGE_DELAY_MS) }
}

fn main() -> ExitCode {
    keep_freed_memory();
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
            rhumb::terminal::say(format_args!("error: {}", rhumb_engine::run::with_causes(error.as_ref())));
            Exit::Failed.into()
        }
    }
}
