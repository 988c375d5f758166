//! Building the index: for each top cell the R-tree names the pieces near it; a cell is divided while that pays.

use std::collections::HashMap;

use rayon::prelude::*;
use rstar::{AABB, RTree};

use crate::bounds::Bounds;
use crate::index::band::{Band, Built, Joined};
use crate::index::cell::{CellState, CellWord};
use crate::index::contents::{CIRCLE, Contents, Part, RingHere, Shapes};
use crate::index::encode::{cut_edges, push_groups};
use crate::index::grid::{Cell, FAN, FAN_BITS, Frame, Grid, TOP_SHIFT};
use crate::index::leaf::{EXACT, HOLE};
use crate::index::parts::Parts;
use crate::index::piece::{Piece, pieces};
use crate::index::record::{Polyline, Record};
use crate::index::{Index, IndexStats, Node};
use crate::ring::Ring;
use crate::zone::{Shape, Zone};

/// A cell with more edges than this is divided, unless a limit below says no.
const EDGES_MAX: usize = 4;
/// Where many zones run through one cell, this many edges each are no reason to divide it.
const EDGES_PER_RING: usize = 2;
/// A cell on a circle is divided until it is this much smaller than the radius.
const CIRCLE_CELLS: f64 = 8.0;
/// Top cells for each edge: of four bytes each, and finer ones save edge tests.
const TOP_CELLS_PER_VERTEX: f64 = 4.0;
const TOP_CELLS_PER_CIRCLE: usize = 32;
/// Zones over each other (counted by their boxes) that do not yet make top cells fewer.
const LAYERS_FREE: f64 = 4.0;
const TOP_CELLS_MAX: usize = 1 << 24;
/// Cells that one top cell may be divided into: so many, and so many more for each of its edges.
const CELLS_MIN: usize = 256;
const CELLS_PER_EDGE: usize = 32;
/// Bands that each thread builds before they are joined.
const BANDS_PER_THREAD: usize = 8;
/// What the bands to come are given room for, beside what they would take if they were as those so far.
const ROOM: f64 = 1.1;
/// So many times fuller than those so far the bands to come are taken to be, at most.
const UNEVEN_MAX: f64 = 4.0;
/// So many zones in a cell's inside set cost as much as the cell.
const SET_ZONES_PER_CELL: usize = 16;

/// Builds a band of the grid, a row of regions.
struct Builder<'a> {
    shapes: Shapes<'a>,
    grid: &'a Grid,
    built: Band,
    set_places: HashMap<Vec<u32>, u32>,
    /// By depth.
    contents: Vec<Contents>,
    words: Vec<u32>,
    cut: Vec<[i16; 4]>,
}

/// Cost: about 1 us an edge, shared by all cores. Memory is bounded by the limits above.
pub(crate) fn build(zones: &[Zone]) -> Index {
    let pieces = pieces(zones);
    let vertices: usize = zones.iter().map(|zone| zone.shape.vertex_count()).sum();
    let mut bounds = Bounds::EMPTY;
    pieces.iter().for_each(|piece| bounds.join(&piece.bounds));
    if pieces.is_empty() {
        bounds = Bounds { min: [0.0; 2], max: [0.0; 2] };
    }
    let wanted = top_cells_wanted(zones, &pieces, vertices, &bounds);
    let tree = RTree::bulk_load(pieces.clone());
    let grid = Grid::new(bounds, wanted);
    let mut top = vec![CellWord::OUTSIDE; grid.top_count()];
    let edges = edges_by_band(zones, &pieces, &grid);
    let mut joined = Joined::new(IndexStats { zones: zones.len(), vertices, ..IndexStats::default() });
    let at_once = BANDS_PER_THREAD * rayon::current_num_threads();
    let mut number = 0;
    let mut before = Built { bands: Vec::new(), top: &mut [], times_more: 0.0 };
    for some in top.chunks_mut(grid.band_len() * at_once) {
        let build = || {
            let bands = some.par_chunks_mut(grid.band_len()).enumerate();
            bands.map(|(at, top)| Builder::band(&grid, zones, &pieces, &tree, number + at, top)).collect()
        };
        let (bands, ()): (Vec<Band>, ()) = rayon::join(build, || joined.extend(before, grid.band_len()));
        number += bands.len();
        before = Built { bands, top: some, times_more: times_more(&edges, number) };
    }
    joined.extend(before, grid.band_len());
    joined.index(grid, top)
}

