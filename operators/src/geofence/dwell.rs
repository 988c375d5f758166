//! `dwell`: when a visit has become one, and where the vehicle was.
//!
//! A `dwell` is told by the clock, not by a frame, and its place follows from the path alone: that of the vehicle's last frame
//! of the visit before it became due, else where it came in. Frames that the zone does not trust have no part in it.

use super::machine::{Machine, Told, Way};
use super::path::Sample;
use super::state::{State, Visit};
use crate::fix::Fix;
use rhumb_engine::alert::AlertKind;

/// Without its place.
pub fn dwell(visit: &Visit, due: i64) -> Told {
    Told::new(AlertKind::Dwell, visit.zone, Fix { time: due, ..Fix::NONE }, visit.since)
}

impl Machine<'_> {
    /// When a visit becomes a `dwell`.
    pub fn due(&self, visit: &Visit) -> Option<i64> {
        self.rules(visit.zone).dwell_us.map(|dwell| visit.since.saturating_add(dwell))
    }

    /// A visit ended: it was a `dwell`, or it was not.
    pub fn end_dwell(&self, visit: &Visit, ended: i64, told: &mut Vec<Told>) {
        if let Some(due) = self.due(visit)
            && (due <= ended) != visit.dwelled
        {
            told.push(Told { retracts: visit.dwelled, ..dwell(visit, due) });
        }
    }

    /// The vehicle's lane came to `clock`: tells the dwells that became due.
    pub fn settle(&self, state: &mut State, clock: i64, told: &mut Vec<Told>) {
        if !self.rules.dwells() {
            return;
        }
        for at in 0..state.visits.len() {
            let visit = state.visits[at];
            let due = self.due(&visit).filter(|due| !visit.dwelled && *due <= clock);
            if let Some(due) = due.filter(|due| state.leaving(visit.zone).is_none_or(|l| l.at.time >= *due)) {
                state.visits[at].dwelled = true;
                told.push(dwell(&visit, due));
            }
        }
    }

    /// Puts in where the dwells were that are told of a path. One that its newest fix takes back was told without that.
    pub fn place_dwells(&self, told: &mut [Told], path: &[Sample]) {
        let before = path.split_last().map_or(path, |(_, before)| if before.is_empty() { path } else { before });
        for told in told.iter_mut().filter(|told| told.kind == AlertKind::Dwell) {
            let path = if told.retracts { before } else { path };
            told.at = self.dwell_at(told.zone, told.since, told.at.time, path);
        }
    }

    /// Where a visit became a `dwell`, as far as the path goes.
    pub fn dwell_at(&self, zone: u32, since: i64, due: i64, path: &[Sample]) -> Fix {
        let rules = self.rules(zone);
        let is_trusted = |sample: &&Sample| self.trusts(rules, sample);
        let (before, after) = path.split_at(path.partition_point(|sample| sample.fix.time < due));
        let last = before.iter().rev().find(is_trusted);
        let came_in = |last: &Sample| {
            let next = after.iter().find(is_trusted).filter(|_| last.fix.time < since)?;
            let opened = rules.schedule.at(next.fix.time).since;
            Some(self.came_in(zone, &Way::new(Some(last.fix), next.fix), opened).0)
        };
        let place = last.and_then(came_in).or(last.or(path.first()).map(|sample| sample.fix));
        Fix { time: due, ..place.unwrap_or(Fix::NONE) }
    }

    /// A frame older than the time at which a `dwell` became due came after it was told. `was` has where those of `before` were
    /// told, `state` and `path` go on to that frame.
    pub fn move_dwells(&self, was: &[(Visit, Fix)], state: &State, path: &[Sample], told: &mut Vec<Told>) {
        for (visit, at) in was.iter().filter(|(visit, _)| state.visit(visit.zone) == Some(visit)) {
            let is = self.dwell_at(visit.zone, visit.since, at.time, path);
            if is != *at {
                told.push(Told { at: is, moves: true, ..dwell(visit, at.time) });
            }
        }
    }
}
