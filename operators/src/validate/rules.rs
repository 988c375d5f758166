//! The rules: those that look at a frame alone, column by column, then those that look at its vehicle's path.

use super::path::Around;
use super::verdicts::Verdicts;
use super::{Broken, Known, Rule, Thresholds, Validate, ValidateConfig};
use crate::fix::{AHEAD, Fix};
use arrow::array::{Array, Float32Array, PrimitiveArray};
use arrow::datatypes::ArrowPrimitiveType;
use rhumb_engine::frame::FrameBatch;
use rhumb_engine::reject::{Reason, Reject};
use rhumb_engine::sphere::{distance_m, is_surely_within};
use rhumb_engine::time::SECOND_US;
use rhumb_engine::vehicle::{Slot, Vehicles};

const MINUTE_US: i64 = 60 * SECOND_US;
/// A frame this near to the one before has not moved: the resolution of GPS, not of the number.
const STANDING_M: f64 = 1.0;
/// Suspected as swapped: so far from its neighbour as it is, and so near when swapped.
const SWAPPED_FAR_M: f64 = 50_000.0;
const SWAPPED_NEAR_M: f64 = 5_000.0;

/// Devices write north as 0 or as 360.
const HEADING_MAX_DEG: f64 = 360.0;

pub fn judge_alone(config: &ValidateConfig, frames: &FrameBatch, verdicts: &mut Verdicts) {
    if config.range {
        mark_out_of_range(frames.lat.values(), frames.lon.values(), verdicts);
    }
    if config.heading
        && let Some(heading) = &frames.heading_deg
    {
        mark_outside(heading, HEADING_MAX_DEG, Rule::Heading, verdicts);
    }
    if config.speed_reported
        && let Some(speed) = &frames.speed_mps
    {
        mark_outside(speed, config.speed_max_mps.unwrap_or(f64::INFINITY), Rule::SpeedReported, verdicts);
    }
    if config.null_island {
        mark_null_island(frames.lat.values(), frames.lon.values(), verdicts);
    }
    if config.no_fix
        && let Some(no_fix) = &frames.no_fix
    {
        for row in no_fix.values().set_indices() {
            verdicts.refuse(row, Rule::NoFix, 1.0, 0.0);
        }
    }
    if let Some(max) = config.past_max_us {
        mark_past(frames.times(), frames.received_at.values(), max, verdicts);
    }
}

/// What devices say of their fix, against the thresholds of each row; `any` has those that some row has.
pub fn judge_signal<'a>(
    any: &Thresholds,
    frames: &FrameBatch,
    of: impl Fn(usize) -> &'a Thresholds,
    verdicts: &mut Verdicts,
) {
    if let (Some(_), Some(accuracy)) = (any.accuracy_max_m, &frames.accuracy_m) {
        mark_if(accuracy, |row| of(row).accuracy_max_m, |v, max| v > max, Rule::Accuracy, verdicts);
    }
    if let (Some(_), Some(satellites)) = (any.satellites_min, &frames.satellites) {
        mark_if(satellites, |row| of(row).satellites_min, |v, min| v < min, Rule::Satellites, verdicts);
    }
    if let (Some(_), Some(hdop)) = (any.hdop_max, &frames.hdop) {
        mark_if(hdop, |row| of(row).hdop_max, |v, max| v > max, Rule::Hdop, verdicts);
    }
}

fn mark_out_of_range(lat: &[f64], lon: &[f64], verdicts: &mut Verdicts) {
    // A NaN fails every comparison, so the question is put as what must hold.
    let holds = |lat: f64, lon: f64| lat.abs() <= 90.0 && lon.abs() <= 180.0;
    if lat.iter().zip(lon).all(|(lat, lon)| holds(*lat, *lon)) {
        return;
    }
    for (row, (lat, lon)) in lat.iter().zip(lon).enumerate() {
        if !holds(*lat, *lon) {
            let (measured, threshold) = if lat.abs() <= 90.0 { (*lon, 180.0) } else { (*lat, 90.0) };
            verdicts.refuse(row, Rule::Range, measured, threshold);
        }
    }
}

/// What is not in 0..=`max`, NaN included.
fn mark_outside(values: &Float32Array, max: f64, rule: Rule, verdicts: &mut Verdicts) {
    let holds = |value: f32| value >= 0.0 && f64::from(value) <= max;
    // Where there is no value, one that holds mostly stands in its place.
    if values.values().iter().all(|value| holds(*value)) {
        return;
    }
    for (row, value) in values.values().iter().copied().enumerate() {
        if values.is_valid(row) && !holds(value) {
            verdicts.refuse(row, rule, f64::from(value), if value < 0.0 { 0.0 } else { max });
        }
    }
}

fn mark_null_island(lat: &[f64], lon: &[f64], verdicts: &mut Verdicts) {
    for (row, (lat, lon)) in lat.iter().zip(lon).enumerate() {
        if *lat == 0.0 && *lon == 0.0 {
            verdicts.refuse(row, Rule::NullIsland, 0.0, 0.0);
        }
    }
}