/// How many times as much as the first `done` bands took the others will take, going by their edges; but by no more than a
/// few times what their number says, as a zone's edges are not where its middle is.
fn times_more(edges: &[usize], done: usize) -> f64 {
    let (before, after) = edges.split_at(done);
    let ratio = |after: usize, before: usize| after as f64 / before.max(1) as f64;
    let by_edges = ratio(after.iter().sum(), before.iter().sum());
    ROOM * by_edges.min(UNEVEN_MAX * ratio(after.len(), before.len()))
}

/// How many edges there are in each band of the grid: pieces are taken to lie where their middle is.
fn edges_by_band(zones: &[Zone], pieces: &[Piece], grid: &Grid) -> Vec<usize> {
    let mut edges = vec![0; grid.top_count().div_ceil(grid.band_len())];
    for piece in pieces {
        let middle = (piece.bounds.min[1] + piece.bounds.max[1]) * 0.5;
        edges[grid.band_of(middle)] += match &zones[piece.zone as usize].shape {
            Shape::Polygons(polygons) => polygons[piece.part as usize].rings().map(Ring::edge_count).sum(),
            _ => 1,
        };
    }
    edges
}

/// So many that a top cell has few edges; fewer where zones lie over each other, as each cell lists all its zones.
fn top_cells_wanted(zones: &[Zone], pieces: &[Piece], vertices: usize, all: &Bounds) -> usize {
    let circles = zones.iter().filter(|z| !matches!(z.shape, Shape::Polygons(_))).count();
    let area = |b: &Bounds| (b.max[0] - b.min[0]) * (b.max[1] - b.min[1]);
    let layers = pieces.iter().map(|p| area(&p.bounds)).sum::<f64>() / area(all).max(f64::MIN_POSITIVE);
    let by_vertices = vertices as f64 * TOP_CELLS_PER_VERTEX + (TOP_CELLS_PER_CIRCLE * circles) as f64;
    ((by_vertices / (layers / LAYERS_FREE).max(1.0)) as usize).clamp(16, TOP_CELLS_MAX)
}

impl<'a> Builder<'a> {
    /// Fills the top cells of a band.
    fn band(
        grid: &Grid,
        zones: &[Zone],
        pieces: &[Piece],
        tree: &RTree<Piece>,
        number: usize,
        top: &mut [CellWord],
    ) -> Band {
        let mut builder = Builder {
            shapes: Shapes { zones, pieces },
            grid,
            built: Band::default(),
            set_places: HashMap::new(),
            contents: Vec::new(),
            words: Vec::new(),
            cut: Vec::new(),
        };
        for region in grid.regions(number) {
            builder.fill_region(region, tree, top);
        }
        builder.built
    }

    /// Regions, many top cells at once, are what the R-tree is asked about; below, contents come from the cell around.
    fn fill_region(&mut self, region: Cell, tree: &RTree<Piece>, top: &mut [CellWord]) {
        let bounds = self.grid.frame(region).bounds;
        let envelope = AABB::from_corners(bounds.min, bounds.max);
        let mut near: Vec<u32> = tree.locate_in_envelope_intersecting(&envelope).map(|piece| piece.number).collect();
        near.sort_unstable();
        let mut contents = self.take(0);
        contents.corner = bounds.corner();
        for piece in near {
            self.shapes.add_piece(piece, &bounds, &mut contents);
        }
        self.fill_top(region, &mut contents, 0, top);
        self.contents[0] = contents;
    }

    /// Fills the top cells of a cell that is one or has many.
    fn fill_top(&mut self, cell: Cell, contents: &mut Contents, depth: usize, top: &mut [CellWord]) {
        if cell.shift == TOP_SHIFT {
            let mut budget = CELLS_MIN + CELLS_PER_EDGE * contents.edges.len();
            let record = self.cell(cell, contents, depth, &mut budget);
            top[self.grid.index_in_band(cell.at[0], cell.at[1])] = self.word_of(record);
            return;
        }
        self.shapes.settle_inside(contents);
        if contents.rings.is_empty() && contents.inside.is_empty() {
            return;
        }
        self.shapes.divide(&Parts::of(self.grid, cell), contents);
        for (number, part) in (0..).zip(cell.children()) {
            if self.grid.has(part) {
                let mut below = self.part(number, part, contents, depth + 1);
                self.fill_top(part, &mut below, depth + 1, top);
                self.contents[depth + 1] = below;
            }
        }
    }

