//! What is set of the codec.

use super::fields;

/// Where the vehicle of a frame comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VehicleFrom {
    /// The IP address of the sender; what the input is called where there is none.
    #[default]
    Sender,
    /// The source (`s:`) of the TAG block before a sentence.
    Tag,
    /// What stands before a sentence in its line.
    Prefix,
}

impl VehicleFrom {
    pub const ALL: [(&str, VehicleFrom); 3] =
        [("sender", VehicleFrom::Sender), ("tag", VehicleFrom::Tag), ("prefix", VehicleFrom::Prefix)];
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NmeaConfig {
    pub vehicle: VehicleFrom,
    /// All frames are of this vehicle.
    pub vehicle_id: Option<String>,
    /// Sentences without a checksum are rejected.
    pub checksum_required: bool,
    /// Three letters of the sentence that a receiver ends each instant with.
    pub ends_with: Option<[u8; 3]>,
    /// Days since 1970: of the first fix, if the input never says which day it is.
    pub date: Option<i32>,
}

impl NmeaConfig {
    pub(in crate::codec) fn describe(&self) -> String {
        let from = VehicleFrom::ALL.iter().find(|(_, from)| *from == self.vehicle).map_or("", |(name, _)| *name);
        match &self.vehicle_id {
            Some(id) => format!("of vehicle {id}"),
            None => format!("vehicle from {from}"),
        }
    }

    /// The day of a date such as `2019-03-08`, as `date` has it.
    pub fn day_of(text: &str) -> Option<i32> {
        let [year, month, day] = text.split('-').collect::<Vec<_>>().try_into().ok()?;
        let part = |text: &str| fields::integer(text.as_bytes());
        fields::days(part(year)?, part(month)?, part(day)?)
    }

    /// Sentences name their vehicle themselves.
    pub(super) fn names_vehicles(&self) -> bool {
        self.vehicle_id.is_none() && self.vehicle != VehicleFrom::Sender
    }

    /// The vehicle is whoever sends.
    pub(super) fn is_of_sender(&self) -> bool {
        self.vehicle_id.is_none() && self.vehicle == VehicleFrom::Sender
    }
}
