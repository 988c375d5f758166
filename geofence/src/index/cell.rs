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
    /// The same, and a record of its own has them.
    Record(u32),
    /// The same, and this record has them.
    Short,
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
    /// The record of this index has the cell's short border.
    pub const TAG_RECORD: u32 = 5;
    /// In a record: one ring at the border, whose edges it holds.
    pub const TAG_SHORT: u32 = 6;
    /// In a record: two rings at the border.
    pub const TAG_PAIR: u32 = 7;

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
            Self::TAG_BORDER => CellState::Border(self.payload()),
            Self::TAG_RECORD => CellState::Record(self.payload()),
            Self::TAG_SHORT | Self::TAG_PAIR => CellState::Short,
            Self::TAG_NODE => CellState::Node(self.payload()),
            _ => CellState::Outside,
        }
    }
}
