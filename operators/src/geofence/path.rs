//! The recent path of every vehicle, in twelve bytes a fix: what late frames are put into.

use crate::fix::Fix;
use rhumb_engine::vehicle::Slot;
use rhumb_geofence::prefetch_element;
use std::collections::HashMap;

/// What a frame says beside time and place. NaN: nothing.
#[derive(Debug, Clone, Copy)]
pub struct Marks {
    pub accuracy_m: f32,
    pub speed_mps: f32,
}

impl Marks {
    pub const NONE: Marks = Marks { accuracy_m: f32::NAN, speed_mps: f32::NAN };
}

/// A frame as the path keeps it.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    pub fix: Fix,
    pub marks: Marks,
}

/// Where a vehicle's path ends. Stands beside the rest of what is known of the vehicle, so that a frame in order
/// touches its line and one of the path.
#[derive(Debug, Clone, Copy, Default)]
pub struct Head {
    /// Of the newest fix.
    pub time: i64,
    /// How many fixes there were.
    pub number: u32,
    /// Where the next one goes.
    next: u16,
    pub len: u16,
    /// Some fix does not fit into twelve bytes.
    wide: bool,
}

/// Rings of at most `keep` fixes, all in one slab.
#[derive(Debug)]
pub struct Paths {
    keep: usize,
    steps: Vec<Step>,
    /// Only where something asks for them.
    marks: Option<Vec<Marks>>,
    /// Of vehicles whose fixes do not fit: coordinates finer than 1e-7 degrees, odd times far apart.
    wide: HashMap<Slot, Box<[Fix]>>,
}

/// A fix by the one before it. Coordinates of a device are decimals with at most seven digits: as whole numbers they
/// come back bit by bit.
#[derive(Debug, Clone, Copy, Default)]
struct Step {
    /// Time since the fix before: a number of 30 bits, in microseconds, milliseconds or seconds by the bits above.
    since: u32,
    lat: i32,
    lon: i32,
}

const UNITS_US: [i64; 3] = [1, 1_000, 1_000_000];
const COUNT_BITS: u32 = 30;

impl Step {
    #[inline]
    fn encode(since_us: i64, fix: &Fix) -> Option<Step> {
        let (lat, lon) = (decimal(fix.lat), decimal(fix.lon));
        let since = if (0..1 << COUNT_BITS).contains(&since_us) { since_us as u32 } else { coarse(since_us)? };
        (degrees(lat) == fix.lat && degrees(lon) == fix.lon).then_some(Step { since, lat, lon })
    }

    fn since_us(&self) -> i64 {
        i64::from(self.since & ((1 << COUNT_BITS) - 1)) * UNITS_US[(self.since >> COUNT_BITS) as usize]
    }
}

#[inline]
fn decimal(degrees: f64) -> i32 {
    (degrees * 1e7 + if degrees < 0.0 { -0.5 } else { 0.5 }) as i32
}

#[inline]
fn degrees(decimal: i32) -> f64 {
    f64::from(decimal) / 1e7
}

#[cold]
fn coarse(since_us: i64) -> Option<u32> {
    let fits =
        |unit: &usize| since_us % UNITS_US[*unit] == 0 && (0..1 << COUNT_BITS).contains(&(since_us / UNITS_US[*unit]));
    (1..UNITS_US.len()).find(fits).map(|unit| (unit as u32) << COUNT_BITS | (since_us / UNITS_US[unit]) as u32)
}

impl Paths {
    pub fn new(keep: usize, marked: bool) -> Paths {
        let keep = keep.clamp(1, usize::from(u16::MAX) - 1);
        Paths { keep, steps: Vec::new(), marks: marked.then(Vec::new), wide: HashMap::new() }
    }

    /// From here on, what frames say beside time and place matters, or no longer does.
    pub fn mark(&mut self, marked: bool) {
        if marked && self.marks.is_none() {
            self.marks = Some(vec![Marks::NONE; self.steps.len()]);
        }
    }

    pub fn keep(&self) -> usize {
        self.keep
    }

    pub fn reach(&mut self, slots: usize) {
        self.steps.resize(self.steps.len().max(slots * self.keep), Step::default());
        if let Some(marks) = &mut self.marks {
            marks.resize(marks.len().max(slots * self.keep), Marks::NONE);
        }
    }

    /// Asks for the newest fix and the place of the next.
    #[inline]
    pub fn prefetch(&self, slot: Slot, head: &Head) {
        prefetch_element(&self.steps, slot as usize * self.keep + usize::from(head.next).saturating_sub(1));
    }

    /// Appends a fix that is not older than the newest.
    #[inline]
    pub fn push(&mut self, slot: Slot, head: &mut Head, sample: &Sample) {
        let at = usize::from(head.next);
        let place = slot as usize * self.keep + at;
        let since = if head.len == 0 { 0 } else { sample.fix.time - head.time };
        match Step::encode(since, &sample.fix) {
            Some(step) if !head.wide => self.steps[place] = step,
            _ => self.push_wide(slot, head, &sample.fix),
        }
        if let Some(marks) = &mut self.marks {
            marks[place] = sample.marks;
        }
        head.time = sample.fix.time;
        head.number = head.number.wrapping_add(1);
        head.next = if at + 1 == self.keep { 0 } else { head.next + 1 };
        head.len += u16::from(usize::from(head.len) < self.keep);
    }

