//! What `rhumb decode` prints: a JSON object for each frame or reject, in the order of the input.

use super::teltonika::Kept;
use super::{CodecConfig, Place};
use rhumb_engine::builder::{ClockRules, Delivery, FrameBuilder};
use rhumb_engine::extra::Extra;
use rhumb_engine::frame::{Frame, FrameBatch, Origin};
use rhumb_engine::reject::{Measured, Reject};
use rhumb_engine::time::EventTime;
use rhumb_engine::vehicle::Vehicles;
use serde::Serialize;
use serde_json::{Map, Value};
use std::sync::Arc;

/// What the bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// One datagram.
    Udp,
    /// A stream from its beginning, or a file.
    Tcp,
}

/// Bytes of a stream that are decoded at a time.
const STEP: usize = 1 << 20;

/// The codec of a name, set to show all that it reads; `None`: there is none.
pub fn shown(name: &str) -> Option<CodecConfig> {
    let mut config = CodecConfig::named(name)?;
    match &mut config {
        CodecConfig::Teltonika(teltonika) => teltonika.keep = Kept::ALL.to_vec(),
        // Where the input never says which day it is, times are shown in 1970.
        CodecConfig::Nmea(nmea) => nmea.date = Some(0),
        _ => {}
    }
    Some(config)
}

/// Decodes `bytes` and hands each line, without its end, to `line`.
///
/// A frame has the fields of the history table, times in RFC 3339, and those only that the input has. A reject is
/// `{"reject": reason, "detail": what is wrong, "raw_hex": its bytes, "offset": where it stands}`; in a datagram
/// every offset is 0. Clocks are not judged: a time is shown as it was sent. The error says what is wrong with a
/// stream as a whole, or that there is nothing.
pub fn decode(
    config: &CodecConfig,
    bytes: &[u8],
    transport: Transport,
    mut line: impl FnMut(String),
) -> Result<(), String> {
    if bytes.is_empty() {
        return Err("there are no bytes to decode".to_owned());
    }
    let mut codec = config.open();
    let vehicles = Arc::new(Vehicles::default());
    let mut out = builder(&vehicles, config);
    if transport == Transport::Udp {
        out.at(0, UNSAID);
        codec.datagram(bytes, &mut out);
        codec.release(None, &mut out);
        lines(&mut out, &vehicles, &mut line);
        return Ok(());
    }
    let mut at = codec.preamble(bytes, true)?.unwrap_or_default();
    while at < bytes.len() {
        let end = bytes.len().min(at + STEP);
        let place = Place { offset: at as i64, received_at: UNSAID };
        at += codec.stream(&bytes[at..end], end == bytes.len(), place, &mut out);
        lines(&mut out, &vehicles, &mut line);
    }
    Ok(())
}

/// Stands for a time of receipt that the input does not have. No frame is ahead of it.
const UNSAID: EventTime = EventTime::MAX;

fn builder(vehicles: &Arc<Vehicles>, config: &CodecConfig) -> FrameBuilder {
    let origin = Origin { source: "decode".into(), partition: "".into() };
    let clocks = ClockRules { rollover: false, skew_max_us: i64::MAX };
    FrameBuilder::new(std::slice::from_ref(vehicles), origin, clocks).with_columns(&config.columns())
}

fn lines(out: &mut FrameBuilder, vehicles: &Vehicles, line: &mut impl FnMut(String)) {
    for Delivery { frames, rejects, rejected_after } in out.finish() {
        let mut rejects = rejected_after.iter().zip(&rejects).peekable();
        for row in 0..=frames.len() {
            while let Some((_, reject)) = rejects.next_if(|(after, _)| **after == row) {
                line(reject_line(reject));
            }
            if row < frames.len() {
                line(frame_line(&frames, row, vehicles));
            }
        }
    }
}

fn frame_line(frames: &FrameBatch, row: usize, vehicles: &Vehicles) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        vehicle_id: &'a str,
        event_time: String,
        lat: f64,
        lon: f64,
        #[serde(flatten)]
        measured: Measured,
        #[serde(skip_serializing_if = "Option::is_none")]
        received_at: Option<String>,
        #[serde(flatten)]
        extra: Map<String, Value>,
    }
    let frame: Frame = frames.frame(row, vehicles);
    let extra = frames.extra.iter().filter_map(|(field, column)| {
        let value = match Extra::of(column, row)? {
            Extra::Bool(value) => value.into(),
            Extra::Int(value) => value.into(),
            Extra::Float(value) => value.into(),
            // A text that is JSON is shown as such.
            Extra::Text(text) if text.starts_with('{') => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
            Extra::Text(text) => text.into(),
        };
        Some((field.name().clone(), value))
    });
    json(&Line {
        vehicle_id: frame.vehicle,
        event_time: rfc3339(frame.event_time),
        lat: frame.lat,
        lon: frame.lon,
        measured: Measured::of(&frame),
        received_at: frame.received_at.filter(|t| *t != UNSAID).map(rfc3339),
        extra: extra.collect(),
    })
}

