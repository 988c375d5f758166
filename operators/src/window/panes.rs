//! Open windows by their start: what is in them, when they are due, and what changed since it was last told.

use super::cells::Layouts;
use super::key::UNKNOWN;
use super::widths::{Widths, due};
use hashbrown::HashMap;

/// Empty panes that are kept for their memory.
const SPARES_MAX: usize = 4;

/// Where keys stand in a pane.
#[derive(Debug)]
enum Places {
    /// By key; `UNKNOWN` where there is none. For keys of which most are in most windows.
    Direct(Vec<u32>),
    Hashed(HashMap<u32, u32, foldhash::fast::RandomState>),
}

/// All keys of one window, in columns, in the order in which they came.
#[derive(Debug)]
pub struct Pane {
    start: i64,
    places: Places,
    keys: Vec<u32>,
    /// Of the next result; 0 before the first.
    revisions: Vec<u32>,
    /// Changed since the last result; the same rows as `dirty`.
    is_dirty: Vec<bool>,
    dirty: Vec<u32>,
    /// Of all rows, one after the other.
    words: Vec<u64>,
}

/// One key in one window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Group<'a> {
    pub start: i64,
    pub key: u32,
    pub revision: u32,
    pub dirty: bool,
    pub words: &'a [u64],
}

impl Group<'_> {
    /// The same of a key that has another number.
    pub fn of_key(self, key: u32) -> Self {
        Group { key, ..self }
    }
}

impl Pane {
    fn new(direct: bool) -> Pane {
        let places = if direct { Places::Direct(Vec::new()) } else { Places::Hashed(HashMap::default()) };
        Pane {
            start: 0,
            places,
            keys: Vec::new(),
            revisions: Vec::new(),
            is_dirty: Vec::new(),
            dirty: Vec::new(),
            words: Vec::new(),
        }
    }

    #[inline]
    fn row(&mut self, key: u32, layouts: &Layouts) -> usize {
        let next = self.keys.len() as u32;
        let row = match &mut self.places {
            Places::Direct(rows) => {
                if rows.len() <= key as usize {
                    rows.resize(key as usize + 1, UNKNOWN);
                }
                let row = &mut rows[key as usize];
                if *row == UNKNOWN {
                    *row = next;
                }
                *row
            }
            Places::Hashed(rows) => *rows.entry(key).or_insert(next),
        };
        if row == next {
            self.keys.push(key);
            self.revisions.push(0);
            self.is_dirty.push(false);
            self.words.extend_from_slice(&layouts.empty);
        }
        row as usize
    }

    /// The words of a key, which is dirty from here on.
    #[inline]
    fn dirty_words(&mut self, key: u32, layouts: &Layouts) -> &mut [u64] {
        let row = self.row(key, layouts);
        if !self.is_dirty[row] {
            self.is_dirty[row] = true;
            self.dirty.push(row as u32);
        }
        &mut self.words[row * layouts.width()..(row + 1) * layouts.width()]
    }

    fn group(&self, row: usize, layouts: &Layouts) -> Group<'_> {
        Group {
            start: self.start,
            key: self.keys[row],
            revision: self.revisions[row],
            dirty: self.is_dirty[row],
            words: &self.words[row * layouts.width()..(row + 1) * layouts.width()],
        }
    }

    fn tell(&mut self, layouts: &Layouts, tell: &mut impl FnMut(Group)) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for row in dirty.drain(..) {
            tell(self.group(row as usize, layouts));
            self.revisions[row as usize] += 1;
            self.is_dirty[row as usize] = false;
        }
        self.dirty = dirty;
    }

    /// Empty again, its memory kept for the next window.
    fn clear(&mut self) {
        match &mut self.places {
            Places::Direct(rows) => self.keys.iter().for_each(|key| rows[*key as usize] = UNKNOWN),
            Places::Hashed(rows) => rows.clear(),
        }
        self.keys.clear();
        self.revisions.clear();
        self.is_dirty.clear();
        self.dirty.clear();
        self.words.clear();
    }

    fn renumber(&mut self, new: &[u32]) {
        self.keys.iter_mut().for_each(|key| *key = new[*key as usize]);
        let rows = self.keys.iter().copied().zip(0..);
        match &mut self.places {
            Places::Hashed(places) => *places = rows.collect(),
            Places::Direct(places) => {
                places.clear();
                places.resize(self.keys.iter().max().map_or(0, |most| *most as usize + 1), UNKNOWN);
                rows.for_each(|(key, row)| places[key as usize] = row);
            }
        }
    }
}

