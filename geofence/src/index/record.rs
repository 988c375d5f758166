//! Records: the borders of cells that are short enough for half a cache line.
//!
//! Most cells at a border have few edges of one ring or two. They stand as one polyline a ring in the 16-bit coordinates
//! of border leaves (see [`leaf`](super::leaf), also for why the answer is exact).
//!
//! # Layout, in 32-bit words
//!
//! ```text
//! any     a CellWord; the rest is unused unless it says
//! short   zone << 3 | TAG_SHORT, the inside state | winding << 1,               5 points (x | y << 16), unused
//! pair    zone << 3 | TAG_PAIR, other zone << 3 | 1 | winding << 1 | other's << 2, 3 points, the other's 3 points
//! ```

use crate::index::cell::CellWord;
use crate::index::encode::FRAME_UNITS;
use crate::index::leaf::test_edges;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(32))]
pub(crate) struct Record(pub [u32; 8]);

/// In a second word: the state of an inside zone, and nothing.
const INSIDE: u32 = !0b110;
pub(crate) const SHORT_POINTS: usize = 5;
pub(crate) const PAIR_POINTS: usize = 3;
const POINTS_MAX: usize = 8;
const SIDE: i16 = FRAME_UNITS as i16;

/// The edges of one ring in one cell as a line of few points. Its zone and winding number come with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Polyline {
    points: [[i16; 2]; POINTS_MAX],
    len: usize,
    zone: u32,
    winding: bool,
}

impl Record {
    pub fn of(word: CellWord) -> Record {
        Record([word.0, 0, 0, 0, 0, 0, 0, 0])
    }

    #[inline]
    pub fn word(&self) -> CellWord {
        CellWord(self.0[0])
    }

    /// One ring at the border, and inside one zone or none. None if it does not fit.
    pub fn short(line: &Polyline, inside: CellWord) -> Option<Record> {
        if line.len > SHORT_POINTS || inside.tag() > CellWord::TAG_ONE {
            return None;
        }
        let first = CellWord::new(CellWord::TAG_SHORT, line.zone as usize);
        let p = line.words::<SHORT_POINTS>();
        Some(Record([first.0, inside.0 | u32::from(line.winding) << 1, p[0], p[1], p[2], p[3], p[4], p[4]]))
    }

    /// Two rings of two zones at the border, and inside none. None if they do not fit.
    pub fn pair(line: &Polyline, other: &Polyline) -> Option<Record> {
        if line.len.max(other.len) > PAIR_POINTS || line.zone == other.zone {
            return None;
        }
        let first = CellWord::new(CellWord::TAG_PAIR, line.zone as usize);
        let second = CellWord::new(CellWord::TAG_ONE, other.zone as usize);
        let windings = u32::from(line.winding) << 1 | u32::from(other.winding) << 2;
        let (p, q) = (line.words::<PAIR_POINTS>(), other.words::<PAIR_POINTS>());
        Some(Record([first.0, second.0 | windings, p[0], p[1], p[2], q[0], q[1], q[2]]))
    }

    /// Appends the zones whose borders a short record or a pair has.
    pub fn push_zones(&self, out: &mut Vec<u32>) {
        out.push(self.word().payload());
        if self.word().tag() == CellWord::TAG_PAIR {
            out.push(self.0[1] >> 3);
        }
    }

    /// The zones of a short record or a pair that hold a point, each as an inside state, ascending.
    /// `x`, `y`: the point in leaf coordinates. `exact` answers for a zone by its true shape.
    #[inline(always)]
    pub fn resolve(&self, x: f32, y: f32, exact: impl Fn(u32) -> bool) -> [CellWord; 2] {
        let words = &self.0;
        let pair = u32::from(self.word().tag() == CellWord::TAG_PAIR);
        // A pair's second line starts a point later.
        let from = 4 + pair as usize;
        let starts = [words[2], words[3], words[from], words[from + 1]];
        let ends = [words[3], words[4], words[from + 1], words[from + 2]];
        let (turns, close) = test_edges(starts, ends, x, y);
        let later = turns[2] + turns[3];
        let winding = turns[0] + turns[1] + later * (1 - pair as i32) + (words[1] >> 1 & 1) as i32;
        let other = later + (words[1] >> 2 & 1) as i32;
        let mut holds = [winding != 0, (pair == 0) | (other != 0)];
        if close.iter().sum::<i32>() != 0 {
            holds[0] = exact(words[0] >> 3);
            holds[1] = pair == 0 || exact(words[1] >> 3);
        }
        let first = (words[0] >> 3 << 3 | CellWord::TAG_ONE) & u32::from(holds[0]).wrapping_neg();
        let second = words[1] & INSIDE & u32::from(holds[1]).wrapping_neg();
        // Words of one zone order as their zones do.
        [CellWord(first.min(second)), CellWord(first.max(second))]
    }
}

impl Polyline {
    /// From a ring's edges in the frame, in order. None if there are too many, or ends that no path outside joins.
    pub fn new(edges: &[[i16; 4]], zone: u32, winding: i32) -> Option<Polyline> {
        let mut line = Polyline { points: [[0; 2]; POINTS_MAX], len: 0, zone, winding: winding != 0 };
        for [ax, ay, bx, by] in edges {
            let start = [*ax, *ay];
            if line.len == 0 {
                line.push(start)?;
            } else if line.points[line.len - 1] != start {
                line.join(start)?;
            }
            line.push([*bx, *by])?;
        }
        if winding == -1 {
            // Zero or not is all that counts, and that is the same the other way around.
            line.points[..line.len].reverse();
        }
        (line.len > 0 && winding.abs() <= 1).then_some(line)
    }

    /// Goes around the cell on the frame's left, upper and lower side, where no edge changes a winding number in the cell.
    fn join(&mut self, to: [i16; 2]) -> Option<()> {
        let from = self.points[self.len - 1];
        let corner = |y: i16| [-SIDE, if y == SIDE { SIDE } else { -SIDE }];
        match (side_of(from)?, side_of(to)?) {
            (a, b) if a == b => {}
            (FrameSide::Left, FrameSide::Level(y)) | (FrameSide::Level(y), FrameSide::Left) => self.push(corner(y))?,
            (FrameSide::Level(y), FrameSide::Level(z)) => {
                self.push(corner(y))?;
                self.push(corner(z))?;
            }
            (FrameSide::Left, FrameSide::Left) => {}
        }
        self.push(to)
    }

    /// A point between two others on one side of the frame adds nothing.
    fn push(&mut self, p: [i16; 2]) -> Option<()> {
        if let [.., a, b] = self.points[..self.len]
            && [0, 1].iter().any(|axis| b[*axis].abs() == SIDE && a[*axis] == b[*axis] && b[*axis] == p[*axis])
        {
            self.len -= 1;
        }
        *self.points.get_mut(self.len)? = p;
        self.len += 1;
        Some(())
    }

    /// The last point fills the rest.
    fn words<const N: usize>(&self) -> [u32; N] {
        std::array::from_fn(|i| {
            let [x, y] = self.points[i.min(self.len - 1)];
            u32::from(x as u16) | u32::from(y as u16) << 16
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum FrameSide {
    Left,
    /// The upper or the lower one.
    Level(i16),
}

fn side_of([x, y]: [i16; 2]) -> Option<FrameSide> {
    match () {
        () if y.abs() == SIDE => Some(FrameSide::Level(y)),
        () if x == -SIDE => Some(FrameSide::Left),
        () => None,
    }
}
