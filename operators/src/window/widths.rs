//! Where windows lie in event time, and when they close.

use rhumb_engine::time::SECOND_US;

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

/// The watermark at which something that changed now is to be told: at `end`, or for what has ended already with the
/// next second, however many corrections there are until then.
#[inline]
pub fn due(end: i64, watermark: i64) -> i64 {
    if end > watermark { end } else { (watermark.div_euclid(SECOND_US) + 1).saturating_mul(SECOND_US) }
}
