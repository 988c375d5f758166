//! Decoding allocates nothing a frame: counted, for every codec, on a warm builder.
#![allow(unsafe_code, reason = "an allocator that counts")]

use rhumb_connectors::codec::binary::{BinaryEncoder, Positions};
use rhumb_connectors::codec::teltonika::crc16;
use rhumb_connectors::codec::{Codec, CodecConfig, Place};
use rhumb_engine::builder::{ClockRules, FrameBuilder};
use rhumb_engine::frame::{Frame, Origin};
use rhumb_engine::time::EventTime;
use rhumb_engine::vehicle::Vehicles;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// The system's, which counts what each thread asks of it.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: all is done by `System`; the counter is of its thread alone, and has no destructor that could run too early.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises are handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises are handed on.
        unsafe { System.realloc(memory, layout, bytes) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are handed on.
        unsafe { System.dealloc(memory, layout) }
    }
}

fn allocations_of(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

const VEHICLES: usize = 100;
const NOW: EventTime = EventTime(1_700_000_000_000_000);

/// Vehicle, milliseconds, latitude, longitude.
fn frames(count: usize) -> impl Iterator<Item = (String, i64, f64, f64)> {
    let place = |n: usize| ((n * 7_919 % 1_000_000) as f64 / 1e5, (n * 104_729 % 1_000_000) as f64 / 1e5);
    (0..count).map(move |n| (format!("v{:05}", n % VEHICLES), 1_600_000_000_000 + n as i64, place(n).0, place(n).1))
}

fn csv(count: usize) -> Vec<u8> {
    let rows = frames(count).map(|(id, ms, lat, lon)| format!("{id},{ms},{lat},{lon},12.5\n"));
    ("vehicle_id,ts,lat,lon,speed_mps\n".to_owned() + &rows.collect::<String>()).into_bytes()
}

fn json(count: usize) -> Vec<u8> {
    let row = |(id, ms, lat, lon)| {
        format!("{{\"vehicle_id\":\"{id}\",\"ts\":{ms},\"lat\":{lat},\"lon\":{lon},\"speed_mps\":12.5}}\n")
    };
    frames(count).map(row).collect::<String>().into_bytes()
}

fn binary(count: usize) -> Vec<u8> {
    let mut encoder = BinaryEncoder::new(Positions::Exact, 1_400);
    let mut bytes = Vec::new();
    for (id, ms, lat, lon) in frames(count) {
        let frame = Frame { vehicle: &id, event_time: EventTime(ms * 1_000), lat, lon, ..Frame::default() };
        if encoder.push(&frame).is_err() {
            bytes.extend_from_slice(encoder.record());
            encoder.push(&frame).expect("an empty packet takes a frame");
        }
    }
    bytes.extend_from_slice(encoder.record());
    bytes
}

/// A login, then packets of ten records.
fn teltonika(count: usize) -> Vec<u8> {
    const RECORDS: usize = 10;
    let mut bytes = b"\0\x0F352093086403655".to_vec();
    let all: Vec<_> = frames(count).collect();
    for packet in all.chunks(RECORDS) {
        let mut data = vec![8, packet.len() as u8];
        for (_, ms, lat, lon) in packet {
            data.extend((*ms as u64).to_be_bytes());
            data.push(0);
            [lon, lat].iter().for_each(|degrees| data.extend(((**degrees * 1e7) as i32).to_be_bytes()));
            // Height, course, satellites, speed; one element of one byte.
            data.extend([0, 120, 0, 90, 9, 0, 36, 0, 1, 1, 1, 1, 0, 0, 0]);
        }
        data.push(packet.len() as u8);
        bytes.extend([0; 4]);
        bytes.extend((data.len() as u32).to_be_bytes());
        bytes.extend(&data);
        bytes.extend(u32::from(crc16(&data)).to_be_bytes());
    }
    bytes
}

fn nmea(count: usize) -> Vec<u8> {
    let mut text = String::new();
    for n in 0..count {
        let time = format!("{:02}{:02}{:02}.{:02}", n / 360_000, n / 6_000 % 60, n / 100 % 60, n % 100);
        for body in [
            format!("GPRMC,{time},A,4730.{:05},N,00830.{:05},E,12.3,90.5,141123,,,A", n % 100_000, n % 99_991),
            format!("GPGGA,{time},4730.{:05},N,00830.{:05},E,1,09,0.9,120.5,M,48.0,M,,", n % 100_000, n % 99_991),
        ] {
            let sum = body.bytes().fold(0, |sum, byte| sum ^ byte);
            text += &format!("${body}*{sum:02X}\r\n");
        }
    }
    text.into_bytes()
}

struct Reader {
    codec: Box<dyn Codec>,
    out: FrameBuilder,
}

impl Reader {
    fn new(codec: &str) -> Reader {
        let mut codec = CodecConfig::named(codec).expect("a codec has this name").open();
        codec.called("receiver");
        let origin = Origin { source: "test".into(), partition: "0".into() };
        let clocks = ClockRules { rollover: false, skew_max_us: 0 };
        Reader { codec, out: FrameBuilder::new(&[Arc::new(Vehicles::default())], origin, clocks) }
    }

    /// Decodes a whole file into one batch, which must hold so many frames and no reject.
    fn decode(&mut self, bytes: &[u8], frames: usize) {
        let head = self.codec.preamble(bytes, true).expect("the input is sound").unwrap_or_default();
        let place = Place { offset: head as i64, received_at: NOW };
        assert_eq!(head + self.codec.stream(&bytes[head..], true, place, &mut self.out), bytes.len());
        let delivery = self.out.finish().remove(0);
        assert_eq!((delivery.frames.len(), delivery.rejects.len()), (frames, 0), "{:?}", delivery.rejects.first());
    }
}

/// A batch costs its columns, which grow by doubling the first time; frames cost nothing.
#[track_caller]
fn check(codec: &str, input: fn(usize) -> Vec<u8>) {
    const FRAMES: [usize; 2] = [1_000, 16_000];
    let [few, many] = FRAMES.map(|frames| {
        let bytes = input(frames);
        let mut reader = Reader::new(codec);
        // Vehicles are known, and columns have the room that they need.
        (0..2).for_each(|_| reader.decode(&bytes, frames));
        allocations_of(|| reader.decode(&bytes, frames))
    });
    assert!(many <= few + 64, "{codec}: {few} allocations for {} frames, {many} for {}", FRAMES[0], FRAMES[1]);
    assert!(few <= 200, "{codec}: {few} allocations a batch");
}

#[test]
fn a_warm_batch_of_json_allocates_nothing_a_frame() {
    check("json", json);
}

#[test]
fn a_warm_batch_of_csv_allocates_nothing_a_frame() {
    check("csv", csv);
}

#[test]
fn a_warm_batch_of_binary_packets_allocates_nothing_a_frame() {
    check("binary", binary);
}

#[test]
fn a_warm_batch_of_tracker_packets_allocates_nothing_a_frame() {
    check("teltonika", teltonika);
}

#[test]
fn a_warm_batch_of_sentences_allocates_nothing_a_frame() {
    check("nmea", nmea);
}
