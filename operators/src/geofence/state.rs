//! What is remembered of a vehicle and its zones between two frames.

use super::path::Sample;
use crate::fix::Fix;
use rhumb_engine::alert::AlertReason;
use smallvec::SmallVec;

/// A zone that a vehicle is in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Visit {
    pub zone: u32,
    /// Its `dwell` has been told.
    pub dwelled: bool,
    /// When it came in.
    pub since: i64,
}

/// A vehicle and its zones.
#[derive(Debug, Default, PartialEq)]
pub struct State {
    /// Ascending by zone. Most vehicles are in one zone or none.
    pub visits: SmallVec<[Visit; 1]>,
    /// What is not decided yet; for most vehicles nothing.
    pub open: Option<Box<Open>>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Open {
    pub entering: Vec<Entering>,
    pub leaving: Vec<Leaving>,
    pub speeding: Vec<Speeding>,
    /// Fixes before the newest that are to be trusted where it is not, the newest last, each better than those after it.
    pub anchors: Vec<Sample>,
}

/// Inside, but not long enough to count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entering {
    pub zone: u32,
    /// Where it came in.
    pub at: Fix,
    pub reason: AlertReason,
    /// How many have shown it, and the time of the first.
    pub frames: u32,
    pub first: i64,
}

/// Outside, but not far enough or not long enough to count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Leaving {
    pub zone: u32,
    /// Where it came out.
    pub at: Fix,
    /// How many in a row have shown it outside the buffer, and the time of the first.
    pub frames: u32,
    pub first: i64,
}

/// Faster than a zone allows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speeding {
    pub zone: u32,
    /// The first frame that shows it.
    pub at: Fix,
    pub told: bool,
}

impl PartialEq for Sample {
    fn eq(&self, other: &Sample) -> bool {
        let marks = |s: &Sample| [s.marks.accuracy_m.to_bits(), s.marks.speed_mps.to_bits()];
        self.fix == other.fix && marks(self) == marks(other)
    }
}

impl Clone for State {
    fn clone(&self) -> State {
        // Of plain values: copied in one piece.
        State { visits: SmallVec::from_slice(&self.visits), open: self.open.clone() }
    }
}

impl State {
    pub fn visit(&self, zone: u32) -> Option<&Visit> {
        self.visits.iter().find(|visit| visit.zone == zone)
    }

    pub fn open(&mut self) -> &mut Open {
        self.open.get_or_insert_default()
    }

    pub fn leaving(&self, zone: u32) -> Option<&Leaving> {
        self.open.as_ref()?.leaving.iter().find(|leaving| leaving.zone == zone)
    }

    pub fn entering(&self, zone: u32) -> Option<&Entering> {
        self.open.as_ref()?.entering.iter().find(|entering| entering.zone == zone)
    }

    pub fn speeding(&self, zone: u32) -> Option<&Speeding> {
        self.open.as_ref()?.speeding.iter().find(|speeding| speeding.zone == zone)
    }

    /// As if no `dwell` had been told: which were is decided by the path and the clock alone.
    pub fn without_dwells(mut self) -> State {
        self.visits.iter_mut().for_each(|visit| visit.dwelled = false);
        self
    }

    /// Frees what is empty.
    pub fn tidy(&mut self) {
        if self.open.as_ref().is_some_and(|open| **open == Open::default()) {
            self.open = None;
        }
    }

    /// Bytes beside its own.
    #[cfg(test)]
    pub fn memory_bytes(&self) -> usize {
        let visits = if self.visits.spilled() { self.visits.capacity() * size_of::<Visit>() } else { 0 };
        let open = self.open.as_ref().map_or(0, |open| {
            size_of::<Open>()
                + open.entering.capacity() * size_of::<Entering>()
                + open.leaving.capacity() * size_of::<Leaving>()
                + open.speeding.capacity() * size_of::<Speeding>()
                + open.anchors.capacity() * size_of::<Sample>()
        });
        visits + open
    }
}
