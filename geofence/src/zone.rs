//! A zone: an id, a shape, attributes.

use serde_json::{Map, Value};

use crate::bounds::Bounds;
use crate::circle::{Circle, EARTH_RADIUS_M};
use crate::corridor::Corridor;
use crate::position::Position;
use crate::ring::{Ring, Side};
use std::f64::consts::TAU;

/// A place with a name. Its boundary belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    pub id: String,
    /// The file gives it no id: it is its index there.
    pub is_numbered: bool,
    pub shape: Shape,
    /// The feature's properties as they were written.
    pub attributes: Map<String, Value>,
    /// Line and column (in characters) of the text at which the feature starts, from 1.
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

    /// Its area, with edges straight in longitude and latitude taken as short.
    pub(crate) fn steradians(&self) -> f64 {
        let of_ring = |ring: &Ring| {
            let edges = ring.vertices().array_windows();
            let strip = |[a, b]: &[[f64; 2]; 2]| {
                (b[0] - a[0]).to_radians() * 0.5 * (a[1].to_radians().sin() + b[1].to_radians().sin())
            };
            edges.map(strip).sum::<f64>().abs()
        };
        of_ring(&self.shell) - self.holes.iter().map(of_ring).sum::<f64>()
    }

    /// Whether it is the one that counts of the copies of a polygon on both sides of the antimeridian.
    fn is_counted(&self) -> bool {
        let bounds = self.shell.bounds();
        (-180.0..180.0).contains(&((bounds.min[0] + bounds.max[0]) * 0.5))
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

    /// What it is called: `polygon`, `multipolygon`, `circle`, `corridor`.
    pub fn kind(&self) -> &'static str {
        match self {
            Shape::Polygons(polygons) if polygons.iter().filter(|p| p.is_counted()).count() == 1 => "polygon",
            Shape::Polygons(_) => "multipolygon",
            Shape::Circle(_) => "circle",
            Shape::Corridor(_) => "corridor",
        }
    }

    /// Square metres on the sphere, where a formula gives them: not of corridors. What several polygons cover counts as
    /// often.
    pub fn area_m2(&self) -> Option<f64> {
        let steradians = match self {
            Shape::Polygons(polygons) => polygons.iter().filter(|p| p.is_counted()).map(Polygon::steradians).sum(),
            Shape::Circle(circle) => TAU * (1.0 - (circle.radius_m / EARTH_RADIUS_M).cos()),
            Shape::Corridor(_) => return None,
        };
        Some(steradians * EARTH_RADIUS_M * EARTH_RADIUS_M)
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

#[cfg(test)]
mod tests {
    use crate::{ZoneOptions, Zones};

    #[test]
    fn areas_are_those_of_the_sphere() {
        let square = |west: f64| {
            let east = west + 2.0;
            format!(r#"{{"type":"Polygon","coordinates":[[[{west},0],[{east},0],[{east},1],[{west},1],[{west},0]]]}}"#)
        };
        let two = r#"{"type":"MultiPolygon","coordinates":[[[[0,0],[2,0],[2,1],[0,1],[0,0]]],[[[8,0],[10,0],[10,1],[8,1],[8,0]]]]}"#;
        let circle = r#"{"type":"Point","coordinates":[180,5]}"#.to_owned();
        let line = r#"{"type":"LineString","coordinates":[[0,0],[1,0]]}"#.to_owned();
        let cases = [
            (square(10.0), "{}", "polygon", Some(24_727.44)),
            (square(179.0), "{}", "polygon", Some(24_727.44)),
            (two.to_owned(), "{}", "multipolygon", Some(2.0 * 24_727.44)),
            (circle, r#"{"radius_m":2000}"#, "circle", Some(12.566_37)),
            (line, r#"{"buffer_m":10}"#, "corridor", None),
        ];
        for (geometry, properties, kind, km2) in cases {
            let text = format!(r#"{{"type":"Feature","properties":{properties},"geometry":{geometry}}}"#);
            let zones = Zones::from_geojson(&text, &ZoneOptions::default()).expect("a zone").0;
            let shape = &zones.zone(0).shape;
            assert_eq!(shape.kind(), kind, "{text}");
            let found = shape.area_m2().map(|m2| m2 / 1e6);
            let near = |km2: f64| found.is_some_and(|found| (found / km2 - 1.0).abs() < 1e-5);
            assert!(km2.map_or(found.is_none(), near), "{text}: {found:?}");
        }
    }
}
