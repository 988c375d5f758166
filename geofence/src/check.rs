//! From the rings of a file to a shape that can be trusted: what is accepted, repaired, refused (`docs/ZONES.md`).

use std::f64::consts::PI;

use serde_json::{Map, Value};

use crate::antimeridian::{self, LON_MAX, Lie};
use crate::bounds::Bounds;
use crate::circle::{Circle, EARTH_RADIUS_M};
use crate::corridor::Corridor;
use crate::position::Position;
use crate::problem::{RingPlace, Severity, Vertex, What};
use crate::ring::{Ring, Side, edges_meet, orientation};
use crate::zone::{Polygon, Shape};

/// Half of the way around the Earth: no place is farther from a centre.
const RADIUS_MAX_M: f64 = PI * EARTH_RADIUS_M;

/// Notes what is wrong with one zone.
pub(crate) type Note<'a> = &'a mut dyn FnMut(Severity, What);

/// `polygons`: for each polygon its rings, as the file has them, `[longitude, latitude]`.
pub(crate) fn polygons(polygons: Vec<Vec<Vec<[f64; 2]>>>, note: Note) -> Option<Shape> {
    if polygons.iter().all(Vec::is_empty) {
        note(Severity::Error, What::NoGeometry);
        return None;
    }
    if !in_range(polygons.iter().flatten().flatten(), LON_MAX, note) {
        return None;
    }
    let mut usable = Vec::with_capacity(polygons.len());
    let mut across = false;
    for (polygon, rings) in polygons.into_iter().enumerate() {
        let mut checked = rings
            .into_iter()
            .enumerate()
            .map(|(number, vertices)| (number, ring(vertices, RingPlace { polygon, ring: number }, note)));
        let shell = checked.next().and_then(|(_, shell)| shell);
        let holes = checked.filter_map(|(number, hole)| hole.map(|(hole, lie)| (number, hole, lie))).collect();
        if let Some((shell, lie)) = shell {
            let (shell, holes) = around_pole(shell, lie, holes);
            across |= lie != Lie::Plain;
            check_holes(polygon, &shell, &holes, note);
            usable.push((polygon, Polygon { shell, holes: holes.into_iter().map(|(_, hole)| hole).collect() }));
        }
    }
    if usable.is_empty() {
        // Simplified maps hold such slivers; the other zones of the file are good.
        note(Severity::Warning, What::NothingLeft);
    }
    check_nested(&usable, note);
    let steradians: f64 = usable.iter().map(|(_, polygon)| polygon.steradians()).sum();
    check_hemisphere(steradians, note);
    let polygons: Vec<Polygon> = usable.into_iter().map(|(_, polygon)| polygon).collect();
    Some(Shape::Polygons(if across { polygons.iter().flat_map(turned).collect() } else { polygons }))
}

/// Of two rings around one pole the outer one is the shell, whichever the file has first.
fn around_pole(mut shell: Ring, lie: Lie, holes: Vec<(usize, Ring, Lie)>) -> (Ring, Vec<(usize, Ring)>) {
    let height = |ring: &Ring| ring.bounds().max[1] - ring.bounds().min[1];
    let mut holes: Vec<_> = holes.into_iter().map(|(number, hole, of)| (number, hole, of == lie)).collect();
    let pole = matches!(lie, Lie::North | Lie::South);
    if let Some((_, outer, _)) = holes.iter_mut().find(|(_, hole, same)| pole && *same && height(hole) > height(&shell))
    {
        std::mem::swap(&mut shell, outer);
    }
    (shell, holes.into_iter().map(|(number, hole, _)| (number, hole)).collect())
}

/// A polygon of rings that were laid out, on every side of the antimeridian that it reaches. Each copy has all holes
/// that may lie in it.
fn turned(polygon: &Polygon) -> Vec<Polygon> {
    let moved = |ring: &Ring, turn: f64| Ring::new(ring.vertices().iter().map(|v| [v[0] + turn, v[1]]).collect());
    let span = |ring: &Ring| (ring.bounds().min[0], ring.bounds().max[0]);
    let (west, east) = span(&polygon.shell);
    let copy = |turn: f64| {
        let holes = polygon.holes.iter().flat_map(|hole| {
            let (min, max) = span(hole);
            let meets = move |by: &f64| min + by <= east + turn && max + by >= west + turn;
            let turns = antimeridian::turns(min, max).filter(meets);
            turns.map(|by| moved(hole, by)).collect::<Vec<_>>()
        });
        Polygon { shell: moved(&polygon.shell, turn), holes: holes.collect() }
    };
    antimeridian::turns(west, east).map(copy).collect()
}

