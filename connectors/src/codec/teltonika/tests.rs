//! What this codec reads, answers and refuses. Bytes are Teltonika's own examples, or made from them.

use super::*;
use crate::codec::CodecConfig;
use crate::codec::tests::{Reader, datagram, stream};
use expect_test::{Expect, expect};

const CODEC_8_UDP: &str = "003DCAFE0105000F33353230393330383634303336353508010000016B4F815B30010000000000000000000000000000000103021503010101425DBC000001";
const CODEC_8_TCP: &str = "000000000000004308020000016B40D57B480100000000000000000000000000000001010101000000000000016B40D5C198010000000000000000000000000000000101010101000000020000252C";
const CODEC_12_TCP: &str = "000000000000000D0C010500000005676574696F0100004312";
const LOGIN_HEX: &str = "000F333532303933303836343033363535";

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn config() -> CodecConfig {
    CodecConfig::Teltonika(TeltonikaConfig::default())
}

fn shorten(lines: Vec<String>) -> String {
    let short =
        |line: String| match line.split_once('"').and_then(|(head, rest)| Some((head, rest.rsplit_once('"')?.1))) {
            Some((head, rest)) => format!("{head}RAW{rest}"),
            None => line,
        };
    lines.into_iter().map(short).collect::<Vec<_>>().join("\n")
}

fn check_datagram(change: impl FnOnce(&mut Vec<u8>), want: Expect) {
    let mut bytes = hex(CODEC_8_UDP);
    change(&mut bytes);
    want.assert_eq(&shorten(datagram(&config(), &bytes)));
}

#[test]
fn datagrams_are_frames_or_say_what_is_wrong_with_them() {
    check_datagram(
        |_| {},
        expect!["0 352093086403655 1560407006s 0 0 altitude 0 speed 0 heading 0 satellites 0 no_fix 1"],
    );
    check_datagram(|b| b[1] = 0x3F, expect!["0 reject undecodable RAW: byte 0: says that 63 bytes follow, and 61 do"]);
    check_datagram(|b| b[7] = 14, expect!["0 reject undecodable RAW: byte 6: an IMEI of 14 digits; it has 15"]);
    check_datagram(|b| b[9] = b'@', expect!["0 reject vehicle_id RAW"]);
    check_datagram(
        |b| b[23] = 9,
        expect!["0 reject undecodable RAW: codec id 0x09 is unknown; positions come in 0x08, 0x8e and 0x10"],
    );
    check_datagram(
        |b| b[24] = 2,
        expect![
            "0 reject undecodable RAW: byte 39 of the AVL data: record 2 of 2 of codec 8 does not fit into the packet"
        ],
    );
    check_datagram(
        |b| *b.last_mut().unwrap() = 2,
        expect!["0 reject undecodable RAW: says 1 records at its head and 2 at its end"],
    );
    check_datagram(
        |b| b[33] = 4,
        expect![
            "0 reject undecodable RAW: byte 2 of the AVL data: record 1 of 1 of codec 8 has priority 4; there are 0, 1 and 2"
        ],
    );
    check_datagram(
        |b| b[25] = 1,
        expect![
            "0 reject undecodable RAW: byte 2 of the AVL data: record 1 of 1 of codec 8 has a time of 72059154444933936 ms, after the year 9999"
        ],
    );
    check_datagram(
        |b| b[50] = 4,
        expect![
            "0 reject undecodable RAW: byte 2 of the AVL data: record 1 of 1 of codec 8 says 4 IO elements and has 3"
        ],
    );
    check_datagram(|b| b.truncate(20), expect!["0 reject undecodable RAW: 20 bytes; a packet has at least 23"]);
    check_datagram(|b| *b = vec![PING], expect![""]);
}

#[test]
fn stream_has_the_vehicle_of_its_last_login() {
    let packet = hex(CODEC_8_TCP);
    let bytes = [packet.clone(), vec![PING], hex(LOGIN_HEX), packet].concat();
    let vehicles: Vec<String> =
        stream(&config(), &bytes).iter().map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect();
    assert_eq!(vehicles, ["unknown", "unknown", "352093086403655", "352093086403655"]);
}

#[test]
fn nothing_that_looks_like_a_packet_is_passed_over_after_garbage() {
    let bytes = [b"GET / HTTP/1.1\r\n".to_vec(), hex(CODEC_8_TCP)].concat();
    let lines = stream(&config(), &bytes);
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].ends_with("\"GET / HTTP/1.1\\r\\n\": no packet and no login begins here"), "{}", lines[0]);
}

