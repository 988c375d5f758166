//! Which parts of a cell an edge touches, for all its parts at once.

use crate::bounds::Bounds;
use crate::index::grid::{Cell, FAN, Grid};

const SIDE: usize = FAN as usize;

/// The frames of a cell's parts, by column and by row.
pub(crate) struct Parts {
    /// West and east sides.
    columns: [[f64; 2]; SIDE],
    /// South and north sides.
    rows: [[f64; 2]; SIDE],
}

impl Parts {
    pub fn of(grid: &Grid, cell: Cell) -> Parts {
        let mut parts = Parts { columns: [[0.0; 2]; SIDE], rows: [[0.0; 2]; SIDE] };
        // The parts on the diagonal have every column and every row.
        for (at, part) in cell.children().step_by(SIDE + 1).enumerate() {
            let Bounds { min, max } = grid.frame(part).bounds;
            (parts.columns[at], parts.rows[at]) = ([min[0], max[0]], [min[1], max[1]]);
        }
        parts
    }

    /// A bit for each part that the edge from `a` to `b` may touch, as `Bounds::may_touch` has it: few pass the boxes.
    pub fn touched(&self, a: [f64; 2], b: [f64; 2]) -> u16 {
        let columns = met(&self.columns, a[0].min(b[0]), a[0].max(b[0]));
        let rows = met(&self.rows, a[1].min(b[1]), a[1].max(b[1]));
        let mut touched = 0;
        for row in 0..SIDE {
            touched |= (columns * (rows >> row & 1)) << (row * SIDE);
        }
        let mut left = touched;
        while left != 0 {
            let part = left.trailing_zeros() as usize;
            left &= left - 1;
            let ([west, east], [south, north]) = (self.columns[part % SIDE], self.rows[part / SIDE]);
            let bounds = Bounds { min: [west, south], max: [east, north] };
            touched &= !(u16::from(!bounds.may_touch(a, b)) << part);
        }
        touched
    }
}

/// A bit for each stretch that meets the one from `low` to `high`.
#[inline]
fn met(stretches: &[[f64; 2]; SIDE], low: f64, high: f64) -> u16 {
    let mut met = 0;
    for (at, [from, to]) in stretches.iter().enumerate() {
        met |= u16::from((low <= *to) & (high >= *from)) << at;
    }
    met
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_edge_touches_the_parts_whose_frames_it_may_touch(
            a in (-0.2..1.2, -0.2..1.2), b in (-0.2..1.2, -0.2..1.2), cells in 16usize..5000,
        ) {
            let grid = Grid::new(Bounds { min: [0.0; 2], max: [1.0; 2] }, cells);
            let cell = grid.regions(0).next().expect("a region");
            let (a, b) = ([a.0, a.1], [b.0, b.1]);
            let touched = Parts::of(&grid, cell).touched(a, b);
            for (number, part) in cell.children().enumerate() {
                let bounds = grid.frame(part).bounds;
                prop_assert_eq!(touched >> number & 1 == 1, bounds.may_touch(a, b), "part {}", number);
            }
        }
    }
}
