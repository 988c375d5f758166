//! Where a point falls: degrees to fixed-point cell coordinates, and cells back to boxes in degrees.

use crate::bounds::Bounds;

/// Bits of cell coordinate below one top cell: the tree divides a top cell no finer than this.
pub(crate) const TOP_SHIFT: u32 = 20;
/// Each level of the tree divides a cell into `2^FAN_BITS` by `2^FAN_BITS`.
pub(crate) const FAN_BITS: u32 = 2;
pub(crate) const FAN: u32 = 1 << FAN_BITS;
/// The bits of a region, 16 by 16 top cells.
const REGION_SHIFT: u32 = TOP_SHIFT + 2 * FAN_BITS;
const BAND_ROWS: usize = 1 << (REGION_SHIFT - TOP_SHIFT);
/// Top cells along one axis, so that cell coordinates fit in 32 bits.
const TOP_SIDE_MAX: f64 = 4000.0;
/// No cell is smaller than this many degrees (0.1 m), a hundred times what rounding in leaves could blur.
const CELL_MIN_DEG: f64 = 1e-6;

/// A cell side in the units of leaf coordinates; the margin around a cell is part of its frame.
pub(crate) const CELL_UNITS: f64 = 56_000.0;
pub(crate) const MARGIN_UNITS: f64 = 4_000.0;

/// Square cells (in degrees) over everything that any zone covers.
#[derive(Debug)]
pub(crate) struct Grid {
    origin: [f64; 2],
    units_per_deg: f64,
    size: [u32; 2],
    bounds: Bounds,
    /// Cells of this shift are not divided further.
    pub shift_min: u32,
}

/// A square of `2^shift` units with its lower left corner at `at`, aligned to its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub at: [u32; 2],
    pub shift: u32,
}

/// A cell's place in degrees with a margin around it, and how to express points in leaf units.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub bounds: Bounds,
    scale: f64,
    centre: [f64; 2],
}

impl Grid {
    /// About `cells_wanted` top cells over `bounds`.
    pub fn new(bounds: Bounds, cells_wanted: usize) -> Grid {
        let [w, h] = [bounds.max[0] - bounds.min[0], bounds.max[1] - bounds.min[1]];
        let side = ((w.max(CELL_MIN_DEG) * h.max(CELL_MIN_DEG)) / cells_wanted.max(1) as f64)
            .sqrt()
            .max(w.max(h) / TOP_SIDE_MAX)
            .max(16.0 * CELL_MIN_DEG);
        let cells = |extent: f64| ((extent / side + 0.5).floor() as u32) + 1;
        let shift_for_min = (f64::from(1 << TOP_SHIFT) * CELL_MIN_DEG / side).log2().ceil().max(2.0) as u32;
        Grid {
            origin: [bounds.min[0] - side / 4.0, bounds.min[1] - side / 4.0],
            units_per_deg: f64::from(1 << TOP_SHIFT) / side,
            size: [cells(w), cells(h)],
            bounds,
            shift_min: TOP_SHIFT - (TOP_SHIFT - shift_for_min) / FAN_BITS * FAN_BITS,
        }
    }

    /// Cell coordinates with their fraction, or none where no zone reaches (and for what is no number).
    #[inline]
    pub fn place(&self, p: [f64; 2]) -> Option<[f64; 2]> {
        self.bounds.holds(p).then(|| self.units(p))
    }

    #[inline]
    pub fn units(&self, p: [f64; 2]) -> [f64; 2] {
        [(p[0] - self.origin[0]) * self.units_per_deg, (p[1] - self.origin[1]) * self.units_per_deg]
    }

    #[inline]
    pub fn top_index(&self, x: u32, y: u32) -> usize {
        (y >> TOP_SHIFT) as usize * self.size[0] as usize + (x >> TOP_SHIFT) as usize
    }

    /// Top cells east and north.
    pub fn size(&self) -> [u32; 2] {
        self.size
    }

    pub fn top_count(&self) -> usize {
        self.size[0] as usize * self.size[1] as usize
    }

    /// Top cells of a band: of a row of regions.
    pub fn band_len(&self) -> usize {
        self.size[0] as usize * BAND_ROWS
    }

    /// The place of a top cell in its band.
    pub fn index_in_band(&self, x: u32, y: u32) -> usize {
        self.top_index(x, y) % self.band_len()
    }

    /// The band at a latitude that zones have.
    pub fn band_of(&self, lat: f64) -> usize {
        let row = (self.units([0.0, lat])[1] as u32) >> TOP_SHIFT;
        row.min(self.size[1] - 1) as usize / BAND_ROWS
    }

    /// Regions that together cover a band.
    pub fn regions(&self, band: usize) -> impl Iterator<Item = Cell> + use<> {
        let y = (band as u32) << REGION_SHIFT;
        let regions = self.size[0].div_ceil(1 << (REGION_SHIFT - TOP_SHIFT));
        (0..regions).map(move |x| Cell { at: [x << REGION_SHIFT, y], shift: REGION_SHIFT })
    }

    /// Whether a part of a region lies in the grid.
    pub fn has(&self, cell: Cell) -> bool {
        cell.at[0] >> TOP_SHIFT < self.size[0] && cell.at[1] >> TOP_SHIFT < self.size[1]
    }

    pub fn frame(&self, cell: Cell) -> Frame {
        let side = f64::from(1u32 << cell.shift);
        let margin = side * (MARGIN_UNITS / CELL_UNITS);
        let at = [f64::from(cell.at[0]), f64::from(cell.at[1])];
        let degrees = |axis: usize, u: f64| self.origin[axis] + u / self.units_per_deg;
        Frame {
            bounds: Bounds {
                min: [degrees(0, at[0] - margin), degrees(1, at[1] - margin)],
                max: [degrees(0, at[0] + side + margin), degrees(1, at[1] + side + margin)],
            },
            scale: CELL_UNITS / side,
            centre: [at[0] + side * 0.5, at[1] + side * 0.5],
        }
    }

    /// The lower side, in degrees, of the frame of the cell above.
    pub fn bottom_above(&self, cell: Cell) -> f64 {
        let side = f64::from(1u32 << cell.shift);
        let margin = side * (MARGIN_UNITS / CELL_UNITS);
        self.origin[1] + (f64::from(cell.at[1]) + side - margin) / self.units_per_deg
    }

    /// Leaf coordinates of a point in degrees: the cell reaches from -28000 to 28000, its frame to 32000.
    pub fn leaf_units(&self, frame: &Frame, p: [f64; 2]) -> [f64; 2] {
        let u = self.units(p);
        [(u[0] - frame.centre[0]) * frame.scale, (u[1] - frame.centre[1]) * frame.scale]
    }

    pub fn side_deg(&self, cell: Cell) -> f64 {
        f64::from(1u32 << cell.shift) / self.units_per_deg
    }
}

impl Cell {
    /// Row by row from below, as a node stores them.
    pub fn children(self) -> impl Iterator<Item = Cell> {
        let shift = self.shift - FAN_BITS;
        (0..FAN * FAN)
            .map(move |i| Cell { at: [self.at[0] + ((i % FAN) << shift), self.at[1] + ((i / FAN) << shift)], shift })
    }
}
