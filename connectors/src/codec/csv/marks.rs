//! Where in a text the characters stand that matter to a row, a bit each. The rest of the codec looks at bits, so that
//! one field need not be read before the next is found.

/// Bits of text from some place on, the first lowest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bits {
    pub delimiters: u64,
    /// Quotes, and control characters other than the delimiter: what may end a row.
    pub ends: u64,
    pub digits: u64,
    pub points: u64,
}

/// The same, of 64 bytes in two halves: what vector instructions give. (Put together there, they make the compiler
/// take the vectors apart again.)
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Halves {
    delimiters: [u32; 2],
    ends: [u32; 2],
    digits: [u32; 2],
    points: [u32; 2],
}

/// So many bytes are marked at a time; a row that is longer than what is left of them is seen from its own beginning
/// next time.
pub const STRETCH: usize = 8192;

/// Bits of one stretch of text.
pub struct Marks {
    delimiter: u8,
    /// For each 64 bytes.
    words: Vec<Halves>,
    start: usize,
    end: usize,
}

impl Marks {
    pub fn new(delimiter: u8) -> Marks {
        Marks { delimiter, words: Vec::new(), start: 0, end: 0 }
    }

    /// Forgets the text: another comes.
    pub fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// The bits of the 64 bytes from `at` on; past the end of the text they are zero.
    #[inline]
    pub fn at(&mut self, text: &[u8], at: usize) -> Bits {
        if at < self.start || at + 64 > self.end && self.end < text.len() || at >= self.end {
            self.mark(text, at);
        }
        let (word, shift) = ((at - self.start) / 64, (at - self.start) as u32 % 64);
        let [low, high] = [self.words[word], self.words[word + 1]];
        let whole = |[low, high]: [u32; 2]| u64::from(low) | u64::from(high) << 32;
        let join = |low, high| (whole(low) >> shift) | (whole(high) << 1 << (63 - shift));
        Bits {
            delimiters: join(low.delimiters, high.delimiters),
            ends: join(low.ends, high.ends),
            digits: join(low.digits, high.digits),
            points: join(low.points, high.points),
        }
    }

    #[cold]
    fn mark(&mut self, text: &[u8], at: usize) {
        let stretch = &text[at..text.len().min(at + STRETCH)];
        (self.start, self.end) = (at, at + stretch.len());
        self.words.clear();
        mark(stretch, self.delimiter, &mut self.words);
        self.words.push(Halves::default());
    }
}

/// The bits of `text`, zeros where the last 64 bytes are not filled.
fn mark(text: &[u8], delimiter: u8, into: &mut Vec<Halves>) {
    let (blocks, tail) = text.as_chunks::<64>();
    #[cfg(target_arch = "x86_64")]
    x86::mark(blocks, delimiter, into);
    #[cfg(not(target_arch = "x86_64"))]
    into.extend(blocks.iter().map(|block| plain(block, delimiter)));
    if !tail.is_empty() {
        into.push(plain(tail, delimiter));
    }
}

/// One byte after the other.
fn plain(block: &[u8], delimiter: u8) -> Halves {
    let mut halves = Halves::default();
    for (n, byte) in block.iter().enumerate() {
        let bit = |is: bool| u32::from(is) << (n % 32);
        halves.delimiters[n / 32] |= bit(*byte == delimiter);
        halves.ends[n / 32] |= bit((*byte < b' ' || *byte == b'"') && *byte != delimiter);
        halves.digits[n / 32] |= bit(byte.is_ascii_digit());
        halves.points[n / 32] |= bit(*byte == b'.');
    }
    halves
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "vector instructions are called after asking the processor for them")]
mod x86 {
    use super::Halves;
    use core::arch::x86_64::*;

