//! What is set of the codecs of trackers and receivers: their columns, and what else their TOML says.

use super::Check;
use crate::config::means::{FieldMeans, SourceMeans};
use crate::config::typed::Table;
use crate::config::value::At;
use arrow::datatypes::FieldRef;
use rhumb_connectors::codec::extra::{COLUMNS_MAX, ColumnType, ExtraColumn};
use rhumb_connectors::codec::fields::{Field as CoreField, Fields};
use rhumb_connectors::codec::nmea::{NmeaConfig, VehicleFrom};
use rhumb_connectors::codec::teltonika::{IoColumn, IoType, Kept, TeltonikaConfig, UNITS};
use rhumb_engine::frame::core_columns;
use std::collections::HashMap;

/// Columns of the history that no source adds.
const TAKEN: [&str; 3] = ["zone_ids", "epoch", "event_date"];

/// Why a column that a source adds cannot be called so.
fn wrong_name(table: &str, name: &str, taken: bool) -> Option<String> {
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && (1..=64).contains(&name.len());
    let taken = taken || TAKEN.contains(&name) || core_columns().iter().any(|column| column.name() == name);
    match (is_plain, taken) {
        (false, _) => Some(format!("{table}: \"{name}\" cannot name a column; use letters, digits and _")),
        (true, true) => Some(format!("{table}: frames have a column {name} already; choose another name")),
        (true, false) => None,
    }
}

impl Check {
    pub(super) fn teltonika(&mut self, table: Option<Table>, component: &str) -> Option<TeltonikaConfig> {
        let Some(mut table) = table else { return Some(TeltonikaConfig::default()) };
        let keep = table.get::<Vec<At<String>>>("keep").unwrap_or_default();
        let mut kept: Vec<Kept> = Vec::new();
        for At { value, at } in keep {
            match Kept::ALL.iter().find(|kept| kept.name() == value) {
                Some(column) if kept.contains(column) => {
                    self.error(&at, component, format!("keep: \"{value}\" stands twice"));
                }
                column => kept.extend(column),
            }
        }
        let mut io: Vec<IoColumn> = Vec::new();
        let mut right = true;
        for (name, element) in table.get::<Vec<(At<String>, Table)>>("io").unwrap_or_default() {
            let column = self.io_column(&name.value, element);
            let taken = kept.iter().any(|kept| kept.name() == name.value);
            let double = column.as_ref().and_then(|column| io.iter().find(|other| other.id == column.id));
            let what = wrong_name("io", &name.value, taken).or_else(|| {
                double.map(|other| format!("io: {} is element {} too; each has one column", other.name, other.id))
            });
            if let Some(what) = what {
                self.error(&name.at, component, what);
                right = false;
            }
            io.extend(column);
        }
        assert!(table.is_used_up(), "every field of teltonika is asked for");
        right.then_some(TeltonikaConfig { keep: kept, io })
    }

    fn io_column(&mut self, name: &str, mut element: Table) -> Option<IoColumn> {
        let id = element.get::<i64>("id");
        let holds = element.get::<String>("type");
        let (signed, scale, unit) = (element.get("signed"), element.get::<f64>("scale"), element.get::<String>("unit"));
        assert!(element.is_used_up(), "every field of an IO element is asked for");
        let holds = match holds {
            Some(holds) => IoType::ALL.iter().find(|(name, _)| *name == holds).map(|(_, holds)| *holds)?,
            None if scale.is_some() || unit.is_some() => IoType::Float,
            None => IoType::Int,
        };
        let of_unit = unit.and_then(|unit| UNITS.iter().find(|(name, _)| *name == unit)).map_or(1.0, |(_, of)| *of);
        Some(IoColumn {
            holds,
            signed: signed?,
            scale: scale.unwrap_or(1.0) * of_unit,
            ..IoColumn::new(name, u16::try_from(id?).ok()?)
        })
    }

