//! How far a place is from a zone, for borders with a margin.

use crate::bounds::Bounds;
use crate::circle::EARTH_RADIUS_M;
use crate::position::Position;
use crate::ring::Ring;
use crate::zone::{Polygon, Shape};

const METRES_PER_DEGREE: f64 = EARTH_RADIUS_M * std::f64::consts::PI / 180.0;

/// Metres from a place outside to the nearest border, 0 inside. Edges are measured on the plane that touches the
/// Earth at the place: within 0.1 % up to 10 km, and a distance of a whole degree or more may be off by some per cent.
pub(crate) fn outside_m(shape: &Shape, at: Position) -> f64 {
    if shape.holds(at) { 0.0 } else { border_m(shape, at) }
}

/// Metres to the nearest border, from either side.
pub(crate) fn border_m(shape: &Shape, at: Position) -> f64 {
    match shape {
        Shape::Polygons(polygons) => {
            let rings = polygons.iter().flat_map(Polygon::rings);
            rings.fold(f64::INFINITY, |best, ring| nearest_m(ring, at, best))
        }
        Shape::Circle(circle) => (circle.distance_m([at.lon(), at.lat()]) - circle.radius_m).abs(),
        Shape::Corridor(corridor) => (corridor.distance_m([at.lon(), at.lat()]) - corridor.buffer_m).abs(),
    }
}

/// Whether a place that the shape does not hold is farther from it than `reach_m`: as `outside_m` measures it, for the
/// price of the edges within reach.
pub(crate) fn is_farther(shape: &Shape, at: Position, reach_m: f64) -> bool {
    match shape {
        Shape::Polygons(polygons) => {
            // The next greater number stands for all that is farther; no smaller than what has a square.
            let beyond_m = reach_m.next_up().max(1e-150);
            let mut rings = polygons.iter().flat_map(Polygon::rings);
            rings.all(|ring| nearest_m(ring, at, beyond_m) > reach_m)
        }
        _ => outside_m(shape, at) > reach_m,
    }
}

/// Longitudes and latitudes as metres east and north of a place.
#[derive(Clone, Copy)]
pub(crate) struct Plane {
    origin: [f64; 2],
    scale: [f64; 2],
}

impl Plane {
    pub fn at(at: Position) -> Plane {
        let east = METRES_PER_DEGREE * at.lat().to_radians().cos();
        Plane { origin: [at.lon(), at.lat()], scale: [east, METRES_PER_DEGREE] }
    }

    fn metres(&self, p: [f64; 2]) -> [f64; 2] {
        [(p[0] - self.origin[0]) * self.scale[0], (p[1] - self.origin[1]) * self.scale[1]]
    }

    /// Squared distance from the origin to a box.
    fn box_m2(&self, bounds: &Bounds) -> f64 {
        let (min, max) = (self.metres(bounds.min), self.metres(bounds.max));
        let gap = |axis: usize| min[axis].max(-max[axis]).max(0.0);
        gap(0) * gap(0) + gap(1) * gap(1)
    }

    /// The same, where the box may lie on the other side of the antimeridian.
    pub fn nearest_box_m2(&self, bounds: &Bounds) -> f64 {
        let turned = |turn: f64| Plane { origin: [self.origin[0] + turn, self.origin[1]], ..*self }.box_m2(bounds);
        turned(0.0).min(turned(-360.0)).min(turned(360.0))
    }

    /// Squared distance from the origin to an edge.
    fn edge_m2(&self, a: [f64; 2], b: [f64; 2]) -> f64 {
        let (a, b) = (self.metres(a), self.metres(b));
        let d = [b[0] - a[0], b[1] - a[1]];
        let length2 = d[0] * d[0] + d[1] * d[1];
        let t = if length2 > 0.0 { (-(a[0] * d[0] + a[1] * d[1]) / length2).clamp(0.0, 1.0) } else { 0.0 };
        let p = [a[0] + d[0] * t, a[1] + d[1] * t];
        p[0] * p[0] + p[1] * p[1]
    }
}

/// The smaller of `best_m` and the distance to the ring, which is looked at on both sides of the antimeridian.
pub(crate) fn nearest_m(ring: &Ring, at: Position, best_m: f64) -> f64 {
    // A box is measured corner by corner, an edge point by point: by a hair not the same.
    const HAIR: f64 = 1.0 + 1e-9;
    let mut best = best_m * best_m;
    let plane = Plane::at(at);
    for turn in [0.0, -360.0, 360.0] {
        let plane = Plane { origin: [plane.origin[0] + turn, plane.origin[1]], ..plane };
        if plane.box_m2(ring.bounds()) > best * HAIR {
            continue;
        }
        let shared = std::cell::Cell::new(best);
        ring.runs_where(
            ring.bounds(),
            |bounds| plane.box_m2(bounds) <= shared.get() * HAIR,
            |run| {
                let near = run.map(|edge| ring.edge(edge)).map(|(a, b)| plane.edge_m2(a, b));
                shared.set(near.fold(shared.get(), f64::min));
            },
        );
        best = shared.get();
    }
    best.sqrt()
}
