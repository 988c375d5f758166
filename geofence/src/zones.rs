//! All zones of a file with their index: what operators share and ask.

use crate::bounds::Bounds;
use crate::crossing::Side;
use crate::distance;
use crate::geojson;
use crate::index::{self, Index, IndexStats};
use crate::passage;
use crate::position::Position;
use crate::prefetch::prefetch_whole;
use crate::problem::Problem;
use crate::zone::{Shape, Zone};

/// Up to so many edges of a zone, whose cache lines are at hand, answer faster than the index, whose are not.
const EDGES_AT_HAND: usize = 128;

/// Immutable; shared in an `Arc`. A zone's ordinal is its place in the file.
#[derive(Debug)]
pub struct Zones {
    zones: Vec<Zone>,
    /// Ordinals in the order of their ids.
    by_id: Vec<u32>,
    index: Index,
}

/// How to read a file of zones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ZoneOptions {
    /// The property that holds a zone's id. By default the feature's `id`, else its property `id`, else `zone_id`,
    /// else its index in the file.
    pub id_property: Option<String>,
}

/// One list of zones for each row: row `i` has `zones[offsets[i]..offsets[i + 1]]`, as in an Arrow list array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneLists {
    /// One more than rows; starts with 0.
    pub offsets: Vec<i32>,
    pub zones: Vec<u32>,
}

impl Default for ZoneLists {
    fn default() -> Self {
        ZoneLists { offsets: vec![0], zones: Vec::new() }
    }
}

impl ZoneLists {
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The zones of one row, ascending.
    #[inline]
    pub fn row(&self, row: usize) -> &[u32] {
        &self.zones[self.offsets[row] as usize..self.offsets[row + 1] as usize]
    }

    /// Keeps the memory.
    pub fn clear(&mut self) {
        self.zones.clear();
        self.offsets.clear();
        self.offsets.push(0);
    }
}

impl Zones {
    /// Reads a GeoJSON text: a FeatureCollection, or a single Feature. All problems of the text come at once: with at
    /// least one error in `Err`, otherwise the zones with the warnings. What is accepted, repaired and refused:
    /// `docs/ZONES.md`.
    pub fn from_geojson(text: &str, options: &ZoneOptions) -> Result<(Zones, Vec<Problem>), Vec<Problem>> {
        let (zones, problems) = geojson::read(text, options)?;
        Ok((Zones::new(zones), problems))
    }

    /// `zones` have been checked and have different ids.
    pub(crate) fn new(zones: Vec<Zone>) -> Zones {
        let mut by_id: Vec<u32> = (0..zones.len() as u32).collect();
        by_id.sort_unstable_by(|a, b| zones[*a as usize].id.cmp(&zones[*b as usize].id));
        let index = index::build::build(&zones);
        Zones { zones, by_id, index }
    }

    pub fn len(&self) -> usize {
        self.zones.len()
    }

    pub fn is_empty(&self) -> bool {
        self.zones.is_empty()
    }

    /// Panics when there is no such ordinal, as all methods that take one.
    pub fn id(&self, zone: u32) -> &str {
        &self.zone(zone).id
    }

    pub fn zone(&self, zone: u32) -> &Zone {
        &self.zones[zone as usize]
    }

