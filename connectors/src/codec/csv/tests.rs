use super::*;
use crate::codec::CodecConfig;
use crate::codec::tests::{Out, Reader, columns as columns_of_each_type, datagram, line, stream};
use expect_test::{Expect, expect};
use proptest::prelude::*;
use rhumb_engine::frame::Frame;
use rhumb_engine::time::EventTime;

fn with(change: impl Fn(&mut CsvConfig)) -> CodecConfig {
    let mut csv = CsvConfig::default();
    change(&mut csv);
    CodecConfig::Csv(csv)
}

fn columns(names: &str) -> Option<Vec<String>> {
    Some(names.split(',').map(str::to_owned).collect())
}

fn check(text: &str, want: Expect) {
    want.assert_eq(&stream(&CodecConfig::named("csv").unwrap(), text.as_bytes()).join("\n"));
}

#[test]
fn rows_of_any_shape() {
    check(
        "\u{feff}\r\n Lon ,speed,ID,other,\"LAT\",time\r\n20,1.5,a,x,10,1\r\n\r\n-20.25,,\"b,\"\"2\"\"\n\",\"x\",\"-10\",2008-05-17T10:00:04Z\n30,,c,,5,3\r\n30,,c,,5,3,more\n40,,d,y,6,4",
        expect![[r#"
            38 a 1s 10 20 speed 1.5
            57 b,"2"
             1211018404s -10 -20.25
            107 c 3s 5 30
            119 reject undecodable "30,,c,,5,3,more": the row has 7 columns instead of 6
            135 d 4s 6 40"#]],
    );
}

#[test]
fn rows_that_are_no_frames() {
    check(
        "id,lat,lon,ts\na,1,2\nb,1,abc,3\r\nc,1,2,yesterday\n\"d\n\",,2,3\ne,1,2,\n,1,2,3\nf,1,nan,3\ng,1,2,3\n\"h,1,2,3\ni,1,2,3\n",
        expect![[r#"
            14 reject undecodable "a,1,2": the row has 3 columns instead of 4; ts is missing
            20 reject undecodable "b,1,abc,3": lon is not a number: "abc"
            31 reject undecodable "c,1,2,yesterday": event_time (from ts) is not a time: "yesterday" (expected RFC 3339 with an offset, or seconds, milliseconds or microseconds since 1970)
            47 reject undecodable "\"d\n\",,2,3": lat is not a number: ""
            57 reject undecodable "e,1,2,": event_time (from ts) is not a time: "" (expected RFC 3339 with an offset, or seconds, milliseconds or microseconds since 1970)
            64 reject vehicle_id "{\"vehicle_id\":\"\",\"event_time\":3000000,\"received_at\":null,\"lat\":1.0,\"lon\":2.0}": the vehicle id is empty
            71 f 3s 1 NaN
            81 g 3s 1 2
            89 reject undecodable "\"h,1,2,3": a quote is opened and not closed within the input
            98 i 3s 1 2"#]],
    );
}

#[test]
fn header_must_name_every_needed_field_once() {
    check(
        "id,ts,y,x\na,1,2,3\n",
        expect![
            "no column for lat (looked for lat, latitude) and lon (looked for lon, lng, longitude); the columns are id, ts, y, x"
        ],
    );
    check("id,ts,lat,lon,lat\na,1,2,3,4\n", expect!["columns 3 and 5 are both called lat"]);
    check("id,ts,lat,\"lon\na,1,2,3,4\n", expect!["the header line does not end"]);
    check("", expect![""]);
    check("\u{feff}\r\n", expect![""]);
    check("id,ts,lat,lon", expect![""]);
}

#[test]
fn tables_may_be_wide_and_rows_long() {
    for others in [0, 1, 40, 63, 64, 500] {
        for filler in ["", "x", "a field of some length"] {
            let row = |cells: [&str; 4]| {
                format!("{},{}{}", cells[0], format!("{filler},").repeat(others), cells[1..].join(","))
            };
            let text =
                [row(["id", "ts", "lat", "lon"]), row(["a", "5", "10", "20"]), row(["b", "6", "-1.5", "2"])].join("\n");
            let lines = stream(&CodecConfig::named("csv").unwrap(), (text + &"\n".repeat(100)).as_bytes());
            let lines: Vec<&str> = lines.iter().map(|line| line.split_once(' ').unwrap().1).collect();
            assert_eq!(lines, ["a 5s 10 20", "b 6s -1.5 2"], "{others} {filler}");
        }
    }
}

#[test]
fn first_of_the_usual_names_counts() {
    check("time,id,lat,latitude,lng,longitude,ts,vehicle\n1,a,2,3,4,5,6,b\n", expect!["46 b 6s 2 4"]);
}

#[test]
fn columns_and_units_may_be_configured() {
    let config = with(|csv| {
        csv.delimiter = b';';
        csv.header = false;
        csv.columns = columns("who,when,y,x,kmh,feet");
        csv.fields.vehicle_id = Some("who".into());
        csv.fields.event_time.name = Some("when".into());
        csv.fields.event_time.unit = crate::codec::units::TimeUnit::Milliseconds;
        csv.fields.lat = Some("y".into());
        csv.fields.lon = Some("x".into());
        csv.fields.speed_mps.name = Some("kmh".into());
        csv.fields.speed_mps.unit = crate::codec::units::SpeedUnit::KilometresPerHour;
        csv.fields.altitude_m.name = Some("feet".into());
        csv.fields.altitude_m.unit = crate::codec::units::LengthUnit::Feet;
    });
    expect!["csv, delimiter ';', no header line, columns who, when, y, x, kmh, feet, vehicle_id from who, event_time from when in ms, lat from y, lon from x, altitude_m from feet in ft, speed_mps from kmh in km/h"].assert_eq(&config.describe());
    assert_eq!(config.mistakes(), [""; 0]);
    expect![[r#"
        0 a 1.5s 1 2 altitude 304.79998779296875 speed 10
        19 reject undecodable "b;x;1;2;36;1000": event_time (from when) is not a time: "x" (expected milliseconds since 1970)"#]].assert_eq(&stream(&config, b"a;1500;1;2;36;1000\nb;x;1;2;36;1000\n").join("\n"));
}

#[test]
fn datagram_needs_columns_or_its_own_header() {
    let config = with(|csv| csv.columns = columns("id,ts,lat,lon"));
    expect![[r#"
        0 a 1s 2 3
        0 reject undecodable "b,1,2": the row has 3 columns instead of 4; lon is missing"#]]
    .assert_eq(&datagram(&config, b"a,1,2,3\r\nb,1,2\n").join("\n"));
    let config = CodecConfig::named("csv").unwrap();
    expect!["0 a 1s 2 3"].assert_eq(&datagram(&config, b"\nid,ts,lat,lon\na,1,2,3\n").join("\n"));
    expect![[r#"0 reject undecodable "a,1,2,3\nb,1,2,3": a csv datagram needs a header line or `columns` in the configuration: no column for vehicle_id (looked for vehicle_id, vehicle, device_id, id) and event_time (looked for event_time, ts, timestamp, time) and lat (looked for lat, latitude) and lon (looked for lon, lng, longitude); the columns are a, 1, 2, 3"#]].assert_eq(&datagram(&config, b"a,1,2,3\nb,1,2,3").join("\n"));
    expect![[r#"0 reject undecodable "\r\n": no row in the datagram, at most a header line"#]]
        .assert_eq(&datagram(&config, b"\r\n").join("\n"));
    expect![[r#"0 reject undecodable "id,ts,lat,lon\n": no row in the datagram, at most a header line"#]]
        .assert_eq(&datagram(&config, b"id,ts,lat,lon\n").join("\n"));
    expect![[r#"0 reject undecodable "id,ts,lat,lon": no row in the datagram, at most a header line"#]]
        .assert_eq(&datagram(&config, b"id,ts,lat,lon").join("\n"));
}

#[test]
fn values_that_cannot_be_read_are_left_out_and_counted() {
    let mut reader = Reader::new();
    let mut codec = CsvCodec::new(&CsvConfig::default());
    // Long enough for rows to be read quickly.
    let rows = "a,1,2,3,fast,9,A\nb,1,2,3,,-4,maybe\nc,1,2,3, ,,\nd,1,2,3,1.5,7,V\n".to_owned() + &"\n".repeat(200);
    codec.datagram(format!("id,ts,lat,lon,speed,satellites,valid\n{rows}").as_bytes(), &mut reader.out);
    assert_eq!(
        reader.lines(),
        ["0 a 1s 2 3 satellites 9", "0 b 1s 2 3", "0 c 1s 2 3", "0 d 1s 2 3 speed 1.5 satellites 7 no_fix 1"]
    );
    let counters = [("speed_mps_unreadable", 1), ("satellites_unreadable", 1), ("valid_unreadable", 1)];
    assert_eq!(codec.counters(), counters);
}

#[test]
fn header_of_a_file_names_its_columns() {
    assert_eq!(header(b"\xEF\xBB\xBF\r\nid; \"lat\" ;\"lon\"\r\n1;2;3", b';'), columns("id,\"lat\",lon"));
    assert_eq!(header(b"id,ts\n", b','), columns("id,ts"));
    assert_eq!(header(b"id,ts", b','), None);
}

#[test]
fn mistakes_of_the_configuration_are_all_told() {
    let check = |change: &dyn Fn(&mut CsvConfig), want: Expect| want.assert_eq(&with(change).mistakes().join("\n"));
    check(&|csv| csv.header = false, expect!["csv without a header line needs `columns`"]);
    check(&|csv| csv.delimiter = b'"', expect![[r#"'"' cannot be the delimiter of csv"#]]);
    check(
        &|csv| csv.columns = columns("id,ts,lat"),
        expect!["no column for lon (looked for lon, lng, longitude); the columns are id, ts, lat"],
    );
    check(
        &|csv| {
            csv.fields.lat = Some("x".into());
            csv.fields.lon = Some("x".into());
        },
        expect!["lat and lon are both mapped from x"],
    );
}

/// What a row means, worked out the plain way.
fn oracle(header: &csv::StringRecord, row: &csv::StringRecord) -> Option<String> {
    if row.len() != header.len() {
        return None;
    }
    let cell =
        |names: &[&str]| names.iter().find_map(|n| header.iter().position(|h| h == *n)).map(|column| row.get(column));
    let float = |names: &[&str]| cell(names).flatten().and_then(|text| text.trim().parse::<f64>().ok());
    let optional = |names: &[&str]| float(names).map(|value| value as f32).filter(|value| value.is_finite());
    let frame = Frame {
        vehicle: cell(&["vehicle_id", "id"])??,
        event_time: EventTime(float(&["ts", "time"]).filter(|t| t.abs() < 1e11).map(|t| (t * 1e6).round() as i64)?),
        lat: float(&["lat"])?,
        lon: float(&["lon"])?,
        speed_mps: optional(&["speed"]),
        hdop: optional(&["hdop"]),
        satellites: float(&["satellites"]).filter(|n| *n >= 0.0 && *n < 32768.0 && n.fract() == 0.0).map(|n| n as i16),
        ..Frame::default()
    };
    // Empty ids are the builder's business.
    Some(if frame.vehicle.is_empty() { "no id".to_owned() } else { line(&Out::Frame(frame, 0)) })
}

fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => (-180_000_000_i64..180_000_000, 0_u32..7).prop_map(|(n, k)| (n as f64 / 10_f64.powi(k as i32)).to_string()),
        2 => (0_i64..2_000_000_000).prop_map(|n| n.to_string()),
        2 => "[a-z]{1,9}",
        1 => Just(String::new()),
        1 => "[ a\",\n\r;.0-9+eE-]{0,8}",
        1 => prop::sample::select(vec!["nan", "-inf", " 7", "8 ", "+9", "1e3", "00012", "1.", ".5", "é"]).prop_map(str::to_owned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn any_table_is_read_as_the_csv_crate_reads_it(
        header in Just(vec!["vehicle_id", "id", "ts", "time", "lat", "lon", "speed", "hdop", "satellites", "x", "y"]).prop_shuffle(),
        rows in prop::collection::vec((prop::collection::vec(cell(), 12), prop_oneof![4 => Just(11_usize), 1 => 4_usize..13]), 0..12),
        quotes in prop::sample::select(vec![csv::QuoteStyle::Necessary, csv::QuoteStyle::Always, csv::QuoteStyle::NonNumeric]),
        crlf: bool,
    ) {
        let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer = csv::WriterBuilder::new().quote_style(quotes).terminator(terminator).flexible(true).from_writer(Vec::new());
        writer.write_record(&header).unwrap();
        for (row, length) in &rows {
            writer.write_record(&row[..(*length).min(row.len())]).unwrap();
        }
        let text = writer.into_inner().unwrap();
        compare(&text)?;
    }

    #[test]
    fn any_quotes_are_read_as_the_csv_crate_reads_them(rows in "([a-z1-9.]{0,3}[\",\n\r]{0,2}){0,30}") {
        // The csv crate takes the end of the input for a missing quote; here that row is rejected.
        let text = format!("id,ts,lat,lon\n{rows}");
        if Row::default().open_at_end(text.as_bytes()) {
            return Ok(());
        }
        compare(text.as_bytes())?;
    }
}

fn quick_cell() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => cell(),
        2 => r"-?[0-9]{0,9}\.?[0-9]{0,9}",
        1 => "[0-9]{10,20}",
        1 => "[a-zé]{0,40}",
        1 => prop::sample::select(vec!["2008-05-17T10:00:04Z", "2008-05-17 12:00:04.25+02:00", "true", "V", "-", "1e5", "--1", "1.2.3"])
            .prop_map(str::to_owned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn quick_reading_never_differs_from_careful_reading(
        rows in prop::collection::vec(prop::collection::vec(quick_cell(), 1..14), 1..8),
        header in Just(vec!["id", "ts", "lat", "lon", "speed", "satellites", "valid", "received_at", "x", "y"]).prop_shuffle(),
        columns in 4_usize..=10,
    ) {
        let fields = Fields::new(&FieldsConfig::default());
        let header: Vec<String> = header[..columns].iter().map(|name| (*name).to_owned()).collect();
        let Ok(columns) = Columns::find(&header, &fields) else { return Ok(()) };
        let text = rows.iter().map(|row| row.join(",") + "\n").collect::<String>() + &"x".repeat(100);
        let (mut marks, mut starts, mut row) = (Marks::new(b','), [0; COLUMNS_MAX + 1], Row::default());
        for at in 0..text.len() {
            let mut frame = Frame::default();
            let end = quick::row(text.as_bytes(), at, &mut marks, &mut starts, &columns, &fields, &mut frame);
            if let Some(end) = end {
                prop_assert_eq!(row.read(&text.as_bytes()[at..], b','), Extent::Ended(end - at));
                let mut unreadable = Unreadable::default();
                let careful = row.frame(&columns, &fields, &mut unreadable).map(|frame| line(&Out::Frame(frame, 0)));
                prop_assert_eq!(Ok(line(&Out::Frame(frame, 0))), careful);
                prop_assert_eq!(unreadable, Unreadable::default());
            }
        }
    }
}

impl Row {
    fn open_at_end(&mut self, mut text: &[u8]) -> bool {
        loop {
            match self.read(text, b',') {
                Extent::Ended(end) => text = &text[end + 1..],
                Extent::Open { quoted } => return quoted,
            }
        }
    }
}

fn compare(text: &[u8]) -> Result<(), TestCaseError> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text);
    let header = reader.headers().unwrap().clone();
    let want: Vec<Option<String>> = reader.records().map(|row| oracle(&header, &row.unwrap())).collect();
    let mut ours = Reader::new();
    let mut codec = CsvCodec::new(&CsvConfig::default());
    let at = codec.preamble(text, true).unwrap().unwrap();
    codec.rows(&text[at..], true, None, &mut ours.out);
    let mut got = Vec::new();
    ours.each(|out| {
        got.push(match &out {
            Out::Frame(..) => Some(line(&out)),
            Out::Reject(reject) => (reject.reason == Reason::VehicleId).then(|| "no id".to_owned()),
        });
    });
    prop_assert_eq!(got, want, "{}", String::from_utf8_lossy(text));
    Ok(())
}

#[test]
fn columns_beyond_the_core_are_filled_with_their_types() {
    let fields = FieldsConfig { extra: columns_of_each_type(), ..FieldsConfig::default() };
    let config = CodecConfig::Csv(CsvConfig { fields, ..CsvConfig::default() });
    let rows = "id,ts,lat,lon,fleet,speed, tank.fuel ,n,ignition\na,1,2,3,red,9,12.5,7,true\nb,1,2,3,,,,,\nc,1,2,3,\"a, b\",,x,8,maybe\nd,1,2,3, ,,-1, 9 ,0\n";
    // As rows that are read quickly, and with care at the end of the input.
    for padding in ["\n".repeat(300), String::new()] {
        let mut reader = Reader::of(&config);
        let mut codec = config.open();
        codec.datagram(format!("{rows}{padding}").as_bytes(), &mut reader.out);
        let want =
            ["ignition true - - false", "trips 7 - 8 9", "fuel_l 12.5 - - -1.0", "fleet \"red\" - \"a, b\" \" \""];
        assert_eq!(reader.extras(), want);
        assert_eq!(codec.counters(), [("ignition_unreadable", 1), ("fuel_l_unreadable", 1)]);
    }
    // A file without them has no such columns.
    let mut reader = Reader::of(&config);
    config.open().datagram(b"id,ts,lat,lon\na,1,2,3\n", &mut reader.out);
    assert!(reader.extras().is_empty());
}
