//! What the index knows of one cell, in one word.

/// Three bits of kind, 29 bits of what it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub(crate) struct CellWord(pub u32);

/// A word read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CellState {
    /// No zone reaches the cell.
    Outside,
    /// The cell lies inside this zone, and no other zone reaches it.
    InsideOne(u32),
    /// The cell lies inside exactly the zones of the set that starts at this word.
    InsideSet(u32),
    /// Zone edges run through the cell: the leaf at this 16-byte unit has them.
    Border(u32),
    /// Divided: the node of this index has the parts.
    Node(u32),
}

/// What one word can name; more is a limit of the index.
pub(crate) const PAYLOAD_MAX: usize = (1 << 29) - 1;

impl CellWord {
    pub const OUTSIDE: CellWord = CellWord(0);
    pub const TAG_ONE: u32 = 1;
    pub const TAG_SET: u32 = 2;
    pub const TAG_BORDER: u32 = 3;
    pub const TAG_NODE: u32 = 4;
    /// A border leaf with one ring of at most four edges, and at most one zone inside: the short way applies.
    pub const TAG_BORDER_SHORT: u32 = 5;

    pub fn new(tag: u32, payload: usize) -> CellWord {
        assert!(payload <= PAYLOAD_MAX, "the index holds at most 2^29 zones, nodes, set words and leaf units");
        CellWord((payload as u32) << 3 | tag)
    }

    #[inline]
    pub fn tag(self) -> u32 {
        self.0 & 7
    }

    #[inline]
    pub fn payload(self) -> u32 {
        self.0 >> 3
    }

    #[inline]
    pub fn state(self) -> CellState {
        match self.tag() {
            Self::TAG_ONE => CellState::InsideOne(self.payload()),
            Self::TAG_SET => CellState::InsideSet(self.payload()),
            Self::TAG_BORDER | Self::TAG_BORDER_SHORT => CellState::Border(self.payload()),
            Self::TAG_NODE => CellState::Node(self.payload()),
            _ => CellState::Outside,
        }
    }
}
