//! Reads the coordinates of a geometry from JSON text that is known to be well-formed.

/// The text is JSON, but not nested as the geometry needs it.
#[derive(Debug, PartialEq)]
pub(crate) struct Misshapen;

type Read<T> = Result<T, Misshapen>;

/// `[longitude, latitude]`; further numbers (altitude) are passed over.
pub(crate) fn position(text: &str) -> Read<[f64; 2]> {
    whole(text, Reader::position)
}

/// The positions of a line, or of several points.
pub(crate) fn positions(text: &str) -> Read<Vec<[f64; 2]>> {
    whole(text, |r| r.list(Reader::position))
}

/// The lines of a multi-line, or the rings of a polygon.
pub(crate) fn polygon(text: &str) -> Read<Vec<Vec<[f64; 2]>>> {
    whole(text, |r| r.list(|r| r.list(Reader::position)))
}

/// The polygons of a multipolygon.
pub(crate) fn polygons(text: &str) -> Read<Vec<Vec<Vec<[f64; 2]>>>> {
    whole(text, |r| r.list(|r| r.list(|r| r.list(Reader::position))))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

fn whole<'a, T>(text: &'a str, read: impl FnOnce(&mut Reader<'a>) -> Read<T>) -> Read<T> {
    let mut reader = Reader { text, at: 0 };
    let value = read(&mut reader)?;
    reader.peek();
    if reader.at == text.len() { Ok(value) } else { Err(Misshapen) }
}

impl Reader<'_> {
    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn take(&mut self, expected: u8) -> Read<()> {
        if self.peek() != Some(expected) {
            return Err(Misshapen);
        }
        self.at += 1;
        Ok(())
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        self.take(b'[')?;
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            match self.peek() {
                Some(b',') => self.at += 1,
                _ => {
                    self.take(b']')?;
                    return Ok(items);
                }
            }
        }
    }

    fn position(&mut self) -> Read<[f64; 2]> {
        self.take(b'[')?;
        let lon = self.number()?;
        self.take(b',')?;
        let lat = self.number()?;
        while self.peek() == Some(b',') {
            self.at += 1;
            self.number()?;
        }
        self.take(b']')?;
        // -0 and 0 are one place.
        Ok([lon + 0.0, lat + 0.0])
    }

    /// Correctly rounded, so that a vertex is the same double in every program.
    fn number(&mut self) -> Read<f64> {
        self.peek();
        let rest = &self.text[self.at..];
        let end = rest.bytes().position(|b| !matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
        let digits = &rest[..end.unwrap_or(rest.len())];
        self.at += digits.len();
        digits.parse().map_err(|_| Misshapen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_decides_what_is_read() {
        assert_eq!(position(" [1, -2.5e0 , 7]"), Ok([1.0, -2.5]));
        assert_eq!(polygon("[[[0,0],[1,0]],[]]"), Ok(vec![vec![[0.0, 0.0], [1.0, 0.0]], vec![]]));
        assert_eq!(polygons("[]"), Ok(vec![]));
        for wrong in ["1", "[1]", "[[1,2]]", "[\"1\",2]", "[null,2]", "{}"] {
            assert_eq!(position(wrong), Err(Misshapen), "{wrong}");
        }
        assert_eq!(polygon("[[0,0],[1,1]]"), Err(Misshapen));
    }
}
