//! What lies in one cell: which rings run through it, with which edges, and which zones cover all of it.

use std::ops::Range;

use crate::bounds::Bounds;
use crate::circle::BoxSide;
use crate::index::grid::FAN;
use crate::index::parts::Parts;
use crate::index::piece::Piece;
use crate::ring::Ring;
use crate::zone::{Polygon, Shape, Zone};

/// One ring in one cell. A piece's shell comes first, then the holes that matter in the cell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RingHere {
    pub piece: u32,
    /// 0 is the shell; a circle has no ring and this is `CIRCLE`.
    pub ring: u32,
    /// Around the frame's lower right corner.
    pub winding: i32,
    /// Into `Contents::edges`.
    pub edges: (u32, u32),
}

/// In place of a ring's number.
pub(crate) const CIRCLE: u32 = u32::MAX;

/// What lies in one cell; reused for all cells of one depth.
#[derive(Default)]
pub(crate) struct Contents {
    pub rings: Vec<RingHere>,
    pub edges: Vec<u32>,
    /// Of each edge the parts of the cell that it may touch, a bit a part; once the cell is divided.
    pub touched: Vec<u16>,
    /// The lower right corner of the cell's frame, where winding numbers are counted.
    pub corner: [f64; 2],
    /// Zones that cover the whole cell, ascending.
    pub inside: Vec<u32>,
    /// How far the walk over the parts has come.
    pub walk: Walk,
}

/// The parts of a cell are filled row by row from below. Their frames overlap, so winding numbers go from one part's
/// corner to the next one's over the few edges of one part.
#[derive(Default)]
pub(crate) struct Walk {
    /// Around the corner of the part before, by ring of the cell.
    before: Vec<i32>,
    before_corner: [f64; 2],
    /// Around the corner of the first part of the next row.
    above: Vec<i32>,
}

/// A part of a cell.
pub(crate) struct Part {
    pub bounds: Bounds,
    /// Row by row from below.
    pub number: u32,
    /// The corner of the part above.
    pub corner_above: [f64; 2],
}

impl Walk {
    /// Before the first part of a cell of so many rings.
    pub fn start(&mut self, rings: usize) {
        self.before.resize(rings, 0);
        self.above.resize(rings, 0);
    }

    /// After all rings of a part.
    pub fn step(&mut self, part: &Part) {
        self.before_corner = part.bounds.corner();
    }

    /// The winding number of one ring around the corner of a part; `edges` are those that touch the part, and `first`
    /// tells it for the first part of all.
    fn winding(&mut self, ring: usize, shape: &Ring, part: &Part, edges: &[u32], first: impl Fn() -> i32) -> i32 {
        let corner = part.bounds.corner();
        let (column, row) = (part.number % FAN, part.number / FAN);
        let winding = match (column, row) {
            (0, 0) => first(),
            (0, _) => self.above[ring],
            _ => self.before[ring] + shape.level_turns(edges, self.before_corner, corner),
        };
        if column == 0 {
            self.above[ring] = winding + shape.upright_turns(edges, corner, part.corner_above);
        }
        self.before[ring] = winding;
        winding
    }
}

impl RingHere {
    /// The cell is outside it.
    fn is_away(&self) -> bool {
        self.ring != CIRCLE && self.edges.0 == self.edges.1 && self.winding == 0
    }

    /// The cell is inside it.
    fn covers(&self) -> bool {
        self.ring != CIRCLE && self.edges.0 == self.edges.1 && self.winding != 0
    }
}

/// Appends those of the edges that may touch the part of this number; without branches, as either is as likely.
fn push_touching(edges: &[u32], touched: &[u16], part: u32, out: &mut Vec<u32>) {
    let mut len = out.len();
    out.resize(len + edges.len(), 0);
    for (edge, parts) in edges.iter().zip(touched) {
        out[len] = *edge;
        len += usize::from(parts >> part & 1);
    }
    out.truncate(len);
}

fn touches(shape: &Ring, edge: u32, bounds: &Bounds) -> bool {
    let (a, b) = shape.edge(edge as usize);
    bounds.may_touch(a, b)
}

/// The shapes that cells are filled from.
pub(crate) struct Shapes<'a> {
    pub zones: &'a [Zone],
    pub pieces: &'a [Piece],
}

