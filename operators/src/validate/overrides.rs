//! Thresholds of single vehicles, from a table: a column has the name of the field that it stands in for.

use super::ValidateConfig;
use crate::enrich::VehicleTable;
use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use std::collections::HashMap;

/// Columns that a table may have for this.
pub const OVERRIDES: [&str; 6] =
    ["speed_max_mps", "accuracy_max_m", "satellites_min", "hdop_max", "rate_max_per_minute", "distance_min_m"];

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum OverrideError {
    #[error("no column of thresholds")]
    NoColumn,
    #[error("column \"{0}\" is not of numbers")]
    NotNumbers(&'static str),
    #[error("column \"{column}\": {value} of vehicle \"{vehicle}\" is not greater than 0 and at most 1000000000")]
    OutOfRange { column: &'static str, vehicle: String, value: f64 },
}

/// What a vehicle has in the place of the pipeline's thresholds; `None`: what the pipeline has.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Thresholds {
    pub speed_max_mps: Option<f64>,
    pub accuracy_max_m: Option<f32>,
    pub satellites_min: Option<i16>,
    pub hdop_max: Option<f32>,
    pub rate_max_per_minute: Option<u32>,
    pub distance_min_m: Option<f64>,
}

/// Those of all vehicles that have some.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Overrides {
    of: HashMap<String, Thresholds>,
    /// Some of each threshold that any vehicle has.
    any: Thresholds,
}

impl Overrides {
    /// Reads the columns of a table that are named like fields; others are none of its business. An empty value is
    /// no override.
    pub fn from_table(table: &VehicleTable) -> Result<Overrides, OverrideError> {
        let mut of: HashMap<String, Thresholds> = HashMap::new();
        let (mut any, mut has_column) = (Thresholds::default(), false);
        for name in OVERRIDES {
            let Some((field, values)) = table.columns().iter().find(|(field, _)| field.name() == name) else {
                continue;
            };
            has_column = true;
            if !field.data_type().is_numeric() && values.null_count() < values.len() {
                return Err(OverrideError::NotNumbers(name));
            }
            let numbers = cast(values, &DataType::Float64).map_err(|_| OverrideError::NotNumbers(name))?;
            let numbers = numbers.as_primitive::<Float64Type>();
            for vehicle in table.vehicles() {
                let row = table.row(vehicle).map_or(0, |row| row as usize);
                if numbers.is_null(row) {
                    continue;
                }
                let value = numbers.value(row);
                if !(value > 0.0 && value <= 1e9) {
                    return Err(OverrideError::OutOfRange { column: name, vehicle: vehicle.to_owned(), value });
                }
                any.set(name, value);
                of.entry(vehicle.to_owned()).or_default().set(name, value);
            }
        }
        has_column.then_some(Overrides { of, any }).ok_or(OverrideError::NoColumn)
    }

    pub fn vehicles(&self) -> usize {
        self.of.len()
    }

    /// Which thresholds there are at all: of any vehicle, or of the pipeline.
    pub fn any(&self, config: &ValidateConfig) -> Thresholds {
        self.any.or(Thresholds::of(config))
    }

    /// The thresholds that hold for a vehicle.
    pub fn of(&self, vehicle: &str, config: &ValidateConfig) -> Thresholds {
        let common = Thresholds::of(config);
        self.of.get(vehicle).map_or(common, |own| own.or(common))
    }
}

impl Thresholds {
    /// Those of the pipeline.
    pub fn of(config: &ValidateConfig) -> Thresholds {
        Thresholds {
            speed_max_mps: config.speed_max_mps,
            accuracy_max_m: config.accuracy_max_m,
            satellites_min: config.satellites_min,
            hdop_max: config.hdop_max,
            rate_max_per_minute: config.rate_max_per_minute,
            distance_min_m: config.distance_min_m,
        }
    }

    fn set(&mut self, name: &str, value: f64) {
        match name {
            "speed_max_mps" => self.speed_max_mps = Some(value),
            "accuracy_max_m" => self.accuracy_max_m = Some(value as f32),
            "satellites_min" => self.satellites_min = Some(value as i16),
            "hdop_max" => self.hdop_max = Some(value as f32),
            "rate_max_per_minute" => self.rate_max_per_minute = Some(value as u32),
            other => {
                assert_eq!(other, "distance_min_m", "the columns are these six");
                self.distance_min_m = Some(value);
            }
        }
    }

    fn or(self, common: Thresholds) -> Thresholds {
        Thresholds {
            speed_max_mps: self.speed_max_mps.or(common.speed_max_mps),
            accuracy_max_m: self.accuracy_max_m.or(common.accuracy_max_m),
            satellites_min: self.satellites_min.or(common.satellites_min),
            hdop_max: self.hdop_max.or(common.hdop_max),
            rate_max_per_minute: self.rate_max_per_minute.or(common.rate_max_per_minute),
            distance_min_m: self.distance_min_m.or(common.distance_min_m),
        }
    }
}
