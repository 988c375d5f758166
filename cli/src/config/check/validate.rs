//! `[operator.validate]`.

use super::Check;
use super::enrich::advice;
use crate::config::typed::Table;
use crate::config::value::At;
use rhumb_operators::enrich::VehicleTable;
use rhumb_operators::validate::ValidateConfig;
use std::collections::BTreeSet;
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
        let (known_vehicles, files) = self.known_vehicles(table, component);
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

    fn known_vehicles(&mut self, table: &mut Table, component: &str) -> (Option<Arc<BTreeSet<String>>>, Vec<PathBuf>) {
        let key_typed = table.has("key").then(|| table.place("key"));
        let key = table.get::<String>("key").unwrap_or_default();
        let (typed, path) = (table.has("known_vehicles"), table.take::<PathBuf>("known_vehicles"));
        if let Some(at) = key_typed.as_ref().filter(|_| !typed) {
            self.error(at, component, "key: the column of known_vehicles, which is not set; set it, or remove this");
        }
        let Some(path) = path else { return (None, Vec::new()) };
        let Some(file) = self.open(&path, "known_vehicles", component) else { return (None, Vec::new()) };
        match VehicleTable::from_csv(file, &key, Some(&[])) {
            Ok(vehicles) => (Some(Arc::new(vehicles.vehicles().map(str::to_owned).collect())), vec![path.value]),
            Err(cause) => {
                let what = format!("known_vehicles: {}: {cause}{}", path.value.display(), advice(&cause));
                self.error(key_typed.as_ref().unwrap_or(&path.at), component, what);
                (None, Vec::new())
            }
        }
    }
}
