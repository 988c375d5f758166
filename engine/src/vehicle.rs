//! Vehicles are strings outside and dense `u32` slots inside. Each shard has one directory; a reader keeps
//! a cache in front of it, so that a known vehicle costs one look-up and no lock.

use crate::lane::{Lane, hash_of};
use hashbrown::HashTable;
use std::sync::atomic::{AtomicUsize, Ordering};
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

/// How many vehicles all directories of a pipeline may hold together.
#[derive(Debug)]
pub struct VehicleLimit {
    max: usize,
    known: AtomicUsize,
}

impl VehicleLimit {
    pub fn new(max: usize) -> VehicleLimit {
        VehicleLimit { max, known: AtomicUsize::new(0) }
    }

    pub fn max(&self) -> usize {
        self.max
    }

    /// Vehicles of all directories.
    pub fn known(&self) -> usize {
        self.known.load(Ordering::Relaxed)
    }
}

impl Default for VehicleLimit {
    /// None.
    fn default() -> VehicleLimit {
        VehicleLimit::new(usize::MAX)
    }
}

/// The vehicles of one shard, in the order in which they were first seen. Append-only; reading takes no lock.
#[derive(Default)]
pub struct Vehicles {
    known: boxcar::Vec<Vehicle>,
    by_id: Mutex<HashTable<Slot>>,
    limit: Arc<VehicleLimit>,
}

impl Vehicles {
    /// A directory that counts its vehicles against a limit.
    pub fn limited(limit: Arc<VehicleLimit>) -> Vehicles {
        Vehicles { limit, ..Vehicles::default() }
    }

    pub fn limit(&self) -> &VehicleLimit {
        &self.limit
    }

    pub fn len(&self) -> usize {
        self.known.count()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// # Panics
    /// If `slot` was not given out by this directory.
    #[inline]
    pub fn get(&self, slot: Slot) -> &Vehicle {
        &self.known[slot as usize]
    }

    #[inline]
    pub fn id(&self, slot: Slot) -> &str {
        &self.get(slot).id
    }

    /// The slot of a vehicle in a lane, given out now if it is new, whatever the limit: state that was committed is
    /// restored whole.
    pub fn intern(&self, id: &str, lane: Lane) -> Slot {
        self.intern_below(id, lane, usize::MAX).expect("there is no limit")
    }

    /// As `intern`; `None` if the vehicle is new and the limit is reached.
    pub fn intern_within(&self, id: &str, lane: Lane) -> Option<Slot> {
        self.intern_below(id, lane, self.limit.max)
    }

    fn intern_below(&self, id: &str, lane: Lane, max: usize) -> Option<Slot> {
        let hash = hash_of(id.as_bytes());
        let mut by_id = self.by_id.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |slot: &Slot| {
            let known = self.get(*slot);
            known.lane == lane && *known.id == *id
        };
        if let Some(slot) = by_id.find(hash, is_it) {
            return Some(*slot);
        }
        let one_more = |known| (known < max).then_some(known + 1);
        self.limit.known.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        let slot =
            Slot::try_from(self.known.push(Vehicle { id: id.into(), lane, hash })).expect("fewer than 2^32 vehicles");
        by_id.insert_unique(hash, slot, |slot| self.get(*slot).hash);
        Some(slot)
    }

    /// The slot of a vehicle, if it has been seen. In a badly keyed topic a vehicle may stand in several lanes:
    /// all of them are passed to `found`.
    pub fn find(&self, id: &str, mut found: impl FnMut(Slot)) {
        let hash = hash_of(id.as_bytes());
        let by_id = self.by_id.lock().unwrap_or_else(PoisonError::into_inner);
        by_id.iter_hash(hash).filter(|slot| *self.get(**slot).id == *id).for_each(|slot| found(*slot));
    }
}

/// Ids of up to 16 bytes are compared in two words; longer ones in the directory.
const SHORT: usize = 16;

/// An id as the cache compares it: its ends, which overlap unless it has 16 bytes, its length, and its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct IdKey {
    head: u64,
    tail: u64,
    len: u16,
    lane: u16,
}

