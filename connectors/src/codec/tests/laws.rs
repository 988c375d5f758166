//! Laws of all codecs: no bytes make one panic, and how a stream is cut changes nothing.

use super::*;
use crate::codec::binary::{BinaryConfig, BinaryEncoder, Key, Positions};
use crate::codec::csv::CsvConfig;
use crate::codec::json::JsonConfig;
use crate::codec::mapping::FieldsConfig;
use crate::codec::nmea::{NmeaConfig, VehicleFrom};
use crate::codec::teltonika::{IoColumn, Kept, TeltonikaConfig, crc16};
use proptest::prelude::*;

fn key() -> Key {
    Key { id: 1, secret: b"a secret of some length".to_vec() }
}

fn configs() -> Vec<CodecConfig> {
    let fields = FieldsConfig { lat: Some("p.lat".into()), lon: Some("p.lon".into()), ..FieldsConfig::default() };
    let columns = ["id", "ts", "lat", "lon", "speed"].map(str::to_owned).to_vec();
    vec![
        CodecConfig::Json(JsonConfig::default()),
        CodecConfig::Json(JsonConfig { fields }),
        CodecConfig::Csv(CsvConfig::default()),
        CodecConfig::Csv(CsvConfig { header: false, columns: Some(columns.clone()), ..CsvConfig::default() }),
        CodecConfig::Csv(CsvConfig { delimiter: b'\t', columns: Some(columns), ..CsvConfig::default() }),
        CodecConfig::Json(JsonConfig { fields: FieldsConfig { extra: super::columns(), ..FieldsConfig::default() } }),
        CodecConfig::Csv(CsvConfig {
            header: false,
            columns: Some(["id", "ts", "lat", "lon", "fleet", "n"].map(str::to_owned).to_vec()),
            fields: FieldsConfig { extra: super::columns(), ..FieldsConfig::default() },
            ..CsvConfig::default()
        }),
        CodecConfig::Binary(BinaryConfig::default()),
        CodecConfig::Binary(BinaryConfig { keys: vec![key()] }),
        CodecConfig::Teltonika(TeltonikaConfig::default()),
        CodecConfig::Teltonika(teltonika()),
        CodecConfig::Nmea(NmeaConfig::default()),
        CodecConfig::Nmea(NmeaConfig {
            vehicle: VehicleFrom::Tag,
            ends_with: Some(*b"GLL"),
            date: Some(0),
            ..NmeaConfig::default()
        }),
    ]
}

fn teltonika() -> TeltonikaConfig {
    TeltonikaConfig { keep: Kept::ALL.to_vec(), io: vec![IoColumn::new("ignition", 1), IoColumn::new("power", 66)] }
}

/// A TCP packet of a tracker with so many records, a login, or a part of one of them.
fn tracker_piece(records: u8, part: usize) -> Vec<u8> {
    let mut record = vec![0, 0, 1, 0x6B, 0x40, 0xD8, 0xEA, 0x30, 1];
    record.extend([0, 0, 0, 16, 0, 0, 0, 32, 0, 5, 0, 90, 7, 0, 36, 1, 2, 1, 1, records, 1, 66, 0x5E, 0x0F, 0, 0]);
    let data = [&[8, records][..], &record.repeat(records.into()), &[records]].concat();
    let sum = u32::from(crc16(&data)).to_be_bytes();
    let mut piece = [&[0; 4][..], &(data.len() as u32).to_be_bytes(), &data, &sum].concat();
    if records == 0 {
        piece = b"\0\x0F352093086403655".to_vec();
    }
    piece.truncate(if part == 0 { piece.len() } else { part });
    piece
}

fn record(signed: bool, frames: usize) -> Vec<u8> {
    let mut encoder = BinaryEncoder::new(Positions::Exact, 1000);
    if signed {
        encoder = encoder.sign(&key(), frames as u64);
    }
    for n in 0..frames {
        let satellites = (n % 2 == 0).then_some(7);
        let frame = Frame { vehicle: "bus", lat: 1.5, lon: n as f64, satellites, ..Frame::default() };
        encoder.push(&frame).unwrap();
    }
    encoder.record().to_vec()
}

/// Pieces that streams are put together from: sound ones, broken ones, and what stands between.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let text = prop::sample::select(vec![
        "{\"id\":\"a\",\"ts\":1,\"lat\":2,\"lon\":3}",
        "{\"id\":\"b\",\n \"ts\":1211018404.5,\n \"x\":{\"y\":[1,{}]}, \"lat\":\"2\",\"lon\":3e1}",
        "{\"id\":\"\\u0063\",\"t\\u0073\":1,\"p\":{\"lat\":1,\"lon\":2}}",
        "{\"id\":\"d\",\"ts\":1,\"lat\":2,\"lon\":",
        "{\"id\":\"e\",\"ts\":1,\"lat\":abc,\"lon\":3}",
        "{\"id\":\"f\"}",
        "{\"id\":\"g\",\"ts\":1,\"lat\":2,\"lon\":3,\"ignition\":true,\"n\":12,\"tank\":{\"fuel\":1e2},\"fleet\":\"\\u0041\"}",
        "12.5",
        "null",
        "tru",
        "\"text",
        "vehicle_id,ts,lat,lon,speed",
        "a,1,2,3,4",
        "a,2008-05-17T10:00:04.5+02:00,2.25,3",
        "\"a \"\"quoted\"\"\r\n id\",1,2,3,4",
        "\"open,1,2",
        "a,b\"c,2,3",
        "a\t1\t2\t3",
        "\"a\tb\"\t1\t2\t3\t",
        ",,,,",
        "\r",
        "\r\n",
        "\n",
        ",",
        "[",
        "]",
        " ",
        "\u{feff}",
        "RHB\u{1}",
        "$GPRMC,120000.50,A,4916.45,N,12311.12,W,10.0,90.5,010524,,,A*4D",
        "$GPGGA,120000.50,4916.4500,N,12311.1200,W,1,08,0.9,45.5,M,,,,",
        "$GPGGA,000001,4916.4500,N,12311.1200,W,1,08,0.9,45.5,M,,,,",
        "$GPVTG,91.0,T,,M,11.0,N,20.4,K,A",
        "$GPZDA,000001,02,05,2024,00,00",
        "$GPGLL,4916.45,N,12311.12,W,120001,A*32",
        "$GPGLL,4916.45,N,123",
        "\\s:bus,g:1-2-3\\$GPGLL,4916.45,N,12311.12,W,235959,A",
        "$GPGSV,2,1,08,01,10,158,44*FF",
        "$",
    ])
    .prop_map(|text| text.as_bytes().to_vec());
    prop_oneof![
        8 => text,
        2 => (any::<bool>(), 0_usize..4).prop_map(|(signed, frames)| record(signed, frames)),
        3 => (0_u8..4, prop_oneof![5 => Just(0), 1 => 0_usize..60]).prop_map(|(n, part)| tracker_piece(n, part)),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ]
}