/// Around lines, or around points that are lines of one position. `property` says how far.
pub(crate) fn corridor(
    lines: Vec<Vec<[f64; 2]>>,
    property: &'static str,
    kind: &str,
    attributes: &Map<String, Value>,
    note: Note,
) -> Option<Shape> {
    let fits = in_range(lines.iter().flatten(), LON_MAX, note);
    if lines.iter().all(Vec::is_empty) {
        note(Severity::Error, What::NoGeometry);
        return None;
    }
    let Some(written) = attributes.get(property).filter(|value| !value.is_null()) else {
        note(Severity::Error, What::NoReach { kind: kind.to_owned(), property });
        return None;
    };
    let Some(buffer_m) = written.as_f64().filter(|m| *m > 0.0 && *m <= BUFFER_MAX_M) else {
        note(Severity::Error, What::BadReach { property, written: written.to_string(), most: BUFFER_MAX_M });
        return None;
    };
    let lines: Vec<_> = lines.into_iter().filter(|line| !line.is_empty()).collect();
    fits.then(|| Shape::Corridor(Corridor::new(&lines, buffer_m)))
}

/// Farther from a line a plane does not tell which of its points is nearest.
const BUFFER_MAX_M: f64 = 100_000.0;

/// `radius_m` is the property as it was written.
pub(crate) fn circle(centre: [f64; 2], radius_m: Option<&serde_json::Value>, note: Note) -> Option<Shape> {
    let fits = in_range([centre].iter(), 180.0, note);
    let Some(written) = radius_m.filter(|value| !value.is_null()) else {
        note(Severity::Error, What::NoRadius);
        return None;
    };
    let Some(radius_m) = written.as_f64().filter(|r| *r > 0.0 && *r <= RADIUS_MAX_M) else {
        note(Severity::Error, What::BadRadius(written.to_string()));
        return None;
    };
    check_hemisphere(2.0 * PI * (1.0 - (radius_m / EARTH_RADIUS_M).cos()), note);
    let centre = Position::new(centre[1], centre[0]).ok().filter(|_| fits)?;
    Some(Shape::Circle(Circle { centre, radius_m }))
}

fn in_range<'a>(vertices: impl Iterator<Item = &'a [f64; 2]> + Clone, lon_max: f64, note: Note) -> bool {
    let valid = |lon: f64, lat: f64| lon.abs() <= lon_max && lat.abs() <= 90.0;
    let mut wrong = vertices.clone().filter(|v| !valid(v[0], v[1]));
    let Some(first) = wrong.next() else { return true };
    let first = Vertex { lat: first[1], lon: first[0] };
    let wrong = 1 + wrong.count();
    let (total, swapped) = (vertices.clone().count(), vertices.filter(|v| valid(v[1], v[0])).count());
    // Swapped, most vertices would be places; the latitude is what cannot be.
    let what = if first.lat.abs() > 90.0 && 2 * swapped > total {
        What::Swapped { first }
    } else {
        What::OutOfRange { vertices: wrong, first }
    };
    note(Severity::Error, what);
    false
}

/// `None`: the ring is dropped.
fn ring(mut vertices: Vec<[f64; 2]>, place: RingPlace, note: Note) -> Option<(Ring, Lie)> {
    vertices.dedup();
    if vertices.len() > 1 && vertices.first() != vertices.last() {
        vertices.push(vertices[0]);
        note(Severity::Warning, What::NotClosed { place });
    }
    if vertices.len() < 4 {
        note(Severity::Warning, What::ShortRing { place, points: vertices.len().saturating_sub(1) });
        return None;
    }
    let lie = antimeridian::lay_out(&mut vertices);
    let ring = Ring::new(vertices);
    say_lie(&ring, lie, place, note);
    let Meetings { crossings, touches } = meetings(&ring);
    if crossings.is_none() && encloses_nothing(&ring) {
        note(Severity::Warning, What::NoArea { place });
        return None;
    }
    if let Some((times, near)) = crossings {
        note(Severity::Warning, What::CrossesItself { place, times, near });
    }
    Some((ring.simple(crossings.is_none() && !touches), lie))
}

/// Says how a ring across the antimeridian was taken.
fn say_lie(ring: &Ring, lie: Lie, place: RingPlace, note: Note) {
    let (west, east) = (ring.bounds().min[0], ring.bounds().max[0]);
    match lie {
        Lie::Plain => {}
        Lie::Across => note(Severity::Note, What::Across { place, west, east }),
        Lie::North => note(Severity::Note, What::AroundPole { place, pole: "north" }),
        Lie::South => note(Severity::Note, What::AroundPole { place, pole: "south" }),
    }
}

/// How a ring meets itself.
struct Meetings {
    /// How often edges properly cross, and where the first does. Touching is not crossing.
    crossings: Option<(usize, Vertex)>,
    /// Edges that do not follow on each other touch or cross, or one that does turns back on the other.
    touches: bool,
}

/// Cost: each edge against the edges whose boxes it meets.
fn meetings(ring: &Ring) -> Meetings {
    let (mut times, mut near, mut touches) = (0, None, false);
    let last = ring.edge_count() - 1;
    for edge in 0..=last {
        let (a, b) = ring.edge(edge);
        let bounds = Bounds::of(&[a, b]);
        let (_, after) = ring.edge(if edge == last { 0 } else { edge + 1 });
        touches |= turns_back(a, b, after);
        ring.runs_meeting(&bounds, |run| {
            for other in run.start.max(edge + 2)..run.end {
                let (c, d) = ring.edge(other);
                if !bounds.meets(&Bounds::of(&[c, d])) || !edges_meet((a, b), (c, d)) {
                    continue;
                }
                if crosses((a, b), (c, d)) {
                    times += 1;
                    near.get_or_insert_with(|| crossing_of(a, b, c, d));
                }
                let follows = edge == 0 && other == last;
                touches |= !follows;
            }
        });
    }
    Meetings { crossings: near.map(|near| (times, near)), touches }
}

