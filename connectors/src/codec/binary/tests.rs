use super::*;
use crate::codec::CodecConfig;
use crate::codec::tests::{Out, Reader, datagram, line, stream};
use expect_test::{Expect, expect};
use proptest::prelude::*;
use rhumb_engine::frame::Frame;
use rhumb_engine::time::EventTime;

const FRAME: Frame = Frame {
    vehicle: "bus-7",
    event_time: EventTime(1_211_018_404_000_000),
    received_at: None,
    lat: 37.787_81,
    lon: -122.390_55,
    altitude_m: None,
    speed_mps: Some(12.5),
    heading_deg: None,
    accuracy_m: None,
    hdop: None,
    satellites: Some(9),
    no_fix: false,
};

fn key(id: u16) -> Key {
    Key { id, secret: format!("the secret of key {id}").into_bytes() }
}

fn plain() -> CodecConfig {
    CodecConfig::named("binary").unwrap()
}

fn keyed() -> CodecConfig {
    CodecConfig::Binary(BinaryConfig { keys: vec![key(1), key(2)] })
}

fn packet(encoder: BinaryEncoder) -> Vec<u8> {
    let mut encoder = encoder;
    encoder.push(&FRAME).unwrap();
    encoder.datagram().to_vec()
}

fn compact() -> BinaryEncoder {
    BinaryEncoder::new(Positions::Compact, 1400)
}

/// The bytes that `docs/BINARY.md` shows.
#[test]
fn packet_is_what_the_specification_says() {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ");
    expect![
        "52 48 42 01 00 00 01 00 22 05 00 71 c9 31 6a 4d 04 00 54 f6 85 16 24 af 0c b7 62 75 73 2d 37 00 00 48 41 09 00"
    ]
    .assert_eq(&hex(&packet(compact())));
    expect!["52 48 42 01 02 00 01 00 22 05 00 71 c9 31 6a 4d 04 00 54 f6 85 16 24 af 0c b7 62 75 73 2d 37 00 00 48 41 09 00 01 00 05 00 00 00 00 00 00 00 25 a1 17 17 fd 26 8a f8 01 1a be 1e 8d 4f 34 60"].assert_eq(&hex(&packet(compact().sign(&Key { id: 1, secret: b"0123456789abcdef".to_vec() }, 5))));
    expect!["0 bus-7 1211018404s 37.78781 -122.39055 speed 12.5 satellites 9"]
        .assert_eq(&datagram(&plain(), &packet(compact())).join("\n"));
}

