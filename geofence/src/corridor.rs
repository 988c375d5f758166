//! Corridors: all places near a line, or near any of some points.

use std::ops::Range;

use crate::bounds::Bounds;
use crate::circle::{BoxSide, Circle, EARTH_RADIUS_M};
use crate::position::Position;

/// All places at most `buffer_m` from some lines, which are straight in longitude and latitude. A line of one position
/// is a point.
#[derive(Clone, Debug, PartialEq)]
pub struct Corridor {
    pub buffer_m: f64,
    /// As in the file.
    vertices: usize,
    /// The lines in short pieces, each the short way around the Earth; ends may lie beyond 180 degrees.
    pieces: Vec<[[f64; 2]; 2]>,
    /// Boxes around the places near runs of `RUN` pieces.
    boxes: Vec<Bounds>,
}

/// Longest piece, degrees: so short that a plane does for finding its nearest point.
const PIECE_DEG: f64 = 0.5;
const RUN: usize = 16;
/// Share by which the distance to the point that the plane finds may be more than the least.
const SLACK: f64 = 2e-3;

impl Corridor {
    /// `lines`: `[longitude, latitude]`, each with at least one position.
    pub(crate) fn new(lines: &[Vec<[f64; 2]>], buffer_m: f64) -> Corridor {
        let mut pieces = Vec::new();
        for line in lines {
            if let [only] = line[..] {
                pieces.push([centred(only), centred(only)]);
            }
            for ends in line.array_windows() {
                push_pieces(ends, &mut pieces);
            }
        }
        let vertices = lines.iter().map(Vec::len).sum();
        let mut corridor = Corridor { buffer_m, vertices, pieces, boxes: Vec::new() };
        let run = |first: usize| {
            let mut joined = Bounds::EMPTY;
            let run = first..(first + RUN).min(corridor.pieces.len());
            run.flat_map(|piece| corridor.piece_bounds(piece)).for_each(|bounds| joined.join(&bounds));
            joined
        };
        corridor.boxes = (0..corridor.pieces.len()).step_by(RUN).map(run).collect();
        corridor
    }

    pub fn vertex_count(&self) -> usize {
        self.vertices
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.pieces.capacity() * size_of::<[[f64; 2]; 2]>() + self.boxes.capacity() * size_of::<Bounds>()
    }

    pub(crate) fn pieces(&self) -> Range<usize> {
        0..self.pieces.len()
    }

    pub(crate) fn holds(&self, p: [f64; 2]) -> bool {
        let near = self.boxes.iter().enumerate().filter(|(_, bounds)| bounds.holds(p));
        let mut runs = near.map(|(run, _)| run * RUN..((run + 1) * RUN).min(self.pieces.len()));
        runs.any(|run| self.pieces[run].iter().any(|piece| distance_m(piece, p) <= self.buffer_m))
    }

    /// Metres from `p` to the nearest line.
    pub(crate) fn distance_m(&self, p: [f64; 2]) -> f64 {
        self.pieces.iter().map(|piece| distance_m(piece, p)).fold(f64::INFINITY, f64::min)
    }

    /// Metres from `p` to one piece.
    pub(crate) fn piece_distance_m(&self, piece: usize, p: [f64; 2]) -> f64 {
        distance_m(&self.pieces[piece], p)
    }

    /// One box around the places near a piece, or two where they lie over the antimeridian. A little larger.
    pub(crate) fn piece_bounds(&self, piece: usize) -> Vec<Bounds> {
        let ends = self.pieces[piece].map(|end| self.circle(end));
        let [a, b] = ends.map(|circle| circle.bounds());
        match (&a[..], &b[..]) {
            ([a], [b]) if (a.min[0] - b.min[0]).abs() < 180.0 => {
                // Between the ends the way may be wider by a hair.
                let mut joined = *a;
                joined.join(b);
                vec![grown(joined)]
            }
            _ => {
                // Over the antimeridian: a box on each side.
                let all: Vec<Bounds> = a.into_iter().chain(b).collect();
                // Where the way meets the antimeridian lies between the ends, on both sides.
                let whole = all.iter().fold(Bounds::EMPTY, |whole, bounds| whole.joined(bounds));
                let side = |east: bool| {
                    let of = all.iter().filter(|bounds| (bounds.min[0] + bounds.max[0] > 0.0) == east);
                    let mut joined = of.fold(Bounds::EMPTY, |mut joined, bounds| {
                        joined.join(bounds);
                        joined
                    });
                    joined.max[0] = if east { 180.0 } else { joined.max[0] };
                    joined.min[0] = if east { joined.min[0] } else { -180.0 };
                    (joined.min[1], joined.max[1]) = (whole.min[1], whole.max[1]);
                    grown(joined)
                };
                [side(true), side(false)].into_iter().filter(|b| b.min[0] <= b.max[0] && b.min[1] <= b.max[1]).collect()
            }
        }
    }

