//! Building the index: for each top cell the R-tree names the pieces near it; a cell is divided while that pays.

use std::collections::HashMap;

use rstar::{AABB, RTree};

use crate::bounds::Bounds;
use crate::circle::BoxSide;
use crate::index::cell::{CellState, CellWord};
use crate::index::encode::{LINE_WORDS, Leaves, push_edges};
use crate::index::grid::{Cell, FAN, Grid, TOP_SHIFT};
use crate::index::leaf::{EXACT, HOLE};
use crate::index::piece::{Piece, pieces};
use crate::index::{Index, IndexStats, Node};
use crate::ring::Ring;
use crate::zone::{Shape, Zone};

/// A cell with more edges than this is divided, unless a limit below says no.
const EDGES_MAX: usize = 8;
/// Where many zones run through one cell, this many edges each are no reason to divide it.
const EDGES_PER_RING: usize = 2;
/// A cell on a circle is divided until it is this much smaller than the radius.
const CIRCLE_CELLS: f64 = 8.0;
/// Top cells for each edge.
const TOP_CELLS_PER_VERTEX: f64 = 4.0;
const TOP_CELLS_PER_CIRCLE: usize = 32;
/// Zones over each other (counted by their boxes) that do not yet make top cells fewer.
const LAYERS_FREE: f64 = 4.0;
const TOP_CELLS_MAX: usize = 1 << 24;
/// Cells that one top cell may be divided into: so many, and so many more for each of its edges.
const CELLS_MIN: usize = 256;
const CELLS_PER_EDGE: usize = 32;
/// So many zones in a cell's inside set cost as much as the cell.
const SET_ZONES_PER_CELL: usize = 16;

/// One ring in one cell. A piece's shell comes first, then the holes that matter in the cell.
#[derive(Clone, Copy, Debug)]
struct RingHere {
    piece: u32,
    /// 0 is the shell; a circle has no ring and this is `CIRCLE`.
    ring: u32,
    /// Around the frame's lower right corner.
    winding: i32,
    /// Into `Contents::edges`.
    edges: (u32, u32),
}

const CIRCLE: u32 = u32::MAX;

/// What lies in one cell; reused for all cells of one depth.
#[derive(Default)]
struct Contents {
    rings: Vec<RingHere>,
    edges: Vec<u32>,
    /// Zones that cover the whole cell, ascending.
    inside: Vec<u32>,
}

struct Builder<'a> {
    zones: &'a [Zone],
    pieces: Vec<Piece>,
    grid: Grid,
    nodes: Vec<Node>,
    leaves: Leaves,
    sets: Vec<u32>,
    set_places: HashMap<Vec<u32>, u32>,
    /// By depth.
    contents: Vec<Contents>,
    words: Vec<u32>,
    stats: IndexStats,
}

/// Cost: about 0.5 us an edge. Memory is bounded by the limits above.
pub(crate) fn build(zones: &[Zone]) -> Index {
    let pieces = pieces(zones);
    let vertices: usize = zones.iter().map(|zone| zone.shape.vertex_count()).sum();
    let mut bounds = Bounds::EMPTY;
    pieces.iter().for_each(|piece| bounds.join(&piece.bounds));
    if pieces.is_empty() {
        bounds = Bounds { min: [0.0; 2], max: [0.0; 2] };
    }
    let wanted = top_cells_wanted(zones, &pieces, vertices, &bounds);
    let numbered: Vec<Numbered> = (0..).zip(&pieces).map(|(i, p)| Numbered(i, p.bounds)).collect();
    let tree = RTree::bulk_load(numbered);
    let mut builder = Builder {
        zones,
        pieces,
        grid: Grid::new(bounds, wanted),
        nodes: Vec::new(),
        leaves: Leaves::default(),
        sets: Vec::new(),
        set_places: HashMap::new(),
        contents: Vec::new(),
        words: Vec::new(),
        stats: IndexStats { zones: zones.len(), vertices, ..IndexStats::default() },
    };
    let mut near = Vec::new();
    let cells = builder.grid.top_cells();
    let top: Vec<CellWord> = cells.map(|cell| builder.top_cell(cell, &tree, &mut near)).collect();
    builder.finish(top)
}