    /// What of a cell's contents lies in its part of this number, which follows the one before.
    fn part(&mut self, number: u32, cell: Cell, contents: &mut Contents, depth: usize) -> Contents {
        let bounds = self.grid.frame(cell).bounds;
        let corner_above = [bounds.max[0], self.grid.bottom_above(cell)];
        let part = Part { bounds, number, corner_above };
        let mut below = self.take(depth);
        below.corner = bounds.corner();
        below.inside.extend_from_slice(&contents.inside);
        let mut first = 0;
        while first < contents.rings.len() {
            let piece = contents.rings[first].piece;
            let rings = contents.rings[first..].iter().take_while(|ring| ring.piece == piece).count();
            self.shapes.add_part(contents, first..first + rings, &part, &mut below);
            first += rings;
        }
        contents.walk.step(&part);
        below
    }

    fn take(&mut self, depth: usize) -> Contents {
        if self.contents.len() <= depth {
            self.contents.resize_with(depth + 1, Contents::default);
        }
        let mut contents = std::mem::take(&mut self.contents[depth]);
        contents.rings.clear();
        contents.edges.clear();
        contents.inside.clear();
        contents
    }

    /// The record for a cell with these contents.
    fn cell(&mut self, cell: Cell, contents: &mut Contents, depth: usize, budget: &mut usize) -> Record {
        self.shapes.settle_inside(contents);
        if contents.rings.is_empty() {
            return Record::of(self.inside(&contents.inside));
        }
        let children = (FAN * FAN) as usize * (1 + contents.inside.len() / SET_ZONES_PER_CELL);
        if *budget < children || !self.pays_to_divide(cell, contents) {
            return self.leaf(cell, contents);
        }
        *budget -= children;
        let levels = (TOP_SHIFT - cell.shift) / FAN_BITS + 1;
        self.built.stats.depth = self.built.stats.depth.max(levels as usize);
        let mut words = [CellWord::OUTSIDE; (FAN * FAN) as usize];
        self.shapes.divide(&Parts::of(self.grid, cell), contents);
        for (number, (word, part)) in (0..).zip(words.iter_mut().zip(cell.children())) {
            let mut below = self.part(number, part, contents, depth + 1);
            let record = self.cell(part, &mut below, depth + 1, budget);
            *word = self.word_of(record);
            self.contents[depth + 1] = below;
        }
        let border = |word: CellWord| matches!(word.state(), CellState::Border(_) | CellState::Record(_));
        if words.iter().all(|word| *word == words[0]) && !border(words[0]) {
            return Record::of(words[0]);
        }
        self.built.nodes.push(Node(words));
        Record::of(CellWord::new(CellWord::TAG_NODE, self.built.nodes.len() - 1))
    }

    /// The grid and nodes have a word for each cell; what needs more stands among the records.
    fn word_of(&mut self, record: Record) -> CellWord {
        if record.word().state() != CellState::Short {
            return record.word();
        }
        self.built.records.push(record);
        CellWord::new(CellWord::TAG_RECORD, self.built.records.len() - 1)
    }

    fn pays_to_divide(&self, cell: Cell, contents: &Contents) -> bool {
        if cell.shift <= self.grid.shift_min {
            return false;
        }
        let edges: usize = contents.rings.iter().map(|r| (r.edges.1 - r.edges.0) as usize).sum();
        if edges > EDGES_MAX.max(EDGES_PER_RING * contents.rings.len()) {
            return true;
        }
        let side_m = self.grid.side_deg(cell) * crate::circle::EARTH_RADIUS_M.to_radians();
        contents.rings.iter().filter(|ring| ring.ring == CIRCLE).any(|ring| {
            let zone = self.shapes.pieces[ring.piece as usize].zone;
            match &self.shapes.zones[zone as usize].shape {
                Shape::Polygons(_) => false,
                Shape::Circle(circle) => side_m > circle.radius_m / CIRCLE_CELLS,
                Shape::Corridor(corridor) => side_m > corridor.buffer_m / CIRCLE_CELLS,
            }
        })
    }

