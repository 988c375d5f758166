//! Bytes to columns: each codec with its `FrameBuilder`, beside the naive way to the same frames and a plain copy of
//! the bytes, on the same input, in one run.
//!
//! `codec/<codec>/<vehicles>/<variant>`, where wide rows have six columns instead of four, and `sf` and `logs`
//! are of real recordings; the frames of all variants
//! are asserted equal before anything is timed. `naive` ends at a struct a frame and interns no vehicle. `builder`
//! pushes frames that are already decoded: what a codec cannot be faster than.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime};
use nom_teltonika::decoder::{take_frame, take_imei};
use nom_teltonika::protocol::FrameView;
use rhumb_benches::traces;
use rhumb_connectors::codec::binary::{BinaryEncoder, Positions};
use rhumb_connectors::codec::teltonika::{IoColumn, TeltonikaConfig, crc16};
use rhumb_connectors::codec::{Codec, CodecConfig, Place};
use rhumb_engine::builder::{ClockRules, FrameBuilder};
use rhumb_engine::frame::{Frame, Origin};
use rhumb_engine::time::EventTime;
use rhumb_engine::vehicle::Vehicles;
use serde::Deserialize;

const FRAMES: usize = 100_000;
/// Bytes that a reader hands over at a time: some 8,000 rows.
const CHUNK: usize = 400_000;
const PACKET: usize = 1400;
const TRACKER_RECORDS: usize = 16;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

/// A frame as the naive way has it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Row {
    vehicle_id: String,
    ts: i64,
    lat: f64,
    lon: f64,
    #[serde(default)]
    speed_mps: Option<f32>,
    #[serde(default)]
    heading_deg: Option<f32>,
}

impl Row {
    fn frame(&self) -> Frame<'_> {
        Frame {
            vehicle: &self.vehicle_id,
            event_time: EventTime(self.ts * 1000),
            lat: self.lat,
            lon: self.lon,
            speed_mps: self.speed_mps,
            heading_deg: self.heading_deg,
            ..Frame::default()
        }
    }
}

/// Frames whose numbers have the digits that devices write; `wide` ones have speed and heading too.
fn rows(vehicles: u64, wide: bool) -> Vec<Row> {
    let mut random = Random(7);
    let mut row = |n: usize| Row {
        vehicle_id: format!("v{:05}", random.below(vehicles)),
        ts: 1_700_000_000_000 + n as i64 * 3,
        lat: (30_000_000 + random.below(10_000_000)) as f64 / 1e6,
        lon: (random.below(30_000_000) as f64 - 110_000_000.0) / 1e6,
        speed_mps: wide.then(|| random.below(400) as f32 / 10.0),
        heading_deg: wide.then(|| random.below(360) as f32),
    };
    (0..FRAMES).map(&mut row).collect()
}

fn csv_of(rows: &[Row]) -> Vec<u8> {
    let mut text = String::from("vehicle_id,ts,lat,lon");
    let wide = rows[0].speed_mps.is_some();
    text += if wide { ",speed_mps,heading_deg\n" } else { "\n" };
    for row in rows {
        text += &format!("{},{},{},{}", row.vehicle_id, row.ts, row.lat, row.lon);
        for value in [row.speed_mps, row.heading_deg].into_iter().flatten() {
            text += &format!(",{value}");
        }
        text += "\n";
    }
    text.into()
}

