//! A shape of longitudes and latitudes, read from WKT or GeoJSON. What is inside of what is asked on the plane of longitude and
//! latitude, as zones have it; what is measured is measured on the sphere, edges being arcs of great circles.

use crate::functions::on_earth;
use crate::sphere::{EARTH_RADIUS_M, distance_m};
use geo::{BoundingRect, Contains, CoordsIter, Geometry, Intersects, LineString, Point, Polygon, Rect};
use std::cell::OnceCell;
use std::f64::consts::{PI, TAU};
use wkt::TryFromWkt;

/// Brackets inside each other: a text of more is no shape that anybody means.
const DEPTH_MAX: usize = 64;

pub struct Shape {
    geometry: Geometry<f64>,
    bounds: Option<Rect<f64>>,
    /// Worked out when a distance is asked for.
    arcs: OnceCell<Vec<Arc>>,
}

impl Shape {
    pub fn point(lat: f64, lon: f64) -> Shape {
        Shape::of(Geometry::Point(Point::new(lon, lat)))
    }

    /// `None`: it is no such text, or has a place off the earth.
    pub fn read(text: &str) -> Option<Shape> {
        let text = text.trim();
        let geometry: Geometry<f64> = match text.starts_with('{') {
            true => Geometry::try_from(text.parse::<geojson::GeoJson>().ok()?).ok()?,
            false => Geometry::try_from_wkt_str(plain(text).filter(|text| depth(text) <= DEPTH_MAX)?).ok()?,
        };
        let is_on_earth = geometry.coords_iter().all(|at| on_earth((at.y, at.x)).is_some());
        is_on_earth.then(|| Shape::of(geometry))
    }

    fn of(geometry: Geometry<f64>) -> Shape {
        Shape { bounds: geometry.bounding_rect(), geometry, arcs: OnceCell::new() }
    }

    fn meets_bounds_of(&self, other: &Shape) -> bool {
        self.bounds.zip(other.bounds).is_some_and(|(a, b)| a.intersects(&b))
    }

    /// All of the other is in it, and not on its border alone.
    pub fn contains(&self, other: &Shape) -> bool {
        self.meets_bounds_of(other)
            && match &other.geometry {
                Geometry::Point(point) => self.geometry.contains(point),
                geometry => self.geometry.contains(geometry),
            }
    }

    /// Some place is in both; borders count.
    pub fn intersects(&self, other: &Shape) -> bool {
        self.meets_bounds_of(other)
            && match &other.geometry {
                Geometry::Point(point) => self.geometry.intersects(point),
                geometry => self.geometry.intersects(geometry),
            }
    }

    /// Metres between the nearest places of both; 0 where they meet. `None`: one of them is empty.
    pub fn distance_m(&self, other: &Shape) -> Option<f64> {
        if let (Geometry::Point(a), Geometry::Point(b)) = (&self.geometry, &other.geometry) {
            return Some(distance_m((a.y(), a.x()), (b.y(), b.x())));
        }
        (self.bounds.is_some() && other.bounds.is_some()).then_some(())?;
        if self.intersects(other) {
            return Some(0.0);
        }
        // Of two arcs that do not cross an end is nearest.
        let chord2 = self.chord2_from(other).min(other.chord2_from(self));
        Some(2.0 * EARTH_RADIUS_M * (chord2.sqrt() / 2.0).min(1.0).asin())
    }

    /// Squared chord from its arcs to the nearest corner of another shape.
    fn chord2_from(&self, other: &Shape) -> f64 {
        let arcs = self.arcs.get_or_init(|| {
            let mut arcs = Vec::new();
            each_line(&self.geometry, &mut |line| {
                let corners: Vec<[f64; 3]> = line.0.iter().map(|at| vector(at.y, at.x)).collect();
                arcs.extend(corners.array_windows().map(|[a, b]| Arc::new(*a, *b)));
                // A point is an arc of one.
                arcs.extend(corners.first().filter(|_| corners.len() == 1).map(|at| Arc::new(*at, *at)));
            });
            arcs
        });
        let corners = other.geometry.coords_iter().map(|at| vector(at.y, at.x));
        corners.flat_map(|at| arcs.iter().map(move |arc| arc.chord2(at))).fold(f64::INFINITY, f64::min)
    }

    /// Metres of its lines; borders of areas are none.
    pub fn length_m(&self) -> f64 {
        fn of(geometry: &Geometry<f64>) -> f64 {
            match geometry {
                Geometry::Line(line) => along(&LineString::from(*line)),
                Geometry::LineString(line) => along(line),
                Geometry::MultiLineString(lines) => lines.iter().map(along).sum(),
                Geometry::GeometryCollection(all) => all.iter().map(of).sum(),
                _ => 0.0,
            }
        }
        of(&self.geometry)
    }

