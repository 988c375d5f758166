//! A closed ring of vertices with boxes over runs of its edges, and the exact question "on which side".
//!
//! Every predicate here is exact on the given doubles: comparisons, and `robust::orient2d` for sides of an edge.

use std::ops::Range;

use robust::{Coord, orient2d};

use crate::bounds::Bounds;
use crate::prefetch::prefetch_all;
use crate::runs::{FAN_OUT, Runs};

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
    bounds: Bounds,
    /// Boxes of runs of `FAN_OUT` edges.
    runs: Runs,
    /// Known to touch itself nowhere: then each edge has the inside on one side and the outside on the other.
    is_simple: bool,
}

impl Ring {
    /// `vertices`: `[longitude, latitude]` in degrees, closed, at least two.
    pub(crate) fn new(vertices: Vec<[f64; 2]>) -> Ring {
        debug_assert!(vertices.len() >= 2 && vertices.first() == vertices.last());
        let edges = vertices.len() - 1;
        let run = |start: usize| Bounds::of(&vertices[start..=(start + FAN_OUT).min(edges)]);
        let runs: Vec<Bounds> = (0..edges).step_by(FAN_OUT).map(run).collect();
        let bounds = runs.iter().fold(Bounds::EMPTY, |all, b| all.joined(b));
        Ring { vertices, bounds, runs: Runs::new(runs), is_simple: false }
    }

    pub(crate) fn simple(self, is_simple: bool) -> Ring {
        Ring { is_simple, ..self }
    }

    pub(crate) fn is_simple(&self) -> bool {
        self.is_simple
    }

    /// Asks for the boxes of its runs.
    pub(crate) fn prefetch_runs(&self) {
        self.runs.prefetch();
    }

    /// Asks for the edges of runs that meet the window, where their boxes are few.
    pub(crate) fn prefetch_edges(&self, window: &Bounds) {
        if self.edge_count() <= FAN_OUT * FAN_OUT {
            self.runs_meeting(window, |run| prefetch_all(&self.vertices[run.start..=run.end]));
        }
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
        &self.bounds
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.vertices.capacity() * 16 + self.runs.memory_bytes()
    }

    /// Calls `on` for every edge of every run whose box meets `window`, and for no edge of the others, a run at a time.
    #[inline]
    pub(crate) fn runs_meeting(&self, window: &Bounds, on: impl FnMut(Range<usize>)) {
        self.runs_where(window, |_| true, on);
    }

    /// As [`runs_meeting`](Self::runs_meeting), without runs in a box that is not to `keep`.
    #[inline]
    pub(crate) fn runs_where(&self, window: &Bounds, keep: impl Fn(&Bounds) -> bool, mut on: impl FnMut(Range<usize>)) {
        if self.bounds.meets(window) {
            let edges = |run: usize| run * FAN_OUT..((run + 1) * FAN_OUT).min(self.edge_count());
            self.runs.meeting(window, keep, |run| on(edges(run)));
        }
    }

    /// Calls `on` for those edges of a run whose own box meets `window`.
    #[inline]
    pub(crate) fn edges_meeting(&self, run: Range<usize>, window: &Bounds, mut on: impl FnMut([f64; 2], [f64; 2])) {
        let vertices = &self.vertices[run.start..=run.end];
        // An edge lies beside the window where both its ends do, on the same side: a bit a side, without branches.
        let mut meets = 0u32;
        let mut before = sides(&vertices[0], window);
        for (n, vertex) in vertices[1..].iter().enumerate() {
            let sides = sides(vertex, window);
            meets |= u32::from(before & sides == 0) << n;
            before = sides;
        }
        while meets != 0 {
            let n = meets.trailing_zeros() as usize;
            meets &= meets - 1;
            on(vertices[n], vertices[n + 1]);
        }
    }

    /// The winding number around a point infinitely little right of and above `p` (above by infinitely less than
    /// right), so that it is defined on the boundary too.
    pub(crate) fn winding(&self, p: [f64; 2]) -> i32 {
        let mut winding = 0;
        self.runs_meeting(&right_of(p), |run| {
            winding += run.map(|edge| self.passes_right(edge, p)).sum::<i32>();
        });
        winding
    }

