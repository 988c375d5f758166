//! From points to zones: one at a time, and in blocks whose memory accesses overlap.

use crate::index::cell::{CellState, CellWord};
use crate::index::grid::{CELL_UNITS, FAN, FAN_BITS, TOP_SHIFT};
use crate::index::leaf;
use crate::index::leaf::SHORT_WORDS;
use crate::index::prefetch::{Targets, prefetch};
use crate::index::{Index, Node};
use crate::zone::Zone;
use crate::zones::ZoneLists;

/// Rows whose cells are fetched before the first of them is resolved.
const BLOCK_ROWS: usize = 128;

/// The cell coordinates of a point.
#[derive(Clone, Copy, Default)]
struct Place {
    units: [f64; 2],
    at: [u32; 2],
}

impl Place {
    #[inline]
    fn of(units: [f64; 2]) -> Place {
        Place { units, at: [units[0] as u32, units[1] as u32] }
    }

    /// Which part of a node of cells with `2^shift` units to a side.
    #[inline]
    fn child(&self, shift: u32) -> usize {
        let part = |u: u32| (u >> shift) & (FAN - 1);
        (part(self.at[1]) << FAN_BITS | part(self.at[0])) as usize
    }

    /// The coordinates that leaves use.
    #[inline]
    fn in_leaf(&self, shift: u32) -> (f32, f32) {
        let side = 1u32 << shift;
        let scale = CELL_UNITS / f64::from(side);
        let local = |axis: usize| {
            let corner = f64::from(self.at[axis] & !(side - 1));
            ((self.units[axis] - corner) * scale - CELL_UNITS * 0.5) as f32
        };
        (local(0), local(1))
    }
}

impl Index {
    /// Appends the zones that hold `p` (`[longitude, latitude]`), ascending.
    pub fn containing(&self, zones: &[Zone], p: [f64; 2], out: &mut Vec<u32>) {
        if let Some((cell, place)) = self.cell_at(p) {
            self.emit(zones, cell, &place, p, out);
        }
    }

    /// Whether one zone holds `p`.
    pub fn holds(&self, zones: &[Zone], zone: u32, p: [f64; 2]) -> bool {
        let Some((cell, place)) = self.cell_at(p) else { return false };
        match cell.state() {
            CellState::Border(at) => {
                let words = &self.leaves.words()[at as usize * 4..];
                let (x, y) = place.in_leaf(words[0] & 31);
                leaf::holds(words, &self.sets, zone, x, y, || zones[zone as usize].shape.holds_point(p))
            }
            _ => leaf::inside_has(cell, &self.sets, zone),
        }
    }

    fn cell_at(&self, p: [f64; 2]) -> Option<(CellWord, Place)> {
        let place = Place::of(self.grid.place(p)?);
        let mut cell = self.top[self.grid.top_index(place.at[0], place.at[1])];
        let mut shift = TOP_SHIFT;
        while let CellState::Node(node) = cell.state() {
            shift -= FAN_BITS;
            cell = self.nodes[node as usize].0[place.child(shift)];
        }
        Some((cell, place))
    }

    /// Appends one list a row; see [`crate::Zones::containing_batch`].
    pub fn containing_batch(&self, zones: &[Zone], lat: &[f64], lon: &[f64], out: &mut ZoneLists) {
        assert_eq!(lat.len(), lon.len(), "a row has a latitude and a longitude");
        out.offsets.reserve(lat.len());
        let fetch = Targets::new(lat)
            .with(CellWord::TAG_SET, &self.sets, 4)
            .with(CellWord::TAG_BORDER, self.leaves.words(), 16)
            .with(CellWord::TAG_BORDER_SHORT, self.leaves.words(), 16)
            .with(CellWord::TAG_NODE, &self.nodes, size_of::<Node>());
        for (lat, lon) in lat.chunks(BLOCK_ROWS).zip(lon.chunks(BLOCK_ROWS)) {
            self.block(&fetch, zones, lat, lon, out);
        }
    }

