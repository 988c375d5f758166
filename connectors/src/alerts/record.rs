//! An alert as it stands in the log: what the row of the alerts table says, but for its epoch, which is not yet known.

use jiff::Timestamp;
use rhumb_engine::alert::{ALERT_ID_DIGITS, AlertBatch, AlertId};
use rhumb_engine::vehicle::Vehicles;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// In the form of postcard: fields are never moved or taken away, and new ones come last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record<'a> {
    pub alert_id: [u8; ALERT_ID_DIGITS],
    pub kind: &'a str,
    pub vehicle_id: &'a str,
    pub zone_id: &'a str,
    pub event_time: i64,
    pub frame_time: i64,
    pub received_at: i64,
    pub lat: f64,
    pub lon: f64,
    pub visit_id: [u8; ALERT_ID_DIGITS],
    pub reason: Option<&'a str>,
    pub late: bool,
    pub supersedes: Option<[u8; ALERT_ID_DIGITS]>,
    /// Time, latitude and longitude.
    pub left: Option<(i64, f64, f64)>,
    pub zone_version: i64,
    pub zone_attributes: &'a str,
}

impl<'a> Record<'a> {
    pub fn of(alerts: &'a AlertBatch, row: usize, vehicles: &'a Vehicles) -> Record<'a> {
        let alert = alerts.get(row);
        let zone = alert.zone as usize;
        Record {
            alert_id: alert.id.digits(),
            kind: alert.kind.name(),
            vehicle_id: vehicles.id(alert.vehicle),
            zone_id: alerts.zones.ids.value(zone),
            event_time: alert.event_time.0,
            frame_time: alert.frame_time.0,
            received_at: alert.received_at.0,
            lat: alert.lat,
            lon: alert.lon,
            visit_id: alert.visit.digits(),
            reason: alert.reason.name(),
            late: alert.late,
            supersedes: alert.supersedes.map(AlertId::digits),
            left: alert.left.map(|left| (left.time.0, left.lat, left.lon)),
            zone_version: alerts.zones.version,
            zone_attributes: alerts.zones.attributes.value(zone),
        }
    }

    /// `None`: these are no record of ours.
    pub fn decode(bytes: &'a [u8]) -> Option<Record<'a>> {
        postcard::from_bytes(bytes).ok()
    }

    /// As one object, with the names of the alerts table; what is not known is left out.
    pub fn json(&self, sequence: i64) -> Value {
        let text = |digits: &[u8]| Value::from(String::from_utf8_lossy(digits));
        let time = |us: i64| Timestamp::from_microsecond(us).map_or(Value::from(us), |time| json!(time.to_string()));
        let attributes = serde_json::from_str(self.zone_attributes).unwrap_or_else(|_| json!(self.zone_attributes));
        let mut object = Map::new();
        let mut put = |name: &str, value: Value| drop(object.insert(name.to_owned(), value));
        put("sequence", sequence.into());
        put("alert_id", text(&self.alert_id));
        put("kind", self.kind.into());
        put("vehicle_id", self.vehicle_id.into());
        put("zone_id", self.zone_id.into());
        put("event_time", time(self.event_time));
        put("frame_time", time(self.frame_time));
        put("received_at", time(self.received_at));
        put("lat", self.lat.into());
        put("lon", self.lon.into());
        put("visit_id", text(&self.visit_id));
        put("late", self.late.into());
        if let Some(reason) = self.reason {
            put("reason", reason.into());
        }
        if let Some(superseded) = &self.supersedes {
            put("supersedes", text(superseded));
        }
        if let Some((left_time, lat, lon)) = self.left {
            put("left_time", time(left_time));
            put("left_lat", lat.into());
            put("left_lon", lon.into());
        }
        put("zone_version", self.zone_version.into());
        put("zone_attributes", attributes);
        object.into()
    }
}
