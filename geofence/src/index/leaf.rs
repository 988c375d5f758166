//! Border leaves: the few edges of a cell in 16-bit coordinates, and the fast test against them.
//!
//! # Why the answer is exact
//!
//! Inside one cell's frame the edges are clipped, moved to a lattice of 64,000 steps and cut off at the frame's right
//! side, from where each continues straight up. That bends every edge by less than `TOO_CLOSE` lattice steps and
//! bends shared ends together, so no curve opens. A winding number changes only when a curve passes over the point;
//! a point farther than `TOO_CLOSE` from every edge keeps the number it has around the true ring. It is counted from
//! the frame's lower right corner, whose number the builder knows exactly. For a point nearer than that the
//! test says so, and the exact predicates decide.
//!
//! # Layout, in 32-bit words
//!
//! ```text
//! leaf   entries << 5 | shift, inside (a CellWord), then the entries
//! entry  zone << 3 | flags, groups | winding << 16, then 8 words a group
//! group  4 edge starts (x | y << 16), 4 edge ends
//! ```

use crate::index::cell::{CellState, CellWord};

/// The ring is a hole of the piece before it.
pub(crate) const HOLE: u32 = 1;
/// Only the exact test can tell: a circle, or numbers too large for the entry.
pub(crate) const EXACT: u32 = 2;

pub(crate) const GROUP_EDGES: usize = 4;
pub(crate) const GROUP_WORDS: usize = 2 * GROUP_EDGES;
/// An unused place of a group: far from every point of the cell, and without height.
pub(crate) const NO_EDGE: [i16; 4] = [i16::MAX, i16::MAX, i16::MAX, i16::MAX];

/// In lattice steps. Rounding moves an edge by at most 0.75 and a point by less than 0.1.
const TOO_CLOSE: f32 = 1.5;

/// The winding number of one ring around a point, and whether an edge is too close to be sure.
#[derive(Clone, Copy)]
struct Counted {
    winding: i32,
    close: bool,
}

/// Pushes onto `out` the zones of the leaf at the start of `words` that hold the point, ascending.
/// `x`, `y`: the point in leaf coordinates. `exact` answers for a zone by its true shape.
#[inline]
pub(crate) fn resolve(words: &[u32], sets: &[u32], x: f32, y: f32, exact: impl Fn(u32) -> bool, out: &mut Vec<u32>) {
    let entries = words[0] >> 5;
    let start = out.len();
    push_inside(CellWord(words[1]), sets, out);
    let inside = out.len();
    each_border(words, entries, x, y, |zone, holds, close| {
        if if close { exact(zone) } else { holds } {
            out.push(zone);
        }
    });
    if inside > start && out.len() > inside {
        out[start..].sort_unstable();
    }
}

/// Whether one zone of the leaf holds the point; `exact` as above, for that zone.
pub(crate) fn holds(words: &[u32], sets: &[u32], zone: u32, x: f32, y: f32, exact: impl Fn() -> bool) -> bool {
    let mut found = inside_has(CellWord(words[1]), sets, zone);
    each_border(words, words[0] >> 5, x, y, |other, holds, close| {
        if other == zone {
            found = if close { exact() } else { holds };
        }
    });
    found
}

/// Calls `on` for every zone of the entries, ascending, with whether it holds the point and whether that is too close to
/// be sure. Entries of one zone stand together, and a piece's shell before its holes.
#[inline]
fn each_border(words: &[u32], entries: u32, x: f32, y: f32, mut on: impl FnMut(u32, bool, bool)) {
    let mut at = 2;
    let mut left = entries;
    while left > 0 {
        let zone = words[at] >> 3;
        let (mut holds, mut close) = (false, false);
        while left > 0 && words[at] >> 3 == zone {
            // One piece: its shell, then its holes.
            let mut piece = true;
            loop {
                let head = words[at];
                let counted = count(&words[at..], x, y);
                close |= counted.close | (head & EXACT != 0);
                piece &= (counted.winding != 0) != (head & HOLE != 0);
                at += 2 + (words[at + 1] & 0xffff) as usize * GROUP_WORDS;
                left -= 1;
                if left == 0 || words[at] & HOLE == 0 {
                    break;
                }
            }
            holds |= piece;
        }
        on(zone, holds, close);
    }
}

