//! One sentence: its frame of `$`, `*` and checksum, its fields, and what each kind of sentence says.

use super::fields::{Field, coordinate, day, float, integer, time_of_day};

/// Fields of a sentence that are looked at; those after it are not. GSA has 18 with the address.
const FIELDS_MAX: usize = 20;

/// A sentence whose frame is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sentence<'a> {
    /// Between `$` and `*`.
    pub body: &'a [u8],
    pub has_checksum: bool,
}

/// What is wrong with a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Checksum { sent: u8, sum: u8 },
    NoChecksum,
    Field { kind: &'static str, name: &'static str },
}

/// Takes the frame of a sentence apart; `text` begins with `$` or `!` and ends where its line does.
#[inline]
pub fn open(text: &[u8]) -> Result<Sentence<'_>, Fault> {
    let text = text.trim_ascii_end();
    let inner = &text[1..];
    match inner {
        [body @ .., b'*', high, low] => match (hex(*high), hex(*low)) {
            (Some(high), Some(low)) => {
                let (sent, sum) = (high << 4 | low, checksum(body));
                match sent == sum {
                    true => Ok(Sentence { body, has_checksum: true }),
                    false => Err(Fault::Checksum { sent, sum }),
                }
            }
            _ => Err(Fault::NoChecksum),
        },
        body if body.contains(&b'*') => Err(Fault::NoChecksum),
        body => Ok(Sentence { body, has_checksum: false }),
    }
}

/// Exclusive or of all bytes, as NMEA 0183 has it.
#[inline]
pub fn checksum(body: &[u8]) -> u8 {
    let (words, rest) = body.as_chunks::<8>();
    let all = words.iter().fold(0, |all, word| all ^ u64::from_le_bytes(*word));
    rest.iter().chain(&all.to_le_bytes()).fold(0, |all, byte| all ^ byte)
}

#[inline]
pub fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|digit| digit as u8)
}

/// Where the fields of a sentence are: each ends before the comma at its place.
pub struct Split<'a> {
    body: &'a [u8],
    ends: [u16; FIELDS_MAX],
    count: usize,
}

impl<'a> Split<'a> {
    #[inline]
    pub fn new(body: &'a [u8]) -> Split<'a> {
        let mut split = Split { body, ends: [0; FIELDS_MAX], count: 0 };
        let (words, rest) = body.as_chunks::<8>();
        for (n, word) in words.iter().enumerate() {
            let mut marks = commas(u64::from_le_bytes(*word));
            while marks != 0 && split.count < FIELDS_MAX {
                split.ends[split.count] = (8 * n) as u16 + (marks.trailing_zeros() / 8) as u16;
                split.count += 1;
                marks &= marks - 1;
            }
        }
        let start = body.len() - rest.len();
        for (n, byte) in rest.iter().enumerate() {
            if *byte == b',' && split.count < FIELDS_MAX {
                split.ends[split.count] = (start + n) as u16;
                split.count += 1;
            }
        }
        if split.count < FIELDS_MAX {
            split.ends[split.count] = body.len() as u16;
            split.count += 1;
        }
        split
    }

    /// A field, without spaces around it; empty if there is none. Field 0 is the address.
    #[inline]
    pub fn field(&self, n: usize) -> Field<'a> {
        let end = if n < self.count { usize::from(self.ends[n]) } else { self.body.len() };
        let start = match n {
            _ if n >= self.count => end,
            0 => 0,
            n => usize::from(self.ends[n - 1]) + 1,
        };
        match &self.body[start..end] {
            [b' ', ..] | [.., b' '] => self.trimmed(start, end),
            _ => Field::new(self.body, start, end),
        }
    }

    #[cold]
    fn trimmed(&self, start: usize, end: usize) -> Field<'a> {
        let text = &self.body[start..end];
        let start = start + (text.len() - text.trim_ascii_start().len());
        Field::new(self.body, start, start + text.trim_ascii().len())
    }

    #[inline]
    pub fn text(&self, n: usize) -> &'a [u8] {
        self.field(n).bytes()
    }
}

/// Marks the commas among eight bytes in their highest bit.
#[inline]
fn commas(word: u64) -> u64 {
    const LOW: u64 = 0x7F7F_7F7F_7F7F_7F7F;
    let other = word ^ crate::codec::scan::each(b',');
    !(((other & LOW) + LOW) | other | LOW)
}

/// A position as degrees, and the digits after the point that its minutes were written with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fix {
    pub lat: f64,
    pub lon: f64,
    pub digits: u8,
}

