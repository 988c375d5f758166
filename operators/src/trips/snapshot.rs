//! What is known of vehicles as rows of state, one a vehicle, and back. Zones stand there by id.

use super::Trips;
use super::held::{Marks, Pushed, Ring, Sample};
use super::leg::Sums;
use super::track::{Phase, Track};
use super::zones::{UNKNOWN, ZoneSets};
use crate::fix::{lanes, vehicle_ids};
use arrow::array::{ArrayRef, AsArray, BinaryArray, BooleanArray, Int32Array, StringArray, UInt8Array};
use arrow::datatypes::{Int32Type, UInt8Type};
use rhumb_engine::lane::Lane;
use rhumb_engine::state::{StateError, StateReader, StateWriter};
use rhumb_engine::vehicle::Slot;
use std::sync::Arc;

const TABLE: &str = "tracks";
const VERSION: u32 = 1;
/// Time, place, speed, ignition, and place of the zones in the vehicle's own list of them.
const SAMPLE_BYTES: usize = 33;
const SUMS_BYTES: usize = 41;
/// `start`, `mark`, `last`, `place`.
const FIXED: usize = 4;

pub fn write(trips: &Trips, state: &mut StateWriter) {
    let is_known = |slot: &Slot| {
        let tracked = &trips.tracked[*slot as usize];
        tracked.track.phase != Phase::New || tracked.ring.len > 0
    };
    let slots: Vec<Slot> = (0..trips.tracked.len() as Slot).filter(is_known).collect();
    let tracks = || slots.iter().map(|slot| &trips.tracked[*slot as usize].track);
    let (bytes, zones): (Vec<Vec<u8>>, Vec<String>) = slots.iter().map(|slot| encode(trips, *slot)).unzip();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("vehicle_id", vehicle_ids(&trips.vehicles, &slots)),
        ("phase", Arc::new(UInt8Array::from_iter_values(tracks().map(|track| phase_number(track.phase))))),
        ("is_told", Arc::new(BooleanArray::from_iter(tracks().map(|track| Some(track.is_told))))),
        ("is_driving", Arc::new(BooleanArray::from_iter(tracks().map(|track| Some(track.is_driving))))),
        ("revision", Arc::new(Int32Array::from_iter_values(tracks().map(|track| track.revision as i32)))),
        ("samples", Arc::new(BinaryArray::from_iter_values(bytes))),
        ("zones", Arc::new(StringArray::from_iter_values(zones))),
    ];
    state.put(TABLE, VERSION, lanes(&trips.vehicles, &slots), columns);
}

pub fn read(trips: &mut Trips, state: &StateReader) -> Result<(), StateError> {
    for rows in state.rows(TABLE, VERSION)? {
        let malformed = |detail: &str| StateError::Malformed { table: TABLE.to_owned(), detail: detail.to_owned() };
        let (lanes, ids, is_told) = (rows.lanes()?, rows.strings("vehicle_id")?, rows.booleans("is_told")?);
        let is_driving = rows.booleans("is_driving")?;
        let (phase, revision) = (rows.primitive::<UInt8Type>("phase")?, rows.primitive::<Int32Type>("revision")?);
        let (samples, zones) = (rows.array("samples")?.as_binary_opt::<i32>(), rows.strings("zones")?);
        let samples = samples.ok_or_else(|| malformed("samples are not bytes"))?;
        for row in 0..rows.len() {
            let lane = Lane(lanes.value(row));
            let slot = trips.vehicles.intern(ids.value(row), lane);
            let mut codes = Vec::new();
            for set in serde_json::from_str::<Vec<Option<Vec<Box<str>>>>>(zones.value(row))
                .map_err(|e| malformed(&format!("zones: {e}")))?
            {
                codes.push(set.map_or(UNKNOWN, |ids| trips.zones.intern(ids.into())));
            }
            let decoded = decode(samples.value(row), &codes).ok_or_else(|| malformed("samples are cut short"))?;
            let (mut track, held) = decoded;
            track.phase = phase_of(phase.value(row)).ok_or_else(|| malformed("no such phase"))?;
            track.is_told = is_told.value(row);
            track.is_driving = is_driving.value(row);
            track.revision = revision.value(row) as u32;
            resume(trips, slot, lane, track, &held);
        }
    }
    Ok(())
}

