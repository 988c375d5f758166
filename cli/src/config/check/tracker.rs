//! What is set of the codecs of trackers and receivers: their columns, and what else their TOML says.

use super::Check;
use super::chain::why_no_column;
use crate::config::typed::Table;
use crate::config::value::At;
use rhumb_connectors::codec::nmea::{NmeaConfig, VehicleFrom};
use rhumb_connectors::codec::teltonika::{IoColumn, IoType, Kept, TeltonikaConfig, UNITS};

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
            let others = kept.iter().map(|kept| kept.name()).chain(io.iter().map(|other| other.name.as_str()));
            let wrong = why_no_column(&name.value, others).map(|why| format!("io: {why}"));
            let double = column.as_ref().and_then(|column| io.iter().find(|other| other.id == column.id));
            let what = wrong.or_else(|| {
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
}
