//! Frames and alerts as records of a topic.

use crate::codec::binary::{BinaryEncoder, Positions};
use crate::codec::decode::rfc3339;
use crate::simulate::{Encode, Ndjson};
use rhumb_engine::alert::{ALERT_ID_DIGITS, AlertBatch, AlertId};
use rhumb_engine::extra::Extra;
use rhumb_engine::frame::FrameBatch;
use rhumb_engine::vehicle::Vehicles;
use serde::Serialize;

/// Packets of one frame never come near this.
const PACKET_MAX: usize = 2048;

/// How frames are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameFormat {
    /// An object, times in microseconds since 1970, with all columns that the frame has a value for.
    Json,
    /// Our compact format, a packet of one frame; the core of a frame alone.
    Binary,
}

impl FrameFormat {
    pub const NAMES: &[&str] = &["json", "binary"];

    pub fn named(name: &str) -> Option<FrameFormat> {
        match name {
            "json" => Some(FrameFormat::Json),
            "binary" => Some(FrameFormat::Binary),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        if self == FrameFormat::Json { "json" } else { "binary" }
    }
}

/// Writes frames, one at a time, into a buffer of its own.
pub(super) struct FrameWriter {
    format: FrameFormat,
    json: Ndjson,
    binary: BinaryEncoder,
    bytes: Vec<u8>,
}

impl FrameWriter {
    pub fn new(format: FrameFormat) -> FrameWriter {
        let binary = BinaryEncoder::new(Positions::Exact, PACKET_MAX);
        FrameWriter { format, json: Ndjson { received_at: true }, binary, bytes: Vec::new() }
    }

    /// The bytes of a row.
    pub fn write(&mut self, frames: &FrameBatch, row: usize, vehicles: &Vehicles) -> &[u8] {
        let frame = frames.frame(row, vehicles);
        if self.format == FrameFormat::Binary {
            self.binary.push(&frame).expect("a frame with an id of at most 128 bytes fits into an empty packet");
            return self.binary.datagram();
        }
        self.bytes.clear();
        self.json.encode(&frame, &mut self.bytes);
        self.bytes.truncate(self.bytes.len() - b"}\n".len());
        self.field("source", &*frames.origin.source);
        if frames.late.value(row) {
            self.field("late", &true);
        }
        if let Some(zones) = &frames.zones {
            let ids: Vec<&str> = zones.of(row).iter().map(|zone| zones.ids.value(*zone as usize)).collect();
            self.field("zone_ids", &ids);
        }
        for (column, values) in &frames.extra {
            match Extra::of(values, row) {
                None => {}
                Some(Extra::Bool(value)) => self.field(column.name(), &value),
                Some(Extra::Int(value)) => self.field(column.name(), &value),
                Some(Extra::Float(value)) => self.field(column.name(), &value),
                Some(Extra::Text(value)) => self.field(column.name(), value),
            }
        }
        self.bytes.push(b'}');
        &self.bytes
    }

    fn field(&mut self, name: &str, value: &(impl Serialize + ?Sized)) {
        self.bytes.push(b',');
        write_json(name, &mut self.bytes);
        self.bytes.push(b':');
        write_json(value, &mut self.bytes);
    }
}

fn write_json(value: &(impl Serialize + ?Sized), bytes: &mut Vec<u8>) {
    serde_json::to_writer(bytes, value).expect("a plain value has a JSON form, and a vector takes all of it");
}

/// Digits of an alert's id.
pub(super) fn id_text(digits: &[u8; ALERT_ID_DIGITS]) -> &str {
    std::str::from_utf8(digits).expect("base64url is ASCII")
}

/// An alert as an object, with the columns of the table `alerts`.
pub(super) fn write_alert(alerts: &AlertBatch, row: usize, vehicle: &str, sequence: i64, bytes: &mut Vec<u8>) {
    #[derive(Serialize)]
    struct Object<'a> {
        alert_id: &'a str,
        sequence: i64,
        kind: &'a str,
        vehicle_id: &'a str,
        zone_id: &'a str,
        event_time: String,
        frame_time: String,
        received_at: String,
        lat: f64,
        lon: f64,
        visit_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
        late: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        supersedes: Option<&'a str>,
        zone_version: i64,
    }
    let alert = alerts.get(row);
    let (id, visit, supersedes) = (alert.id.digits(), alert.visit.digits(), alert.supersedes.map(AlertId::digits));
    let object = Object {
        alert_id: id_text(&id),
        sequence,
        kind: alert.kind.name(),
        vehicle_id: vehicle,
        zone_id: alerts.zones.ids.value(alert.zone as usize),
        event_time: rfc3339(alert.event_time),
        frame_time: rfc3339(alert.frame_time),
        received_at: rfc3339(alert.received_at),
        lat: alert.lat,
        lon: alert.lon,
        visit_id: id_text(&visit),
        reason: alert.reason.name(),
        late: alert.late,
        supersedes: supersedes.as_ref().map(id_text),
        zone_version: alerts.zones.version,
    };
    write_json(&object, bytes);
    bytes.truncate(bytes.len() - b"}".len());
    bytes.extend_from_slice(b",\"zone_attributes\":");
    // They are JSON already.
    bytes.extend_from_slice(alerts.zones.attributes.value(alert.zone as usize).as_bytes());
    bytes.push(b'}');
}
