//! Who may send packets: keys, and the counters that each has used.

use super::packet::{Packet, TAG};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// Shorter secrets are a mistake.
pub const SECRET_MIN: usize = 16;

/// A packet may come so far behind the newest of its key, and be taken once.
pub const REPLAY_WINDOW: u64 = 1024;

/// A secret shared with senders.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    pub id: u16,
    pub secret: Vec<u8>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Key {
    /// HMAC-SHA256 with this key, nothing put in yet.
    pub(super) fn mac(&self) -> Hmac<Sha256> {
        Hmac::new_from_slice(&self.secret).expect("HMAC takes a key of any length")
    }
}

pub(super) fn mistakes(keys: &[Key]) -> Vec<String> {
    let mut mistakes = Vec::new();
    for (n, key) in keys.iter().enumerate() {
        if key.secret.len() < SECRET_MIN {
            let length = key.secret.len();
            mistakes.push(format!("the secret of key {} has {length} bytes, it needs {SECRET_MIN}", key.id));
        }
        if keys[..n].iter().any(|other| other.id == key.id) {
            mistakes.push(format!("two keys have the id {}", key.id));
        }
    }
    mistakes
}

struct Held {
    id: u16,
    mac: Hmac<Sha256>,
    counters: Counters,
}

/// The keys of a codec, with what each has sent so far.
pub struct KeyRing {
    keys: Vec<Held>,
}

impl KeyRing {
    pub fn new(keys: &[Key]) -> KeyRing {
        let held = |key: &Key| Held { id: key.id, mac: key.mac(), counters: Counters::default() };
        KeyRing { keys: keys.iter().map(held).collect() }
    }

    /// Whether a known key made this packet, and for the first time. Always, when there are no keys.
    pub fn verify(&mut self, packet: &Packet, bytes: &[u8]) -> Result<(), String> {
        if self.keys.is_empty() {
            return Ok(());
        }
        let Some(trailer) = packet.trailer else {
            return Err("no trailer".to_owned());
        };
        let Some(held) = self.keys.iter_mut().find(|held| held.id == trailer.key_id) else {
            return Err(format!("unknown key {}", trailer.key_id));
        };
        let tagged = &bytes[..bytes.len() - TAG];
        if held.mac.clone().chain_update(tagged).verify_truncated_left(trailer.tag).is_err() {
            return Err(format!("the tag is not one of key {}", held.id));
        }
        if !held.counters.take(trailer.counter) {
            let newest = held.counters.newest.unwrap_or_default();
            return Err(format!(
                "counter {} of key {} was used before; the newest is {newest}",
                trailer.counter, held.id
            ));
        }
        Ok(())
    }
}

/// Counters that have been used: the newest, and a bit for each of the `REPLAY_WINDOW` up to it.
#[derive(Default)]
struct Counters {
    newest: Option<u64>,
    used: [u64; WORDS],
}

const WORDS: usize = (REPLAY_WINDOW / 64) as usize;

impl Counters {
    /// Takes a counter into use. False if it has been, or if it is too old to tell.
    fn take(&mut self, counter: u64) -> bool {
        let newest = *self.newest.get_or_insert(counter);
        if counter > newest {
            let passed = (counter - newest).min(REPLAY_WINDOW);
            (0..passed).for_each(|n| *self.word(counter - n) &= !bit(counter - n));
            self.newest = Some(counter);
        } else if newest - counter >= REPLAY_WINDOW {
            return false;
        }
        let word = self.word(counter);
        let fresh = *word & bit(counter) == 0;
        *word |= bit(counter);
        fresh
    }

    fn word(&mut self, counter: u64) -> &mut u64 {
        &mut self.used[(counter % REPLAY_WINDOW / 64) as usize]
    }
}

fn bit(counter: u64) -> u64 {
    1 << (counter % 64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn mistakes_in_keys_are_all_told() {
        let key = |id, length| Key { id, secret: vec![7; length] };
        assert_eq!(
            mistakes(&[key(1, 16), key(2, 3), key(1, 32)]),
            ["the secret of key 2 has 3 bytes, it needs 16", "two keys have the id 1"]
        );
    }

    #[test]
    fn secret_is_not_shown() {
        let key = Key { id: 3, secret: b"do not show this".to_vec() };
        assert_eq!(format!("{key:?}"), "Key { id: 3, .. }");
    }

    proptest! {
        #[test]
        fn each_counter_is_taken_once_and_old_ones_never(
            start in prop_oneof![Just(0_u64), Just(u64::MAX - 5000), any::<u64>()],
            steps in prop::collection::vec(0_u64..4000, 1..200),
        ) {
            let mut counters = Counters::default();
            let mut taken = BTreeSet::new();
            for step in steps {
                let counter = start.saturating_add(step);
                let newest = taken.last().copied().unwrap_or(counter);
                let want = !taken.contains(&counter) && (counter > newest || newest - counter < REPLAY_WINDOW);
                prop_assert_eq!(counters.take(counter), want, "{}", counter);
                if want {
                    taken.insert(counter);
                }
            }
        }
    }
}
