//! Simulated frames to a topic, keyed by vehicle, as they arrive.

use super::producer::Producer;
use super::properties::Properties;
use crate::simulate::{Encode, Rate, SendReport, SimulatedFrame};
use rdkafka::producer::BaseRecord;
use rhumb_engine::time::monotonic_now;
use std::io;
use std::time::Duration;

/// Brokers that do not take a record are tried again for so long.
const RETRY_FOR_US: i64 = 60_000_000;
/// Records between two looks at how deliveries went.
const HEAR_EVERY: u64 = 1024;

/// Where to.
#[derive(Debug, Clone)]
pub struct KafkaSend {
    pub brokers: Vec<String>,
    pub topic: String,
    pub properties: Properties,
    pub rate: Rate,
}

/// Sends all frames, each a record; done when the brokers have all of them. `datagrams` of the report counts records.
pub fn send(
    frames: impl Iterator<Item = SimulatedFrame>,
    encode: &mut dyn Encode,
    to: &KafkaSend,
) -> io::Result<SendReport> {
    let producer =
        Producer::new("simulate".to_owned(), &to.brokers, RETRY_FOR_US, &to.properties).map_err(io::Error::other)?;
    let start = monotonic_now();
    let (mut elapsed, mut bytes) = (Duration::ZERO, Vec::new());
    let mut report = SendReport::default();
    for frame in frames {
        // The clock is asked only when the last answer is not enough.
        while !to.rate.wait(frame.arrival, elapsed).is_zero() {
            elapsed = start.elapsed();
            let wait = to.rate.wait(frame.arrival, elapsed);
            if !wait.is_zero() {
                producer.hear().map_err(io::Error::other)?;
                crate::simulate::pause(wait);
            }
        }
        let name = frame.name();
        bytes.clear();
        encode.encode(&frame.frame(&name), &mut bytes);
        let value = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let record = BaseRecord::to(&to.topic).key(name.as_str().as_bytes()).payload(value);
        producer.send(record).map_err(io::Error::other)?;
        (report.frames, report.datagrams) = (report.frames + 1, report.datagrams + 1);
        report.bytes += value.len() as u64;
        if report.frames % HEAR_EVERY == 0 {
            producer.hear().map_err(io::Error::other)?;
        }
    }
    producer.flush().map_err(io::Error::other)?;
    report.elapsed = start.elapsed();
    Ok(report)
}
