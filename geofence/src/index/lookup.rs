//! From points to zones: one at a time, and in blocks whose memory accesses overlap.

use crate::index::cell::{CellState, CellWord};
use crate::index::grid::{CELL_UNITS, FAN, FAN_BITS, TOP_SHIFT};
use crate::index::leaf;
use crate::index::record::Record;
use crate::index::{Index, Node};
use crate::prefetch::{Targets, prefetch};
use crate::zone::Zone;
use crate::zones::ZoneLists;

/// Rows whose cells are fetched before the first of them is resolved.
const BLOCK_ROWS: usize = 128;

/// Leaf units a unit, by the shift of the cell.
const CELL_UNITS_OF_SHIFT: [f64; 32] = {
    let mut scales = [0.0; 32];
    let mut shift = 0;
    while shift < 32 {
        scales[shift] = CELL_UNITS / (1u64 << shift) as f64;
        shift += 1;
    }
    scales
};

/// The cell coordinates of a point, and the size of the cell that was found for it.
#[derive(Clone, Copy, Default)]
struct Place {
    units: [f64; 2],
    at: [u32; 2],
    shift: u32,
}

impl Place {
    #[inline]
    fn of(units: [f64; 2]) -> Place {
        Place { units, at: [units[0] as u32, units[1] as u32], shift: TOP_SHIFT }
    }

    /// Goes down to the part of a divided cell, and says which one that is.
    #[inline]
    fn descend(&mut self) -> usize {
        self.shift -= FAN_BITS;
        let part = |u: u32| (u >> self.shift) & (FAN - 1);
        (part(self.at[1]) << FAN_BITS | part(self.at[0])) as usize
    }

    /// The coordinates that leaves use.
    #[inline]
    fn in_leaf(&self) -> (f32, f32) {
        let side = 1u32 << self.shift;
        let scale = CELL_UNITS_OF_SHIFT[self.shift as usize];
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
        let Some((record, place)) = self.cell_at(p) else { return };
        if record.word().state() == CellState::Short {
            let found = self.short_leaf(zones, &record, &place, p);
            found.iter().for_each(|cell| leaf::push_inside(*cell, &self.sets, out));
        } else {
            self.emit(zones, record.word(), &place, p, out);
        }
    }

    /// Whether one zone holds `p`.
    pub fn holds(&self, zones: &[Zone], zone: u32, p: [f64; 2]) -> bool {
        let Some((record, place)) = self.cell_at(p) else { return false };
        match record.word().state() {
            CellState::Border(at) => {
                let words = &self.leaves.words()[at as usize * 4..];
                let (x, y) = place.in_leaf();
                leaf::holds(words, &self.sets, zone, x, y, || zones[zone as usize].shape.holds_point(p))
            }
            CellState::Short => {
                let found = self.short_leaf(zones, &record, &place, p);
                found.iter().any(|cell| leaf::inside_has(*cell, &self.sets, zone))
            }
            _ => leaf::inside_has(record.word(), &self.sets, zone),
        }
    }

    fn cell_at(&self, p: [f64; 2]) -> Option<(Record, Place)> {
        let mut place = Place::of(self.grid.place(p)?);
        let mut record = Record::of(self.top[self.grid.top_index(place.at[0], place.at[1])]);
        loop {
            record = match record.word().state() {
                CellState::Node(node) => Record::of(self.nodes[node as usize].0[place.descend()]),
                CellState::Record(at) => self.records[at as usize],
                _ => return Some((record, place)),
            }
        }
    }

    /// Appends one list a row; see [`crate::Zones::containing_batch`].
    pub fn containing_batch(&self, zones: &[Zone], lat: &[f64], lon: &[f64], out: &mut ZoneLists) {
        assert_eq!(lat.len(), lon.len(), "a row has a latitude and a longitude");
        out.offsets.reserve(lat.len());
        let fetch = Targets::new(lat)
            .with(CellWord::TAG_SET, &self.sets, 4)
            .with(CellWord::TAG_BORDER, self.leaves.words(), 16)
            .with(CellWord::TAG_NODE, &self.nodes, size_of::<Node>())
            .with(CellWord::TAG_RECORD, &self.records, size_of::<Record>());
        for (lat, lon) in lat.chunks(BLOCK_ROWS).zip(lon.chunks(BLOCK_ROWS)) {
            self.block(&fetch, zones, lat, lon, out);
        }
    }

    fn block(&self, fetch: &Targets, zones: &[Zone], lat: &[f64], lon: &[f64], out: &mut ZoneLists) {
        let mut places = [Place::default(); BLOCK_ROWS];
        let mut cells = [CellWord::OUTSIDE; BLOCK_ROWS];
        let mut seconds = [CellWord::OUTSIDE; BLOCK_ROWS];
        self.find_cells(fetch, lat, lon, &mut places, &mut cells);
        let mut short = Rows::default();
        for (row, cell) in cells[..lat.len()].iter().enumerate() {
            short.push_if(row, cell.tag() == CellWord::TAG_RECORD);
        }
        for row in short.iter() {
            let record = &self.records[cells[row].payload() as usize];
            [cells[row], seconds[row]] = self.short_leaf(zones, record, &places[row], [lon[row], lat[row]]);
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
        while divided.count > 0 {
            let mut below = Rows::default();
            for row in divided.iter() {
                let cell = self.nodes[cells[row].payload() as usize].0[places[row].descend()];
                cells[row] = cell;
                fetch.prefetch(cell.tag(), cell.payload());
                below.push_if(row, cell.tag() == CellWord::TAG_NODE);
            }
            divided = below;
        }
    }

    #[inline(always)]
    fn short_leaf(&self, zones: &[Zone], record: &Record, place: &Place, p: [f64; 2]) -> [CellWord; 2] {
        let (x, y) = place.in_leaf();
        record.resolve(x, y, |zone| zones[zone as usize].shape.holds_point(p))
    }

    /// Appends the zones whose borders run through a leaf.
    pub(super) fn leaf_zones(&self, leaf: u32, out: &mut Vec<u32>) {
        leaf::push_zones(&self.leaves.words()[leaf as usize * 4..], out);
    }

    #[inline]
    fn emit(&self, zones: &[Zone], cell: CellWord, place: &Place, p: [f64; 2], out: &mut Vec<u32>) {
        match cell.state() {
            CellState::Border(at) => {
                let words = &self.leaves.words()[at as usize * 4..];
                let (x, y) = place.in_leaf();
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
