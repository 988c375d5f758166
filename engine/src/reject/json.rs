//! Refused frames as JSON, and back.

use crate::extra::Extra;
use crate::frame::Frame;
use crate::time::EventTime;
use arrow::datatypes::DataType;
use serde::Serialize;
use serde_json::{Map, Value};

/// What a frame may have measured beside its place, as fields of a JSON object; what it has not is left out.
#[derive(Serialize)]
pub struct Measured {
    #[serde(skip_serializing_if = "Option::is_none")]
    altitude_m: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    speed_mps: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    heading_deg: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accuracy_m: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hdop: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    satellites: Option<i16>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    no_fix: bool,
}

impl Measured {
    pub fn of(frame: &Frame) -> Measured {
        Measured {
            altitude_m: frame.altitude_m,
            speed_mps: frame.speed_mps,
            heading_deg: frame.heading_deg,
            accuracy_m: frame.accuracy_m,
            hdop: frame.hdop,
            satellites: frame.satellites,
            no_fix: frame.no_fix,
        }
    }
}

/// A frame as one JSON object with the field names of the history table. Numbers that JSON has no form for
/// (NaN, infinities) become null; `Reject::lat` and `lon` still hold them.
pub fn frame_as_json(frame: &Frame) -> String {
    with_extra(frame, std::iter::empty())
}

/// As `frame_as_json`, with the columns that the frame has beyond the core under their names.
pub(super) fn with_extra<'a>(frame: &Frame, extra: impl Iterator<Item = (&'a str, Extra<'a>)>) -> String {
    #[derive(Serialize)]
    struct Json<'a> {
        vehicle_id: &'a str,
        event_time: i64,
        received_at: Option<i64>,
        lat: f64,
        lon: f64,
        #[serde(flatten)]
        measured: Measured,
        #[serde(flatten)]
        extra: Map<String, Value>,
    }
    let of_extra = |(name, value): (&str, Extra)| {
        let value = match value {
            Extra::Bool(value) => value.into(),
            Extra::Int(value) => value.into(),
            Extra::Float(value) => value.into(),
            Extra::Text(value) => value.into(),
        };
        (name.to_owned(), value)
    };
    let json = Json {
        vehicle_id: frame.vehicle,
        event_time: frame.event_time.0,
        received_at: frame.received_at.map(|t| t.0),
        lat: frame.lat,
        lon: frame.lon,
        measured: Measured::of(frame),
        extra: extra.map(of_extra).collect(),
    };
    serde_json::to_string(&json).expect("a struct of plain values has a JSON form")
}

/// A frame as `frame_as_json` has written it.
pub struct FrameJson {
    fields: Map<String, Value>,
    event_time: i64,
    pub received_at: Option<i64>,
}

impl FrameJson {
    /// `None`: it is no such object.
    pub fn read(json: &[u8]) -> Option<FrameJson> {
        let fields: Map<String, Value> = serde_json::from_slice(json).ok()?;
        fields.get("vehicle_id")?.as_str()?;
        let event_time = fields.get("event_time")?.as_i64()?;
        let received_at = fields.get("received_at").and_then(Value::as_i64);
        Some(FrameJson { fields, event_time, received_at })
    }

    /// The frame, at a place that is known better than JSON can say: it has no form for NaN.
    pub fn frame(&self, received_at: EventTime, lat: Option<f64>, lon: Option<f64>) -> Frame<'_> {
        let value = |name: &str| self.fields.get(name);
        let f32_of = |name: &str| value(name).and_then(Value::as_f64).map(|value| value as f32);
        let degrees = |known: Option<f64>, name: &str| known.or_else(|| value(name)?.as_f64()).unwrap_or(f64::NAN);
        Frame {
            vehicle: value("vehicle_id").and_then(Value::as_str).unwrap_or_default(),
            event_time: EventTime(self.event_time),
            received_at: Some(received_at),
            lat: degrees(lat, "lat"),
            lon: degrees(lon, "lon"),
            altitude_m: f32_of("altitude_m"),
            speed_mps: f32_of("speed_mps"),
            heading_deg: f32_of("heading_deg"),
            accuracy_m: f32_of("accuracy_m"),
            hdop: f32_of("hdop"),
            satellites: value("satellites").and_then(Value::as_i64).and_then(|n| i16::try_from(n).ok()),
            no_fix: value("no_fix").and_then(Value::as_bool).unwrap_or(false),
        }
    }

    /// The value of a column beyond the core, if there is one of its type.
    pub fn extra(&self, name: &str, data_type: &DataType) -> Option<Extra<'_>> {
        let value = self.fields.get(name)?;
        match data_type {
            DataType::Boolean => value.as_bool().map(Extra::Bool),
            DataType::Int64 => value.as_i64().map(Extra::Int),
            DataType::Float64 => value.as_f64().map(Extra::Float),
            DataType::Utf8 => value.as_str().map(Extra::Text),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn frame_is_read_back_as_it_was(
            vehicle: String,
            times: (i64, i64),
            place: (f64, f64),
            measures: (Option<f32>, Option<f32>, Option<f32>, Option<f32>, Option<f32>),
            rest: (Option<i16>, bool),
        ) {
            let finite = |value: Option<f32>| value.filter(|value| value.is_finite());
            let frame = Frame {
                vehicle: &vehicle,
                event_time: EventTime(times.0),
                received_at: Some(EventTime(times.1)),
                lat: place.0,
                lon: place.1,
                altitude_m: finite(measures.0),
                speed_mps: finite(measures.1),
                heading_deg: finite(measures.2),
                accuracy_m: finite(measures.3),
                hdop: finite(measures.4),
                satellites: rest.0,
                no_fix: rest.1,
            };
            let extra = [("ignition", Extra::Bool(true)), ("odometer", Extra::Int(i64::MIN)), ("driver", Extra::Text("a\"b"))];
            let read = FrameJson::read(with_extra(&frame, extra.into_iter()).as_bytes()).expect("it is one");
            prop_assert_eq!(read.received_at, Some(times.1));
            prop_assert_eq!(read.frame(EventTime(times.1), Some(place.0), Some(place.1)), frame);
            for (name, value, data_type) in [
                ("ignition", extra[0].1, DataType::Boolean),
                ("odometer", extra[1].1, DataType::Int64),
                ("driver", extra[2].1, DataType::Utf8),
            ] {
                prop_assert_eq!(read.extra(name, &data_type), Some(value));
                prop_assert_eq!(read.extra(name, &DataType::Date32), None);
            }
        }
    }
}
