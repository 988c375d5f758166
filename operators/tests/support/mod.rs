//! Frames in a line of text, and a chain of operators to put them through.
#![allow(dead_code, reason = "each test takes what it needs")]

use rhumb_engine::builder::{ClockRules, FrameBuilder};
use rhumb_engine::chain::Chain;
use rhumb_engine::current::CurrentShard;
use rhumb_engine::frame::{Frame, Origin};
use rhumb_engine::message::Output;
use rhumb_engine::operator::{OperatorPlan, ShardContext};
use rhumb_engine::time::{EventTime, SECOND_US};
use rhumb_engine::vehicle::Vehicles;
use std::sync::Arc;

/// When the tests' frames were received, seconds.
pub const RECEIVED_S: i64 = 100_000;

/// Puts frames of one vehicle through operators, all in one batch. A frame is `SECONDS LAT LON [NAME=VALUE...]`; frames
/// stand apart by semicolons.
#[track_caller]
pub fn run(vehicle: &str, frames: &str, operators: &[Arc<dyn OperatorPlan>]) -> Output {
    let vehicles: Arc<Vehicles> = Arc::default();
    let context = ShardContext { shard: 0, shards: 1, vehicles: vehicles.clone() };
    let current = Arc::new(CurrentShard::new(vehicles.clone()));
    let mut chain = Chain::new(operators, &context, current, 3600 * SECOND_US, 300 * SECOND_US);
    let origin = Origin { source: "test".into(), partition: "0".into() };
    let clocks = ClockRules { rollover: false, skew_max_us: 0 };
    let mut builder = FrameBuilder::new(&[vehicles], origin, clocks);
    for (offset, text) in (0..).zip(frames.split(';')) {
        builder.at(offset, EventTime(RECEIVED_S * SECOND_US));
        builder.push(&frame(vehicle, text));
    }
    chain.process(builder.finish().remove(0), 0)
}

#[track_caller]
fn frame<'a>(vehicle: &'a str, text: &str) -> Frame<'a> {
    let mut words = text.split_whitespace();
    let mut number = || words.next().expect("seconds, lat and lon").parse::<f64>().expect("a number");
    let [seconds, lat, lon] = [number(), number(), number()];
    let event_time = EventTime((seconds * SECOND_US as f64) as i64);
    let mut frame = Frame { vehicle, event_time, lat, lon, ..Frame::default() };
    for (name, value) in words.map(|word| word.split_once('=').expect("name=value")) {
        let number: f32 = value.parse().expect("a number");
        match name {
            "accuracy_m" => frame.accuracy_m = Some(number),
            "satellites" => frame.satellites = Some(number as i16),
            "hdop" => frame.hdop = Some(number),
            "heading_deg" => frame.heading_deg = Some(number),
            "speed_mps" => frame.speed_mps = Some(number),
            "no_fix" => frame.no_fix = number == 1.0,
            other => panic!("a frame has no {other}"),
        }
    }
    frame
}
