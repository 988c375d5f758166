//! The rules: what a vehicle's next frame means at its zones. A pure function of what is remembered and of the frame.

use super::dwell::dwell;
use super::path::Sample;
use super::rules::{RulesByZone, ZoneRules};
use super::state::{Entering, Leaving, Speeding, State, Visit};
use crate::fix::Fix;
use rhumb_engine::alert::{AlertKind, AlertReason};
use rhumb_engine::time::SECOND_US;
use rhumb_geofence::{Position, Side, Zones};

/// Over a longer silence nobody knows which way a vehicle went: a crossing is then told at the time and place of the
/// frame that showed it. An hour, as the gap that ends a trip.
const SEGMENT_MAX_US: i64 = 3600 * SECOND_US;

/// Something that is to be told of a vehicle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Told {
    pub kind: AlertKind,
    pub zone: u32,
    /// When and where it happened.
    pub at: Fix,
    /// When the visit began.
    pub since: i64,
    pub reason: AlertReason,
    /// Where a `cross` left the zone.
    pub left: Option<Fix>,
    /// It was told before, and is not true.
    pub retracts: bool,
    /// It was told before, of another place.
    pub moves: bool,
    /// Time of the frame that shows it, where that is not the newest.
    pub shown: Option<i64>,
}

impl Told {
    pub fn new(kind: AlertKind, zone: u32, at: Fix, since: i64) -> Told {
        let reason = AlertReason::Moved;
        Told { kind, zone, at, since, reason, left: None, retracts: false, moves: false, shown: None }
    }

    /// Time of the frame that shows it; for a `dwell`, which no frame shows, when it was due.
    pub fn shown_at(&self) -> i64 {
        self.shown.unwrap_or(self.at.time)
    }
}

/// The zones as they are for one vehicle.
#[derive(Clone, Copy)]
pub struct Machine<'a> {
    pub zones: &'a Zones,
    /// By zone.
    pub rules: &'a RulesByZone,
    /// Whether passing through is looked for.
    pub crosses: bool,
    pub vehicle: &'a str,
    pub group: Option<&'a str>,
}

/// The way from the fix before.
#[derive(Clone, Copy)]
pub(super) struct Way {
    from: Option<Fix>,
    to: Fix,
    /// Its ends, if it is known which way the vehicle went.
    ends: Option<(Position, Position)>,
}

impl Way {
    pub fn new(from: Option<Fix>, to: Fix) -> Way {
        let near = from.filter(|from| to.time - from.time <= SEGMENT_MAX_US);
        Way { from, to, ends: near.and_then(|from| from.position().zip(to.position())) }
    }

    /// The place and time at a fraction of the way; its end where the way is not known.
    fn at(&self, fraction: f64) -> Fix {
        let (Some(from), Some((start, end))) = (self.from, self.ends) else { return self.to };
        let place = Zones::along(start, end, fraction);
        let time = from.time + ((self.to.time - from.time) as f64 * fraction).round() as i64;
        Fix { time, lat: place.lat(), lon: place.lon() }
    }

    /// The place at a time, which is told even where the way is not known.
    fn at_time(&self, time: i64) -> Fix {
        let span = self.from.map_or(0, |from| self.to.time - from.time);
        let since = self.from.map_or(0, |from| time - from.time);
        let fraction = if span > 0 { since as f64 / span as f64 } else { 1.0 };
        Fix { time, ..self.at(fraction.clamp(0.0, 1.0)) }
    }

    fn crossing(&self, zones: &Zones, zone: u32, side: Side) -> Fix {
        self.ends.map_or(self.to, |(from, to)| self.at(zones.crossing(zone, from, to, side)))
    }
}

