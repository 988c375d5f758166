//! The way of a vehicle between two fixes: always the short way around the Earth, and what it passes through.

use crate::bounds::Bounds;
use crate::circle::Circle;
use crate::corridor::Corridor;
use crate::crossing::{self, Side};
use crate::position::Position;
use crate::ring::edges_meet;
use crate::zone::{Polygon, Shape};

/// A part of a way that does not pass the antimeridian, and which fractions of the way it is.
#[derive(Clone, Copy, Debug)]
struct Leg {
    from: Position,
    to: Position,
    start: f64,
    end: f64,
}

impl Leg {
    fn whole(&self, fraction: f64) -> f64 {
        self.start + (self.end - self.start) * fraction
    }
}

/// One leg, or two that meet at the antimeridian.
fn legs(from: Position, to: Position) -> (Leg, Option<Leg>) {
    let over = to.lon() - from.lon();
    if over.abs() <= 180.0 {
        return (Leg { from, to, start: 0.0, end: 1.0 }, None);
    }
    let edge = if over > 0.0 { -180.0 } else { 180.0 };
    let way = over - 360.0 * over.signum();
    let half = if way == 0.0 { 0.0 } else { ((edge - from.lon()) / way).clamp(0.0, 1.0) };
    let lat = from.lat() + (to.lat() - from.lat()) * half;
    let at = |lon| Position::new(lat.clamp(-90.0, 90.0), lon).expect("between two positions");
    (Leg { from, to: at(edge), start: 0.0, end: half }, Some(Leg { from: at(-edge), to, start: half, end: 1.0 }))
}

/// The way as one line or two between `[longitude, latitude]`.
pub(crate) fn lines(from: Position, to: Position) -> impl Iterator<Item = ([f64; 2], [f64; 2])> {
    let (first, second) = legs(from, to);
    let ends = |leg: Leg| ([leg.from.lon(), leg.from.lat()], [leg.to.lon(), leg.to.lat()]);
    [Some(first), second].into_iter().flatten().map(ends)
}

/// The place at a fraction of the way.
pub(crate) fn along(from: Position, to: Position, fraction: f64) -> Position {
    match legs(from, to) {
        (leg, None) => leg.from.towards(leg.to, fraction),
        (first, Some(second)) => {
            let leg = if fraction <= first.end { first } else { second };
            let length = leg.end - leg.start;
            let within = if length > 0.0 { (fraction - leg.start) / length } else { 1.0 };
            leg.from.towards(leg.to, within)
        }
    }
}

/// See [`crate::Zones::crossing`]. `holds` answers whether the shape holds a place.
pub(crate) fn crossing(
    shape: &Shape,
    from: Position,
    to: Position,
    side: Side,
    holds: impl Fn([f64; 2]) -> bool,
) -> f64 {
    let (first, second) = match legs(from, to) {
        (leg, None) => return crossing::crossing(shape, leg.from, leg.to, side, holds),
        (first, Some(second)) => (first, second),
    };
    // Looked for from the end that is inside: that leg has it unless all of it is inside.
    let (near, far, none) = match side {
        Side::Enter => (second, first, 1.0),
        Side::Exit => (first, second, 0.0),
    };
    let found = |leg: &Leg| crossing::crossing(shape, leg.from, leg.to, side, &holds);
    let holds_turn = |at: Position| holds([at.lon(), at.lat()]);
    let (turn_near, turn_far) = match side {
        Side::Enter => (near.from, far.to),
        Side::Exit => (near.to, far.from),
    };
    match found(&near) {
        at if at != none || !holds_turn(turn_near) => near.whole(at),
        _ if !holds_turn(turn_far) => near.whole(1.0 - none),
        _ => match found(&far) {
            at if at == none => none,
            at => far.whole(at),
        },
    }
}

/// The first and the last fraction of a way with both ends outside at which it is inside; `None` if it does not pass
/// through, or only touches.
pub(crate) fn passes(shape: &Shape, from: Position, to: Position) -> Option<(f64, f64)> {
    let (first, second) = legs(from, to);
    let mut found: Option<(f64, f64)> = None;
    for leg in [Some(first), second].into_iter().flatten() {
        if let Some((entry, exit)) = leg_passes(shape, &leg) {
            let entry = found.map_or(leg.whole(entry), |(entry, _)| entry);
            found = Some((entry, leg.whole(exit)));
        }
    }
    found
}

