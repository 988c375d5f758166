//! Whose the sentence at hand is, and what is remembered of the vehicles that have spoken lately.

use rhumb_engine::lane::hash_of;
use rhumb_engine::time::EventTime;
use std::collections::HashMap;

/// What is remembered of a vehicle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Talker {
    /// The last moment whose day is known, and when it was received.
    pub known: Option<(EventTime, EventTime)>,
    /// The number of the instant that was begun last.
    pub instant: Option<u64>,
}

/// After so many further vehicles one may be forgotten; after twice as many it is.
const REMEMBERED: usize = 32 * 1024;

/// The vehicle that speaks, and those that spoke before.
pub struct Talkers {
    name: String,
    key: u64,
    /// Of the vehicle that speaks.
    pub now: Talker,
    /// By hash of their names: those that spoke last, and those before them.
    young: HashMap<u64, Talker>,
    old: HashMap<u64, Talker>,
}

impl Talkers {
    pub fn new(name: &str) -> Talkers {
        let key = hash_of(name.as_bytes());
        Talkers { name: name.to_owned(), key, now: Talker::default(), young: HashMap::new(), old: HashMap::new() }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// From here on this vehicle speaks.
    #[inline]
    pub fn speaks(&mut self, name: &str) {
        if self.name != name {
            self.switch(name);
        }
    }

    fn switch(&mut self, name: &str) {
        if self.now != Talker::default() {
            if self.young.len() >= REMEMBERED {
                self.old = std::mem::take(&mut self.young);
            }
            self.young.insert(self.key, self.now);
        }
        self.name.clear();
        self.name.push_str(name);
        self.key = hash_of(name.as_bytes());
        self.now = self.young.get(&self.key).or_else(|| self.old.get(&self.key)).copied().unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_comes_back_with_its_vehicle_and_is_bounded() {
        let mut talkers = Talkers::new("a");
        talkers.now.instant = Some(7);
        talkers.speaks("b");
        assert_eq!(talkers.now, Talker::default());
        talkers.now.instant = Some(8);
        talkers.speaks("a");
        assert_eq!((talkers.name(), talkers.now.instant), ("a", Some(7)));
        for n in 0..3 * REMEMBERED {
            talkers.speaks(&n.to_string());
            talkers.now.instant = Some(n as u64);
        }
        assert!(talkers.young.len() <= REMEMBERED && talkers.old.len() <= REMEMBERED);
        talkers.speaks("b");
        assert_eq!(talkers.now, Talker::default(), "forgotten");
        talkers.speaks(&(3 * REMEMBERED - 2).to_string());
        assert_eq!(talkers.now.instant, Some(3 * REMEMBERED as u64 - 2));
    }
}
