//! Frames of vehicles beyond the limit: a stranger who makes up ids fills neither memory nor snapshots.
//!
//! Exact for one reader. Others may have asked for vehicles that nobody has counted yet, so with several readers there
//! can be `ASKED_MAX` more for each further reader and shard.

use super::FrameBuilder;
use crate::frame::Frame;
use crate::lane::Lane;
use crate::reject::Reason;

impl FrameBuilder {
    /// Rejects a frame of a new vehicle if there is no room for it. While there is plenty, nobody asks.
    #[cold]
    pub(super) fn is_one_too_many(&mut self, frame: &Frame, hash: u64, lane: Lane, shard: usize) -> bool {
        if self.caches[shard].holds(frame.vehicle, hash, lane) {
            return false;
        }
        // Those who were asked for before come first.
        self.caches.iter_mut().zip(&mut self.columns).for_each(|(cache, columns)| cache.answer(&mut columns.vehicle));
        let cache = &self.caches[shard];
        if !cache.is_refused(frame.vehicle, lane) {
            return false;
        }
        let (known, max) = (cache.limit().known(), cache.limit().max());
        let reject = self
            .refused(Reason::VehiclesMax, frame)
            .measured(known as f64, max as f64)
            .detail(format!("a new vehicle, and {known} are known; the most is vehicles_max = {max}"));
        self.keep(reject);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::ClockRules;
    use crate::frame::Origin;
    use crate::time::EventTime;
    use crate::vehicle::{ASKED_MAX, VehicleLimit, Vehicles};
    use std::sync::Arc;

    fn builders(max: usize, builders: usize, shards: usize) -> (Arc<VehicleLimit>, Vec<FrameBuilder>) {
        let limit = Arc::new(VehicleLimit::new(max));
        let directories: Vec<_> = (0..shards).map(|_| Arc::new(Vehicles::limited(limit.clone()))).collect();
        let origin = Origin { source: "s".into(), partition: "p".into() };
        let clocks = ClockRules { rollover: false, skew_max_us: 0 };
        let builder = || FrameBuilder::new(&directories, origin.clone(), clocks);
        (limit, (0..builders).map(|_| builder()).collect())
    }

    fn push(builder: &mut FrameBuilder, vehicle: &str, time: i64) {
        builder.at(time, EventTime(time));
        builder.push(&Frame { vehicle, event_time: EventTime(time), ..Frame::default() });
    }

    #[test]
    fn frames_of_further_vehicles_are_rejected_and_those_of_known_ones_go_on() {
        let (limit, mut builders) = builders(2, 1, 1);
        let builder = &mut builders[0];
        for (time, vehicle) in ["a", "b", "c", "a", "d", "b"].iter().enumerate() {
            push(builder, vehicle, time as i64);
        }
        let delivery = builder.finish().remove(0);
        assert_eq!((delivery.frames.slots(), delivery.frames.times()), (&[0, 1, 0, 1][..], &[0, 1, 3, 5][..]));
        let told = |r: &crate::reject::Reject| (r.reason, r.vehicle_id.clone(), r.measured, r.threshold, r.offset);
        let reason = Reason::VehiclesMax;
        let of = |id: &str, offset| (reason, Some(id.into()), Some(2.0), Some(2.0), offset);
        assert_eq!(delivery.rejects.iter().map(told).collect::<Vec<_>>(), [of("c", 2), of("d", 4)]);
        assert_eq!(delivery.rejected_after, [2, 3]);
        assert_eq!(limit.known(), 2);
    }

    #[test]
    fn a_rejected_vehicle_moves_no_clock() {
        let (_, mut builders) = builders(1, 1, 1);
        push(&mut builders[0], "a", 5);
        push(&mut builders[0], "b", 9);
        assert_eq!(builders[0].newest.iter().filter(|time| **time != i64::MIN).collect::<Vec<_>>(), [&5]);
    }

    /// Pushes twice as many vehicles as there is room for, each through two of the builders. How many are known then,
    /// and rows and rejects.
    fn flood(max: usize, readers: usize, shards: usize) -> (usize, usize, usize) {
        let (limit, mut builders) = builders(max, readers, shards);
        let (mut rows, mut rejects) = (0, 0);
        for n in 0..2 * max {
            for of in [n % readers, (n + 1) % readers] {
                push(&mut builders[of], &format!("v{n}"), n as i64);
            }
            if n % 500 == 499 || n + 1 == 2 * max {
                let deliveries = builders.iter_mut().flat_map(FrameBuilder::finish);
                deliveries.for_each(|d| (rows, rejects) = (rows + d.frames.len(), rejects + d.rejects.len()));
            }
        }
        (limit.known(), rows, rejects)
    }

    #[test]
    fn limit_is_exact_for_one_reader_and_nearly_so_for_several() {
        let max = 2 * 2 * ASKED_MAX + 300;
        assert_eq!(flood(max, 1, 2), (max, 2 * max, 2 * max));
        let (known, rows, rejects) = flood(max, 3, 2);
        assert!((max..=max + 2 * 2 * ASKED_MAX).contains(&known), "{known} of {max}");
        assert_eq!(rows + rejects, 4 * max, "every frame is a row or a reject");
        assert!(rows >= 2 * max, "{rows} rows");
    }
}
