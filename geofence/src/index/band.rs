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

/// Bands that follow each other, with their cells.
pub(crate) struct Built<'a> {
    pub bands: Vec<Band>,
    pub top: &'a mut [CellWord],
    /// So many times as much as there is with them is to come.
    pub times_more: f64,
}

/// For so much, and what is to come.
fn room(so_far: usize, times_more: f64) -> usize {
    ((so_far as f64 * (1.0 + times_more)) as usize).max(so_far)
}

fn make_room<T>(of: &mut Vec<T>, more: usize, times_more: f64) {
    if of.capacity() - of.len() < more {
        of.reserve_exact(room(of.len() + more, times_more) - of.len());
    }
}

/// The index of the bands so far. They come in order and are let go of one by one: new memory costs more than the copy.
pub(crate) struct Joined {
    nodes: Vec<Node>,
    records: Vec<Record>,
    leaves: Leaves,
    sets: Vec<u32>,
    stats: IndexStats,
}

impl Joined {
    /// `stats` knows the zones.
    pub fn new(stats: IndexStats) -> Joined {
        Joined { nodes: Vec::new(), records: Vec::new(), leaves: Leaves::default(), sets: Vec::new(), stats }
    }

    /// Takes bands, and makes room for those to come.
    pub fn extend(&mut self, built: Built, band_len: usize) {
        let Built { bands, top, times_more } = built;
        let count = |of: fn(&Band) -> usize| bands.iter().map(of).sum::<usize>();
        make_room(&mut self.nodes, count(|band| band.nodes.len()), times_more);
        make_room(&mut self.records, count(|band| band.records.len()), times_more);
        make_room(&mut self.sets, count(|band| band.sets.len()), times_more);
        let (kept, words) = (self.leaves.room(), count(|band| band.leaves.room()));
        if self.leaves.free() < words {
            let mut leaves = Leaves::for_words(room(kept + words, times_more));
            leaves.append(&self.leaves);
            self.leaves = leaves;
        }
        for (band, top) in bands.into_iter().zip(top.chunks_mut(band_len)) {
            self.append(band, top);
        }
    }

    fn append(&mut self, mut band: Band, top: &mut [CellWord]) {
        let (nodes, records, sets) = (self.nodes.len(), self.records.len(), self.sets.len());
        let mut moved = Moved { nodes, records, leaf_units: 0, sets };
        for at in band.set_words {
            let word = band.leaves.word_mut(at);
            *word = moved.word(CellWord(*word)).0;
        }
        moved.leaf_units = self.leaves.append(&band.leaves);
        top.iter_mut().for_each(|word| *word = moved.word(*word));
        self.nodes.extend(band.nodes.into_iter().map(|Node(words)| Node(words.map(|word| moved.word(word)))));
        self.records.append(&mut band.records);
        self.sets.append(&mut band.sets);
        self.stats.leaves += band.stats.leaves;
        self.stats.short_leaves += band.stats.short_leaves;
        self.stats.leaf_edges += band.stats.leaf_edges;
        self.stats.leaf_edges_max = self.stats.leaf_edges_max.max(band.stats.leaf_edges_max);
        self.stats.depth = self.stats.depth.max(band.stats.depth);
    }

    pub fn index(self, grid: Grid, top: Vec<CellWord>) -> Index {
        let Joined { nodes, records, leaves, sets, mut stats } = self;
        (stats.top_cells, stats.nodes) = (top.len(), nodes.len());
        let mut index = Index { grid, top, nodes, records, leaves, sets, stats };
        index.stats.index_bytes = index.memory_bytes();
        index
    }
}
