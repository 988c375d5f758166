//! A fleet that drives like one: seeded vehicles on a grid of streets, with the faults that real devices show. The
//! same configuration gives the same frames on every machine and in every version that does not say otherwise.

mod drive;
mod encode;
mod faults;
mod fleet;
mod frame;
mod outgoing;
mod send;
#[cfg(test)]
mod tests;
mod write;

pub use encode::{Csv, Encode, Ndjson};
pub use faults::{Fault, Shares};
pub use fleet::Fleet;
pub use frame::{SimulatedFrame, VehicleName};
pub use outgoing::{Outgoing, Simulated};
pub(crate) use outgoing::{Pacer, sleep};
pub use send::{Rate, SendOptions, SendReport, send};
pub use write::write;

use rhumb_engine::time::EventTime;

/// 2026-01-05T06:00:00Z, a Monday: when the fleet starts if nothing else is said.
const START: EventTime = EventTime(1_767_592_800_000_000);

/// What to simulate.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulateConfig {
    /// At least 1. Costs about 80 bytes each.
    pub vehicles: u32,
    /// Event time to simulate.
    pub seconds: f64,
    pub seed: u64,
    /// Frames of the whole fleet a second; every vehicle sends one each `vehicles / rate_per_s` seconds. Faults add
    /// and take away.
    pub rate_per_s: f64,
    /// Middle of the town, degrees. Default Austin.
    pub lat: f64,
    pub lon: f64,
    /// How far out vehicles drive, metres. Default 20 km.
    pub radius_m: f64,
    /// Standard deviation of the fixes, east and north each, metres. It drifts over half a minute. Default 3.
    pub noise_m: f64,
    pub shares: Shares,
    /// Late frames and duplicates come up to so many seconds late. Default 30.
    pub late_max_s: f64,
    /// Length of a gap, on average. Default 120.
    pub gap_s: f64,
    /// Event time of the first frame.
    pub start: EventTime,
}

impl SimulateConfig {
    /// One frame every ten seconds of each vehicle, no faults.
    pub fn new(vehicles: u32, seconds: f64, seed: u64) -> SimulateConfig {
        SimulateConfig {
            vehicles,
            seconds,
            seed,
            rate_per_s: f64::from(vehicles) / 10.0,
            lat: 30.267,
            lon: -97.743,
            radius_m: 20_000.0,
            noise_m: 3.0,
            shares: Shares::default(),
            late_max_s: 30.0,
            gap_s: 120.0,
            start: START,
        }
    }

    /// Time between two frames of a vehicle.
    pub fn period_s(&self) -> f64 {
        f64::from(self.vehicles) / self.rate_per_s
    }

    /// What is wrong with it, all of it; empty: nothing.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut ask = |fine: bool, problem: String| problems.extend((!fine).then_some(problem));
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let not_negative = |value: f64| value.is_finite() && value >= 0.0;
        ask(self.vehicles > 0, "vehicles is 0, the least is 1".to_owned());
        ask(not_negative(self.seconds), format!("seconds is {}", self.seconds));
        ask(positive(self.rate_per_s), format!("rate_per_s is {}, must be above 0", self.rate_per_s));
        ask(self.lat.abs() <= 80.0, format!("lat is {}, must be in -80..=80", self.lat));
        ask(self.lon.abs() <= 180.0, format!("lon is {}, must be in -180..=180", self.lon));
        let radius = 500.0..=200_000.0;
        ask(radius.contains(&self.radius_m), format!("radius_m is {}, must be in 500..=200000", self.radius_m));
        ask(not_negative(self.noise_m), format!("noise_m is {}", self.noise_m));
        ask(not_negative(self.late_max_s), format!("late_max_s is {}", self.late_max_s));
        ask(not_negative(self.gap_s), format!("gap_s is {}", self.gap_s));
        problems.extend(self.shares.problem());
        problems
    }
}
