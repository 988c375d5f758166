//! What the input calls the fields of a frame, as the configuration says it.

use super::extra::{self, ExtraColumn};
use super::fields::{Field, Fields};
use super::units::{LengthUnit, SpeedUnit, TimeUnit};
use arrow::datatypes::FieldRef;

/// A field of the input that has a unit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mapped<U> {
    /// What the input calls it; `None`: its usual names.
    pub name: Option<String>,
    pub unit: U,
}

/// What the input calls the fields of a frame, where that is not a usual name (`Field::usual_names`).
///
/// A name given here is taken as it is written and switches the usual names of its field off. For `json` it may be a
/// path into nested objects, `position.lat`. Usual names are found whatever their case; where a record has several of
/// one field, the first in the order of the list counts. A name that is mapped to one field is no usual name of
/// another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldsConfig {
    /// Something else than the input names the vehicle, such as the key of a Kafka record: it need not.
    pub vehicle_elsewhere: bool,
    pub vehicle_id: Option<String>,
    pub event_time: Mapped<TimeUnit>,
    pub lat: Option<String>,
    pub lon: Option<String>,
    pub altitude_m: Mapped<LengthUnit>,
    pub speed_mps: Mapped<SpeedUnit>,
    pub heading_deg: Option<String>,
    pub accuracy_m: Mapped<LengthUnit>,
    pub satellites: Option<String>,
    pub hdop: Option<String>,
    pub received_at: Mapped<TimeUnit>,
    pub no_fix: Option<String>,
    pub valid: Option<String>,
    /// Columns beyond the core. No field of a frame is looked for under their names.
    pub extra: Vec<ExtraColumn>,
}

impl FieldsConfig {
    /// The name that a field is mapped from.
    pub fn mapped(&self, field: Field) -> Option<&str> {
        match field {
            Field::Vehicle => self.vehicle_id.as_deref(),
            Field::EventTime => self.event_time.name.as_deref(),
            Field::Lat => self.lat.as_deref(),
            Field::Lon => self.lon.as_deref(),
            Field::Altitude => self.altitude_m.name.as_deref(),
            Field::Speed => self.speed_mps.name.as_deref(),
            Field::Heading => self.heading_deg.as_deref(),
            Field::Accuracy => self.accuracy_m.name.as_deref(),
            Field::Satellites => self.satellites.as_deref(),
            Field::Hdop => self.hdop.as_deref(),
            Field::ReceivedAt => self.received_at.name.as_deref(),
            Field::NoFix => self.no_fix.as_deref(),
            Field::Valid => self.valid.as_deref(),
        }
    }

    /// What is wrong with the names, a sentence each.
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        for (n, field) in Field::ALL.iter().enumerate() {
            let Some(name) = self.mapped(*field) else { continue };
            if name.is_empty() {
                mistakes.push(format!("the name that {} is mapped from is empty", field.name()));
            }
            if let Some(other) = Field::ALL[..n].iter().find(|other| self.mapped(**other) == Some(name)) {
                mistakes.push(format!("{} and {} are both mapped from {name}", other.name(), field.name()));
            }
        }
        let core = Fields::new(self);
        for (n, column) in self.extra.iter().enumerate() {
            let from = &column.from;
            if from.is_empty() {
                mistakes.push(format!("the name that {} is mapped from is empty", column.name));
            }
            if let Some(field) = core.field_of(from) {
                mistakes.push(format!("{} and {} are both looked for in {from}", field.name(), column.name));
            }
            for other in &self.extra[..n] {
                if other.name == column.name {
                    mistakes.push(format!("two columns are called {}", column.name));
                } else if other.from == *from {
                    mistakes.push(format!("{} and {} are both mapped from {from}", other.name, column.name));
                }
            }
        }
        if self.extra.len() > extra::COLUMNS_MAX {
            mistakes.push(format!("{} columns beyond the core; the most is {}", self.extra.len(), extra::COLUMNS_MAX));
        }
        mistakes
    }

    /// The columns beyond the core.
    pub(super) fn columns(&self) -> Vec<FieldRef> {
        self.extra.iter().map(ExtraColumn::field).collect()
    }

    /// For a person: what is mapped and in which unit, `speed_mps from spd in km/h`; empty if nothing is.
    pub fn describe(&self) -> String {
        let units = |field| match field {
            Field::EventTime => (self.event_time.unit != TimeUnit::Auto).then(|| self.event_time.unit.name()),
            Field::ReceivedAt => (self.received_at.unit != TimeUnit::Auto).then(|| self.received_at.unit.name()),
            Field::Altitude => (self.altitude_m.unit != LengthUnit::Metres).then(|| self.altitude_m.unit.name()),
            Field::Accuracy => (self.accuracy_m.unit != LengthUnit::Metres).then(|| self.accuracy_m.unit.name()),
            Field::Speed => (self.speed_mps.unit != SpeedUnit::MetresPerSecond).then(|| self.speed_mps.unit.name()),
            _ => None,
        };
        let described = Field::ALL.iter().filter_map(|field| match (self.mapped(*field), units(*field)) {
            (None, None) => None,
            (Some(name), None) => Some(format!("{} from {name}", field.name())),
            (None, Some(unit)) => Some(format!("{} in {unit}", field.name())),
            (Some(name), Some(unit)) => Some(format!("{} from {name} in {unit}", field.name())),
        });
        let extra = self.extra.iter().map(|column| match column.from == column.name {
            true => column.name.clone(),
            false => format!("{} from {}", column.name, column.from),
        });
        described.chain(extra).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::extra::ColumnType;

    #[test]
    fn mapping_is_described_in_one_line() {
        let speed_mps = Mapped { name: Some("spd".into()), unit: SpeedUnit::KilometresPerHour };
        let altitude_m = Mapped { name: None, unit: LengthUnit::Feet };
        let config = FieldsConfig { speed_mps, altitude_m, lat: Some("pos.lat".into()), ..FieldsConfig::default() };
        assert_eq!(config.describe(), "lat from pos.lat, altitude_m in ft, speed_mps from spd in km/h");
        assert_eq!(FieldsConfig::default().describe(), "");
    }

    #[test]
    fn column_beyond_the_core_takes_no_name_of_another() {
        let column = |name: &str, from: &str| ExtraColumn::new(name, from, ColumnType::Float);
        let extra = vec![column("a", "SPEED"), column("b", "y"), column("a", "x"), column("c", "x"), column("d", "")];
        let config = FieldsConfig { lat: Some("y".into()), extra, ..FieldsConfig::default() };
        let expected = [
            "speed_mps and a are both looked for in SPEED",
            "lat and b are both looked for in y",
            "two columns are called a",
            "a and c are both mapped from x",
            "the name that d is mapped from is empty",
        ];
        assert_eq!(config.mistakes(), expected);
        let extra = (0..=extra::COLUMNS_MAX).map(|n| column(&format!("c{n}"), &format!("c{n}"))).collect();
        let config = FieldsConfig { extra, ..FieldsConfig::default() };
        assert_eq!(config.mistakes(), ["33 columns beyond the core; the most is 32"]);
        let config = FieldsConfig { extra: vec![column("a", "a"), column("b", "x.b")], ..FieldsConfig::default() };
        assert_eq!((config.mistakes().len(), config.describe()), (0, "a, b from x.b".to_owned()));
    }
}
