//! What the tests of whole files and random shapes share: `geo` as the oracle, seeded points, the real files.
#![allow(dead_code, reason = "each test file uses its part")]

#[path = "../../../tests/needed.rs"]
pub mod needed;

use std::io::Read;
use std::path::{Path, PathBuf};

use geo::{Coord, Distance, Haversine, Intersects, LineString, MultiPolygon, Point};
use rhumb_geofence::{Position, Ring, Shape, ZoneLists, ZoneOptions, Zones};

/// A generator good enough to scatter points (SplitMix64).
pub struct Scatter(pub u64);

impl Scatter {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In 0..1.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }
}

/// A zone as `geo` sees it.
pub enum Oracle {
    Polygons(MultiPolygon),
    Circle(Point, f64),
    /// Held against a slow version of its own in `shapes.rs`.
    Corridor(Shape),
}

impl Oracle {
    pub fn of(shape: &Shape) -> Oracle {
        let line = |ring: &Ring| LineString::from_iter(ring.vertices().iter().map(|v| Coord { x: v[0], y: v[1] }));
        match shape {
            Shape::Polygons(polygons) => Oracle::Polygons(
                polygons
                    .iter()
                    .map(|p| geo::Polygon::new(line(&p.shell), p.holes.iter().map(line).collect()))
                    .collect(),
            ),
            Shape::Circle(c) => Oracle::Circle(Point::new(c.centre.lon(), c.centre.lat()), c.radius_m),
            Shape::Corridor(_) => Oracle::Corridor(shape.clone()),
        }
    }

    pub fn holds(&self, lat: f64, lon: f64) -> bool {
        match self {
            Oracle::Polygons(polygons) => polygons.iter().any(|p| p.intersects(&Coord { x: lon, y: lat })),
            Oracle::Circle(centre, radius_m) => Haversine.distance(*centre, Point::new(lon, lat)) <= *radius_m,
            Oracle::Corridor(shape) => Position::new(lat, lon).is_ok_and(|at| shape.holds(at)),
        }
    }
}

/// Vertices, edge midpoints, points near edges, and random points in and around the box of each zone.
pub fn points(zones: &Zones, random: usize, per_zone: usize, seed: u64) -> (Vec<f64>, Vec<f64>) {
    let mut scatter = Scatter(seed);
    let (mut lat, mut lon) = (Vec::new(), Vec::new());
    let mut push = |x: f64, y: f64| {
        if x.abs() <= 180.0 && y.abs() <= 90.0 {
            lon.push(x);
            lat.push(y);
        }
    };
    let mut all = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
    for zone in zones.iter() {
        let Shape::Polygons(polygons) = &zone.shape else { continue };
        for ring in polygons.iter().flat_map(|p| std::iter::once(&p.shell).chain(&p.holes)) {
            let vertices = ring.vertices();
            for v in vertices {
                all = [all[0].min(v[0]), all[1].min(v[1]), all[2].max(v[0]), all[3].max(v[1])];
            }
            let edges = vertices.len() - 1;
            for _ in 0..per_zone.min(4 * edges) {
                let edge = scatter.below(edges);
                let (a, b) = (vertices[edge], vertices[edge + 1]);
                let t = scatter.unit();
                let on = [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t];
                push(a[0], a[1]);
                push((a[0] + b[0]) * 0.5, (a[1] + b[1]) * 0.5);
                push(on[0], on[1]);
                let off = 10f64.powf(-3.0 - 12.0 * scatter.unit());
                push(on[0] + off * (scatter.unit() - 0.5), on[1] + off * (scatter.unit() - 0.5));
                push(a[0], b[1]);
            }
        }
    }
    let (w, h) = (all[2] - all[0], all[3] - all[1]);
    for _ in 0..random {
        push(all[0] + w * (1.1 * scatter.unit() - 0.05), all[1] + h * (1.1 * scatter.unit() - 0.05));
    }
    (lat, lon)
}

/// The index in batches = the index one by one = each shape alone = `geo`.
pub fn assert_all_agree(zones: &Zones, lat: &[f64], lon: &[f64]) -> usize {
    let oracles: Vec<Oracle> = zones.iter().map(|zone| Oracle::of(&zone.shape)).collect();
    let boxes: Vec<_> = zones.iter().map(|zone| box_of(&zone.shape)).collect();
    let mut lists = ZoneLists::default();
    zones.containing_batch(lat, lon, &mut lists);
    assert_eq!(lists.len(), lat.len());
    let mut one = Vec::new();
    for row in 0..lat.len() {
        let (lat, lon) = (lat[row], lon[row]);
        let at = Position::new(lat, lon).expect("a place");
        let expected: Vec<u32> = (0..zones.len() as u32)
            .filter(|z| {
                let b = boxes[*z as usize];
                b[0] <= lon && lon <= b[2] && b[1] <= lat && lat <= b[3] && oracles[*z as usize].holds(lat, lon)
            })
            .collect();
        assert_eq!(lists.row(row), expected, "batch against geo at lat {lat:?} lon {lon:?}");
        zones.containing(at, &mut one);
        assert_eq!(one, expected, "one against geo at lat {lat:?} lon {lon:?}");
        for zone in &expected {
            assert!(zones.contains(*zone, at), "shape {zone} alone at lat {lat:?} lon {lon:?}");
        }
    }
    lists.zones.len()
}

fn box_of(shape: &Shape) -> [f64; 4] {
    let Shape::Polygons(polygons) = shape else { return [-180.0, -90.0, 180.0, 90.0] };
    let vertices = polygons.iter().flat_map(|p| p.shell.vertices());
    vertices.fold([f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY], |b, v| {
        [b[0].min(v[0]), b[1].min(v[1]), b[2].max(v[0]), b[3].max(v[1])]
    })
}

/// The real zone files, in order of their names; none where they are not there.
pub fn real_files() -> Vec<PathBuf> {
    let Some(folder) = needed::real_data("zones") else { return Vec::new() };
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.to_string_lossy().ends_with(".geojson.gz"));
    files.sort();
    files
}

pub fn name_of(path: &Path) -> String {
    path.file_name().and_then(|n| n.to_str()).unwrap_or_default().trim_end_matches(".geojson.gz").to_owned()
}

pub fn text_of(path: &Path) -> String {
    let file = std::fs::File::open(path).expect("the file opens");
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).expect("gzip of UTF-8");
    text
}

/// World countries have two features of one id; their names differ.
pub fn options_for(path: &Path) -> ZoneOptions {
    let by_name = name_of(path) == "world_countries_50m";
    ZoneOptions { id_property: by_name.then(|| "name".to_owned()) }
}
