//! A zone: an id, a shape, attributes.

use serde_json::{Map, Value};

use crate::bounds::Bounds;
use crate::circle::Circle;
use crate::corridor::Corridor;
use crate::position::Position;
use crate::ring::{Ring, Side};

/// A place with a name. Its boundary belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    pub id: String,
    pub shape: Shape,
    /// The feature's properties as they were written.
    pub attributes: Map<String, Value>,
    /// Line and column of the text at which the feature starts, from 1.
    pub place: (usize, usize),
}

/// What a zone covers. A new kind adds a variant here and pieces in `index/piece.rs`.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// Covers what any of its polygons covers.
    Polygons(Vec<Polygon>),
    Circle(Circle),
    Corridor(Corridor),
}

/// Covers what its shell covers, boundary included, without what lies strictly inside a hole.
#[derive(Clone, Debug, PartialEq)]
pub struct Polygon {
    pub shell: Ring,
    pub holes: Vec<Ring>,
}

impl Polygon {
    /// Exact; the same answer as `geo`'s `Intersects` of a polygon and a point.
    pub(crate) fn holds(&self, p: [f64; 2]) -> bool {
        match self.shell.locate(p) {
            Side::Outside => false,
            Side::Boundary => true,
            // The first hole that has the point decides, as it does in `geo`.
            Side::Inside => {
                self.holes.iter().map(|hole| hole.locate(p)).find(|s| *s != Side::Outside) != Some(Side::Inside)
            }
        }
    }

    /// 0 is the shell.
    pub(crate) fn ring(&self, number: u32) -> &Ring {
        if number == 0 { &self.shell } else { &self.holes[number as usize - 1] }
    }

    /// The shell first, then the holes.
    pub(crate) fn rings(&self) -> impl Iterator<Item = &Ring> {
        std::iter::once(&self.shell).chain(&self.holes)
    }
}

impl Shape {
    /// Whether `at` is inside or on the boundary. Exact for polygons; for circles the haversine formula decides.
    pub fn holds(&self, at: Position) -> bool {
        self.holds_point([at.lon(), at.lat()])
    }

    pub(crate) fn holds_point(&self, p: [f64; 2]) -> bool {
        match self {
            Shape::Polygons(polygons) => polygons.iter().any(|polygon| polygon.holds(p)),
            Shape::Circle(circle) => circle.holds(p),
            Shape::Corridor(corridor) => corridor.holds(p),
        }
    }

    pub(crate) fn vertex_count(&self) -> usize {
        match self {
            Shape::Polygons(polygons) => polygons.iter().flat_map(Polygon::rings).map(Ring::edge_count).sum(),
            Shape::Circle(_) => 1,
            Shape::Corridor(corridor) => corridor.vertex_count(),
        }
    }

    /// A box around it, which may be a little larger: west, south, east, north. One that lies on both sides of the
    /// antimeridian is told as -180 to 180.
    pub fn around(&self) -> [f64; 4] {
        let mut joined = Bounds::EMPTY;
        self.bounds().iter().for_each(|(_, bounds)| joined.join(bounds));
        [joined.min[0], joined.min[1], joined.max[0], joined.max[1]]
    }

    /// Of each piece, with its number.
    pub(crate) fn bounds(&self) -> Vec<(u32, Bounds)> {
        match self {
            Shape::Polygons(polygons) => (0..).zip(polygons.iter().map(|p| p.shell.bounds().on_earth())).collect(),
            Shape::Circle(circle) => circle.bounds().into_iter().map(|bounds| (0, bounds)).collect(),
            Shape::Corridor(corridor) => {
                let of = |piece| corridor.piece_bounds(piece).into_iter().map(move |bounds| (piece as u32, bounds));
                corridor.pieces().flat_map(of).collect()
            }
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        match self {
            Shape::Polygons(polygons) => polygons
                .iter()
                .map(|p| size_of::<Polygon>() + p.rings().map(|r| r.memory_bytes() + size_of::<Ring>()).sum::<usize>())
                .sum(),
            Shape::Circle(_) => size_of::<Circle>(),
            Shape::Corridor(corridor) => corridor.memory_bytes(),
        }
    }
}