/// So many that a top cell has few edges; fewer where zones lie over each other, as each cell lists all its zones.
fn top_cells_wanted(zones: &[Zone], pieces: &[Piece], vertices: usize, all: &Bounds) -> usize {
    let circles = zones.iter().filter(|z| matches!(z.shape, Shape::Circle(_))).count();
    let area = |b: &Bounds| (b.max[0] - b.min[0]) * (b.max[1] - b.min[1]);
    let layers = pieces.iter().map(|p| area(&p.bounds)).sum::<f64>() / area(all).max(f64::MIN_POSITIVE);
    let by_vertices = vertices as f64 * TOP_CELLS_PER_VERTEX + (TOP_CELLS_PER_CIRCLE * circles) as f64;
    ((by_vertices / (layers / LAYERS_FREE).max(1.0)) as usize).clamp(16, TOP_CELLS_MAX)
}

/// A piece's number and box, as the R-tree holds them.
struct Numbered(u32, Bounds);

impl rstar::RTreeObject for Numbered {
    type Envelope = AABB<[f64; 2]>;
    fn envelope(&self) -> Self::Envelope {
        AABB::from_corners(self.1.min, self.1.max)
    }
}

impl<'a> Builder<'a> {
    fn top_cell(&mut self, cell: Cell, tree: &RTree<Numbered>, near: &mut Vec<u32>) -> CellWord {
        let bounds = self.grid.frame(cell).bounds;
        near.clear();
        let envelope = AABB::from_corners(bounds.min, bounds.max);
        near.extend(tree.locate_in_envelope_intersecting(&envelope).map(|n| n.0));
        if near.is_empty() {
            return CellWord::OUTSIDE;
        }
        near.sort_unstable();
        let mut contents = self.take(0);
        for &piece in near.iter() {
            self.add_piece(piece, &bounds, None, &mut contents);
        }
        let mut budget = CELLS_MIN + CELLS_PER_EDGE * contents.edges.len();
        let word = self.cell(cell, &mut contents, 0, &mut budget);
        self.contents[0] = contents;
        word
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

    /// Adds what of a piece lies in `bounds`; `parent` has the rings of the piece in the cell around it.
    fn add_piece(&self, piece: u32, bounds: &Bounds, parent: Option<(&[RingHere], &Contents)>, out: &mut Contents) {
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
            None => shape.edges_where(
                |b| b.meets(bounds),
                |edge| {
                    let (a, b) = shape.edge(edge);
                    if bounds.may_touch(a, b) {
                        out.edges.push(edge as u32);
                    }
                },
            ),
        }
        let to = out.edges.len() as u32;
        let winding = match parent {
            Some((here, _)) if here.edges.0 == here.edges.1 => here.winding,
            _ => shape.winding([bounds.max[0], bounds.min[1]]),
        };
        if from == to && winding == 0 {
            return Found::Away;
        }
        out.rings.push(RingHere { piece, ring, winding, edges: (from, to) });
        if from == to { Found::Covers } else { Found::Runs }
    }

    /// The word for a cell with these contents.
    fn cell(&mut self, cell: Cell, contents: &mut Contents, depth: usize, budget: &mut usize) -> CellWord {
        self.settle_inside(contents);
        if contents.rings.is_empty() {
            return self.inside(&contents.inside);
        }
        let children = (FAN * FAN) as usize * (1 + contents.inside.len() / SET_ZONES_PER_CELL);
        if *budget < children || !self.pays_to_divide(cell, contents) {
            return self.leaf(cell, contents);
        }
        *budget -= children;
        self.stats.depth = self.stats.depth.max(depth + 1);
        let mut words = [CellWord::OUTSIDE; (FAN * FAN) as usize];
        for (word, part) in words.iter_mut().zip(cell.children()) {
            let bounds = self.grid.frame(part).bounds;
            let mut below = self.take(depth + 1);
            below.inside.extend_from_slice(&contents.inside);
            for rings in contents.rings.chunk_by(|a, b| a.piece == b.piece) {
                self.add_piece(rings[0].piece, &bounds, Some((rings, contents)), &mut below);
            }
            *word = self.cell(part, &mut below, depth + 1, budget);
            self.contents[depth + 1] = below;
        }
        if words.iter().all(|word| *word == words[0]) && !matches!(words[0].state(), CellState::Border(_)) {
            return words[0];
        }
        self.nodes.push(Node(words));
        CellWord::new(CellWord::TAG_NODE, self.nodes.len() - 1)
    }

