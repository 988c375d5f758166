//! Lanes: the unit of state, ownership and event time.

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
