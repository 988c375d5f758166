//! Which zones hold a point: the index against the plain R-tree with `geo`, on the same points, in one run.
//!
//! `index/<case>/<zones>/<variant>`; the answers of all variants are asserted equal before anything is timed. What the
//! index takes is printed and asserted; a million zones, which load and answer too, take some 10 GB and minutes and are
//! left out unless `RHUMB_BENCH_ZONES_MAX` says `1000000`.

use std::fmt::Write;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use geo::{BoundingRect, Coord, Intersects, LineString, MultiPolygon, Polygon};
use rhumb_benches::traces;
use rhumb_benches::workload::sized;
use rhumb_geofence::{Ring, Shape, ZoneLists, ZoneOptions, Zones};
use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};

const POINTS: usize = 1 << 18;
const BATCH_ROWS: usize = 8_192;
const VEHICLES: usize = 50_000;
const CORNERS: usize = 64;
/// 8 KB of index a zone of 64 vertices.
const BYTES_PER_VERTEX_MAX: usize = 8 * 1024 / CORNERS;
const ZONES_MAX: usize = 100_000;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }
}

/// Columns of positions in degrees.
struct Points {
    lat: Vec<f64>,
    lon: Vec<f64>,
}

/// Wobbly circles on a jittered grid; a random point is in about one of them.
fn synthetic_zones(count: usize) -> Zones {
    const PITCH_DEG: f64 = 0.01;
    let side = (count as f64).sqrt().ceil() as usize;
    let mut random = Random(42);
    let mut text = String::from(r#"{"type":"FeatureCollection","features":["#);
    for zone in 0..count {
        let x = -97.0 + PITCH_DEG * ((zone % side) as f64 + random.between(-0.3, 0.3));
        let y = 30.0 + PITCH_DEG * ((zone / side) as f64 + random.between(-0.3, 0.3));
        let radius = PITCH_DEG * random.between(0.45, 0.65);
        let (waves, phase) = (random.between(2.0, 7.0).floor(), random.between(0.0, 6.0));
        let comma = if zone == 0 { "" } else { "," };
        write!(text, r#"{comma}{{"type":"Feature","id":"z{zone}","properties":{{}},"geometry":{{"type":"Polygon","coordinates":[["#)
            .expect("memory");
        for i in 0..=CORNERS {
            let angle = std::f64::consts::TAU * (i % CORNERS) as f64 / CORNERS as f64;
            let r = radius * (1.0 + 0.15 * (waves * angle + phase).sin());
            let comma = if i == 0 { "" } else { "," };
            write!(text, "{comma}[{:.7},{:.7}]", x + r * angle.cos(), y + r * angle.sin()).expect("memory");
        }
        text.push_str("]]}}");
    }
    text.push_str("]}");
    let started = rhumb_engine::time::monotonic_now();
    let zones = Zones::from_geojson(&text, &ZoneOptions::default()).expect("valid zones").0;
    eprintln!("index/syn/{count}: read, checked and built in {:.1} s", started.elapsed().as_secs_f64());
    zones
}

/// The real neighbourhoods of San Francisco, where they are there.
fn san_francisco() -> Option<Zones> {
    let text = traces::neighbourhoods("index/sf")?;
    Some(Zones::from_geojson(&text, &ZoneOptions::default()).expect("valid zones").0)
}

/// West, south, east, north of all zones.
fn extent(zones: &Zones) -> [f64; 4] {
    let boxes = zones.iter().filter_map(|zone| geometry(&zone.shape).bounding_rect());
    boxes.fold([f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY], |e, b| {
        [e[0].min(b.min().x), e[1].min(b.min().y), e[2].max(b.max().x), e[3].max(b.max().y)]
    })
}

fn random_points([west, south, east, north]: [f64; 4]) -> Points {
    let mut random = Random(1);
    let (lat, lon) = (0..POINTS).map(|_| (random.between(south, north), random.between(west, east))).unzip();
    Points { lat, lon }
}

/// Vehicles report in turn, each some 100 m from its last report.
fn movement([west, south, east, north]: [f64; 4]) -> Points {
    const STEP_DEG: f64 = 0.001;
    let mut random = Random(2);
    let mut vehicles: Vec<[f64; 3]> = (0..VEHICLES)
        .map(|_| [random.between(west, east), random.between(south, north), random.between(0.0, std::f64::consts::TAU)])
        .collect();
    let (lat, lon) = (0..POINTS)
        .map(|i| {
            let [x, y, heading] = &mut vehicles[i % VEHICLES];
            *heading += random.between(-0.3, 0.3);
            *x = (*x + STEP_DEG * heading.cos()).clamp(west, east);
            *y = (*y + STEP_DEG * heading.sin()).clamp(south, north);
            (*y, *x)
        })
        .unzip();
    Points { lat, lon }
}

fn geometry(shape: &Shape) -> MultiPolygon {
    let line = |ring: &Ring| LineString::from_iter(ring.vertices().iter().map(|v| Coord { x: v[0], y: v[1] }));
    let Shape::Polygons(polygons) = shape else { unreachable!("only polygons are benched") };
    polygons.iter().map(|p| Polygon::new(line(&p.shell), p.holes.iter().map(line).collect())).collect()
}

/// What one writes without an index of one's own.
struct Plain {
    tree: RTree<GeomWithData<Rectangle<[f64; 2]>, usize>>,
    polygons: Vec<(u32, Polygon)>,
}

impl Plain {
    fn new(zones: &Zones) -> Plain {
        let of_zone = |(zone, shape): (u32, MultiPolygon)| shape.into_iter().map(move |polygon| (zone, polygon));
        let shapes = zones.iter().map(|zone| geometry(&zone.shape));
        let polygons: Vec<(u32, Polygon)> = (0..).zip(shapes).flat_map(of_zone).collect();
        let envelope = |(i, (_, polygon)): (usize, &(u32, Polygon))| {
            let rect = polygon.bounding_rect().expect("a shell");
            GeomWithData::new(Rectangle::from_corners(rect.min().into(), rect.max().into()), i)
        };
        Plain { tree: RTree::bulk_load(polygons.iter().enumerate().map(envelope).collect()), polygons }
    }

    fn containing_batch(&self, points: &Points, rows: std::ops::Range<usize>, out: &mut ZoneLists) {
        out.clear();
        for row in rows {
            let at = Coord { x: points.lon[row], y: points.lat[row] };
            let start = out.zones.len();
            for candidate in self.tree.locate_in_envelope_intersecting(&AABB::from_point([at.x, at.y])) {
                let (zone, polygon) = &self.polygons[candidate.data];
                if polygon.intersects(&at) {
                    out.zones.push(*zone);
                }
            }
            out.zones[start..].sort_unstable();
            out.offsets.push(out.zones.len() as i32);
        }
    }
}

fn batches() -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..POINTS).step_by(BATCH_ROWS).map(|start| start..(start + BATCH_ROWS).min(POINTS))
}

