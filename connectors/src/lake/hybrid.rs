//! Parquet's hybrid of runs and packed bits, in which keys and levels are stored.
//!
//! Format: <https://parquet.apache.org/docs/file-format/data-pages/encodings/>, `RLE`.

/// Equal numbers in a row from which they are written as a run.
const RUN_MIN: usize = 8;

/// Bits that numbers up to this one need; at least one.
pub fn bits_of(max: u32) -> u8 {
    (u32::BITS - max.leading_zeros()).max(1) as u8
}

/// Runs where numbers repeat, groups of eight packed numbers between them.
pub fn encode(numbers: &[u32], bits: u8, out: &mut Vec<u8>) {
    let mut packed_from = 0;
    let mut at = 0;
    while at < numbers.len() {
        let number = numbers[at];
        let run = numbers[at..].iter().take_while(|n| **n == number).count();
        // Packed numbers come in eights, so the last group takes from the run what it lacks.
        let lacks = (at - packed_from).next_multiple_of(8) - (at - packed_from);
        if run >= RUN_MIN + lacks {
            pack_groups(&numbers[packed_from..at + lacks], bits, out);
            varint(((run - lacks) as u64) << 1, out);
            out.extend_from_slice(&number.to_le_bytes()[..usize::from(bits.div_ceil(8))]);
            packed_from = at + run;
        }
        at += run;
    }
    pack_groups(&numbers[packed_from..], bits, out);
}

/// Filled up with zeros to a multiple of eight numbers.
fn pack_groups(numbers: &[u32], bits: u8, out: &mut Vec<u8>) {
    if numbers.is_empty() {
        return;
    }
    varint(((numbers.len().div_ceil(8) as u64) << 1) | 1, out);
    let padding = numbers.len().next_multiple_of(8) - numbers.len();
    pack(numbers.iter().map(|n| u64::from(*n)).chain(std::iter::repeat_n(0, padding)), bits, out);
}

/// Numbers of `bits` each, the first in the lowest bits. Together they fill whole bytes.
pub fn pack(numbers: impl Iterator<Item = u64>, bits: u8, out: &mut Vec<u8>) {
    if bits == 0 {
        return;
    }
    let bits = u32::from(bits);
    let (mut buffer, mut filled) = (0_u64, 0);
    for number in numbers {
        buffer |= number << filled;
        filled += bits;
        if filled >= u64::BITS {
            out.extend_from_slice(&buffer.to_le_bytes());
            filled -= u64::BITS;
            // What of the number did not fit.
            buffer = number.checked_shr(bits - filled).unwrap_or_default();
        }
    }
    out.extend_from_slice(&buffer.to_le_bytes()[..filled.div_ceil(8) as usize]);
}

/// Seven bits a byte, the lowest first.
pub fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Small numbers of either sign become small ones without.
pub fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}
