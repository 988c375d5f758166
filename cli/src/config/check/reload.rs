//! Files that may change while a pipeline runs: read again, they are checked as they were at the start.

use super::Check;
use super::enrich::advice;
use super::file::{text, unpacked};
use crate::config::flood::and_more;
use crate::config::means::EngineMeans;
use crate::config::mistake::{Location, Mistakes, Severity, Text};
use crate::config::value::At;
use rhumb_engine::alert::AlertKind;
use rhumb_engine::reference::{Content, Reference};
use rhumb_geofence::ZoneOptions;
use rhumb_operators::enrich::{self, TableFormat, VehicleTable};
use rhumb_operators::geofence::{self, GeofenceConfig, ZoneRules};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a section of a geofence says, whatever the zones.
pub struct ZonesSettings {
    pub component: String,
    pub options: ZoneOptions,
    pub defaults: ZoneRules,
    pub alerts: Vec<At<String>>,
    pub kinds: Vec<AlertKind>,
    /// Of `dwell`, `speed_limit` and `groups`, where they were typed.
    pub places: [Option<Location>; 3],
    pub path_keep: usize,
    pub group_column: Option<Option<String>>,
    pub nearest_within_m: Option<f64>,
}

/// The zones of a geofence.
pub struct ZonesFile {
    pub path: PathBuf,
    pub is_watched: bool,
    pub text: Arc<Text>,
    pub settings: ZonesSettings,
    pub planned: GeofenceConfig,
    pub engine: EngineMeans,
}

/// A pipeline has one.
const GEOFENCE: &str = "geofence";

impl Reference for ZonesFile {
    fn noun(&self) -> &'static str {
        "zones"
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn is_watched(&self) -> bool {
        self.is_watched
    }

    fn is_named_by_state(&self) -> bool {
        true
    }

    fn planned(&self) -> &[u8] {
        self.text.content.as_bytes()
    }

    fn planned_content(&self, version: u32) -> Content {
        geofence::version(GEOFENCE, self.planned.clone(), version)
    }

    fn fetch(&self) -> Result<Vec<u8>, String> {
        unpacked(&self.path)
    }

    fn read(&self, bytes: &[u8], version: u32) -> Result<Content, Vec<String>> {
        let ZonesSettings { component, options, .. } = &self.settings;
        let name = self.path.display().to_string();
        let text = Arc::new(Text { name, content: text(bytes.to_vec()).map_err(|why| vec![why])? });
        let (pipeline, engine) = (self.planned.pipeline.clone(), self.engine.clone());
        let mut check = Check { pipeline, ..Check::of_nothing(engine) };
        let zones = check.zones(&text, options, component);
        let config = zones.and_then(|zones| check.geofence_of(&self.settings, zones, &text));
        let any_error = check.mistakes.any_error();
        match config.filter(|_| !any_error) {
            Some(config) => Ok(geofence::version(GEOFENCE, config, version)),
            None => Err(errors(check.mistakes)),
        }
    }

    fn difference(&self, before: &Content, after: &Content) -> String {
        geofence::difference(before, after)
    }
}

/// Each on one line, with its place; of many of a kind the first few.
fn errors(mistakes: Mistakes) -> Vec<String> {
    let all = mistakes.sorted("").into_iter().filter(|mistake| mistake.severity == Severity::Error);
    all.map(|mistake| mistake.headline() + &and_more(mistake.more).replace('\n', "")).collect()
}

/// The table of an enrich.
pub struct TableFile {
    pub path: PathBuf,
    pub is_watched: bool,
    pub bytes: Vec<u8>,
    pub format: TableFormat,
    /// Column that holds the vehicle.
    pub key: String,
    pub planned: Arc<VehicleTable>,
}

impl Reference for TableFile {
    fn noun(&self) -> &'static str {
        "table"
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn is_watched(&self) -> bool {
        self.is_watched
    }

    fn is_named_by_state(&self) -> bool {
        false
    }

    fn planned(&self) -> &[u8] {
        &self.bytes
    }

    fn planned_content(&self, _: u32) -> Content {
        enrich::version(self.planned.clone())
    }

    fn fetch(&self) -> Result<Vec<u8>, String> {
        unpacked(&self.path)
    }

    fn read(&self, bytes: &[u8], _: u32) -> Result<Content, Vec<String>> {
        let planned: Vec<_> = self.planned.columns().iter().map(|(field, _)| field.clone()).collect();
        let names: Vec<String> = planned.iter().map(|field| field.name().clone()).collect();
        let table = VehicleTable::read(bytes.to_vec(), self.format, &self.key, Some(&names))
            .map_err(|cause| vec![format!("{cause}{}", advice(&cause))])?;
        Ok(enrich::version(Arc::new(table.conform(&planned, bytes)?)))
    }

    fn difference(&self, before: &Content, after: &Content) -> String {
        enrich::difference(before, after)
    }
}
