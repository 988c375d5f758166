//! Sketches: what many values were, in little space. Operators fill them, queries put them together. Merging is
//! commutative and associative to the last bit, and equal sketches are stored as equal bytes.

mod distinct;
mod quantiles;

pub use distinct::Distinct;
pub use quantiles::{Quantiles, bucket};

/// First byte of a stored sketch: what it is, and how it is written.
const QUANTILES: u8 = 1;
const FEW: u8 = 2;
const MANY: u8 = 3;

/// A sketch of either kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sketch {
    Quantiles(Quantiles),
    Distinct(Distinct),
}

impl Sketch {
    /// Takes one item: a `bucket` for quantiles, a hash for distinct counts.
    pub fn add(&mut self, item: u64) {
        match self {
            Sketch::Quantiles(quantiles) => quantiles.add(item as i16, 1),
            Sketch::Distinct(distinct) => distinct.add(item),
        }
    }

    /// Adds what another sketch of the same kind has seen; one of another kind adds nothing.
    pub fn merge(&mut self, other: &Sketch) {
        match (self, other) {
            (Sketch::Quantiles(quantiles), Sketch::Quantiles(other)) => quantiles.merge(other),
            (Sketch::Distinct(distinct), Sketch::Distinct(other)) => distinct.merge(other),
            _ => {}
        }
    }

    /// Memory that it holds, about.
    pub fn bytes(&self) -> usize {
        match self {
            Sketch::Quantiles(quantiles) => quantiles.bytes(),
            Sketch::Distinct(Distinct::Few(hashes)) => hashes.capacity() * 8,
            Sketch::Distinct(Distinct::Many(registers)) => registers.len(),
        }
    }

    /// Equal sketches have equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Sketch::Quantiles(quantiles) => quantiles.to_bytes(),
            Sketch::Distinct(distinct) => distinct.to_bytes(),
        }
    }

    /// `None` if the bytes are not of a sketch.
    pub fn from_bytes(bytes: &[u8]) -> Option<Sketch> {
        match *bytes.first()? {
            QUANTILES => Quantiles::from_bytes(&bytes[1..]).map(Sketch::Quantiles),
            FEW | MANY => Distinct::from_bytes(bytes).map(Sketch::Distinct),
            _ => None,
        }
    }
}
