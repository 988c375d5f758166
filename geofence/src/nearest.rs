//! The zone nearest to a place, found through an R-tree over the pieces of zones.

use rstar::{AABB, RTree};

use crate::circle::Circle;
use crate::distance::{Plane, nearest_m};
use crate::index::piece::{Piece, pieces};
use crate::position::Position;
use crate::zone::Shape;
use crate::zones::Zones;

/// A distance that was bounded and one that was computed point by point differ by a hair.
const SLACK: f64 = 1.0 + 1e-9;

/// Finds nearest zones. Beside the index of `Zones`, for who asks for it: about 50 bytes a piece.
#[derive(Debug)]
pub struct Nearest {
    tree: RTree<Piece>,
    within_m: f64,
}

/// Memory to be used again.
#[derive(Debug, Default)]
pub struct NearestScratch {
    /// Squared metres to the box of each piece near the place, and the piece.
    near: Vec<(f64, u32, u32)>,
}

impl Nearest {
    /// Looks as far as `within_m`.
    pub fn new(zones: &Zones, within_m: f64) -> Nearest {
        Nearest { tree: RTree::bulk_load(pieces(zones.all())), within_m }
    }

    /// The zone nearest to a place that no zone holds, and the metres to its border as [`Zones::outside_m`] measures
    /// them; of several equally near ones the first of the file. `None` if none is near enough. What a scan over all
    /// zones would give; cost: the pieces whose boxes are nearer than that zone. `zones` are those of `new`.
    pub fn outside(&self, zones: &Zones, at: Position, scratch: &mut NearestScratch) -> Option<(u32, f64)> {
        let plane = Plane::at(at);
        scratch.near.clear();
        // Also what the plane at the place measures lies within the circle's box, which is as wide as its widest parallel.
        for window in (Circle { centre: at, radius_m: self.within_m * SLACK }).bounds() {
            let window = AABB::from_corners(window.min, window.max);
            for piece in self.tree.locate_in_envelope_intersecting(&window) {
                let box_m2 = match &zones.zone(piece.zone).shape {
                    Shape::Polygons(_) => plane.nearest_box_m2(&piece.bounds),
                    // Measured on the sphere, not on the plane.
                    _ => 0.0,
                };
                scratch.near.push((box_m2, piece.zone, piece.part));
            }
        }
        scratch.near.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then_with(|| (a.1, a.2).cmp(&(b.1, b.2))));
        let mut best: Option<(f64, u32)> = None;
        for (box_m2, zone, part) in &scratch.near {
            let limit_m = best.map_or(self.within_m, |(metres, _)| metres) * SLACK;
            if *box_m2 > limit_m * limit_m {
                break;
            }
            let metres = piece_m(&zones.zone(*zone).shape, *part, at, limit_m);
            let nearer = best.is_none_or(|best| (metres, *zone) < best);
            if metres <= self.within_m && nearer {
                best = Some((metres, *zone));
            }
        }
        best.map(|(metres, zone)| (zone, metres))
    }
}

/// Metres to the border of a piece, if they are at most `limit_m`, else some that are not less.
fn piece_m(shape: &Shape, part: u32, at: Position, limit_m: f64) -> f64 {
    let p = [at.lon(), at.lat()];
    match shape {
        Shape::Polygons(polygons) => {
            let rings = polygons[part as usize].rings();
            rings.fold(limit_m, |best, ring| nearest_m(ring, at, best))
        }
        Shape::Circle(circle) => circle.distance_m(p) - circle.radius_m,
        Shape::Corridor(corridor) => corridor.piece_distance_m(part as usize, p) - corridor.buffer_m,
    }
}