    /// By ordinal.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Zone> {
        self.zones.iter()
    }

    pub(crate) fn all(&self) -> &[Zone] {
        &self.zones
    }

    /// The ordinal of the zone with this id. Cost: a binary search.
    pub fn find(&self, id: &str) -> Option<u32> {
        let found = self.by_id.binary_search_by(|zone| self.id(*zone).cmp(id));
        found.ok().map(|at| self.by_id[at])
    }

    /// Replaces `out` by the zones that hold `at`, ascending. The boundary counts as inside. Exact; cost: some cache
    /// lines and a few edges.
    pub fn containing(&self, at: Position, out: &mut Vec<u32>) {
        out.clear();
        self.index.containing(&self.zones, [at.lon(), at.lat()], out);
    }

    /// Replaces `out` by one list for each row of `lat` and `lon` (degrees; of one length): what
    /// [`containing`](Self::containing) gives, or nothing where the coordinates are not finite or out of range.
    pub fn containing_batch(&self, lat: &[f64], lon: &[f64], out: &mut ZoneLists) {
        out.clear();
        self.index.containing_batch(&self.zones, lat, lon, out);
    }

    /// Whether one zone holds `at`: the same answer as [`containing`](Self::containing), from the shape alone.
    pub fn contains(&self, zone: u32, at: Position) -> bool {
        self.zone(zone).shape.holds(at)
    }

    /// Metres from `at` to the zone, 0 inside it. See `docs/ZONES.md` for how edges are measured.
    pub fn outside_m(&self, zone: u32, at: Position) -> f64 {
        distance::outside_m(&self.zone(zone).shape, at)
    }

    /// Metres from `at` to the zone's border, from inside or outside; measured as `outside_m`.
    pub fn border_m(&self, zone: u32, at: Position) -> f64 {
        distance::border_m(&self.zone(zone).shape, at)
    }

    /// Whether `at`, which the zone does not hold, is farther from it than `reach_m`: `outside_m(zone, at) > reach_m`, for
    /// the price of the edges within reach.
    pub fn is_farther(&self, zone: u32, at: Position, reach_m: f64) -> bool {
        distance::is_farther(&self.zone(zone).shape, at, reach_m)
    }

    /// Asks the processor for what [`crossing`](Self::crossing) and [`is_farther`](Self::is_farther) will read of a zone
    /// for this line, which lies behind a chain of pointers: `step` 0, 1, ... up to [`BORDER_STEPS`](Self::BORDER_STEPS) - 1
    /// is one link each, and finds what the one before has brought if there was other work in between.
    #[inline]
    pub fn prefetch_border(&self, zone: u32, step: usize, from: [f64; 2], to: [f64; 2]) {
        let Some(zone) = self.zones.get(zone as usize) else { return };
        if step == 0 {
            return prefetch_whole(&zone.shape);
        }
        let Shape::Polygons(polygons) = &zone.shape else { return };
        let Some(polygon) = polygons.first() else { return };
        match step {
            1 => prefetch_whole(polygon),
            2 => polygon.shell.prefetch_runs(),
            _ => polygon.shell.prefetch_edges(&Bounds::of(&[from, to])),
        }
    }

    pub const BORDER_STEPS: usize = 4;

    /// Replaces `out` by the zones that the straight line `from` - `to` passes through, ascending, each with the
    /// fractions 0..=1 of the line at which it is first and last inside. Only zones that hold neither end; a line
    /// that touches a border in one point does not pass through. Cost: some ns for each cell of the index on the way,
    /// and a test for each zone with a border in one of these cells.
    pub fn passed(&self, from: Position, to: Position, out: &mut Vec<(u32, f64, f64)>) {
        out.clear();
        let mut near = Vec::new();
        for (a, b) in passage::lines(from, to) {
            self.index.borders_along(a, b, &mut near);
        }
        near.sort_unstable();
        near.dedup();
        for zone in near {
            let shape = &self.zone(zone).shape;
            if !shape.holds(from)
                && !shape.holds(to)
                && let Some((entry, exit)) = passage::passes(shape, from, to)
            {
                out.push((zone, entry, exit));
            }
        }
    }

    /// Whether a border of a zone that does not hold `to` may meet the straight line `from` - `to`: the quick
    /// question before [`passed`](Self::passed), never wrong when it says no. `holding` are the zones that hold `to`,
    /// `near` is memory to be used again.
    pub fn may_pass(&self, from: Position, to: Position, holding: &[u32], near: &mut Vec<u32>) -> bool {
        near.clear();
        for (a, b) in passage::lines(from, to) {
            self.index.borders_along(a, b, near);
        }
        near.retain(|zone| holding.binary_search(zone).is_err());
        near.sort_unstable();
        near.dedup();
        near.iter().any(|zone| passage::may_meet(&self.zone(*zone).shape, from, to))
    }

    /// The place at `fraction` (0..=1) of the straight line `from` - `to`, which goes the short way around the Earth.
    pub fn along(from: Position, to: Position, fraction: f64) -> Position {
        passage::along(from, to, fraction)
    }

    /// Where the straight line (in longitude and latitude) `from` - `to` crosses the zone's border, as a fraction
    /// 0..=1 of the line; never NaN.
    ///
    /// `Side::Enter`: the last inward crossing before `to`, which is inside. `Side::Exit`: the first outward crossing
    /// after `from`, which is inside. Where there is none (both ends inside, or the border touches an end within
    /// rounding) the answer is the end that is inside: 1.0 for `Enter`, 0.0 for `Exit`.
    pub fn crossing(&self, zone: u32, from: Position, to: Position, side: Side) -> f64 {
        let shape = &self.zone(zone).shape;
        if shape.vertex_count() > EDGES_AT_HAND {
            passage::crossing(shape, from, to, side, |p| self.index.holds(&self.zones, zone, p))
        } else {
            passage::crossing(shape, from, to, side, |p| shape.holds_point(p))
        }
    }

    /// Index, shapes and ids; attributes are not counted.
    pub fn memory_bytes(&self) -> usize {
        let zone = |z: &Zone| size_of::<Zone>() + z.id.capacity() + z.shape.memory_bytes();
        self.index.memory_bytes() + self.zones.iter().map(zone).sum::<usize>() + self.by_id.capacity() * 4
    }

    pub fn stats(&self) -> IndexStats {
        self.index.stats
    }
}
