//! Tracks as rows of state and back. Zones stand there by id, vehicles by id and lane.

use super::groups::Groups;
use super::late;
use super::machine::Machine;
use super::path::{Marks, Sample};
use super::state::{Entering, Leaving, Speeding, State, Visit};
use super::tell::Known;
use super::track::{Tracks, Wake};
use crate::fix::{self, Fix};
use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Float64Array, Int64Array, StringArray, UInt32Array,
};
use arrow::datatypes::{Float64Type, Int64Type, UInt32Type};
use rhumb_engine::alert::{AlertKind, AlertReason};
use rhumb_engine::lane::Lane;
use rhumb_engine::state::{StateError, StateReader, StateRows, StateWriter};
use rhumb_engine::vehicle::{Slot, Vehicles};
use rhumb_geofence::Zones;
use std::collections::HashMap;
use std::sync::Arc;

const VERSION: u32 = 2;
/// Time, place, accuracy and speed of a fix.
const SAMPLE_BYTES: usize = 32;

/// What one row of the table `zones` says of a vehicle and a zone.
#[derive(Debug, Clone, Copy)]
struct Row {
    /// Of the newest fix; else of the oldest of the path.
    now: bool,
    /// As `WHATS` has it.
    what: &'static str,
    zone: Option<u32>,
    at: Fix,
    frames: u32,
    first: i64,
    flag: bool,
}

const WHATS: [&str; 5] = ["visit", "entering", "leaving", "speeding", "anchor"];

pub fn write(tracks: &Tracks, groups: &Groups, vehicles: &Vehicles, zones: &Zones, state: &mut StateWriter) {
    let seen: Vec<Slot> = (0..tracks.of.len() as Slot).filter(|slot| tracks.of[*slot as usize].head.len > 0).collect();
    let paths = seen.iter().map(|slot| bytes_of(&tracks.paths.of(*slot, &tracks.of[*slot as usize].head)));
    let paths = BinaryArray::from_iter_values(paths);
    let cut: BooleanArray = seen.iter().map(|slot| Some(tracks.of[*slot as usize].cut)).collect();
    let revision =
        seen.iter().map(|slot| tracks.of[*slot as usize].past.as_ref().map_or(0, |p| p.corrections.revision));
    let groups: StringArray = seen.iter().map(|slot| groups.name(*slot)).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("vehicle_id", fix::vehicle_ids(vehicles, &seen)),
        ("path", Arc::new(paths)),
        ("cut", Arc::new(cut)),
        ("revision", Arc::new(UInt32Array::from_iter_values(revision))),
        ("group", Arc::new(groups)),
    ];
    state.put("tracks", VERSION, fix::lanes(vehicles, &seen), columns);
    write_zones(tracks, &seen, vehicles, zones, state);
    write_corrections(tracks, &seen, vehicles, zones, state);
    let clocks = tracks.clocks.iter().enumerate().filter(|(_, clock)| **clock != i64::MIN);
    let (lanes, clocks): (Vec<u16>, Vec<i64>) = clocks.map(|(lane, clock)| (lane as u16, *clock)).unzip();
    state.put("clocks", VERSION, lanes, vec![("clock", Arc::new(Int64Array::from(clocks)))]);
}

fn write_zones(tracks: &Tracks, seen: &[Slot], vehicles: &Vehicles, zones: &Zones, state: &mut StateWriter) {
    let (mut slots, mut rows) = (Vec::new(), Vec::new());
    for slot in seen {
        let track = &tracks.of[*slot as usize];
        let oldest = track.head.number.wrapping_sub(u32::from(track.head.len)).wrapping_add(1);
        // What was remembered after the oldest fix is what was before the one after it.
        let before = track.before(oldest.wrapping_add(1));
        for (now, of) in [(true, &track.state), (false, &before)] {
            rows.extend(rows_of(now, of));
        }
        slots.resize(rows.len(), *slot);
    }
    let of = |value: fn(&Row) -> i64| Arc::new(Int64Array::from_iter_values(rows.iter().map(value))) as ArrayRef;
    let degrees = |value: fn(&Row) -> f64| Arc::new(Float64Array::from_iter_values(rows.iter().map(value))) as ArrayRef;
    let flag = |value: fn(&Row) -> bool| Arc::new(rows.iter().map(|row| Some(value(row))).collect::<BooleanArray>());
    let zone_ids: StringArray = rows.iter().map(|row| row.zone.map(|zone| zones.id(zone))).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("vehicle_id", fix::vehicle_ids(vehicles, &slots)),
        ("zone_id", Arc::new(zone_ids)),
        ("now", flag(|row| row.now)),
        ("what", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.what)))),
        ("time", of(|row| row.at.time)),
        ("lat", degrees(|row| row.at.lat)),
        ("lon", degrees(|row| row.at.lon)),
        ("frames", of(|row| i64::from(row.frames))),
        ("first", of(|row| row.first)),
        ("flag", flag(|row| row.flag)),
    ];
    state.put("zones", VERSION, fix::lanes(vehicles, &slots), columns);
}

