//! Open windows of fixed width by their start: what is in them, when they are due, and what changed since it was last
//! told. A sliding window is told as the sum of the panes that it consists of, each as wide as a window slides. Late frames
//! that only some of the windows over them take have panes of their own.

use super::cells::{Cells, Layouts};
use super::group::{Group, History, Sums};
use super::key::{Numbered, UNKNOWN};
use super::open::ALL;
use super::side::Side;

/// Empty panes that are kept for their memory.
const SPARES_MAX: usize = 4;

/// Where keys stand in a pane.
#[derive(Debug)]
enum Places {
    /// By key; `UNKNOWN` where there is none. For keys of which most are in most windows.
    Direct(Vec<u32>),
    Hashed(Numbered<u32>),
}

/// All keys of one pane, in columns, in the order in which they came. What was told of a row is told of the window that
/// starts with the pane.
#[derive(Debug)]
struct Pane {
    start: i64,
    /// The first window that it is part of; `ALL` if every one that it lies in.
    from: i64,
    places: Places,
    keys: Vec<u32>,
    histories: Vec<History>,
    /// Rows that have changed since they were told.
    dirty: Vec<u32>,
    /// Of all rows, one after the other.
    words: Vec<u64>,
    sides: Vec<Side>,
    /// The most of its rows' `changed`, and the result that its window was last looked at for.
    changed: u32,
    looked: u32,
    /// Its window has rows that are to be told though they have no frames.
    expects: bool,
}

impl Pane {
    fn new(direct: bool) -> Pane {
        let places = if direct { Places::Direct(Vec::new()) } else { Places::Hashed(Numbered::default()) };
        Pane {
            start: 0,
            from: ALL,
            places,
            keys: Vec::new(),
            histories: Vec::new(),
            dirty: Vec::new(),
            words: Vec::new(),
            sides: Vec::new(),
            changed: 0,
            looked: 0,
            expects: false,
        }
    }

    fn find(&self, key: u32) -> Option<usize> {
        let row = match &self.places {
            Places::Direct(rows) => rows.get(key as usize).copied().filter(|row| *row != UNKNOWN),
            Places::Hashed(rows) => rows.get(&key).copied(),
        };
        row.map(|row| row as usize)
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
            self.histories.push(History::default());
            self.words.extend_from_slice(&layouts.empty);
            self.sides.extend_from_slice(&layouts.empty_sides);
        }
        row as usize
    }

    /// A key's row, which `result` is the first to know of.
    #[inline]
    fn change(&mut self, key: u32, result: u32, layouts: &Layouts) -> usize {
        let row = self.row(key, layouts);
        let history = &mut self.histories[row];
        if !history.is_dirty() {
            self.dirty.push(row as u32);
        }
        history.changed = result;
        self.changed = result;
        row
    }

    fn words(&self, row: usize, layouts: &Layouts) -> &[u64] {
        &self.words[row * layouts.width()..(row + 1) * layouts.width()]
    }

    fn sides(&self, row: usize, layouts: &Layouts) -> &[Side] {
        let width = layouts.empty_sides.len();
        &self.sides[row * width..(row + 1) * width]
    }

    fn cells(&mut self, row: usize, layouts: &Layouts) -> Cells<'_> {
        let (words, sides) = (layouts.width(), layouts.empty_sides.len());
        Cells {
            words: &mut self.words[row * words..(row + 1) * words],
            sides: &mut self.sides[row * sides..(row + 1) * sides],
        }
    }

    fn group(&self, row: usize, size_us: i64, layouts: &Layouts) -> Group<'_> {
        Group {
            key: self.keys[row],
            start: self.start,
            end: self.start.saturating_add(size_us),
            from: self.from,
            history: &self.histories[row],
            words: self.words(row, layouts),
            sides: self.sides(row, layouts),
            retracted: false,
        }
    }

    /// Tells of a window that is this pane and no other.
    fn tell(&mut self, result: u32, size_us: i64, layouts: &Layouts, tell: &mut impl FnMut(Group)) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for row in dirty.drain(..) {
            tell(self.group(row as usize, size_us, layouts));
            self.histories[row as usize].tell(result);
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
        self.histories.clear();
        self.dirty.clear();
        self.words.clear();
        self.sides.clear();
        (self.changed, self.looked, self.expects) = (0, 0, false);
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
    /// Width of a pane and of a window; the same unless windows slide.
    every_us: i64,
    size_us: i64,
    /// In order of start, then of the first window.
    panes: Vec<Pane>,
    /// The pane that was asked for last.
    hint: usize,
    /// Results so far.
    results: u32,
    spares: Vec<Pane>,
    direct: bool,
}