/// What a sentence says of an instant. What it does not say is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Said {
    pub fix: Option<Fix>,
    /// The receiver vouches for the position, or does not.
    pub valid: Option<bool>,
    pub altitude_m: Option<f32>,
    pub speed_mps: Option<f32>,
    pub heading_deg: Option<f32>,
    pub hdop: Option<f32>,
    pub satellites: Option<i16>,
}

/// A sentence that was understood.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Meaning {
    /// Of an instant, by its microseconds since midnight and, with RMC, its day since 1970.
    Timed(i64, Option<i32>, Said),
    /// Of the instant before it.
    Untimed(Said),
    /// What day it was at so many microseconds since midnight.
    Date(i64, i32),
    /// A kind that says nothing of position, or a receiver that has nothing to say.
    Nothing,
}

/// Reads a sentence.
#[inline]
pub fn read(body: &[u8]) -> Result<Meaning, Fault> {
    let kind: &[u8; 3] = match body {
        // Proprietary sentences have an address of their own making.
        [b'P', ..] => return Ok(Meaning::Nothing),
        [_, _, a, b, c, b',', ..] => &[*a, *b, *c],
        _ => return Ok(Meaning::Nothing),
    };
    match kind {
        b"RMC" => rmc(&Split::new(body)),
        b"GGA" => gga(&Split::new(body)),
        b"GLL" => gll(&Split::new(body)),
        b"GNS" => gns(&Split::new(body)),
        b"VTG" => Ok(Meaning::Untimed(vtg(&Split::new(body)))),
        b"GSA" => Ok(Meaning::Untimed(gsa(&Split::new(body)))),
        b"ZDA" => zda(&Split::new(body)),
        _ => Ok(Meaning::Nothing),
    }
}

/// Address, time, status, latitude, N or S, longitude, E or W, knots, degrees, day, variation, E or W, mode.
fn rmc(split: &Split) -> Result<Meaning, Fault> {
    let said = Said {
        fix: fix("RMC", split, 3)?,
        valid: Some(split.text(2) == b"A" && !is_no_fix(split.text(12))),
        speed_mps: float(split.field(7)).map(knots),
        heading_deg: float(split.field(8)),
        ..Said::default()
    };
    let date = match split.text(9) {
        b"" => None,
        text => Some(day(text).ok_or(Fault::Field { kind: "RMC", name: "date (ddmmyy)" })?),
    };
    timed("RMC", split.field(1), date, said)
}

/// Address, time, latitude, N or S, longitude, E or W, quality, satellites, HDOP, altitude.
fn gga(split: &Split) -> Result<Meaning, Fault> {
    let fix = fix("GGA", split, 2)?;
    // 0 is no fix, 7 typed in by hand, 8 made up by a simulator.
    let valid = match split.text(6) {
        b"" => None,
        quality => Some(!matches!(quality, b"0" | b"7" | b"8")),
    };
    timed("GGA", split.field(1), None, Said { fix, valid, ..satellites_and_height(split) })
}

/// As GGA, but one letter for each system in the place of the quality.
fn gns(split: &Split) -> Result<Meaning, Fault> {
    let fix = fix("GNS", split, 2)?;
    // Of each system alone there is a sentence without modes, for what is behind them.
    let valid = match split.text(6) {
        b"" => None,
        modes => Some(modes.iter().any(|mode| !is_no_fix(std::slice::from_ref(mode)))),
    };
    timed("GNS", split.field(1), None, Said { fix, valid, ..satellites_and_height(split) })
}

fn satellites_and_height(split: &Split) -> Said {
    Said {
        satellites: integer(split.text(7)).and_then(|count| i16::try_from(count).ok()),
        hdop: float(split.field(8)),
        altitude_m: float(split.field(9)),
        ..Said::default()
    }
}

/// Address, latitude, N or S, longitude, E or W, time, status, mode.
fn gll(split: &Split) -> Result<Meaning, Fault> {
    let fix = fix("GLL", split, 1)?;
    // Receivers before version 2 of the standard send no status.
    let valid = match split.text(6) {
        b"" => None,
        status => Some(status == b"A" && !is_no_fix(split.text(7))),
    };
    let said = Said { fix, valid, ..Said::default() };
    match split.field(5) {
        // RMC or GGA told it.
        time if time.is_empty() && fix.is_some() => Ok(Meaning::Untimed(said)),
        time => timed("GLL", time, None, said),
    }
}