fn rows_of(now: bool, state: &State) -> Vec<Row> {
    let [visit, entering, leaving, speeding, anchor] = WHATS;
    let row = |what, zone, at| Row { now, what, zone, at, frames: 0, first: 0, flag: false };
    let mut rows: Vec<Row> = state
        .visits
        .iter()
        .map(|v| Row { flag: v.dwelled, ..row(visit, Some(v.zone), Fix { time: v.since, lat: 0.0, lon: 0.0 }) })
        .collect();
    let Some(open) = &state.open else { return rows };
    rows.extend(open.entering.iter().map(|e| Row {
        frames: e.frames,
        first: e.first,
        flag: e.reason == AlertReason::ZoneOpened,
        ..row(entering, Some(e.zone), e.at)
    }));
    let of = |l: &Leaving| Row { frames: l.frames, first: l.first, ..row(leaving, Some(l.zone), l.at) };
    rows.extend(open.leaving.iter().map(of));
    rows.extend(open.speeding.iter().map(|s| Row { flag: s.told, ..row(speeding, Some(s.zone), s.at) }));
    // Accuracy and speed as their bits.
    let marks = |s: &Sample| (s.marks.accuracy_m.to_bits(), i64::from(s.marks.speed_mps.to_bits()));
    rows.extend(open.anchors.iter().map(|s| Row { frames: marks(s).0, first: marks(s).1, ..row(anchor, None, s.fix) }));
    rows
}

fn write_corrections(tracks: &Tracks, seen: &[Slot], vehicles: &Vehicles, zones: &Zones, state: &mut StateWriter) {
    let known = |slot: &Slot| {
        let past = tracks.of[*slot as usize].past.as_ref();
        past.into_iter().flat_map(|past| &past.corrections.known).map(|known| (*slot, *known)).collect::<Vec<_>>()
    };
    let (slots, known): (Vec<Slot>, Vec<Known>) = seen.iter().flat_map(known).unzip();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("vehicle_id", fix::vehicle_ids(vehicles, &slots)),
        ("zone_id", Arc::new(StringArray::from_iter_values(known.iter().map(|k| zones.id(k.zone))))),
        ("kind", Arc::new(StringArray::from_iter_values(known.iter().map(|k| k.kind.name())))),
        ("time", Arc::new(Int64Array::from_iter_values(known.iter().map(|k| k.time)))),
        ("shown", Arc::new(Int64Array::from_iter_values(known.iter().map(|k| k.shown)))),
        ("revision", Arc::new(UInt32Array::from_iter_values(known.iter().map(|k| k.revision)))),
    ];
    state.put("corrections", VERSION, fix::lanes(vehicles, &slots), columns);
}

fn bytes_of(path: &[Sample]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(path.len() * SAMPLE_BYTES);
    for Sample { fix, marks } in path {
        bytes.extend(fix.time.to_le_bytes());
        bytes.extend(fix.lat.to_le_bytes());
        bytes.extend(fix.lon.to_le_bytes());
        bytes.extend(marks.accuracy_m.to_le_bytes());
        bytes.extend(marks.speed_mps.to_le_bytes());
    }
    bytes
}

