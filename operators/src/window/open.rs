//! The open windows of one lane: what is in them, when they are due, and which changed after they closed.

use super::cells::Layouts;
use hashbrown::HashMap;
use rhumb_engine::time::SECOND_US;
use std::collections::BTreeMap;

/// All keys of one window, in columns, in the order in which they came.
#[derive(Debug, Default)]
pub struct Open {
    /// The window has closed: changes from here on are corrections.
    pub closed: bool,
    /// Some group is dirty though the window has closed.
    pub corrected: bool,
    by_key: HashMap<u32, u32, foldhash::fast::RandomState>,
    keys: Vec<u32>,
    /// Of the next result; 0 before the first.
    revisions: Vec<u32>,
    /// Changed since the last result.
    dirty: Vec<bool>,
    /// Cells of all groups, one after the other.
    cells: Vec<f64>,
}

/// One key in one window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Group<'a> {
    pub key: u32,
    pub revision: u32,
    pub dirty: bool,
    pub cells: &'a [f64],
}

impl Open {
    /// The cells of a key, now dirty.
    #[inline]
    fn dirty_cells(&mut self, key: u32, layouts: &Layouts) -> &mut [f64] {
        let group = *self.by_key.entry(key).or_insert_with(|| {
            self.keys.push(key);
            self.revisions.push(0);
            self.dirty.push(true);
            self.cells.extend_from_slice(&layouts.empty);
            self.keys.len() as u32 - 1
        }) as usize;
        self.dirty[group] = true;
        &mut self.cells[group * layouts.cells..(group + 1) * layouts.cells]
    }

    pub fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        let width = self.cells.len() / self.keys.len().max(1);
        self.keys.iter().enumerate().map(move |(n, key)| Group {
            key: *key,
            revision: self.revisions[n],
            dirty: self.dirty[n],
            cells: &self.cells[n * width..(n + 1) * width],
        })
    }

    /// Puts a restored group where it was.
    pub fn put_back(&mut self, group: Group, layouts: &Layouts) {
        self.dirty_cells(group.key, layouts).copy_from_slice(group.cells);
        let at = self.by_key[&group.key] as usize;
        (self.revisions[at], self.dirty[at]) = (group.revision, group.dirty);
    }

    fn tell(&mut self, start: i64, tell: &mut impl FnMut(i64, Group)) {
        self.groups().filter(|group| group.dirty).for_each(|group| tell(start, group));
        for (revision, dirty) in self.revisions.iter_mut().zip(&mut self.dirty) {
            *revision += u32::from(std::mem::take(dirty));
        }
    }

    /// Empty again, its memory kept for the next window.
    fn clear(&mut self) {
        (self.closed, self.corrected) = (false, false);
        self.by_key.clear();
        self.keys.clear();
        self.revisions.clear();
        self.dirty.clear();
        self.cells.clear();
    }
}

/// The windows of one lane, by their start.
#[derive(Debug)]
pub struct LaneWindows {
    pub open: BTreeMap<i64, Open>,
    /// The watermark at which something is to be done next.
    pub due: i64,
    /// A window that was let go.
    spare: Option<Open>,
}

impl Default for LaneWindows {
    fn default() -> LaneWindows {
        LaneWindows { open: BTreeMap::new(), due: i64::MAX, spare: None }
    }
}

/// Widths of a window, microseconds.
#[derive(Debug, Clone, Copy)]
pub struct Widths {
    pub every_us: i64,
    pub lateness_us: i64,
}

impl Widths {
    pub fn start_of(&self, time: i64) -> i64 {
        time.div_euclid(self.every_us).saturating_mul(self.every_us)
    }

    pub fn end_of(&self, start: i64) -> i64 {
        start.saturating_add(self.every_us)
    }

    /// From this watermark on the window takes no more frames.
    pub fn gone_at(&self, start: i64) -> i64 {
        self.end_of(start).saturating_add(self.lateness_us)
    }

    pub fn watermark(&self, clock: i64) -> i64 {
        match clock {
            i64::MIN | i64::MAX => clock,
            clock => clock.saturating_sub(self.lateness_us),
        }
    }
}

impl LaneWindows {
    /// The cells of a key in the window that starts at `start`, at this watermark.
    #[inline]
    pub fn cells(&mut self, start: i64, key: u32, watermark: i64, widths: &Widths, layouts: &Layouts) -> &mut [f64] {
        let (due, spare) = (&mut self.due, &mut self.spare);
        let open = self.open.entry(start).or_insert_with(|| {
            *due = (*due).min(widths.end_of(start));
            Open { closed: widths.end_of(start) <= watermark, ..spare.take().unwrap_or_default() }
        });
        if open.closed && !open.corrected {
            // Corrections are told once a second of event time, however many there are.
            open.corrected = true;
            *due = (*due).min(next_second(watermark));
        }
        open.dirty_cells(key, layouts)
    }

    /// Tells of every group that is due, window by window, and lets go of windows that take no more frames. With
    /// `i64::MAX` all that is open is told, and nothing let go.
    pub fn fire(&mut self, watermark: i64, widths: &Widths, mut tell: impl FnMut(i64, Group)) {
        self.due = i64::MAX;
        let mut gone = 0;
        for (start, open) in &mut self.open {
            if widths.end_of(*start) > watermark {
                // Windows are in order of start, and of one width: none after it has closed.
                self.due = self.due.min(widths.end_of(*start));
                break;
            }
            if !open.closed || open.corrected {
                open.tell(*start, &mut tell);
            }
            (open.closed, open.corrected) = (true, false);
            let gone_at = widths.gone_at(*start);
            match watermark != i64::MAX && gone_at <= watermark {
                true => gone += 1,
                false => self.due = self.due.min(gone_at),
            }
        }
        for _ in 0..gone {
            if let Some((_, mut open)) = self.open.pop_first() {
                open.clear();
                self.spare = Some(open);
            }
        }
    }
}

fn next_second(watermark: i64) -> i64 {
    (watermark.div_euclid(SECOND_US) + 1).saturating_mul(SECOND_US)
}
