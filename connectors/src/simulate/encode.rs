//! Frames as bytes, for the simulator's outputs.

use rhumb_engine::frame::Frame;
use std::io::Write;

/// Appends frames to bytes, one record each. What it writes, the codec of the same name reads back as the same frame,
/// to the last bit of every number.
pub trait Encode {
    /// What stands before the first record of a file; nothing for most. A datagram has none.
    fn preamble(&self, out: &mut Vec<u8>) {
        let _ = out;
    }

    fn encode(&mut self, frame: &Frame, out: &mut Vec<u8>);
}

/// Comma-separated values, with a header line in files. There is no column for `no_fix`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Csv {
    /// Write the time of receipt, too, as the last column. Not for datagrams: their time of receipt is when they come.
    pub received_at: bool,
}

const CSV_HEADER: &[u8] = b"vehicle_id,event_time,lat,lon,altitude_m,speed_mps,heading_deg,accuracy_m,hdop,satellites";

impl Encode for Csv {
    fn preamble(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(CSV_HEADER);
        out.extend_from_slice(if self.received_at { b",received_at\n" } else { b"\n" });
    }

    fn encode(&mut self, frame: &Frame, out: &mut Vec<u8>) {
        csv_text(frame.vehicle, out);
        out.push(b',');
        integer(frame.event_time.0, out);
        for degrees in [frame.lat, frame.lon] {
            out.push(b',');
            decimal(degrees, 7, out);
        }
        for value in [frame.altitude_m, frame.speed_mps, frame.heading_deg, frame.accuracy_m, frame.hdop] {
            out.push(b',');
            if let Some(value) = value {
                decimal_f32(value, out);
            }
        }
        out.push(b',');
        if let Some(satellites) = frame.satellites {
            integer(satellites.into(), out);
        }
        if self.received_at {
            out.push(b',');
            if let Some(at) = frame.received_at {
                integer(at.0, out);
            }
        }
        out.push(b'\n');
    }
}

/// One JSON object a line. Numbers that JSON has no form for become null.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ndjson {
    /// Write the time of receipt, too.
    pub received_at: bool,
}

impl Encode for Ndjson {
    fn encode(&mut self, frame: &Frame, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"vehicle_id\":");
        json_text(frame.vehicle, out);
        out.extend_from_slice(b",\"event_time\":");
        integer(frame.event_time.0, out);
        for (name, degrees) in [(&b",\"lat\":"[..], frame.lat), (b",\"lon\":", frame.lon)] {
            out.extend_from_slice(name);
            json_number(degrees.is_finite(), out, |out| decimal(degrees, 7, out));
        }
        let optional = [
            (&b",\"altitude_m\":"[..], frame.altitude_m),
            (b",\"speed_mps\":", frame.speed_mps),
            (b",\"heading_deg\":", frame.heading_deg),
            (b",\"accuracy_m\":", frame.accuracy_m),
            (b",\"hdop\":", frame.hdop),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                out.extend_from_slice(name);
                json_number(value.is_finite(), out, |out| decimal_f32(value, out));
            }
        }
        if let Some(satellites) = frame.satellites {
            out.extend_from_slice(b",\"satellites\":");
            integer(satellites.into(), out);
        }
        if let Some(at) = frame.received_at.filter(|_| self.received_at) {
            out.extend_from_slice(b",\"received_at\":");
            integer(at.0, out);
        }
        if frame.no_fix {
            out.extend_from_slice(b",\"no_fix\":true");
        }
        out.extend_from_slice(b"}\n");
    }
}