fn path_of(bytes: &[u8]) -> Vec<Sample> {
    let (samples, _) = bytes.as_chunks::<SAMPLE_BYTES>();
    let word = |sample: &[u8; SAMPLE_BYTES], at: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&sample[at..at + 8]);
        u64::from_le_bytes(word)
    };
    let of = |sample: &[u8; SAMPLE_BYTES]| Sample {
        fix: Fix {
            time: word(sample, 0) as i64,
            lat: f64::from_bits(word(sample, 8)),
            lon: f64::from_bits(word(sample, 16)),
        },
        marks: Marks {
            accuracy_m: f32::from_bits(word(sample, 24) as u32),
            speed_mps: f32::from_bits((word(sample, 24) >> 32) as u32),
        },
    };
    samples.iter().map(of).collect()
}

/// Puts rows of state back where they belong.
pub struct Reader<'a> {
    pub vehicles: &'a Vehicles,
    pub zones: &'a Zones,
    pub tracks: &'a mut Tracks,
    pub groups: &'a mut Groups,
    /// What was remembered after the oldest fix of each path.
    pub first: HashMap<Slot, State>,
}

impl Reader<'_> {
    /// Gives the vehicles; the rest of a track is for `resume`. A zone that is gone takes what is remembered of it with it.
    pub fn read(&mut self, state: &StateReader) -> Result<Vec<Slot>, StateError> {
        for rows in state.rows("clocks", VERSION)? {
            let (lanes, clocks) = (rows.lanes()?, rows.primitive::<Int64Type>("clock")?);
            for row in 0..rows.len() {
                let lane = usize::from(lanes.value(row));
                self.tracks.reach(0, lane + 1);
                self.tracks.clocks[lane] = clocks.value(row);
            }
        }
        let mut slots = Vec::new();
        for rows in state.rows("tracks", VERSION)? {
            self.read_tracks(&rows, &mut slots)?;
        }
        for rows in state.rows("zones", VERSION)? {
            self.read_zones(&rows)?;
        }
        for rows in state.rows("corrections", VERSION)? {
            let (zone_ids, kinds) = (rows.strings("zone_id")?, rows.strings("kind")?);
            let (times, revisions) = (rows.primitive::<Int64Type>("time")?, rows.primitive::<UInt32Type>("revision")?);
            // Not in older snapshots.
            let showns = rows.primitive::<Int64Type>("shown").ok();
            let slots = self.slots(&rows)?;
            for (row, slot) in slots.into_iter().enumerate() {
                let known = self.zones.find(zone_ids.value(row)).zip(AlertKind::from_name(kinds.value(row)));
                let Some((zone, kind)) = known else { continue };
                let past = self.tracks.of[slot as usize].past.get_or_insert_default();
                let (time, revision) = (times.value(row), revisions.value(row));
                let shown = showns.map_or(time, |showns| showns.value(row));
                past.corrections.known.push(Known { kind, zone, time, shown, revision });
            }
        }
        Ok(slots)
    }

    fn slots(&mut self, rows: &StateRows) -> Result<Vec<Slot>, StateError> {
        let (lanes, ids) = (rows.lanes()?, rows.strings("vehicle_id")?);
        let slots: Vec<Slot> =
            (0..rows.len()).map(|row| self.vehicles.intern(ids.value(row), Lane(lanes.value(row)))).collect();
        let lanes = lanes.values().iter().max().map_or(0, |lane| usize::from(*lane) + 1);
        self.tracks.reach(self.vehicles.len(), lanes);
        Ok(slots)
    }

    fn read_tracks(&mut self, rows: &StateRows, all: &mut Vec<Slot>) -> Result<(), StateError> {
        let slots = self.slots(rows)?;
        let unlike = || StateError::Malformed { table: "tracks".to_owned(), detail: "path is not of bytes".to_owned() };
        let paths = rows.array("path")?.as_binary_opt::<i32>().ok_or_else(unlike)?;
        let (cut, groups) = (rows.booleans("cut")?, rows.strings("group")?);
        let revisions = rows.primitive::<UInt32Type>("revision")?;
        for (row, slot) in slots.iter().enumerate() {
            let mut path = path_of(paths.value(row));
            // What was remembered is that of a longer path.
            let shortened = path.len() > self.tracks.paths.keep();
            if shortened {
                path.drain(..path.len() - 1);
            }
            let track = &mut self.tracks.of[*slot as usize];
            track.head.number = path.len() as u32;
            self.tracks.paths.replace(*slot, &mut track.head, &path);
            track.cut = cut.value(row) || shortened;
            if revisions.value(row) > 0 {
                track.past.get_or_insert_default().corrections.revision = revisions.value(row);
            }
            if groups.is_valid(row) {
                self.groups.set_name(*slot, groups.value(row));
            }
        }
        all.extend(slots);
        Ok(())
    }

    fn read_zones(&mut self, rows: &StateRows) -> Result<(), StateError> {
        let slots = self.slots(rows)?;
        let (zone_ids, whats) = (rows.strings("zone_id")?, rows.strings("what")?);
        let (times, first) = (rows.primitive::<Int64Type>("time")?, rows.primitive::<Int64Type>("first")?);
        let (lat, lon) = (rows.primitive::<Float64Type>("lat")?, rows.primitive::<Float64Type>("lon")?);
        let (frames, flags) = (rows.primitive::<Int64Type>("frames")?, rows.booleans("flag")?);
        let now = rows.booleans("now")?;
        for (row, slot) in slots.iter().enumerate() {
            let zone = zone_ids.is_valid(row).then(|| self.zones.find(zone_ids.value(row)));
            let Some(what) = WHATS.iter().find(|what| **what == whats.value(row)) else { continue };
            if zone == Some(None) {
                continue;
            }
            let at = Fix { time: times.value(row), lat: lat.value(row), lon: lon.value(row) };
            let (frames, first, flag) = (frames.value(row) as u32, first.value(row), flags.value(row));
            let read = Row { now: now.value(row), what, zone: zone.flatten(), at, frames, first, flag };
            read.put(match read.now {
                true => &mut self.tracks.of[*slot as usize].state,
                false => self.first.entry(*slot).or_default(),
            });
        }
        Ok(())
    }
}

