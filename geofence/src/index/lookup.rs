//! From points to zones: one at a time, and in blocks whose memory accesses overlap.

use crate::index::Index;
use crate::index::cell::{CellState, CellWord};
use crate::index::encode::LINE_WORDS;
use crate::index::grid::{CELL_UNITS, FAN, FAN_BITS, TOP_SHIFT};
use crate::index::leaf;
use crate::index::prefetch::prefetch;
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
        let Some(units) = self.grid.place(p) else { return };
        let place = Place::of(units);
        let mut cell = self.top[self.grid.top_index(place.at[0], place.at[1])];
        let mut shift = TOP_SHIFT;
        while let CellState::Node(node) = cell.state() {
            shift -= FAN_BITS;
            cell = self.nodes[node as usize].0[place.child(shift)];
        }
        self.emit(zones, cell, &place, p, out);
    }

    /// Appends one list a row; see [`crate::Zones::containing_batch`].
    pub fn containing_batch(&self, zones: &[Zone], lat: &[f64], lon: &[f64], out: &mut ZoneLists) {
        assert_eq!(lat.len(), lon.len(), "a row has a latitude and a longitude");
        out.offsets.reserve(lat.len());
        for (lat, lon) in lat.chunks(BLOCK_ROWS).zip(lon.chunks(BLOCK_ROWS)) {
            self.block(zones, lat, lon, out);
        }
    }

    fn block(&self, zones: &[Zone], lat: &[f64], lon: &[f64], out: &mut ZoneLists) {
        let mut places = [Place::default(); BLOCK_ROWS];
        let mut cells = [CellWord::OUTSIDE; BLOCK_ROWS];
        // Rows whose cell is still to be read from the top grid or a node.
        let mut open = [0u8; BLOCK_ROWS];
        let mut opened = 0;
        for (row, (lat, lon)) in lat.iter().zip(lon).enumerate() {
            if let Some(units) = self.grid.place([*lon, *lat]) {
                let place = Place::of(units);
                prefetch(&self.top, self.grid.top_index(place.at[0], place.at[1]));
                places[row] = place;
                open[opened] = row as u8;
                opened += 1;
            }
        }
        let mut divided = 0;
        for i in 0..opened {
            let row = open[i] as usize;
            let place = &places[row];
            let cell = self.top[self.grid.top_index(place.at[0], place.at[1])];
            cells[row] = cell;
            self.prefetch_cell(cell);
            open[divided] = row as u8;
            divided += usize::from(cell.tag() == CellWord::TAG_NODE);
        }
        let mut shift = TOP_SHIFT;
        while divided > 0 {
            shift -= FAN_BITS;
            let nodes = divided;
            divided = 0;
            for i in 0..nodes {
                let row = open[i] as usize;
                let cell = self.nodes[cells[row].payload() as usize].0[places[row].child(shift)];
                cells[row] = cell;
                self.prefetch_cell(cell);
                open[divided] = row as u8;
                divided += usize::from(cell.tag() == CellWord::TAG_NODE);
            }
        }
        for (row, (lat, lon)) in lat.iter().zip(lon).enumerate() {
            self.emit(zones, cells[row], &places[row], [*lon, *lat], &mut out.zones);
            out.offsets.push(i32::try_from(out.zones.len()).expect("a batch has fewer than 2^31 hits"));
        }
    }

    #[inline]
    fn prefetch_cell(&self, cell: CellWord) {
        let at = cell.payload() as usize;
        match cell.tag() {
            CellWord::TAG_BORDER => prefetch(self.leaves.words(), at * 4),
            CellWord::TAG_BORDER_LONG => {
                prefetch(self.leaves.words(), at * 4);
                prefetch(self.leaves.words(), at * 4 + LINE_WORDS);
            }
            CellWord::TAG_NODE => prefetch(&self.nodes, at),
            CellWord::TAG_SET => prefetch(&self.sets, at),
            _ => {}
        }
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
