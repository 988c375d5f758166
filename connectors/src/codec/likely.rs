//! Which codec bytes seem to be written for: asked when the one that was chosen can read none of them.

use super::csv::CsvConfig;
use super::decode::Transport;
use super::json::JsonConfig;
use super::mapping::FieldsConfig;
use super::nmea::NmeaConfig;
use super::{CodecConfig, Place};
use rhumb_engine::builder::{ClockRules, FrameBuilder};
use rhumb_engine::frame::Origin;
use rhumb_engine::time::EventTime;
use rhumb_engine::vehicle::Vehicles;
use std::sync::Arc;

/// The head of an input, or one datagram.
#[derive(Debug, Clone, Copy)]
pub struct Sampled<'a> {
    pub bytes: &'a [u8],
    /// Nothing comes after it: its last record is not cut.
    pub whole: bool,
    pub transport: Transport,
}

/// What a codec makes of a head.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sample {
    pub frames: usize,
    pub rejects: usize,
    /// What was wrong with the first record that was rejected; if there is none, with the stream as a whole.
    pub first: Option<String>,
    /// Where the frames are: latitude, longitude.
    pub places: Vec<(f64, f64)>,
}

/// Decodes a head, judging neither clocks nor places.
pub fn sample(config: &CodecConfig, head: &Sampled) -> Sample {
    let mut codec = config.open();
    codec.called("sample");
    let origin = Origin { source: "sample".into(), partition: "".into() };
    let clocks = ClockRules { rollover: false, skew_max_us: i64::MAX };
    let mut out = FrameBuilder::new(&[Arc::<Vehicles>::default()], origin, clocks).with_columns(&config.columns());
    let place = Place { offset: 0, received_at: EventTime::MAX };
    out.at(0, place.received_at);
    match head.transport {
        Transport::Udp => {
            codec.datagram(head.bytes, &mut out);
            codec.release(None, &mut out);
        }
        Transport::Tcp => match codec.preamble(head.bytes, head.whole) {
            Ok(Some(at)) => _ = codec.stream(&head.bytes[at..], head.whole, place, &mut out),
            Ok(None) => {}
            Err(what) => return Sample { first: Some(what), ..Sample::default() },
        },
    }
    let delivery = out.finish().remove(0);
    let mut rejects = delivery.rejects.iter().filter(|reject| reject.reason.is_of_codec());
    let first = rejects.next().map(|reject| reject.detail.clone());
    let (lat, lon) = (delivery.frames.lat.values(), delivery.frames.lon.values());
    let places = lat.iter().copied().zip(lon.iter().copied()).collect();
    Sample { frames: delivery.frames.len(), rejects: rejects.count() + usize::from(first.is_some()), first, places }
}

/// The name of another codec than `chosen` that reads more of a head than not, or for which it is at least meant.
pub fn likely(chosen: &CodecConfig, head: &Sampled) -> Option<&'static str> {
    let frames = |config: &CodecConfig| {
        let sample = sample(config, head);
        (sample.frames > sample.rejects).then_some(sample.frames)
    };
    let others = others(chosen);
    let read = others.iter().filter_map(|config| Some((frames(config)?, config.name())));
    let most = read.max_by_key(|(frames, _)| *frames).map(|(_, name)| name);
    most.or_else(|| looks_like(head.bytes)).filter(|name| *name != chosen.name())
}

/// All codecs but `chosen`; fields are mapped as there, if it maps any.
fn others(chosen: &CodecConfig) -> Vec<CodecConfig> {
    let fields = match chosen {
        CodecConfig::Json(json) => json.fields.clone(),
        CodecConfig::Csv(csv) => csv.fields.clone(),
        _ => FieldsConfig::default(),
    };
    let mut all = vec![CodecConfig::Json(JsonConfig { fields: fields.clone() })];
    let delimited = |delimiter| CsvConfig { delimiter, fields: fields.clone(), ..CsvConfig::default() };
    all.extend([b',', b';', b'\t'].map(|delimiter| CodecConfig::Csv(delimited(delimiter))));
    all.push(CodecConfig::Nmea(NmeaConfig { date: Some(0), ..NmeaConfig::default() }));
    all.extend(["binary", "teltonika"].iter().filter_map(|name| CodecConfig::named(name)));
    all.retain(|config| config.name() != chosen.name());
    all
}

/// By the first characters, which for some codecs are all that a single record shows.
fn looks_like(bytes: &[u8]) -> Option<&'static str> {
    let text = bytes.trim_ascii_start();
    let line = text.split(|b| *b == b'\n').next().unwrap_or_default();
    let is_text =
        std::str::from_utf8(line).is_ok_and(|line| !line.contains(|c: char| c.is_control() && c != '\r' && c != '\t'));
    match text.first()? {
        b'{' | b'[' => Some("json"),
        b'$' | b'!' if is_text => Some("nmea"),
        _ if text.starts_with(b"RHB") => Some("binary"),
        // A header line, or a row: an id, a time, two coordinates.
        _ if is_text && line.iter().filter(|b| b",;\t".contains(b)).count() >= 3 => Some("csv"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(chosen: &str, bytes: &[u8], transport: Transport, expected: Option<&str>) {
        let chosen = CodecConfig::named(chosen).unwrap();
        assert_eq!(likely(&chosen, &Sampled { bytes, whole: true, transport }), expected);
    }

    #[test]
    fn codec_that_reads_the_input_is_named() {
        let csv = b"id,ts,lat,lon\na,1,2,3\nb,1,2,3\n";
        let json = b"{\"id\":\"a\",\"ts\":1,\"lat\":2,\"lon\":3}\n";
        let nmea = b"$GPRMC,120000.50,A,4916.45,N,12311.12,W,10.0,90.5,010524,,,A*4D\r\n";
        for (chosen, bytes, expected) in [
            ("json", &csv[..], Some("csv")),
            ("csv", json, Some("json")),
            ("binary", json, Some("json")),
            ("json", nmea, Some("nmea")),
            ("csv", csv, None),
            ("json", b"noise", None),
            ("json", b"", None),
        ] {
            check(chosen, bytes, Transport::Tcp, expected);
        }
        check("binary", json, Transport::Udp, Some("json"));
        check("json", b"a,1,2,3", Transport::Udp, Some("csv"));
    }

    #[test]
    fn cut_record_at_the_end_of_a_head_is_no_reject() {
        let json = b"{\"id\":\"a\",\"ts\":1,\"lat\":2,\"lon\":3}\n{\"id\":";
        let config = CodecConfig::named("json").unwrap();
        let of = |whole| sample(&config, &Sampled { bytes: json, whole, transport: Transport::Tcp });
        assert_eq!(of(false), Sample { frames: 1, rejects: 0, first: None, places: vec![(2.0, 3.0)] });
        assert_eq!((of(true).frames, of(true).rejects), (1, 1));
    }
}
