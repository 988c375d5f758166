//! From a straight line to the zones whose borders run near it.

use crate::index::Index;
use crate::index::cell::{CellState, CellWord};
use crate::index::grid::{FAN, FAN_BITS, TOP_SHIFT};

/// A box of cell coordinates.
#[derive(Clone, Copy)]
struct Square {
    at: [f64; 2],
    side: f64,
}

impl Square {
    /// False only when the line surely misses the square.
    fn may_touch(&self, line: &Line) -> bool {
        let half = self.side * 0.5;
        let centre = [self.at[0] + half - line.from[0], self.at[1] + half - line.from[1]];
        let beside = |axis: usize| {
            let (low, high) = (line.step[axis].min(0.0), line.step[axis].max(0.0));
            centre[axis] + half < low || centre[axis] - half > high
        };
        let cross = line.step[0] * centre[1] - line.step[1] * centre[0];
        let reach = (line.step[0].abs() + line.step[1].abs()) * half;
        !beside(0) && !beside(1) && cross.abs() <= reach * (1.0 + 1e-9)
    }
}

#[derive(Clone, Copy)]
struct Line {
    from: [f64; 2],
    step: [f64; 2],
}

/// Beyond the edge of a cell, in cell units, so that a line along it looks at both sides.
const MARGIN: f64 = 1.0;

impl Index {
    /// Appends every zone with a border in a cell that the line from `a` to `b` runs through; in no order, with
    /// repeats. Cost: some ns for each cell on the way.
    pub fn borders_along(&self, a: [f64; 2], b: [f64; 2], out: &mut Vec<u32>) {
        let (from, to) = (self.grid.units(a), self.grid.units(b));
        let line = Line { from, step: [to[0] - from[0], to[1] - from[1]] };
        let side = f64::from(1u32 << TOP_SHIFT);
        let [nx, ny] = self.grid.size().map(f64::from);
        let cell = |u: f64, cells: f64| (u / side).floor().clamp(0.0, cells - 1.0);
        let of_axis = |axis: usize, cells: f64| {
            let (low, high) = (from[axis].min(to[axis]) - MARGIN, from[axis].max(to[axis]) + MARGIN);
            (high >= 0.0 && low < cells * side).then(|| (cell(low, cells), cell(high, cells)))
        };
        let (Some((west, east)), Some((south, north))) = (of_axis(0, nx), of_axis(1, ny)) else { return };
        let mut y = south;
        while y <= north {
            // Only the columns that the line is in while it is in this row.
            let (first, last) = line.columns(y * side - MARGIN, (y + 1.0) * side + MARGIN, side);
            let mut x = first.max(west);
            while x <= last.min(east) {
                let word = self.top[y as usize * nx as usize + x as usize];
                self.borders_in(word, Square { at: [x * side, y * side], side }, &line, out);
                x += 1.0;
            }
            y += 1.0;
        }
    }

    fn borders_in(&self, word: CellWord, square: Square, line: &Line, out: &mut Vec<u32>) {
        match word.state() {
            CellState::Node(node) => {
                let side = square.side / f64::from(FAN);
                for (part, word) in self.nodes[node as usize].0.iter().enumerate() {
                    if word.tag() < CellWord::TAG_BORDER {
                        continue;
                    }
                    let at = [(part as u32 & (FAN - 1)), (part as u32 >> FAN_BITS)];
                    let at = [square.at[0] + f64::from(at[0]) * side, square.at[1] + f64::from(at[1]) * side];
                    let square = Square { at: [at[0] - MARGIN, at[1] - MARGIN], side: side + 2.0 * MARGIN };
                    if square.may_touch(line) {
                        self.borders_in(*word, Square { at, side }, line, out);
                    }
                }
            }
            CellState::Border(at) => self.leaf_zones(at, out),
            CellState::Record(at) => self.records[at as usize].push_zones(out),
            _ => {}
        }
    }
}

impl Line {
    /// The columns of top cells between two heights.
    fn columns(&self, south: f64, north: f64, side: f64) -> (f64, f64) {
        let column = |t: f64| ((self.from[0] + self.step[0] * t) / side, t);
        let at = |height: f64| ((height - self.from[1]) / self.step[1]).clamp(0.0, 1.0);
        let (one, other) = if self.step[1] == 0.0 { (0.0, 1.0) } else { (at(south), at(north)) };
        let ((a, _), (b, _)) = (column(one), column(other));
        let margin = MARGIN / side;
        ((a.min(b) - margin).floor(), (a.max(b) + margin).floor())
    }
}
