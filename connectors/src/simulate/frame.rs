//! One simulated frame.

use super::faults::Fault;
use rhumb_engine::frame::Frame;
use rhumb_engine::time::EventTime;

/// A frame as its device sends it. Units: degrees, metres, metres a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SimulatedFrame {
    /// Number of the vehicle, from 0.
    pub vehicle: u32,
    pub event_time: EventTime,
    /// When it arrives; frames come in this order.
    pub arrival: EventTime,
    pub lat: f64,
    pub lon: f64,
    pub speed_mps: f32,
    pub heading_deg: f32,
    pub accuracy_m: f32,
    pub hdop: f32,
    pub satellites: i16,
    /// What was done to it on purpose.
    pub fault: Option<Fault>,
}

impl SimulatedFrame {
    pub fn name(&self) -> VehicleName {
        VehicleName::new(self.vehicle)
    }

    /// As the engine has it; `name` is `self.name()`, kept by the caller.
    pub fn frame<'a>(&self, name: &'a VehicleName) -> Frame<'a> {
        Frame {
            vehicle: name.as_str(),
            event_time: self.event_time,
            received_at: Some(self.arrival),
            lat: self.lat,
            lon: self.lon,
            altitude_m: None,
            speed_mps: Some(self.speed_mps),
            heading_deg: Some(self.heading_deg),
            accuracy_m: Some(self.accuracy_m),
            hdop: Some(self.hdop),
            satellites: Some(self.satellites),
            no_fix: false,
        }
    }
}

/// The id of a simulated vehicle: `v000123`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VehicleName {
    /// `v` and up to ten digits, at the end.
    bytes: [u8; 11],
    start: usize,
}

/// Digits that every name has at least.
const DIGITS: usize = 6;

impl VehicleName {
    pub fn new(vehicle: u32) -> VehicleName {
        let mut bytes = [b'0'; 11];
        let (mut rest, mut start) = (vehicle, bytes.len());
        while rest > 0 || bytes.len() - start < DIGITS {
            start -= 1;
            bytes[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        start -= 1;
        bytes[start] = b'v';
        VehicleName { bytes, start }
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[self.start..]).expect("a letter and digits are UTF-8")
    }
}
