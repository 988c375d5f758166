//! Rejects: frames that were refused, kept with their reason.

mod json;

pub use json::{FrameJson, Measured, frame_as_json};

use crate::extra::Extra;
use crate::frame::FrameBatch;
use crate::time::EventTime;
use crate::vehicle::Vehicles;
use std::sync::Arc;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal,)*) => {
        /// Why a frame was refused. The name is what stands in the rejects table, in metrics and in the summary.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason { $($(#[doc = $doc])* $variant,)* }

        impl Reason {
            pub const ALL: &[Reason] = &[$(Reason::$variant,)*];

            pub fn name(self) -> &'static str {
                match self { $(Reason::$variant => $name,)* }
            }

            pub fn named(name: &str) -> Option<Reason> {
                Reason::ALL.iter().copied().find(|reason| reason.name() == name)
            }
        }
    };
}

reasons! {
    /// Bytes that the codec cannot read as a frame.
    Undecodable = "undecodable",
    /// Bytes that do not have the checksum that came with them.
    Checksum = "checksum",
    /// A datagram or record without bytes.
    EmptyDatagram = "empty_datagram",
    /// A datagram or record longer than the source takes; only its head is kept.
    OversizeDatagram = "oversize_datagram",
    /// A datagram from an address that is not on the allow-list.
    Sender = "sender_not_allowed",
    /// The trailer of an authenticated datagram is missing, wrong, or was seen before; a device sent before its login.
    Authentication = "authentication",
    /// The vehicle id is empty or too long.
    VehicleId = "vehicle_id",
    /// A new vehicle beyond the number that the engine keeps.
    VehiclesMax = "vehicles_max",
    /// Latitude or longitude is out of range or not a number.
    Range = "range",
    /// The device says a heading that is none.
    Heading = "heading",
    /// The device says a speed that is below 0 or faster than possible.
    SpeedReported = "speed_reported",
    /// Exactly (0, 0).
    NullIsland = "null_island",
    /// The device says it had no fix.
    NoFix = "no_fix",
    /// A time of no year from 1 to 9999: readers of the lake could not show it.
    Calendar = "calendar",
    /// Ahead of our clock by more than `clock_skew_max`.
    Future = "future",
    /// Older than allowed.
    Past = "past",
    /// Worse accuracy than allowed.
    Accuracy = "accuracy",
    /// Fewer satellites than asked for.
    Satellites = "satellites",
    /// Higher dilution of precision than allowed.
    Hdop = "hdop",
    /// Same vehicle and event time as an accepted frame.
    Duplicate = "duplicate",
    /// Does not move, and was asked not to be kept.
    Static = "static",
    /// Moved less than asked for.
    Distance = "distance",
    /// Faster than possible from or to its neighbour in time.
    SpeedMax = "speed_max",
    /// Too soon after the frame before.
    PeriodMin = "period_min",
    /// The neighbours in time say that latitude and longitude are swapped.
    Swapped = "swapped",
    /// Not in the table of known vehicles.
    UnknownVehicle = "unknown_vehicle",
    /// More frames than a vehicle may send.
    RateLimit = "rate_limit",
    /// Not what a filter keeps.
    Filter = "filter",
}

impl Reason {
    /// Whether a codec refused bytes, rather than a rule a frame.
    pub fn is_of_codec(self) -> bool {
        matches!(self, Reason::Undecodable | Reason::Checksum | Reason::Authentication)
    }

    /// Whether `Reject::raw` holds bytes as they came, rather than a frame.
    pub fn is_of_bytes(self) -> bool {
        self.is_of_codec() || matches!(self, Reason::Sender | Reason::EmptyDatagram | Reason::OversizeDatagram)
    }
}

/// A refused frame, or bytes that are none.
#[derive(Debug, Clone, PartialEq)]
pub struct Reject {
    pub reason: Reason,
    /// What the rule measured, in the unit of its threshold.
    pub measured: Option<f64>,
    pub threshold: Option<f64>,
    pub vehicle_id: Option<Box<str>>,
    pub event_time: Option<EventTime>,
    pub received_at: EventTime,
    pub lat: Option<f64>,
    pub lon: Option<f64>,
    pub source: Arc<str>,
    pub partition: Arc<str>,
    pub offset: i64,
    /// The bytes as they came; for a decoded frame, the frame as one JSON object that the `json` codec reads.
    pub raw: Box<[u8]>,
    /// For a person.
    pub detail: String,
}

impl Default for Reject {
    fn default() -> Reject {
        Reject {
            reason: Reason::Undecodable,
            measured: None,
            threshold: None,
            vehicle_id: None,
            event_time: None,
            received_at: EventTime(0),
            lat: None,
            lon: None,
            source: "".into(),
            partition: "".into(),
            offset: 0,
            raw: Box::default(),
            detail: String::new(),
        }
    }
}

impl Reject {
    /// A decoded frame that a rule refused.
    pub fn of_frame(frames: &FrameBatch, row: usize, vehicles: &Vehicles, reason: Reason) -> Reject {
        let frame = frames.frame(row, vehicles);
        let extra = frames.extra.iter().filter_map(|(field, column)| Some((&**field.name(), Extra::of(column, row)?)));
        Reject {
            reason,
            vehicle_id: Some(frame.vehicle.into()),
            event_time: Some(frame.event_time),
            received_at: frame.received_at.expect("a batch has a time of receipt for every row"),
            lat: Some(frame.lat),
            lon: Some(frame.lon),
            source: frames.origin.source.clone(),
            partition: frames.partition(row).clone(),
            offset: frames.offset.value(row),
            raw: json::with_extra(&frame, extra).into_bytes().into(),
            ..Reject::default()
        }
    }

    pub fn measured(mut self, measured: f64, threshold: f64) -> Reject {
        (self.measured, self.threshold) = (Some(measured), Some(threshold));
        self
    }

    pub fn detail(mut self, detail: impl Into<String>) -> Reject {
        self.detail = detail.into();
        self
    }
}
