//! Which group each vehicle is of, as a column of its newest frame in order says.

use arrow::array::AsArray;
use arrow::datatypes::DataType;
use rhumb_engine::frame::FrameBatch;
use rhumb_engine::vehicle::Slot;
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Debug, Default)]
pub struct Groups {
    /// By slot: 0 is no group, else the place in `names` and one more.
    of: Vec<u32>,
    names: Vec<Arc<str>>,
    places: HashMap<Arc<str>, u32>,
}

impl Groups {
    /// The group of each row, if groups matter.
    pub fn of_batch(&mut self, frames: &FrameBatch, column: Option<&str>) -> Option<Vec<u32>> {
        let column = column?;
        let texts = frames.column(column).and_then(|column| arrow::compute::cast(&column, &DataType::Utf8).ok());
        Some(match texts.as_ref().map(|texts| texts.as_string::<i32>()) {
            Some(texts) => texts.iter().map(|text| text.map_or(0, |text| self.place(text))).collect(),
            // No frame of the batch has one.
            None => vec![0; frames.len()],
        })
    }

    fn place(&mut self, name: &str) -> u32 {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let name: Arc<str> = name.into();
        self.names.push(name.clone());
        self.places.insert(name, self.names.len() as u32);
        self.names.len() as u32
    }

    /// Whether a vehicle was of another group.
    pub fn moves(&self, slot: Slot, group: u32) -> bool {
        self.of.get(slot as usize).copied().unwrap_or(0) != group
    }

    pub fn set(&mut self, slot: Slot, group: u32) {
        self.of.resize(self.of.len().max(slot as usize + 1), 0);
        self.of[slot as usize] = group;
    }

    pub fn set_name(&mut self, slot: Slot, name: &str) {
        let group = self.place(name);
        self.set(slot, group);
    }

    pub fn name(&self, slot: Slot) -> Option<Arc<str>> {
        let group = self.of.get(slot as usize).copied().unwrap_or(0);
        group.checked_sub(1).map(|place| self.names[place as usize].clone())
    }
}