    #[cold]
    fn push_wide(&mut self, slot: Slot, head: &mut Head, fix: &Fix) {
        if !head.wide {
            let kept = self.of(slot, head);
            let mut fixes = vec![Fix::NONE; self.keep].into_boxed_slice();
            for (n, sample) in kept.iter().enumerate() {
                fixes[self.place(head, n)] = sample.fix;
            }
            self.wide.insert(slot, fixes);
            head.wide = true;
        }
        let fixes = self.wide.get_mut(&slot).expect("a wide vehicle has its fixes");
        fixes[usize::from(head.next)] = *fix;
    }

    /// Where the `n`th oldest stands in the ring.
    fn place(&self, head: &Head, n: usize) -> usize {
        (usize::from(head.next) + self.keep - usize::from(head.len) + n) % self.keep
    }

    #[inline]
    pub fn newest(&self, slot: Slot, head: &Head) -> Option<Sample> {
        if head.len == 0 {
            return None;
        }
        let at = if head.next == 0 { self.keep - 1 } else { usize::from(head.next) - 1 };
        let place = slot as usize * self.keep + at;
        let fix = if head.wide {
            self.wide[&slot][at]
        } else {
            let step = &self.steps[place];
            Fix { time: head.time, lat: degrees(step.lat), lon: degrees(step.lon) }
        };
        Some(Sample { fix, marks: self.marks.as_ref().map_or(Marks::NONE, |marks| marks[place]) })
    }

    /// The fixes of a vehicle, oldest first.
    pub fn of(&self, slot: Slot, head: &Head) -> Vec<Sample> {
        let (first, len) = (slot as usize * self.keep, usize::from(head.len));
        let wide = if head.wide { self.wide.get(&slot) } else { None };
        let mut time = head.time;
        let mut samples: Vec<Sample> = (0..len)
            .rev()
            .map(|n| {
                let at = self.place(head, n);
                let step = &self.steps[first + at];
                let fix = match wide {
                    Some(fixes) => fixes[at],
                    None => Fix { time, lat: degrees(step.lat), lon: degrees(step.lon) },
                };
                time -= step.since_us();
                Sample { fix, marks: self.marks.as_ref().map_or(Marks::NONE, |marks| marks[first + at]) }
            })
            .collect();
        samples.reverse();
        samples
    }

    /// Puts these fixes, oldest first, in the place of all there were; the newest has number `head.number`.
    pub fn replace(&mut self, slot: Slot, head: &mut Head, samples: &[Sample]) {
        let number = head.number;
        self.wide.remove(&slot);
        *head = Head::default();
        samples[samples.len().saturating_sub(self.keep)..].iter().for_each(|sample| self.push(slot, head, sample));
        head.number = number;
    }

    /// Bytes of the slabs.
    #[cfg(test)]
    pub fn memory_bytes(&self) -> usize {
        let marks = self.marks.as_ref().map_or(0, |marks| marks.capacity() * size_of::<Marks>());
        self.steps.capacity() * size_of::<Step>() + marks + self.wide.len() * (self.keep * size_of::<Fix>() + 24)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn coordinate() -> impl Strategy<Value = f64> {
        prop_oneof![
            4 => (-900_000_000i64..900_000_000).prop_map(|n| n as f64 / 1e7),
            1 => -90.0..90.0f64,
            1 => Just(-0.0),
        ]
    }

    proptest! {
        #[test]
        fn a_path_gives_back_the_newest_fixes_bit_by_bit(
            fixes in prop::collection::vec(
                (prop_oneof![0..5_000_000i64, (0..90_000i64).prop_map(|s| s * 1_000_000), 0..1i64 << 50], coordinate(), coordinate()),
                1..50),
            keep in 1usize..8,
        ) {
            let mut paths = Paths::new(keep, true);
            paths.reach(3);
            let mut head = Head::default();
            let mut all: Vec<Sample> = Vec::new();
            let mut time = -7;
            for (n, (since, lat, lon)) in fixes.into_iter().enumerate() {
                time += since;
                let marks = Marks { accuracy_m: n as f32, speed_mps: f32::NAN };
                let sample = Sample { fix: Fix { time, lat, lon }, marks };
                paths.push(1, &mut head, &sample);
                all.push(sample);
                let kept = &all[all.len().saturating_sub(keep)..];
                let of = paths.of(1, &head);
                prop_assert_eq!(of.len(), kept.len());
                for (a, b) in of.iter().zip(kept) {
                    prop_assert_eq!(a.fix, b.fix);
                    prop_assert_eq!(a.marks.accuracy_m, b.marks.accuracy_m);
                }
                prop_assert_eq!(paths.newest(1, &head).map(|s| s.fix), kept.last().map(|s| s.fix));
                if n % 7 == 6 {
                    let number = head.number;
                    paths.replace(1, &mut head, &of);
                    prop_assert_eq!(head.number, number);
                }
            }
        }
    }

    #[test]
    fn usual_fixes_take_twelve_bytes() {
        let mut paths = Paths::new(16, false);
        paths.reach(1);
        let mut head = Head::default();
        for n in 0..40i64 {
            let (lat, lon) = (30.231535 + n as f64 / 1e5, -97.73347);
            let sample = Sample {
                fix: Fix { time: n * 3_600_000_000, lat: (lat * 1e6).round() / 1e6, lon },
                marks: Marks::NONE,
            };
            paths.push(0, &mut head, &sample);
        }
        assert_eq!((paths.wide.len(), size_of::<Step>()), (0, 12));
    }
}