/// The open windows of a lane, or of all lanes of a part.
#[derive(Debug)]
pub struct Panes {
    /// In order of start.
    panes: Vec<Pane>,
    /// The pane that was asked for last.
    hint: usize,
    /// The watermark at which something is to be done next.
    pub due: i64,
    spares: Vec<Pane>,
    direct: bool,
}

impl Panes {
    /// `direct`: keys are few, and most of them in most windows.
    pub fn new(direct: bool) -> Panes {
        Panes { panes: Vec::new(), hint: 0, due: i64::MAX, spares: Vec::new(), direct }
    }

    /// The words of a key in the window that starts at `start`, to be changed at this watermark.
    #[inline]
    pub fn words(&mut self, start: i64, key: u32, watermark: i64, widths: &Widths, layouts: &Layouts) -> &mut [u64] {
        self.due = self.due.min(due(widths.end_of(start), watermark));
        self.pane(start).dirty_words(key, layouts)
    }

    #[inline]
    fn pane(&mut self, start: i64) -> &mut Pane {
        if self.panes.get(self.hint).is_none_or(|pane| pane.start != start) {
            self.hint = self.find(start);
        }
        &mut self.panes[self.hint]
    }

    #[cold]
    fn find(&mut self, start: i64) -> usize {
        let at = self.panes.partition_point(|pane| pane.start < start);
        if self.panes.get(at).is_none_or(|pane| pane.start != start) {
            let mut pane = self.spares.pop().unwrap_or_else(|| Pane::new(self.direct));
            pane.start = start;
            self.panes.insert(at, pane);
        }
        at
    }

    /// Tells of every group that is due, window by window, and lets go of windows that take no more frames. With
    /// `i64::MAX` all that is open is told, and nothing let go.
    pub fn fire(&mut self, watermark: i64, widths: &Widths, layouts: &Layouts, mut tell: impl FnMut(Group)) {
        self.due = i64::MAX;
        let mut gone = 0;
        for pane in &mut self.panes {
            if widths.end_of(pane.start) > watermark {
                // Windows are in order of start, and of one width: none after it has closed.
                self.due = self.due.min(widths.end_of(pane.start));
                break;
            }
            pane.tell(layouts, &mut tell);
            let gone_at = widths.gone_at(pane.start);
            match watermark != i64::MAX && gone_at <= watermark {
                true => gone += 1,
                false => self.due = self.due.min(gone_at),
            }
        }
        self.hint = 0;
        for mut pane in self.panes.drain(..gone) {
            if self.spares.len() < SPARES_MAX {
                pane.clear();
                self.spares.push(pane);
            }
        }
    }

    pub fn groups(&self, layouts: &Layouts) -> impl Iterator<Item = Group<'_>> {
        self.panes.iter().flat_map(move |pane| (0..pane.keys.len()).map(move |row| pane.group(row, layouts)))
    }

    /// Puts a restored group where it was.
    pub fn put_back(&mut self, group: Group, layouts: &Layouts) {
        let pane = self.pane(group.start);
        let row = pane.row(group.key, layouts);
        pane.words[row * layouts.width()..(row + 1) * layouts.width()].copy_from_slice(group.words);
        pane.revisions[row] = group.revision;
        pane.is_dirty[row] = group.dirty;
        if group.dirty {
            pane.dirty.push(row as u32);
        }
    }

    /// Marks the keys that are in use.
    pub fn mark(&self, used: &mut [bool]) {
        self.panes.iter().flat_map(|pane| &pane.keys).for_each(|key| used[*key as usize] = true);
    }

    /// Keys have new numbers: those in use all have one.
    pub fn renumber(&mut self, new: &[u32]) {
        self.panes.iter_mut().for_each(|pane| pane.renumber(new));
    }

    pub fn is_empty(&self) -> bool {
        self.panes.is_empty()
    }
}
