//! Where a pipeline's lake is, for commands that only read it: its inputs may be gone, and what is wrong with the rest of
//! the file is for those that run it.

use super::check;
use super::mistake::Mistake;
use super::typed::Env;
use rhumb_geofence::Zones;
use std::path::{Path, PathBuf};

/// What a reader of the lake needs of a pipeline.
pub struct Place {
    pub data: PathBuf,
    /// Microseconds; `None` if it cannot be read.
    pub offline_after_us: Option<i64>,
    pub zones: PlaceZones,
}

/// The zones of a pipeline's geofence.
pub enum PlaceZones {
    /// There is no geofence.
    None,
    Read(Box<Zones>),
    /// They cannot be read, for these reasons.
    Wrong(Vec<Mistake>),
}

/// Finds the place in a pipeline's file, or says what keeps it from being found.
pub fn place(path: &Path, env: Env) -> Result<Place, Vec<Mistake>> {
    let name = path.display().to_string();
    let text = super::read(path)?;
    let typed = super::typed::read(&text, check::folder(path), env);
    if typed.damaged {
        return Err(typed.mistakes.sorted(&name));
    }
    check::place(typed, path).map_err(|mistakes| mistakes.sorted(&name))
}
