//! `[operator.validate]`.

use super::Check;
use super::enrich::advice;
use super::file::short;
use crate::config::mistake::{Location, listed};
use crate::config::typed::Table;
use crate::config::value::At;
use rhumb_operators::enrich::{TableFormat, VehicleTable};
use rhumb_operators::validate::{OVERRIDES, OverrideError, Overrides, ValidateConfig};
use std::path::PathBuf;
use std::sync::Arc;

impl Check {
    pub(super) fn validate(&mut self, table: &mut Table, component: &str) -> Option<(ValidateConfig, Vec<PathBuf>)> {
        let off = table.get::<Vec<At<String>>>("off").unwrap_or_default();
        let speed_typed = table.has("speed_max_mps");
        if let Some(speed) = off.iter().find(|rule| rule.value == "speed_max" && speed_typed) {
            self.error(
                &speed.at,
                component,
                "off: speed_max is switched off here, and speed_max_mps is set; remove one of the two",
            );
        }
        let on = |rule: &str| off.iter().all(|off| off.value != rule);
        let key_typed = table.has("key").then(|| table.place("key"));
        let key = table.get::<String>("key").unwrap_or_default();
        if let Some(at) = key_typed.as_ref().filter(|_| !table.has("known_vehicles") && !table.has("overrides")) {
            let what =
                "key: the column of known_vehicles and overrides, neither of which is set; set one, or remove this";
            self.error(at, component, what);
        }
        let at = |path: &At<PathBuf>| key_typed.clone().unwrap_or_else(|| path.at.clone());
        let mut files = Vec::new();
        let known_vehicles = table.take::<PathBuf>("known_vehicles").and_then(|path| {
            let vehicles = self.vehicles_of(&path, "known_vehicles", &key, Some(&[]), &at(&path), component)?;
            files.push(path.value);
            Some(Arc::new(vehicles.vehicles().map(str::to_owned).collect()))
        });
        let overrides = table.take::<PathBuf>("overrides").and_then(|path| {
            let vehicles = self.vehicles_of(&path, "overrides", &key, None, &at(&path), component)?;
            let overrides = Overrides::from_table(&vehicles).map_err(|cause| {
                let advice = match cause {
                    OverrideError::NoColumn => format!("; name at least one {}", listed(&OVERRIDES)),
                    _ => "; leave it empty for what the pipeline has".to_owned(),
                };
                self.error(&path.at, component, format!("overrides: {}: {cause}{advice}", short(&path.value)));
            });
            files.extend((!files.contains(&path.value)).then_some(path.value));
            overrides.ok().map(Arc::new)
        });
        let config = ValidateConfig {
            range: on("range"),
            heading: on("heading"),
            speed_reported: on("speed_reported"),
            null_island: on("null_island"),
            no_fix: table.get("no_fix")?,
            past_max_us: table.get("past_max"),
            accuracy_max_m: table.get::<f64>("accuracy_max_m").map(|m| m as f32),
            satellites_min: table.get::<i64>("satellites_min").map(|n| n as i16),
            hdop_max: table.get::<f64>("hdop_max").map(|h| h as f32),
            known_vehicles,
            overrides,
            rate_max_per_minute: table.get::<i64>("rate_max_per_minute").map(|n| n as u32),
            duplicate: on("duplicate"),
            swapped: table.get("swapped")?,
            r#static: table.get("static")?,
            distance_min_m: table.get("distance_min_m"),
            speed_max_mps: table.get("speed_max_mps").filter(|_| on("speed_max")),
            period_min_us: table.get("period_min"),
            path_keep: table.get::<i64>("path_keep").map_or(self.engine.path_keep, |n| n as usize),
        };
        Some((config, files))
    }

    /// The vehicles of a table that a field names; `at` is where its key was typed.
    fn vehicles_of(
        &mut self,
        path: &At<PathBuf>,
        field: &str,
        key: &str,
        only: Option<&[String]>,
        at: &Location,
        component: &str,
    ) -> Option<VehicleTable> {
        let bytes = self.read_bytes(path, field, component)?;
        let told = VehicleTable::read(bytes, TableFormat::of_path(&path.value), key, only).map_err(|cause| {
            let what = format!("{field}: {}: {cause}{}", path.value.display(), advice(&cause));
            self.error(at, component, what);
        });
        told.ok()
    }
}
