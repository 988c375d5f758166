//! Lanes: the unit of state, ownership and event time.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// For Kafka the partition; otherwise a hash bucket of vehicles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Lane(pub u16);

/// Lanes of sources that have no partitions of their own to go by.
pub const HASH_LANES: u16 = 64;

/// Stable over versions and machines, because it decides which lane holds a vehicle's state: xxh3 with seed 0.
pub fn hash_of(vehicle: &[u8]) -> u64 {
    twox_hash::XxHash3_64::oneshot(vehicle)
}

impl Lane {
    /// The hash bucket of a vehicle.
    pub fn of_hash(hash: u64) -> Lane {
        Lane((hash % u64::from(HASH_LANES)) as u16)
    }

    /// The shard that runs this lane.
    pub fn shard(self, shards: usize) -> usize {
        usize::from(self.0) % shards
    }
}

/// Lanes of partitions: by source, then by partition.
pub type LaneNumbers = BTreeMap<String, BTreeMap<String, u16>>;

/// Gives each partition of a source that has lanes of its own (Kafka) a lane. A number is given once and stands in the
/// manifests from then on, because state is found by it again; numbers below `HASH_LANES` are of the hash buckets.
#[derive(Debug, Default)]
pub struct Lanes {
    numbers: Mutex<LaneNumbers>,
}

impl Lanes {
    /// As a manifest has them.
    pub fn new(numbers: LaneNumbers) -> Lanes {
        Lanes { numbers: Mutex::new(numbers) }
    }

    /// The lane of a partition, a new one if it has none yet; `None`: all are taken.
    pub fn of(&self, source: &str, partition: &str) -> Option<Lane> {
        if let Some(lane) = self.known(source, partition) {
            return Some(lane);
        }
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        let last = numbers.values().flat_map(BTreeMap::values).max().copied();
        let lane = last.map_or(Some(HASH_LANES), |last| last.checked_add(1))?;
        // Somebody may have come in between.
        let of_source = numbers.entry(source.to_owned()).or_default();
        Some(Lane(*of_source.entry(partition.to_owned()).or_insert(lane)))
    }

    fn known(&self, source: &str, partition: &str) -> Option<Lane> {
        let numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.get(source).and_then(|of_source| of_source.get(partition)).map(|lane| Lane(*lane))
    }

    pub fn numbers(&self) -> LaneNumbers {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partition_keeps_its_lane_whatever_is_asked_for_in_between() {
        let lanes = Lanes::default();
        let ask = |lanes: &Lanes, source, partition| lanes.of(source, partition).map(|lane| lane.0);
        assert_eq!(ask(&lanes, "a", "t/0"), Some(HASH_LANES));
        assert_eq!(ask(&lanes, "b", "t/0"), Some(HASH_LANES + 1), "two sources share no lane");
        let restored = Lanes::new(lanes.numbers());
        assert_eq!(ask(&restored, "a", "t/1"), Some(HASH_LANES + 2));
        assert_eq!(ask(&restored, "b", "t/0"), Some(HASH_LANES + 1));
        let full = Lanes::new([("a".to_owned(), [("t/0".to_owned(), u16::MAX)].into())].into());
        assert_eq!([ask(&full, "a", "t/0"), ask(&full, "a", "t/1")], [Some(u16::MAX), None]);
    }
}
