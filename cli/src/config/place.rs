//! Where a pipeline's lake is, for commands that only read it: its inputs may be gone, and what is wrong with the rest of
//! the file is for those that run it.

use super::check;
use super::means::EngineMeans;
use super::mistake::Mistake;
use super::typed::Env;
use super::value::At;
use rhumb_geofence::{ZoneOptions, Zones};
use std::path::{Path, PathBuf};

/// What a reader of the lake needs of a pipeline.
pub struct Place {
    /// On a disk of this machine.
    pub data: PathBuf,
    /// URL of the place that has the lake, if that is not `data`.
    pub bucket: Option<String>,
    /// Microseconds; `None` if it cannot be read.
    pub offline_after_us: Option<i64>,
    /// Of the geofence, if there is one.
    pub zones: Option<PlaceZones>,
}

/// Where a geofence's zones are; they are read when somebody asks for them.
pub struct PlaceZones {
    pub(super) path: At<PathBuf>,
    pub(super) options: ZoneOptions,
    pub(super) component: String,
    pub(super) engine: EngineMeans,
}

impl PlaceZones {
    /// The zones, or what keeps them from being read.
    pub fn read(&self) -> Result<Zones, Vec<Mistake>> {
        check::zones(self).map_err(|mistakes| mistakes.sorted(""))
    }
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
