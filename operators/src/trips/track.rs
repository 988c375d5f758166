//! One vehicle's trips and stops, fix by fix in order of time. A pure function of the path: neither clocks nor the order of
//! arrival are known here.
//!
//! A vehicle that is not at a stop has an *anchor*, the fix that its next stop would begin with: where it last arrived,
//! which is where driven legs ended, else the first fix that is a radius from the anchor before. Once it has stayed within
//! the radius for long enough it is at a stop, which began at the anchor, and its trip ended there. A vehicle at a stop has
//! left once it is a radius or more from where it stood when the stop was certain; the stop ends, and the trip begins,
//! where the last driven legs begin. So trips and stops share their ends: what one of them begins with, another has ended
//! with, unless there was silence.

use super::held::Sample;
use super::leg::{Leg, Rules, Sums};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Trip,
    Stop,
}

/// Why a trip or a stop ends where it does. Names are those of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// A trip: the vehicle stopped.
    Stopped,
    /// A stop: the vehicle moved on.
    Moved,
    /// Nothing further is known of it: silence followed, or the input ended.
    Silent,
}

impl Ended {
    pub fn name(self) -> &'static str {
        match self {
            Ended::Stopped => "stopped",
            Ended::Moved => "moved",
            Ended::Silent => "silent",
        }
    }
}

/// A trip or a stop, to be told.
#[derive(Debug, Clone, Copy)]
pub struct Told {
    pub what: What,
    pub start: Sample,
    pub end: Sample,
    /// Where a stop is.
    pub place: Sample,
    pub sums: Sums,
    pub ended: Ended,
    /// How often it was told before.
    pub revision: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// There was no fix yet.
    New,
    /// Not at a stop.
    Away,
    AtStop,
}

/// What is known of a vehicle.
#[derive(Debug, Clone, Copy)]
pub struct Track {
    pub phase: Phase,
    /// As things stand the row of the open trip or stop has been told.
    pub is_told: bool,
    /// Away: every leg since the mark was driven.
    pub is_driving: bool,
    /// How often the open trip or stop was told.
    pub revision: u32,
    /// Fix that the open trip or stop began with.
    pub start: Sample,
    /// Away: the anchor. At a stop: the fix that the last driven legs begin with; the newest fix if there are none.
    pub mark: Sample,
    /// The newest fix.
    pub last: Sample,
    /// The fix that made the stop certain.
    pub place: Sample,
    /// From `start` to `mark`.
    pub settled: Sums,
    /// From `mark` to `last`.
    pub tail: Sums,
}

impl Default for Track {
    fn default() -> Track {
        Track {
            phase: Phase::New,
            is_told: false,
            is_driving: true,
            revision: 0,
            start: Sample::NONE,
            mark: Sample::NONE,
            last: Sample::NONE,
            place: Sample::NONE,
            settled: Sums::NONE,
            tail: Sums::NONE,
        }
    }
}

impl Track {
    /// The next fix of the path, not older than the one before.
    #[inline]
    pub fn take(&mut self, rules: &Rules, now: &Sample, told: &mut Vec<Told>) {
        if self.phase == Phase::New {
            return self.begin(now);
        }
        if now.time - self.last.time > rules.gap_us {
            return self.take_after_silence(rules, now, told);
        }
        let leg = Leg::new(rules, &self.last, now);
        self.go_on(now, &leg);
        match self.phase {
            Phase::AtStop => {
                if !leg.is_driven {
                    self.settle();
                }
                if !rules.is_near(&self.place, now) {
                    self.leave(told);
                }
            }
            // Arrived: nearer to where it will stand than the anchor was.
            _ if leg.is_driven && self.is_driving && self.is_trip() => self.settle(),
            _ if !rules.is_near(&self.mark, now) => self.settle(),
            _ if now.time - self.mark.time >= rules.stop_us => self.stand(told),
            _ => self.is_driving &= leg.is_driven,
        }
    }

    /// Tells the open trip or stop as far as it is known, unless that was done.
    pub fn tell_open(&mut self, told: &mut Vec<Told>) {
        let is_there = self.phase == Phase::AtStop || self.phase == Phase::Away && self.is_trip();
        if !is_there || self.is_told {
            return;
        }
        let sums = self.whole();
        self.tell(told, self.last, sums, Ended::Silent);
        self.is_told = true;
    }

    /// Whether the vehicle, which is away, has been a radius from where that began.
    fn is_trip(&self) -> bool {
        self.mark.time > self.start.time
    }

    fn whole(&self) -> Sums {
        let mut sums = self.settled;
        sums.join(&self.tail);
        sums
    }

    fn go_on(&mut self, now: &Sample, leg: &Leg) {
        self.tail.join(&leg.sums);
        self.last = *now;
        self.is_told = false;
    }

    /// Moves the mark to the newest fix.
    #[inline]
    fn settle(&mut self) {
        self.settled.join(&self.tail);
        self.tail = Sums::NONE;
        self.mark = self.last;
        self.is_driving = true;
    }

    /// Nothing is known of before.
    fn begin(&mut self, now: &Sample) {
        *self = Track { phase: Phase::Away, start: *now, mark: *now, last: *now, ..Track::default() };
    }

    /// The stop that began at the mark is certain.
    fn stand(&mut self, told: &mut Vec<Told>) {
        if self.is_trip() {
            self.tell(told, self.mark, self.settled, Ended::Stopped);
        }
        (self.phase, self.revision) = (Phase::AtStop, 0);
        (self.start, self.settled) = (self.mark, Sums::NONE);
        self.settle();
        self.place = self.last;
    }

    /// The stop ended at the mark, and a trip began there.
    fn leave(&mut self, told: &mut Vec<Told>) {
        self.tell(told, self.mark, self.settled, Ended::Moved);
        (self.phase, self.revision) = (Phase::Away, 0);
        (self.start, self.settled) = (self.mark, Sums::NONE);
        self.settle();
    }

    /// Silence ends a trip. A vehicle that stands where it stood before has not moved meanwhile; where another has been
    /// nobody knows.
    #[cold]
    fn take_after_silence(&mut self, rules: &Rules, now: &Sample, told: &mut Vec<Told>) {
        if self.phase == Phase::Away && self.is_trip() {
            self.tell_open(told);
            let last = self.last;
            self.begin(&last);
        }
        let stood_at = if self.phase == Phase::AtStop { self.place } else { self.mark };
        if !rules.is_near(&stood_at, now) {
            self.tell_open(told);
            return self.begin(now);
        }
        self.go_on(now, &Leg::silent(&self.last, now));
        match self.phase {
            Phase::AtStop => self.settle(),
            _ => self.stand(told),
        }
    }

    fn tell(&mut self, told: &mut Vec<Told>, end: Sample, sums: Sums, ended: Ended) {
        let what = if self.phase == Phase::AtStop { What::Stop } else { What::Trip };
        let (start, place, revision) = (self.start, self.place, self.revision);
        told.push(Told { what, start, end, place, sums, ended, revision });
        self.revision += 1;
    }
}