fn reject_line(reject: &Reject) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        reject: &'a str,
        detail: &'a str,
        raw_hex: String,
        offset: i64,
    }
    let raw_hex = reject.raw.iter().map(|byte| format!("{byte:02x}")).collect();
    json(&Line { reject: reject.reason.name(), detail: &reject.detail, raw_hex, offset: reject.offset })
}

fn json(line: &impl Serialize) -> String {
    serde_json::to_string(line).expect("a struct of plain values has a JSON form")
}

/// A time for a person; microseconds as they are, where the year has no four digits.
pub fn rfc3339(time: EventTime) -> String {
    jiff::Timestamp::from_microsecond(time.0).map_or_else(|_| time.0.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(codec: &str, bytes: &[u8], transport: Transport, want: Expect) {
        let mut lines = Vec::new();
        let error = decode(&CodecConfig::named(codec).unwrap(), bytes, transport, |line| lines.push(line)).err();
        want.assert_eq(&lines.into_iter().chain(error).collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn frames_and_rejects_come_in_the_order_of_the_input() {
        let json = br#"[1,{"id":"a","ts":1,"lat":10,"lon":20},{"id":"b"},{"id":"c","ts":1211018404.5,"lat":1,"lon":-2.5,"speed":3,"no_fix":true,"received_at":9}]"#;
        check(
            "json",
            json,
            Transport::Udp,
            expect![[r#"
            {"reject":"undecodable","detail":"expected an object, found a number","raw_hex":"31","offset":0}
            {"vehicle_id":"a","event_time":"1970-01-01T00:00:01Z","lat":10.0,"lon":20.0}
            {"reject":"undecodable","detail":"no field event_time (looked for event_time, ts, timestamp, time)","raw_hex":"7b226964223a2262227d","offset":0}
            {"vehicle_id":"c","event_time":"2008-05-17T10:00:04.5Z","lat":1.0,"lon":-2.5,"speed_mps":3.0,"no_fix":true,"received_at":"1970-01-01T00:00:09Z"}"#]],
        );
        check(
            "csv",
            b"id,ts,lat,lon\na,b,1,2\nc,99999999999,1,2\n",
            Transport::Tcp,
            expect![[r#"
            {"reject":"undecodable","detail":"event_time (from ts) is not a time: \"b\" (expected RFC 3339 with an offset, or seconds, milliseconds or microseconds since 1970)","raw_hex":"612c622c312c32","offset":14}
            {"vehicle_id":"c","event_time":"5138-11-16T09:46:39Z","lat":1.0,"lon":2.0}"#]],
        );
        check(
            "csv",
            b"id,ts,lat\na,b,1\n",
            Transport::Tcp,
            expect!["no column for lon (looked for lon, lng, longitude); the columns are id, ts, lat"],
        );
        check(
            "csv",
            b"id,ts,lat\na,b,1\n",
            Transport::Udp,
            expect![[
                r#"{"reject":"undecodable","detail":"a csv datagram needs a header line or `columns` in the configuration: no column for lon (looked for lon, lng, longitude); the columns are id, ts, lat","raw_hex":"69642c74732c6c61740a612c622c310a","offset":0}"#
            ]],
        );
        check("binary", b"RHB\x01\x00\x00\x00\x00", Transport::Udp, expect![""]);
    }

    #[test]
    fn times_that_have_no_rfc_3339_are_shown_in_microseconds() {
        assert_eq!(rfc3339(EventTime(-1)), "1969-12-31T23:59:59.999999Z");
        assert_eq!(rfc3339(EventTime(i64::MAX)), "9223372036854775807");
    }

    #[test]
    fn long_streams_are_read_in_steps() {
        let line = b"{\"id\":\"a\",\"ts\":1,\"lat\":10,\"lon\":20}\n";
        let count = 2 * STEP / line.len();
        let mut lines = 0;
        decode(&CodecConfig::named("json").unwrap(), &line.repeat(count), Transport::Tcp, |_| lines += 1).unwrap();
        assert_eq!(lines, count);
    }
}