impl Row {
    fn put(&self, state: &mut State) {
        let Row { at, frames, first, flag, .. } = *self;
        let zone = self.zone.unwrap_or_default();
        match self.what {
            "visit" => {
                state.visits.push(Visit { zone, dwelled: flag, since: at.time });
                state.visits.sort_unstable_by_key(|visit| visit.zone);
            }
            "entering" => {
                let reason = if flag { AlertReason::ZoneOpened } else { AlertReason::Moved };
                state.open().entering.push(Entering { zone, at, reason, frames, first });
            }
            "leaving" => state.open().leaving.push(Leaving { zone, at, frames, first }),
            "speeding" => state.open().speeding.push(Speeding { zone, at, told: flag }),
            _ => {
                let marks = Marks { accuracy_m: f32::from_bits(frames), speed_mps: f32::from_bits(first as u32) };
                state.open().anchors.push(Sample { fix: at, marks });
            }
        }
    }
}

/// Brings a track as it was read to where it was, `first` being what was remembered after the oldest fix: what was remembered along the path is worked out again. If that
/// does not lead to what is remembered now, because the zones or their rules are others, the path is cut.
pub fn resume(tracks: &mut Tracks, machine: &Machine, slot: Slot, lane: Lane, first: State) {
    let track = &mut tracks.of[slot as usize];
    let path = tracks.paths.of(slot, &track.head);
    let mut state = first.without_dwells();
    let mut undo = Vec::new();
    let oldest = track.head.number.wrapping_sub(path.len() as u32).wrapping_add(1);
    if let [first, rest @ ..] = &path[..] {
        let note = |n: usize, before| undo.push((oldest.wrapping_add(n as u32 + 1), before));
        late::run(machine, &mut state, Some(*first), rest, &mut Vec::new(), note);
    }
    let mut holding = Vec::new();
    if let Some(newest) = path.last() {
        late::hold(machine, newest, &mut holding);
    }
    track.zones = tracks.sets.code(&holding);
    let is_same = state == track.state.clone().without_dwells();
    if is_same {
        let time = path.last().map_or(i64::MIN, |sample| sample.fix.time);
        track.wake = Wake(machine.wake(&track.state, &holding, time));
        if !undo.is_empty() {
            let past = track.past.get_or_insert_default();
            undo.into_iter().for_each(|(number, before)| past.undo.push(number, oldest, before));
        }
    } else {
        tracks.cut(slot);
        tracks.of[slot as usize].wake = Wake(i64::MIN);
    }
    tracks.start_timers(machine, slot, lane);
}