#[test]
fn damaged_packets_are_rejected_whole() {
    let sound = packet(compact());
    let check = |change: &dyn Fn(&mut Vec<u8>), want: Expect| {
        let mut bytes = sound.clone();
        change(&mut bytes);
        let lines = datagram(&plain(), &bytes);
        want.assert_eq(
            &lines
                .iter()
                .map(|line| line.rsplit_once("\": ").map_or(&line[..], |(_, detail)| detail))
                .collect::<Vec<_>>()
                .join("\n"),
        );
    };
    check(&|bytes| bytes.truncate(7), expect!["7 bytes; the header alone has 8"]);
    check(&|bytes| bytes[0] = b'X', expect![[r#"byte 0: expected "RHB""#]]);
    check(&|bytes| bytes[3] = 2, expect!["byte 3: version 2; this build reads version 1"]);
    check(&|bytes| bytes[4] = 0x80, expect!["byte 4: flags 0x80 0x00; known are 0x01 and 0x02"]);
    check(&|bytes| bytes[4] = 2, expect!["byte 8: frame 1 of 1 does not fit into the packet"]);
    check(&|bytes| bytes[6] = 2, expect!["byte 37: frame 2 of 2 does not fit into the packet"]);
    check(&|bytes| bytes[6] = 0, expect!["byte 8: 29 bytes after the last of 0 frames"]);
    check(&|bytes| bytes.truncate(30), expect!["byte 8: frame 1 of 1 does not fit into the packet"]);
    check(&|bytes| bytes.push(0), expect!["byte 37: 1 bytes after the last of 1 frames"]);
    check(&|bytes| bytes[26] = 0xFF, expect!["vehicle_id is not UTF-8"]);
    check(&|bytes| bytes[9] = 0, expect!["byte 32: 5 bytes after the last of 1 frames"]);
}

#[test]
fn only_fresh_packets_of_known_keys_are_taken() {
    let frame = datagram(&plain(), &packet(compact())).remove(0);
    let mut reader = Reader::new();
    let mut codec = keyed().open();
    let mut check = |bytes: &[u8], want: &str| {
        codec.datagram(bytes, &mut reader.out);
        let lines = reader.lines();
        assert!(lines.len() == 1 && lines[0].ends_with(want), "{lines:?} is not {want}");
    };
    let signed = |id, counter| packet(compact().sign(&key(id), counter));
    check(&signed(1, 5000), &frame);
    check(&signed(1, 5000), "counter 5000 of key 1 was used before; the newest is 5000");
    check(&signed(2, 5000), &frame);
    check(&signed(1, 4999), &frame);
    check(&signed(1, 4999), "counter 4999 of key 1 was used before; the newest is 5000");
    check(&signed(1, 3976), "counter 3976 of key 1 was used before; the newest is 5000");
    check(&signed(1, 3977), &frame);
    check(&signed(3, 1), "unknown key 3");
    check(&packet(compact()), "no trailer");
    for at in 0..signed(1, 6000).len() {
        let mut changed = signed(1, 6000);
        changed[at] ^= 1;
        codec_rejects(&mut *keyed().open(), &changed);
    }
    check(&packet(compact().sign(&Key { id: 1, ..key(2) }, 6001)), "the tag is not one of key 1");
    check(&signed(1, 6000), &frame);
}

fn codec_rejects(codec: &mut dyn Codec, bytes: &[u8]) {
    let mut reader = Reader::new();
    codec.datagram(bytes, &mut reader.out);
    let lines = reader.lines();
    assert!(lines.len() == 1 && lines[0].contains(" reject "), "{lines:?}");
}

#[test]
fn without_keys_trailers_are_not_looked_at() {
    let mut bytes = packet(compact().sign(&key(1), 1));
    *bytes.last_mut().unwrap() ^= 1;
    assert_eq!(datagram(&plain(), &bytes), datagram(&plain(), &packet(compact())));
}

#[test]
fn packet_is_full_before_it_is_too_long() {
    let mut encoder = BinaryEncoder::new(Positions::Exact, 100).sign(&key(1), 1);
    let mut pushed = 0;
    while encoder.push(&FRAME).is_ok() {
        pushed += 1;
    }
    assert_eq!((pushed, encoder.len(), encoder.push(&FRAME)), (1, 1, Err(EncodeError::Full)));
    assert!(encoder.datagram().len() <= 100);
    assert!(encoder.is_empty());
    let long = "x".repeat(256);
    assert_eq!(encoder.push(&Frame { vehicle: &long, ..FRAME }), Err(EncodeError::VehicleId(256)));
}

#[test]
fn damage_in_a_file_costs_one_packet() {
    let mut encoder = compact();
    let mut file = Vec::new();
    for n in 0..4 {
        encoder.push(&Frame { event_time: EventTime(n), ..FRAME }).unwrap();
        file.extend_from_slice(encoder.record());
    }
    let sound = stream(&plain(), &file);
    let length = file.len() / 4;
    for at in length..2 * length {
        for byte in [0, 1, 0xFF] {
            let mut damaged = file.clone();
            damaged[at] = byte;
            let lines = stream(&plain(), &damaged);
            assert_eq!((&lines[0], &lines[lines.len() - 2..]), (&sound[0], &sound[2..]), "byte {at} is {byte}");
        }
    }
    for at in 3 * length + 1..4 * length {
        let lines = stream(&plain(), &file[..at]);
        assert_eq!(lines[..3], sound[..3]);
        let cut = format!("{} reject undecodable", 3 * length);
        assert!(lines.len() == 4 && lines[3].starts_with(&cut), "{lines:?}");
    }
}

#[test]
fn file_of_another_kind_is_told_at_once() {
    let check = |bytes: &[u8], want: Expect| want.assert_eq(&stream(&plain(), bytes).join("\n"));
    check(b"id,ts,lat,lon\na,1,2,3\n", expect![[r#"not a file of the binary codec: "RHB" is missing at byte 4"#]]);
    check(b"\0\0\0\0RHB\x02\0\0\0\0", expect!["binary version 2; this build reads version 1"]);
    check(b"", expect![""]);
    check(b"\x20\0\0", expect![[r#"0 reject undecodable " \x00\x00": no packet begins here"#]]);
}

/// Id; time, latitude and longitude in bits; the floats; satellites; time of receipt; no fix.
type Parts = (String, [u64; 3], [Option<f32>; 5], Option<i16>, Option<i64>, bool);

#[allow(clippy::type_complexity, reason = "a strategy's type says what it draws")]
fn frame() -> impl Strategy<Value = Parts> {
    let float = || prop::option::of(any::<f32>());
    (
        "[a-zé]{1,20}",
        any::<[u64; 3]>(),
        [float(), float(), float(), float(), float()],
        any::<Option<i16>>(),
        any::<Option<i64>>(),
        any::<bool>(),
    )
}

/// What a frame's time may be.
const YEARS_US: u64 = (EventTime::LAST.0 - EventTime::FIRST.0) as u64;

proptest! {
    #[test]
    fn every_frame_comes_back(frames in prop::collection::vec(frame(), 0..40), limit in 0_usize..2000, signed: bool, file: bool) {
        let frames: Vec<Frame> = frames.iter().map(|(vehicle, [time, lat, lon], [a, s, h, c, d], satellites, received, no_fix)| Frame {
            vehicle,
            event_time: EventTime(EventTime::FIRST.0 + (*time % YEARS_US) as i64),
            lat: f64::from_bits(*lat),
            lon: f64::from_bits(*lon),
            altitude_m: *a,
            speed_mps: *s,
            heading_deg: *h,
            accuracy_m: *c,
            hdop: *d,
            satellites: *satellites,
            // No frame is ahead of its receipt.
            received_at: received.map(|t| EventTime(EventTime::LAST.0 - (t.unsigned_abs() % 1000) as i64)),
            no_fix: *no_fix,
        }).collect();
        let mut encoder = BinaryEncoder::new(Positions::Exact, limit);
        if signed {
            encoder = encoder.sign(&key(1), 0);
        }
        let mut reader = Reader::new();
        let mut codec = if signed { keyed().open() } else { plain().open() };
        let mut bytes = Vec::new();
        let mut send = |encoder: &mut BinaryEncoder, reader: &mut Reader| {
            if file {
                bytes.extend_from_slice(encoder.record());
            } else {
                codec.datagram(encoder.datagram(), &mut reader.out);
            }
        };
        for frame in &frames {
            if encoder.push(frame) == Err(EncodeError::Full) {
                send(&mut encoder, &mut reader);
                encoder.push(frame).unwrap();
            }
        }
        send(&mut encoder, &mut reader);
        let place = crate::codec::Place { offset: 0, received_at: crate::codec::tests::RECEIVED_AT };
        codec.stream(&bytes, true, place, &mut reader.out);
        let mut wanted = frames.iter();
        reader.each(|out| {
            let Out::Frame(got, _) = out else { panic!("{}", line(&out)) };
            let want = wanted.next().unwrap();
            let finite = |value: Option<f32>| value.filter(|value| value.is_finite());
            assert_eq!((got.lat.to_bits(), got.lon.to_bits()), (want.lat.to_bits(), want.lon.to_bits()));
            let want = Frame {
                lat: 0.0,
                lon: 0.0,
                altitude_m: finite(want.altitude_m),
                speed_mps: finite(want.speed_mps),
                heading_deg: finite(want.heading_deg),
                accuracy_m: finite(want.accuracy_m),
                hdop: finite(want.hdop),
                ..*want
            };
            assert_eq!(Frame { lat: 0.0, lon: 0.0, ..got }, want);
        });
        prop_assert!(wanted.next().is_none());
    }

    #[test]
    fn compact_positions_keep_seven_digits(lat in -900_000_000_i32..=900_000_000, lon in -1_800_000_000_i32..=1_800_000_000) {
        let frame = Frame { lat: f64::from(lat) / 1e7, lon: f64::from(lon) / 1e7, ..FRAME };
        let mut encoder = compact();
        encoder.push(&frame).unwrap();
        let mut reader = Reader::new();
        plain().open().datagram(encoder.datagram(), &mut reader.out);
        reader.each(|out| assert!(matches!(out, Out::Frame(got, _) if got == frame)));
    }

    #[test]
    fn compact_positions_out_of_reach_are_not_a_number(deg in prop_oneof![any::<f64>(), -300.0..300.0]) {
        let mut encoder = compact();
        encoder.push(&Frame { lat: deg, ..FRAME }).unwrap();
        let mut reader = Reader::new();
        plain().open().datagram(encoder.datagram(), &mut reader.out);
        reader.each(|out| {
            let Out::Frame(got, _) = out else { panic!("{}", line(&out)) };
            assert!(if deg.abs() < 214.748_364_7 { (got.lat - deg).abs() <= 0.500_001e-7 } else { got.lat.is_nan() });
        });
    }
}
