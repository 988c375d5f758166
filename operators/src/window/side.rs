//! What a window keeps beside its words: sketches, and the texts that aggregates have found. Merging is commutative and
//! associative, as that of words is.

use rhumb_engine::sketch::Sketch;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq)]
pub enum Side {
    Sketch(Sketch),
    Text(Text),
}

/// Which of several texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    Min,
    Max,
    /// By event time; of one time the smallest.
    First,
    /// By event time; of one time the largest.
    Last,
}

/// The text found so far, and when its frame was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    pick: Pick,
    found: Option<(i64, Arc<str>)>,
}

impl Side {
    /// Takes an item of a sketch.
    #[inline]
    pub fn add(&mut self, item: u64) {
        if let Side::Sketch(sketch) = self {
            sketch.add(item);
        }
    }

    /// Takes a text of a frame.
    #[inline]
    pub fn add_text(&mut self, time: i64, text: &str) {
        if let Side::Text(found) = self {
            found.add(time, text);
        }
    }

    /// Adds what another part has seen; one of another kind adds nothing.
    pub fn merge(&mut self, other: &Side) {
        match (self, other) {
            (Side::Sketch(sketch), Side::Sketch(other)) => sketch.merge(other),
            (Side::Text(text), Side::Text(other)) => text.merge(other),
            _ => {}
        }
    }

    pub fn merge_text(&mut self, other: &Text) {
        if let Side::Text(text) = self {
            text.merge(other);
        }
    }

    pub fn text(&self) -> Option<(i64, &str)> {
        match self {
            Side::Text(text) => text.found.as_ref().map(|(time, text)| (*time, &**text)),
            Side::Sketch(_) => None,
        }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Side::Sketch(sketch) => sketch.to_bytes(),
            Side::Text(Text { found: None, .. }) => Vec::new(),
            Side::Text(Text { found: Some((time, text)), .. }) => [&time.to_le_bytes()[..], text.as_bytes()].concat(),
        }
    }

    /// Reads one of the same kind; `None` if the bytes are not of such a one.
    pub fn of_bytes(&self, bytes: &[u8]) -> Option<Side> {
        match self {
            Side::Sketch(_) => Sketch::from_bytes(bytes).map(Side::Sketch),
            Side::Text(Text { pick, .. }) if bytes.is_empty() => Some(Side::Text(Text::new(*pick))),
            Side::Text(Text { pick, .. }) => {
                let (time, text) = bytes.split_first_chunk::<8>()?;
                let found = (i64::from_le_bytes(*time), std::str::from_utf8(text).ok()?.into());
                Some(Side::Text(Text { pick: *pick, found: Some(found) }))
            }
        }
    }
}

impl Text {
    pub fn new(pick: Pick) -> Text {
        Text { pick, found: None }
    }

    #[inline]
    pub fn add(&mut self, time: i64, text: &str) {
        let time = self.time(time);
        if !self.is_beaten(time, text) {
            return;
        }
        match &mut self.found {
            // Most texts are those of the frame before.
            Some((at, found)) if **found == *text => *at = time,
            found => *found = Some((time, text.into())),
        }
    }

    fn merge(&mut self, other: &Text) {
        if let Some((time, text)) = &other.found
            && self.is_beaten(*time, text)
        {
            self.found = Some((*time, text.clone()));
        }
    }

    /// The time matters to a first and a last only.
    fn time(&self, time: i64) -> i64 {
        match self.pick {
            Pick::First | Pick::Last => time,
            Pick::Min | Pick::Max => 0,
        }
    }

    fn is_beaten(&self, time: i64, text: &str) -> bool {
        let Some((at, found)) = &self.found else { return true };
        match self.pick {
            Pick::Min | Pick::First => (time, text) < (*at, &**found),
            Pick::Max | Pick::Last => (time, text) > (*at, &**found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_picked_whatever_the_order_and_comes_back_from_its_bytes() {
        let frames = [(5, "m"), (3, "q"), (9, "c"), (3, "b"), (9, "x")];
        for (pick, expected) in
            [(Pick::Min, (0, "b")), (Pick::Max, (0, "x")), (Pick::First, (3, "b")), (Pick::Last, (9, "x"))]
        {
            for turn in 0..frames.len() {
                let mut frames = frames;
                frames.rotate_left(turn);
                let [mut side, mut other] = [(); 2].map(|()| Side::Text(Text::new(pick)));
                let empty = side.clone();
                frames[..2].iter().for_each(|(time, text)| side.add_text(*time, text));
                frames[2..].iter().for_each(|(time, text)| other.add_text(*time, text));
                side.merge(&other);
                assert_eq!(side.text(), Some(expected), "{pick:?} {turn}");
                assert_eq!(empty.of_bytes(&side.to_bytes()), Some(side));
                assert_eq!(other.of_bytes(&empty.to_bytes()), Some(empty));
            }
        }
    }
}
