//! Looks some rows ahead, so that what a frame that stirs needs has come from memory when its turn comes.
//!
//! A border lies behind a chain of pointers, each a cache line of its own that is rarely at hand among many zones. Row
//! by row the processor would wait for one after the other; here it fetches one link for each of several rows at a time.

use super::track::Tracks;
use rhumb_engine::frame::FrameBatch;
use rhumb_engine::vehicle::Vehicles;
use rhumb_geofence::{ZoneLists, Zones, prefetch_element};
use smallvec::SmallVec;

/// Rows between two links of a chain.
const GAP: usize = 5;
/// Rows from the first link to the last: the track of the vehicle comes before its zones.
const REACH: usize = GAP * (Zones::BORDER_STEPS + 1);

/// The zones that each of the next rows may cross the border of.
pub struct Ahead {
    zones: [SmallVec<[u32; 4]>; REACH],
    /// Bit by bit, from the next row on: whether there are any. Most frames stir nothing, and cost nothing here.
    stirs: u32,
}

/// The rows of which a link is fetched now.
const AT_LINKS: u32 = {
    let (mut rows, mut step) = (0, 1);
    while step < Zones::BORDER_STEPS {
        rows |= 1 << (GAP * (Zones::BORDER_STEPS - step));
        step += 1;
    }
    rows
};

/// What is looked at.
pub struct View<'a> {
    pub frames: &'a FrameBatch,
    pub found: &'a ZoneLists,
    pub tracks: &'a Tracks,
    pub vehicles: &'a Vehicles,
    pub zones: &'a Zones,
}

impl Ahead {
    pub fn new() -> Ahead {
        const { assert!(REACH <= u32::BITS as usize) };
        Ahead { zones: std::array::from_fn(|_| SmallVec::new()), stirs: 0 }
    }

    /// `row` is next; the one after it is to be looked at after this, and so on.
    #[inline]
    pub fn look(&mut self, view: &View, row: usize) {
        let slots = view.frames.slots();
        if let Some(slot) = slots.get(row + REACH) {
            prefetch_element(&view.tracks.of, *slot as usize);
        }
        self.stirs >>= 1;
        let stirs = self.find_zones(view, row + GAP * Zones::BORDER_STEPS);
        self.stirs |= u32::from(stirs) << (GAP * Zones::BORDER_STEPS);
        if self.stirs & AT_LINKS == 0 {
            return;
        }
        for step in 1..Zones::BORDER_STEPS {
            let ahead = GAP * (Zones::BORDER_STEPS - step);
            if self.stirs >> ahead & 1 == 1 {
                self.fetch(view, row + ahead, step);
            }
        }
    }

    /// A frame that changes nothing needs no border.
    #[inline]
    fn find_zones(&mut self, view: &View, row: usize) -> bool {
        let Some(slot) = view.frames.slots().get(row).copied() else { return false };
        let holding = view.found.row(row);
        view.tracks.prefetch_path(slot);
        let stirs = view.tracks.stirs(slot, view.frames.times()[row], holding);
        if stirs {
            let kept = &mut self.zones[row % REACH];
            kept.clear();
            let visits = view.tracks.of[slot as usize].state.visits.iter().map(|visit| visit.zone);
            kept.extend(holding.iter().copied().chain(visits));
            kept.iter().for_each(|zone| view.zones.prefetch_border(*zone, 0, [0.0; 2], [0.0; 2]));
        }
        stirs
    }

    #[inline]
    fn fetch(&self, view: &View, row: usize, step: usize) {
        let kept = &self.zones[row % REACH];
        let slot = view.frames.slots()[row];
        let to = [view.frames.lon.value(row), view.frames.lat.value(row)];
        let from = view.tracks.newest(slot).map_or(to, |from| [from.fix.lon, from.fix.lat]);
        match step {
            // Read, which does not wait either: nothing needs what comes.
            1 => _ = std::hint::black_box(view.vehicles.get(slot).hash),
            _ => view.tracks.of[slot as usize].prefetch_past(step - 2),
        }
        kept.iter().for_each(|zone| view.zones.prefetch_border(*zone, step, from, to));
    }
}