fn input() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec((piece(), any::<bool>()), 0..16).prop_map(|pieces| {
        pieces.into_iter().flat_map(|(piece, ends)| piece.into_iter().chain(ends.then_some(b'\n'))).collect()
    })
}

/// A header or a packet in front, so that more than the first bytes is looked at.
fn sound_input() -> impl Strategy<Value = Vec<u8>> {
    let heads = vec![b"id,time,lat,lon,speed\n".to_vec(), record(true, 2), tracker_piece(2, 0), Vec::new()];
    let head = prop::sample::select(heads);
    (head, input()).prop_map(|(head, rest)| [head, rest].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_cut_of_a_stream_gives_the_same(input in sound_input(), cuts in prop::collection::vec(any::<usize>(), 0..12)) {
        for config in configs() {
            prop_assert_eq!(cut_stream(&config, &input, &cuts), stream(&config, &input), "{}", config.describe());
        }
    }

    #[test]
    fn byte_by_byte_is_as_good_as_at_once(input in sound_input()) {
        let cuts: Vec<usize> = (0..input.len()).collect();
        for config in configs() {
            prop_assert_eq!(cut_stream(&config, &input, &cuts), stream(&config, &input), "{}", config.describe());
        }
    }

    #[test]
    fn changed_bytes_give_frames_or_rejects(
        mut input in sound_input(), changes in prop::collection::vec((any::<usize>(), any::<u8>()), 0..6)
    ) {
        for (at, byte) in changes {
            if let Some(len) = std::num::NonZero::new(input.len()) {
                input[at % len] = byte;
            }
        }
        for config in configs() {
            let got = datagram(&config, &input);
            let nothing = |b: &u8| matches!(b, b' ' | b'\n' | b'\r' | b'\t' | b',' | b'[' | b']' | 0x1E | 0 | 0xEF | 0xBB | 0xBF | 0xFF);
            // A header line and sentences of no interest are neither.
            let silent = matches!(config, CodecConfig::Csv(_) | CodecConfig::Nmea(_));
            prop_assert!(silent || !got.is_empty() || input.iter().all(nothing), "{}", config.describe());
            stream(&config, &input);
        }
    }

    #[test]
    fn any_bytes_at_all(bytes: Vec<u8>) {
        for config in configs() {
            datagram(&config, &bytes);
            stream(&config, &bytes);
        }
    }

    #[test]
    fn reject_holds_the_bytes_at_its_offset(input in sound_input()) {
        for config in &configs()[..5] {
            let mut reader = Reader::new();
            let mut codec = config.open();
            let Ok(Some(at)) = codec.preamble(&input, true) else { continue };
            let place = Place { offset: at as i64, received_at: RECEIVED_AT };
            codec.stream(&input[at..], true, place, &mut reader.out);
            let mut end = at;
            reader.each(|out| {
                if let Out::Reject(reject) = out && reject.reason == rhumb_engine::reject::Reason::Undecodable {
                    let at = reject.offset as usize;
                    assert!(at >= end && input[at..].starts_with(&reject.raw), "{}", line(&Out::Reject(reject)));
                    end = at + reject.raw.len();
                }
            });
        }
    }
}

#[test]
fn record_without_end_is_rejected_in_pieces_wherever_it_is_cut() {
    let sound = ["id,ts,lat,lon\n", "{\"id\":\"a\",\"ts\":1,\"lat\":2,\"lon\":3}\n", "a,1,2,3\n"].concat();
    for filler in ["{\"a\":\"", "\"", "x", "[[{\"a\":[", "RHB\u{1}", "\u{0}"] {
        for fill in [b'x', b'1', b'[', 0] {
            let long = [sound.as_bytes(), filler.as_bytes(), &vec![fill; 150_000], b"\n", sound.as_bytes()].concat();
            for config in configs() {
                let want = stream(&config, &long);
                for cuts in
                    [vec![1000, 65_000], vec![64, 65_536, 65_600, 131_072], vec![70_000], vec![150_000, 150_070]]
                {
                    assert!(cut_stream(&config, &long, &cuts) == want, "{} {filler} {fill}", config.describe());
                }
            }
        }
    }
}
