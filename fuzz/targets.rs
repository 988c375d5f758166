//! What is fuzzed: one function a target, each of which panics if a promise is broken. `cargo fuzz` drives them, and so
//! does `cli/tests/fuzz.rs` on a stable toolchain.
#![allow(dead_code, reason = "each fuzz target uses one of these")]

use rhumb_connectors::codec::decode::{Transport, decode, shown};
use rhumb_connectors::codec::{CodecConfig, Place, RECORD_MAX};
use rhumb_engine::builder::{ClockRules, FrameBuilder};
use rhumb_engine::frame::Origin;
use rhumb_engine::time::EventTime;
use rhumb_engine::vehicle::Vehicles;
use rhumb_geofence::{ZoneOptions, Zones};
use std::sync::Arc;

pub fn json(bytes: &[u8]) {
    codec("json", bytes);
}

pub fn csv(bytes: &[u8]) {
    codec("csv", bytes);
}

pub fn binary(bytes: &[u8]) {
    codec("binary", bytes);
}

pub fn teltonika(bytes: &[u8]) {
    codec("teltonika", bytes);
}

pub fn nmea(bytes: &[u8]) {
    codec("nmea", bytes);
}

/// A zones file is refused with problems, or gives zones that answer.
pub fn zones(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Zones::from_geojson(text, &ZoneOptions::default()) {
        Ok((zones, _)) => drop(zones.len()),
        Err(problems) => assert!(!problems.is_empty(), "refused without a problem"),
    }
}

/// A pipeline is refused with mistakes, or means something that can be explained.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // Such a text may name any file of this machine.
    if text.contains("\"/") || text.contains("'/") || text.contains("..") {
        return;
    }
    let path = std::path::Path::new("/nowhere/fuzz.toml");
    match rhumb::config::load_text(path, text.to_owned(), &|_| None) {
        Ok((checked, _)) => {
            let plans = rhumb::build::operators(&checked.operators, &checked.sources);
            drop(rhumb::config::explain(&checked, &plans, &rhumb::build::sinks(&checked.sinks)));
        }
        Err(mistakes) => assert!(!mistakes.is_empty(), "refused without a mistake"),
    }
}

/// Any bytes give frames or rejects, and the same ones however a stream is cut.
fn codec(name: &str, bytes: &[u8]) {
    let config = shown(name).expect("a codec has this name");
    let _ = decode(&config, bytes, Transport::Udp, drop);
    let whole = outcome(&config, bytes, bytes.len().max(1));
    for step in [1, 13, 700] {
        if bytes.len() / step < 4096 {
            assert_eq!(outcome(&config, bytes, step), whole, "cut every {step} bytes");
        }
    }
}

/// Event times and places of frames, places and bytes of rejects.
type Outcome = (Vec<(i64, i64)>, Vec<(i64, Box<[u8]>)>);

/// What a stream gives that comes `step` bytes at a time.
fn outcome(config: &CodecConfig, bytes: &[u8], step: usize) -> Outcome {
    let origin = Origin { source: "fuzz".into(), partition: "".into() };
    let clocks = ClockRules { rollover: false, skew_max_us: i64::MAX };
    let vehicles: [Arc<Vehicles>; 1] = [Arc::default()];
    let mut out = FrameBuilder::new(&vehicles, origin, clocks).with_columns(&config.columns());
    let mut codec = config.open();
    let (mut at, mut end, mut begun) = (0, 0, false);
    loop {
        let last = end == bytes.len();
        if !begun {
            match codec.preamble(&bytes[at..end], last) {
                Ok(Some(length)) => (at, begun) = (at + length, true),
                Ok(None) => assert!(!last, "the preamble waits for more than there is"),
                Err(_) => return Default::default(),
            }
        }
        if begun {
            let place = Place { offset: at as i64, received_at: EventTime(i64::MAX / 2) };
            at += codec.stream(&bytes[at..end], last, place, &mut out);
            assert!(at <= end && end - at < RECORD_MAX + step && (!last || at == end), "{at} of {end}");
        }
        if last {
            break;
        }
        end = bytes.len().min(end + step);
    }
    let mut frames = Vec::new();
    let mut rejects = Vec::new();
    for delivery in out.finish() {
        let places = delivery.frames.offset.values().iter().copied();
        frames.extend(delivery.frames.times().iter().copied().zip(places));
        rejects.extend(delivery.rejects.into_iter().map(|reject| (reject.offset, reject.raw)));
    }
    (frames, rejects)
}
