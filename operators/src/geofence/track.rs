//! What is known of every vehicle: its recent path, its zones now, and how they were along the path.

use super::machine::{Machine, Told};
use super::path::{Head, Paths, Sample};
use super::state::{State, Visit};
use super::tell::Corrections;
use super::undo::Undo;
use crate::fix::Fix;
use rhumb_engine::alert::AlertKind;
use rhumb_engine::lane::Lane;
use rhumb_engine::vehicle::Slot;
use rhumb_geofence::prefetch_element;
use smallvec::SmallVec;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// One vehicle.
#[derive(Debug, Default)]
pub struct Track {
    pub head: Head,
    /// The zones that hold the newest fix, as `ZoneSets` knows them.
    pub zones: u64,
    /// The path does not reach back to the vehicle's first fix, though the ring has room.
    pub cut: bool,
    /// A frame of this time or later is looked at even if it is in the same zones.
    pub wake: Wake,
    pub state: State,
    pub past: Option<Box<Past>>,
}

#[derive(Debug, Clone, Copy)]
pub struct Wake(pub i64);

impl Default for Wake {
    fn default() -> Wake {
        Wake(i64::MAX)
    }
}

/// What only vehicles need that go in and out of zones.
#[derive(Debug, Default)]
pub struct Past {
    pub undo: Undo,
    pub corrections: Corrections,
}

impl Track {
    /// Notes what was remembered before the newest fix.
    pub fn note(&mut self, before: State) {
        let number = self.head.number;
        let oldest = number.wrapping_sub(u32::from(self.head.len)).wrapping_add(1);
        self.past.get_or_insert_default().undo.push(number, oldest, before);
    }

    /// Asks for what `note` will touch, link by link.
    #[inline]
    pub fn prefetch_past(&self, step: usize) {
        let Some(past) = &self.past else { return };
        match step {
            0 => prefetch_element(std::slice::from_ref(&**past), 0),
            _ => past.undo.prefetch(),
        }
    }

    /// What was remembered before the fix of this number of the path.
    pub fn before(&self, number: u32) -> State {
        let before = self.past.as_ref().and_then(|past| past.undo.before(number));
        before.unwrap_or_else(|| self.state.clone())
    }
}

/// Lists of zones, so that a track names its own in eight bytes.
#[derive(Debug, Default)]
pub struct ZoneSets {
    sets: Vec<Box<[u32]>>,
    places: HashMap<Box<[u32]>, u64>,
}

/// Marks the place of a list that is kept in the sets.
const KEPT: u64 = 1 << 63;

impl ZoneSets {
    #[inline]
    pub fn is(&self, code: u64, zones: &[u32]) -> bool {
        match few(zones) {
            Some(few) => code == few,
            None => code & KEPT != 0 && *self.sets[(code ^ KEPT) as usize] == *zones,
        }
    }

    /// Up to two zones stand in the code; more are kept here: as many lists as there are places in three zones or more.
    #[inline]
    pub fn code(&mut self, zones: &[u32]) -> u64 {
        few(zones).unwrap_or_else(|| self.keep(zones))
    }

    fn keep(&mut self, zones: &[u32]) -> u64 {
        let place = self.places.get(zones).copied().unwrap_or_else(|| {
            let place = self.sets.len() as u64;
            self.sets.push(zones.into());
            self.places.insert(zones.into(), place);
            place
        });
        KEPT | place
    }

    pub fn zones(&self, code: u64) -> SmallVec<[u32; 2]> {
        match code & KEPT != 0 {
            true => SmallVec::from_slice(&self.sets[(code ^ KEPT) as usize]),
            false => [code as u32, (code >> 32) as u32].into_iter().filter_map(|zone| zone.checked_sub(1)).collect(),
        }
    }
}

/// At most two zones as a code, each as its ordinal and one.
#[inline]
fn few(zones: &[u32]) -> Option<u64> {
    let one = |zone: u32| u64::from(zone) + 1;
    match *zones {
        [] => Some(0),
        [zone] => Some(one(zone)),
        [first, second] => Some(one(first) | one(second) << 32),
        _ => None,
    }
}

/// By slot.
#[derive(Debug)]
pub struct Tracks {
    pub of: Vec<Track>,
    pub paths: Paths,
    pub sets: ZoneSets,
    /// By lane: when a visit of a vehicle becomes a dwell.
    pub timers: Vec<BinaryHeap<Reverse<(i64, Slot, u32)>>>,
    /// By lane: how far its clock has come.
    pub clocks: Vec<i64>,
}