    /// Square metres of its areas.
    pub fn area_m2(&self) -> f64 {
        fn of(geometry: &Geometry<f64>) -> f64 {
            match geometry {
                Geometry::Polygon(polygon) => steradians(polygon),
                Geometry::MultiPolygon(polygons) => polygons.iter().map(steradians).sum(),
                Geometry::GeometryCollection(all) => all.iter().map(of).sum(),
                _ => 0.0,
            }
        }
        of(&self.geometry) * EARTH_RADIUS_M * EARTH_RADIUS_M
    }
}

/// Without the name of the only reference system that there is here.
fn plain(text: &str) -> Option<&str> {
    match text.split_once(';') {
        None => Some(text),
        Some((system, text)) => system.trim().eq_ignore_ascii_case("SRID=4326").then_some(text),
    }
}

fn depth(text: &str) -> usize {
    let deeper = |(depth, most): (usize, usize), c: u8| match c {
        b'(' => (depth + 1, most.max(depth + 1)),
        b')' => (depth.saturating_sub(1), most),
        _ => (depth, most),
    };
    text.bytes().fold((0, 0), deeper).1
}

/// Points as lines of one corner, borders as lines.
fn each_line(geometry: &Geometry<f64>, on: &mut dyn FnMut(&LineString<f64>)) {
    let point = |at: &Point<f64>| LineString::new(vec![at.0]);
    let polygon = |polygon: &Polygon<f64>, on: &mut dyn FnMut(&LineString<f64>)| {
        on(polygon.exterior());
        polygon.interiors().iter().for_each(on);
    };
    match geometry {
        Geometry::Point(at) => on(&point(at)),
        Geometry::MultiPoint(points) => points.iter().for_each(|at| on(&point(at))),
        Geometry::Line(line) => on(&LineString::from(*line)),
        Geometry::LineString(line) => on(line),
        Geometry::MultiLineString(lines) => lines.iter().for_each(on),
        Geometry::Polygon(of) => polygon(of, on),
        Geometry::MultiPolygon(polygons) => polygons.iter().for_each(|of| polygon(of, on)),
        Geometry::Rect(rect) => polygon(&rect.to_polygon(), on),
        Geometry::Triangle(triangle) => polygon(&triangle.to_polygon(), on),
        Geometry::GeometryCollection(all) => all.iter().for_each(|of| each_line(of, on)),
    }
}

fn along(line: &LineString<f64>) -> f64 {
    line.lines().map(|line| distance_m((line.start.y, line.start.x), (line.end.y, line.end.x))).sum()
}

fn steradians(polygon: &Polygon<f64>) -> f64 {
    let holes: f64 = polygon.interiors().iter().map(within).sum();
    (within(polygon.exterior()) - holes).max(0.0)
}

/// Steradians that a ring goes around: the smaller side, or that of the pole that it goes around.
fn within(ring: &LineString<f64>) -> f64 {
    let (mut area, mut turned) = (0.0, 0.0);
    for line in ring.lines() {
        let lon = (line.end.x - line.start.x).to_radians();
        let lon = lon - TAU * (lon / TAU).round();
        let [a, b] = [line.start.y, line.end.y].map(|lat| (lat.to_radians() / 2.0).tan());
        // Between the arc and the equator (Todhunter, Spherical Trigonometry, article 103).
        area += 2.0 * ((lon / 2.0).tan() * (a + b)).atan2(1.0 + a * b);
        turned += lon;
    }
    let area = area.abs();
    if turned.abs() > PI { TAU - area } else { area }
}

/// On the unit sphere.
fn vector(lat: f64, lon: f64) -> [f64; 3] {
    let ((lat_sin, lat_cos), (lon_sin, lon_cos)) = (lat.to_radians().sin_cos(), lon.to_radians().sin_cos());
    [lat_cos * lon_cos, lat_cos * lon_sin, lat_sin]
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// An arc of a great circle, between ends that are not opposite.
struct Arc {
    ends: [[f64; 3]; 2],
    /// The normal of its plane, of length 1, unless the ends are one.
    normal: Option<[f64; 3]>,
}

impl Arc {
    fn new(a: [f64; 3], b: [f64; 3]) -> Arc {
        // Of sum and difference: of near ends the product itself would keep few digits.
        let (less, more) = ([a[0] - b[0], a[1] - b[1], a[2] - b[2]], [a[0] + b[0], a[1] + b[1], a[2] + b[2]]);
        let normal = cross(less, more);
        let length = dot(normal, normal).sqrt();
        Arc { ends: [a, b], normal: (length > 0.0).then(|| normal.map(|n| n / length)) }
    }

    /// Squared chord to the nearest place of the arc.
    fn chord2(&self, p: [f64; 3]) -> f64 {
        let [a, b] = self.ends;
        if let Some(normal) = self.normal
            && dot(cross(normal, a), p) >= 0.0
            && dot(cross(b, normal), p) >= 0.0
        {
            let sine2 = dot(normal, p).powi(2).min(1.0);
            return 2.0 * sine2 / (1.0 + (1.0 - sine2).sqrt());
        }
        let to = |end: [f64; 3]| [0, 1, 2].map(|n| (end[n] - p[n]).powi(2)).iter().sum::<f64>();
        to(a).min(to(b))
    }
}
