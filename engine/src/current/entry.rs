//! One vehicle's place in the current table: a sequence lock over atomics. The writer makes the version odd, writes,
//! makes it even; a reader whose two looks at the version differ, or are odd, looks again.

use crate::sphere::near_distance_m;
use crate::time::SECOND_US;
use arc_swap::ArcSwapOption;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering, fence};

/// Zones kept in the entry itself; a vehicle in more of them costs an allocation.
const ZONES_INLINE: usize = 4;

pub struct Entry {
    version: AtomicU32,
    speed_mps: AtomicU32,
    heading_deg: AtomicU32,
    /// 0: not told; 1: off; 2: on.
    ignition: AtomicU8,
    zone_count: AtomicU32,
    event_time: AtomicI64,
    received_at: AtomicI64,
    lat: AtomicU64,
    lon: AtomicU64,
    zones: [AtomicU32; ZONES_INLINE],
    more_zones: ArcSwapOption<Vec<u32>>,
}

impl Default for Entry {
    fn default() -> Entry {
        Entry {
            version: AtomicU32::new(0),
            speed_mps: AtomicU32::new(f32::NAN.to_bits()),
            heading_deg: AtomicU32::new(f32::NAN.to_bits()),
            ignition: AtomicU8::new(0),
            zone_count: AtomicU32::new(0),
            event_time: AtomicI64::new(i64::MIN),
            received_at: AtomicI64::new(i64::MIN),
            lat: AtomicU64::new(0),
            lon: AtomicU64::new(0),
            zones: Default::default(),
            more_zones: ArcSwapOption::empty(),
        }
    }
}

/// Plain values of an entry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Values {
    pub event_time: i64,
    pub received_at: i64,
    pub lat: f64,
    pub lon: f64,
    pub speed_mps: f32,
    pub heading_deg: f32,
    pub ignition: Option<bool>,
}

impl Entry {
    /// Before the first write.
    pub fn is_empty(&self) -> bool {
        self.event_time() == i64::MIN
    }

    /// Of the last write. For the writer, to whom it is whole, or alone.
    pub fn event_time(&self) -> i64 {
        self.event_time.load(Ordering::Relaxed)
    }

    /// Only by the one writer.
    pub fn write(&self, values: &Values, zones: &[u32]) {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        self.event_time.store(values.event_time, Ordering::Relaxed);
        self.received_at.store(values.received_at, Ordering::Relaxed);
        self.lat.store(values.lat.to_bits(), Ordering::Relaxed);
        self.lon.store(values.lon.to_bits(), Ordering::Relaxed);
        self.speed_mps.store(values.speed_mps.to_bits(), Ordering::Relaxed);
        self.heading_deg.store(values.heading_deg.to_bits(), Ordering::Relaxed);
        self.ignition.store(values.ignition.map_or(0, |on| 1 + u8::from(on)), Ordering::Relaxed);
        for (place, zone) in self.zones.iter().zip(zones) {
            place.store(*zone, Ordering::Relaxed);
        }
        if zones.len() > ZONES_INLINE {
            self.more_zones.store(Some(Arc::new(zones.to_vec())));
        } else if self.zone_count.load(Ordering::Relaxed) as usize > ZONES_INLINE {
            self.more_zones.store(None);
        }
        self.zone_count.store(zones.len() as u32, Ordering::Relaxed);
        self.version.store(version.wrapping_add(2), Ordering::Release);
    }

    /// Whole: all of one write.
    pub fn read(&self) -> (Values, Vec<u32>) {
        loop {
            let before = self.version.load(Ordering::Acquire);
            let values = Values {
                event_time: self.event_time.load(Ordering::Relaxed),
                received_at: self.received_at.load(Ordering::Relaxed),
                lat: f64::from_bits(self.lat.load(Ordering::Relaxed)),
                lon: f64::from_bits(self.lon.load(Ordering::Relaxed)),
                speed_mps: f32::from_bits(self.speed_mps.load(Ordering::Relaxed)),
                heading_deg: f32::from_bits(self.heading_deg.load(Ordering::Relaxed)),
                ignition: match self.ignition.load(Ordering::Relaxed) {
                    0 => None,
                    on => Some(on == 2),
                },
            };
            let count = self.zone_count.load(Ordering::Relaxed) as usize;
            let zones = match count > ZONES_INLINE {
                true => self.more_zones.load().as_deref().cloned().unwrap_or_default(),
                false => self.zones[..count].iter().map(|z| z.load(Ordering::Relaxed)).collect(),
            };
            fence(Ordering::Acquire);
            if before.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == before {
                return (values, zones);
            }
            std::hint::spin_loop();
        }
    }

    /// Metres a second from the position here to another; NaN unless it is later. For the writer.
    pub fn speed_to(&self, before: i64, event_time: i64, lat: f64, lon: f64) -> f32 {
        if before == i64::MIN || event_time <= before {
            return f32::NAN;
        }
        let from = (f64::from_bits(self.lat.load(Ordering::Relaxed)), f64::from_bits(self.lon.load(Ordering::Relaxed)));
        let seconds = (event_time - before) as f64 / SECOND_US as f64;
        (near_distance_m(from, (lat, lon)) / seconds) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    /// Values that all follow from one number, with zones in the entry and beyond it.
    fn of(n: i64) -> (Values, Vec<u32>) {
        let values = Values {
            event_time: n,
            received_at: -n,
            lat: n as f64,
            lon: -n as f64,
            speed_mps: (n % 1_000) as f32,
            heading_deg: (n % 360) as f32,
            ignition: [None, Some(false), Some(true)][n as usize % 3],
        };
        (values, vec![n as u32; n as usize % (2 * ZONES_INLINE)])
    }

    #[test]
    fn reader_never_sees_parts_of_two_writes_nor_goes_back() {
        const WRITES: i64 = 300_000;
        const READERS: usize = 2;
        let entry = Entry::default();
        entry.write(&of(0).0, &of(0).1);
        let done = AtomicBool::new(false);
        let read = || {
            let mut newest = 0;
            loop {
                // Looked at first, so that the last read comes after the last write.
                let is_last = done.load(Ordering::Acquire);
                let found = entry.read();
                assert_eq!(found, of(found.0.event_time));
                assert!(found.0.event_time >= newest, "{} after {newest}", found.0.event_time);
                newest = found.0.event_time;
                if is_last {
                    return newest;
                }
            }
        };
        #[allow(clippy::disallowed_methods, reason = "readers beside a writer are what is tested")]
        std::thread::scope(|threads| {
            let readers = [(); READERS].map(|()| threads.spawn(read));
            (1..=WRITES).map(of).for_each(|(values, zones)| entry.write(&values, &zones));
            done.store(true, Ordering::Release);
            assert!(readers.into_iter().all(|reader| reader.join().unwrap() == WRITES));
        });
    }
}