    /// Sorts the inside zones and drops what is left of their other pieces.
    fn settle_inside(&self, contents: &mut Contents) {
        let Contents { rings, inside, .. } = contents;
        inside.sort_unstable();
        inside.dedup();
        if !inside.is_empty() {
            rings.retain(|ring| inside.binary_search(&self.pieces[ring.piece as usize].zone).is_err());
        }
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
            let zone = self.pieces[ring.piece as usize].zone;
            matches!(&self.zones[zone as usize].shape, Shape::Circle(c) if side_m > c.radius_m / CIRCLE_CELLS)
        })
    }

    fn inside(&mut self, zones: &[u32]) -> CellWord {
        match zones {
            [] => CellWord::OUTSIDE,
            [zone] => CellWord::new(CellWord::TAG_ONE, *zone as usize),
            _ => {
                let at = self.set_places.get(zones).copied().unwrap_or_else(|| {
                    let at = self.sets.len() as u32;
                    self.sets.push(zones.len() as u32);
                    self.sets.extend_from_slice(zones);
                    self.set_places.insert(zones.to_vec(), at);
                    at
                });
                CellWord::new(CellWord::TAG_SET, at as usize)
            }
        }
    }

    fn leaf(&mut self, cell: Cell, contents: &Contents) -> CellWord {
        let frame = self.grid.frame(cell);
        let inside = self.inside(&contents.inside);
        let mut words = std::mem::take(&mut self.words);
        words.clear();
        words.extend([0, inside.0]);
        let mut entries = 0u32;
        let mut edges_here = 0;
        for ring in &contents.rings {
            let Piece { zone, part, .. } = self.pieces[ring.piece as usize];
            let hole = ring.ring != 0 && ring.ring != CIRCLE;
            let head = words.len();
            let mut flags = if hole { HOLE } else { 0 };
            words.extend([0, 0]);
            let groups = match &self.zones[zone as usize].shape {
                Shape::Polygons(polygons) => {
                    let polygon = &polygons[part as usize];
                    let shape = if hole { &polygon.holes[ring.ring as usize - 1] } else { &polygon.shell };
                    let edges = &contents.edges[ring.edges.0 as usize..ring.edges.1 as usize];
                    edges_here += edges.len();
                    push_edges(&self.grid, &frame, shape, edges, &mut words)
                }
                Shape::Circle(_) => {
                    edges_here += 1;
                    flags |= EXACT;
                    0
                }
            };
            let counts = match (u16::try_from(groups), i16::try_from(ring.winding)) {
                (Ok(groups), Ok(winding)) => u32::from(groups) | u32::from(winding as u16) << 16,
                _ => {
                    words.truncate(head + 2);
                    flags |= EXACT;
                    0
                }
            };
            words[head] = zone << 3 | flags;
            words[head + 1] = counts;
            entries += 1;
        }
        words[0] = entries << 5 | cell.shift;
        self.stats.leaves += 1;
        self.stats.leaf_edges += edges_here;
        self.stats.leaf_edges_max = self.stats.leaf_edges_max.max(edges_here);
        let at = self.leaves.push(&words);
        let tag = if words.len() <= LINE_WORDS { CellWord::TAG_BORDER } else { CellWord::TAG_BORDER_LONG };
        self.words = words;
        CellWord::new(tag, at)
    }

    fn finish(mut self, top: Vec<CellWord>) -> Index {
        self.leaves.finish();
        self.sets.shrink_to_fit();
        self.nodes.shrink_to_fit();
        let mut stats = self.stats;
        (stats.top_cells, stats.nodes) = (top.len(), self.nodes.len());
        let (grid, nodes, leaves, sets) = (self.grid, self.nodes, self.leaves, self.sets);
        let mut index = Index { grid, top, nodes, leaves, sets, stats };
        index.stats.index_bytes = index.memory_bytes();
        index
    }
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
const _: () = assert!(TOP_SHIFT <= 20, "cell coordinates fit in 32 bits");