/// Where two edges cross that do: to within rounding.
fn crossing_of(a: [f64; 2], b: [f64; 2], c: [f64; 2], d: [f64; 2]) -> Vertex {
    let (from, to) = (orientation(c, d, a), orientation(c, d, b));
    let along = from / (from - to);
    let [lon, lat] = [0, 1].map(|axis| a[axis] + (b[axis] - a[axis]) * along);
    // Rings across the antimeridian are laid out beyond 180.
    Vertex { lat, lon: if lon.abs() > 180.0 { lon - 360.0_f64.copysign(lon) } else { lon } }
}

/// Whether two edges that meet do more than touch: no end of one lies on the line of the other.
fn crosses((a, b): ([f64; 2], [f64; 2]), (c, d): ([f64; 2], [f64; 2])) -> bool {
    let sides = [orientation(a, b, c), orientation(a, b, d), orientation(c, d, a), orientation(c, d, b)];
    sides.iter().all(|side| *side != 0.0)
}

/// Whether the way from `a` over `b` to `c` goes back on itself.
fn turns_back(a: [f64; 2], b: [f64; 2], c: [f64; 2]) -> bool {
    let along = (b[0] - a[0]) * (c[0] - b[0]) + (b[1] - a[1]) * (c[1] - b[1]);
    orientation(a, b, c) == 0.0 && along <= 0.0
}

/// Whether no point is strictly inside the ring.
fn encloses_nothing(ring: &Ring) -> bool {
    let origin = ring.vertices()[0];
    let of = |v: &[f64; 2]| [v[0] - origin[0], v[1] - origin[1]];
    let (mut signed, mut absolute) = (0.0, 0.0);
    for [a, b] in ring.vertices().array_windows() {
        let (a, b) = (of(a), of(b));
        signed += a[0] * b[1] - a[1] * b[0];
        absolute += (a[0] * b[1]).abs() + (a[1] * b[0]).abs();
    }
    if signed.abs() > absolute * ring.edge_count() as f64 * f64::EPSILON {
        return false;
    }
    // The signed areas of two lobes may cancel: look beside the edges.
    (0..ring.edge_count()).all(|edge| {
        let (a, b) = ring.edge(edge);
        let beside = |offset: f64| {
            let middle = [(a[0] + b[0]) * 0.5, (a[1] + b[1]) * 0.5];
            [middle[0] - (b[1] - a[1]) * offset, middle[1] + (b[0] - a[0]) * offset]
        };
        [1e-6, -1e-6].iter().all(|offset| ring.locate(beside(*offset)) != Side::Inside)
    })
}

fn check_holes(polygon: usize, shell: &Ring, holes: &[(usize, Ring)], note: Note) {
    let outside = |hole: &Ring| {
        // The first vertex that is not on the shell's boundary decides.
        hole.vertices().iter().map(|v| shell.locate(*v)).find(|s| *s != Side::Boundary) == Some(Side::Outside)
    };
    let mut wrong = holes.iter().filter(|(_, hole)| outside(hole)).map(|(number, _)| *number);
    if let Some(first) = wrong.next() {
        note(Severity::Warning, What::HolesOutside { polygon, holes: 1 + wrong.count(), first });
    }
}

fn check_nested(polygons: &[(usize, Polygon)], note: Note) {
    let boxes = polygons.iter().map(|(number, p)| (*number, p, p.shell.bounds()));
    let mut by_west: Vec<_> = boxes.collect();
    by_west.sort_by(|a, b| a.2.min[0].total_cmp(&b.2.min[0]));
    for (at, (outer, polygon, bounds)) in by_west.iter().enumerate() {
        let starts_within = |other: &&(usize, &Polygon, &Bounds)| other.2.min[0] <= bounds.max[0];
        for (inner, candidate, inner_bounds) in by_west[at + 1..].iter().take_while(starts_within) {
            if bounds.holds(inner_bounds.min) && bounds.holds(inner_bounds.max) && lies_in(candidate, polygon) {
                note(Severity::Warning, What::NestedPolygons { inner: *inner, outer: *outer });
            }
        }
    }
}

/// Whether all vertices of one polygon are covered by the other and one is strictly inside it.
fn lies_in(inner: &Polygon, outer: &Polygon) -> bool {
    let strictly = |v: &[f64; 2]| {
        outer.shell.locate(*v) == Side::Inside && outer.holes.iter().all(|h| h.locate(*v) == Side::Outside)
    };
    let vertices = inner.shell.vertices();
    vertices.iter().any(strictly) && vertices.iter().all(|v| outer.holds(*v))
}

fn check_hemisphere(steradians: f64, note: Note) {
    let share = steradians / (4.0 * PI);
    if share > 0.5 + 1e-9 {
        note(Severity::Warning, What::OverHemisphere { percent: share * 100.0 });
    }
}
