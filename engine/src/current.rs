//! The current table: the newest frame of every vehicle, which is the last that was not late. One writer a shard; any
//! number of readers, who take no lock and whom no writer waits for.
//!
//! Each vehicle has an entry (`entry`), which is always read whole. Of two frames of one time the later one counts.

mod entry;
mod status;
#[cfg(test)]
mod tests;

pub use status::{MOVING_MPS, Status};

use crate::effects::ZonesMoved;
use crate::frame::FrameBatch;
use crate::lane::Lane;
use crate::state::{StateError, StateReader, StateWriter};
use crate::time::EventTime;
use crate::vehicle::{Slot, Vehicles};
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float32Array, Float64Array, ListBuilder, StringArray, StringBuilder,
};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, TimestampMicrosecondType};
use entry::{Entry, Values};
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

pub const NAME: &str = "current";
const VERSION: u32 = 1;
/// So many rows ahead entries are asked for, so that they have come from memory when they are written.
const AHEAD: usize = 6;
/// The column that says whether the ignition is on, where a device does. Boolean.
const IGNITION: &str = "ignition";

/// The newest frame of one vehicle, as read.
#[derive(Debug, Clone, PartialEq)]
pub struct Current {
    pub vehicle_id: Box<str>,
    pub event_time: EventTime,
    pub received_at: EventTime,
    pub lat: f64,
    pub lon: f64,
    /// As the device said, else from the frame before.
    pub speed_mps: Option<f32>,
    pub heading_deg: Option<f32>,
    /// As the device said, if this frame did.
    pub ignition: Option<bool>,
    pub zone_ids: Vec<String>,
}

impl Current {
    /// `now` is the clock that silence is measured against.
    pub fn status(&self, now: EventTime, offline_after_us: i64) -> Status {
        Status::of(now.0.saturating_sub(self.event_time.0) > offline_after_us, self.speed_mps, self.ignition)
    }
}

/// What was found, and how far the input had come: every frame up to this watermark that was accepted is in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<T> {
    pub as_of: EventTime,
    pub found: T,
}

/// The part of one shard. Written by its thread, read by all.
pub struct CurrentShard {
    vehicles: Arc<Vehicles>,
    entries: boxcar::Vec<Entry>,
    /// Every zone id ever seen here. Entries hold places in it, which stay true when the zones change.
    zone_ids: boxcar::Vec<Box<str>>,
    /// Only the writer locks it, once a batch.
    zone_places: Mutex<ZonePlaces>,
    as_of: AtomicI64,
}

/// From the ordinals of the batch's zones to places in `zone_ids`.
struct ZonePlaces {
    of: Arc<StringArray>,
    places: Vec<u32>,
    by_id: HashMap<Box<str>, u32>,
}

impl CurrentShard {
    pub fn new(vehicles: Arc<Vehicles>) -> CurrentShard {
        let none = Arc::new(StringArray::from_iter_values(std::iter::empty::<&str>()));
        CurrentShard {
            vehicles,
            entries: boxcar::Vec::new(),
            zone_ids: boxcar::Vec::new(),
            zone_places: Mutex::new(ZonePlaces { of: none, places: Vec::new(), by_id: HashMap::new() }),
            as_of: AtomicI64::new(i64::MIN),
        }
    }

    /// Takes a batch as it leaves the chain. Only by the shard's own thread.
    pub fn update(&self, frames: &FrameBatch) {
        self.reach(self.vehicles.len());
        let mut known = self.zone_places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(zones) = &frames.zones
            && !Arc::ptr_eq(&known.of, &zones.ids)
        {
            known.of = zones.ids.clone();
            known.places = zones.ids.iter().flatten().map(|id| self.zone_place(id, &mut known.by_id)).collect();
        }
        let ignition = frames.extra.iter().find(|(field, _)| field.name() == IGNITION);
        let ignition = ignition.and_then(|(_, values)| values.as_boolean_opt());
        let of_zone = |zone: &u32| known.places[*zone as usize];
        let places: Vec<u32> =
            frames.zones.as_ref().map_or(Vec::new(), |zones| zones.zones.iter().map(of_zone).collect());
        let (slots, late) = (frames.slots(), frames.late.values());
        for row in 0..frames.len() {
            // Nothing needs it yet, so that the processor does not wait for it.
            if let Some(slot) = slots.get(row + AHEAD) {
                std::hint::black_box(self.entries[*slot as usize].event_time());
            }
            // One that is not late may still be older than what stands here, whose clock was wrong then.
            if late.value(row) {
                continue;
            }
            let entry = &self.entries[slots[row] as usize];
            let event_time = frames.event_time.value(row);
            let before = entry.event_time();
            let (lat, lon) = (frames.lat.value(row), frames.lon.value(row));
            let said = frames.speed_mps.as_ref().filter(|a| a.is_valid(row)).map(|a| a.value(row));
            let values = Values {
                event_time,
                received_at: frames.received_at.value(row),
                lat,
                lon,
                speed_mps: said.unwrap_or_else(|| entry.speed_to(before, event_time, lat, lon)),
                heading_deg: frames.heading_deg.as_ref().filter(|a| a.is_valid(row)).map_or(f32::NAN, |a| a.value(row)),
                ignition: ignition.filter(|a| a.is_valid(row)).map(|a| a.value(row)),
            };
            let zones = frames.zones.as_ref().map_or(0..0, |zones| zones.range(row));
            entry.write(&values, &places[zones]);
        }
    }