    fn block(&self, fetch: &Targets, zones: &[Zone], lat: &[f64], lon: &[f64], out: &mut ZoneLists) {
        let mut places = [Place::default(); BLOCK_ROWS];
        let mut cells = [CellWord::OUTSIDE; BLOCK_ROWS];
        self.find_cells(fetch, lat, lon, &mut places, &mut cells);
        let mut seconds = [CellWord::OUTSIDE; BLOCK_ROWS];
        let mut short = Rows::default();
        for (row, cell) in cells[..lat.len()].iter().enumerate() {
            short.push_if(row, cell.tag() == CellWord::TAG_BORDER_SHORT);
        }
        for row in short.iter() {
            [cells[row], seconds[row]] = self.short_leaf(zones, cells[row], &places[row], [lon[row], lat[row]]);
        }
        // Most rows have at most two zones: written without asking how many.
        let mut found = [0u32; 2 * BLOCK_ROWS + 1];
        let mut count = 0;
        for row in 0..lat.len() {
            let (first, second) = (cells[row], seconds[row]);
            if first.tag() <= CellWord::TAG_ONE {
                found[count] = first.payload();
                count += first.tag() as usize;
                found[count] = second.payload();
                count += second.tag() as usize;
            } else {
                out.zones.extend_from_slice(&found[..count]);
                count = 0;
                self.emit(zones, first, &places[row], [lon[row], lat[row]], &mut out.zones);
            }
            out.offsets.push((out.zones.len() + count) as i32);
        }
        out.zones.extend_from_slice(&found[..count]);
        assert!(i32::try_from(out.zones.len()).is_ok(), "a batch has fewer than 2^31 hits");
    }

    /// Walks all rows down the tree level by level; each level's lines are fetched while other rows are looked at.
    #[inline(always)]
    fn find_cells(
        &self,
        fetch: &Targets,
        lat: &[f64],
        lon: &[f64],
        places: &mut [Place; BLOCK_ROWS],
        cells: &mut [CellWord; BLOCK_ROWS],
    ) {
        let mut open = Rows::default();
        for (row, (lat, lon)) in lat.iter().zip(lon).enumerate() {
            if let Some(units) = self.grid.place([*lon, *lat]) {
                let place = Place::of(units);
                prefetch(&self.top, self.grid.top_index(place.at[0], place.at[1]));
                places[row] = place;
                open.push_if(row, true);
            }
        }
        let mut divided = Rows::default();
        for row in open.iter() {
            let place = &places[row];
            let cell = self.top[self.grid.top_index(place.at[0], place.at[1])];
            cells[row] = cell;
            fetch.prefetch(cell.tag(), cell.payload());
            divided.push_if(row, cell.tag() == CellWord::TAG_NODE);
        }
        let mut shift = TOP_SHIFT;
        while divided.count > 0 {
            shift -= FAN_BITS;
            let mut below = Rows::default();
            for row in divided.iter() {
                let cell = self.nodes[cells[row].payload() as usize].0[places[row].child(shift)];
                cells[row] = cell;
                fetch.prefetch(cell.tag(), cell.payload());
                below.push_if(row, cell.tag() == CellWord::TAG_NODE);
            }
            divided = below;
        }
    }

    #[inline(always)]
    fn short_leaf(&self, zones: &[Zone], cell: CellWord, place: &Place, p: [f64; 2]) -> [CellWord; 2] {
        let at = cell.payload() as usize * 4;
        let words = self.leaves.words()[at..].first_chunk::<SHORT_WORDS>().expect("a short leaf is whole");
        let (x, y) = place.in_leaf(words[0] & 31);
        leaf::resolve_short(words, x, y, |zone| zones[zone as usize].shape.holds_point(p))
    }

    #[inline]
    fn emit(&self, zones: &[Zone], cell: CellWord, place: &Place, p: [f64; 2], out: &mut Vec<u32>) {
        match cell.state() {
            CellState::Border(at) => {
                let words = &self.leaves.words()[at as usize * 4..];
                let (x, y) = place.in_leaf(words[0] & 31);
                let exact = |zone: u32| zones[zone as usize].shape.holds_point(p);
                leaf::resolve(words, &self.sets, x, y, exact, out);
            }
            _ => leaf::push_inside(cell, &self.sets, out),
        }
    }
}

/// Some rows of a block, ascending; filled without branches.
struct Rows {
    rows: [u8; BLOCK_ROWS + 1],
    count: usize,
}

impl Default for Rows {
    fn default() -> Self {
        Rows { rows: [0; BLOCK_ROWS + 1], count: 0 }
    }
}

impl Rows {
    #[inline(always)]
    fn push_if(&mut self, row: usize, keep: bool) {
        self.rows[self.count] = row as u8;
        self.count += usize::from(keep);
    }

    #[inline(always)]
    fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.rows[..self.count].iter().map(|row| *row as usize % BLOCK_ROWS)
    }
}