    fn inside(&mut self, zones: &[u32]) -> CellWord {
        match zones {
            [] => CellWord::OUTSIDE,
            [zone] => CellWord::new(CellWord::TAG_ONE, *zone as usize),
            _ => {
                let at = self.set_places.get(zones).copied().unwrap_or_else(|| {
                    let at = self.built.sets.len() as u32;
                    self.built.sets.push(zones.len() as u32);
                    self.built.sets.extend_from_slice(zones);
                    self.set_places.insert(zones.to_vec(), at);
                    at
                });
                CellWord::new(CellWord::TAG_SET, at as usize)
            }
        }
    }

    fn leaf(&mut self, cell: Cell, contents: &Contents) -> Record {
        let frame = self.grid.frame(cell);
        let edges_here = contents.rings.iter().map(|ring| self.edges_of(ring)).sum();
        self.built.stats.leaves += 1;
        self.built.stats.leaf_edges += edges_here;
        self.built.stats.leaf_edges_max = self.built.stats.leaf_edges_max.max(edges_here);
        let inside = self.inside(&contents.inside);
        let short = self.short_leaf(&frame, contents, inside);
        self.built.stats.short_leaves += usize::from(short.is_some());
        short.unwrap_or_else(|| Record::of(self.long_leaf(cell, &frame, contents, inside)))
    }

    fn edges_of(&self, ring: &RingHere) -> usize {
        if ring.ring == CIRCLE { 1 } else { (ring.edges.1 - ring.edges.0) as usize }
    }

    /// A ring's edges in a frame; none for a circle.
    fn cut(&mut self, frame: &Frame, ring: &RingHere, contents: &Contents) -> &[[i16; 4]] {
        self.cut.clear();
        let Piece { zone, part, .. } = self.shapes.pieces[ring.piece as usize];
        if let Shape::Polygons(polygons) = &self.shapes.zones[zone as usize].shape {
            let shape = polygons[part as usize].ring(ring.ring);
            let edges = &contents.edges[ring.edges.0 as usize..ring.edges.1 as usize];
            cut_edges(self.grid, frame, shape, edges, &mut self.cut);
        }
        &self.cut
    }

    fn short_leaf(&mut self, frame: &Frame, contents: &Contents, inside: CellWord) -> Option<Record> {
        let mut line = |ring: &RingHere| {
            let zone = self.shapes.pieces[ring.piece as usize].zone;
            Polyline::new(self.cut(frame, ring, contents), zone, ring.winding)
        };
        match &contents.rings[..] {
            [ring] if ring.ring == 0 => Record::short(&line(ring)?, inside),
            [ring, other] if ring.ring == 0 && other.ring == 0 && inside == CellWord::OUTSIDE => {
                Record::pair(&line(ring)?, &line(other)?)
            }
            _ => None,
        }
    }

    fn long_leaf(&mut self, cell: Cell, frame: &Frame, contents: &Contents, inside: CellWord) -> CellWord {
        let mut words = std::mem::take(&mut self.words);
        words.clear();
        words.extend([(contents.rings.len() as u32) << 5 | cell.shift, inside.0]);
        for ring in &contents.rings {
            let zone = self.shapes.pieces[ring.piece as usize].zone;
            let hole = ring.ring != 0 && ring.ring != CIRCLE;
            let head = words.len();
            words.extend([0, 0]);
            let groups = push_groups(self.cut(frame, ring, contents), &mut words);
            let flags = if hole { HOLE } else { 0 };
            [words[head], words[head + 1]] = match (u16::try_from(groups), i16::try_from(ring.winding)) {
                (Ok(groups), Ok(winding)) if ring.ring != CIRCLE => {
                    [zone << 3 | flags, u32::from(groups) | u32::from(winding as u16) << 16]
                }
                _ => {
                    words.truncate(head + 2);
                    [zone << 3 | flags | EXACT, 0]
                }
            };
        }
        let at = self.built.push_leaf(&words);
        self.words = words;
        CellWord::new(CellWord::TAG_BORDER, at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_made_for_what_is_to_come_and_not_for_the_middle_of_one_great_zone() {
        for (edges, done, times) in [
            (&[10, 10, 10, 10][..], 2, ROOM),
            (&[10, 30], 1, 3.0 * ROOM),
            (&[0, 0, 1_000_000, 0], 2, UNEVEN_MAX * ROOM),
            (&[5, 5], 2, 0.0),
        ] {
            assert_eq!(times_more(edges, done), times, "{edges:?}");
        }
    }
}
