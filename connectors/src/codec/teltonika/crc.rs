//! CRC-16/IBM (also CRC-16/ARC: polynomial 0xA001 reflected, starting at 0) as Teltonika's TCP packets carry it, sixteen
//! bytes a step.

const POLYNOMIAL: u16 = 0xA001;
const STEP: usize = 16;

/// By distance from the end of a step: what a byte there adds to the sum.
static TABLES: [[u16; 256]; STEP] = {
    let mut tables = [[0; 256]; STEP];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u16;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ POLYNOMIAL } else { sum >> 1 };
            bit += 1;
        }
        tables[0][byte] = sum;
        byte += 1;
    }
    let mut distance = 1;
    while distance < STEP {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[distance - 1][byte];
            tables[distance][byte] = before >> 8 ^ tables[0][(before & 0xFF) as usize];
            byte += 1;
        }
        distance += 1;
    }
    tables
};

pub fn crc16(bytes: &[u8]) -> u16 {
    let (steps, rest) = bytes.as_chunks::<STEP>();
    let mut sum = 0;
    for step in steps {
        let [low, high] = u16::to_le_bytes(sum);
        let mut next = TABLES[STEP - 1][usize::from(step[0] ^ low)] ^ TABLES[STEP - 2][usize::from(step[1] ^ high)];
        for at in 2..STEP {
            next ^= TABLES[STEP - 1 - at][usize::from(step[at])];
        }
        sum = next;
    }
    rest.iter().fold(sum, |sum, byte| sum >> 8 ^ TABLES[0][usize::from(sum as u8 ^ byte)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As the definition has it, bit by bit.
    fn plain(bytes: &[u8]) -> u16 {
        bytes.iter().fold(0, |sum, byte| {
            (0..8).fold(sum ^ u16::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ POLYNOMIAL } else { sum >> 1 })
        })
    }

    #[test]
    fn sum_of_the_nine_digits_is_the_published_one() {
        assert_eq!(crc16(b"123456789"), 0xBB3D);
    }

    proptest! {
        #[test]
        fn steps_give_what_single_bits_give(bytes: Vec<u8>) {
            prop_assert_eq!(crc16(&bytes), plain(&bytes));
        }
    }
}
