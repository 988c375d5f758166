//! Zones by a scan over the edges of their GeoJSON: nothing of the crate of zones, no index but the latitudes of edges.
#![allow(dead_code, reason = "each test file uses its part")]

use crate::oracle::Geometry;
use rhumb_geofence::Side;
use robust::{Coord, orient2d};
use serde_json::Value;

/// Longitude and latitude, as GeoJSON has them.
type Point = [f64; 2];

/// Shorter pieces of a way than this are where rounding put them.
const HAIR: f64 = 1e-12;

struct Ring {
    edges: Vec<(Point, Point)>,
    south: f64,
    height: f64,
    /// Of each band of latitudes the edges in it.
    bands: Vec<Vec<u32>>,
}

struct Polygon {
    min: Point,
    max: Point,
    /// The shell, then the holes.
    rings: Vec<Ring>,
}

/// Zones in the order of the file; those without a usable shape hold nothing.
pub struct Scan(Vec<Vec<Polygon>>);

fn side(a: Point, b: Point, p: Point) -> f64 {
    let coord = |p: Point| Coord { x: p[0], y: p[1] };
    orient2d(coord(a), coord(b), coord(p))
}

impl Ring {
    fn new(mut points: Vec<Point>) -> Ring {
        if points.first() != points.last() {
            points.push(points[0]);
        }
        let edges: Vec<(Point, Point)> =
            points.array_windows().map(|[a, b]| (*a, *b)).filter(|(a, b)| a != b).collect();
        let (south, north) =
            points.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(s, n), p| (s.min(p[1]), n.max(p[1])));
        let mut ring =
            Ring { bands: vec![Vec::new(); edges.len().clamp(1, 2_000)], edges, south, height: north - south };
        for (n, (a, b)) in ring.edges.clone().into_iter().enumerate() {
            let (first, last) = ring.bands_of(a[1].min(b[1]), a[1].max(b[1]));
            ring.bands[first..=last].iter_mut().for_each(|band| band.push(n as u32));
        }
        ring
    }

    /// A place in a band above a hair more or less is looked for there, too.
    fn bands_of(&self, south: f64, north: f64) -> (usize, usize) {
        let last = self.bands.len() - 1;
        let band = |lat: f64| ((lat - self.south) / self.height.max(1e-300) * self.bands.len() as f64).clamp(0.0, 1e9);
        ((band(south) as usize).min(last), (band(north) as usize).min(last))
    }

    /// Whether it goes around a place, and whether the place lies on it.
    fn locate(&self, p: Point) -> (bool, bool) {
        let (mut turns, mut on) = (0, false);
        let (first, last) = self.bands_of(p[1], p[1]);
        for edge in self.bands[first..=last].iter().flatten() {
            let (a, b) = self.edges[*edge as usize];
            if a[1].max(b[1]) < p[1] || a[1].min(b[1]) > p[1] || a[0].max(b[0]) < p[0] {
                continue;
            }
            let where_is = side(a, b, p);
            on |= where_is == 0.0 && a[0].min(b[0]) <= p[0];
            turns += i32::from(a[1] <= p[1] && b[1] > p[1] && where_is > 0.0);
            turns -= i32::from(b[1] <= p[1] && a[1] > p[1] && where_is < 0.0);
        }
        (turns != 0, on)
    }

    /// Fractions of the way at which it meets the ring.
    fn meetings(&self, from: Point, to: Point, at: &mut Vec<f64>) {
        let (first, last) = self.bands_of(from[1].min(to[1]), from[1].max(to[1]));
        let d = [to[0] - from[0], to[1] - from[1]];
        for edge in self.bands[first..=last].iter().flatten() {
            let (a, b) = self.edges[*edge as usize];
            if a[0].max(b[0]) < from[0].min(to[0]) || a[0].min(b[0]) > from[0].max(to[0]) {
                continue;
            }
            let e = [b[0] - a[0], b[1] - a[1]];
            let across = d[0] * e[1] - d[1] * e[0];
            let to_a = [a[0] - from[0], a[1] - from[1]];
            if across == 0.0 {
                let length2 = d[0] * d[0] + d[1] * d[1];
                let along = |p: Point| ((p[0] - from[0]) * d[0] + (p[1] - from[1]) * d[1]) / length2;
                at.extend([along(a), along(b)].into_iter().filter(|t| (0.0..=1.0).contains(t)));
                continue;
            }
            let t = (to_a[0] * e[1] - to_a[1] * e[0]) / across;
            let u = (to_a[0] * d[1] - to_a[1] * d[0]) / across;
            if (-HAIR..=1.0 + HAIR).contains(&u) && (-HAIR..=1.0 + HAIR).contains(&t) {
                at.push(t.clamp(0.0, 1.0));
            }
        }
    }
}

