//! Rings across the antimeridian and around a pole, laid out so that they can be drawn on a plane.

/// How a ring lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// As it is written.
    Plain,
    /// Across the antimeridian.
    Across,
    /// Around a pole.
    North,
    South,
}

/// Longitudes farther out than this are mistakes.
pub(crate) const LON_MAX: f64 = 540.0;

/// Lays a closed ring of `[longitude, latitude]` out: every edge goes the short way around the Earth, and longitudes run
/// on beyond 180 where it does. A ring around a pole is led along a meridian to the pole, once around it and back.
///
/// An edge of exactly half a turn or less is as written; so is one along a parallel from -180 to 180, unless the ring
/// shows that -180 and 180 are meant to be one meridian: by other edges, or by closing there after one turn.
pub(crate) fn lay_out(ring: &mut Vec<[f64; 2]>) -> Lie {
    let jumps = ring.array_windows().any(|[a, b]| is_jump(a, b)) || closes_after_a_turn(ring);
    let beyond = ring.iter().any(|v| v[0].abs() > 180.0);
    if !jumps {
        return if beyond { Lie::Across } else { Lie::Plain };
    }
    let (mut before, mut turns) = (ring[0][0], 0.0);
    for vertex in ring.iter_mut() {
        let step = vertex[0] - before;
        before = vertex[0];
        turns += if step.abs() > 180.0 { (step / 360.0).round() } else { 0.0 };
        vertex[0] -= 360.0 * turns;
    }
    // Ends of an edge that was none.
    ring.dedup();
    let (first, last) = (ring[0], ring[ring.len() - 1]);
    if (last[0] - first[0]).abs() < 180.0 {
        centre(ring);
        return Lie::Across;
    }
    // The pole on whose side less of the Earth lies, whichever way the ring was drawn.
    let weight: f64 = ring.array_windows().map(|[a, b]| (b[0] - a[0]).abs() * (a[1] + b[1])).sum();
    let (lie, pole) = if weight >= 0.0 { (Lie::North, 90.0) } else { (Lie::South, -90.0) };
    ring.extend([[last[0], pole], [first[0], pole], first]);
    centre(ring);
    lie
}

/// Moves a ring by whole turns so that its middle lies between -180 and 180: rings of one polygon then lie together.
fn centre(ring: &mut [[f64; 2]]) {
    let (min, max) =
        ring.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), v| (min.min(v[0]), max.max(v[0])));
    let turn = 360.0 * ((min + max) * 0.5 / 360.0).round();
    ring.iter_mut().for_each(|v| v[0] -= turn);
}

/// Over more than half of the Earth, but not all around it.
fn is_jump(a: &[f64; 2], b: &[f64; 2]) -> bool {
    let wide = (a[0] - b[0]).abs();
    wide > 180.0 && wide != 360.0
}

/// A ring once around the Earth, written from one end of the plane to the other, with one edge back that is a place in truth.
/// An edge along the meridian of that place would show that what lies between is meant.
fn closes_after_a_turn(ring: &[[f64; 2]]) -> bool {
    let mut back = ring.array_windows().filter(|[a, b]| (a[0] - b[0]).abs() == 360.0);
    let Some([from, _]) = back.next() else { return false };
    let along = |lon: f64| (lon - from[0]) % 360.0 == 0.0;
    back.next().is_none() && !ring.array_windows().any(|[a, b]| a[0] == b[0] && along(a[0]))
}

/// By how many degrees copies of a ring that was laid out are moved, so that all of it lies between -180 and 180.
pub(crate) fn turns(min: f64, max: f64) -> impl Iterator<Item = f64> {
    [0.0, -360.0, 360.0, -720.0, 720.0].into_iter().filter(move |turn| min + turn <= 180.0 && max + turn >= -180.0)
}
