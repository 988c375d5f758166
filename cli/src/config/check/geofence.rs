//! `[operator.geofence]`.

use super::Check;
use super::chain::Columns;
use super::reload::{ZonesFile, ZonesSettings};
use crate::config::flood::{and_more, capped};
use crate::config::misspelt::misspelt_settings;
use crate::config::mistake::{Location, Severity, Text, listed};
use crate::config::typed::Table;
use crate::config::value::{At, ValueKind};
use rhumb_engine::alert::AlertKind;
use rhumb_engine::frame::zone_ids_column;
use rhumb_geofence::{What, ZoneOptions, Zones};
use rhumb_operators::geofence::rules::{self, ZoneRules};
use rhumb_operators::geofence::schedule::{self, Schedule};
use rhumb_operators::geofence::{GeofenceConfig, glob, nearest_columns};
use std::path::PathBuf;
use std::sync::Arc;

impl Check {
    pub(super) fn geofence(
        &mut self,
        table: &mut Table,
        component: &str,
        columns: &mut Columns,
    ) -> Option<(GeofenceConfig, ZonesFile)> {
        let group_column = self.group_column(table, component, columns);
        columns.add(zone_ids_column());
        let nearest_at = table.place("nearest_within_m");
        let nearest_within_m = table.get::<f64>("nearest_within_m");
        for field in nearest_within_m.iter().flat_map(|_| nearest_columns()) {
            let name = field.name().clone();
            if !columns.add(field) {
                let what =
                    format!("nearest_within_m: frames have a column \"{name}\" already; call that one otherwise");
                self.error(&nearest_at, component, what);
            }
        }
        let alerts = table.get::<Vec<At<String>>>("alerts").unwrap_or_default();
        let mut kinds: Vec<AlertKind> = alerts.iter().filter_map(|alert| AlertKind::from_name(&alert.value)).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let places = ["dwell", "speed_limit", "groups"].map(|name| table.has(name).then(|| table.place(name)));
        let path_keep = table.get::<i64>("path_keep").map_or(self.engine.path_keep, |n| n as usize);
        let defaults = self.rules(table, component);
        let is_watched = table.get("watch");
        let (zones, text, path, options) = self.zones_of(table, component)?;
        let settings = ZonesSettings {
            component: component.to_owned(),
            options,
            defaults: defaults?,
            alerts,
            kinds,
            places,
            path_keep,
            group_column,
            nearest_within_m,
        };
        let config = self.geofence_of(&settings, zones, &text)?;
        let file = ZonesFile {
            path,
            is_watched: is_watched?,
            text,
            settings,
            planned: config.clone(),
            engine: self.engine.clone(),
        };
        Some((config, file))
    }

    /// What the section means with these zones.
    pub(super) fn geofence_of(
        &mut self,
        settings: &ZonesSettings,
        zones: Zones,
        text: &Arc<Text>,
    ) -> Option<GeofenceConfig> {
        let ZonesSettings {
            component, defaults, alerts, kinds, places, path_keep, group_column, nearest_within_m, ..
        } = settings;
        let rules = self.rules_of_zones(&zones, text, defaults, component);
        for ((zone, what), more) in capped(misspelt_settings(&zones), |(_, what)| what.clone()) {
            let told = format!("feature {zone} (id {:?}): {what}{}", zones.id(zone as u32), and_more(more));
            self.mistakes.warning(&place_of(&zones, zone, text), component, told);
        }
        let rules = rules?;
        self.watched(alerts, kinds, places, &rules, component);
        if group_column.is_none()
            && let Some(zone) = rules.iter().position(|rules| !rules.groups.is_empty())
        {
            let at = places[2].clone().unwrap_or_else(|| place_of(&zones, zone, text));
            let what =
                "groups: no column says which group a vehicle is of; set group_column to a column that enrich adds";
            self.error(&at, component, what);
        }
        Some(GeofenceConfig {
            zones: Arc::new(zones),
            rules: rules.into(),
            alerts: kinds.clone(),
            path_keep: *path_keep,
            group_column: group_column.clone().flatten(),
            nearest_within_m: *nearest_within_m,
            pipeline: self.pipeline.clone(),
        })
    }

