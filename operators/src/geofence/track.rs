//! Where each vehicle was last, and which zones it is visiting.

use super::Tells;
use crate::fix::{self, Fix};
use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::TimestampMicrosecondType;
use rhumb_engine::alert::{Alert, AlertBatch, AlertId, AlertKind, AlertZones};
use rhumb_engine::frame::timestamps;
use rhumb_engine::lane::Lane;
use rhumb_engine::state::{StateError, StateReader, StateWriter};
use rhumb_engine::time::{EventTime, SECOND_US};
use rhumb_engine::vehicle::{Slot, Vehicles};
use rhumb_geofence::{Position, Side, Zones};
use smallvec::SmallVec;
use std::sync::Arc;

const VERSION: u32 = 1;
/// Over a longer silence nobody knows which way a vehicle went: a crossing is then told at the time and place of the
/// frame that showed it. An hour, as the gap that ends a trip.
const SEGMENT_MAX_US: i64 = 3600 * SECOND_US;

impl Fix {
    fn position(&self) -> Option<Position> {
        Position::new(self.lat, self.lon).ok()
    }

    /// On the straight line to `to`.
    fn towards(&self, to: &Fix, fraction: f64) -> Fix {
        let between = |a: f64, b: f64| a + (b - a) * fraction;
        Fix {
            time: self.time + ((to.time - self.time) as f64 * fraction).round() as i64,
            lat: between(self.lat, to.lat),
            lon: between(self.lon, to.lon),
        }
    }
}

/// A zone that a vehicle is in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Visit {
    pub zone: u32,
    /// When it came in.
    pub since: i64,
}

#[derive(Debug, Clone)]
pub struct Track {
    last: Fix,
    /// Ascending by zone. Most vehicles are in one zone or none.
    visits: SmallVec<[Visit; 1]>,
}

/// By slot.
#[derive(Debug, Default)]
pub struct Tracks(Vec<Track>);

impl Tracks {
    pub fn reach(&mut self, slots: usize) {
        if self.0.len() < slots {
            self.0.resize(slots, Track { last: Fix::NONE, visits: SmallVec::new() });
        }
    }

    pub fn of(&mut self, slot: Slot) -> &mut Track {
        &mut self.0[slot as usize]
    }

    /// Moves a vehicle on. `Some`, with where it came from, if it is not in the same zones as before.
    #[inline]
    pub fn go(&mut self, slot: Slot, to: Fix, zones: &[u32]) -> Option<Fix> {
        let track = &mut self.0[slot as usize];
        let from = std::mem::replace(&mut track.last, to);
        let same = track.visits.len() == zones.len() && track.visits.iter().zip(zones).all(|(v, z)| v.zone == *z);
        (!same).then_some(from)
    }

    pub fn snapshot(&self, vehicles: &Vehicles, zones: &Zones, state: &mut StateWriter) {
        let seen = || (0..).zip(&self.0).filter(|(_, track)| !track.last.is_none());
        fix::put(state, "last", vehicles, seen().map(|(slot, track)| (slot, track.last)));
        let visits = seen().flat_map(|(slot, track)| track.visits.iter().map(move |visit| (slot, *visit)));
        let (slots, visits): (Vec<Slot>, Vec<Visit>) = visits.unzip();
        let zone_ids = StringArray::from_iter_values(visits.iter().map(|visit| zones.id(visit.zone)));
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("vehicle_id", fix::vehicle_ids(vehicles, &slots)),
            ("zone_id", Arc::new(zone_ids)),
            ("since", Arc::new(timestamps(visits.iter().map(|visit| visit.since).collect::<Vec<_>>()))),
        ];
        state.put("visits", VERSION, fix::lanes(vehicles, &slots), columns);
    }

    /// A zone that is gone takes its visits with it.
    pub fn restore(&mut self, vehicles: &Vehicles, zones: &Zones, state: &StateReader) -> Result<(), StateError> {
        fix::read(state, "last", vehicles, |slot, fix| {
            self.reach(slot as usize + 1);
            self.of(slot).last = fix;
        })?;
        for rows in state.rows("visits", VERSION)? {
            let (lanes, ids) = (rows.lanes()?, rows.strings("vehicle_id")?);
            let zone_ids = rows.strings("zone_id")?;
            let since = rows.primitive::<TimestampMicrosecondType>("since")?;
            for row in 0..rows.len() {
                let slot = vehicles.intern(ids.value(row), Lane(lanes.value(row)));
                self.reach(slot as usize + 1);
                if let Some(zone) = zones.find(zone_ids.value(row)) {
                    let visits = &mut self.of(slot).visits;
                    visits.push(Visit { zone, since: since.value(row) });
                    visits.sort_by_key(|visit| visit.zone);
                }
            }
        }
        Ok(())
    }
}

/// What turning changes into alerts needs to know.
pub struct Batch<'a> {
    pub zones: &'a Zones,
    pub told: &'a AlertZones,
    pub tells: Tells,
    pub vehicles: &'a Vehicles,
}

impl Batch<'_> {
    /// Ends the visits to zones that the vehicle is no longer in, begins those to new ones; exits first.
    #[allow(clippy::too_many_arguments, reason = "one call site; a struct of them would be built once a change")]
    pub fn apply(
        &self,
        track: &mut Track,
        from: &Fix,
        to: Fix,
        received_at: i64,
        zones: &[u32],
        slot: Slot,
        alerts: &mut AlertBatch,
    ) {
        let vehicle = self.vehicles.get(slot).hash;
        let is_segment = !from.is_none() && to.time - from.time <= SEGMENT_MAX_US;
        let segment = is_segment.then(|| from.position().zip(to.position())).flatten();
        let crossing = |zone: u32, side: Side| match segment {
            Some((start, end)) => from.towards(&to, self.zones.crossing(zone, start, end, side)),
            None => to,
        };
        let id =
            |zone: u32, kind, at: i64| AlertId::new(self.told.hashes[zone as usize], vehicle, kind, EventTime(at), 0);
        let mut tell = |kind, zone: u32, at: Fix, since: i64| {
            alerts.push(Alert {
                kind,
                vehicle: slot,
                zone,
                event_time: EventTime(at.time),
                frame_time: EventTime(to.time),
                received_at: EventTime(received_at),
                lat: at.lat,
                lon: at.lon,
                id: id(zone, kind, at.time),
                visit: id(zone, AlertKind::Enter, since),
            });
        };
        let before = std::mem::take(&mut track.visits);
        for visit in before.iter().filter(|visit| zones.binary_search(&visit.zone).is_err()) {
            if self.tells.exit {
                tell(AlertKind::Exit, visit.zone, crossing(visit.zone, Side::Exit), visit.since);
            }
        }
        for zone in zones {
            let visit = match before.iter().find(|visit| visit.zone == *zone) {
                Some(visit) => *visit,
                None => {
                    let at = crossing(*zone, Side::Enter);
                    if self.tells.enter {
                        tell(AlertKind::Enter, *zone, at, at.time);
                    }
                    Visit { zone: *zone, since: at.time }
                }
            };
            track.visits.push(visit);
        }
    }
}
