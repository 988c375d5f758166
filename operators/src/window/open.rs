//! Open windows of any shape, when something is to be done about them, and what was let go.

use super::cells::Cells;
use super::config::Shape;
use super::group::Group;
use super::panes::Panes;
use super::rows::RowPlan;
use super::sessions::Sessions;
use super::widths::due;

#[derive(Debug)]
enum Kept {
    Panes(Panes),
    Sessions(Sessions),
}

/// The open windows of a lane, or of all lanes of a part.
#[derive(Debug)]
pub struct Open {
    kept: Kept,
    /// The watermark at which something is to be done next.
    pub due: i64,
    /// What takes no more frames at this watermark was let go.
    pub floor: i64,
}

impl Open {
    /// `direct`: keys are few, and most of them in most windows.
    pub fn new(plan: &RowPlan, direct: bool) -> Open {
        let kept = match plan.widths.shape {
            Shape::Fixed { every_us, size_us } => Kept::Panes(Panes::new(every_us, size_us, direct)),
            Shape::Session { gap_us } => Kept::Sessions(Sessions::new(gap_us)),
        };
        Open { kept, due: i64::MAX, floor: i64::MIN }
    }

    /// The cells of a key for frames at `watermark`: of the pane from `start` to `end`, or of the session that holds
    /// frames from `start` to `last`. The watermark says when something is to be told of it, and which sessions there can
    /// have been before.
    #[inline]
    pub fn cells(&mut self, span: Span, key: u32, watermark: i64, plan: &RowPlan) -> Cells<'_> {
        match &mut self.kept {
            Kept::Panes(panes) => {
                self.due = self.due.min(due(span.end, watermark));
                panes.cells(span.start, span.from, key, &plan.layouts)
            }
            Kept::Sessions(sessions) => {
                let silent_us = plan.widths.lateness_us;
                let (cells, end) = sessions.cells(span, key, watermark.saturating_sub(silent_us), &plan.layouts);
                self.due = self.due.min(due(end, watermark));
                cells
            }
        }
    }

    /// The cells that hold a span which was added before.
    pub fn holding(&mut self, span: Span, key: u32, plan: &RowPlan) -> Option<Cells<'_>> {
        match &mut self.kept {
            Kept::Panes(panes) => Some(panes.cells(span.start, span.from, key, &plan.layouts)),
            Kept::Sessions(sessions) => sessions.holding(span.start, key),
        }
    }

    /// The session that takes a frame which is too late for one of its own.
    pub fn session_for(&self, time: i64, key: u32, watermark: i64, plan: &RowPlan) -> Option<Span> {
        match &self.kept {
            Kept::Panes(_) => None,
            Kept::Sessions(sessions) => sessions.taking(time, key, watermark.saturating_sub(plan.widths.lateness_us)),
        }
    }

    /// Tells of what is due, and lets go of what takes no more frames. With the watermark `i64::MAX` all that is open is
    /// told, and nothing let go.
    pub fn fire(&mut self, watermark: i64, plan: &RowPlan, tell: impl FnMut(Group)) {
        let lateness_us = plan.widths.lateness_us;
        self.due = match &mut self.kept {
            Kept::Panes(panes) => panes.fire(watermark, self.floor, lateness_us, &plan.layouts, tell),
            Kept::Sessions(sessions) => sessions.fire(watermark, lateness_us, tell),
        };
        if watermark != i64::MAX {
            self.floor = self.floor.max(watermark);
        }
    }

    /// The panes, unless windows are sessions.
    pub fn panes(&mut self) -> Option<&mut Panes> {
        match &mut self.kept {
            Kept::Panes(panes) => Some(panes),
            Kept::Sessions(_) => None,
        }
    }

    pub fn for_each_group<'a>(&'a self, plan: &'a RowPlan, take: impl FnMut(Group<'a>)) {
        match &self.kept {
            Kept::Panes(panes) => panes.groups(&plan.layouts).for_each(take),
            Kept::Sessions(sessions) => sessions.groups().for_each(take),
        }
    }

    /// Puts a restored group where it was.
    pub fn put_back(&mut self, group: Group, plan: &RowPlan) {
        match &mut self.kept {
            Kept::Panes(panes) => panes.put_back(group, &plan.layouts),
            Kept::Sessions(sessions) => sessions.put_back(group),
        }
    }

    /// Marks the keys that are in use.
    pub fn mark(&self, used: &mut [bool]) {
        match &self.kept {
            Kept::Panes(panes) => panes.mark(used),
            Kept::Sessions(sessions) => sessions.mark(used),
        }
    }

    /// Keys have new numbers: those in use all have one.
    pub fn renumber(&mut self, new: &[u32]) {
        match &mut self.kept {
            Kept::Panes(panes) => panes.renumber(new),
            Kept::Sessions(sessions) => sessions.renumber(new),
        }
    }

    pub fn is_empty(&self) -> bool {
        match &self.kept {
            Kept::Panes(panes) => panes.is_empty(),
            Kept::Sessions(sessions) => sessions.is_empty(),
        }
    }
}

/// Where frames lie: of fixed windows the pane from `start` to `end`, of sessions from the first frame to the last; and
/// which windows take them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub start: i64,
    pub last: i64,
    /// Exclusive; of a session that has no other frames.
    pub end: i64,
    /// Start of the first window that takes them: where windows slide, those before it may take none any more. `ALL` if
    /// every window does.
    pub from: i64,
}

/// No window refuses the frames.
pub const ALL: i64 = i64::MIN;