    /// Gives vehicles other zones, as long as their newest frame is the one that these are of. Only by the shard's own
    /// thread.
    pub fn change_zones(&self, moved: &ZonesMoved) {
        let mut known = self.zone_places.lock().unwrap_or_else(PoisonError::into_inner);
        for (slot, time, zones) in &moved.vehicles {
            let Some(entry) = self.entries.get(*slot as usize).filter(|entry| entry.event_time() == *time) else {
                continue;
            };
            let place = |zone: &u32| self.zone_place(moved.ids.value(*zone as usize), &mut known.by_id);
            let places: Vec<u32> = zones.iter().map(place).collect();
            entry.write(&entry.read().0, &places);
        }
    }

    fn zone_place(&self, id: &str, by_id: &mut HashMap<Box<str>, u32>) -> u32 {
        *by_id.entry(id.into()).or_insert_with(|| self.zone_ids.push(id.into()) as u32)
    }

    /// Tells readers how far the shard has come.
    pub fn advance(&self, as_of: EventTime) {
        self.as_of.store(as_of.0, Ordering::Release);
    }

    fn reach(&self, slots: usize) {
        while self.entries.count() < slots {
            self.entries.push(Entry::default());
        }
    }

    fn at(&self, slot: Slot) -> Option<Current> {
        let (values, zones) = self.entries.get(slot as usize)?.read();
        (values.event_time != i64::MIN).then(|| self.current(slot, values, &zones))
    }

    fn current(&self, slot: Slot, values: Values, zones: &[u32]) -> Current {
        Current {
            vehicle_id: self.vehicles.id(slot).into(),
            event_time: EventTime(values.event_time),
            received_at: EventTime(values.received_at),
            lat: values.lat,
            lon: values.lon,
            speed_mps: Some(values.speed_mps).filter(|s| !s.is_nan()),
            heading_deg: Some(values.heading_deg).filter(|h| !h.is_nan()),
            ignition: values.ignition,
            zone_ids: zones.iter().map(|z| self.zone_ids[*z as usize].to_string()).collect(),
        }
    }

    fn search(&self, keep: impl Fn(&Values, &[u32]) -> bool, found: &mut Vec<Current>) {
        for (slot, entry) in self.entries.iter() {
            let (values, zones) = entry.read();
            if values.event_time != i64::MIN && keep(&values, &zones) {
                found.push(self.current(slot as Slot, values, &zones));
            }
        }
    }

    /// Writes all entries, by lane.
    pub fn snapshot(&self, state: &mut StateWriter) {
        let mut lanes = Vec::new();
        let mut found = Vec::new();
        for (slot, entry) in self.entries.iter() {
            let (values, zones) = entry.read();
            if values.event_time != i64::MIN {
                lanes.push(self.vehicles.get(slot as Slot).lane.0);
                found.push(self.current(slot as Slot, values, &zones));
            }
        }
        state.begin(NAME);
        state.put(NAME, VERSION, lanes, columns(&found));
    }

    pub fn restore(&self, state: &StateReader) -> Result<(), StateError> {
        for rows in state.rows(NAME, VERSION)? {
            let (lanes, ids) = (rows.lanes()?, rows.strings("vehicle_id")?);
            let times = rows.primitive::<TimestampMicrosecondType>("event_time")?;
            let received = rows.primitive::<TimestampMicrosecondType>("received_at")?;
            let (lat, lon) = (rows.primitive::<Float64Type>("lat")?, rows.primitive::<Float64Type>("lon")?);
            let speed = rows.primitive::<Float32Type>("speed_mps")?;
            let heading = rows.primitive::<Float32Type>("heading_deg")?;
            // State of an older version lacks it.
            let ignition = rows.array(IGNITION).ok().and_then(|values| values.as_boolean_opt());
            let zone_ids = rows.array("zone_ids")?.as_list_opt::<i32>();
            let mut known = self.zone_places.lock().unwrap_or_else(PoisonError::into_inner);
            for row in 0..rows.len() {
                let slot = self.vehicles.intern(ids.value(row), Lane(lanes.value(row)));
                self.reach(slot as usize + 1);
                let or_nan = |a: &Float32Array| if a.is_valid(row) { a.value(row) } else { f32::NAN };
                let values = Values {
                    event_time: times.value(row),
                    received_at: received.value(row),
                    lat: lat.value(row),
                    lon: lon.value(row),
                    speed_mps: or_nan(speed),
                    heading_deg: or_nan(heading),
                    ignition: ignition.filter(|a| a.is_valid(row)).map(|a| a.value(row)),
                };
                let ids = zone_ids.map(|lists| lists.value(row));
                let ids = ids.iter().flat_map(|ids| ids.as_string::<i32>().iter().flatten());
                let zones: Vec<u32> = ids.map(|id| self.zone_place(id, &mut known.by_id)).collect();
                self.entries[slot as usize].write(&values, &zones);
            }
        }
        Ok(())
    }
}

