//! What this codec makes of sentences.

use super::*;
use crate::codec::CodecConfig;
use crate::codec::tests::{Reader, cut_stream, datagram, stream};
use expect_test::{Expect, expect};

fn config(change: impl FnOnce(&mut NmeaConfig)) -> CodecConfig {
    let mut nmea = NmeaConfig::default();
    change(&mut nmea);
    CodecConfig::Nmea(nmea)
}

/// Lines with their checksum: `GPRMC,...` becomes `$GPRMC,...*hh`; what has a `*` or no `G` at its head stays as it is.
fn text(lines: &str) -> Vec<u8> {
    let sentence = |line: &str| match line.trim() {
        line if line.starts_with('G') && !line.contains('*') => {
            format!("${line}*{:02X}\r\n", sentence::checksum(line.as_bytes()))
        }
        line => format!("{line}\r\n"),
    };
    lines.trim().lines().map(sentence).collect::<String>().into_bytes()
}

#[track_caller]
fn check(config: CodecConfig, lines: &str, want: Expect) {
    let bytes = text(lines);
    let got = stream(&config, &bytes);
    want.assert_eq(&got.join("\n"));
    for step in [1, 7, 80] {
        let cuts: Vec<usize> = (0..bytes.len()).step_by(step).collect();
        assert_eq!(cut_stream(&config, &bytes, &cuts), got, "cut every {step} bytes");
    }
}

