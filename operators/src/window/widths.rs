//! Where windows lie in event time, and when they close.

use super::config::Shape;
use super::open::{ALL, Span};
use rhumb_engine::time::SECOND_US;

/// Times of a window, microseconds.
#[derive(Debug, Clone, Copy)]
pub struct Widths {
    pub shape: Shape,
    pub lateness_us: i64,
}

impl Widths {
    /// Where a frame is summed up: in its window, or if windows slide in the stretch of `every`, or as a session of its
    /// own.
    pub fn span(&self, time: i64) -> Span {
        match self.shape {
            Shape::Fixed { every_us, .. } => {
                let start = time.div_euclid(every_us).saturating_mul(every_us);
                Span { start, last: start, end: start.saturating_add(every_us), from: ALL }
            }
            Shape::Session { gap_us } => Span { start: time, last: time, end: time.saturating_add(gap_us), from: ALL },
        }
    }

    /// A session, by the times of its first frame and its last.
    pub fn span_of(&self, first: i64, last: i64) -> Span {
        Span { last, ..self.span(first) }
    }

    /// The first window that takes frames of this span takes no more from this watermark on.
    #[inline]
    pub fn refused_at(&self, span: Span) -> i64 {
        let end = match self.shape {
            Shape::Fixed { size_us, .. } if span.from != ALL => span.from.saturating_add(size_us),
            _ => span.end,
        };
        end.saturating_add(self.lateness_us)
    }

    /// The same frames for those windows that still take some, where the first that would hold them does not.
    #[cold]
    pub fn rest(&self, span: Span, watermark: i64) -> Option<Span> {
        let Shape::Fixed { every_us, size_us } = self.shape else { return None };
        let past = watermark.saturating_sub(self.lateness_us).saturating_sub(size_us);
        let from = past.div_euclid(every_us).saturating_add(1).saturating_mul(every_us);
        (from <= span.start).then_some(Span { from, ..span })
    }

    /// Windows of fixed width take no more frames that are not newer than this.
    pub fn horizon(&self, watermark: i64) -> i64 {
        match self.shape {
            Shape::Fixed { size_us, .. } => watermark.saturating_sub(self.lateness_us).saturating_sub(size_us),
            Shape::Session { .. } => i64::MIN,
        }
    }

    /// Whether no window refuses frames that are counted there.
    pub fn is_whole(&self, span: Option<Span>) -> bool {
        span.is_some_and(|span| span.from == ALL)
    }

    #[inline]
    pub fn watermark(&self, clock: i64) -> i64 {
        match clock {
            i64::MIN | i64::MAX => clock,
            clock => clock.saturating_sub(self.lateness_us),
        }
    }
}

/// The watermark at which something that changed now is to be told: at `end`, or for what has ended already with the
/// next second, however many corrections there are until then.
#[inline]
pub fn due(end: i64, watermark: i64) -> i64 {
    if end > watermark { end } else { (watermark.div_euclid(SECOND_US) + 1).saturating_mul(SECOND_US) }
}
