//! `[operator.geofence]`.

use super::Check;
use super::chain::Columns;
use crate::config::mistake::{Location, Severity};
use crate::config::typed::Table;
use crate::config::value::At;
use rhumb_engine::alert::AlertKind;
use rhumb_engine::frame::zone_ids_column;
use rhumb_geofence::{ZoneOptions, Zones};
use rhumb_operators::geofence::GeofenceConfig;
use std::path::PathBuf;
use std::sync::Arc;

impl Check {
    pub(super) fn geofence(
        &mut self,
        table: &mut Table,
        component: &str,
        columns: &mut Columns,
    ) -> Option<(GeofenceConfig, PathBuf)> {
        columns.add(zone_ids_column());
        let alerts = table.get::<Vec<At<String>>>("alerts").unwrap_or_default();
        let mut kinds: Vec<AlertKind> = alerts.iter().filter_map(|alert| AlertKind::from_name(&alert.value)).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let options = ZoneOptions { id_property: table.get("id_property") };
        let path = table.take::<PathBuf>("zones")?;
        let zones = self.zones(&path, &options, component)?;
        let config = GeofenceConfig { zones: Arc::new(zones), alerts: kinds, pipeline: self.pipeline.clone() };
        Some((config, path.value))
    }

    /// What is wrong in the file of zones is told with the place in that file.
    fn zones(&mut self, path: &At<PathBuf>, options: &ZoneOptions, component: &str) -> Option<Zones> {
        let text = self.read(path, "zones", component)?;
        let (zones, problems) = match Zones::from_geojson(&text.content, options) {
            Ok((zones, problems)) => (Some(zones), problems),
            Err(problems) => (None, problems),
        };
        for problem in problems {
            let at = Location::of_line(&text, problem.line.unwrap_or(1), problem.column.unwrap_or(1)).unquoted();
            let severity = match problem.severity {
                rhumb_geofence::Severity::Warning => Severity::Warning,
                rhumb_geofence::Severity::Error => Severity::Error,
            };
            self.mistakes.push(severity, &at, component, problem.to_string());
        }
        zones
    }
}
