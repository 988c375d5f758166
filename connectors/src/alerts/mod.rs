//! The alert log: alerts in files of the journal's form (`crate::journal`), where they stand within milliseconds, each
//! under its number; readable while it is written.

mod log;
mod record;
mod tail;
#[cfg(test)]
mod tests;

pub use log::AlertLogFiles;
pub use record::Record;
pub use tail::{Tail, Tailed};

use std::path::{Path, PathBuf};

/// Where it is in a data folder, or in that of an instance.
pub fn folder(data: &Path) -> PathBuf {
    data.join("alert_log")
}
