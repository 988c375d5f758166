//! A closed ring of vertices with a tree of boxes over runs of its edges, and the exact question "on which side".
//!
//! Every predicate here is exact on the given doubles: comparisons, and `robust::orient2d` for sides of an edge.

use robust::{Coord, orient2d};

use crate::bounds::Bounds;

/// Edges (or boxes) under one box of the tree.
const FAN_OUT: usize = 16;

/// Where a point lies in relation to one ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Outside,
    Boundary,
    Inside,
}

/// A closed ring: at least four positions, the last equal to the first. Edges are straight in longitude and latitude.
///
/// A point is inside where the winding number is not zero, so a ring that crosses itself encloses every part it goes
/// around, in either direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Ring {
    vertices: Vec<[f64; 2]>,
    /// Boxes of runs of `FAN_OUT` edges, then of runs of those, up to one box.
    boxes: Vec<Bounds>,
    levels: Vec<usize>,
}

impl Ring {
    /// `vertices`: `[longitude, latitude]` in degrees, closed, at least two.
    pub(crate) fn new(vertices: Vec<[f64; 2]>) -> Ring {
        debug_assert!(vertices.len() >= 2 && vertices.first() == vertices.last());
        let edges = vertices.len() - 1;
        let mut boxes: Vec<Bounds> =
            (0..edges).step_by(FAN_OUT).map(|i| Bounds::of(&vertices[i..=(i + FAN_OUT).min(edges)])).collect();
        let mut levels = vec![0];
        let mut start = 0;
        while boxes.len() - start > 1 {
            let end = boxes.len();
            for i in (start..end).step_by(FAN_OUT) {
                let mut joined = Bounds::EMPTY;
                boxes[i..(i + FAN_OUT).min(end)].iter().for_each(|b| joined.join(b));
                boxes.push(joined);
            }
            start = end;
            levels.push(start);
        }
        boxes.shrink_to_fit();
        Ring { vertices, boxes, levels }
    }

    /// `[longitude, latitude]` in degrees; the last equals the first.
    pub fn vertices(&self) -> &[[f64; 2]] {
        &self.vertices
    }

    pub(crate) fn edge_count(&self) -> usize {
        self.vertices.len() - 1
    }

    #[inline]
    pub(crate) fn edge(&self, edge: usize) -> ([f64; 2], [f64; 2]) {
        (self.vertices[edge], self.vertices[edge + 1])
    }

    pub(crate) fn bounds(&self) -> &Bounds {
        &self.boxes[self.boxes.len() - 1]
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.vertices.capacity() * 16 + self.boxes.capacity() * size_of::<Bounds>() + self.levels.capacity() * 8
    }

    /// Calls `on` for every edge in a box that `keep` keeps. Cost: about `FAN_OUT` steps a level a kept run.
    #[inline]
    pub(crate) fn edges_where(&self, keep: impl Fn(&Bounds) -> bool, mut on: impl FnMut(usize)) {
        self.descend(self.levels.len() - 1, 0, &keep, &mut on);
    }

    fn descend(&self, level: usize, at: usize, keep: &impl Fn(&Bounds) -> bool, on: &mut impl FnMut(usize)) {
        if !keep(&self.boxes[self.levels[level] + at]) {
            return;
        }
        let children = at * FAN_OUT..(at + 1) * FAN_OUT;
        if level == 0 {
            (children.start..children.end.min(self.edge_count())).for_each(on);
        } else {
            let below = self.levels[level] - self.levels[level - 1];
            (children.start..children.end.min(below)).for_each(|child| self.descend(level - 1, child, keep, on));
        }
    }

    /// The winding number around a point infinitely little right of and above `p` (above by infinitely less than
    /// right), so that it is defined on the boundary too.
    pub(crate) fn winding(&self, p: [f64; 2]) -> i32 {
        let mut winding = 0;
        self.edges_where(
            |b| b.min[1] <= p[1] && p[1] <= b.max[1] && p[0] <= b.max[0],
            |edge| winding += self.passes_right(edge, p),
        );
        winding
    }

    /// The winding number around `p` from that around `corner`, which lies below and right of it: `edges` are (at
    /// least) all edges that touch the upright from the corner and the level line from there to `p`.
    pub(crate) fn winding_from(&self, corner: [f64; 2], winding: i32, edges: &[u32], p: [f64; 2]) -> i32 {
        let turn = [corner[0], p[1]];
        let step = |edge: &u32| {
            let (a, b) = self.edge(*edge as usize);
            let level = self.passes_right(*edge as usize, p) - self.passes_right(*edge as usize, turn);
            let crosses = (a[0] <= turn[0]) != (b[0] <= turn[0]);
            // Upwards over an edge that runs east: from its right side to its left.
            let upright = crosses && passes_above(a, b, corner) && !passes_above(a, b, turn);
            level + if upright { if b[0] > a[0] { 1 } else { -1 } } else { 0 }
        };
        winding + edges.iter().map(step).sum::<i32>()
    }

    /// What an edge adds to the winding number: 1 when it passes right of `p` upwards, -1 downwards.
    #[inline]
    fn passes_right(&self, edge: usize, p: [f64; 2]) -> i32 {
        let (a, b) = self.edge(edge);
        if a[1] <= p[1] {
            i32::from(b[1] > p[1] && orientation(a, b, p) > 0.0)
        } else {
            -i32::from(b[1] <= p[1] && orientation(a, b, p) < 0.0)
        }
    }

    /// Exact. Cost: the edges whose run of 16 spans the latitude of `p` to its right.
    pub(crate) fn locate(&self, p: [f64; 2]) -> Side {
        if !self.bounds().holds(p) {
            return Side::Outside;
        }
        let mut winding = 0;
        let mut boundary = false;
        self.edges_where(
            |b| b.min[1] <= p[1] && p[1] <= b.max[1] && p[0] <= b.max[0],
            |i| {
                let (a, b) = self.edge(i);
                let (low, high) = (a[1].min(b[1]), a[1].max(b[1]));
                if p[1] < low || p[1] > high {
                    return;
                }
                let side = orientation(a, b, p);
                if side == 0.0 {
                    boundary |= a[0].min(b[0]) <= p[0] && p[0] <= a[0].max(b[0]);
                } else if a[1] <= p[1] && p[1] < b[1] && side > 0.0 {
                    winding += 1;
                } else if b[1] <= p[1] && p[1] < a[1] && side < 0.0 {
                    winding -= 1;
                }
            },
        );
        match (boundary, winding) {
            (true, _) => Side::Boundary,
            (false, 0) => Side::Outside,
            (false, _) => Side::Inside,
        }
    }
}

/// Positive when `p` lies left of the line from `a` to `b`, negative right of it, zero exactly on it.
#[inline]
pub(crate) fn orientation(a: [f64; 2], b: [f64; 2], p: [f64; 2]) -> f64 {
    let coord = |v: [f64; 2]| Coord { x: v[0], y: v[1] };
    orient2d(coord(a), coord(b), coord(p))
}

/// Whether an edge that passes from one side of the longitude of `p` to the other does so above `p`, where `p` stands
/// for the point that `Ring::winding` takes.
pub(crate) fn passes_above(a: [f64; 2], b: [f64; 2], p: [f64; 2]) -> bool {
    let (west, east) = if a[0] < b[0] { (a, b) } else { (b, a) };
    let side = orientation(west, east, p);
    // Right of (below) an edge that runs east means that the edge is above.
    side < 0.0 || (side == 0.0 && east[1] > west[1])
}