#[test]
fn sentences_of_one_instant_make_one_frame() {
    check(
        config(|_| {}),
        "GPRMC,120000.50,A,4916.45,N,12311.12,W,10.0,90.5,010524,,,A
         GPGGA,120000.50,4916.4500,N,12311.1200,W,1,08,0.9,45.5,M,,,,
         GPGSA,A,3,01,02,03,04,,,,,,,,,1.6,1.1,1.0
         GPVTG,91.0,T,,M,11.0,N,20.4,K,A
         GPGLL,4916.46,N,12311.13,W,120001.50,A,A",
        expect![[r#"
            0 unknown 1714564800.5s 49.274166666666666 -123.18533333333333 altitude 45.5 speed 5.144444465637207 heading 90.5 hdop 0.8999999761581421 satellites 8
            215 unknown 1714564801.5s 49.27433333333333 -123.1855"#]],
    );
}

/// Once the second and third of these were taken for more of the first.
#[test]
fn one_time_of_two_days_is_two_instants() {
    check(
        config(|_| {}),
        "GPRMC,080000,A,4916.45,N,12311.12,W,,,010524,,,A
         GPRMC,080000,A,4916.46,N,12311.12,W,,,020524,,,A
         GPGGA,080000,4916.4600,N,12311.1200,W,1,08,0.9,45.5,M,,,,
         GPRMC,080000,A,4916.47,N,12311.12,W,,,030524,,,A",
        expect![[r#"
            0 unknown 1714550400s 49.274166666666666 -123.18533333333333
            54 unknown 1714636800s 49.27433333333333 -123.18533333333333 altitude 45.5 hdop 0.8999999761581421 satellites 8
            171 unknown 1714723200s 49.2745 -123.18533333333333"#]],
    );
}

#[test]
fn any_sentence_may_say_that_there_is_no_fix() {
    let cases = [
        ("GPRMC,120000,V,4916.45,N,12311.12,W,,,010524,,", true),
        ("GPRMC,120000,A,4916.45,N,12311.12,W,,,010524,,,S", true),
        ("GPRMC,120000,A,4916.45,N,12311.12,W,,,010524,,,D", false),
        ("GPGGA,120000,4916.45,N,12311.12,W,0,,,,,,,,", true),
        ("GPGGA,120000,4916.45,N,12311.12,W,6,,,,,,,,", false),
        ("GPGNS,120000,4916.45,N,12311.12,W,NN,,,,,,,,", true),
        ("GPGNS,120000,4916.45,N,12311.12,W,NA,,,,,,,,", false),
        ("GNGNS,120000,4916.45,N,12311.12,W,DDD,22,0.6,,,,\nGPGNS,120000,,,,,,9,,,,3.1,135", false),
        ("GPGLL,4916.45,N,12311.12,W,120000,V", true),
        ("GPGLL,4916.45,N,12311.12,W,120000", false),
    ];
    for (sentence, no_fix) in cases {
        let got = stream(&config(|c| c.date = Some(0)), &text(sentence));
        assert_eq!(got[0].ends_with("no_fix 1"), no_fix, "{sentence}: {got:?}");
    }
}

#[test]
fn day_comes_from_the_sentence_before_or_after_and_over_midnight() {
    check(
        config(|_| {}),
        "GPGGA,235958,4916.45,N,12311.12,W,1,08,0.9,45.5,M,,,,
         GPGGA,235959,4916.45,N,12311.12,W,1,08,0.9,45.5,M,,,,
         GPGGA,000000,4916.45,N,12311.12,W,1,08,0.9,45.5,M,,,,
         GPZDA,000000,02,05,2024,00,00
         GPGGA,235959,4916.45,N,12311.12,W,1,08,0.9,45.5,M,,,,
         GPGGA,000001,4916.45,N,12311.12,W,1,08,0.9,45.5,M,,,,",
        expect![[r#"
            0 unknown 1714607998s 49.274166666666666 -123.18533333333333 altitude 45.5 hdop 0.8999999761581421 satellites 8
            59 unknown 1714607999s 49.274166666666666 -123.18533333333333 altitude 45.5 hdop 0.8999999761581421 satellites 8
            118 unknown 1714608000s 49.274166666666666 -123.18533333333333 altitude 45.5 hdop 0.8999999761581421 satellites 8
            212 unknown 1714607999s 49.274166666666666 -123.18533333333333 altitude 45.5 hdop 0.8999999761581421 satellites 8
            271 unknown 1714608001s 49.274166666666666 -123.18533333333333 altitude 45.5 hdop 0.8999999761581421 satellites 8"#]],
    );
}

#[test]
fn instant_whose_day_nobody_tells_is_rejected() {
    let got = stream(&config(|_| {}), &text("GPGGA,120000,4916.45,N,12311.12,W,1,08,0.9,45.5,M,,,,"));
    assert_eq!(got.len(), 1);
    assert!(got[0].ends_with("12:00:00 of an unknown day: no RMC and no ZDA tells it"), "{}", got[0]);
}

#[test]
fn what_is_wrong_with_a_sentence_is_said() {
    check(
        config(|c| c.checksum_required = true),
        "GPRMC,120000,A,4916.45,N,12311.12,W,,,010524,,*00
         GPRMC,120000,A,4960.45,N,12311.12,W,,,010524,,
         GPRMC,120000,A,4916.45,N,12311.12,,,,010524,,
         GPRMC,126000,A,4916.45,N,12311.12,W,,,010524,,
         GPRMC,120000,A,4916.45,N,12311.12,W,,,320524,,
         $GPRMC,120000,A,4916.45,N,12311.12,W,,,010524,,
         no sentence
         GPTXT,01,01,02,hello
         !AIVDM,1,1,,B,13aGhtw0R<OJf=6LgQ?Ad1FF05`L,0*24",
        expect![[r#"
            0 reject undecodable "GPRMC,120000,A,4916.45,N,12311.12,W,,,010524,,*00": no sentence: no $ and no !
            51 reject undecodable "$GPRMC,120000,A,4960.45,N,12311.12,W,,,010524,,*07": RMC: no latitude (ddmm.mm, N or S)
            103 reject undecodable "$GPRMC,120000,A,4916.45,N,12311.12,,,,010524,,*51": RMC: no longitude (dddmm.mm, E or W)
            154 reject undecodable "$GPRMC,126000,A,4916.45,N,12311.12,W,,,010524,,*00": RMC: no time (hhmmss)
            206 reject undecodable "$GPRMC,120000,A,4916.45,N,12311.12,W,,,320524,,*06": RMC: no date (ddmmyy)
            258 reject checksum "$GPRMC,120000,A,4916.45,N,12311.12,W,,,010524,,": no checksum: no * and two hexadecimal digits at the end
            307 reject undecodable "no sentence": no sentence: no $ and no !"#]],
    );
}

#[test]
fn broken_off_sentence_does_not_take_the_next_one_with_it() {
    let whole = text("GPGLL,4916.45,N,12311.12,W,120000,A");
    let line = [&whole[..20], &whole].concat();
    let got = stream(&config(|c| c.date = Some(0)), &line);
    assert_eq!(got.len(), 2, "{got:?}");
    assert!(got[0].contains("reject undecodable") || got[0].contains("reject checksum"), "{got:?}");
    assert!(got[1].contains("unknown 43200s"), "{got:?}");
}

#[test]
fn vehicle_comes_from_where_the_configuration_says() {
    let gll = "$GPGLL,4916.45,N,12311.12,W,120000,A*33";
    assert_eq!(text("GPGLL,4916.45,N,12311.12,W,120000,A"), format!("{gll}\r\n").into_bytes());
    let vehicle = |config: NmeaConfig, line: &str| -> String {
        let config = CodecConfig::Nmea(NmeaConfig { date: Some(0), ..config });
        let got = datagram(&config, line.as_bytes());
        got[0].split(' ').nth(1).unwrap().to_owned()
    };
    let from = |vehicle| NmeaConfig { vehicle, ..NmeaConfig::default() };
    assert_eq!(vehicle(NmeaConfig { vehicle_id: Some("b".into()), ..NmeaConfig::default() }, gll), "b");
    assert_eq!(vehicle(from(VehicleFrom::Prefix), &format!("bus 7: {gll}")), "bus");
    assert_eq!(vehicle(from(VehicleFrom::Prefix), &format!("bus7,{gll}")), "bus7");
    assert_eq!(vehicle(from(VehicleFrom::Prefix), gll), "reject");
    assert_eq!(vehicle(from(VehicleFrom::Tag), &format!("\\s:bus7,c:1714564800*16\\{gll}")), "reject");
    assert_eq!(vehicle(from(VehicleFrom::Tag), &format!("\\s:bus7\\{gll}")), "bus7");
    let sum = sentence::checksum(b"s:bus7,c:1714564800");
    assert_eq!(vehicle(from(VehicleFrom::Tag), &format!("\\s:bus7,c:1714564800*{sum:02X}\\{gll}")), "bus7");
}

#[test]
fn sender_and_clock_tell_what_a_datagram_does_not() {
    let mut reader = Reader::new();
    let mut codec = NmeaCodec::new(&NmeaConfig::default());
    // Half a minute after midnight of 2 May 2024.
    for (sender, time) in [("10.0.0.7:5000", "235959"), ("[2001:db8::1]:5000", "000010")] {
        Conversation::from(&mut codec, sender.parse().unwrap());
        reader.out.at(3, EventTime(1_714_608_030_000_000));
        codec.datagram(&text(&format!("GPGLL,4916.45,N,12311.12,W,{time},A")), &mut reader.out);
    }
    let lines = reader.lines();
    assert!(lines[0].starts_with("3 10.0.0.7 1714607999s "), "{lines:?}");
    assert!(lines[1].starts_with("3 2001:db8::1 1714608010s "), "{lines:?}");
}

#[test]
fn sentence_that_ends_an_instant_hands_it_on_at_once() {
    let CodecConfig::Nmea(nmea) = config(|c| (c.ends_with, c.date) = (Some(*b"GLL"), Some(0))) else { unreachable!() };
    let mut reader = Reader::new();
    let mut codec = NmeaCodec::new(&nmea);
    Conversation::from(&mut codec, "10.0.0.7:1".parse().unwrap());
    let bytes = text("GPGGA,120000,4916.45,N,12311.12,W,1,08,,,,,,,\nGPGLL,4916.45,N,12311.12,W,120000,A");
    let place = Place { offset: 0, received_at: EventTime(1_714_608_030_000_000) };
    assert_eq!(codec.stream(&bytes, false, place, &mut reader.out), bytes.len());
    assert_eq!(reader.lines().len(), 1);
}

#[test]
fn instants_without_a_day_do_not_wait_for_ever() {
    let one = text("GPGGA,120000,4916.45,N,12311.12,W,1,08,0.9,45.5,M,,,,");
    let long = one.repeat(2 * RECORD_MAX / one.len());
    let got = stream(&config(|_| {}), &long);
    assert!(got.iter().all(|line| line.contains("of an unknown day")), "{:?}", got.first());
    assert!(got.len() > 1 && cut_stream(&config(|_| {}), &long, &[1000, 70_000]) == got);
}
