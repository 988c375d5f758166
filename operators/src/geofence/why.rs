//! Why an alert was told or was not: the rules of one zone along a recorded path, with their numbers.

use super::config::GeofenceConfig;
use super::machine::{Machine, is_trusted, speed_mps};
use super::path::{Marks, Sample};
use super::state::State;
use super::{late, rules::ZoneRules};
use crate::fix::Fix;
use rhumb_engine::alert::{AlertKind, AlertReason};

/// A frame of a recorded path.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recorded {
    pub time: i64,
    pub lat: f64,
    pub lon: f64,
    pub accuracy_m: Option<f32>,
    pub speed_mps: Option<f32>,
}

/// What a frame means at the zone.
#[derive(Debug, Clone, PartialEq)]
pub struct Why {
    /// The zone holds it.
    pub holds: bool,
    /// Metres to the zone's border, from inside or outside.
    pub border_m: f64,
    /// Its accuracy is good enough.
    pub trusted: bool,
    /// By schedule and validity.
    pub in_force: bool,
    /// Since when the vehicle counts as inside, if it does after this frame.
    pub since: Option<i64>,
    /// A change of side that does not count yet: frames that have shown it, and for how long.
    pub pending: Option<(u32, i64)>,
    /// Metres a second, as the device says or over the way from the frame before; `None`: neither is known.
    pub speed_mps: Option<f32>,
    /// For how long it has been faster than the zone allows, if it is.
    pub speeding_us: Option<i64>,
    /// Kind, reason and time of what is told by it.
    pub told: Vec<(AlertKind, AlertReason, i64)>,
}

/// Whether the zone is for the vehicle at all.
pub fn applies(rules: &ZoneRules, vehicle: &str, group: Option<&str>) -> bool {
    rules.apply_to(vehicle, group)
}

/// One answer for each frame of a path in order of time.
pub fn why(config: &GeofenceConfig, vehicle: &str, group: Option<&str>, zone: u32, path: &[Recorded]) -> Vec<Why> {
    let machine = Machine { zones: &config.zones, rules: &config.rules, crosses: true, vehicle, group };
    let rules = &config.rules[zone as usize];
    let mut state = State::default();
    let mut from: Option<Sample> = None;
    let (mut all, mut told, mut holding) = (Vec::new(), Vec::new(), Vec::new());
    for frame in path {
        let marks =
            Marks { accuracy_m: frame.accuracy_m.unwrap_or(f32::NAN), speed_mps: frame.speed_mps.unwrap_or(f32::NAN) };
        let to = Sample { fix: Fix { time: frame.time, lat: frame.lat, lon: frame.lon }, marks };
        late::hold(&machine, &to, &mut holding);
        told.clear();
        machine.step(&mut state, from.as_ref(), &to, &holding, &mut told);
        machine.settle(&mut state, to.fix.time, &mut told);
        let entering = state.entering(zone).map(|entering| (entering.frames, entering.first));
        let leaving = state.leaving(zone).filter(|l| l.frames > 0).map(|leaving| (leaving.frames, leaving.first));
        let of_zone = told.iter().filter(|told| told.zone == zone && !told.retracts);
        all.push(Why {
            holds: holding.binary_search(&zone).is_ok(),
            border_m: to.fix.position().map_or(f64::INFINITY, |at| config.zones.border_m(zone, at)),
            trusted: is_trusted(rules, marks.accuracy_m),
            in_force: rules.schedule.at(to.fix.time).open,
            since: state.visit(zone).map(|visit| visit.since),
            pending: entering.or(leaving).map(|(frames, first)| (frames, to.fix.time - first)),
            speed_mps: speed_mps(from.as_ref(), &to),
            speeding_us: state.speeding(zone).map(|speeding| to.fix.time - speeding.at.time),
            told: of_zone.map(|told| (told.kind, told.reason, told.at.time)).collect(),
        });
        from = Some(to);
    }
    all
}