impl Panes {
    /// `direct`: keys are few, and most of them in most windows.
    pub fn new(every_us: i64, size_us: i64, direct: bool) -> Panes {
        Panes { every_us, size_us, panes: Vec::new(), hint: 0, results: 0, spares: Vec::new(), direct }
    }

    /// The cells of a key in the pane that starts at `start` and is part of windows from `from` on, to be changed.
    #[inline]
    pub fn cells(&mut self, start: i64, from: i64, key: u32, layouts: &Layouts) -> Cells<'_> {
        let result = self.results + 1;
        let at = self.pane(start, from);
        let pane = &mut self.panes[at];
        let row = pane.change(key, result, layouts);
        pane.cells(row, layouts)
    }

    #[inline]
    fn pane(&mut self, start: i64, from: i64) -> usize {
        if self.panes.get(self.hint).is_none_or(|pane| (pane.start, pane.from) != (start, from)) {
            self.hint = self.find(start, from);
        }
        self.hint
    }

    #[cold]
    fn find(&mut self, start: i64, from: i64) -> usize {
        let at = self.panes.partition_point(|pane| (pane.start, pane.from) < (start, from));
        if self.panes.get(at).is_none_or(|pane| (pane.start, pane.from) != (start, from)) {
            let mut pane = self.spares.pop().unwrap_or_else(|| Pane::new(self.direct));
            (pane.start, pane.from) = (start, from);
            self.panes.insert(at, pane);
        }
        at
    }

    /// Starts of all panes that have frames, in order.
    pub fn starts(&self) -> impl Iterator<Item = i64> {
        self.panes.iter().filter(|pane| pane.changed > 0).map(|pane| pane.start)
    }

    /// The window that starts at `start` is to be told of a key, too, if it has no frames of it.
    pub fn expect(&mut self, start: i64, key: u32, layouts: &Layouts) {
        let at = self.pane(start, ALL);
        let pane = &mut self.panes[at];
        let row = pane.row(key, layouts);
        if pane.histories[row] == History::default() {
            pane.dirty.push(row as u32);
            pane.expects = true;
        }
    }

    /// Tells of every group that is due and has changed, window by window, and lets go of panes whose windows take no
    /// more frames `lateness_us` after their end. With the watermark `i64::MAX` all that is open is told, and nothing
    /// let go. Windows that were let go at the watermark `floor` are not told again. Gives the watermark at which
    /// something is to be done next.
    pub fn fire(
        &mut self,
        watermark: i64,
        floor: i64,
        lateness_us: i64,
        layouts: &Layouts,
        mut tell: impl FnMut(Group),
    ) -> i64 {
        self.results += 1;
        if self.every_us == self.size_us {
            let closed = self.panes.iter_mut().take_while(|pane| pane.start.saturating_add(self.size_us) <= watermark);
            closed.for_each(|pane| pane.tell(self.results, self.size_us, layouts, &mut tell));
        } else {
            self.fire_sliding(watermark, floor.saturating_sub(lateness_us), layouts, &mut tell);
        }
        let gone_at = |pane: &Pane| pane.start.saturating_add(self.size_us).saturating_add(lateness_us);
        let gone = match watermark {
            i64::MAX => 0,
            _ => self.panes.partition_point(|pane| gone_at(pane) <= watermark),
        };
        self.hint = 0;
        for mut pane in self.panes.drain(..gone) {
            if self.spares.len() < SPARES_MAX {
                pane.clear();
                self.spares.push(pane);
            }
        }
        let (Some(first), Some(last)) = (self.panes.first(), self.panes.last()) else { return i64::MAX };
        // The next end of a window, of which there is one every `every`, unless the last has closed.
        let next = watermark.div_euclid(self.every_us).saturating_add(1).saturating_mul(self.every_us);
        let next = next.max(first.start.saturating_add(self.every_us));
        let next = if next <= last.start.saturating_add(self.size_us) { next } else { i64::MAX };
        next.min(gone_at(first))
    }

    fn fire_sliding(&mut self, watermark: i64, floor: i64, layouts: &Layouts, tell: &mut impl FnMut(Group)) {
        let (Some(first), Some(last)) = (self.panes.first(), self.panes.last()) else { return };
        let (mut start, last) = (first.start - self.size_us + self.every_us, last.start);
        while start <= last && start.saturating_add(self.size_us) <= watermark {
            let from = self.panes.partition_point(|pane| pane.start < start);
            let to = self.panes.partition_point(|pane| pane.start < start + self.size_us);
            if from == to {
                // No frame: on to the first window that has one.
                let next = self.panes.get(from).map_or(i64::MAX, |pane| pane.start - self.size_us + self.every_us);
                start = next.max(start + self.every_us);
                continue;
            }
            if start.saturating_add(self.size_us) > floor {
                self.tell_sliding(start, from..to, layouts, tell);
            }
            start += self.every_us;
        }
    }

    fn tell_sliding(
        &mut self,
        start: i64,
        range: std::ops::Range<usize>,
        layouts: &Layouts,
        tell: &mut impl FnMut(Group),
    ) {
        let first = &self.panes[range.start];
        let is_new = (first.start, first.from) != (start, ALL);
        let looked = if is_new { 0 } else { first.looked };
        let takes = |pane: &Pane| pane.from <= start;
        let expects = !is_new && first.expects;
        if !expects && self.panes[range.clone()].iter().filter(|pane| takes(pane)).all(|pane| pane.changed <= looked) {
            return;
        }
        let home = self.find(start, ALL);
        let range = home..range.end + usize::from(is_new);
        let mut rows: Vec<(u32, usize, usize)> = Vec::new();
        for pane in range.filter(|pane| takes(&self.panes[*pane])) {
            let is_told = |of: &History| of.changed > 0 || expects && pane == home && of.told == 0;
            let histories = self.panes[pane].histories.iter().enumerate();
            rows.extend(
                histories.filter(|(_, of)| is_told(of)).map(|(row, _)| (self.panes[pane].keys[row], pane, row)),
            );
        }
        rows.sort_unstable();
        for of_key in rows.chunk_by(|a, b| a.0 == b.0) {
            let key = of_key[0].0;
            let changed = of_key.iter().map(|(_, pane, row)| self.panes[*pane].histories[*row].changed).max();
            let told = self.panes[home].find(key).map_or(0, |row| self.panes[home].histories[row].told);
            if told > 0 && changed.unwrap_or_default() <= told {
                continue;
            }
            let mut sums = Sums::empty(layouts);
            for (_, pane, row) in of_key {
                let pane = &self.panes[*pane];
                sums.merge(layouts, pane.words(*row, layouts), pane.sides(*row, layouts));
            }
            let home = &mut self.panes[home];
            let row = home.row(key, layouts);
            let group = home.group(row, self.size_us, layouts);
            tell(Group { words: &sums.words, sides: &sums.sides, ..group });
            home.histories[row].tell(self.results);
        }
        (self.panes[home].looked, self.panes[home].expects) = (self.results, false);
    }

    pub fn groups(&self, layouts: &Layouts) -> impl Iterator<Item = Group<'_>> {
        let rows = self.panes.iter().flat_map(|pane| (0..pane.keys.len()).map(move |row| (pane, row)));
        rows.map(move |(pane, row)| pane.group(row, self.size_us, layouts))
    }

    /// Puts a restored group where it was.
    pub fn put_back(&mut self, group: Group, layouts: &Layouts) {
        let at = self.pane(group.start, group.from);
        let pane = &mut self.panes[at];
        let row = pane.row(group.key, layouts);
        let cells = pane.cells(row, layouts);
        cells.words.copy_from_slice(group.words);
        cells.sides.clone_from_slice(group.sides);
        pane.histories[row] = group.history.clone();
        if group.history.is_dirty() {
            pane.dirty.push(row as u32);
        }
        pane.changed = pane.changed.max(group.history.changed);
        self.results = self.results.max(group.history.told).max(group.history.changed);
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
