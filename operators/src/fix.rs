//! A frame's time and place, as operators remember it, and how it stands in snapshots.

use arrow::array::{ArrayRef, Float64Array, StringArray};
use arrow::datatypes::{Float64Type, TimestampMicrosecondType};
use rhumb_engine::frame::{FrameBatch, timestamps};
use rhumb_engine::lane::Lane;
use rhumb_engine::sphere::distance_m;
use rhumb_engine::state::{StateError, StateReader, StateWriter};
use rhumb_engine::vehicle::{Slot, Vehicles};
use rhumb_geofence::prefetch_element;
use std::sync::Arc;

const VERSION: u32 = 1;

/// So many rows ahead what is known of a vehicle is asked for, so that it has come from memory when its row does.
pub const AHEAD: usize = 12;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fix {
    pub time: i64,
    pub lat: f64,
    pub lon: f64,
}

impl Fix {
    /// Before a vehicle's first frame.
    pub const NONE: Fix = Fix { time: i64::MIN, lat: 0.0, lon: 0.0 };

    #[inline]
    pub fn of(frames: &FrameBatch, row: usize) -> Fix {
        Fix { time: frames.times()[row], lat: frames.lat.value(row), lon: frames.lon.value(row) }
    }

    #[inline]
    pub fn is_none(&self) -> bool {
        self.time == i64::MIN
    }

    /// (lat, lon), degrees.
    #[inline]
    pub fn place(&self) -> (f64, f64) {
        (self.lat, self.lon)
    }

    /// Great-circle distance, metres.
    #[inline]
    pub fn distance_m(&self, other: &Fix) -> f64 {
        distance_m(self.place(), other.place())
    }
}

/// The newest frame of every vehicle, behind the one before it.
#[derive(Debug, Default)]
pub struct Newest(Vec<[Fix; 2]>);

impl Newest {
    pub fn reach(&mut self, slots: usize) {
        self.0.resize(self.0.len().max(slots), [Fix::NONE; 2]);
    }

    /// Asks for what `replace` will touch.
    #[inline]
    pub fn prefetch(&self, slot: Slot) {
        prefetch_element(&self.0, slot as usize);
    }

    /// Takes a vehicle's next frame that is not late and gives the one before it, unless it is the first. If it is older
    /// than the newest, that one's clock was wrong, and the one before counts.
    #[inline]
    pub fn replace(&mut self, slot: Slot, fix: Fix) -> Option<Fix> {
        let [before, newest] = &mut self.0[slot as usize];
        if newest.time <= fix.time {
            *before = *newest;
        } else if before.time > fix.time {
            *before = Fix::NONE;
        }
        *newest = fix;
        (!before.is_none()).then_some(*before)
    }

    pub fn snapshot(&self, table: &str, vehicles: &Vehicles, state: &mut StateWriter) {
        let fixes = (0..).zip(&self.0).flat_map(|(slot, of)| of.map(|fix| (slot, fix)));
        put(state, table, vehicles, fixes.filter(|(_, fix)| !fix.is_none()));
    }

    pub fn restore(&mut self, table: &str, vehicles: &Vehicles, state: &StateReader) -> Result<(), StateError> {
        read(state, table, vehicles, |slot, fix| {
            self.reach(slot as usize + 1);
            self.replace(slot, fix);
        })
    }
}

/// Ids of vehicles as a column.
pub fn vehicle_ids(vehicles: &Vehicles, slots: &[Slot]) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(slots.iter().map(|slot| vehicles.id(*slot))))
}

/// Lanes of vehicles.
pub fn lanes(vehicles: &Vehicles, slots: &[Slot]) -> Vec<u16> {
    slots.iter().map(|slot| vehicles.get(*slot).lane.0).collect()
}

/// Writes fixes in their order.
pub fn put(state: &mut StateWriter, table: &str, vehicles: &Vehicles, fixes: impl Iterator<Item = (Slot, Fix)>) {
    let (slots, fixes): (Vec<Slot>, Vec<Fix>) = fixes.unzip();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("vehicle_id", vehicle_ids(vehicles, &slots)),
        ("event_time", Arc::new(timestamps(fixes.iter().map(|f| f.time).collect::<Vec<_>>()))),
        ("lat", Arc::new(Float64Array::from_iter_values(fixes.iter().map(|f| f.lat)))),
        ("lon", Arc::new(Float64Array::from_iter_values(fixes.iter().map(|f| f.lon)))),
    ];
    state.put(table, VERSION, lanes(vehicles, &slots), columns);
}

/// Reads them back, in the order in which they were put.
pub fn read(
    state: &StateReader,
    table: &str,
    vehicles: &Vehicles,
    mut take: impl FnMut(Slot, Fix),
) -> Result<(), StateError> {
    for rows in state.rows(table, VERSION)? {
        let (lanes, ids) = (rows.lanes()?, rows.strings("vehicle_id")?);
        let times = rows.primitive::<TimestampMicrosecondType>("event_time")?;
        let (lat, lon) = (rows.primitive::<Float64Type>("lat")?, rows.primitive::<Float64Type>("lon")?);
        for row in 0..rows.len() {
            let slot = vehicles.intern(ids.value(row), Lane(lanes.value(row)));
            take(slot, Fix { time: times.value(row), lat: lat.value(row), lon: lon.value(row) });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_with_a_wrong_clock_is_no_frame_before() {
        let mut newest = Newest::default();
        newest.reach(1);
        let mut next = |time| newest.replace(0, Fix { time, lat: 1.0, lon: 1.0 }).map(|before| before.time);
        let found = [10, 20, 900, 30, 800, 850, 40, 50].map(&mut next);
        assert_eq!(found, [None, Some(10), Some(20), Some(20), Some(30), Some(800), None, Some(40)]);
    }
}