    /// How a box lies in relation to the places near a piece. Never wrong when it says inside or outside.
    pub(crate) fn classify(&self, piece: usize, b: &Bounds) -> BoxSide {
        let clamp = |p: [f64; 2]| [p[0].clamp(-180.0, 180.0), p[1].clamp(-90.0, 90.0)];
        let (min, max) = (clamp(b.min), clamp(b.max));
        let centre = [(min[0] + max[0]) * 0.5, (min[1] + max[1]) * 0.5];
        // No place of the box is farther from its centre: along the meridian, then along the widest parallel.
        let widest =
            if min[1] <= 0.0 && max[1] >= 0.0 { 1.0 } else { min[1].abs().min(max[1].abs()).to_radians().cos() };
        let half = [(max[0] - min[0]).to_radians() * 0.5 * widest, (max[1] - min[1]).to_radians() * 0.5];
        let reach = EARTH_RADIUS_M * (half[0] + half[1]);
        let ends = &self.pieces[piece];
        let middle = [(ends[0][0] + ends[1][0]) * 0.5, (ends[0][1] + ends[1][1]) * 0.5];
        let from_middle = haversine_m(middle, centre);
        let half_piece = PIECE_DEG.to_radians() * EARTH_RADIUS_M;
        if from_middle - reach - half_piece > self.buffer_m {
            return BoxSide::Outside;
        }
        let near = distance_m(ends, centre);
        if near * (1.0 - SLACK) - reach > self.buffer_m * (1.0 + SLACK) + 1e-3 {
            return BoxSide::Outside;
        }
        if (near + reach) * (1.0 + SLACK) + 1e-3 < self.buffer_m { BoxSide::Inside } else { BoxSide::Border }
    }

    fn circle(&self, at: [f64; 2]) -> Circle {
        let [lon, lat] = centred(at);
        let centre = Position::new(lat.clamp(-90.0, 90.0), lon.clamp(-180.0, 180.0)).expect("it was clamped");
        Circle { centre, radius_m: self.buffer_m * (1.0 + SLACK) }
    }
}

fn grown(bounds: Bounds) -> Bounds {
    let margin = 1e-4 * (bounds.max[0] - bounds.min[0]).max(bounds.max[1] - bounds.min[1]);
    Bounds {
        min: [bounds.min[0] - margin, bounds.min[1] - margin],
        max: [bounds.max[0] + margin, bounds.max[1] + margin],
    }
}

/// The same place with a longitude of -180 to 180.
fn centred(p: [f64; 2]) -> [f64; 2] {
    [p[0] - 360.0 * (p[0] / 360.0).round(), p[1]]
}

/// `x` by whole turns, at most half a turn from `to`.
fn near_to(x: f64, to: f64) -> f64 {
    x - 360.0 * ((x - to) / 360.0).round()
}

fn push_pieces(ends: &[[f64; 2]; 2], out: &mut Vec<[[f64; 2]; 2]>) {
    let a = ends[0];
    let b = [if (ends[1][0] - a[0]).abs() > 180.0 { near_to(ends[1][0], a[0]) } else { ends[1][0] }, ends[1][1]];
    let length = (b[0] - a[0]).abs().max((b[1] - a[1]).abs());
    let parts = (length / PIECE_DEG).ceil().max(1.0);
    let at = |n: f64| match n == parts {
        true => b,
        false => [a[0] + (b[0] - a[0]) * (n / parts), a[1] + (b[1] - a[1]) * (n / parts)],
    };
    let mut n = 0.0;
    while n < parts {
        let (start, end) = (at(n), at(n + 1.0));
        let turn = centred([(start[0] + end[0]) * 0.5, 0.0])[0] - (start[0] + end[0]) * 0.5;
        out.push([start, end].map(|p| [p[0] + turn, p[1]]));
        n += 1.0;
    }
}

/// Haversine distance from `p` to the point of the piece that is nearest on the plane that touches the Earth between
/// the two.
fn distance_m(piece: &[[f64; 2]; 2], p: [f64; 2]) -> f64 {
    let x = near_to(p[0], (piece[0][0] + piece[1][0]) * 0.5);
    let d = [piece[1][0] - piece[0][0], piece[1][1] - piece[0][1]];
    let nearest = |lat: f64| {
        let east = lat.to_radians().cos();
        let (dx, dy) = (d[0] * east, d[1]);
        let (px, py) = ((x - piece[0][0]) * east, p[1] - piece[0][1]);
        let length2 = dx * dx + dy * dy;
        let t = if length2 > 0.0 { ((px * dx + py * dy) / length2).clamp(0.0, 1.0) } else { 0.0 };
        [piece[0][0] + d[0] * t, piece[0][1] + d[1] * t]
    };
    let first = nearest(p[1]);
    let second = nearest((p[1] + first[1]) * 0.5);
    haversine_m(second, p)
}

fn haversine_m(a: [f64; 2], b: [f64; 2]) -> f64 {
    let half_lat = ((b[1] - a[1]).to_radians() * 0.5).sin();
    let half_lon = ((b[0] - a[0]).to_radians() * 0.5).sin();
    let h = half_lat * half_lat + a[1].to_radians().cos() * b[1].to_radians().cos() * half_lon * half_lon;
    2.0 * EARTH_RADIUS_M * h.sqrt().min(1.0).asin()
}