/// A frame and where it stands among its lane's.
#[derive(Clone, Copy)]
pub struct Moment {
    pub slot: Slot,
    pub lane: Lane,
    /// The clock of the lane without the frame, and with it.
    pub clock_before: i64,
    pub clock: i64,
}

impl Tracks {
    pub fn new(paths: Paths) -> Tracks {
        Tracks { of: Vec::new(), paths, sets: ZoneSets::default(), timers: Vec::new(), clocks: Vec::new() }
    }

    pub fn reach(&mut self, slots: usize, lanes: usize) {
        if self.of.len() < slots {
            self.of.resize_with(slots, Track::default);
            self.paths.reach(slots);
        }
        if self.clocks.len() < lanes {
            self.clocks.resize(lanes, i64::MIN);
            self.timers.resize_with(lanes, BinaryHeap::new);
        }
    }

    /// Whether a frame may be more than another fix in the same zones.
    #[inline]
    pub fn stirs(&self, slot: Slot, time: i64, zones: &[u32]) -> bool {
        let track = &self.of[slot as usize];
        !self.sets.is(track.zones, zones) || time >= track.wake.0 || time < track.head.time
    }

    /// Whether fixes of the path are newer than a frame that is not late: their clock was wrong.
    pub fn is_refuted(&self, slot: Slot, time: i64) -> bool {
        self.newest(slot).is_some_and(|newest| time < newest.fix.time)
    }

    /// Asks for what `newest` and `push` will touch.
    #[inline]
    pub fn prefetch_path(&self, slot: Slot) {
        self.paths.prefetch(slot, &self.of[slot as usize].head);
    }

    #[inline]
    pub fn newest(&self, slot: Slot) -> Option<Sample> {
        self.paths.newest(slot, &self.of[slot as usize].head)
    }

    #[inline]
    pub fn push(&mut self, slot: Slot, sample: &Sample) {
        self.paths.push(slot, &mut self.of[slot as usize].head, sample);
    }

    /// Takes the vehicle's next fix, and works out what it means.
    pub fn step(&mut self, machine: &Machine, moment: Moment, to: &Sample, holding: &[u32], told: &mut Vec<Told>) {
        let Moment { slot, lane, clock_before, clock } = moment;
        self.tell_dwells(machine, slot, clock_before, told);
        let moving = self.dwells_after(machine, slot, to.fix.time);
        let from = self.newest(slot);
        self.push(slot, to);
        let code = self.sets.code(holding);
        let track = &mut self.of[slot as usize];
        let before = track.state.clone();
        let first = told.len();
        machine.step(&mut track.state, from.as_ref(), to, holding, told);
        machine.settle(&mut track.state, clock, told);
        track.zones = code;
        track.wake = Wake(machine.wake(&track.state, holding, to.fix.time));
        if !moving.is_empty() || told[first..].iter().any(|told| told.kind == AlertKind::Dwell) {
            let path = self.paths.of(slot, &track.head);
            machine.place_dwells(&mut told[first..], &path);
            machine.move_dwells(&moving, &track.state, &path, told);
        }
        if track.state != before {
            for visit in track.state.visits.iter().filter(|visit| before.visit(visit.zone).is_none()) {
                if let Some(due) = machine.due(visit).filter(|_| !visit.dwelled) {
                    self.timers[usize::from(lane.0)].push(Reverse((due, slot, visit.zone)));
                }
            }
            track.note(before);
        }
    }

    /// Visits whose `dwell` was told and is due later than a frame that comes now, with where it was told.
    fn dwells_after(&self, machine: &Machine, slot: Slot, time: i64) -> Vec<(Visit, Fix)> {
        let track = &self.of[slot as usize];
        let dues = track.state.visits.iter().filter(|visit| visit.dwelled).map(|visit| (visit, machine.due(visit)));
        let dues = dues.filter_map(|(visit, due)| Some((*visit, due.filter(|due| *due > time)?)));
        let mut after: Vec<(Visit, Fix)> = dues.map(|(visit, time)| (visit, Fix { time, ..Fix::NONE })).collect();
        if !after.is_empty() {
            let path = self.paths.of(slot, &track.head);
            after.iter_mut().for_each(|(v, at)| *at = machine.dwell_at(v.zone, v.since, at.time, &path));
        }
        after
    }

