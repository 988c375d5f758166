//! `[operator.trips]`.

use super::Check;
use super::chain::Columns;
use crate::config::mistake::listed;
use crate::config::typed::Table;
use crate::config::value::{ValueKind, duration_text};
use rhumb_engine::frame::core_columns;
use rhumb_operators::trips::{IGNITION, TripsConfig};

impl Check {
    pub(super) fn trips(&mut self, table: &mut Table, component: &str, columns: &Columns) -> Option<TripsConfig> {
        if columns.geofence_at.is_some_and(|at| at > columns.place) {
            let what = "stands above the geofence, so that no trip or stop knows its zones; move it below the geofence";
            self.mistakes.warning(&table.at, component, what);
        }
        let at = table.place(if table.has("gap") { "gap" } else { "stop_for" });
        let ignition = self.ignition(table, component, columns);
        let stop_radius_m = table.get::<f64>("stop_radius_m");
        let stop_us = table.get::<i64>("stop_for");
        let gap_us = table.get::<i64>("gap");
        let path_keep = table.get::<i64>("path_keep").map_or(self.engine.path_keep, |n| n as usize);
        let (stop_radius_m, stop_us, gap_us) = (stop_radius_m?, stop_us?, gap_us?);
        if gap_us < stop_us {
            let [gap, stop] = [gap_us, stop_us].map(duration_text);
            let what = format!(
                "gap: {gap} is less than stop_for, {stop}: every silence that makes a stop would end the trip before; \
                 write at least \"{stop}\", or a shorter stop_for"
            );
            self.error(&at, component, what);
            return None;
        }
        Some(TripsConfig {
            stop_radius_m,
            stop_us,
            gap_us,
            path_keep,
            ignition: ignition?,
            lateness_us: self.engine.lateness_us,
            pipeline: self.pipeline.clone(),
        })
    }

    /// Frames need not have the column that is meant unless another is named.
    fn ignition(&mut self, table: &mut Table, component: &str, columns: &Columns) -> Option<String> {
        let is_typed = table.has("ignition");
        let column = table.take::<String>("ignition")?;
        let fits = |kind| matches!(kind, ValueKind::Flag | ValueKind::Whole);
        let core = core_columns();
        let is_core = |name: &str| core.iter().any(|column| column.name() == name);
        let what = match columns.kind(&column.value) {
            Some(kind) if fits(kind) && !is_core(&column.value) => return Some(column.value),
            None if !is_typed => return Some(IGNITION.to_owned()),
            None if self.doubtful.contains(&column.value) => return None,
            None => format!("ignition: frames have no column \"{}\" here", column.value),
            Some(kind) if !fits(kind) => format!("ignition: \"{}\" is {}", column.value, kind.name()),
            Some(_) => format!("ignition: \"{}\" says nothing of the engine", column.value),
        };
        let mut names = columns.names(fits);
        names.retain(|name| !is_core(name));
        let which = match &names[..] {
            [] => "there is none; let the codec or an enrich add one, or remove this".to_owned(),
            names => format!("write {}", listed(names)),
        };
        self.error(&column.at, component, format!("{what}; it is a column of flags or whole numbers: {which}"));
        None
    }
}
