//! Frames on their way out, and when each is due: simulated ones, or whatever else is to be sent.

use super::frame::{SimulatedFrame, VehicleName};
use super::send::Rate;
use rhumb_engine::frame::Frame;
use rhumb_engine::time::{EventTime, monotonic_now};
use std::io;
use std::time::{Duration, Instant};

/// Frames in the order in which they are due.
pub trait Outgoing {
    /// The next one and when it is due, in the time of `Rate::AsItArrives`; `None` after the last.
    fn next(&mut self) -> io::Result<Option<(EventTime, Frame<'_>)>>;
}

/// Simulated frames; each is due when it arrives.
pub struct Simulated<I> {
    frames: I,
    name: VehicleName,
}

impl<I: Iterator<Item = SimulatedFrame>> Simulated<I> {
    pub fn new(frames: I) -> Simulated<I> {
        Simulated { frames, name: VehicleName::new(0) }
    }
}

impl<I: Iterator<Item = SimulatedFrame>> Outgoing for Simulated<I> {
    fn next(&mut self) -> io::Result<Option<(EventTime, Frame<'_>)>> {
        let Some(frame) = self.frames.next() else { return Ok(None) };
        self.name = frame.name();
        Ok(Some((frame.arrival, frame.frame(&self.name))))
    }
}

/// Holds frames back until they are due.
pub(crate) struct Pacer {
    rate: Rate,
    start: Instant,
    elapsed: Duration,
}

/// Shorter pauses are not worth a switch of threads.
const PAUSE_MIN: Duration = Duration::from_micros(500);

impl Pacer {
    pub fn new(rate: Rate) -> Pacer {
        Pacer { rate, start: monotonic_now(), elapsed: Duration::ZERO }
    }

    /// How long there is still to wait; `None`: it is due.
    pub fn wait(&mut self, due: EventTime) -> Option<Duration> {
        // The clock is asked only when the last answer is not enough.
        if self.rate.wait(due, self.elapsed).is_zero() {
            return None;
        }
        self.elapsed = self.start.elapsed();
        let wait = self.rate.wait(due, self.elapsed);
        (!wait.is_zero()).then_some(wait.max(PAUSE_MIN))
    }

    /// Since the first frame.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

#[allow(clippy::disallowed_methods, reason = "sends at a rate by the wall clock; no part of the data path")]
pub(crate) fn sleep(time: Duration) {
    std::thread::sleep(time);
}