    /// The lane's clock came to `now`: gives the vehicles that have a visit which may have become a dwell.
    pub fn due(&mut self, lane: Lane, now: i64) -> Vec<Slot> {
        let mut due = Vec::new();
        if let Some(timers) = self.timers.get_mut(usize::from(lane.0)) {
            while timers.peek().is_some_and(|Reverse((at, ..))| *at <= now) {
                due.extend(timers.pop().map(|Reverse((_, slot, _))| slot));
            }
            self.clocks[usize::from(lane.0)] = self.clocks[usize::from(lane.0)].max(now);
        }
        due
    }

    /// Tells the dwells of a vehicle that became due.
    pub fn settle(&mut self, machine: &Machine, slot: Slot, clock: i64, told: &mut Vec<Told>) {
        self.tell_dwells(machine, slot, clock, told);
        let newest = self.newest(slot).map_or(i64::MIN, |sample| sample.fix.time);
        let track = &mut self.of[slot as usize];
        let holding = self.sets.zones(track.zones);
        track.wake = Wake(machine.wake(&track.state, &holding, newest));
    }

    fn tell_dwells(&mut self, machine: &Machine, slot: Slot, clock: i64, told: &mut Vec<Told>) {
        let first = told.len();
        let track = &mut self.of[slot as usize];
        machine.settle(&mut track.state, clock, told);
        if told.len() > first {
            machine.place_dwells(&mut told[first..], &self.paths.of(slot, &track.head));
        }
    }

    /// Starts timers for all visits that may become a dwell.
    pub fn start_timers(&mut self, machine: &Machine, slot: Slot, lane: Lane) {
        for visit in self.of[slot as usize].state.visits.iter().filter(|visit| !visit.dwelled) {
            if let Some(due) = machine.due(visit) {
                self.timers[usize::from(lane.0)].push(Reverse((due, slot, visit.zone)));
            }
        }
    }

    /// Forgets the path before the newest fix: late frames reach no further back.
    pub fn cut(&mut self, slot: Slot) {
        let newest = self.newest(slot);
        let track = &mut self.of[slot as usize];
        self.paths.replace(slot, &mut track.head, newest.as_slice());
        track.cut = true;
        if let Some(past) = &mut track.past {
            past.undo.clear();
        }
    }

    /// Bytes of all vehicles as the test of the budget counts them, without what `Vec`s have in reserve for further ones.
    #[cfg(test)]
    pub fn memory_bytes(&self) -> usize {
        let past = |past: &Past| size_of::<Past>() + past.undo.memory_bytes() + past.corrections.memory_bytes();
        let track = |track: &Track| {
            size_of::<Track>() + track.state.memory_bytes() + track.past.as_ref().map_or(0, |of| past(of))
        };
        let timers: usize = self.timers.iter().map(|timers| timers.len() * size_of::<(i64, Slot, u32)>()).sum();
        self.of.iter().map(track).sum::<usize>() + self.paths.memory_bytes() + timers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geofence::path::Marks;
    use crate::geofence::rules::{RulesByZone, ZoneRules};
    use rhumb_geofence::{ZoneOptions, Zones};

    /// Every second frame goes in or out, as on the busiest of the benches.
    #[test]
    fn a_vehicle_that_keeps_changing_zones_takes_at_most_600_bytes() {
        const VEHICLES: usize = 1_000;
        let text = r#"{"type":"Feature","properties":{},"geometry":{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,1],[0,0]]]}}"#;
        let zones = Zones::from_geojson(text, &ZoneOptions::default()).expect("a zone").0;
        let rules = RulesByZone::from(vec![ZoneRules::plain()]);
        let machine = Machine { zones: &zones, rules: &rules, crosses: false, vehicle: "v", group: None };
        let mut tracks = Tracks::new(Paths::new(16, false));
        tracks.reach(VEHICLES, 64);
        let (mut told, mut most) = (Vec::new(), 0);
        for n in 0..64i64 {
            for slot in 0..VEHICLES as Slot {
                let lat = if n / 2 % 2 == 0 { 0.5 } else { 2.5 };
                let fix = Fix { time: 10_000_000 * n, lat, lon: 0.1234567 };
                let to = Sample { fix, marks: Marks::NONE };
                let holding: &[u32] = if n / 2 % 2 == 0 { &[0] } else { &[] };
                if tracks.stirs(slot, fix.time, holding) {
                    let moment = Moment { slot, lane: Lane(0), clock_before: fix.time, clock: fix.time };
                    tracks.step(&machine, moment, &to, holding, &mut told);
                } else {
                    tracks.push(slot, &to);
                }
            }
            most = most.max(tracks.memory_bytes() / VEHICLES);
        }
        assert!(told.len() > 30 * VEHICLES);
        assert!(most <= 600, "{most} bytes a vehicle");
    }
}