fn json_of(rows: &[Row]) -> Vec<u8> {
    let mut text = String::new();
    for row in rows {
        let (id, ts, lat, lon) = (&row.vehicle_id, row.ts, row.lat, row.lon);
        text += &format!(r#"{{"vehicle_id":"{id}","ts":{ts},"lat":{lat},"lon":{lon}"#);
        for (name, value) in [("speed_mps", row.speed_mps), ("heading_deg", row.heading_deg)] {
            text += &value.map_or_else(String::new, |value| format!(r#","{name}":{value}"#));
        }
        text += "}\n";
    }
    text.into()
}

fn binary_of(rows: &[Row], positions: Positions) -> Vec<u8> {
    let mut encoder = BinaryEncoder::new(positions, PACKET);
    let mut bytes = Vec::new();
    for row in rows {
        if encoder.push(&row.frame()).is_err() {
            bytes.extend_from_slice(encoder.record());
            encoder.push(&row.frame()).expect("an empty packet takes a frame");
        }
    }
    bytes.extend_from_slice(encoder.record());
    bytes
}

/// Frames of a tracker in TCP packets of sixteen records, each with the position and `io` elements, and a login in front;
/// a packet has one vehicle, so that of each its first row counts.
fn teltonika_of(rows: &[Row], io: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for packet in rows.chunks(TRACKER_RECORDS) {
        let imei: u64 = packet[0].vehicle_id[1..].parse().expect("an id is a letter and a number");
        bytes.extend(format!("\0\x0F{:015}", 352_093_080_000_000 + imei).bytes());
        let mut data = vec![8, packet.len() as u8];
        for row in packet {
            data.extend((row.ts as u64).to_be_bytes());
            data.push(0);
            data.extend(((row.lon * 1e7).round() as i32).to_be_bytes());
            data.extend(((row.lat * 1e7).round() as i32).to_be_bytes());
            data.extend([0, 120, 0, 90, 9, 0, 36]);
            // Elements of one and of two bytes, half of each.
            let (ones, twos) = (io as u8 / 2, io as u8 - io as u8 / 2);
            data.extend([0, io as u8, ones]);
            (0..ones).for_each(|id| data.extend([id, 1]));
            data.push(twos);
            (0..twos).for_each(|id| data.extend([66 + id, 0x30, id]));
            data.extend([0, 0]);
        }
        data.push(packet.len() as u8);
        bytes.extend([0; 4]);
        bytes.extend((data.len() as u32).to_be_bytes());
        bytes.extend(&data);
        bytes.extend(u32::from(crc16(&data)).to_be_bytes());
    }
    bytes
}

/// Sentences of a receiver that moves: RMC and GGA of each frame, of which the second adds the height.
fn nmea_of(rows: &[Row]) -> String {
    let angle = |degrees: f64, width: usize| {
        let minutes = (degrees.abs() * 60e5).round() as u64;
        let (whole, rest) = (minutes / 6_000_000, minutes % 6_000_000);
        format!("{whole:0width$}{:02}.{:05}", rest / 100_000, rest % 100_000)
    };
    let side = |degrees: f64, plus, minus| if degrees < 0.0 { minus } else { plus };
    let mut text = String::new();
    for (n, row) in rows.iter().enumerate() {
        let (second, hundredths) = (n / 100 % 86_400, n % 100);
        let time = format!("{:02}{:02}{:02}.{hundredths:02}", second / 3600, second / 60 % 60, second % 60);
        let place = format!(
            "{},{},{},{}",
            angle(row.lat, 2),
            side(row.lat, 'N', 'S'),
            angle(row.lon, 3),
            side(row.lon, 'E', 'W')
        );
        for body in [
            format!("GPRMC,{time},A,{place},12.3,90.5,141123,,,A"),
            format!("GPGGA,{time},{place},1,09,0.9,120.5,M,48.0,M,,"),
        ] {
            let sum = body.bytes().fold(0, |sum, byte| sum ^ byte);
            text += &format!("${body}*{sum:02X}\r\n");
        }
    }
    text
}

/// A reader of one partition for one shard: what the engine does with a codec.
struct Reader {
    vehicles: Arc<Vehicles>,
    out: FrameBuilder,
}

impl Reader {
    fn new() -> Reader {
        let vehicles = Arc::new(Vehicles::default());
        let origin = Origin { source: "bench".into(), partition: "0".into() };
        let clocks = ClockRules { rollover: false, skew_max_us: 60_000_000 };
        Reader { out: FrameBuilder::new(std::slice::from_ref(&vehicles), origin, clocks), vehicles }
    }

    /// Decodes a file in chunks, and says how many frames it holds.
    fn decode(&mut self, codec: &mut dyn Codec, bytes: &[u8]) -> usize {
        let mut at = codec.preamble(bytes, true).expect("the input is sound").unwrap_or_default();
        let mut frames = 0;
        while at < bytes.len() {
            let end = bytes.len().min(at + CHUNK);
            let place = Place { offset: at as i64, received_at: EventTime(i64::MAX / 2) };
            at += codec.stream(&bytes[at..end], end == bytes.len(), place, &mut self.out);
            frames += self.finish();
        }
        frames
    }

    fn finish(&mut self) -> usize {
        let delivered = black_box(self.out.finish());
        delivered.iter().map(|d| d.frames.len()).sum()
    }

    /// Asserts that the codec reads the very rows.
    fn check(&mut self, codec: &mut dyn Codec, bytes: &[u8], rows: &[Row]) {
        let mut at = codec.preamble(bytes, true).expect("the input is sound").unwrap_or_default();
        let place = Place { offset: 0, received_at: EventTime(i64::MAX / 2) };
        at += codec.stream(&bytes[at..], true, place, &mut self.out);
        let delivered = self.out.finish().remove(0);
        assert_eq!((at, delivered.frames.len(), delivered.rejects.len()), (bytes.len(), rows.len(), 0));
        for (n, row) in rows.iter().enumerate() {
            let got = delivered.frames.frame(n, &self.vehicles);
            assert_eq!(got, Frame { received_at: got.received_at, ..row.frame() });
        }
    }
}

fn bench_codec(
    group: &mut BenchmarkGroup<WallTime>,
    case: &str,
    variant: &str,
    name: &str,
    bytes: &[u8],
    rows: &[Row],
) {
    let config = CodecConfig::named(name).expect("a codec has this name");
    let mut reader = Reader::new();
    let mut codec = config.open();
    reader.check(&mut *codec, bytes, rows);
    group.bench_function(format!("{case}/{variant}"), |b| {
        b.iter(|| assert_eq!(reader.decode(&mut *codec, bytes), rows.len()));
    });
}

/// What no codec can beat: the bytes copied once.
fn bench_copy(group: &mut BenchmarkGroup<WallTime>, case: &str, bytes: &[u8]) {
    let mut copy = vec![0; bytes.len()];
    group.bench_function(format!("{case}/copy"), |b| b.iter(|| copy.copy_from_slice(black_box(bytes))));
    assert_eq!(copy, bytes);
}

fn csv(c: &mut Criterion, case: &str, rows: &[Row]) {
    let bytes = csv_of(rows);
    let mut group = c.benchmark_group("codec/csv");
    group.throughput(Throughput::Elements(rows.len() as u64));
    bench_codec(&mut group, case, "rhumb", "csv", &bytes, rows);
    let naive =
        || csv::Reader::from_reader(&bytes[..]).into_deserialize::<Row>().map(|row| row.expect("the input is sound"));
    assert!(naive().eq(rows.iter().cloned()));
    group
        .bench_function(format!("{case}/naive"), |b| b.iter(|| assert_eq!(naive().map(black_box).count(), rows.len())));
    bench_copy(&mut group, case, &bytes);
    group.finish();
}

fn json(c: &mut Criterion, case: &str, rows: &[Row]) {
    let bytes = json_of(rows);
    let mut group = c.benchmark_group("codec/json");
    group.throughput(Throughput::Elements(rows.len() as u64));
    bench_codec(&mut group, case, "rhumb", "json", &bytes, rows);
    let lines = || bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    let naive = || lines().map(|line| serde_json::from_slice::<Row>(line).expect("the input is sound"));
    assert!(naive().eq(rows.iter().cloned()));
    group
        .bench_function(format!("{case}/naive"), |b| b.iter(|| assert_eq!(naive().map(black_box).count(), rows.len())));
    bench_copy(&mut group, case, &bytes);
    group.finish();
}

fn binary(c: &mut Criterion, case: &str, rows: &[Row]) {
    let mut group = c.benchmark_group("codec/binary");
    group.throughput(Throughput::Elements(rows.len() as u64));
    let (compact, exact) = (binary_of(rows, Positions::Compact), binary_of(rows, Positions::Exact));
    bench_codec(&mut group, case, "rhumb", "binary", &compact, rows);
    bench_codec(&mut group, case, "exact", "binary", &exact, rows);
    let mut reader = Reader::new();
    group.bench_function(format!("{case}/builder"), |b| {
        b.iter(|| {
            let mut frames = 0;
            for batch in rows.chunks(8192) {
                reader.out.at(0, EventTime(i64::MAX / 2));
                batch.iter().for_each(|row| reader.out.push(&row.frame()));
                frames += reader.finish();
            }
            assert_eq!(frames, rows.len());
        });
    });
    bench_copy(&mut group, case, &compact);
    group.finish();
}

/// Codec 8 in a recording of a TCP connection, checksums included. `io` reads two elements into columns besides. The naive
/// way is the crate `nom-teltonika`, which ends at views of the records and makes no columns.
fn teltonika(c: &mut Criterion, case: &str, rows: &[Row], io: usize) {
    let bytes = teltonika_of(rows, io);
    let mut group = c.benchmark_group("codec/teltonika");
    group.throughput(Throughput::Elements(rows.len() as u64));
    let columns = vec![IoColumn::new("ignition", 1), IoColumn::new("power", 66)];
    for (variant, io) in [("rhumb", Vec::new()), ("io", columns)] {
        let config = CodecConfig::Teltonika(TeltonikaConfig { keep: Vec::new(), io });
        let mut reader = Reader::new();
        reader.out = reader.out.with_columns(&config.columns());
        let mut codec = config.open();
        let place = Place { offset: 0, received_at: EventTime(i64::MAX / 2) };
        assert_eq!(codec.stream(&bytes, true, place, &mut reader.out), bytes.len());
        let delivered = reader.out.finish().remove(0);
        assert_eq!((delivered.frames.len(), delivered.rejects.len()), (rows.len(), 0));
        let same = |(n, row): (usize, &Row)| {
            delivered.frames.lat.value(n) == row.lat && delivered.frames.lon.value(n) == row.lon
        };
        assert!(rows.iter().enumerate().all(same));
        group.bench_function(format!("{case}/{variant}"), |b| {
            b.iter(|| assert_eq!(reader.decode(&mut *codec, &bytes), rows.len()));
        });
    }
    let naive = || {
        let (mut input, mut sum, mut frames) = (&bytes[..], 0.0, 0);
        while !input.is_empty() {
            take_imei(&mut input).expect("a login");
            let FrameView::Avl(packet) = take_frame(&mut input).expect("a packet") else { panic!("positions") };
            for record in packet.records() {
                let gps = record.gps();
                sum += gps.latitude_degrees() + gps.longitude_degrees() + u64::from(record.timestamp()) as f64;
                frames += 1;
            }
        }
        (sum, frames)
    };
    group.bench_function(format!("{case}/naive"), |b| b.iter(|| assert_eq!(black_box(naive()).1, rows.len())));
    bench_copy(&mut group, case, &bytes);
    group.finish();
}

/// The throughput counts sentences. The naive way is the crate `nmea`, which ends at a struct.
fn nmea(c: &mut Criterion, case: &str, text: &str) {
    let bytes = text.as_bytes();
    let read = |line: &&str| black_box(nmea::parse_str(line)).is_ok();
    let sentences = text.lines().filter(read).count();
    let mut group = c.benchmark_group("codec/nmea");
    group.throughput(Throughput::Elements(sentences as u64));
    let config = CodecConfig::named("nmea").expect("a codec has this name");
    let mut reader = Reader::new();
    let mut codec = config.open();
    // What a log is cut in the midst of is part of the next frame.
    reader.decode(&mut *codec, bytes);
    let frames = reader.decode(&mut *codec, bytes);
    assert!(frames > 0 && frames <= sentences, "{frames} frames of {sentences} sentences");
    group.bench_function(format!("{case}/rhumb"), |b| {
        b.iter(|| assert_eq!(reader.decode(&mut *codec, bytes), frames));
    });
    let naive = || text.lines().filter(read).count();
    group.bench_function(format!("{case}/naive"), |b| b.iter(|| assert_eq!(naive(), sentences)));
    bench_copy(&mut group, case, bytes);
    group.finish();
}

/// San Francisco's cabs, and logs of receivers, if they are there.
fn recorded(c: &mut Criterion) {
    if let Some(recorded) = traces::cabs(FRAMES, "codec/.../sf") {
        let row = |row: traces::Row| Row {
            vehicle_id: row.vehicle_id,
            ts: row.ts,
            lat: row.lat,
            lon: row.lon,
            speed_mps: None,
            heading_deg: None,
        };
        let mut rows: Vec<Row> = recorded.into_iter().map(row).collect();
        csv(c, "sf", &rows);
        json(c, "sf", &rows);
        binary(c, "sf", &rows);
        // Trackers have numbers for names.
        let mut numbers: HashMap<String, usize> = HashMap::new();
        for row in &mut rows {
            let next = numbers.len();
            let number = *numbers.entry(std::mem::take(&mut row.vehicle_id)).or_insert(next);
            row.vehicle_id = format!("v{number:05}");
        }
        teltonika(c, "sf-io4", &rows, 4);
    }
    if let Some(logs) = traces::receiver_logs("codec/nmea/logs") {
        nmea(c, "logs", &logs);
    }
}

fn benches(c: &mut Criterion) {
    for (case, vehicles, wide) in [("500", 500, false), ("50k", 50_000, false), ("50k-wide", 50_000, true)] {
        let rows = rows(vehicles, wide);
        csv(c, case, &rows);
        json(c, case, &rows);
        binary(c, case, &rows);
        if !wide {
            teltonika(c, &format!("{case}-io4"), &rows, 4);
            teltonika(c, &format!("{case}-io16"), &rows, 16);
        }
    }
    nmea(c, "one", &nmea_of(&rows(1, false)));
    recorded(c);
}

criterion_group!(all, benches);
criterion_main!(all);
