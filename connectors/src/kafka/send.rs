//! Simulated frames, or those of a history, to a topic, keyed by vehicle, as they arrive.

use super::producer::Producer;
use super::properties::Properties;
use crate::simulate::{Encode, Outgoing, Pacer, Rate, SendReport, sleep};
use rdkafka::producer::BaseRecord;
use std::io;

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
pub fn send(frames: &mut dyn Outgoing, encode: &mut dyn Encode, to: &KafkaSend) -> io::Result<SendReport> {
    let producer =
        Producer::new("simulate".to_owned(), &to.brokers, RETRY_FOR_US, &to.properties).map_err(io::Error::other)?;
    let mut pacer = Pacer::new(to.rate);
    let mut bytes = Vec::new();
    let mut report = SendReport::default();
    while let Some((due, frame)) = frames.next()? {
        while let Some(wait) = pacer.wait(due) {
            producer.hear().map_err(io::Error::other)?;
            sleep(wait);
        }
        bytes.clear();
        encode.encode(&frame, &mut bytes);
        let value = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let record = BaseRecord::to(&to.topic).key(frame.vehicle.as_bytes()).payload(value);
        producer.send(record).map_err(io::Error::other)?;
        (report.frames, report.datagrams) = (report.frames + 1, report.datagrams + 1);
        report.bytes += value.len() as u64;
        if report.frames % HEAR_EVERY == 0 {
            producer.hear().map_err(io::Error::other)?;
        }
    }
    producer.flush().map_err(io::Error::other)?;
    report.elapsed = pacer.elapsed();
    Ok(report)
}
