//! `distance`: the recent path of every vehicle, with the keys that each frame of it was counted under. A late frame is put
//! where it belongs in order of time; the frame behind it then has another way to it.

use super::key::Keys;
use super::state::{decode, encode};
use crate::fix::{self, Fix, lanes, vehicle_ids};
use arrow::array::{ArrayRef, AsArray, BinaryArray, BooleanArray, Float64Array};
use arrow::datatypes::{Float64Type, TimestampMicrosecondType};
use rhumb_engine::frame::{FrameBatch, timestamps};
use rhumb_engine::lane::Lane;
use rhumb_engine::state::{StateError, StateReader, StateWriter};
use rhumb_engine::vehicle::{Slot, Vehicles};
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::sync::Arc;

const TABLE: &str = "path";
const VERSION: u32 = 1;
/// Older versions kept the last two fixes there.
const OLD_TABLE: &str = "before";

/// Numbers of the keys that a frame was counted under.
pub type Counted = SmallVec<[u32; 2]>;

/// The paths of a shard's vehicles.
#[derive(Debug)]
pub struct Paths {
    keep: usize,
    /// By slot.
    of: Vec<Path>,
}

#[derive(Debug, Default)]
struct Path {
    /// In order of time, those of one time in order of place.
    steps: VecDeque<Step>,
    /// Older ones have been let go.
    is_cut: bool,
}

#[derive(Debug)]
struct Step {
    fix: Fix,
    counted: Counted,
}

/// Where a frame stands in its vehicle's path.
#[derive(Debug)]
pub struct Place {
    /// Metres from the frame before; NaN if there is none, or the path does not reach back so far.
    pub metres: f64,
    /// `None`: it is not kept.
    at: Option<usize>,
    pub behind: Option<Behind>,
}

/// The frame behind a late one: its way is another now.
#[derive(Debug)]
pub struct Behind {
    pub time: i64,
    pub counted: Counted,
    /// Metres; NaN for none.
    pub was: f64,
    pub is: f64,
}

impl Paths {
    /// Paths of at most so many frames.
    pub fn new(keep: usize) -> Paths {
        Paths { keep: keep.max(2), of: Vec::new() }
    }

    pub fn reach(&mut self, slots: usize) {
        if self.of.len() < slots {
            self.of.resize_with(slots, Path::default);
        }
    }

    /// As `take`, of a row.
    #[inline]
    pub fn take_row(&mut self, frames: &FrameBatch, row: usize, horizon: i64) -> Place {
        self.take(frames.slots()[row], Fix::of(frames, row), frames.late.value(row), horizon)
    }

    /// Puts a frame into its vehicle's path. One that is not late shows that newer ones never were: their clock was wrong.
    /// What is older than all that follows `horizon` is let go but for the last.
    pub fn take(&mut self, slot: Slot, fix: Fix, is_late: bool, horizon: i64) -> Place {
        let path = &mut self.of[slot as usize];
        while !is_late && path.steps.back().is_some_and(|newest| newest.fix.time > fix.time) {
            path.steps.pop_back();
        }
        let at = match path.steps.back() {
            Some(newest) if newest.fix.time >= fix.time => {
                path.steps.partition_point(|step| is_before(&step.fix, &fix))
            }
            _ => path.steps.len(),
        };
        let before = at.checked_sub(1).map(|at| path.steps[at].fix);
        if before.is_none() && path.is_cut && !path.steps.is_empty() {
            return Place { metres: f64::NAN, at: None, behind: None };
        }
        let metres = |from: Option<Fix>, to: &Fix| from.map_or(f64::NAN, |from| from.distance_m(to));
        let behind = path.steps.get(at).map(|behind| Behind {
            time: behind.fix.time,
            counted: behind.counted.clone(),
            was: metres(before, &behind.fix),
            is: fix.distance_m(&behind.fix),
        });
        path.steps.insert(at, Step { fix, counted: Counted::new() });
        let mut gone = 0;
        while path.steps.len() > self.keep || path.steps.get(1).is_some_and(|second| second.fix.time <= horizon) {
            path.steps.pop_front();
            (path.is_cut, gone) = (true, gone + 1);
        }
        Place { metres: metres(before, &fix), at: at.checked_sub(gone), behind }
    }

    /// The frame that was taken last was counted under these keys.
    pub fn count(&mut self, slot: Slot, place: &Place, counted: Counted) {
        if let Some(at) = place.at {
            self.of[slot as usize].steps[at].counted = counted;
        }
    }

    fn steps(&self) -> impl Iterator<Item = &Step> {
        self.of.iter().flat_map(|path| &path.steps)
    }

    /// Marks the keys that are in use.
    pub fn mark(&self, used: &mut [bool]) {
        self.steps().flat_map(|step| &step.counted).for_each(|key| used[*key as usize] = true);
    }

    /// Keys have new numbers: those in use all have one.
    pub fn renumber(&mut self, new: &[u32]) {
        let steps = self.of.iter_mut().flat_map(|path| &mut path.steps);
        steps.flat_map(|step| &mut step.counted).for_each(|key| *key = new[*key as usize]);
    }