impl Polygon {
    fn holds(&self, p: Point) -> bool {
        if p[0] < self.min[0] || p[0] > self.max[0] || p[1] < self.min[1] || p[1] > self.max[1] {
            return false;
        }
        let (inside, on) = self.rings[0].locate(p);
        let in_hole = |hole: &Ring| hole.locate(p) == (true, false);
        on || inside && !self.rings[1..].iter().any(in_hole)
    }

    fn is_beside(&self, from: Point, to: Point) -> bool {
        (0..2).any(|axis| from[axis].max(to[axis]) < self.min[axis] || from[axis].min(to[axis]) > self.max[axis])
    }
}

/// The way with its end on the same side of 180 degrees as its start, however far that is.
fn unrolled(from: (f64, f64), to: (f64, f64)) -> (Point, Point) {
    let over = to.1 - from.1;
    let lon = if over.abs() > 180.0 { to.1 - 360.0 * over.signum() } else { to.1 };
    ([from.1, from.0], [lon, to.0])
}

/// By which a way is to be looked at whose end is this: more than once only over 180 degrees.
fn turns(to: Point) -> &'static [f64] {
    if to[0].abs() <= 180.0 { &[0.0] } else { &[0.0, -360.0, 360.0] }
}

fn rolled(lon: f64) -> f64 {
    if lon > 180.0 {
        lon - 360.0
    } else if lon < -180.0 {
        lon + 360.0
    } else {
        lon
    }
}

impl Scan {
    /// # Panics
    /// If it is no FeatureCollection of polygons.
    pub fn read(text: &str) -> Scan {
        let json: Value = serde_json::from_str(text).expect("GeoJSON");
        let point = |p: &Value| [p[0].as_f64().expect("lon"), p[1].as_f64().expect("lat")];
        let ring = |r: &Value| {
            let points: Vec<Point> = r.as_array().expect("a ring").iter().map(point).collect();
            (points.len() >= 4).then(|| Ring::new(points))
        };
        let polygon = |p: &Value| {
            let mut rings = p.as_array().expect("rings").iter().map(ring);
            let shell = rings.next().flatten()?;
            let rings: Vec<Ring> = std::iter::once(shell).chain(rings.flatten()).collect();
            let corners = rings[0].edges.iter().map(|(a, _)| *a);
            let (min, max) = corners.fold(([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]), |(min, max), p| {
                ([min[0].min(p[0]), min[1].min(p[1])], [max[0].max(p[0]), max[1].max(p[1])])
            });
            Some(Polygon { min, max, rings })
        };
        let zone = |feature: &Value| {
            let coordinates = &feature["geometry"]["coordinates"];
            match feature["geometry"]["type"].as_str() {
                Some("Polygon") => polygon(coordinates).into_iter().collect(),
                _ => coordinates.as_array().expect("polygons").iter().filter_map(polygon).collect(),
            }
        };
        Scan(json["features"].as_array().expect("features").iter().map(zone).collect())
    }

    fn holds_point(&self, zone: u32, p: Point) -> bool {
        self.0[zone as usize].iter().any(|polygon| polygon.holds([rolled(p[0]), p[1]]))
    }