impl IdKey {
    #[inline]
    fn new(id: &[u8], hash: u64, lane: Lane) -> IdKey {
        let len = id.len();
        let (head, tail) = match (id.first_chunk(), id.last_chunk()) {
            _ if len > SHORT => (hash, 0),
            (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
            _ => (less_than_eight(id), 0),
        };
        IdKey { head, tail, len: len as u16, lane: lane.0 }
    }

    /// The bytes of a short id again.
    fn short(&self) -> [u8; SHORT] {
        let mut bytes = [0; SHORT];
        bytes[..8].copy_from_slice(&self.head.to_le_bytes());
        if let 8..=SHORT = usize::from(self.len) {
            bytes[usize::from(self.len) - 8..usize::from(self.len)].copy_from_slice(&self.tail.to_le_bytes());
        }
        bytes
    }
}

/// Up to seven bytes as a word, the first lowest; the word of each is another.
#[inline]
fn less_than_eight(bytes: &[u8]) -> u64 {
    match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(head), Some(tail)) => {
            let tail = u64::from(u32::from_le_bytes(*tail)) << (8 * (bytes.len() - 4));
            u64::from(u32::from_le_bytes(*head)) | tail
        }
        _ => bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// Where a vehicle would stand in a table without others. Not by the lowest bits of the hash: they made the lane.
#[inline]
fn home(hash: u64) -> usize {
    (hash >> 16) as usize
}

/// Two to a cache line.
#[derive(Clone, Copy)]
#[repr(align(32))]
struct Cached {
    key: IdKey,
    slot: Slot,
}

/// No id has this length.
const FREE: Cached = Cached { key: IdKey { head: 0, tail: 0, len: u16::MAX, lane: 0 }, slot: 0 };

/// A vehicle that has been asked for.
#[derive(Clone, Copy)]
struct Asked {
    key: IdKey,
    hash: u64,
    /// Where its id stands in `VehicleCache::long_ids`, if it is long.
    id: u32,
}

/// A reader's view of one shard's directory.
///
/// Look-ups of many vehicles miss the processor's caches. So they are not made one by one: `ask` notes them, `answer`
/// makes them in one short loop, where the processor has many under way at once.
pub struct VehicleCache {
    directory: Arc<Vehicles>,
    /// Open addressing with linear probing; a power of two, at most half full.
    table: Vec<Cached>,
    used: usize,
    asked: Vec<Asked>,
    long_ids: String,
}

/// So many look-ups are made in one go; they stay in the processor's nearest cache.
pub const ASKED_MAX: usize = 256;

impl VehicleCache {
    pub fn new(directory: Arc<Vehicles>) -> VehicleCache {
        VehicleCache {
            directory,
            table: vec![FREE; 64],
            used: 0,
            asked: Vec::with_capacity(ASKED_MAX),
            long_ids: String::new(),
        }
    }

    /// Asks for the slot of a vehicle; `hash` is `hash_of(id)`, which the caller has computed to find the shard.
    /// True: it is time for `answer`.
    #[inline]
    pub fn ask(&mut self, id: &str, hash: u64, lane: Lane) -> bool {
        debug_assert!(id.len() < usize::from(FREE.key.len));
        self.asked.push(Asked { key: IdKey::new(id.as_bytes(), hash, lane), hash, id: self.long_ids.len() as u32 });
        if id.len() > SHORT {
            self.long_ids.push_str(id);
        }
        self.asked.len() >= ASKED_MAX
    }

    /// Whether so few vehicles more are allowed that what was asked for may be refused: ask `is_refused` first.
    /// `caches` is how many its reader has.
    #[inline]
    pub fn is_room_short(&self, caches: usize) -> bool {
        let limit = &self.directory.limit;
        limit.known() >= limit.max.saturating_sub(caches * ASKED_MAX)
    }

    pub fn limit(&self) -> &VehicleLimit {
        self.directory.limit()
    }

    /// Whether a vehicle stands in the cache, so that asking for it costs nothing new.
    pub fn holds(&self, id: &str, hash: u64, lane: Lane) -> bool {
        let key = IdKey::new(id.as_bytes(), hash, lane);
        let mask = self.table.len() - 1;
        let from_home = (home(hash)..).map(|at| &self.table[at & mask]);
        let mut run = from_home.take_while(|cached| cached.key != FREE.key);
        run.any(|cached| cached.key == key && (id.len() <= SHORT || self.directory.id(cached.slot) == id))
    }

    /// Whether a vehicle may not be asked for, because it is new and the limit is reached. Nothing may be asked for and
    /// not yet answered.
    pub fn is_refused(&self, id: &str, lane: Lane) -> bool {
        debug_assert!(self.asked.is_empty());
        self.directory.intern_within(id, lane).is_none()
    }

