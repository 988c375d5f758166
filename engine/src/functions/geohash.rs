//! Cells of geohash: as bits, and as the texts that everybody writes them with.

/// The characters of geohash, five bits each.
const CHARACTERS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
/// As many characters as 60 bits make.
pub const LENGTH_MAX: u8 = 12;

/// The cell of so many characters that a place lies in: longitude and latitude are halved in turn, each half is a bit.
pub fn bits(lat: f64, lon: f64, length: u8) -> u64 {
    let (mut west, mut east, mut south, mut north) = (-180.0, 180.0, -90.0, 90.0);
    let mut halve = |bit: u32| {
        let (low, high, value) =
            if bit.is_multiple_of(2) { (&mut west, &mut east, lon) } else { (&mut south, &mut north, lat) };
        let middle = (*low + *high) / 2.0;
        let upper = value >= middle;
        *(if upper { low } else { high }) = middle;
        u64::from(upper)
    };
    (0..5 * u32::from(length)).fold(0, |bits, bit| bits << 1 | halve(bit))
}

/// The text of a cell of so many characters.
pub fn text(bits: u64, length: u8) -> String {
    let character = |at: u8| char::from(CHARACTERS[(bits >> (5 * (length - 1 - at)) & 31) as usize]);
    (0..length).map(character).collect()
}
