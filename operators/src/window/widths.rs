//! Where windows lie in event time, and when they close.

use super::config::Shape;
use super::open::Span;
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
                Span { start, last: start, end: start.saturating_add(every_us) }
            }
            Shape::Session { gap_us } => Span { start: time, last: time, end: time.saturating_add(gap_us) },
        }
    }

    /// The same of many frames, the first and the last of which are of these times.
    pub fn span_of(&self, first: i64, last: i64) -> Span {
        Span { last, ..self.span(first) }
    }

    /// Frames of this span are too late from this watermark on: the first window that would hold them takes no more.
    #[inline]
    pub fn refused_at(&self, span: Span) -> i64 {
        span.end.saturating_add(self.lateness_us)
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
