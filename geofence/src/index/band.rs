//! Bands of the grid are built each for itself, by as many threads as there are; here they become one index. How many
//! threads there were cannot be seen in it.

use crate::index::cell::{CellState, CellWord};
use crate::index::encode::Leaves;
use crate::index::grid::Grid;
use crate::index::record::Record;
use crate::index::{Index, IndexStats, Node};

/// What the words of one band name.
#[derive(Default)]
pub(crate) struct Band {
    pub nodes: Vec<Node>,
    pub records: Vec<Record>,
    pub leaves: Leaves,
    pub sets: Vec<u32>,
    /// Words of leaves that name a set.
    set_words: Vec<usize>,
    pub stats: IndexStats,
}

impl Band {
    /// Returns the unit at which the leaf starts; see `leaf` for its words.
    pub fn push_leaf(&mut self, leaf: &[u32]) -> usize {
        let at = self.leaves.push(leaf);
        if let CellState::InsideSet(_) = CellWord(leaf[1]).state() {
            self.set_words.push(Leaves::word_of(at) + 1);
        }
        at
    }
}

/// How far the things of a band move when those of the bands before stand first.
struct Moved {
    nodes: usize,
    records: usize,
    leaf_units: usize,
    sets: usize,
}

impl Moved {
    fn word(&self, word: CellWord) -> CellWord {
        let by = match word.state() {
            CellState::Node(_) => self.nodes,
            CellState::Record(_) => self.records,
            CellState::Border(_) => self.leaf_units,
            CellState::InsideSet(_) => self.sets,
            CellState::Outside | CellState::InsideOne(_) | CellState::Short => return word,
        };
        CellWord::new(word.tag(), word.payload() as usize + by)
    }
}

/// `top`: band by band as they were built. `stats` knows the zones.
pub(crate) fn join(bands: Vec<Band>, grid: Grid, mut top: Vec<CellWord>, mut stats: IndexStats) -> Index {
    let count = |of: fn(&Band) -> usize| bands.iter().map(of).sum();
    let mut nodes: Vec<Node> = Vec::with_capacity(count(|band| band.nodes.len()));
    let mut records: Vec<Record> = Vec::with_capacity(count(|band| band.records.len()));
    let mut sets: Vec<u32> = Vec::with_capacity(count(|band| band.sets.len()));
    let mut leaves = Leaves::for_words(count(|band| band.leaves.room()));
    for (mut band, top) in bands.into_iter().zip(top.chunks_mut(grid.band_len())) {
        let mut moved = Moved { nodes: nodes.len(), records: records.len(), leaf_units: 0, sets: sets.len() };
        for at in band.set_words {
            let word = band.leaves.word_mut(at);
            *word = moved.word(CellWord(*word)).0;
        }
        moved.leaf_units = leaves.append(&band.leaves);
        top.iter_mut().for_each(|word| *word = moved.word(*word));
        nodes.extend(band.nodes.into_iter().map(|Node(words)| Node(words.map(|word| moved.word(word)))));
        records.append(&mut band.records);
        sets.append(&mut band.sets);
        stats.leaves += band.stats.leaves;
        stats.short_leaves += band.stats.short_leaves;
        stats.leaf_edges += band.stats.leaf_edges;
        stats.leaf_edges_max = stats.leaf_edges_max.max(band.stats.leaf_edges_max);
        stats.depth = stats.depth.max(band.stats.depth);
    }
    (stats.top_cells, stats.nodes) = (top.len(), nodes.len());
    let mut index = Index { grid, top, nodes, records, leaves, sets, stats };
    index.stats.index_bytes = index.memory_bytes();
    index
}