/// Address, degrees, T, magnetic degrees, M, knots, N, km/h, K, mode; old receivers leave the letters out.
fn vtg(split: &Split) -> Said {
    let lettered = split.text(2) == b"T";
    let (knots_at, kmh_at) = if lettered { (5, 7) } else { (3, 4) };
    let kmh = |speed: f32| (f64::from(speed) / 3.6) as f32;
    let speed_mps = float(split.field(knots_at)).map(knots).or_else(|| float(split.field(kmh_at)).map(kmh));
    match is_no_fix(split.text(9)) {
        true => Said::default(),
        false => Said { speed_mps, heading_deg: float(split.field(1)), ..Said::default() },
    }
}

/// Address, A or M, 1 (no fix) to 3, twelve satellites, PDOP, HDOP, VDOP.
fn gsa(split: &Split) -> Said {
    Said { hdop: float(split.field(16)), ..Said::default() }
}

/// Address, time, day, month, year.
fn zda(split: &Split) -> Result<Meaning, Fault> {
    let wrong = Fault::Field { kind: "ZDA", name: "date (dd, mm, yyyy)" };
    if [1, 2, 3, 4].iter().any(|n| split.field(*n).is_empty()) {
        return Ok(Meaning::Nothing);
    }
    let part = |n: usize| integer(split.text(n)).ok_or(wrong);
    let date = super::fields::days(part(4)?, part(3)?, part(2)?).ok_or(wrong)?;
    match time_of_day(split.field(1)) {
        Some(time) => Ok(Meaning::Date(time, date)),
        None => Err(Fault::Field { kind: "ZDA", name: "time (hhmmss)" }),
    }
}

#[inline]
fn timed(kind: &'static str, time: Field, date: Option<i32>, said: Said) -> Result<Meaning, Fault> {
    match (time_of_day(time), said.fix) {
        (Some(time), _) => Ok(Meaning::Timed(time, date, said)),
        // A receiver that has just been switched on knows neither time nor place.
        (None, None) if time.is_empty() => Ok(Meaning::Nothing),
        (None, _) => Err(Fault::Field { kind, name: "time (hhmmss)" }),
    }
}

/// The position in four fields; `None` if the receiver has none.
#[inline]
fn fix(kind: &'static str, split: &Split, n: usize) -> Result<Option<Fix>, Fault> {
    let (lat, north, lon, east) = (split.field(n), split.text(n + 1), split.field(n + 2), split.text(n + 3));
    if lat.is_empty() && lon.is_empty() {
        return Ok(None);
    }
    let sign = |text: &[u8], plus: u8, minus: u8| match text {
        [letter] if letter.eq_ignore_ascii_case(&plus) => Some(1.0),
        [letter] if letter.eq_ignore_ascii_case(&minus) => Some(-1.0),
        _ => None,
    };
    let of = |text, sign: Option<f64>, limit| Some((coordinate(text, limit)?, sign?));
    let lat = of(lat, sign(north, b'N', b'S'), 90);
    let ((lat, digits), north) = lat.ok_or(Fault::Field { kind, name: "latitude (ddmm.mm, N or S)" })?;
    let lon = of(lon, sign(east, b'E', b'W'), 180);
    let ((lon, _), east) = lon.ok_or(Fault::Field { kind, name: "longitude (dddmm.mm, E or W)" })?;
    Ok(Some(Fix { lat: lat * north, lon: lon * east, digits }))
}

/// No fix, typed in by hand, or a simulator.
fn is_no_fix(mode: &[u8]) -> bool {
    matches!(mode, b"N" | b"M" | b"S")
}

fn knots(speed: f32) -> f32 {
    (f64::from(speed) * 1852.0 / 3600.0) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn fields_are_what_splitting_at_commas_gives(body in "[A-Z0-9, .]{0,120}") {
            let split = Split::new(body.as_bytes());
            let plain: Vec<&str> = body.split(',').map(|field| field.trim()).collect();
            for (n, field) in plain.iter().enumerate().take(FIELDS_MAX) {
                prop_assert_eq!(split.text(n), field.as_bytes(), "{}", n);
            }
            prop_assert!(split.text(plain.len()).is_empty());
        }

        #[test]
        fn checksum_is_the_exclusive_or_of_all_bytes(body: Vec<u8>) {
            prop_assert_eq!(checksum(&body), body.iter().fold(0, |sum, byte| sum ^ byte));
        }
    }
}