fn compare(c: &mut Criterion, case: &str, zones: &Zones) {
    let stats = zones.stats();
    let count = stats.zones;
    let (index, all) = (stats.index_bytes / count.max(1), zones.memory_bytes() / count.max(1));
    eprintln!("index/{case}/{count}: {index} bytes of index a zone, {all} with its shape, {stats:?}");
    let allowed = BYTES_PER_VERTEX_MAX * stats.vertices.max(CORNERS * count);
    assert!(stats.index_bytes <= allowed, "more than {allowed} bytes of index: {stats:?}");
    let plain = Plain::new(zones);
    let extent = extent(zones);
    for (movement_name, points) in [("movement", movement(extent)), ("random", random_points(extent))] {
        let cells = |rows: std::ops::Range<usize>, out: &mut ZoneLists| {
            zones.containing_batch(&points.lat[rows.clone()], &points.lon[rows], out);
        };
        let (mut ours, mut theirs) = (ZoneLists::default(), ZoneLists::default());
        let mut hits = 0;
        for rows in batches() {
            cells(rows.clone(), &mut ours);
            plain.containing_batch(&points, rows, &mut theirs);
            assert_eq!(ours, theirs);
            hits += ours.zones.len();
        }
        eprintln!("index/{case}_{movement_name}/{count}: {:.2} hits a point", hits as f64 / POINTS as f64);

        let mut group = c.benchmark_group(format!("index/{case}_{movement_name}/{count}"));
        group.throughput(Throughput::Elements(POINTS as u64)).sample_size(20);
        group.bench_function("cells", |b| b.iter(|| batches().for_each(|rows| cells(rows, &mut ours))));
        group.sample_size(10);
        group.bench_function("rstar_geo", |b| {
            b.iter(|| batches().for_each(|rows| plain.containing_batch(&points, rows, &mut theirs)));
        });
        group.finish();
    }
}

fn index(c: &mut Criterion) {
    let zones_max =
        std::env::var("RHUMB_BENCH_ZONES_MAX").map_or(sized(ZONES_MAX, 1_000), |max| max.parse().expect("a number"));
    for count in [100, 1_000, 10_000, 100_000, 1_000_000] {
        if count <= zones_max {
            compare(c, "syn", &synthetic_zones(count));
        } else {
            eprintln!("SKIPPED: index/syn/{count}: RHUMB_BENCH_ZONES_MAX is {zones_max}");
        }
    }
    if let Some(zones) = san_francisco() {
        compare(c, "sf", &zones);
    }
}

criterion_group!(benches, index);
criterion_main!(benches);