    pub fn snapshot(&self, vehicles: &Vehicles, keys: &Keys, state: &mut StateWriter) {
        let of_path = |(slot, path): (Slot, &Path)| std::iter::repeat_n((slot, path.is_cut), path.steps.len());
        let (slots, is_cut): (Vec<Slot>, Vec<bool>) = (0..).zip(&self.of).flat_map(of_path).unzip();
        let steps: Vec<&Step> = self.steps().collect();
        let floats = |of: fn(&Fix) -> f64| -> ArrayRef {
            Arc::new(Float64Array::from_iter_values(steps.iter().map(|step| of(&step.fix))))
        };
        let counted =
            |step: &&Step| -> Vec<u8> { step.counted.iter().flat_map(|key| encode(keys.values(*key))).collect() };
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("vehicle_id", vehicle_ids(vehicles, &slots)),
            ("event_time", Arc::new(timestamps(steps.iter().map(|step| step.fix.time).collect::<Vec<_>>()))),
            ("lat", floats(|fix| fix.lat)),
            ("lon", floats(|fix| fix.lon)),
            ("keys", Arc::new(BinaryArray::from_iter_values(steps.iter().map(counted)))),
            ("cut", Arc::new(BooleanArray::from(is_cut))),
        ];
        state.put(TABLE, VERSION, lanes(vehicles, &slots), columns);
    }

    /// `columns`: how many values a key has.
    pub fn restore(
        &mut self,
        vehicles: &Vehicles,
        keys: &mut Keys,
        columns: usize,
        state: &StateReader,
    ) -> Result<(), StateError> {
        let malformed = |detail: &str| StateError::Malformed { table: TABLE.to_owned(), detail: detail.to_owned() };
        fix::read(state, OLD_TABLE, vehicles, |slot, fix| {
            self.reach(slot as usize + 1);
            let path = &mut self.of[slot as usize];
            path.is_cut = true;
            path.steps.push_back(Step { fix, counted: Counted::new() });
        })?;
        for rows in state.rows(TABLE, VERSION)? {
            let (of_lanes, ids) = (rows.lanes()?, rows.strings("vehicle_id")?);
            let times = rows.primitive::<TimestampMicrosecondType>("event_time")?;
            let (lat, lon) = (rows.primitive::<Float64Type>("lat")?, rows.primitive::<Float64Type>("lon")?);
            let (counted, is_cut) = (rows.array("keys")?.as_binary_opt::<i32>(), rows.booleans("cut")?);
            let counted = counted.ok_or_else(|| malformed("column keys is not binary"))?;
            for row in 0..rows.len() {
                let slot = vehicles.intern(ids.value(row), Lane(of_lanes.value(row)));
                let fix = Fix { time: times.value(row), lat: lat.value(row), lon: lon.value(row) };
                let values = decode(counted.value(row)).ok_or_else(|| malformed("a key cannot be read"))?;
                let counted = values.chunks(columns).map(|key| keys.number(key)).collect();
                self.reach(slot as usize + 1);
                let path = &mut self.of[slot as usize];
                path.is_cut = is_cut.value(row);
                path.steps.push_back(Step { fix, counted });
            }
        }
        Ok(())
    }
}

/// Whether a fix stands before another, or is the same: by time, and of one time by place, whichever came first.
fn is_before(a: &Fix, b: &Fix) -> bool {
    a.time.cmp(&b.time).then(a.lat.total_cmp(&b.lat)).then(a.lon.total_cmp(&b.lon)).is_le()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames along the equator as time (s), place (milli-degrees) and whether late; the metres that each frame of the path
    /// has behind it in the end, in milli-degrees, by its time.
    fn check(keep: usize, frames: &[(i64, i32, bool)], expected: &[(i64, i64)]) {
        let mut paths = Paths::new(keep);
        paths.reach(1);
        let mut ways: Vec<(i64, f64)> = Vec::new();
        for (time, place, is_late) in frames {
            let fix = Fix { time: *time, lat: 0.0, lon: f64::from(*place) / 1e3 };
            let place = paths.take(0, fix, *is_late, i64::MIN);
            if let Some(Behind { time, was, is, .. }) = place.behind {
                let way = ways.iter_mut().find(|way| way.0 == time).expect("a frame that was taken");
                assert!(way.1 == was || way.1.is_nan() && was.is_nan(), "{time}");
                way.1 = is;
            }
            ways.push((*time, place.metres));
        }
        ways.sort_by_key(|way| way.0);
        let degree_m = rhumb_engine::sphere::METRES_PER_DEGREE;
        let ways: Vec<(i64, i64)> = ways.iter().map(|(t, m)| (*t, (m * 1e3 / degree_m).round() as i64)).collect();
        assert_eq!(ways, expected, "{frames:?}");
    }

    #[test]
    fn late_frame_changes_the_way_to_the_next() {
        check(9, &[(10, 0, false), (20, 5, false), (15, 9, true)], &[(10, 0), (15, 9), (20, 4)]);
        check(9, &[(20, 5, false), (10, 0, true)], &[(10, 0), (20, 5)]);
    }

    #[test]
    fn frame_older_than_the_path_changes_nothing() {
        let frames = [(10, 0, false), (20, 5, false), (30, 6, false), (5, 90, true), (25, 5, true)];
        check(2, &frames, &[(5, 0), (10, 0), (20, 5), (25, 0), (30, 1)]);
    }

    #[test]
    fn frame_with_a_wrong_clock_is_no_part_of_the_path() {
        check(9, &[(10, 0, false), (900, 7, false), (20, 1, false)], &[(10, 0), (20, 1), (900, 7)]);
    }
}
