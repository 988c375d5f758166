//! The whole fleet: frames of all vehicles in the order in which they arrive.

use super::SimulateConfig;
use super::drive::{Leg, Town};
use super::faults::{Dice, Fault};
use super::frame::SimulatedFrame;
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};
use rhumb_engine::time::{DAY_US, EventTime, ROLLOVER_US, SECOND_US};
use std::collections::BTreeMap;

/// Of a sphere of the earth's mean radius.
const METRES_A_DEGREE: f64 = 111_195.08;
/// How long the error of a fix takes to fade.
const NOISE_FADES_S: f64 = 30.0;
/// Bearing of the streets, degrees: no town's grid points north.
const GRID_DEG: f64 = 18.0;

struct Vehicle {
    leg: Leg,
    /// Error of its fixes at present, metres.
    noise_m: (f32, f32),
    silent_until_us: i64,
}

/// Gives the frames of a fleet, one after the other, in order of arrival. Vehicles take turns, evenly spaced in time.
pub struct Fleet {
    config: SimulateConfig,
    town: Town,
    vehicles: Vec<Vehicle>,
    /// Frames that come later than they were sent, by arrival and, of those at the same time, in order of sending.
    delayed: BTreeMap<(EventTime, u64), SimulatedFrame>,
    dice: Dice,
    /// Driving and faults draw from one each, so that the same seed drives the same way whatever the faults.
    drive: Pcg64Mcg,
    luck: Pcg64Mcg,
    noise_keep: f32,
    noise_add_m: f32,
    degrees_a_metre: (f64, f64),
    us_a_frame: f64,
    vehicle: usize,
    next: u64,
    frames: u64,
}

impl Fleet {
    /// # Panics
    /// If the configuration has `problems`.
    pub fn new(config: SimulateConfig) -> Fleet {
        assert_eq!(config.problems(), Vec::<String>::new(), "the configuration is checked where it is read");
        let town = Town::new(config.radius_m, GRID_DEG);
        let mut drive = Pcg64Mcg::seed_from_u64(config.seed);
        let vehicle = |_| Vehicle { leg: Leg::first(&town, &mut drive), noise_m: (0.0, 0.0), silent_until_us: 0 };
        let vehicles: Vec<Vehicle> = (0..config.vehicles).map(vehicle).collect();
        let noise_keep = libm::exp(-config.period_s() / NOISE_FADES_S);
        let north = 1.0 / METRES_A_DEGREE;
        Fleet {
            dice: Dice::new(&config.shares),
            luck: Pcg64Mcg::seed_from_u64(config.seed ^ 0x9e37_79b9_7f4a_7c15),
            noise_keep: noise_keep as f32,
            noise_add_m: (config.noise_m * (1.0 - noise_keep * noise_keep).sqrt()) as f32,
            degrees_a_metre: (north / libm::cos(config.lat.to_radians()), north),
            us_a_frame: SECOND_US as f64 / config.rate_per_s,
            frames: (config.seconds * config.rate_per_s) as u64,
            delayed: BTreeMap::new(),
            vehicle: 0,
            next: 0,
            town,
            vehicles,
            drive,
            config,
        }
    }

    /// The vehicle whose turn it is; `None` while it is silent.
    fn send(&mut self, number: usize, now_us: i64) -> Option<SimulatedFrame> {
        let vehicle = &mut self.vehicles[number];
        vehicle.leg.advance(now_us, &self.town, &mut self.drive);
        let fix = vehicle.leg.fix(now_us, &self.town);
        let noise = &mut vehicle.noise_m;
        noise.0 = noise.0 * self.noise_keep + bell(&mut self.drive) * self.noise_add_m;
        noise.1 = noise.1 * self.noise_keep + bell(&mut self.drive) * self.noise_add_m;
        if now_us < vehicle.silent_until_us {
            return None;
        }
        let off = 0.5 * (noise.0.abs() + noise.1.abs());
        let east_m = f64::from(fix.east_m + noise.0);
        let north_m = f64::from(fix.north_m + noise.1);
        let arrival = EventTime(self.config.start.0 + now_us);
        Some(SimulatedFrame {
            vehicle: number as u32,
            // Devices count milliseconds.
            event_time: EventTime(arrival.0 - arrival.0.rem_euclid(1_000)),
            arrival,
            lat: degrees(self.config.lat + north_m * self.degrees_a_metre.1),
            lon: wrapped(degrees(self.config.lon + east_m * self.degrees_a_metre.0)),
            speed_mps: rounded(fix.speed_mps, 100.0),
            heading_deg: rounded(fix.heading_deg, 10.0) % 360.0,
            accuracy_m: rounded(2.0 + 1.5 * off, 10.0),
            hdop: rounded(0.7 + 0.08 * off, 10.0),
            satellites: 14 - (off as i16).clamp(0, 9),
            fault: None,
        })
    }