fn columns(found: &[Current]) -> Vec<(&'static str, ArrayRef)> {
    let mut zone_ids = ListBuilder::new(StringBuilder::new()).with_field(Field::new("element", DataType::Utf8, false));
    for current in found {
        current.zone_ids.iter().for_each(|id| zone_ids.values().append_value(id));
        zone_ids.append(true);
    }
    let times = |of: fn(&Current) -> EventTime| -> ArrayRef {
        Arc::new(crate::frame::timestamps(found.iter().map(|c| of(c).0).collect::<Vec<_>>()))
    };
    vec![
        ("vehicle_id", Arc::new(StringArray::from_iter_values(found.iter().map(|c| &c.vehicle_id)))),
        ("event_time", times(|c| c.event_time)),
        ("received_at", times(|c| c.received_at)),
        ("lat", Arc::new(Float64Array::from_iter_values(found.iter().map(|c| c.lat)))),
        ("lon", Arc::new(Float64Array::from_iter_values(found.iter().map(|c| c.lon)))),
        ("speed_mps", Arc::new(Float32Array::from_iter(found.iter().map(|c| c.speed_mps)))),
        ("heading_deg", Arc::new(Float32Array::from_iter(found.iter().map(|c| c.heading_deg)))),
        (IGNITION, Arc::new(BooleanArray::from_iter(found.iter().map(|c| c.ignition)))),
        ("zone_ids", Arc::new(zone_ids.finish())),
    ]
}

/// All shards together: what servers and queries read.
#[derive(Clone)]
pub struct CurrentTable {
    shards: Vec<Arc<CurrentShard>>,
}

impl CurrentTable {
    pub fn new(shards: Vec<Arc<CurrentShard>>) -> CurrentTable {
        CurrentTable { shards }
    }

    /// Vehicles that have a newest frame.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|s| s.entries.iter().filter(|(_, e)| !e.is_empty()).count()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One vehicle, by id. The cost does not depend on how many there are.
    pub fn get(&self, vehicle_id: &str) -> Answer<Option<Current>> {
        let mut newest: Option<Current> = None;
        let as_of = self.as_of();
        for shard in &self.shards {
            shard.vehicles.find(vehicle_id, |slot| {
                if let Some(found) = shard.at(slot)
                    && newest.as_ref().is_none_or(|n| n.event_time < found.event_time)
                {
                    newest = Some(found);
                }
            });
        }
        Answer { as_of, found: newest }
    }

    /// Vehicles in a box; `west > east` means across the antimeridian. Looks at every vehicle.
    pub fn in_box(&self, south: f64, west: f64, north: f64, east: f64) -> Answer<Vec<Current>> {
        self.search(|v, _| {
            let in_lon = match west <= east {
                true => west <= v.lon && v.lon <= east,
                false => west <= v.lon || v.lon <= east,
            };
            in_lon && south <= v.lat && v.lat <= north
        })
    }

    /// Vehicles at most `radius_m` from a point on the sphere. Looks at every vehicle.
    pub fn near(&self, lat: f64, lon: f64, radius_m: f64) -> Answer<Vec<Current>> {
        let band_deg = radius_m / crate::sphere::METRES_PER_DEGREE * 1.01;
        self.search(|v, _| {
            (v.lat - lat).abs() <= band_deg && crate::sphere::distance_m((v.lat, v.lon), (lat, lon)) <= radius_m
        })
    }

    /// Vehicles in a zone. Looks at every vehicle.
    pub fn in_zone(&self, zone_id: &str) -> Answer<Vec<Current>> {
        let as_of = self.as_of();
        let mut found = Vec::new();
        for shard in &self.shards {
            if let Some((zone, _)) = shard.zone_ids.iter().find(|(_, id)| ***id == *zone_id) {
                shard.search(|_, zones| zones.contains(&(zone as u32)), &mut found);
            }
        }
        Answer { as_of, found }
    }

    pub fn all(&self) -> Answer<Vec<Current>> {
        self.search(|_, _| true)
    }

    fn search(&self, keep: impl Fn(&Values, &[u32]) -> bool) -> Answer<Vec<Current>> {
        let as_of = self.as_of();
        let mut found = Vec::new();
        self.shards.iter().for_each(|shard| shard.search(&keep, &mut found));
        Answer { as_of, found }
    }

    fn as_of(&self) -> EventTime {
        let seen = self.shards.iter().map(|s| s.as_of.load(Ordering::Acquire)).filter(|t| *t != i64::MIN);
        EventTime(seen.min().unwrap_or(i64::MIN))
    }
}
