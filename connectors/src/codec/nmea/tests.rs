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
    assert!(got[0].ends_with("12:00:00 of an unknown day: no RMC, no ZDA and no TAG block tells it"), "{}", got[0]);
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
    codec.release(None, &mut reader.out);
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

/// Seconds since 1970 of 21 November 2026, 12:00.
const NOON: i64 = 1_795_262_400;

/// Datagrams, each with its sender, when it is received (seconds after noon) and its lines. What comes out carries the
/// number of its datagram.
fn live(config: NmeaConfig, datagrams: &[(&str, f64, &str)], end: Option<f64>) -> Vec<String> {
    let at = |seconds: f64| EventTime(NOON * SECOND_US + (seconds * 1e6) as i64);
    let mut reader = Reader::new();
    let mut codec = NmeaCodec::new(&config);
    for (number, (sender, received, lines)) in (0..).zip(datagrams) {
        Conversation::from(&mut codec, format!("10.0.0.{sender}:1").parse().unwrap());
        reader.out.at(number, at(*received));
        codec.datagram(&text(lines), &mut reader.out);
    }
    codec.release(end.map(at), &mut reader.out);
    let short = |line: String| {
        let parts: Vec<&str> = line.split(' ').collect();
        let time = parts[2].trim_end_matches('s').parse::<f64>().map(|time| (time - NOON as f64).to_string());
        let rest: String = parts[5..].iter().take_while(|part| **part != "received").map(|p| format!(" {p}")).collect();
        format!("{} {} {}{rest}", parts[0], parts[1], time.unwrap_or_else(|_| line.clone()))
    };
    reader.lines().into_iter().map(short).collect()
}

const RMC: &str = "GPRMC,120000,A,4916.45,N,12311.12,W,,90.5,211126,,";
const GGA: &str = "GPGGA,120000,4916.45,N,12311.12,W,1,08,,45.5,M,,,,";

#[test]
fn sentences_of_an_instant_may_come_one_a_datagram_from_many_senders() {
    let datagrams = [
        ("1", 0.1, RMC),
        ("2", 0.1, RMC),
        ("1", 0.2, GGA),
        ("2", 0.2, GGA),
        ("1", 0.3, "GPVTG,91.0,T,,M,36.0,N,66.7,K,A"),
        ("1", 0.5, "GPGLL,4916.45,N,12311.12,W,120001,A"),
    ];
    let got = live(NmeaConfig::default(), &datagrams, None);
    let want = [
        "0 10.0.0.1 0 altitude 45.5 speed 18.520000457763672 heading 90.5 satellites 8",
        "1 10.0.0.2 0 altitude 45.5 heading 90.5 satellites 8",
        "5 10.0.0.1 1",
    ];
    assert_eq!(got, want);
}

#[test]
fn instant_of_a_datagram_waits_for_more_no_longer_than_a_second() {
    let datagrams = [("1", 0.0, RMC), ("2", 0.9, RMC), ("1", 1.1, GGA)];
    let apart = ["0 10.0.0.1 0 heading 90.5", "1 10.0.0.2 0 heading 90.5"];
    assert_eq!(live(NmeaConfig::default(), &datagrams, Some(1.2)), apart[..1], "the second may go on");
    assert_eq!(live(NmeaConfig::default(), &datagrams[..2], Some(1.8)), apart[..1], "time passes in silence");
    assert_eq!(live(NmeaConfig::default(), &datagrams[..2], Some(2.0)), apart);
    assert_eq!(live(NmeaConfig::default(), &datagrams[..1], Some(1.0)), Vec::<String>::new());
    // What ends it early: its sender's next instant, the sentence that always does, a datagram of several sentences.
    let next = [datagrams[0], ("1", 0.1, "GPGLL,4916.45,N,12311.12,W,120001,A")];
    assert_eq!(live(NmeaConfig::default(), &next, Some(0.1)), apart[..1]);
    let ends_with = NmeaConfig { ends_with: Some(*b"RMC"), ..NmeaConfig::default() };
    assert_eq!(live(ends_with, &datagrams[..1], Some(0.0)), apart[..1]);
    let both = format!("{RMC}\n{GGA}");
    let got = live(NmeaConfig::default(), &[("1", 0.0, &both)], Some(0.0));
    assert_eq!(got, ["0 10.0.0.1 0 altitude 45.5 heading 90.5 satellites 8"]);
}