impl Machine<'_> {
    /// Takes a vehicle's next frame, `holding` being the zones that hold it, and appends what is to be told of it, in
    /// order of time, exits before enters.
    pub fn step(&self, state: &mut State, from: Option<&Sample>, to: &Sample, holding: &[u32], told: &mut Vec<Told>) {
        let first = told.len();
        self.visits(state, from, to, holding, told);
        self.drop_entering(state, to, holding);
        let before = state.visits.len();
        for zone in holding {
            if state.visits[..before].binary_search_by_key(zone, |visit| visit.zone).is_err() {
                self.enter(state, from, to, *zone, told);
            }
        }
        state.visits.sort_unstable_by_key(|visit| visit.zone);
        if self.crosses {
            self.cross(state, from, to, first, told);
        }
        self.speed(state, from, to, holding, told);
        self.anchor(state, from, to);
        state.tidy();
        let rank =
            |told: &Told| [AlertKind::Dwell, AlertKind::Exit, AlertKind::Cross].iter().position(|k| *k == told.kind);
        // Of a `dwell` the time alone says when it is told.
        for told in told[first..].iter_mut().filter(|told| told.kind != AlertKind::Dwell) {
            told.shown = Some(to.fix.time);
        }
        if told.len() > first + 1 {
            told[first..].sort_by_key(|told| (told.at.time, rank(told).unwrap_or(3)));
        }
    }

    pub(super) fn rules(&self, zone: u32) -> &ZoneRules {
        &self.rules[zone as usize]
    }

    /// For this vehicle.
    fn is_in_force(&self, zone: u32, time: i64) -> bool {
        let rules = self.rules(zone);
        rules.apply_to(self.vehicle, self.group) && (rules.schedule.is_always() || rules.schedule.at(time).open)
    }

    pub(super) fn trusts(&self, rules: &ZoneRules, sample: &Sample) -> bool {
        is_trusted(rules, sample.marks.accuracy_m)
    }

    /// The way from the last fix that a zone trusts.
    fn way(&self, state: &State, rules: &ZoneRules, from: Option<&Sample>, to: &Sample) -> Way {
        let trusted = from.filter(|from| self.trusts(rules, from));
        let anchors = state.open.iter().flat_map(|open| open.anchors.iter().rev());
        Way::new(trusted.or_else(|| anchors.into_iter().find(|a| self.trusts(rules, a))).map(|s| s.fix), to.fix)
    }

    fn visits(&self, state: &mut State, from: Option<&Sample>, to: &Sample, holding: &[u32], told: &mut Vec<Told>) {
        let before = std::mem::take(&mut state.visits);
        for visit in before {
            let rules = self.rules(visit.zone);
            let way = self.way(state, rules, from, to);
            let inside = holding.binary_search(&visit.zone).is_ok();
            let left = match self.closed(rules, &way, visit.since) {
                Some(closed) => Some(self.left_before(state, &visit, &way, inside || !self.trusts(rules, to), closed)),
                None if !self.trusts(rules, to) => None,
                None if inside => {
                    self.forget_leaving(state, visit.zone);
                    None
                }
                None => self.leave(state, &visit, &way).map(|at| (at, AlertReason::Moved)),
            };
            match left {
                Some((at, reason)) => {
                    self.forget_leaving(state, visit.zone);
                    // A visit that a change of zones began may be younger than the fix that shows its end.
                    let at = Fix { time: at.time.max(visit.since), ..at };
                    self.end_dwell(&visit, at.time, told);
                    told.push(Told { reason, ..Told::new(AlertKind::Exit, visit.zone, at, visit.since) });
                }
                None => {
                    let mut visit = visit;
                    let due = self.due(&visit).filter(|_| visit.dwelled);
                    if let Some(due) = due.filter(|due| state.leaving(visit.zone).is_some_and(|l| l.at.time < *due)) {
                        visit.dwelled = false;
                        told.push(Told { retracts: true, ..dwell(&visit, due) });
                    }
                    state.visits.push(visit);
                }
            }
        }
    }

    /// Where and when a zone stopped being in force for the vehicle, if it did.
    fn closed(&self, rules: &ZoneRules, way: &Way, since: i64) -> Option<Fix> {
        if !rules.apply_to(self.vehicle, self.group) {
            return Some(way.to);
        }
        if rules.schedule.is_always() {
            return None;
        }
        let earliest = way.from.map_or(since, |from| from.time.max(since)).min(way.to.time);
        // It may be in force again by now, or have been so and ended again: the first end counts.
        let then = rules.schedule.at(earliest);
        let closed = match then.open {
            true => Some(then.until),
            false => Some(rules.schedule.at(way.to.time)).filter(|now| !now.open).map(|now| now.since.max(earliest)),
        };
        closed.filter(|closed| *closed <= way.to.time).map(|closed| way.at_time(closed))
    }

    /// How a visit ended to a zone that is no longer in force: by leaving before, or by that.
    fn left_before(&self, state: &State, visit: &Visit, way: &Way, inside: bool, closed: Fix) -> (Fix, AlertReason) {
        let left = match state.leaving(visit.zone) {
            Some(leaving) => Some(leaving.at),
            None => (!inside).then(|| way.crossing(self.zones, visit.zone, Side::Exit)),
        };
        left.filter(|left| left.time <= closed.time)
            .map_or((closed, AlertReason::ZoneClosed), |left| (left, AlertReason::Moved))
    }

    /// A frame outside a zone that the vehicle is in. `Some`, with where it left, once that counts.
    fn leave(&self, state: &mut State, visit: &Visit, way: &Way) -> Option<Fix> {
        let rules = self.rules(visit.zone);
        let beyond = rules.exit_buffer_m == 0.0
            || way.to.position().is_none_or(|at| self.zones.is_farther(visit.zone, at, rules.exit_buffer_m));
        let mut leaving = state.leaving(visit.zone).copied().unwrap_or_else(|| {
            let at = way.crossing(self.zones, visit.zone, Side::Exit);
            Leaving { zone: visit.zone, at, frames: 0, first: way.to.time }
        });
        match (beyond, leaving.frames) {
            (false, _) => leaving.frames = 0,
            (true, 0) => (leaving.frames, leaving.first) = (1, way.to.time),
            (true, n) => leaving.frames = n.saturating_add(1),
        }
        let confirmed = leaving.frames >= rules.confirm_frames && way.to.time - leaving.first >= rules.confirm_us;
        if beyond && confirmed {
            return Some(leaving.at);
        }
        self.forget_leaving(state, visit.zone);
        state.open().leaving.push(leaving);
        None
    }

    fn forget_leaving(&self, state: &mut State, zone: u32) {
        if let Some(open) = &mut state.open {
            open.leaving.retain(|leaving| leaving.zone != zone);
        }
    }

    /// A frame that shows the vehicle outside ends what had not counted yet; one that is not trusted shows nothing.
    fn drop_entering(&self, state: &mut State, to: &Sample, holding: &[u32]) {
        let Some(open) = &mut state.open else { return };
        open.entering.retain(|entering| {
            let rules = &self.rules[entering.zone as usize];
            let in_force = rules.apply_to(self.vehicle, self.group) && rules.schedule.at(to.fix.time).open;
            let outside = holding.binary_search(&entering.zone).is_err() && self.trusts(rules, to);
            in_force && !outside
        });
    }

    /// A frame inside a zone that the vehicle is not in yet.
    fn enter(&self, state: &mut State, from: Option<&Sample>, to: &Sample, zone: u32, told: &mut Vec<Told>) {
        let rules = self.rules(zone);
        if !self.trusts(rules, to) || !rules.apply_to(self.vehicle, self.group) {
            return;
        }
        let stretch = rules.schedule.at(to.fix.time);
        if !stretch.open {
            return;
        }
        let mut entering = state.entering(zone).copied().unwrap_or_else(|| {
            let way = self.way(state, rules, from, to);
            let (at, reason) = self.came_in(zone, &way, stretch.since);
            Entering { zone, at, reason, frames: 0, first: to.fix.time }
        });
        entering.frames = entering.frames.saturating_add(1);
        if let Some(open) = &mut state.open {
            open.entering.retain(|entering| entering.zone != zone);
        }
        if entering.frames >= rules.confirm_frames && to.fix.time - entering.first >= rules.confirm_us {
            let Entering { at, reason, .. } = entering;
            state.visits.push(Visit { zone, dwelled: false, since: at.time });
            told.push(Told { reason, ..Told::new(AlertKind::Enter, zone, at, at.time) });
        } else {
            state.open().entering.push(entering);
        }
    }

    /// Where and when a vehicle came in to a zone that is in force since `opened`.
    pub(super) fn came_in(&self, zone: u32, way: &Way, opened: i64) -> (Fix, AlertReason) {
        let is_new = way.from.is_some_and(|from| from.time < opened);
        let was_inside =
            || way.from.and_then(|from| from.position()).is_some_and(|from| self.zones.contains(zone, from));
        if is_new && was_inside() {
            return (way.at_time(opened), AlertReason::ZoneOpened);
        }
        let at = way.crossing(self.zones, zone, Side::Enter);
        if at.time < opened && is_new {
            (way.at_time(opened), AlertReason::ZoneOpened)
        } else {
            (at, AlertReason::Moved)
        }
    }

    /// Zones between two frames that neither is in. A zone looks at the way from the last fix that it trusts.
    /// What is told from `first` on is told of this frame.
    fn cross(&self, state: &State, from: Option<&Sample>, to: &Sample, first: usize, told: &mut Vec<Told>) {
        let anchors = state.open.iter().flat_map(|open| &open.anchors);
        let mut passed = Vec::new();
        for start in from.into_iter().chain(anchors) {
            let way = Way::new(Some(start.fix), to.fix);
            let Some((a, b)) = way.ends else { continue };
            self.zones.passed(a, b, &mut passed);
            for (zone, entry, exit) in passed.iter().copied() {
                let rules = self.rules(zone);
                let watched = self.trusts(rules, to)
                    && self.way(state, rules, from, to).from == Some(start.fix)
                    && rules.apply_to(self.vehicle, self.group)
                    && state.visit(zone).is_none()
                    && state.entering(zone).is_none();
                let (at, out) = (way.at(entry), way.at(exit));
                let left = told[first..].iter().any(|told| told.kind == AlertKind::Exit && told.zone == zone);
                if watched && !left && rules.schedule.at(at.time).open {
                    told.push(Told { left: Some(out), ..Told::new(AlertKind::Cross, zone, at, at.time) });
                }
            }
        }
    }

    fn speed(&self, state: &mut State, from: Option<&Sample>, to: &Sample, holding: &[u32], told: &mut Vec<Told>) {
        if !self.rules.watches() || !state.visits.iter().any(|visit| self.rules(visit.zone).speed_limit_mps.is_some()) {
            if let Some(open) = &mut state.open {
                open.speeding.clear();
            }
            return;
        }
        let Some(mps) = speed_mps(from, to) else { return };
        let visits = std::mem::take(&mut state.visits);
        for visit in &visits {
            let rules = self.rules(visit.zone);
            if !self.trusts(rules, to) {
                continue;
            }
            let inside = holding.binary_search(&visit.zone).is_ok();
            if !inside || rules.speed_limit_mps.is_none_or(|limit| mps <= limit) {
                if let Some(open) = &mut state.open {
                    open.speeding.retain(|speeding| speeding.zone != visit.zone);
                }
                continue;
            }
            let speeding = &mut state.open().speeding;
            let known = speeding.iter().position(|speeding| speeding.zone == visit.zone);
            let at = known.unwrap_or_else(|| {
                speeding.push(Speeding { zone: visit.zone, at: to.fix, told: false });
                speeding.len() - 1
            });
            let now = &mut speeding[at];
            if !now.told && to.fix.time - now.at.time >= rules.speed_limit_us {
                now.told = true;
                told.push(Told::new(AlertKind::Overspeed, visit.zone, now.at, visit.since));
            }
        }
        if let Some(open) = &mut state.open {
            open.speeding.retain(|speeding| visits.iter().any(|visit| visit.zone == speeding.zone));
        }
        state.visits = visits;
    }

    /// Remembers the fix before where the newest is not trusted by all.
    fn anchor(&self, state: &mut State, from: Option<&Sample>, to: &Sample) {
        // How many limits it is over; an accuracy that is not known is over none.
        let limits_m = self.rules.accuracies_m();
        let rank = |sample: &Sample| limits_m.partition_point(|limit| *limit < sample.marks.accuracy_m);
        let rank_of_newest = rank(to);
        if rank_of_newest == 0 {
            if let Some(open) = &mut state.open {
                open.anchors.clear();
            }
        } else if let Some(from) = from {
            let anchors = &mut state.open().anchors;
            // Only what is better than all after it can still be asked for.
            anchors.retain(|anchor| rank(anchor) < rank(from).min(rank_of_newest));
            if rank(from) < rank_of_newest {
                anchors.push(*from);
            }
        }
    }

    /// From when on a frame in the same zones means something all the same.
    pub fn wake(&self, state: &State, holding: &[u32], time: i64) -> i64 {
        if !self.rules.watches() && self.rules.accuracies_m().is_empty() {
            return if state.open.is_some() { i64::MIN } else { i64::MAX };
        }
        if state.open.is_some() || state.visits.iter().any(|v| self.rules(v.zone).speed_limit_mps.is_some()) {
            return i64::MIN;
        }
        // A vehicle's first fix may be in a zone that does not trust it: the next one, in the same zones, enters it.
        if holding.iter().any(|zone| state.visit(*zone).is_none() && self.is_in_force(*zone, time)) {
            return i64::MIN;
        }
        // Told by the clock ahead of the vehicle's frames: each of these may show it elsewhere before.
        if state.visits.iter().any(|visit| visit.dwelled && self.due(visit).is_some_and(|due| due > time)) {
            return i64::MIN;
        }
        let dues = state.visits.iter().filter(|visit| !visit.dwelled).filter_map(|visit| self.due(visit));
        let zones = holding.iter().copied().chain(state.visits.iter().map(|visit| visit.zone));
        let schedules = zones.map(|zone| &self.rules(zone).schedule).filter(|schedule| !schedule.is_always());
        dues.chain(schedules.map(|schedule| schedule.at(time).until)).min().unwrap_or(i64::MAX)
    }
}

/// An accuracy that is not known (NaN) is not worse than any.
pub fn is_trusted(rules: &ZoneRules, accuracy_m: f32) -> bool {
    accuracy_m.is_nan() || accuracy_m <= rules.accuracy_max_m
}

/// What the device says, else the great-circle speed from the fix before.
pub(super) fn speed_mps(from: Option<&Sample>, to: &Sample) -> Option<f32> {
    if !to.marks.speed_mps.is_nan() {
        return Some(to.marks.speed_mps);
    }
    let from = from.filter(|from| (1..=SEGMENT_MAX_US).contains(&(to.fix.time - from.fix.time)))?;
    Some((from.fix.distance_m(&to.fix) / ((to.fix.time - from.fix.time) as f64 / SECOND_US as f64)) as f32)
}

impl Fix {
    pub fn position(&self) -> Option<Position> {
        Position::new(self.lat, self.lon).ok()
    }
}
