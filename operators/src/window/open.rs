//! The open windows of one lane: what is in them, when they are due, and which changed after they closed.

use super::cells::Layouts;
use hashbrown::HashMap;
use rhumb_engine::time::SECOND_US;
use std::collections::BTreeMap;

/// One key in one window.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    pub cells: Vec<f64>,
    /// Of the next result; 0 before the first.
    pub revision: u32,
    /// Changed since the last result.
    pub dirty: bool,
}

/// All keys of one window.
#[derive(Debug, Default)]
pub struct Open {
    /// The window has closed: changes from here on are corrections.
    pub closed: bool,
    /// Some group is dirty though the window has closed.
    pub corrected: bool,
    pub groups: HashMap<u32, Group, foldhash::fast::RandomState>,
}

/// The windows of one lane, by their start.
#[derive(Debug)]
pub struct LaneWindows {
    pub open: BTreeMap<i64, Open>,
    /// The watermark at which something is to be done next.
    pub due: i64,
}

impl Default for LaneWindows {
    fn default() -> LaneWindows {
        LaneWindows { open: BTreeMap::new(), due: i64::MAX }
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
    /// The group of a key in the window that starts at `start`, at this watermark.
    #[inline]
    pub fn group(&mut self, start: i64, key: u32, watermark: i64, widths: &Widths, layouts: &Layouts) -> &mut Group {
        let due = &mut self.due;
        let open = self.open.entry(start).or_insert_with(|| {
            *due = (*due).min(widths.end_of(start));
            Open { closed: widths.end_of(start) <= watermark, ..Open::default() }
        });
        if open.closed && !open.corrected {
            // Corrections are told once a second of event time, however many there are.
            open.corrected = true;
            *due = (*due).min(next_second(watermark));
        }
        let group =
            open.groups.entry(key).or_insert_with(|| Group { cells: layouts.empty(), revision: 0, dirty: true });
        group.dirty = true;
        group
    }

    /// Tells of every group that is due, window by window, and lets go of windows that take no more frames. With
    /// `i64::MAX` all that is open is told, and nothing let go.
    pub fn fire(&mut self, watermark: i64, widths: &Widths, mut tell: impl FnMut(i64, u32, &Group)) {
        self.due = i64::MAX;
        let mut gone = Vec::new();
        for (start, open) in &mut self.open {
            if widths.end_of(*start) > watermark {
                // Windows are in order of start, and of one width: none after it has closed.
                self.due = self.due.min(widths.end_of(*start));
                break;
            }
            if !open.closed || open.corrected {
                let mut dirty: Vec<(u32, &mut Group)> =
                    open.groups.iter_mut().filter(|(_, g)| g.dirty).map(|(key, group)| (*key, group)).collect();
                dirty.sort_unstable_by_key(|(key, _)| *key);
                for (key, group) in dirty {
                    tell(*start, key, group);
                    group.revision += 1;
                    group.dirty = false;
                }
            }
            open.closed = true;
            open.corrected = false;
            let gone_at = widths.gone_at(*start);
            match watermark != i64::MAX && gone_at <= watermark {
                true => gone.push(*start),
                false => self.due = self.due.min(gone_at),
            }
        }
        gone.iter().for_each(|start| drop(self.open.remove(start)));
    }
}

fn next_second(watermark: i64) -> i64 {
    (watermark.div_euclid(SECOND_US) + 1).saturating_mul(SECOND_US)
}
