//! The index: a grid of cells, divided where zone borders run.
//!
//! A cell is in one of three states: outside all zones; inside exactly these; border, with the few edges that run
//! through it. [`build`] makes it from an R-tree of zone pieces, [`lookup`] reads it, [`record`] and [`leaf`] test edges.

mod band;
pub(crate) mod build;
pub(crate) mod cell;
mod contents;
pub(crate) mod encode;
pub(crate) mod grid;
pub(crate) mod leaf;
mod lookup;
mod parts;
pub(crate) mod piece;
pub(crate) mod record;
mod segment;

use cell::CellWord;
use grid::Grid;
use record::Record;

/// The parts of one divided cell, in one cache line.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Node(pub [CellWord; 16]);

/// Immutable after the build.
#[derive(Debug)]
pub(crate) struct Index {
    grid: Grid,
    top: Vec<CellWord>,
    nodes: Vec<Node>,
    /// Short borders.
    records: Vec<Record>,
    leaves: encode::Leaves,
    /// Length, then the zones, set by set.
    sets: Vec<u32>,
    pub stats: IndexStats,
}

/// What an index consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexStats {
    pub zones: usize,
    /// Edges of all rings; a circle counts as one.
    pub vertices: usize,
    pub top_cells: usize,
    pub nodes: usize,
    /// Cells with a border.
    pub leaves: usize,
    /// Those among them that take half a cache line.
    pub short_leaves: usize,
    /// Edges over all border leaves: an edge counts once for each cell that it runs through.
    pub leaf_edges: usize,
    /// The most edges that one answer can have to test.
    pub leaf_edges_max: usize,
    /// Levels below the top grid.
    pub depth: usize,
    /// Bytes of the index alone, without the shapes.
    pub index_bytes: usize,
}

impl Index {
    /// What it fills; room that was made and never touched takes no memory.
    pub fn memory_bytes(&self) -> usize {
        self.top.len() * 4
            + self.records.len() * size_of::<Record>()
            + self.nodes.len() * size_of::<Node>()
            + self.leaves.words().len() * 4
            + self.sets.len() * 4
    }
}