    /// `Some(None)`: it was typed, and is wrong.
    fn group_column(&mut self, table: &mut Table, component: &str, columns: &Columns) -> Option<Option<String>> {
        let column = table.take::<String>("group_column")?;
        match columns.kind(&column.value) {
            Some(ValueKind::Text) => return Some(Some(column.value)),
            Some(kind) => {
                let what = format!("group_column: \"{}\" is {}; write one of texts", column.value, kind.name());
                self.error(&column.at, component, what);
            }
            None if self.doubtful.contains(&column.value) => {}
            None => {
                let names = columns.names(|kind| kind == ValueKind::Text);
                let what = format!(
                    "group_column: frames have no column \"{}\" here; those of texts are {}",
                    column.value,
                    listed(&names)
                );
                self.error(&column.at, component, what);
            }
        }
        Some(None)
    }

    /// What holds for zones that say nothing else. `None`: something is wrong with it.
    fn rules(&mut self, table: &mut Table, component: &str) -> Option<ZoneRules> {
        let time_zone =
            self.read_text(table, "time_zone", component, "a time zone such as \"Europe/Rome\"", rules::time_zone);
        let speed = "a speed with its unit, such as \"50 km/h\" (or mph, m/s, knots)";
        let speed_limit_mps = self.read_text(table, "speed_limit", component, speed, rules::speed);
        let pattern = "a pattern such as \"bus-*\"";
        let read = |text: &str| glob::Pattern::new(text).ok();
        let vehicles = self.read_texts(table, "vehicles", component, pattern, read);
        let groups = self.read_texts(table, "groups", component, pattern, read);
        let hours = "hours such as \"Mon-Fri 08:00-18:00\"";
        let hours = self.read_texts(table, "schedule", component, hours, schedule::hours);
        Some(ZoneRules {
            exit_buffer_m: table.get("exit_buffer_m")?,
            confirm_frames: table.get::<i64>("confirm_frames")? as u32,
            confirm_us: table.get("confirm_for")?,
            accuracy_max_m: table.get::<f64>("accuracy_max_m").map_or(f32::INFINITY, |m| m as f32),
            dwell_us: table.get("dwell"),
            speed_limit_mps: speed_limit_mps?,
            speed_limit_us: table.get("speed_limit_for")?,
            vehicles: vehicles?,
            groups: groups?,
            schedule: Schedule { time_zone: time_zone??, hours: hours?.concat(), ..Schedule::always() },
        })
    }