fn mark_past(times: &[i64], received_at: &[i64], max_us: i64, verdicts: &mut Verdicts) {
    for (row, (time, received_at)) in times.iter().zip(received_at).enumerate() {
        let age_us = received_at.saturating_sub(*time);
        if age_us > max_us {
            verdicts.refuse(row, Rule::Past, seconds(age_us), seconds(max_us));
        }
    }
}

fn mark_if<T: ArrowPrimitiveType>(
    values: &PrimitiveArray<T>,
    threshold: impl Fn(usize) -> Option<T::Native>,
    broken: impl Fn(T::Native, T::Native) -> bool,
    rule: Rule,
    verdicts: &mut Verdicts,
) where
    T::Native: Into<f64>,
{
    for row in 0..values.len() {
        if let Some(threshold) = threshold(row)
            && values.is_valid(row)
            && broken(values.value(row), threshold)
        {
            verdicts.refuse(row, rule, values.value(row).into(), threshold.into());
        }
    }
}

fn seconds(us: i64) -> f64 {
    us as f64 / SECOND_US as f64
}

impl Validate {
    /// Row by row, because each accepted frame is a neighbour of the next.
    pub(super) fn judge_by_path(&mut self, frames: &FrameBatch, verdicts: &mut Verdicts) {
        let (slots, common) = (frames.slots(), Thresholds::of(&self.config));
        for row in 0..frames.len() {
            if let Some(slot) = slots.get(row + AHEAD) {
                self.paths.prefetch(*slot);
            }
            if let Some(broken) = verdicts.get(row) {
                if self.config.swapped
                    && broken.rule == Rule::Range
                    && let Some(far_m) = self.suspect_swapped(frames, row)
                {
                    verdicts.replace(row, Broken { rule: Rule::Swapped, measured: far_m, threshold: SWAPPED_FAR_M });
                }
                continue;
            }
            let slot = slots[row];
            let fix = Fix::of(frames, row);
            let around = self.paths.around(slot, fix.time);
            match self.broken_by(frames, row, &fix, &around, &common) {
                Some(Broken { rule, measured, threshold }) => verdicts.refuse(row, rule, measured, threshold),
                None => self.paths.insert(slot, fix),
            }
        }
    }

    fn broken_by(
        &mut self,
        frames: &FrameBatch,
        row: usize,
        fix: &Fix,
        around: &Around,
        common: &Thresholds,
    ) -> Option<Broken> {
        let slot = frames.slots()[row];
        let broken = |rule, measured, threshold| Some(Broken { rule, measured, threshold });
        if !self.is_known(slot) {
            return broken(Rule::UnknownVehicle, 0.0, 1.0);
        }
        let own = self.own.get(slot as usize).unwrap_or(common);
        if let Some(max) = own.rate_max_per_minute {
            let frames = self.rates[slot as usize].count(fix.time.div_euclid(MINUTE_US));
            if frames > max {
                return broken(Rule::RateLimit, f64::from(frames), f64::from(max));
            }
        }
        let config = &self.config;
        if config.duplicate && around.same {
            return broken(Rule::Duplicate, 0.0, 0.0);
        }
        let nearest = around.before.or(around.after);
        if config.swapped
            && let Some(neighbour) = nearest
            && let Some(far_m) = swapped(&neighbour, fix)
        {
            return broken(Rule::Swapped, far_m, SWAPPED_FAR_M);
        }
        let before = around.before;
        if config.r#static
            && let Some(before) = &before
            && frames.speed_mps.as_ref().is_some_and(|s| s.is_valid(row) && s.value(row) == 0.0)
            && within(before, fix, STANDING_M)
        {
            return broken(Rule::Static, before.distance_m(fix), STANDING_M);
        }
        if let (Some(min), Some(before)) = (own.distance_min_m, &before) {
            let moved = before.distance_m(fix);
            if moved < min {
                return broken(Rule::Distance, moved, min);
            }
        }
        if let Some(max) = own.speed_max_mps {
            let neighbours = [before, around.after];
            if let Some(speed) = neighbours.iter().flatten().find_map(|other| faster_than(other, fix, max)) {
                return broken(Rule::SpeedMax, speed, max);
            }
        }
        if let (Some(min), Some(before)) = (config.period_min_us, &before)
            && fix.time - before.time < min
        {
            return broken(Rule::PeriodMin, seconds(fix.time - before.time), seconds(min));
        }
        None
    }

    /// A latitude that is none says more where it would be the neighbour's longitude.
    #[cold]
    fn suspect_swapped(&self, frames: &FrameBatch, row: usize) -> Option<f64> {
        let (slot, fix) = (frames.slots()[row], Fix::of(frames, row));
        let around = self.paths.around(slot, fix.time);
        around.before.or(around.after).and_then(|neighbour| swapped(&neighbour, &fix))
    }

