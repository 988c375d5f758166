//! Vehicles are strings outside and dense `u32` slots inside. Each shard has one directory; a reader keeps
//! a cache in front of it, so that a known vehicle costs one look-up and no lock.

use crate::lane::{Lane, hash_of};
use hashbrown::HashTable;
use std::sync::{Arc, Mutex, PoisonError};

/// A vehicle of one shard: an index into every per-vehicle vector of that shard.
pub type Slot = u32;

/// A vehicle as its shard knows it.
#[derive(Debug)]
pub struct Vehicle {
    pub id: Box<str>,
    pub lane: Lane,
    /// Of the id alone; stable, so that ids of alerts can be built from it.
    pub hash: u64,
}

/// The vehicles of one shard, in the order in which they were first seen. Append-only; reading takes no lock.
#[derive(Default)]
pub struct Vehicles {
    known: boxcar::Vec<Vehicle>,
    by_id: Mutex<HashTable<Slot>>,
}

impl Vehicles {
    pub fn len(&self) -> usize {
        self.known.count()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// # Panics
    /// If `slot` was not given out by this directory.
    pub fn get(&self, slot: Slot) -> &Vehicle {
        &self.known[slot as usize]
    }

    pub fn id(&self, slot: Slot) -> &str {
        &self.get(slot).id
    }

    /// The slot of a vehicle in a lane, given out now if it is new.
    pub fn intern(&self, id: &str, lane: Lane) -> Slot {
        let hash = hash_of(id.as_bytes());
        let mut by_id = self.by_id.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |slot: &Slot| {
            let known = self.get(*slot);
            known.lane == lane && *known.id == *id
        };
        if let Some(slot) = by_id.find(hash, is_it) {
            return *slot;
        }
        let slot =
            Slot::try_from(self.known.push(Vehicle { id: id.into(), lane, hash })).expect("fewer than 2^32 vehicles");
        by_id.insert_unique(hash, slot, |slot| self.get(*slot).hash);
        slot
    }

    /// The slot of a vehicle, if it has been seen. In a badly keyed topic a vehicle may stand in several lanes:
    /// all of them are passed to `found`.
    pub fn find(&self, id: &str, mut found: impl FnMut(Slot)) {
        let hash = hash_of(id.as_bytes());
        let by_id = self.by_id.lock().unwrap_or_else(PoisonError::into_inner);
        by_id.iter_hash(hash).filter(|slot| *self.get(**slot).id == *id).for_each(|slot| found(*slot));
    }
}

const INLINE: usize = 22;

/// Ids of up to 22 bytes are compared without leaving the cache's own line.
#[derive(Clone, Copy)]
struct Cached {
    slot: Slot,
    lane: u16,
    /// Length of the id; more than `INLINE` sends the comparison to the directory.
    len: u16,
    head: [u8; INLINE],
}

/// A reader's view of one shard's directory.
pub struct VehicleCache {
    directory: Arc<Vehicles>,
    cached: HashTable<Cached>,
}

impl VehicleCache {
    pub fn new(directory: Arc<Vehicles>) -> VehicleCache {
        VehicleCache { directory, cached: HashTable::new() }
    }

    /// The slot of a vehicle; `hash` is `hash_of(id)`, which the caller has computed to find the shard.
    pub fn slot(&mut self, id: &str, hash: u64, lane: Lane) -> Slot {
        let bytes = id.as_bytes();
        let directory = &self.directory;
        let is_it = |entry: &Cached| {
            usize::from(entry.len) == bytes.len()
                && entry.lane == lane.0
                && match bytes.len() <= INLINE {
                    true => &entry.head[..bytes.len()] == bytes,
                    false => directory.id(entry.slot).as_bytes() == bytes,
                }
        };
        if let Some(entry) = self.cached.find(hash, is_it) {
            return entry.slot;
        }
        self.learn(id, hash, lane)
    }

    #[cold]
    fn learn(&mut self, id: &str, hash: u64, lane: Lane) -> Slot {
        let slot = self.directory.intern(id, lane);
        let len = u16::try_from(id.len()).expect("codecs refuse longer vehicle ids");
        let mut head = [0; INLINE];
        let kept = id.len().min(INLINE);
        head[..kept].copy_from_slice(&id.as_bytes()[..kept]);
        let directory = &self.directory;
        self.cached
            .insert_unique(hash, Cached { slot, lane: lane.0, len, head }, |entry| directory.get(entry.slot).hash);
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_dense_and_the_same_through_every_cache() {
        let vehicles = Arc::new(Vehicles::default());
        let mut caches = [VehicleCache::new(vehicles.clone()), VehicleCache::new(vehicles.clone())];
        let long = "a-vehicle-id-that-is-longer-than-the-inline-head-0001";
        for (n, id) in ["a", "b", long, "a", long, ""].into_iter().enumerate() {
            let hash = hash_of(id.as_bytes());
            let slots: Vec<Slot> = caches.iter_mut().map(|c| c.slot(id, hash, Lane::of_hash(hash))).collect();
            assert_eq!(slots[0], slots[1], "row {n}");
            assert_eq!(vehicles.id(slots[0]), id);
        }
        assert_eq!(vehicles.len(), 4);
    }

    #[test]
    fn one_id_in_two_lanes_is_two_vehicles() {
        let vehicles = Vehicles::default();
        let slots = [vehicles.intern("a", Lane(1)), vehicles.intern("a", Lane(2))];
        assert_ne!(slots[0], slots[1]);
        let mut found = vec![];
        vehicles.find("a", |slot| found.push(slot));
        found.sort_unstable();
        assert_eq!(found, slots);
    }
}