    /// Appends the slots of all vehicles asked for, in the order in which they were.
    pub fn answer(&mut self, slots: &mut Vec<Slot>) {
        let asked = std::mem::take(&mut self.asked);
        slots.reserve(asked.len());
        for asked in &asked {
            slots.push(self.slot(asked));
        }
        self.asked = asked;
        self.asked.clear();
        self.long_ids.clear();
    }

    #[inline]
    fn slot(&mut self, asked: &Asked) -> Slot {
        let mask = self.table.len() - 1;
        let mut at = home(asked.hash);
        loop {
            let cached = &self.table[at & mask];
            if cached.key == asked.key && (usize::from(asked.key.len) <= SHORT || self.is_long(asked, cached.slot)) {
                return cached.slot;
            }
            if cached.key == FREE.key {
                return self.learn(asked);
            }
            at += 1;
        }
    }

    #[cold]
    fn is_long(&self, asked: &Asked, slot: Slot) -> bool {
        self.directory.id(slot) == self.long_id(asked)
    }

    fn long_id(&self, asked: &Asked) -> &str {
        &self.long_ids[asked.id as usize..][..usize::from(asked.key.len)]
    }

    #[cold]
    fn learn(&mut self, asked: &Asked) -> Slot {
        let short = asked.key.short();
        let id = match usize::from(asked.key.len) {
            len @ ..=SHORT => std::str::from_utf8(&short[..len]).expect("what was asked for is text"),
            _ => self.long_id(asked),
        };
        let slot = self.directory.intern(id, Lane(asked.key.lane));
        if 2 * (self.used + 1) > self.table.len() {
            let doubled = vec![FREE; 2 * self.table.len()];
            for cached in std::mem::replace(&mut self.table, doubled) {
                if cached.key != FREE.key {
                    self.place(self.directory.get(cached.slot).hash, cached);
                }
            }
        }
        self.used += 1;
        self.place(asked.hash, Cached { key: asked.key, slot });
        slot
    }

    fn place(&mut self, hash: u64, cached: Cached) {
        let mask = self.table.len() - 1;
        let mut at = home(hash) & mask;
        while self.table[at].key != FREE.key {
            at = (at + 1) & mask;
        }
        self.table[at] = cached;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_dense_and_the_same_through_every_cache() {
        let vehicles = Arc::new(Vehicles::default());
        let mut caches = [VehicleCache::new(vehicles.clone()), VehicleCache::new(vehicles.clone())];
        // Of every length, and such that any two of a length differ in one byte.
        let base: String = ('a'..='z').cycle().take(40).collect();
        let mut ids: Vec<String> = (0..=40).map(|len| base[..len].to_owned()).collect();
        for len in 1..=40 {
            for at in 0..len {
                ids.push(format!("{}_{}", &base[..at], &base[at + 1..len]));
            }
        }
        let all = [ids.clone(), ids.clone()].concat();
        for cache in &mut caches {
            let mut slots = Vec::new();
            for id in &all {
                let hash = hash_of(id.as_bytes());
                if cache.ask(id, hash, Lane::of_hash(hash)) {
                    cache.answer(&mut slots);
                }
            }
            cache.answer(&mut slots);
            assert!(slots.iter().map(|slot| vehicles.id(*slot)).eq(all.iter().map(String::as_str)));
        }
        assert_eq!(vehicles.len(), ids.len());
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

    #[test]
    fn directories_share_a_limit_that_restored_vehicles_count_against_and_are_not_refused_by() {
        let limit = Arc::new(VehicleLimit::new(2));
        let [a, b] = [limit.clone(), limit.clone()].map(Vehicles::limited);
        let slot = a.intern_within("1", Lane(0));
        assert!(slot.is_some() && b.intern_within("2", Lane(1)).is_some());
        assert_eq!([a.intern_within("3", Lane(0)), b.intern_within("1", Lane(1))], [None, None]);
        assert_eq!((a.intern_within("1", Lane(0)), limit.known()), (slot, 2), "who is known goes on");
        b.intern("3", Lane(1));
        assert_eq!((b.len(), limit.known()), (2, 3), "what was committed is restored");
        assert_eq!((a.len(), a.intern_within("4", Lane(0))), (1, None));
    }
}
