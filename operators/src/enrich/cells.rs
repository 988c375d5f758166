//! Cells of the globe that frames lie in, as columns.

use arrow::array::{ArrayRef, DictionaryArray, StringArray, UInt32Array};
use arrow::datatypes::{DataType, Field, FieldRef};
use h3o::{CellIndex, LatLng, Resolution};
use rhumb_engine::frame::FrameBatch;
use rhumb_engine::functions::geohash::{self, LENGTH_MAX};
use std::sync::Arc;

/// A cell of H3 or of geohash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    H3(Resolution),
    /// Of so many characters.
    Geohash(u8),
}

impl Cell {
    /// Reads `h3_0` to `h3_15` and `geohash_1` to `geohash_12`.
    pub fn from_name(name: &str) -> Option<Cell> {
        let mut all = Cell::all();
        all.find(|cell| cell.name() == name)
    }

    /// From the largest of each to the smallest.
    pub fn all() -> impl Iterator<Item = Cell> {
        Resolution::range(Resolution::Zero, Resolution::Fifteen)
            .map(Cell::H3)
            .chain((1..=LENGTH_MAX).map(Cell::Geohash))
    }

    /// Name of the column, and in TOML.
    pub fn name(self) -> String {
        match self {
            Cell::H3(resolution) => format!("h3_{}", u8::from(resolution)),
            Cell::Geohash(length) => format!("geohash_{length}"),
        }
    }

    pub fn field(self) -> FieldRef {
        let text = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
        Arc::new(Field::new(self.name(), text, true))
    }

    /// The cell of each frame as its text, which is made once for all frames of the batch that lie in it; null for a
    /// frame that is nowhere on Earth.
    pub(super) fn column(self, frames: &FrameBatch) -> ArrayRef {
        // Whoever sends frames chooses cells: seeded anew by every process. Numbers follow the order of rows.
        let mut numbers: hashbrown::HashMap<u64, u32, foldhash::fast::RandomState> = hashbrown::HashMap::default();
        let mut texts = Vec::new();
        let mut number = |bits: u64| {
            *numbers.entry(bits).or_insert_with(|| {
                texts.push(self.text(bits));
                texts.len() as u32 - 1
            })
        };
        let places = frames.lat.values().iter().zip(frames.lon.values());
        let keys: UInt32Array = places.map(|(lat, lon)| self.of(*lat, *lon).map(&mut number)).collect();
        Arc::new(DictionaryArray::new(keys, Arc::new(StringArray::from(texts))))
    }

    fn of(self, lat: f64, lon: f64) -> Option<u64> {
        if !(lat.abs() <= 90.0 && lon.abs() <= 180.0) {
            return None;
        }
        match self {
            Cell::H3(resolution) => LatLng::new(lat, lon).ok().map(|place| place.to_cell(resolution).into()),
            Cell::Geohash(length) => Some(geohash::bits(lat, lon, length)),
        }
    }

    fn text(self, bits: u64) -> String {
        match self {
            Cell::H3(_) => CellIndex::try_from(bits).map_or_else(|_| String::new(), |cell| cell.to_string()),
            Cell::Geohash(length) => geohash::text(bits, length),
        }
    }
}
