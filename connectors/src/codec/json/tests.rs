use super::*;
use crate::codec::CodecConfig;
use crate::codec::extra::{COLUMNS_MAX, ColumnType, ExtraColumn};
use crate::codec::fields::Field;
use crate::codec::mapping::Mapped;
use crate::codec::tests::{Out, Reader, columns, datagram, line, stream};
use crate::codec::units::{LengthUnit, SpeedUnit, TimeUnit};
use expect_test::{Expect, expect};
use proptest::prelude::*;
use rhumb_engine::frame::Frame;
use rhumb_engine::time::EventTime;
use serde_json::{Map, Value, json};

fn check(text: &str, want: Expect) {
    let lines = stream(&CodecConfig::named("json").unwrap(), text.as_bytes());
    want.assert_eq(&lines.join("\n"));
    let lines_of_datagram = datagram(&CodecConfig::named("json").unwrap(), text.as_bytes());
    let without_offset = |line: &String| line.split_once(' ').unwrap().1.to_owned();
    assert!(lines.iter().map(without_offset).eq(lines_of_datagram.iter().map(without_offset)));
}

#[test]
fn objects_alone_in_lines_in_arrays_and_one_after_the_other() {
    check(r#"{"id":"a","ts":1,"lat":10,"lon":20}"#, expect!["0 a 1s 10 20"]);
    check(
        "\u{feff}{\"id\":\"a\",\"ts\":1,\"lat\":10,\"lon\":20}\r\n\r\n  {\"id\":\"b\",\"ts\":2,\"lat\":10,\"lon\":20}\n",
        expect![[r#"
            3 a 1s 10 20
            44 b 2s 10 20"#]],
    );
    check(
        r#" [ {"id":"a","ts":1,"lat":10,"lon":20} , {"id":"b","ts":2,"lat":10,"lon":20}{"id":"c","ts":3,"lat":10,"lon":20}]"#,
        expect![[r#"
            3 a 1s 10 20
            41 b 2s 10 20
            76 c 3s 10 20"#]],
    );
    check("[]", expect![""]);
    check("{ \"id\" : \"a\" ,\n\t\"ts\" : 1 , \"lat\":10, \"lon\" :\r\n 20 }", expect!["0 a 1s 10 20"]);
}

#[test]
fn array_that_is_cut_is_told() {
    check(
        r#"[{"id":"a","ts":1,"lat":10,"lon":20},"#,
        expect![[r#"
            1 a 1s 10 20
            37 reject undecodable "": the input ends inside an array"#]],
    );
    check(
        r#"[[{"id":"a","ts":1,"lat":10,"lon":20}]"#,
        expect![[r#"
        2 a 1s 10 20
        38 reject undecodable "": the input ends inside an array"#]],
    );
    check("[{\"id\":\"a\",\"ts\":1,\"lat\":10,\"lon\":20}]\n[]\n", expect!["1 a 1s 10 20"]);
    // Taken up in its middle.
    check(r#"{"id":"a","ts":1,"lat":10,"lon":20}]"#, expect!["0 a 1s 10 20"]);
    // The end of the array may have been in what could not be read.
    check(
        "[{\"id\":\"a\",}]\n",
        expect![[r#"1 reject undecodable "{\"id\":\"a\",}]": byte 10: expected a key in quotes"#]],
    );
}

#[test]
fn values_that_cannot_be_read_are_left_out_and_counted() {
    let mut reader = Reader::new();
    let mut codec = JsonCodec::new(&JsonConfig::default());
    let frame = r#""ts":1,"lat":10,"lon":20"#;
    for text in [r#""speed":"fast""#, r#""speed":[1],"satellites":-3"#, r#""speed":" ","hdop":null,"heading":"9""#] {
        codec.datagram(format!("{{\"id\":\"a\",{frame},{text}}}").as_bytes(), &mut reader.out);
    }
    assert_eq!(reader.lines(), ["0 a 1s 10 20", "0 a 1s 10 20", "0 a 1s 10 20 heading 9"]);
    assert_eq!(codec.counters(), [("speed_mps_unreadable", 2), ("satellites_unreadable", 1)]);
}

#[test]
fn values_are_taken_however_they_are_written() {
    check(
        r#"{"ID":17,"Timestamp":"1211018404.5","Latitude":"-10.25","LNG":2.5e1,"alt":"9","speed":0.5,"course":359,"accuracy":4,"satellites":"8","hdop":1.5,"valid":false,"received_at":"2024-05-01T00:00:00Z"}"#,
        expect![
            "0 17 1211018404.5s -10.25 25 altitude 9 speed 0.5 heading 359 accuracy 4 hdop 1.5 satellites 8 received 1714521600 no_fix 1"
        ],
    );
    check(
        r#"{"id":"\u0061\ud83d\ude97\n","ts":1,"l\u0061t":"1\u0030","lon":20}"#,
        expect![[r#"
        0 a🚗
         1s 10 20"#]],
    );
    check(
        r#"{"a":[[],{},[{"id":"x\"}"}],-1.5e+3,true,false,null,"\\"],"id":"a","b":{"lat":5,"c":{}},"ts":1,"lat":10,"lon":20,"d":"é"}"#,
        expect!["0 a 1s 10 20"],
    );
    check(
        r#"{"id":"a","id":"b","ts":1,"ts":2,"lat":null,"lat":10,"lon":20,"speed":1,"speed":null}"#,
        expect!["0 b 2s 10 20"],
    );
    check(
        r#"{"id":"b","latitude":5,"device_id":"a","lat":10,"ts":1,"lon":20,"vehicle":null}"#,
        expect!["0 a 1s 10 20"],
    );
    check(
        r#"{"id":"a","ts":1,"lat":10,"lon":20,"speed":"fast","satellites":-3,"heading":{},"valid":"A"}"#,
        expect!["0 a 1s 10 20"],
    );
}

#[test]
fn objects_that_are_no_frames_are_rejected_alone() {
    check(
        r#"[{"id":"a","ts":1,"lon":20},{"id":"b","ts":1,"lat":"abc","lon":20},{"id":"c","ts":"noon","lat":1,"lon":2},{"id":true,"ts":1,"lat":1,"lon":2},{"id":"e","ts":1,"lat":{"a":1},"lon":2},{},5,"text",null,{"id":"f","ts":1,"lat":1,"longitude":"\ud83d"},{"id":"ok","ts":1,"lat":1,"lon":2}]"#,
        expect![[r#"
            1 reject undecodable "{\"id\":\"a\",\"ts\":1,\"lon\":20}": no field lat (looked for lat, latitude)
            28 reject undecodable "{\"id\":\"b\",\"ts\":1,\"lat\":\"abc\",\"lon\":20}": lat is not a number: "abc"
            67 reject undecodable "{\"id\":\"c\",\"ts\":\"noon\",\"lat\":1,\"lon\":2}": event_time (from ts) is not a time: "noon" (expected RFC 3339 with an offset, or seconds, milliseconds or microseconds since 1970)
            106 reject undecodable "{\"id\":true,\"ts\":1,\"lat\":1,\"lon\":2}": vehicle_id (from id) is not an id (text or a number): true
            141 reject undecodable "{\"id\":\"e\",\"ts\":1,\"lat\":{\"a\":1},\"lon\":2}": lat is not a number: {\"a\":1}
            181 reject undecodable "{}": no field vehicle_id (looked for vehicle_id, vehicle, device_id, id)
            184 reject undecodable "5": expected an object, found a number
            186 reject undecodable "\"text\"": expected an object, found a string
            193 reject undecodable "null": expected an object, found null
            198 reject undecodable "{\"id\":\"f\",\"ts\":1,\"lat\":1,\"longitude\":\"\\ud83d\"}": lon (from longitude) is not a number: \\ud83d
            245 ok 1s 1 2"#]],
    );
}

#[test]
fn broken_records_end_where_the_next_may_begin() {
    check(
        "{\"id\":\"a\",\"lat\":1\n{\"id\":\"b\",\"ts\":2,\"lat\":10,\"lon\":20}\n",
        expect![[r#"
        0 reject undecodable "{\"id\":\"a\",\"lat\":1": byte 18: expected ',' or '}'
        18 b 2s 10 20"#]],
    );
    check(
        "{\"id\" \"a\"}\r\n{\"id\":\"b\",\"ts\":2,\"lat\":10,\"lon\":20}",
        expect![[r#"
        0 reject undecodable "{\"id\" \"a\"}": byte 6: expected ':'
        12 b 2s 10 20"#]],
    );
    check(
        "{\n  \"id\": \"a\",\n  oops\n}\n{\"id\":\"b\",\"ts\":2,\"lat\":10,\"lon\":20}\n",
        expect![[r#"
        0 reject undecodable "{\n  \"id\": \"a\",\n  oops": byte 17: expected a key in quotes
        22 reject undecodable "}": byte 0: expected a value
        24 b 2s 10 20"#]],
    );
    check(
        "{\"id\":\"a\n{\"id\":\"b\",\"ts\":2,\"lat\":10,\"lon\":20}\n",
        expect![[r#"
        0 reject undecodable "{\"id\":\"a": byte 8: expected no control character in a string
        9 b 2s 10 20"#]],
    );
    check(
        "hello {\"id\":\"a\",\"ts\":2,\"lat\":10,\"lon\":20}\n{\"id\":\"b\",\"ts\":2,\"lat\":10,\"lon\":20}",
        expect![[r#"
        0 reject undecodable "hello {\"id\":\"a\",\"ts\":2,\"lat\":10,\"lon\":20}": byte 0: expected a value
        42 b 2s 10 20"#]],
    );
    check(
        "{\"id\":\"a\",\"ts\":01}\n{\"id\":\"a\",\"ts\":+1}\n{\"a\":\"\\x\"}\n{\"a\":tru}\n{\"a\":1,}\n{a:1}\n{\"id\":\"a\",\"ts\":1",
        expect![[r#"
        0 reject undecodable "{\"id\":\"a\",\"ts\":01}": byte 15: expected a number
        19 reject undecodable "{\"id\":\"a\",\"ts\":+1}": byte 15: expected a value
        38 reject undecodable "{\"a\":\"\\x\"}": byte 7: expected one of "\/bfnrtu after \
        49 reject undecodable "{\"a\":tru}": byte 5: expected a value
        59 reject undecodable "{\"a\":1,}": byte 7: expected a key in quotes
        68 reject undecodable "{a:1}": byte 1: expected a key in quotes
        74 reject undecodable "{\"id\":\"a\",\"ts\":1": byte 16: the input ends inside the record"#]],
    );
}

#[test]
fn nesting_beyond_the_limit_is_refused() {
    let deep = |n: usize| format!("{{\"a\":{}{}}}\n", "[".repeat(n), "]".repeat(n));
    assert!(
        stream(&CodecConfig::named("json").unwrap(), deep(64).as_bytes())[0]
            .ends_with("no field vehicle_id (looked for vehicle_id, vehicle, device_id, id)")
    );
    assert!(
        stream(&CodecConfig::named("json").unwrap(), deep(65).as_bytes())[0]
            .ends_with("byte 69: expected no deeper nesting")
    );
}

#[test]
fn mapped_fields_may_be_nested() {
    let fields = FieldsConfig {
        vehicle_id: Some("device.imei".into()),
        event_time: Mapped { name: Some("time.value".into()), unit: TimeUnit::Seconds },
        lat: Some("position.lat".into()),
        lon: Some("position.lon".into()),
        altitude_m: Mapped { name: Some("position.alt.ft".into()), unit: LengthUnit::Feet },
        speed_mps: Mapped { name: None, unit: SpeedUnit::Knots },
        received_at: Mapped { name: Some("time".into()), unit: TimeUnit::Auto },
        ..FieldsConfig::default()
    };
    let config = CodecConfig::Json(JsonConfig { fields });
    let check = |text: &str, want: Expect| want.assert_eq(&stream(&config, text.as_bytes()).join("\n"));
    expect!["json, vehicle_id from device.imei, event_time from time.value in s, lat from position.lat, lon from position.lon, altitude_m from position.alt.ft in ft, speed_mps in knots, received_at from time"].assert_eq(&config.describe());
    check(
        r#"{"position":{"lat":10,"x":{"lat":1},"alt":{"ft":1000},"lon":20},"id":"no","lat":1,"time":{"value":5,"zone":{}},"device":{"imei":42},"speed":3600}"#,
        expect!["0 42 5s 10 20 altitude 304.79998779296875 speed 1852"],
    );
    check(
        r#"{"position.lat":10,"position":{"lon":20,"alt":{}},"time":7,"time.value":5,"device":{"imei":"a"}}"#,
        expect!["0 a 5s 10 20 received 7"],
    );
    check(
        r#"{"position":{"Lat":10},"device":{"imei":"a"},"time":{"value":5}}"#,
        expect![[
            r#"0 reject undecodable "{\"position\":{\"Lat\":10},\"device\":{\"imei\":\"a\"},\"time\":{\"value\":5}}": no field lat (looked for position.lat)"#
        ]],
    );
    check(
        r#"{"position":[10,20],"device":{"imei":"a"},"time":{"value":5}}"#,
        expect![[
            r#"0 reject undecodable "{\"position\":[10,20],\"device\":{\"imei\":\"a\"},\"time\":{\"value\":5}}": no field lat (looked for position.lat)"#
        ]],
    );
    check(
        r#"{"position":{,"lat":10}}"#,
        expect![[r#"0 reject undecodable "{\"position\":{,\"lat\":10}}": byte 13: expected a key in quotes"#]],
    );
}

#[test]
fn what_the_engine_writes_as_json_is_read_back() {
    let frame = Frame {
        vehicle: "bus \"7\"\n",
        event_time: EventTime(1_211_018_404_123_456),
        received_at: Some(EventTime(1_211_018_405_000_000)),
        lat: -37.123_456_789_012_345,
        lon: 1e-7,
        altitude_m: Some(-1.5),
        speed_mps: Some(13.89),
        heading_deg: Some(359.9),
        accuracy_m: Some(0.1),
        hdop: Some(f32::MIN_POSITIVE),
        satellites: Some(12),
        no_fix: true,
    };
    let mut reader = Reader::new();
    JsonCodec::new(&JsonConfig::default())
        .datagram(rhumb_engine::reject::frame_as_json(&frame).as_bytes(), &mut reader.out);
    let mut seen = 0;
    reader.each(|out| {
        let Out::Frame(got, _) = out else { panic!("{}", line(&out)) };
        assert_eq!(got, frame);
        seen += 1;
    });
    assert_eq!(seen, 1);
}

/// What an object means, worked out the plain way.
fn oracle(object: &Map<String, Value>) -> Option<String> {
    let get = |field: Field| field.usual_names().iter().find_map(|n| object.get(*n).filter(|value| !value.is_null()));
    let float = |field: Field| match get(field)? {
        Value::Number(n) => n.as_f64(),
        Value::String(s) => s.trim().parse::<f64>().ok(),
        _ => None,
    };
    let vehicle = match get(Field::Vehicle)? {
        Value::String(s) => s.clone(),
        Value::Number(n) => n.to_string(),
        _ => return None,
    };
    let size = float(Field::EventTime)?;
    let scale = if size.abs() < 1e11 {
        1e6
    } else if size.abs() < 1e14 {
        1e3
    } else {
        1.0
    };
    let frame = Frame {
        vehicle: &vehicle,
        event_time: EventTime(Some(size * scale).filter(|t| t.abs() < 1e17)?.round() as i64),
        lat: float(Field::Lat)?,
        lon: float(Field::Lon)?,
        speed_mps: float(Field::Speed).map(|value| value as f32).filter(|value| value.is_finite()),
        ..Frame::default()
    };
    Some(if frame.vehicle.is_empty() { "no id".to_owned() } else { line(&Out::Frame(frame, 0)) })
}

fn value() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        (-180_000_000_i64..180_000_000).prop_map(|n| json!(n as f64 / 1e6)),
        any::<i32>().prop_map(|n| json!(n)),
        (0_i64..2_000_000_000_000_000).prop_map(|n| json!(n)),
    ];
    let leaf = prop_oneof![
        6 => number.clone(),
        2 => number.prop_map(|n| json!(n.to_string())),
        1 => any::<String>().prop_map(|s| json!(s)),
        1 => prop::sample::select(vec![json!(null), json!(true), json!(""), json!("abc"), json!([]), json!({})]),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec(("[a-z]{1,3}", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn object() -> impl Strategy<Value = Map<String, Value>> {
    let usual = vec!["vehicle_id", "id", "event_time", "ts", "lat", "latitude", "lon", "lng", "speed", "speed_mps"];
    let key = prop_oneof![8 => prop::sample::select(usual).prop_map(str::to_owned), 1 => any::<String>()];
    prop::collection::vec((key, value()), 0..12).prop_map(|members| members.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn any_objects_are_read_as_serde_json_reads_them(objects in prop::collection::vec(object(), 0..6), shape in 0..4) {
        let many: Vec<Value> = objects.iter().cloned().map(Value::Object).collect();
        let one = |value: &Value, pretty| if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) }.unwrap();
        let text = match shape {
            0 => serde_json::to_string(&many).unwrap(),
            1 => serde_json::to_string_pretty(&many).unwrap(),
            2 => many.iter().map(|value| one(value, false) + "\r\n").collect(),
            _ => many.iter().map(|value| one(value, true)).collect(),
        };
        let mut reader = Reader::new();
        JsonCodec::new(&JsonConfig::default()).datagram(text.as_bytes(), &mut reader.out);
        let mut got = Vec::new();
        reader.each(|out| got.push(match &out {
            Out::Frame(..) => Some(line(&out)),
            Out::Reject(reject) => (reject.reason == Reason::VehicleId).then(|| "no id".to_owned()),
        }));
        let want: Vec<Option<String>> = objects.iter().map(oracle).collect();
        // Ids longer than any device has are refused whatever they are written in.
        let long = |object: &Map<String, Value>| object.values().any(|value| value.as_str().is_some_and(|s| s.len() > 128));
        prop_assert!(got == want || objects.iter().any(long), "{:?} {:?}\n{}", got, want, text);
    }

    #[test]
    fn what_is_json_is_what_serde_json_takes_for_it(
        text in r#"([{}\[\],:]|"a"|"\\u00e9\\n"|"\\[a-z]"|[ \n]|-?(0|[1-9][0-9]?)(\.[0-9])?([eE][+-]?[0-9])?|true|false|null|[0-9.eE+-]|a){1,10}"#
    ) {
        let text = format!("{text} ");
        let want = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        let start = syntax::space(text.as_bytes(), 0);
        let end = syntax::skip(text.as_bytes(), start);
        let got = end.is_ok_and(|end| syntax::space(text.as_bytes(), end) == text.len());
        prop_assert_eq!(got, want, "{}", text);
    }

    #[test]
    fn guessing_keys_changes_nothing(objects in prop::collection::vec(object(), 1..6)) {
        let one_by_one: Vec<String> = objects.iter().flat_map(|object| {
            datagram(&CodecConfig::named("json").unwrap(), serde_json::to_string(object).unwrap().as_bytes())
        }).collect();
        let all: String = objects.iter().map(|object| serde_json::to_string(object).unwrap()).collect();
        prop_assert_eq!(datagram(&CodecConfig::named("json").unwrap(), all.as_bytes()), one_by_one);
    }
}

#[test]
fn columns_beyond_the_core_are_filled_with_their_types() {
    let fields = FieldsConfig { extra: columns(), ..FieldsConfig::default() };
    let config = CodecConfig::Json(JsonConfig { fields });
    let mut reader = Reader::of(&config);
    let mut codec = config.open();
    let frame = r#""ts":1,"lat":10,"lon":20"#;
    for (number, text) in [
        r#""ignition":true,"n":7,"tank":{"fuel":12.5},"fleet":"a\u00e9""#,
        r#""id":"other","Fleet":"a","fuel":3"#,
        r#""ignition":"off","n":1.5,"tank.fuel":"9","fleet":[1]"#,
        r#""fleet":"","n":"","ignition":null,"tank":[12]"#,
        r#""lat":"north","fleet":"of a frame that is none""#,
        r#""ignition":0,"n":"3","tank":{"fuel":null},"fleet":17"#,
    ]
    .iter()
    .enumerate()
    {
        codec.datagram(format!("{{\"id\":\"{number}\",{frame},{text}}}").as_bytes(), &mut reader.out);
    }
    let want =
        ["ignition true - - - false", "trips 7 - - - 3", "fuel_l 12.5 - 9.0 - -", "fleet \"aé\" - - \"\" \"17\""];
    assert_eq!(reader.extras(), want);
    assert_eq!(codec.counters(), [("ignition_unreadable", 1), ("trips_unreadable", 1), ("fleet_unreadable", 1)]);
}

#[test]
fn as_many_columns_as_there_may_be_are_found_however_deep() {
    let from = |n: usize| format!("a{n}.b.c.d.e.f.g.h");
    let extra = (0..COLUMNS_MAX).map(|n| ExtraColumn::new(&format!("c{n}"), &from(n), ColumnType::Int)).collect();
    let config = CodecConfig::Json(JsonConfig { fields: FieldsConfig { extra, ..FieldsConfig::default() } });
    let mut reader = Reader::of(&config);
    let deep = |n| format!(r#""a{n}":{{"b":{{"c":{{"d":{{"e":{{"f":{{"g":{{"h":{n}}}}}}}}}}}}}}}"#);
    let all: Vec<String> = (0..COLUMNS_MAX).map(deep).collect();
    let text = format!(r#"{{"id":"a","ts":1,"lat":1,"lon":2,{}}}"#, all.join(","));
    config.open().datagram(text.as_bytes(), &mut reader.out);
    let want: Vec<String> = (0..COLUMNS_MAX).map(|n| format!("c{n} {n}")).collect();
    assert_eq!(reader.extras(), want);
}
