//! What lies in one cell: which rings run through it, with which edges, and which zones cover all of it.

use crate::bounds::Bounds;
use crate::circle::BoxSide;
use crate::index::piece::Piece;
use crate::ring::Ring;
use crate::zone::{Shape, Zone};

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
    /// The lower right corner of the cell's frame, where winding numbers are counted.
    pub corner: [f64; 2],
    /// Zones that cover the whole cell, ascending.
    pub inside: Vec<u32>,
}

/// How a ring lies in relation to a cell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    /// The cell is outside it.
    Away,
    /// The cell is inside it.
    Covers,
    /// Its edges run through the cell.
    Runs,
}

/// The shapes that cells are filled from.
pub(crate) struct Shapes<'a> {
    pub zones: &'a [Zone],
    pub pieces: Vec<Piece>,
}

impl Shapes<'_> {
    /// Adds what of a piece lies in `bounds`; `parent` has the rings of the piece in the cell around it.
    pub fn add_piece(&self, piece: u32, bounds: &Bounds, parent: Option<(&[RingHere], &Contents)>, out: &mut Contents) {
        let Piece { zone, part, .. } = self.pieces[piece as usize];
        let polygon = match &self.zones[zone as usize].shape {
            Shape::Polygons(polygons) => &polygons[part as usize],
            Shape::Circle(circle) => {
                match circle.classify(bounds) {
                    BoxSide::Outside => {}
                    BoxSide::Inside => out.inside.push(zone),
                    BoxSide::Border => out.rings.push(RingHere { piece, ring: CIRCLE, winding: 0, edges: (0, 0) }),
                }
                return;
            }
        };
        let first = out.rings.len();
        let first_edge = out.edges.len();
        let forget = |out: &mut Contents| {
            out.rings.truncate(first);
            out.edges.truncate(first_edge);
        };
        let mut shell_covers = false;
        let count = parent.map_or(polygon.holes.len() + 1, |(rings, _)| rings.len());
        for i in 0..count {
            let (ring, here) = match parent {
                None => (i as u32, None),
                Some((rings, contents)) => (rings[i].ring, Some((&rings[i], contents))),
            };
            let shape = if ring == 0 { &polygon.shell } else { &polygon.holes[ring as usize - 1] };
            let found = self.add_ring(shape, piece, ring, bounds, here, out);
            match (ring, found) {
                (0, Found::Away) => return forget(out),
                (0, Found::Covers) => shell_covers = true,
                (_, Found::Covers) if shell_covers => return forget(out),
                _ => {}
            }
        }
        if shell_covers && out.rings.len() == first + 1 {
            forget(out);
            out.inside.push(zone);
        }
    }

    /// Adds a ring unless it is away from the cell.
    fn add_ring(
        &self,
        shape: &Ring,
        piece: u32,
        ring: u32,
        bounds: &Bounds,
        parent: Option<(&RingHere, &Contents)>,
        out: &mut Contents,
    ) -> Found {
        let from = out.edges.len() as u32;
        match parent {
            Some((here, contents)) => {
                let edges = &contents.edges[here.edges.0 as usize..here.edges.1 as usize];
                let touching = |edge: &u32| {
                    let (a, b) = shape.edge(*edge as usize);
                    bounds.may_touch(a, b)
                };
                out.edges.extend(edges.iter().copied().filter(touching));
            }
            None => shape.runs_meeting(bounds, |run| {
                let touching = |edge: &usize| {
                    let (a, b) = shape.edge(*edge);
                    bounds.may_touch(a, b)
                };
                out.edges.extend(run.filter(touching).map(|edge| edge as u32));
            }),
        }
        let to = out.edges.len() as u32;
        let winding = match parent {
            Some((here, contents)) => {
                let edges = &contents.edges[here.edges.0 as usize..here.edges.1 as usize];
                shape.winding_from(contents.corner, here.winding, edges, out.corner)
            }
            None => shape.winding(out.corner),
        };
        if from == to && winding == 0 {
            return Found::Away;
        }
        out.rings.push(RingHere { piece, ring, winding, edges: (from, to) });
        if from == to { Found::Covers } else { Found::Runs }
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