    /// By how much the winding number grows on the way from `from` to `to`, level with it: `edges` are (at least) all
    /// edges that touch the line between them.
    pub(crate) fn level_turns(&self, edges: &[u32], from: [f64; 2], to: [f64; 2]) -> i32 {
        edges.iter().map(|edge| self.passes_right(*edge as usize, to) - self.passes_right(*edge as usize, from)).sum()
    }

    /// The same for a place `to` above `from`.
    pub(crate) fn upright_turns(&self, edges: &[u32], from: [f64; 2], to: [f64; 2]) -> i32 {
        let turn = |edge: &u32| {
            let (a, b) = self.edge(*edge as usize);
            let crosses = (a[0] <= to[0]) != (b[0] <= to[0]);
            // Upwards over an edge that runs east: from its right side to its left.
            let upright = crosses && passes_above(a, b, from) && !passes_above(a, b, to);
            if upright { if b[0] > a[0] { 1 } else { -1 } } else { 0 }
        };
        edges.iter().map(turn).sum()
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
        let right = right_of(p);
        self.runs_meeting(&right, |run| {
            for edge in run {
                let (a, b) = self.edge(edge);
                if right.is_beside(a, b) {
                    continue;
                }
                let side = orientation(a, b, p);
                if side == 0.0 {
                    boundary |= a[0].min(b[0]) <= p[0] && p[0] <= a[0].max(b[0]);
                } else if a[1] <= p[1] && p[1] < b[1] && side > 0.0 {
                    winding += 1;
                } else if b[1] <= p[1] && p[1] < a[1] && side < 0.0 {
                    winding -= 1;
                }
            }
        });
        match (boundary, winding) {
            (true, _) => Side::Boundary,
            (false, 0) => Side::Outside,
            (false, _) => Side::Inside,
        }
    }
}

/// Which sides of a box a point lies beyond, a bit each (the outcode of Cohen and Sutherland).
#[inline(always)]
fn sides(p: &[f64; 2], bounds: &Bounds) -> u32 {
    u32::from(p[0] < bounds.min[0])
        | u32::from(p[0] > bounds.max[0]) << 1
        | u32::from(p[1] < bounds.min[1]) << 2
        | u32::from(p[1] > bounds.max[1]) << 3
}

/// The level line from `p` to the right.
fn right_of(p: [f64; 2]) -> Bounds {
    Bounds { min: p, max: [f64::INFINITY, p[1]] }
}

/// Positive when `p` lies left of the line from `a` to `b`, negative right of it, zero exactly on it.
#[inline]
pub(crate) fn orientation(a: [f64; 2], b: [f64; 2], p: [f64; 2]) -> f64 {
    let coord = |v: [f64; 2]| Coord { x: v[0], y: v[1] };
    orient2d(coord(a), coord(b), coord(p))
}

/// Whether two orientations are of the same side of a line, and neither is on it.
#[inline]
pub(crate) fn same_side(p: f64, q: f64) -> bool {
    (p > 0.0 && q > 0.0) || (p < 0.0 && q < 0.0)
}

/// Whether two edges whose boxes meet touch or cross.
#[inline]
pub(crate) fn edges_meet((a, b): ([f64; 2], [f64; 2]), (c, d): ([f64; 2], [f64; 2])) -> bool {
    !same_side(orientation(c, d, a), orientation(c, d, b)) && !same_side(orientation(a, b, c), orientation(a, b, d))
}

/// Whether an edge that passes from one side of the longitude of `p` to the other does so above `p`, where `p` stands
/// for the point that `Ring::winding` takes.
pub(crate) fn passes_above(a: [f64; 2], b: [f64; 2], p: [f64; 2]) -> bool {
    let (west, east) = if a[0] < b[0] { (a, b) } else { (b, a) };
    let side = orientation(west, east, p);
    // Right of (below) an edge that runs east means that the edge is above.
    side < 0.0 || (side == 0.0 && east[1] > west[1])
}