/// Quoted if it has to be (RFC 4180).
fn csv_text(text: &str, out: &mut Vec<u8>) {
    let plain = |b: &u8| !b",\"\r\n ".contains(b);
    if text.as_bytes().iter().all(plain) {
        return out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

fn json_text(text: &str, out: &mut Vec<u8>) {
    if text.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\') {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        return out.push(b'"');
    }
    serde_json::to_writer(out, text).expect("text has a JSON form, and a vector takes all of it");
}

fn json_number(has_form: bool, out: &mut Vec<u8>, write: impl Fn(&mut Vec<u8>)) {
    if has_form { write(out) } else { out.extend_from_slice(b"null") }
}

fn integer(value: i64, out: &mut Vec<u8>) {
    fixed(value, 0, out);
}

/// The shortest form that reads back as the same number; those of up to `places` decimals, which most are, without
/// the search for it.
#[inline]
fn decimal(value: f64, places: u32, out: &mut Vec<u8>) {
    let scale = 10_i64.pow(places);
    let scaled = (value * scale as f64 + 0.5_f64.copysign(value)) as i64;
    let is_it = (scaled as f64 / scale as f64).to_bits() == value.to_bits() && scaled.unsigned_abs() < 1 << 52;
    if is_it { fixed(scaled, places, out) } else { shortest(value, out) }
}

/// As `decimal`, with two places, for the shorter numbers.
#[inline]
fn decimal_f32(value: f32, out: &mut Vec<u8>) {
    let scaled = (f64::from(value) * 100.0 + 0.5_f64.copysign(f64::from(value))) as i64;
    let is_it = ((scaled as f64 / 100.0) as f32).to_bits() == value.to_bits() && scaled.unsigned_abs() < 1 << 52;
    if is_it { fixed(scaled, 2, out) } else { shortest(value, out) }
}

fn shortest(value: impl std::fmt::Display, out: &mut Vec<u8>) {
    write!(out, "{value}").expect("a vector takes all that is written");
}

/// `scaled` with its last `places` digits after the point; zeros at the end left out.
#[inline]
fn fixed(scaled: i64, places: u32, out: &mut Vec<u8>) {
    // A sign, 19 digits, a point.
    let mut text = [0; 24];
    let (mut rest, mut start) = (scaled.unsigned_abs(), text.len());
    let mut put = |byte: u8| {
        start -= 1;
        text[start] = byte;
    };
    let mut point = false;
    for _ in 0..places {
        let digit = (rest % 10) as u8;
        rest /= 10;
        point |= digit != 0;
        if point {
            put(b'0' + digit);
        }
    }
    if point {
        put(b'.');
    }
    loop {
        put(b'0' + (rest % 10) as u8);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if scaled < 0 {
        put(b'-');
    }
    out.extend_from_slice(&text[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text_of(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_are_written_without_waste() {
        for (value, expected) in
            [(0.0, "0"), (-97.743, "-97.743"), (30.0, "30"), (0.0000001, "0.0000001"), (-0.5, "-0.5"), (180.0, "180")]
        {
            assert_eq!(text_of(|out| decimal(value, 7, out)), expected);
        }
    }

    proptest! {
        #[test]
        fn every_number_reads_back_as_itself(bits: u64, small in -1_800_000_000_i64..1_800_000_000, short: u32) {
            for value in [f64::from_bits(bits), small as f64 / 1e7, small as f64 / 1e9] {
                let back: f64 = text_of(|out| decimal(value, 7, out)).parse().unwrap();
                prop_assert!(back.to_bits() == value.to_bits() || value.is_nan());
            }
            for value in [f32::from_bits(short), small as f32 / 100.0] {
                let back: f32 = text_of(|out| decimal_f32(value, out)).parse().unwrap();
                prop_assert!(back.to_bits() == value.to_bits() || value.is_nan());
            }
        }

        #[test]
        fn json_is_json(id: String, lat: f64, speed: Option<f32>, time: i64) {
            let frame = Frame {
                vehicle: &id,
                event_time: rhumb_engine::time::EventTime(time),
                lat,
                speed_mps: speed,
                ..Frame::default()
            };
            let text = text_of(|out| Ndjson { received_at: true }.encode(&frame, out));
            let read: serde_json::Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(read["vehicle_id"].as_str(), Some(&*id));
            prop_assert_eq!(read["event_time"].as_i64(), Some(time));
        }

        #[test]
        fn csv_is_csv(id: String, lat in -90.0..90.0) {
            let frame = Frame { vehicle: &id, lat, ..Frame::default() };
            let mut out = Vec::new();
            Csv::default().preamble(&mut out);
            Csv::default().encode(&frame, &mut out);
            let mut reader = csv::Reader::from_reader(&out[..]);
            let row = reader.records().next().unwrap().unwrap();
            prop_assert_eq!(&row[0], &*id);
            prop_assert_eq!(row[2].parse::<f64>().unwrap(), lat);
        }
    }
}