    fn is_known(&mut self, slot: Slot) -> bool {
        let Some(known) = &self.config.known_vehicles else { return true };
        let looked = &mut self.known[slot as usize];
        if *looked == Known::NotLooked {
            *looked = if known.contains(self.vehicles.id(slot)) { Known::Yes } else { Known::No };
        }
        *looked == Known::Yes
    }
}

/// The speed between two fixes, if it is more than `max_mps`. Most are told apart without trigonometry.
#[inline]
fn faster_than(other: &Fix, fix: &Fix, max_mps: f64) -> Option<f64> {
    let between_s = seconds(fix.time.abs_diff(other.time) as i64);
    if between_s == 0.0 || is_surely_within(other.place(), fix.place(), max_mps * between_s) {
        return None;
    }
    let speed = other.distance_m(fix) / between_s;
    (speed > max_mps).then_some(speed)
}

fn within(a: &Fix, b: &Fix, metres: f64) -> bool {
    is_surely_within(a.place(), b.place(), metres) || a.distance_m(b) <= metres
}

/// How far a frame is from its neighbour, if swapping latitude and longitude would bring it there.
fn swapped(neighbour: &Fix, fix: &Fix) -> Option<f64> {
    let far_m = neighbour.distance_m(fix);
    let near = fix.lon.abs() <= 90.0
        && fix.lat.abs() <= 180.0
        && distance_m(neighbour.place(), (fix.lon, fix.lat)) <= SWAPPED_NEAR_M;
    (far_m >= SWAPPED_FAR_M && near).then_some(far_m)
}

impl Rule {
    /// The reason that its rejects carry.
    pub fn reason(self) -> Reason {
        match self {
            Rule::Range => Reason::Range,
            Rule::Heading => Reason::Heading,
            Rule::SpeedReported => Reason::SpeedReported,
            Rule::NullIsland => Reason::NullIsland,
            Rule::NoFix => Reason::NoFix,
            Rule::Past => Reason::Past,
            Rule::Accuracy => Reason::Accuracy,
            Rule::Satellites => Reason::Satellites,
            Rule::Hdop => Reason::Hdop,
            Rule::UnknownVehicle => Reason::UnknownVehicle,
            Rule::RateLimit => Reason::RateLimit,
            Rule::Duplicate => Reason::Duplicate,
            Rule::Swapped => Reason::Swapped,
            Rule::Static => Reason::Static,
            Rule::Distance => Reason::Distance,
            Rule::SpeedMax => Reason::SpeedMax,
            Rule::PeriodMin => Reason::PeriodMin,
        }
    }
}

pub fn reject(frames: &FrameBatch, row: usize, vehicles: &Vehicles, broken: Broken) -> Reject {
    let Broken { rule, measured, threshold } = broken;
    let reject = Reject::of_frame(frames, row, vehicles, rule.reason());
    let detail = match rule {
        Rule::Range if threshold == 90.0 => {
            let (lat, lon) = (frames.lat.value(row), frames.lon.value(row));
            let swapped = lat.abs() <= 180.0 && lon.abs() <= 90.0;
            let hint = if swapped { "; are latitude and longitude swapped?" } else { "" };
            format!("latitude {measured} is not in -90..90{hint}")
        }
        Rule::Range => format!("longitude {measured} is not in -180..180"),
        Rule::Heading => format!("the device says heading {measured}, which is not in 0..360"),
        Rule::SpeedReported if measured < 0.0 => format!("the device says speed {measured} m/s, which is below 0"),
        Rule::SpeedReported => format!("the device says speed {measured} m/s, the most is {threshold} m/s"),
        Rule::NullIsland => "latitude and longitude are both exactly 0".to_owned(),
        Rule::NoFix => "the device says that it has no fix".to_owned(),
        Rule::Past => format!("{measured:.0} s older than its time of receipt, the most is {threshold:.0} s"),
        Rule::Accuracy => format!("accurate to {measured} m, the most is {threshold} m"),
        Rule::Satellites => format!("{measured} satellites, the least is {threshold}"),
        Rule::Hdop => format!("hdop {measured}, the most is {threshold}"),
        Rule::UnknownVehicle => "not in the table of known vehicles".to_owned(),
        Rule::RateLimit => format!("frame {measured} of its minute, the most is {threshold}"),
        Rule::Duplicate => "there is an accepted frame of this vehicle and event time".to_owned(),
        Rule::Swapped => format!("{measured:.0} m from its neighbour in time, and next to it with lat and lon swapped"),
        Rule::Static => "speed 0, and has not moved since the frame before".to_owned(),
        Rule::Distance => format!("moved {measured:.1} m, the least is {threshold} m"),
        Rule::SpeedMax => format!("{measured:.1} m/s between neighbours in time, the most is {threshold} m/s"),
        Rule::PeriodMin => format!("{measured:.3} s after the frame before, the least is {threshold} s"),
    };
    reject.measured(measured, threshold).detail(detail)
}