/// Whether the border of a shape may meet a way. Exact for polygons.
pub(crate) fn may_meet(shape: &Shape, from: Position, to: Position) -> bool {
    let Shape::Polygons(polygons) = shape else { return true };
    lines(from, to).any(|(a, b)| {
        let line = Bounds::of(&[a, b]);
        let met = std::cell::Cell::new(false);
        for ring in polygons.iter().flat_map(Polygon::rings) {
            ring.runs_where(
                &line,
                |bounds| !met.get() && bounds.may_touch(a, b),
                |mut run| {
                    let meets = run.any(|edge| {
                        let (c, d) = ring.edge(edge);
                        !line.is_beside(c, d) && edges_meet((a, b), (c, d))
                    });
                    met.set(met.get() || meets);
                },
            );
        }
        met.get()
    })
}

fn leg_passes(shape: &Shape, leg: &Leg) -> Option<(f64, f64)> {
    match shape {
        Shape::Polygons(polygons) => {
            let (a, b) = ([leg.from.lon(), leg.from.lat()], [leg.to.lon(), leg.to.lat()]);
            let line = Bounds::of(&[a, b]);
            if !polygons.iter().any(|polygon| polygon.shell.bounds().meets(&line)) {
                return None;
            }
            let cuts = crossing::cuts(polygons, a, b);
            let inside = |(low, high): &(f64, f64)| shape.holds(leg.from.towards(leg.to, low + (high - low) * 0.5));
            let mut stretches = crossing::stretches(&cuts);
            let (entry, _) = stretches.find(inside)?;
            let last = crossing::stretches(&cuts).rev().find(inside);
            last.map(|(_, exit)| (entry, exit))
        }
        Shape::Circle(circle) => circle_passes(circle, leg),
        Shape::Corridor(corridor) => {
            let inside = corridor_stretches(corridor, leg.from, leg.to);
            inside.first().zip(inside.last()).map(|(first, last)| (first.0, last.1))
        }
    }
}

/// Where a way is in a corridor: the distance to each piece has one least value along it. Ascending, joined.
fn corridor_stretches(corridor: &Corridor, from: Position, to: Position) -> Vec<(f64, f64)> {
    let line = Bounds::of(&[[from.lon(), from.lat()], [to.lon(), to.lat()]]);
    let near = corridor.pieces().filter(|piece| corridor.piece_bounds(*piece).iter().any(|bounds| bounds.meets(&line)));
    let mut stretches: Vec<(f64, f64)> = near
        .filter_map(|piece| {
            let distance = |t: f64| {
                let at = from.towards(to, t);
                corridor.piece_distance_m(piece, [at.lon(), at.lat()])
            };
            interval(distance, corridor.buffer_m)
        })
        .collect();
    stretches.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let mut joined: Vec<(f64, f64)> = Vec::new();
    for (entry, exit) in stretches {
        match joined.last_mut() {
            Some(last) if entry <= last.1 + 1e-12 => last.1 = last.1.max(exit),
            _ => joined.push((entry, exit)),
        }
    }
    joined
}

/// As [`crate::crossing::crossing`] has it, for a way that does not pass the antimeridian.
pub(crate) fn corridor_crossing(corridor: &Corridor, from: Position, to: Position, side: Side) -> f64 {
    let inside = corridor_stretches(corridor, from, to);
    match side {
        Side::Enter => inside.last().map_or(1.0, |(entry, _)| if *entry > 0.0 { *entry } else { 1.0 }),
        Side::Exit => inside.first().map_or(0.0, |(_, exit)| if *exit < 1.0 { *exit } else { 0.0 }),
    }
}

/// The distance to a point has one least value along a way.
fn circle_passes(circle: &Circle, leg: &Leg) -> Option<(f64, f64)> {
    let distance = |t: f64| {
        let at = leg.from.towards(leg.to, t);
        circle.distance_m([at.lon(), at.lat()])
    };
    interval(distance, circle.radius_m)
}

/// Where a function with one least value over 0..=1 is at most `limit`, if it is anywhere for more than an instant.
pub(crate) fn interval(value: impl Fn(f64) -> f64, limit: f64) -> Option<(f64, f64)> {
    const THIRDS: usize = 80;
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..THIRDS {
        let (left, right) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        match value(left) <= value(right) {
            true => high = right,
            false => low = left,
        }
    }
    let least = [0.0, low + (high - low) * 0.5, 1.0].into_iter().min_by(|a, b| value(*a).total_cmp(&value(*b)))?;
    if value(least) > limit {
        return None;
    }
    let towards = |end: f64| match value(end) <= limit {
        true => end,
        false => {
            let (mut inside, mut outside) = (least, end);
            for _ in 0..54 {
                let middle = inside + (outside - inside) * 0.5;
                *(if value(middle) <= limit { &mut inside } else { &mut outside }) = middle;
            }
            inside
        }
    };
    let (entry, exit) = (towards(0.0), towards(1.0));
    (exit > entry).then_some((entry, exit))
}