    /// Columns that json and csv fill, given what the fields of a frame are called.
    pub(super) fn extra(
        &mut self,
        table: &mut Table,
        fields: &[FieldMeans],
        component: &str,
    ) -> Option<Vec<ExtraColumn>> {
        let at = table.place("extra");
        let typed = table.get::<Vec<(At<String>, Table)>>("extra").unwrap_or_default();
        if typed.len() > COLUMNS_MAX {
            self.error(&at, component, format!("extra: {} columns; the most is {COLUMNS_MAX}", typed.len()));
            return None;
        }
        let core = crate::build::fields(fields).map(|config| Fields::new(&config)).ok()?;
        let mut columns: Vec<ExtraColumn> = Vec::new();
        let mut right = true;
        for (name, mut column) in typed {
            let (holds, from) = (column.get::<String>("type"), column.take::<String>("field"));
            assert!(column.is_used_up(), "every field of a column is asked for");
            let from = from.unwrap_or_else(|| name.clone());
            let usual = CoreField::ALL.iter().find(|field| field.usual_names().contains(&name.value.as_str()));
            let usual = usual
                .map(|field| format!("extra: {} is a usual name of {}; choose another name", name.value, field.name()));
            let taken = core.field_of(&from.value).map(CoreField::name);
            let taken = taken.or_else(|| columns.iter().find(|c| c.from == from.value).map(|c| c.name.as_str()));
            let what = match (wrong_name("extra", &name.value, false).or(usual), from.value.is_empty(), taken) {
                (Some(what), ..) => Some((&name.at, what)),
                (None, true, _) => Some((&from.at, format!("extra: {}: the name in the input is empty", name.value))),
                (None, false, Some(other)) => {
                    let what = format!("extra: {}: \"{}\" is {other} already", name.value, from.value);
                    Some((&from.at, what))
                }
                (None, false, None) => None,
            };
            if let Some((at, what)) = what {
                self.error(at, component, what);
                right = false;
            }
            let holds =
                holds.and_then(|holds| ColumnType::ALL.iter().find(|(name, _)| *name == holds).map(|(_, of)| *of));
            right &= holds.is_some();
            columns.extend(holds.map(|holds| ExtraColumn::new(&name.value, &from.value, holds)));
        }
        right.then_some(columns)
    }

    pub(super) fn nmea(&mut self, table: Option<Table>, component: &str) -> Option<NmeaConfig> {
        let Some(mut table) = table else { return Some(NmeaConfig::default()) };
        let vehicle = table.get::<String>("vehicle");
        let (vehicle_id, required) = (table.get("vehicle_id"), table.get("checksum_required"));
        let (ends_with, date) = (table.take::<String>("ends_with"), table.take::<String>("date"));
        assert!(table.is_used_up(), "every field of nmea is asked for");
        if vehicle_id.is_some() && table.has("vehicle") {
            self.error(&table.at, component, "both \"vehicle\" and \"vehicle_id\"; remove one of them");
        }
        let mut right = true;
        let ends_with = ends_with.and_then(|At { value, at }| {
            let kind =
                <[u8; 3]>::try_from(value.as_bytes()).ok().filter(|kind| kind.iter().all(u8::is_ascii_uppercase));
            if kind.is_none() {
                self.error(
                    &at,
                    component,
                    format!("ends_with: expected three letters such as \"GGA\", found \"{value}\""),
                );
                right = false;
            }
            kind
        });
        let date = date.and_then(|At { value, at }| {
            let date = NmeaConfig::day_of(&value);
            if date.is_none() {
                self.error(&at, component, format!("date: expected a date such as \"2024-05-01\", found \"{value}\""));
                right = false;
            }
            date
        });
        let vehicle =
            VehicleFrom::ALL.iter().find(|(name, _)| Some(*name) == vehicle.as_deref()).map(|(_, from)| *from)?;
        right.then_some(NmeaConfig { vehicle, vehicle_id, checksum_required: required?, ends_with, date })
    }

    /// Sources may share a column, if it is of one type in all of them.
    pub(super) fn shared_columns(&mut self, sources: &[SourceMeans]) {
        let mut known: HashMap<String, (FieldRef, &str)> = HashMap::new();
        for source in sources {
            for column in source.columns() {
                let (first, of) = known.entry(column.name().clone()).or_insert((column.clone(), &source.name));
                if first.data_type() != column.data_type() {
                    let what = format!(
                        "column {} is of another type in source {of}; give it one type in both, or another name",
                        column.name()
                    );
                    self.error(&source.at, &format!("source {}", source.name), what);
                }
            }
        }
    }
}