#[test]
fn interleaved_vehicles_of_a_stream_have_an_instant_each() {
    for (from, a, b) in [(VehicleFrom::Tag, "\\s:a\\", "\\s:b\\"), (VehicleFrom::Prefix, "a:", "b:")] {
        let line = |who: &str, lines: &str| {
            let sentence = String::from_utf8(text(lines)).unwrap();
            format!("{who}{sentence}")
        };
        let later = "GPGLL,4916.45,N,12311.12,W,120001,A";
        let lines = [line(a, RMC), line(b, RMC), line(a, GGA), line(b, GGA), line(a, later)].concat();
        check(
            config(|c| c.vehicle = from),
            &lines.replace("\r\n", "\n"),
            match from {
                VehicleFrom::Tag => expect![[r#"
                    0 a 1795262400s 49.274166666666666 -123.18533333333333 altitude 45.5 heading 90.5 satellites 8
                    61 b 1795262400s 49.274166666666666 -123.18533333333333 altitude 45.5 heading 90.5 satellites 8
                    244 a 1795262401s 49.274166666666666 -123.18533333333333"#]],
                _ => expect![[r#"
                    0 a 1795262400s 49.274166666666666 -123.18533333333333 altitude 45.5 heading 90.5 satellites 8
                    58 b 1795262400s 49.274166666666666 -123.18533333333333 altitude 45.5 heading 90.5 satellites 8
                    232 a 1795262401s 49.274166666666666 -123.18533333333333"#]],
            },
        );
    }
}

#[test]
fn reader_that_starts_anew_inside_a_stream_still_knows_the_vehicle() {
    let CodecConfig::Nmea(nmea) = config(|c| c.vehicle = VehicleFrom::Prefix) else { unreachable!() };
    let line = |lines: &str| format!("bus:{}", String::from_utf8(text(lines)).unwrap());
    let bytes = [line(RMC), line(&RMC.replace("120000", "120001"))].concat().into_bytes();
    let place = Place { offset: 0, received_at: EventTime(0) };
    let mut reader = Reader::new();
    let done = NmeaCodec::new(&nmea).stream(&bytes, false, place, &mut reader.out);
    assert_eq!(reader.lines().len(), 1);
    NmeaCodec::new(&nmea).stream(&bytes[done..], true, place, &mut reader.out);
    assert!(reader.lines()[0].starts_with("0 bus 1795262401s"));
}

#[test]
fn silent_vehicle_of_a_stream_keeps_the_others_from_nothing() {
    let line = |who: &str, second: usize, kind: &str| {
        let sentence = text(&kind.replace("120000", &format!("12{:02}{:02}", second / 60, second % 60)));
        format!("{who}:{}", String::from_utf8(sentence).unwrap())
    };
    let others = (0..2000).flat_map(|n| [line("b", n, RMC), line("b", n, GGA)]);
    let lines: String = std::iter::once(line("a", 0, RMC)).chain(others).collect();
    let got = stream(&config(|c| c.vehicle = VehicleFrom::Prefix), lines.as_bytes());
    assert_eq!(got.len(), 2001);
    assert!(got[1..].iter().all(|line| line.ends_with("altitude 45.5 heading 90.5 satellites 8")));
}

#[test]
fn day_of_what_comes_late_is_that_of_its_last_known_moment() {
    // All of it was taken three days before it is received.
    let lines = "GPRMC,235958,A,4916.45,N,12311.12,W,,,181126,,
         GPGGA,235959,4916.45,N,12311.12,W,1,08,,,,,,,
         GPGGA,000001,4916.45,N,12311.12,W,1,08,,,,,,,
         GPZDA,120002,17,11,2026,00,00
         GPGGA,120003,4916.45,N,12311.12,W,1,08,,,,,,,";
    let days = |n: f64| (n * 86_400.0) as i64;
    let want = |number: [i64; 4]| {
        let [a, b, c, d] = number;
        let gga = "satellites 8";
        [
            format!("{a} 10.0.0.1 {}", days(-2.5) - 2),
            format!("{b} 10.0.0.1 {} {gga}", days(-2.5) - 1),
            format!("{c} 10.0.0.1 {} {gga}", days(-2.5) + 1),
            format!("{d} 10.0.0.1 {} {gga}", days(-4.0) + 3),
        ]
    };
    assert_eq!(live(NmeaConfig::default(), &[("1", 0.0, lines)], None), want([0; 4]));
    let singly: Vec<(&str, f64, &str)> = lines.lines().map(|line| ("1", 0.0, line)).collect();
    assert_eq!(live(NmeaConfig::default(), &singly, None), want([0, 1, 2, 4]));
    // In a stream as well.
    let mut reader = Reader::new();
    let mut codec = NmeaCodec::new(&NmeaConfig::default());
    Conversation::from(&mut codec, "10.0.0.1:1".parse().unwrap());
    let place = Place { offset: 0, received_at: EventTime(NOON * SECOND_US) };
    codec.stream(&text(lines), true, place, &mut reader.out);
    let times: Vec<String> = reader.lines().iter().map(|l| l.split(' ').nth(2).unwrap().to_owned()).collect();
    assert_eq!(
        times,
        [-2, -1, 1]
            .map(|s| days(-2.5) + s)
            .into_iter()
            .chain([days(-4.0) + 3])
            .map(|s| format!("{}s", NOON + s))
            .collect::<Vec<_>>()
    );
    // One sender tells nothing of another.
    let two = [("1", 0.0, "GPRMC,120000,A,4916.45,N,12311.12,W,,,181126,,"), ("2", 0.0, GGA)];
    assert_eq!(live(NmeaConfig::default(), &two, None)[1], "1 10.0.0.2 0 altitude 45.5 satellites 8");
}

#[test]
fn long_silence_does_not_cost_a_day() {
    let evening = "GPRMC,180000,A,4916.45,N,12311.12,W,,,181126,,";
    let morning = "GPGLL,4916.45,N,12311.12,W,080000,A";
    let got = live(NmeaConfig::default(), &[("1", 0.0, evening), ("1", 14.0 * 3600.0, morning)], None);
    assert_eq!(
        got,
        [format!("0 10.0.0.1 {}", 6 * 3600 - 3 * 86_400), format!("1 10.0.0.1 {}", 20 * 3600 - 3 * 86_400)]
    );
}

#[test]
fn instants_of_ever_new_senders_are_held_up_to_a_limit() {
    let mut reader = Reader::new();
    let mut codec = NmeaCodec::new(&NmeaConfig::default());
    let rmc = text(RMC);
    for n in 0..INSTANTS_MAX as u32 + 5 {
        let sender = std::net::Ipv4Addr::from_bits(n);
        Conversation::from(&mut codec, (sender, 1).into());
        reader.out.at(i64::from(n), EventTime(NOON * SECOND_US));
        codec.datagram(&rmc, &mut reader.out);
    }
    assert_eq!((reader.lines().len(), codec.queue.len()), (5, INSTANTS_MAX));
}

#[test]
fn leap_second_is_an_instant_of_its_own() {
    check(
        config(|_| {}),
        "GPRMC,235959,A,4807.038,N,01131.000,E,,,311216,,
         GPRMC,235960,A,4907.038,N,01131.000,E,,,311216,,
         GPRMC,000000,A,5007.038,N,01131.000,E,,,010117,,",
        expect![[r#"
            0 unknown 1483228799s 48.1173 11.516666666666667
            54 unknown 1483228799.999s 49.1173 11.516666666666667
            108 unknown 1483228800s 50.1173 11.516666666666667"#]],
    );
}

#[test]
fn tag_block_tells_the_day() {
    let gll = |time: &str| format!("$GPGLL,4916.45,N,12311.12,W,{time},A\n");
    // Around midnight after 1 May 2024, in seconds and in milliseconds; the block's clock is some seconds ahead.
    let lines = [
        format!("\\s:b\\{}", gll("235957")),
        format!("\\s:a,c:1714608001\\{}", gll("235958")),
        format!("\\s:a,c:1714608003000\\{}", gll("000001")),
        format!("\\s:a,c:1714694403\\{}", gll("000001.5")),
        format!("\\s:a\\{}", gll("000002")),
    ];
    let got = stream(&config(|c| c.vehicle = VehicleFrom::Tag), lines.concat().as_bytes());
    let got: Vec<&str> = got.iter().map(|line| line.split(" 49.").next().unwrap().split_once(' ').unwrap().1).collect();
    let want = ["b 1714607997s", "a 1714607998s", "a 1714608001s", "a 1714694401.5s", "a 1714694402s"];
    assert_eq!(got, want);
}

#[test]
fn position_without_a_time_is_of_the_instant_before_it() {
    check(
        config(|_| {}),
        "GPGLL,4916.45,N,12311.12,W
         GPRMC,120000,A,4916.45,N,12311.12,W,,,211126,,
         GPGLL,4916.4512,N,12311.1234,W
         GPRMC,120001,A,4916.45,N,12311.12,W,,,211126,,
         GPGLL,4916.45,N,12311.12,W,,V",
        expect![[r#"
            0 reject undecodable "$GPGLL,4916.45,N,12311.12,W*71": GLL: no time (hhmmss)
            32 unknown 1795262400s 49.274186666666665 -123.18539
            120 unknown 1795262401s 49.274166666666666 -123.18533333333333 no_fix 1"#]],
    );
}