    /// `None`: it is no such text; `Some(None)`: it was not typed.
    fn read_text<T>(
        &mut self,
        table: &mut Table,
        name: &str,
        component: &str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<Option<T>> {
        let Some(text) = table.take::<String>(name) else { return Some(None) };
        let value = read(&text.value);
        if value.is_none() {
            self.error(&text.at, component, format!("{name}: \"{}\" is not {expected}", text.value));
        }
        value.map(Some)
    }

    fn read_texts<T>(
        &mut self,
        table: &mut Table,
        name: &str,
        component: &str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let mut values = Some(Vec::new());
        for text in table.get::<Vec<At<String>>>(name).unwrap_or_default() {
            match (read(&text.value), &mut values) {
                (Some(value), Some(values)) => values.push(value),
                (Some(_), None) => {}
                (None, _) => {
                    self.error(&text.at, component, format!("{name}: \"{}\" is not {expected}", text.value));
                    values = None;
                }
            }
        }
        values
    }

    /// The zones that the section names, with their text, its path, and how it was read.
    pub(super) fn zones_of(
        &mut self,
        table: &mut Table,
        component: &str,
    ) -> Option<(Zones, Arc<Text>, PathBuf, ZoneOptions)> {
        let (path, options) = typed_zones(table);
        let path = path?;
        let text = self.read(&path, "zones", component)?;
        let zones = self.zones(&text, &options, component)?;
        Some((zones, text, path.value, options))
    }

    /// What is wrong in the file of zones is told with the place in that file.
    pub(super) fn zones(&mut self, text: &Arc<Text>, options: &ZoneOptions, component: &str) -> Option<Zones> {
        let (zones, problems) = match Zones::from_geojson(&text.content, options) {
            Ok((zones, problems)) => (Some(zones), problems),
            Err(problems) => (None, problems),
        };
        for problem in problems {
            let severity = match (problem.severity, &problem.what) {
                (rhumb_geofence::Severity::Error, _) => Severity::Error,
                (rhumb_geofence::Severity::Warning, _) => Severity::Warning,
                (rhumb_geofence::Severity::Note, What::Numbered { .. }) => Severity::Note,
                // How a shape was taken is for `rhumb zones check`.
                (rhumb_geofence::Severity::Note, _) => continue,
            };
            let at = Location::of_line(text, problem.line.unwrap_or(1), problem.column.unwrap_or(1)).unquoted();
            let kind = format!("zones {:?}", std::mem::discriminant(&problem.what));
            self.mistakes.push_of_kind(severity, &at, component, problem.to_string(), kind);
        }
        zones
    }

    /// One for each zone.
    fn rules_of_zones(
        &mut self,
        zones: &Zones,
        text: &Arc<Text>,
        defaults: &ZoneRules,
        component: &str,
    ) -> Option<Vec<ZoneRules>> {
        let mut all = Some(Vec::with_capacity(zones.len()));
        for (number, zone) in zones.iter().enumerate() {
            match defaults.of_zone(zone) {
                Ok(rules) => all.iter_mut().for_each(|all| all.push(rules.clone())),
                Err(wrong) => {
                    all = None;
                    for what in wrong {
                        let told = format!("feature {number} (id {:?}): {what}", zone.id);
                        let at = place_of(zones, number, text);
                        self.mistakes.push_of_kind(Severity::Error, &at, component, told, what);
                    }
                }
            }
        }
        all
    }

    /// Kinds that no zone can have, and settings of kinds that are not told.
    fn watched(
        &mut self,
        alerts: &[At<String>],
        kinds: &[AlertKind],
        places: &[Option<Location>; 3],
        rules: &[ZoneRules],
        component: &str,
    ) {
        let limited = rules.iter().any(|rules| rules.speed_limit_mps.is_some());
        let dwells = rules.iter().any(|rules| rules.dwell_us.is_some());
        let watched = [
            (AlertKind::Dwell, "dwell", "dwell = \"5m\"", dwells, &places[0]),
            (AlertKind::Overspeed, "speed_limit", "speed_limit = \"50 km/h\"", limited, &places[1]),
        ];
        for (kind, field, example, any, place) in watched {
            let told = alerts.iter().find(|alert| alert.value == kind.name());
            if let Some(alert) = told.filter(|_| !any) {
                let what = format!(
                    "alerts: \"{}\" needs {field}, which neither this operator nor any zone sets; add {example}",
                    kind.name()
                );
                self.error(&alert.at, component, what);
            }
            if let Some(at) = place.as_ref().filter(|_| !kinds.contains(&kind)) {
                let what = format!(
                    "{field}: does nothing, because alerts does not name \"{0}\"; add \"{0}\" there",
                    kind.name()
                );
                self.mistakes.warning(at, component, what);
            }
        }
    }
}

/// Where a geofence's zones are, and how they are to be read.
pub(super) fn typed_zones(table: &mut Table) -> (Option<At<PathBuf>>, ZoneOptions) {
    let options = ZoneOptions { id_property: table.get("id_property") };
    (table.take::<PathBuf>("zones"), options)
}

fn place_of(zones: &Zones, zone: usize, text: &Arc<Text>) -> Location {
    let (line, column) = zones.zone(zone as u32).place;
    Location::of_line(text, line, column).unquoted()
}
