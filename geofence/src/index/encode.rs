//! Writing border leaves: clipping edges to a cell's frame and placing the words so that few cache lines are touched.

use crate::index::grid::{Frame, Grid};
use crate::index::leaf::{GROUP_EDGES, GROUP_WORDS, NO_EDGE};
use crate::ring::{Ring, passes_above};

/// Words in a cache line.
const LINE_WORDS: usize = 16;
/// Leaves start at multiples of this many words.
const UNIT_WORDS: usize = 4;
/// Half the side of a frame in leaf coordinates.
pub(crate) const FRAME_UNITS: f64 = 32_000.0;

/// The words of border leaves; the first starts a cache line, or will once they are joined.
#[derive(Debug, Default)]
pub(crate) struct Leaves {
    words: Vec<u32>,
    start: usize,
}

impl Leaves {
    #[inline]
    pub fn words(&self) -> &[u32] {
        &self.words[self.start..]
    }

    /// Returns the unit at which the leaf starts. A leaf that fits in a cache line lies in one.
    pub fn push(&mut self, leaf: &[u32]) -> usize {
        debug_assert_eq!(self.start, 0, "leaves are pushed before they are joined");
        let at = self.words.len().next_multiple_of(UNIT_WORDS);
        let in_line = at % LINE_WORDS;
        let fits = in_line + leaf.len() <= LINE_WORDS;
        let at = if fits || in_line == 0 || leaf.len() > 2 * LINE_WORDS { at } else { at.next_multiple_of(LINE_WORDS) };
        self.words.resize(at, 0);
        self.words.extend_from_slice(leaf);
        at / UNIT_WORDS
    }

    /// With room for so many words, the first of which starts a cache line.
    pub fn for_words(words: usize) -> Leaves {
        let mut placed: Vec<u32> = Vec::with_capacity(words + LINE_WORDS);
        let start = placed.as_ptr().align_offset(LINE_WORDS * 4).min(LINE_WORDS);
        placed.resize(start, 0);
        Leaves { words: placed, start }
    }

    /// Words that `append` takes for these.
    pub fn room(&self) -> usize {
        self.words().len().next_multiple_of(LINE_WORDS)
    }

    /// Words that it takes without new memory.
    pub fn free(&self) -> usize {
        (self.words.capacity() - self.start).saturating_sub(self.room())
    }

    /// Puts all leaves of another behind these, from a cache line's start on; returns how many units they move.
    pub fn append(&mut self, other: &Leaves) -> usize {
        let moved = self.room();
        self.words.resize(self.start + moved, 0);
        self.words.extend_from_slice(other.words());
        moved / UNIT_WORDS
    }

    /// The first word of the leaf at this unit.
    pub fn word_of(unit: usize) -> usize {
        unit * UNIT_WORDS
    }

    pub fn word_mut(&mut self, at: usize) -> &mut u32 {
        &mut self.words[self.start + at]
    }
}

/// Appends the parts of a ring's edges in the frame, in order, each with its upright.
pub(crate) fn cut_edges(grid: &Grid, frame: &Frame, ring: &Ring, edges: &[u32], cut: &mut Vec<[i16; 4]>) {
    for &edge in edges {
        let (a, b) = ring.edge(edge as usize);
        let [inside, upright] = in_frame(grid, frame, a, b);
        // The way of the line: an upright comes after an edge that leaves, and before one that enters.
        let leaves = a[0] <= frame.bounds.max[0];
        cut.extend(if leaves { [inside, upright] } else { [upright, inside] }.into_iter().flatten());
    }
}

/// Appends edges as groups; returns how many groups.
pub(crate) fn push_groups(edges: &[[i16; 4]], words: &mut Vec<u32>) -> usize {
    for edges in edges.chunks(GROUP_EDGES) {
        let mut group = [NO_EDGE; GROUP_EDGES];
        group[..edges.len()].copy_from_slice(edges);
        push_group(&group, words);
    }
    edges.len().div_ceil(GROUP_EDGES)
}

fn push_group(group: &[[i16; 4]; GROUP_EDGES], words: &mut Vec<u32>) {
    let word = |x: i16, y: i16| u32::from(x as u16) | u32::from(y as u16) << 16;
    words.extend(group.iter().map(|e| word(e[0], e[1])));
    words.extend(group.iter().map(|e| word(e[2], e[3])));
    debug_assert_eq!(words.len() % 2, 0, "a group has {GROUP_WORDS} words");
}

/// The part of an edge in the frame, and the upright from where it leaves the frame's right side.
fn in_frame(grid: &Grid, frame: &Frame, a: [f64; 2], b: [f64; 2]) -> [Option<[i16; 4]>; 2] {
    let right = frame.bounds.max[0];
    let (mut start, mut end) = (grid.leaf_units(frame, a), grid.leaf_units(frame, b));
    let (a_left, b_left) = (a[0] <= right, b[0] <= right);
    if !a_left && !b_left {
        return [None, None];
    }
    let mut upright = None;
    if a_left != b_left {
        let leaves_at = leaves_right_at(grid, frame, a, b);
        let point = [FRAME_UNITS, leaves_at];
        if passes_above(a, b, frame.bounds.corner()) && leaves_at < FRAME_UNITS {
            let top = [FRAME_UNITS, FRAME_UNITS];
            // An edge that leaves goes on upwards; one that enters came from above.
            upright = Some(if a_left { rounded(point, top) } else { rounded(top, point) });
        }
        *(if a_left { &mut end } else { &mut start }) = point;
    }
    let inside = clip(start, end).map(|(start, end)| rounded(start, end));
    [inside, upright]
}

/// The height, in leaf coordinates, at which an edge passes the frame's right side.
fn leaves_right_at(grid: &Grid, frame: &Frame, a: [f64; 2], b: [f64; 2]) -> f64 {
    let t = ((frame.bounds.max[0] - a[0]) / (b[0] - a[0])).clamp(0.0, 1.0);
    grid.leaf_units(frame, [frame.bounds.max[0], a[1] + (b[1] - a[1]) * t])[1]
}

/// Liang-Barsky against the frame's left, lower and upper side. The right side is dealt with already; to cut there
/// again would part the shared ends of steep edges.
fn clip(a: [f64; 2], b: [f64; 2]) -> Option<([f64; 2], [f64; 2])> {
    let d = [b[0] - a[0], b[1] - a[1]];
    let (mut from, mut to) = (0.0f64, 1.0f64);
    for (along, distance) in [(-d[0], a[0] + FRAME_UNITS), (-d[1], a[1] + FRAME_UNITS), (d[1], FRAME_UNITS - a[1])] {
        if along == 0.0 {
            if distance < 0.0 {
                return None;
            }
        } else if along < 0.0 {
            from = from.max(distance / along);
        } else {
            to = to.min(distance / along);
        }
    }
    let at = |t: f64, end: [f64; 2]| if t == 0.0 || t == 1.0 { end } else { [a[0] + d[0] * t, a[1] + d[1] * t] };
    (from <= to).then(|| (at(from, a), at(to, b)))
}

fn rounded(a: [f64; 2], b: [f64; 2]) -> [i16; 4] {
    // As `round` does, which is a call where processors need not have the instruction.
    [a[0], a[1], b[0], b[1]].map(|v| (v + 0.5f64.copysign(v)).clamp(-FRAME_UNITS, FRAME_UNITS) as i16)
}