/// A vehicle as it was. With a shorter `path_keep` than it had, its oldest held fixes go their way now.
fn resume(trips: &mut Trips, slot: Slot, lane: Lane, track: Track, held: &[Sample]) {
    trips.reach(slot as usize + 1, usize::from(lane.0) + 1);
    let is_told = track.is_told;
    let tracked = &mut trips.tracked[slot as usize];
    tracked.track = track;
    tracked.ring = Ring::default();
    for sample in held {
        let tracked = &mut trips.tracked[slot as usize];
        let passed = tracked.track.last.time;
        if let Pushed::Out(next) = trips.held.push(slot, &mut tracked.ring, sample, passed) {
            trips.take(slot, &next);
        }
    }
    trips.meet(slot, lane, !is_told || !held.is_empty());
}

fn encode(trips: &Trips, slot: Slot) -> (Vec<u8>, String) {
    let tracked = &trips.tracked[slot as usize];
    let (track, held) = (&tracked.track, trips.held.of(slot, tracked.ring));
    let mut sets = Vec::new();
    let mut bytes = Vec::new();
    for sums in [&track.settled, &track.tail] {
        bytes.extend(sums.distance_m.to_le_bytes());
        bytes.extend([sums.standing_us, sums.idle_us, sums.on_us].map(i64::to_le_bytes).concat());
        bytes.extend(sums.legs.to_le_bytes());
        bytes.extend(sums.speed_max_mps.to_le_bytes());
        bytes.push(u8::from(sums.knows_ignition));
    }
    for sample in [&track.start, &track.mark, &track.last, &track.place].into_iter().chain(held) {
        let code = sample.marks.zones();
        let set = sets.iter().position(|known| *known == code).unwrap_or_else(|| {
            sets.push(code);
            sets.len() - 1
        });
        bytes.extend(sample.time.to_le_bytes());
        bytes.extend(sample.lat.to_le_bytes());
        bytes.extend(sample.lon.to_le_bytes());
        bytes.extend(sample.speed_mps.to_le_bytes());
        bytes.push(sample.marks.ignition().map_or(0, |on| 1 + u8::from(on)));
        bytes.extend((set as u32).to_le_bytes());
    }
    (bytes, zones_text(&trips.zones, &sets))
}

fn zones_text(zones: &ZoneSets, codes: &[u32]) -> String {
    let sets: Vec<Option<Vec<&str>>> =
        codes.iter().map(|code| zones.ids(*code).map(|ids| ids.iter().map(|id| &**id).collect())).collect();
    serde_json::to_string(&sets).expect("lists of texts are JSON")
}

/// The sums and fixed samples of a track, and the samples that are held.
fn decode(bytes: &[u8], codes: &[u32]) -> Option<(Track, Vec<Sample>)> {
    let (sums, samples) = bytes.split_at_checked(2 * SUMS_BYTES)?;
    let mut sums = sums.chunks_exact(SUMS_BYTES).map(sums_of);
    let (settled, tail) = (sums.next()??, sums.next()??);
    if !samples.len().is_multiple_of(SAMPLE_BYTES) || samples.len() < FIXED * SAMPLE_BYTES {
        return None;
    }
    let samples: Vec<Sample> =
        samples.chunks_exact(SAMPLE_BYTES).map(|bytes| sample_of(bytes, codes)).collect::<Option<_>>()?;
    let (fixed, held) = samples.split_at(FIXED);
    let track =
        Track { start: fixed[0], mark: fixed[1], last: fixed[2], place: fixed[3], settled, tail, ..Track::default() };
    Some((track, held.to_vec()))
}

fn sums_of(bytes: &[u8]) -> Option<Sums> {
    let long = |at: usize| Some(i64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let short = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    Some(Sums {
        distance_m: f64::from_bits(long(0)? as u64),
        standing_us: long(8)?,
        idle_us: long(16)?,
        on_us: long(24)?,
        legs: short(32)?,
        speed_max_mps: f32::from_bits(short(36)?),
        knows_ignition: *bytes.get(40)? != 0,
    })
}

fn sample_of(bytes: &[u8], codes: &[u32]) -> Option<Sample> {
    let long = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let short = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let ignition = match *bytes.get(28)? {
        0 => None,
        known => Some(known == 2),
    };
    Some(Sample {
        time: long(0)? as i64,
        lat: f64::from_bits(long(8)?),
        lon: f64::from_bits(long(16)?),
        speed_mps: f32::from_bits(short(24)?),
        marks: Marks::new(*codes.get(short(29)? as usize)?, ignition),
    })
}

fn phase_number(phase: Phase) -> u8 {
    match phase {
        Phase::New => 0,
        Phase::Away => 1,
        Phase::AtStop => 2,
    }
}

fn phase_of(number: u8) -> Option<Phase> {
    [Phase::New, Phase::Away, Phase::AtStop].into_iter().find(|phase| phase_number(*phase) == number)
}