    /// The pieces of a way between its meetings with the borders: from, until, and whether they are inside.
    fn pieces(&self, zone: u32, from: Point, to: Point) -> Vec<(f64, f64, bool)> {
        let mut at = vec![0.0, 1.0];
        for turn in turns(to).iter().copied() {
            let (from, to) = ([from[0] + turn, from[1]], [to[0] + turn, to[1]]);
            let near = self.0[zone as usize].iter().filter(|polygon| !polygon.is_beside(from, to));
            near.flat_map(|polygon| &polygon.rings).for_each(|ring| ring.meetings(from, to, &mut at));
        }
        at.sort_unstable_by(f64::total_cmp);
        let inside =
            |t: f64| self.holds_point(zone, [from[0] + (to[0] - from[0]) * t, from[1] + (to[1] - from[1]) * t]);
        let pieces = at.array_windows().filter(|[a, b]| b - a > HAIR);
        pieces.map(|[a, b]| (*a, *b, inside((a + b) / 2.0))).collect()
    }
}

impl Geometry for Scan {
    fn count(&self) -> u32 {
        self.0.len() as u32
    }

    fn holds(&self, zone: u32, at: (f64, f64)) -> bool {
        self.holds_point(zone, [at.1, at.0])
    }

    fn crossing(&self, zone: u32, from: (f64, f64), to: (f64, f64), of: Side) -> f64 {
        let (from, to) = unrolled(from, to);
        let pieces = self.pieces(zone, from, to);
        match of {
            Side::Enter => pieces.iter().rev().find(|(.., inside)| !inside).map_or(1.0, |(_, until, _)| *until),
            Side::Exit => pieces.iter().find(|(.., inside)| !inside).map_or(0.0, |(since, ..)| *since),
        }
    }

    fn outside_m(&self, zone: u32, at: (f64, f64)) -> f64 {
        if self.holds(zone, at) {
            return 0.0;
        }
        let north_m = 6_371_008.8f64.to_radians();
        let metres =
            |p: Point, turn: f64| [(p[0] + turn - at.1) * north_m * at.0.to_radians().cos(), (p[1] - at.0) * north_m];
        let to_edge = |(a, b): &(Point, Point), turn: f64| {
            let (a, b) = (metres(*a, turn), metres(*b, turn));
            let d = [b[0] - a[0], b[1] - a[1]];
            let t = (-(a[0] * d[0] + a[1] * d[1]) / (d[0] * d[0] + d[1] * d[1])).clamp(0.0, 1.0);
            (a[0] + d[0] * t).hypot(a[1] + d[1] * t)
        };
        let edges = self.0[zone as usize].iter().flat_map(|polygon| &polygon.rings).flat_map(|ring| &ring.edges);
        let near = edges
            .map(|edge| [0.0, -360.0, 360.0].map(|turn| to_edge(edge, turn)).into_iter().fold(f64::INFINITY, f64::min));
        near.fold(f64::INFINITY, f64::min)
    }

    fn passed(&self, zone: u32, from: (f64, f64), to: (f64, f64)) -> Option<(f64, f64)> {
        let ends = unrolled(from, to);
        let is_far = |polygon: &Polygon| {
            let beside = |turn: f64| polygon.is_beside([ends.0[0] + turn, ends.0[1]], [ends.1[0] + turn, ends.1[1]]);
            turns(ends.1).iter().all(|turn| beside(*turn))
        };
        if self.0[zone as usize].iter().all(is_far) || self.holds(zone, from) || self.holds(zone, to) {
            return None;
        }
        let pieces = self.pieces(zone, ends.0, ends.1);
        let mut inside = pieces.iter().filter(|(.., inside)| *inside);
        let (entry, until, _) = *inside.next()?;
        Some((entry, inside.next_back().map_or(until, |(_, until, _)| *until)))
    }

    fn along(&self, from: (f64, f64), to: (f64, f64), fraction: f64) -> (f64, f64) {
        let (from, to) = unrolled(from, to);
        (from[1] + (to[1] - from[1]) * fraction, rolled(from[0] + (to[0] - from[0]) * fraction))
    }
}
