//! The newest fixes of every vehicle, held back in order of time until enough newer ones are there: a late frame among
//! them is put where it belongs, and what comes out is the vehicle's path in order.

use rhumb_engine::vehicle::Slot;

/// A frame as trips see it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    pub time: i64,
    pub lat: f64,
    pub lon: f64,
    /// NaN: the device does not say.
    pub speed_mps: f32,
    pub marks: Marks,
}

/// Zones and ignition of a frame in four bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks(u32);

const IGNITION_BITS: u32 = 2;

impl Marks {
    /// `zones` is a code of `ZoneSets`, of less than 30 bits.
    #[inline]
    pub fn new(zones: u32, ignition: Option<bool>) -> Marks {
        Marks(zones << IGNITION_BITS | ignition.map_or(0, |on| 1 + u32::from(on)))
    }

    pub fn zones(self) -> u32 {
        self.0 >> IGNITION_BITS
    }

    #[inline]
    pub fn ignition(self) -> Option<bool> {
        match self.0 & ((1 << IGNITION_BITS) - 1) {
            0 => None,
            known => Some(known == 2),
        }
    }
}

impl Sample {
    pub const NONE: Sample = Sample { time: i64::MIN, lat: 0.0, lon: 0.0, speed_mps: f32::NAN, marks: Marks(0) };

    /// (lat, lon), degrees.
    #[inline]
    pub fn place(&self) -> (f64, f64) {
        (self.lat, self.lon)
    }
}

/// Where a vehicle's samples stand in its part of the slab.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ring {
    first: u16,
    pub len: u16,
}

/// What became of a sample, or of another that made room for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pushed {
    Held,
    /// The oldest of the vehicle's, the new one included: it is the next of the path.
    Out(Sample),
    /// The path is past it.
    TooLate,
}

/// Rings of at most `keep` samples, all in one slab.
#[derive(Debug)]
pub struct Held {
    keep: usize,
    samples: Vec<Sample>,
}

impl Held {
    pub fn new(keep: usize) -> Held {
        Held { keep: keep.clamp(1, usize::from(u16::MAX / 2)), samples: Vec::new() }
    }

    pub fn reach(&mut self, slots: usize) {
        if self.samples.len() < slots * self.keep {
            self.samples.resize(slots * self.keep, Sample::NONE);
        }
    }

    /// `passed` is the time of the last sample that came out.
    #[inline]
    pub fn push(&mut self, slot: Slot, ring: &mut Ring, sample: &Sample, passed: i64) -> Pushed {
        let keep = self.keep;
        let of = &mut self.samples[slot as usize * keep..][..keep];
        if usize::from(ring.len) < keep {
            if sample.time < passed {
                return Pushed::TooLate;
            }
            insert(of, ring, sample);
            return Pushed::Held;
        }
        let first = usize::from(ring.first);
        let oldest = of[first];
        if sample.time < oldest.time {
            return if sample.time < passed { Pushed::TooLate } else { Pushed::Out(*sample) };
        }
        ring.first = if first + 1 == keep { 0 } else { ring.first + 1 };
        ring.len -= 1;
        insert(of, ring, sample);
        Pushed::Out(oldest)
    }

    /// The samples of a vehicle in order.
    pub fn of(&self, slot: Slot, ring: Ring) -> impl DoubleEndedIterator<Item = &Sample> {
        let of = &self.samples[slot as usize * self.keep..][..self.keep];
        (0..usize::from(ring.len)).map(move |at| &of[place(ring, self.keep, at)])
    }
}

/// Where the sample of this number stands; 0 is the oldest.
#[inline]
fn place(ring: Ring, keep: usize, at: usize) -> usize {
    let place = usize::from(ring.first) + at;
    if place >= keep { place - keep } else { place }
}

/// Behind all that are not newer. There is room for it.
#[inline]
fn insert(of: &mut [Sample], ring: &mut Ring, sample: &Sample) {
    let mut at = usize::from(ring.len);
    while at > 0 && of[place(*ring, of.len(), at - 1)].time > sample.time {
        of[place(*ring, of.len(), at)] = of[place(*ring, of.len(), at - 1)];
        at -= 1;
    }
    of[place(*ring, of.len(), at)] = *sample;
    ring.len += 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(time: i64) -> Sample {
        Sample { time, ..Sample::NONE }
    }

    /// Times in, times out; `x` where one is too late.
    #[track_caller]
    fn check(keep: usize, times: &[i64], expected: &str) {
        let mut held = Held::new(keep);
        held.reach(2);
        let (mut ring, mut passed, mut out) = (Ring::default(), i64::MIN, Vec::new());
        for time in times {
            match held.push(1, &mut ring, &sample(*time), passed) {
                Pushed::Held => {}
                Pushed::TooLate => out.push("x".to_owned()),
                Pushed::Out(sample) => {
                    passed = sample.time;
                    out.push(passed.to_string());
                }
            }
        }
        let rest: Vec<String> = held.of(1, ring).map(|sample| sample.time.to_string()).collect();
        assert_eq!(format!("{} | {}", out.join(" "), rest.join(" ")), expected);
    }

    #[test]
    fn samples_come_out_in_order_of_time_once_the_ring_is_full() {
        check(3, &[1, 2, 3, 4, 5], "1 2 | 3 4 5");
        check(3, &[5, 1, 4, 2, 3], "1 2 | 3 4 5");
        check(1, &[1, 2, 4, 3, 5], "1 2 3 4 | 5");
    }

    #[test]
    fn sample_older_than_the_last_that_came_out_is_too_late() {
        check(2, &[3, 4, 5, 2, 6], "3 x 4 | 5 6");
        check(2, &[3, 5, 6, 3, 4], "3 3 4 | 5 6");
    }

    #[test]
    fn wrong_clock_stays_at_the_end() {
        check(3, &[1, 900, 2, 3, 4, 5], "1 2 3 | 4 5 900");
    }

    #[test]
    fn marks_give_back_what_they_were_made_of() {
        for zones in [0, 1, (1 << 30) - 1] {
            for ignition in [None, Some(false), Some(true)] {
                let marks = Marks::new(zones, ignition);
                assert_eq!((marks.zones(), marks.ignition()), (zones, ignition));
            }
        }
    }
}
