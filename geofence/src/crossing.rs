//! Where on a vehicle's straight line it crossed a zone's border.

use smallvec::SmallVec;

use crate::bounds::Bounds;
use crate::circle::Circle;
use crate::passage;
use crate::position::Position;
use crate::ring::{orientation, same_side};
use crate::zone::{Polygon, Shape};

/// Which crossing is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The last one inwards.
    Enter,
    /// The first one outwards.
    Exit,
}

/// Most lines cross a border once.
pub(crate) type Cuts = SmallVec<[f64; 8]>;

/// Shorter stretches of the line between two crossings are rounding, not geometry.
const STRETCH_MIN: f64 = 1e-12;
/// Halvings until a fraction has no further bits.
const HALVINGS: usize = 54;

/// See [`crate::Zones::crossing`]. `holds` answers whether the shape holds a place.
pub(crate) fn crossing(
    shape: &Shape,
    from: Position,
    to: Position,
    side: Side,
    holds: impl Fn([f64; 2]) -> bool,
) -> f64 {
    let (a, b) = ([from.lon(), from.lat()], [to.lon(), to.lat()]);
    match shape {
        Shape::Polygons(polygons) => {
            let cuts = cuts(polygons, a, b);
            let inside = |t: f64| {
                let at = from.towards(to, t);
                holds([at.lon(), at.lat()])
            };
            // Over one edge of a ring the winding number changes by one, so one side is outside only if the other is not.
            if let ([Polygon { shell, holes }], [_, t, _]) = (&polygons[..], &cuts[..])
                && holes.is_empty()
                && *t > STRETCH_MIN
                && 1.0 - *t > STRETCH_MIN
                && (shell.is_simple() || !inside(if side == Side::Enter { t * 0.5 } else { t + (1.0 - t) * 0.5 }))
            {
                return *t;
            }
            match side {
                Side::Enter => last_outside(&cuts, inside),
                Side::Exit => first_outside(&cuts, inside),
            }
        }
        Shape::Circle(circle) => circle_crossing(circle, from, to, side),
        Shape::Corridor(corridor) => passage::corridor_crossing(corridor, from, to, side),
    }
}

/// The fractions at which the line from `a` to `b` meets any edge, ascending, from 0 to 1 inclusive.
pub(crate) fn cuts(polygons: &[Polygon], a: [f64; 2], b: [f64; 2]) -> Cuts {
    let line = Bounds::of(&[a, b]);
    let mut cuts = Cuts::from_slice(&[0.0, 1.0]);
    for ring in polygons.iter().flat_map(Polygon::rings) {
        ring.runs_where(
            &line,
            |bounds| bounds.may_touch(a, b),
            |run| ring.edges_meeting(run, &line, |c, d| push_cuts(a, b, c, d, &mut cuts)),
        );
    }
    cuts.sort_unstable_by(f64::total_cmp);
    cuts
}

fn push_cuts(a: [f64; 2], b: [f64; 2], c: [f64; 2], d: [f64; 2], cuts: &mut Cuts) {
    let (of_a, of_b) = (orientation(c, d, a), orientation(c, d, b));
    if same_side(of_a, of_b) || same_side(orientation(a, b, c), orientation(a, b, d)) {
        return;
    }
    if of_a == 0.0 && of_b == 0.0 {
        cuts.extend([c, d].map(|p| fraction_at(a, b, p)));
    } else {
        cuts.push((of_a / (of_a - of_b)).clamp(0.0, 1.0));
    }
}

/// How far along the line from `a` to `b` the point `p` on it lies.
fn fraction_at(a: [f64; 2], b: [f64; 2], p: [f64; 2]) -> f64 {
    let d = [b[0] - a[0], b[1] - a[1]];
    let axis = usize::from(d[1].abs() > d[0].abs());
    if d[axis] == 0.0 { 0.0 } else { ((p[axis] - a[axis]) / d[axis]).clamp(0.0, 1.0) }
}

pub(crate) fn stretches(cuts: &[f64]) -> impl DoubleEndedIterator<Item = (f64, f64)> {
    cuts.array_windows().map(|&[low, high]| (low, high)).filter(|(low, high)| high - low > STRETCH_MIN)
}

/// The end of the last stretch that is outside.
fn last_outside(cuts: &[f64], inside: impl Fn(f64) -> bool) -> f64 {
    stretches(cuts).rev().find(|(low, high)| !inside(low + (high - low) * 0.5)).map_or(1.0, |(_, high)| high)
}

/// The start of the first stretch that is outside.
fn first_outside(cuts: &[f64], inside: impl Fn(f64) -> bool) -> f64 {
    stretches(cuts).find(|(low, high)| !inside(low + (high - low) * 0.5)).map_or(0.0, |(low, _)| low)
}

/// A line enters a circle once and leaves it once.
fn circle_crossing(circle: &Circle, from: Position, to: Position, side: Side) -> f64 {
    let inside = |t: f64| {
        let at = from.towards(to, t);
        circle.holds([at.lon(), at.lat()])
    };
    let (mut known_inside, mut known_outside) = match side {
        Side::Enter => (1.0, 0.0),
        Side::Exit => (0.0, 1.0),
    };
    if !inside(known_inside) || inside(known_outside) {
        return known_inside;
    }
    for _ in 0..HALVINGS {
        let middle = known_inside + (known_outside - known_inside) * 0.5;
        *(if inside(middle) { &mut known_inside } else { &mut known_outside }) = middle;
    }
    known_inside
}