impl Shapes<'_> {
    /// Adds what of a piece lies in `bounds`.
    pub fn add_piece(&self, piece: u32, bounds: &Bounds, out: &mut Contents) {
        let Some(polygon) = self.polygon(piece, bounds, out) else { return };
        let first = (out.rings.len(), out.edges.len());
        for (ring, shape) in (0..).zip(polygon.rings()) {
            let from = out.edges.len() as u32;
            shape.runs_meeting(bounds, |run| {
                out.edges.extend((run.start as u32..run.end as u32).filter(|edge| touches(shape, *edge, bounds)));
            });
            let edges = (from, out.edges.len() as u32);
            out.rings.push(RingHere { piece, ring, winding: shape.winding(out.corner), edges });
        }
        self.settle_piece(first, out);
    }

    /// Works out which edges of a cell touch which of its `parts`.
    pub fn divide(&self, parts: &Parts, cell: &mut Contents) {
        cell.walk.start(cell.rings.len());
        cell.touched.clear();
        cell.touched.resize(cell.edges.len(), 0);
        for here in &cell.rings {
            let Piece { zone, part, .. } = self.pieces[here.piece as usize];
            if let Shape::Polygons(polygons) = &self.zones[zone as usize].shape {
                let shape = polygons[part as usize].ring(here.ring);
                let edges = here.edges.0 as usize..here.edges.1 as usize;
                for (edge, touched) in cell.edges[edges.clone()].iter().zip(&mut cell.touched[edges]) {
                    let (a, b) = shape.edge(*edge as usize);
                    *touched = parts.touched(a, b);
                }
            }
        }
    }

    /// Adds what lies in a part of a cell of the cell's `rings`, which are those of one piece.
    pub fn add_part(&self, cell: &mut Contents, rings: Range<usize>, part: &Part, out: &mut Contents) {
        let piece = cell.rings[rings.start].piece;
        let Some(polygon) = self.polygon(piece, &part.bounds, out) else { return };
        let first = (out.rings.len(), out.edges.len());
        for at in rings {
            let here = cell.rings[at];
            let shape = polygon.ring(here.ring);
            let range = here.edges.0 as usize..here.edges.1 as usize;
            let around = &cell.edges[range.clone()];
            let from = out.edges.len();
            push_touching(around, &cell.touched[range], part.number, &mut out.edges);
            let winding = cell.walk.winding(at, shape, part, &out.edges[from..], || {
                let turn = [cell.corner[0], out.corner[1]];
                let up = shape.upright_turns(around, cell.corner, turn);
                here.winding + up + shape.level_turns(around, turn, out.corner)
            });
            let edges = (from as u32, out.edges.len() as u32);
            out.rings.push(RingHere { piece, ring: here.ring, winding, edges });
        }
        self.settle_piece(first, out);
    }

    /// The polygon of a piece; a circle is added right away.
    fn polygon(&self, piece: u32, bounds: &Bounds, out: &mut Contents) -> Option<&Polygon> {
        let Piece { zone, part, .. } = self.pieces[piece as usize];
        match &self.zones[zone as usize].shape {
            Shape::Polygons(polygons) => Some(&polygons[part as usize]),
            round => {
                let side = match round {
                    Shape::Corridor(corridor) => corridor.classify(part as usize, bounds),
                    Shape::Circle(circle) => circle.classify(bounds),
                    Shape::Polygons(_) => unreachable!("a polygon is no round shape"),
                };
                match side {
                    BoxSide::Outside => {}
                    BoxSide::Inside => out.inside.push(zone),
                    BoxSide::Border => out.rings.push(RingHere { piece, ring: CIRCLE, winding: 0, edges: (0, 0) }),
                }
                None
            }
        }
    }

    /// Of a piece's rings, the last ones from `first` on (rings and edges), keeps those that matter in the cell.
    fn settle_piece(&self, first: (usize, usize), out: &mut Contents) {
        let shell = out.rings[first.0];
        let covered = shell.covers() && out.rings[first.0 + 1..].iter().any(RingHere::covers);
        let mut at = 0;
        out.rings.retain(|ring| {
            at += 1;
            at <= first.0 || !ring.is_away()
        });
        let inside = !covered && shell.covers() && out.rings.len() == first.0 + 1;
        if shell.is_away() || covered || inside {
            out.rings.truncate(first.0);
            out.edges.truncate(first.1);
        }
        if inside {
            out.inside.push(self.pieces[shell.piece as usize].zone);
        }
    }

    /// Sorts the inside zones and drops what is left of their other pieces.
    pub fn settle_inside(&self, contents: &mut Contents) {
        let Contents { rings, inside, .. } = contents;
        inside.sort_unstable();
        inside.dedup();
        if !inside.is_empty() {
            rings.retain(|ring| inside.binary_search(&self.pieces[ring.piece as usize].zone).is_err());
        }
    }
}
