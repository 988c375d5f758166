//! The current table: the newest frame of every vehicle by event time. One writer a shard; any number of readers,
//! who take no lock and whom no writer waits for.
//!
//! Each entry is a sequence lock over atomics: the writer makes the version odd, writes, makes it even; a reader whose
//! two looks at the version differ, or are odd, looks again.

use crate::frame::FrameBatch;
use crate::lane::Lane;
use crate::state::{StateError, StateReader, StateWriter};
use crate::time::{EventTime, SECOND_US};
use crate::vehicle::{Slot, Vehicles};
use arc_swap::ArcSwapOption;
use arrow::array::{Array, ArrayRef, AsArray, Float32Array, Float64Array, ListBuilder, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, TimestampMicrosecondType};
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};

pub const NAME: &str = "current";
const VERSION: u32 = 1;

/// Zones kept in the entry itself; a vehicle in more of them costs an allocation.
const ZONES_INLINE: usize = 4;
/// Slower than this is standing: below it, GPS noise looks like movement.
pub const MOVING_MPS: f32 = 1.0;

/// What a vehicle is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Moving,
    Stopped,
    /// Silent for longer than the caller's limit.
    Offline,
}

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
    pub zone_ids: Vec<String>,
}

impl Current {
    /// `now` is the clock that silence is measured against.
    pub fn status(&self, now: EventTime, offline_after_us: i64) -> Status {
        if now.0.saturating_sub(self.event_time.0) > offline_after_us {
            Status::Offline
        } else if self.speed_mps.is_some_and(|s| s >= MOVING_MPS) {
            Status::Moving
        } else {
            Status::Stopped
        }
    }
}

/// What was found, and how far the input had come: every frame up to this watermark that was accepted is in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<T> {
    pub as_of: EventTime,
    pub found: T,
}

struct Entry {
    version: AtomicU32,
    speed_mps: AtomicU32,
    heading_deg: AtomicU32,
    zone_count: AtomicU32,
    event_time: AtomicI64,
    received_at: AtomicI64,
    lat: AtomicU64,
    lon: AtomicU64,
    zones: [AtomicU32; ZONES_INLINE],
    more_zones: ArcSwapOption<Vec<u32>>,
}

impl Default for Entry {
    fn default() -> Entry {
        Entry {
            version: AtomicU32::new(0),
            speed_mps: AtomicU32::new(f32::NAN.to_bits()),
            heading_deg: AtomicU32::new(f32::NAN.to_bits()),
            zone_count: AtomicU32::new(0),
            event_time: AtomicI64::new(i64::MIN),
            received_at: AtomicI64::new(i64::MIN),
            lat: AtomicU64::new(0),
            lon: AtomicU64::new(0),
            zones: Default::default(),
            more_zones: ArcSwapOption::empty(),
        }
    }
}

/// Plain values of an entry.
struct Values {
    event_time: i64,
    received_at: i64,
    lat: f64,
    lon: f64,
    speed_mps: f32,
    heading_deg: f32,
}

impl Entry {
    fn write(&self, values: &Values, zones: &[u32]) {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        self.event_time.store(values.event_time, Ordering::Relaxed);
        self.received_at.store(values.received_at, Ordering::Relaxed);
        self.lat.store(values.lat.to_bits(), Ordering::Relaxed);
        self.lon.store(values.lon.to_bits(), Ordering::Relaxed);
        self.speed_mps.store(values.speed_mps.to_bits(), Ordering::Relaxed);
        self.heading_deg.store(values.heading_deg.to_bits(), Ordering::Relaxed);
        for (place, zone) in self.zones.iter().zip(zones) {
            place.store(*zone, Ordering::Relaxed);
        }
        if zones.len() > ZONES_INLINE {
            self.more_zones.store(Some(Arc::new(zones.to_vec())));
        } else if self.zone_count.load(Ordering::Relaxed) as usize > ZONES_INLINE {
            self.more_zones.store(None);
        }
        self.zone_count.store(zones.len() as u32, Ordering::Relaxed);
        self.version.store(version.wrapping_add(2), Ordering::Release);
    }

    fn read(&self) -> (Values, Vec<u32>) {
        loop {
            let before = self.version.load(Ordering::Acquire);
            let values = Values {
                event_time: self.event_time.load(Ordering::Relaxed),
                received_at: self.received_at.load(Ordering::Relaxed),
                lat: f64::from_bits(self.lat.load(Ordering::Relaxed)),
                lon: f64::from_bits(self.lon.load(Ordering::Relaxed)),
                speed_mps: f32::from_bits(self.speed_mps.load(Ordering::Relaxed)),
                heading_deg: f32::from_bits(self.heading_deg.load(Ordering::Relaxed)),
            };
            let count = self.zone_count.load(Ordering::Relaxed) as usize;
            let zones = match count > ZONES_INLINE {
                true => self.more_zones.load().as_deref().cloned().unwrap_or_default(),
                false => self.zones[..count].iter().map(|z| z.load(Ordering::Relaxed)).collect(),
            };
            fence(Ordering::Acquire);
            if before.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == before {
                return (values, zones);
            }
            std::hint::spin_loop();
        }
    }
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
        let mut places = Vec::new();
        for row in 0..frames.len() {
            let slot = frames.vehicle.value(row);
            let entry = &self.entries[slot as usize];
            let event_time = frames.event_time.value(row);
            let before = entry.event_time.load(Ordering::Relaxed);
            if event_time < before {
                continue;
            }
            let (lat, lon) = (frames.lat.value(row), frames.lon.value(row));
            let said = frames.speed_mps.as_ref().filter(|a| a.is_valid(row)).map(|a| a.value(row));
            let values = Values {
                event_time,
                received_at: frames.received_at.value(row),
                lat,
                lon,
                speed_mps: said.unwrap_or_else(|| entry.speed_to(before, event_time, lat, lon)),
                heading_deg: frames.heading_deg.as_ref().filter(|a| a.is_valid(row)).map_or(f32::NAN, |a| a.value(row)),
            };
            places.clear();
            let zones = frames.zones.as_ref().map_or(&[][..], |z| z.of(row));
            places.extend(zones.iter().map(|zone| known.places[*zone as usize]));
            entry.write(&values, &places);
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

impl Entry {
    fn speed_to(&self, before: i64, event_time: i64, lat: f64, lon: f64) -> f32 {
        if before == i64::MIN || event_time <= before {
            return f32::NAN;
        }
        let from = (f64::from_bits(self.lat.load(Ordering::Relaxed)), f64::from_bits(self.lon.load(Ordering::Relaxed)));
        let seconds = (event_time - before) as f64 / SECOND_US as f64;
        (crate::sphere::near_distance_m(from, (lat, lon)) / seconds) as f32
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
        let seen = |e: &Entry| e.event_time.load(Ordering::Relaxed) != i64::MIN;
        self.shards.iter().map(|s| s.entries.iter().filter(|(_, e)| seen(e)).count()).sum()
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