    /// Does to a frame what the dice say; `None` if it does not arrive now.
    #[cold]
    fn befall(&mut self, fault: Fault, mut frame: SimulatedFrame, now_us: i64) -> Option<SimulatedFrame> {
        let config = &self.config;
        let start_us = config.start.0;
        let mut part = |of: f64| of * f64::from(self.luck.next_u32()) / 4_294_967_296.0;
        let mut later = |s: f64| EventTime(start_us + now_us + 1 + (part(s) * SECOND_US as f64) as i64);
        match fault {
            Fault::Gap => {
                let silent_us = config.gap_s * (0.5 + part(1.0)) * SECOND_US as f64;
                self.vehicles[frame.vehicle as usize].silent_until_us = now_us + silent_us as i64;
                return None;
            }
            Fault::Duplicate => {
                let again = SimulatedFrame { arrival: later(config.late_max_s), fault: Some(fault), ..frame };
                self.delayed.insert((again.arrival, self.next), again);
                return Some(frame);
            }
            Fault::Late => {
                let late = SimulatedFrame { arrival: later(config.late_max_s), fault: Some(fault), ..frame };
                self.delayed.insert((late.arrival, self.next), late);
                return None;
            }
            Fault::ClockFuture => frame.event_time.0 += DAY_US / 24 + part(10.0 * DAY_US as f64) as i64,
            Fault::ClockRollover => frame.event_time.0 -= ROLLOVER_US,
            Fault::ClockZero => frame.event_time.0 = 0,
            Fault::NullIsland => (frame.lat, frame.lon) = (0.0, 0.0),
            Fault::Teleport => {
                // North or south, so that a degree is as long everywhere.
                let away = (50_000.0 + part(450_000.0)) / METRES_A_DEGREE;
                frame.lat = degrees(if frame.lat > 0.0 { frame.lat - away } else { frame.lat + away });
            }
        }
        frame.fault = Some(fault);
        Some(frame)
    }
}

impl Iterator for Fleet {
    type Item = SimulatedFrame;

    fn next(&mut self) -> Option<SimulatedFrame> {
        while self.next < self.frames {
            let now_us = (self.next as f64 * self.us_a_frame) as i64;
            if let Some(first) = self.delayed.first_entry()
                && first.key().0.0 <= self.config.start.0 + now_us
            {
                return Some(first.remove());
            }
            let number = self.vehicle;
            self.vehicle = if number + 1 == self.vehicles.len() { 0 } else { number + 1 };
            self.next += 1;
            let Some(frame) = self.send(number, now_us) else {
                continue;
            };
            match self.dice.fault(self.luck.next_u32()) {
                None => return Some(frame),
                Some(fault) => match self.befall(fault, frame, now_us) {
                    None => continue,
                    arrived => return arrived,
                },
            }
        }
        self.delayed.pop_first().map(|(_, frame)| frame)
    }
}

/// About normal with standard deviation 1, at most 3.46: the sum of four even numbers (Irwin-Hall), because it is the
/// same on every machine and needs no logarithm.
#[inline]
fn bell(rng: &mut Pcg64Mcg) -> f32 {
    let drawn = rng.next_u64();
    let sum = (drawn & 0xffff) + (drawn >> 16 & 0xffff) + (drawn >> 32 & 0xffff) + (drawn >> 48);
    // Mean 2 x 65,535; variance 4/12 x 65,536 squared.
    (sum as f32 - 131_070.0) * (1.0 / 37_837.227)
}

/// To seven decimals, a centimetre: what devices send, and what a decimal writer gives back exactly.
#[inline]
fn degrees(value: f64) -> f64 {
    ((value * 1e7) + 0.5_f64.copysign(value)) as i64 as f64 / 1e7
}

fn wrapped(lon: f64) -> f64 {
    if lon > 180.0 {
        degrees(lon - 360.0)
    } else if lon < -180.0 {
        degrees(lon + 360.0)
    } else {
        lon
    }
}

/// Of a value that is not negative.
#[inline]
fn rounded(value: f32, steps: f32) -> f32 {
    (value * steps + 0.5) as i32 as f32 / steps
}