    pub fn mark(blocks: &[[u8; 64]], delimiter: u8, into: &mut Vec<Halves>) {
        into.reserve(blocks.len());
        match is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            true => unsafe { mark_avx2(blocks, delimiter, into) },
            // SAFETY: every x86-64 has SSE2.
            false => unsafe { mark_sse2(blocks, delimiter, into) },
        }
    }

    /// There is no unsigned comparison: a byte is at most another if it is the lesser of the two.
    #[target_feature(enable = "avx2")]
    fn mark_avx2(blocks: &[[u8; 64]], delimiter: u8, into: &mut Vec<Halves>) {
        let each = |byte: u8| _mm256_set1_epi8(byte.cast_signed());
        let at_most = |value: __m256i, most: u8| _mm256_cmpeq_epi8(_mm256_min_epu8(value, each(most)), value);
        let bits = |mask: __m256i| _mm256_movemask_epi8(mask).cast_unsigned();
        for block in blocks {
            let mut halves = Halves::default();
            for (n, half) in block.as_chunks::<32>().0.iter().enumerate() {
                // SAFETY: there are 32 bytes to load; they need no alignment.
                let text = unsafe { _mm256_loadu_si256(half.as_ptr().cast()) };
                let is = |byte: u8| _mm256_cmpeq_epi8(text, each(byte));
                let delimiters = is(delimiter);
                let ends = _mm256_andnot_si256(delimiters, _mm256_or_si256(at_most(text, 0x1F), is(b'"')));
                halves.delimiters[n] = bits(delimiters);
                halves.ends[n] = bits(ends);
                halves.digits[n] = bits(at_most(_mm256_sub_epi8(text, each(b'0')), 9));
                halves.points[n] = bits(is(b'.'));
            }
            into.push(halves);
        }
    }

    #[target_feature(enable = "sse2")]
    fn mark_sse2(blocks: &[[u8; 64]], delimiter: u8, into: &mut Vec<Halves>) {
        let each = |byte: u8| _mm_set1_epi8(byte.cast_signed());
        let at_most = |value: __m128i, most: u8| _mm_cmpeq_epi8(_mm_min_epu8(value, each(most)), value);
        let bits = |mask: __m128i| _mm_movemask_epi8(mask).cast_unsigned();
        for block in blocks {
            let mut halves = Halves::default();
            for (n, quarter) in block.as_chunks::<16>().0.iter().enumerate() {
                // SAFETY: there are 16 bytes to load; they need no alignment.
                let text = unsafe { _mm_loadu_si128(quarter.as_ptr().cast()) };
                let is = |byte: u8| _mm_cmpeq_epi8(text, each(byte));
                let delimiters = is(delimiter);
                let ends = _mm_andnot_si128(delimiters, _mm_or_si128(at_most(text, 0x1F), is(b'"')));
                let shift = 16 * (n % 2);
                halves.delimiters[n / 2] |= bits(delimiters) << shift;
                halves.ends[n / 2] |= bits(ends) << shift;
                halves.digits[n / 2] |= bits(at_most(_mm_sub_epi8(text, each(b'0')), 9)) << shift;
                halves.points[n / 2] |= bits(is(b'.')) << shift;
            }
            into.push(halves);
        }
    }

    #[cfg(test)]
    pub fn marked_by_sse2(block: [u8; 64], delimiter: u8) -> Halves {
        let mut into = Vec::new();
        // SAFETY: every x86-64 has SSE2.
        unsafe { mark_sse2(&[block], delimiter, &mut into) };
        into[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn marks_are_where_a_plain_search_finds_them(
            text in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"\",;\t\n.019:/".to_vec())], 0..300),
            places in prop::collection::vec(any::<usize>(), 1..20),
            delimiter in prop::sample::select(b",;\t".to_vec()),
        ) {
            let mut marks = Marks::new(delimiter);
            for at in places.into_iter().map(|place| place % (text.len() + 1)).filter(|at| *at < text.len()) {
                let want = plain(&text[at..text.len().min(at + 64)], delimiter);
                let whole = |[low, high]: [u32; 2]| u64::from(low) | u64::from(high) << 32;
                let (delimiters, ends) = (whole(want.delimiters), whole(want.ends));
                let want = Bits { delimiters, ends, digits: whole(want.digits), points: whole(want.points) };
                prop_assert_eq!(marks.at(&text, at), want, "at {}", at);
            }
        }

        #[test]
        #[cfg(target_arch = "x86_64")]
        fn every_way_of_marking_gives_the_same(block: [[u8; 32]; 2], delimiter: u8) {
            let block: &[u8; 64] = block.as_flattened().try_into().unwrap();
            let want = plain(block, delimiter);
            prop_assert_eq!(x86::marked_by_sse2(*block, delimiter), want);
            let mut into = Vec::new();
            x86::mark(&[*block], delimiter, &mut into);
            prop_assert_eq!(into, [want]);
        }
    }
}