/// What a device is answered, and after which wait.
fn answers(inputs: &[Vec<u8>], transport: &str) -> (Vec<String>, bool) {
    let mut reader = Reader::new();
    let mut codec = TeltonikaCodec::new(&TeltonikaConfig::default());
    Conversation::from(&mut codec, "127.0.0.1:1".parse().unwrap());
    for bytes in inputs {
        match transport {
            "udp" => codec.datagram(bytes, &mut reader.out),
            _ => {
                let place = Place { offset: 100, received_at: rhumb_engine::time::EventTime(0) };
                codec.stream(bytes, false, place, &mut reader.out);
            }
        }
    }
    let replies = std::iter::from_fn(|| Conversation::reply(&mut codec));
    (replies.map(|reply| format!("{:02X?} {:?}", reply.bytes(), reply.when)).collect(), codec.is_over())
}

#[test]
fn device_is_told_how_many_records_were_taken() {
    let udp = hex(CODEC_8_UDP);
    let (told, _) = answers(std::slice::from_ref(&udp), "udp");
    assert_eq!(told, ["[00, 05, CA, FE, 01, 05, 01] Durable"]);
    let (told, over) = answers(&[hex(LOGIN_HEX), hex(CODEC_8_TCP), hex(CODEC_12_TCP)], "tcp");
    assert_eq!((told, over), (vec!["[01] AtOnce".to_owned(), "[00, 00, 00, 02] Durable".to_owned()], false));
}

#[test]
fn damaged_packet_is_asked_for_again_and_an_unreadable_one_is_not() {
    let mut damaged = hex(CODEC_8_TCP);
    damaged[20] ^= 1;
    assert_eq!(answers(&[hex(LOGIN_HEX), damaged], "tcp").0[1], "[00, 00, 00, 00] AtOnce");
    let mut unreadable = hex(CODEC_8_TCP);
    unreadable[18] = 9;
    let end = unreadable.len() - TAIL;
    let sum = u32::from(crc16(&unreadable[HEAD..end])).to_be_bytes();
    unreadable[end..].copy_from_slice(&sum);
    assert_eq!(answers(&[hex(LOGIN_HEX), unreadable], "tcp").0[1], "[00, 00, 00, 02] Durable");
    let mut unreadable = hex(CODEC_8_UDP);
    unreadable[33] = 4;
    assert_eq!(answers(&[unreadable.clone()], "udp").0, ["[00, 05, CA, FE, 01, 05, 01] Durable"]);
    unreadable[1] += 1;
    assert!(answers(&[unreadable], "udp").0.is_empty(), "what was cut is sent again");
}

#[test]
fn who_does_not_log_in_is_turned_away() {
    assert_eq!(answers(&[hex(CODEC_8_TCP)], "tcp"), (vec![], true));
    assert_eq!(answers(&[hex("000F334032303933303836343033363535")], "tcp"), (vec!["[00] AtOnce".to_owned()], true));
    for imei in ["35209308640365", "3520930864036555", "ABC"] {
        let login = [&[0, imei.len() as u8], imei.as_bytes()].concat();
        assert_eq!(answers(std::slice::from_ref(&login), "tcp"), (vec!["[00] AtOnce".to_owned()], true), "{imei}");
        assert_eq!(answers(&[login[..login.len() - 1].to_vec()], "tcp"), (vec![], false), "more of {imei} may come");
        let got = stream(&CodecConfig::Teltonika(TeltonikaConfig::default()), &login);
        assert!(got[0].contains("reject undecodable"), "no login of a recording: {got:?}");
    }
    assert_eq!(answers(&[b"GET / HTTP/1.1\r\n".to_vec()], "tcp"), (vec![], true));
}

#[test]
fn chosen_elements_become_columns() {
    let io = |name: &str, id, holds| IoColumn { holds, ..IoColumn::new(name, id) };
    let volts = IoColumn { scale: 0.001, ..io("battery_v", 66, IoType::Float) };
    let config = TeltonikaConfig {
        keep: vec![Kept::EventIoId, Kept::GenerationType],
        io: vec![
            volts,
            io("moving", 1, IoType::Bool),
            io("odometer_m", 16, IoType::Int),
            io("tag", 66 + 256, IoType::Text),
        ],
    };
    let config = CodecConfig::Teltonika(config);
    let mut reader = Reader::of(&config);
    config.open().datagram(&hex(CODEC_8_UDP), &mut reader.out);
    let batch = reader.out.finish().remove(0).frames;
    let columns: Vec<String> = batch.extra.iter().map(|(field, array)| format!("{} {array:?}", field.name())).collect();
    let columns = columns.join("; ").replace('\n', "");
    expect!["event_io_id PrimitiveArray<Int64>[  1,]; battery_v PrimitiveArray<Float64>[  23.996000000000002,]; moving BooleanArray[  true,]"]
        .assert_eq(&columns);
}

#[test]
fn two_columns_of_one_element_or_one_name_are_mistakes() {
    let config = TeltonikaConfig {
        keep: vec![Kept::Io],
        io: vec![IoColumn::new("a", 1), IoColumn::new("b", 1), IoColumn::new("io", 2)],
    };
    assert_eq!(config.mistakes(), ["a and b are both IO element 1", "two columns are called io"]);
    assert_eq!(config.describe(), "io, a from IO 1, b from IO 1, io from IO 2");
}
