//! The parts of zones that the R-tree holds: a polygon of a zone, or a circle's share of one side of the antimeridian.

use rstar::{AABB, RTreeObject};

use crate::bounds::Bounds;
use crate::zone::Zone;

/// One part of a zone and the box around it.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    /// Its place among all pieces.
    pub number: u32,
    pub zone: u32,
    /// Which polygon of the zone, which piece of a corridor; 0 for a circle.
    pub part: u32,
    pub bounds: Bounds,
}

impl RTreeObject for Piece {
    type Envelope = AABB<[f64; 2]>;

    fn envelope(&self) -> Self::Envelope {
        AABB::from_corners(self.bounds.min, self.bounds.max)
    }
}

/// The pieces of all zones, in the order of zones and parts.
pub(crate) fn pieces(zones: &[Zone]) -> Vec<Piece> {
    let of_zone = |(ordinal, zone): (usize, &Zone)| {
        let piece = move |(part, bounds)| Piece { number: 0, zone: ordinal as u32, part, bounds };
        zone.shape.bounds().into_iter().map(piece).collect::<Vec<_>>()
    };
    let mut pieces: Vec<Piece> = zones.iter().enumerate().flat_map(of_zone).collect();
    (0..).zip(&mut pieces).for_each(|(number, piece)| piece.number = number);
    pieces
}
