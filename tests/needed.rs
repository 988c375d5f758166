//! What some tests need and not every machine has: recordings and zones of the real world, a Python with libraries.
//! Without it a test says so and passes; where `CI` is set, it fails. Each crate's tests take this file in by its path.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Says loudly that a test is not run, and why.
///
/// # Panics
/// Where `CI` is set.
#[track_caller]
pub fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "CI skips no test: {why}");
    eprintln!("SKIPPED: {why}");
}

/// A folder of real data: `RHUMB_SHARED`, or `shared` beside the project.
#[track_caller]
pub fn real_data(folder: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let folder = std::env::var_os("RHUMB_SHARED").map_or_else(beside, PathBuf::from).join("data").join(folder);
    if !folder.is_dir() {
        skip(&format!("there is no {}", folder.display()));
        return None;
    }
    Some(folder)
}

/// The Python that `RHUMB_PYTHON` names.
#[track_caller]
pub fn python(libraries: &str) -> Option<OsString> {
    let python = std::env::var_os("RHUMB_PYTHON");
    if python.is_none() {
        skip(&format!("RHUMB_PYTHON names no Python with {libraries}"));
    }
    python
}
