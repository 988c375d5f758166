//! Which key is which field. Objects of one source look alike, so the key that stood at a place before is tried first.

use super::escape::unescape;
use super::syntax::{self, Scanned};
use crate::codec::fields::Fields;

/// What a key leads to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Key {
    /// The name (its place in `Fields::names`, and behind these in `Fields::extra`) that its value belongs to.
    pub name: Option<u8>,
    /// Where to look for the keys of its value, if that is an object.
    pub inside: Option<u16>,
}

/// The keys that one object may have.
#[derive(Default)]
struct Node {
    keys: Vec<(String, bool, Key)>,
}

/// Places whose key is remembered, counted through an object from its beginning.
const GUESSES: usize = 32;

/// Key, quotes and colon that stood at a place: up to 16 bytes.
#[derive(Clone, Copy, Default)]
struct Guess {
    text: u128,
    /// Zero: no guess.
    mask: u128,
    length: u8,
    node: u16,
    key: Key,
}

pub struct Keys {
    nodes: Vec<Node>,
    guesses: [Guess; GUESSES],
    unescaped: Vec<u8>,
}

/// The outermost object.
pub const ROOT: u16 = 0;

/// Segments of a path beyond this are not looked at: `a.b.c` has three.
pub const PATH_MAX: usize = 8;

impl Keys {
    pub fn new(fields: &Fields) -> Keys {
        let mut keys =
            Keys { nodes: vec![Node::default()], guesses: [Guess::default(); GUESSES], unescaped: Vec::new() };
        let core = fields.names().iter().map(|name| (name.name.as_str(), name.mapped));
        let extra = fields.extra().iter().map(|column| (column.from.as_str(), true));
        for (name, (wanted, mapped)) in core.chain(extra).enumerate() {
            let mut node = usize::from(ROOT);
            let mut segment = wanted;
            // The name is looked for as it is, too: some devices have dots in their keys.
            keys.entry(node, segment, mapped).name = Some(name as u8);
            for _ in 1..PATH_MAX {
                let Some((outer, rest)) = segment.split_once('.').filter(|_| mapped) else { break };
                node = keys.inside(node, outer);
                keys.entry(node, rest, true).name = Some(name as u8);
                segment = rest;
            }
        }
        keys
    }

    fn entry(&mut self, node: usize, key: &str, exact: bool) -> &mut Key {
        let keys = &mut self.nodes[node].keys;
        let at = keys.iter().position(|(known, e, _)| known == key && *e == exact).unwrap_or_else(|| {
            keys.push((key.to_owned(), exact, Key::default()));
            keys.len() - 1
        });
        &mut keys[at].2
    }

    fn inside(&mut self, node: usize, key: &str) -> usize {
        let next = self.nodes.len();
        let inside = *self.entry(node, key, true).inside.get_or_insert(next as u16);
        if usize::from(inside) == next {
            self.nodes.push(Node::default());
        }
        usize::from(inside)
    }

    /// What the key at `at` leads to, and where its value begins. `place` counts the keys of the record.
    #[inline]
    pub fn find(&mut self, text: &[u8], at: usize, node: u16, place: usize) -> Scanned<(Key, usize)> {
        if let (Some(guess), Some(head)) = (self.guesses.get(place), text.get(at..).and_then(|rest| rest.first_chunk()))
        {
            let is_it = u128::from_le_bytes(*head) & guess.mask == guess.text;
            if is_it && guess.mask != 0 && guess.node == node {
                return Ok((guess.key, syntax::space(text, at + usize::from(guess.length))));
            }
        }
        self.look_up(text, at, node, place)
    }

    fn look_up(&mut self, text: &[u8], at: usize, node: u16, place: usize) -> Scanned<(Key, usize)> {
        if syntax::byte(text, at)? != b'"' {
            return syntax::bad(at, "a key in quotes");
        }
        let (end, escaped) = syntax::string(text, at + 1)?;
        let value = syntax::colon(text, end + 1)?;
        let quoted = &text[at + 1..end];
        let key = match escaped {
            true if !unescape(quoted, &mut self.unescaped) => Key::default(),
            true => self.nodes[usize::from(node)].key(&self.unescaped),
            false => self.nodes[usize::from(node)].key(quoted),
        };
        self.remember(&text[at..], end + 2 - at, node, place, key);
        Ok((key, value))
    }

    fn remember(&mut self, text: &[u8], length: usize, node: u16, place: usize, key: Key) {
        let (Some(guess), Some(head)) = (self.guesses.get_mut(place), text.first_chunk()) else { return };
        if length <= 16 && head[length - 1] == b':' {
            let mask = u128::MAX >> (128 - 8 * length);
            *guess = Guess { text: u128::from_le_bytes(*head) & mask, mask, length: length as u8, node, key };
        }
    }
}

impl Node {
    fn key(&self, name: &[u8]) -> Key {
        let is_it = |exact: bool, known: &str| match exact {
            true => known.as_bytes() == name,
            false => known.as_bytes().eq_ignore_ascii_case(name),
        };
        let found = self.keys.iter().filter(|(known, exact, _)| is_it(*exact, known)).map(|(_, _, key)| key);
        found.fold(Key::default(), |sum, key| Key { name: sum.name.or(key.name), inside: sum.inside.or(key.inside) })
    }
}