/// Appends the zones that have entries in the leaf at the start of `words`.
pub(crate) fn push_zones(words: &[u32], out: &mut Vec<u32>) {
    let mut at = 2;
    for _ in 0..words[0] >> 5 {
        out.push(words[at] >> 3);
        at += 2 + (words[at + 1] & 0xffff) as usize * GROUP_WORDS;
    }
}

/// Appends the zones of an inside state.
#[inline]
pub(crate) fn push_inside(inside: CellWord, sets: &[u32], out: &mut Vec<u32>) {
    match inside.state() {
        CellState::InsideOne(zone) => out.push(zone),
        CellState::InsideSet(at) => {
            let at = at as usize;
            out.extend_from_slice(&sets[at + 1..at + 1 + sets[at] as usize]);
        }
        _ => {}
    }
}

/// Whether an inside state names the zone.
pub(crate) fn inside_has(inside: CellWord, sets: &[u32], zone: u32) -> bool {
    match inside.state() {
        CellState::InsideOne(one) => one == zone,
        CellState::InsideSet(at) => {
            let at = at as usize;
            sets[at + 1..at + 1 + sets[at] as usize].binary_search(&zone).is_ok()
        }
        _ => false,
    }
}

#[inline(always)]
fn count(entry: &[u32], x: f32, y: f32) -> Counted {
    let groups = (entry[1] & 0xffff) as usize;
    let mut winding = (entry[1] as i32) >> 16;
    let mut close = false;
    let (groups, _) = entry[2..2 + groups * GROUP_WORDS].as_chunks::<GROUP_WORDS>();
    for group in groups {
        let (w, c) = count_group(group, x, y);
        winding += w;
        close |= c;
    }
    Counted { winding, close }
}

#[inline(always)]
fn count_group(group: &[u32; GROUP_WORDS], x: f32, y: f32) -> (i32, bool) {
    let [a, b, c, d, e, f, g, h] = *group;
    let (turns, close) = test_edges([a, b, c, d], [e, f, g, h], x, y);
    (turns.iter().sum(), close.iter().sum::<i32>() != 0)
}

/// What each of four edges adds to the winding number around a point, and 1 where it is too close to be sure.
#[inline(always)]
pub(crate) fn test_edges(
    starts: [u32; GROUP_EDGES],
    ends: [u32; GROUP_EDGES],
    x: f32,
    y: f32,
) -> ([i32; GROUP_EDGES], [i32; GROUP_EDGES]) {
    let low = |w: u32| ((w << 16) as i32 >> 16) as f32;
    let high = |w: u32| (w as i32 >> 16) as f32;
    let mut turns = [0i32; GROUP_EDGES];
    let mut close = [0i32; GROUP_EDGES];
    for i in 0..GROUP_EDGES {
        let (ax, ay) = (low(starts[i]), high(starts[i]));
        let (bx, by) = (low(ends[i]), high(ends[i]));
        let (dx, dy) = (bx - ax, by - ay);
        // Positive when the point lies left of the edge.
        let cross = dx * (y - ay) - dy * (x - ax);
        let up = (ay <= y) & (y < by) & (cross > 0.0);
        let down = (by <= y) & (y < ay) & (cross < 0.0);
        turns[i] = i32::from(up) - i32::from(down);
        close[i] = i32::from(
            (cross.abs() <= TOO_CLOSE * (dx.abs() + dy.abs()))
                & (x >= ax.min(bx) - TOO_CLOSE)
                & (x <= ax.max(bx) + TOO_CLOSE)
                & (y >= ay.min(by) - TOO_CLOSE)
                & (y <= ay.max(by) + TOO_CLOSE),
        );
    }
    (turns, close)
}
