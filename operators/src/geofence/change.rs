//! Another version of the zones: what it means for vehicles that have not moved.
//!
//! A zone is told by its id. One that has neither another shape nor other rules goes on as if nothing had been. Of any other it is
//! told what the change means for each vehicle, by its last place: whether that counts as inside now, and whether it did before.
//! Visits that stay are measured by the new rules. Late frames reach back to the change and no further.

use super::late::hold;
use super::machine::{Machine, Told, is_trusted};
use super::path::Sample;
use super::state::{State, Visit};
use super::tell::{Known, Shown, Teller};
use super::track::ZoneSets;
use super::{Geofence, Shared, tell};
use crate::fix::Fix;
use crate::wording;
use rhumb_engine::alert::{AlertBatch, AlertKind, AlertReason, AlertZones};
use rhumb_engine::effects::{Effects, ZonesMoved};
use rhumb_engine::reference::Content;
use rhumb_engine::vehicle::Slot;
use std::sync::Arc;

/// How two versions of the zones differ, in a few words.
///
/// # Panics
/// If one of them is none.
pub fn difference(before: &Content, after: &Content) -> String {
    let [old, new] = [before, after].map(|content| Shared::of(content).expect("versions of zones are of zones"));
    let Transition { old, new, next, before } = Transition::new(old, new);
    let is_changed = |(zone, next): (u32, &Option<Next>)| {
        let attributes = |shared: &Shared, zone: u32| shared.zones.zone(zone).attributes.clone();
        next.is_some_and(|next| {
            !next.same_shape || !next.same_rules || attributes(&old, zone) != attributes(&new, next.zone)
        })
    };
    let changed = (0..).zip(&next).filter(|of| is_changed(*of)).count();
    let stay = next.iter().flatten().count();
    wording::difference("zone", before.len() - stay, next.len() - stay, changed)
}

/// What becomes of a zone.
#[derive(Debug, Clone, Copy)]
struct Next {
    zone: u32,
    same_shape: bool,
    same_rules: bool,
}

/// From one version to the next.
struct Transition {
    old: Arc<Shared>,
    new: Arc<Shared>,
    /// By zone of the old version; `None`: it is gone.
    next: Vec<Option<Next>>,
    /// By zone of the new version; `None`: it is new.
    before: Vec<Option<u32>>,
}

/// What a change means for one vehicle.
struct Changed {
    state: State,
    /// With zones of the old version.
    exits: Vec<Told>,
    enters: Vec<Told>,
    /// `dwell`s that were told and that the visit is no longer measured by.
    dwells: Vec<Known>,
}

impl Transition {
    fn new(old: Arc<Shared>, new: Arc<Shared>) -> Transition {
        let mut before = vec![None; new.zones.len()];
        let next = (0..old.zones.len() as u32).map(|zone| {
            let is = new.zones.find(old.zones.id(zone))?;
            before[is as usize] = Some(zone);
            let same_shape = old.zones.zone(zone).shape == new.zones.zone(is).shape;
            Some(Next { zone: is, same_shape, same_rules: old.rules[zone as usize] == new.rules[is as usize] })
        });
        let next = next.collect();
        Transition { old, new, next, before }
    }

    /// Whether all zones go on as they were, under the numbers that they had.
    fn is_nothing(&self) -> bool {
        let goes_on = |(zone, next): (usize, &Option<Next>)| {
            next.is_some_and(|next| next.same_shape && next.same_rules && next.zone as usize == zone)
        };
        self.next.len() == self.before.len() && self.next.iter().enumerate().all(goes_on)
    }

    /// What goes on of a vehicle's zones, and what is told of the others. `at` is when and where.
    fn of_vehicle(
        &self,
        machines: &[Machine; 2],
        state: State,
        held: &[u32],
        newest: &Sample,
        holding: &[u32],
        at: Fix,
    ) -> Changed {
        let [old, new] = machines;
        let mut changed =
            Changed { state: State::default(), exits: Vec::new(), enters: Vec::new(), dwells: Vec::new() };
        let is_in_force = |machine: &Machine, zone: u32| {
            let rules = &machine.rules[zone as usize];
            rules.apply_to(machine.vehicle, machine.group) && rules.schedule.at(at.time).open
        };
        let trusts = |machine: &Machine, zone: u32| is_trusted(&machine.rules[zone as usize], newest.marks.accuracy_m);
        let goes_on = |zone: u32| {
            let next = self.next[zone as usize]?;
            let lost = !next.same_rules && !is_in_force(new, next.zone)
                || !next.same_shape && is_among(held, zone) && !is_among(holding, next.zone);
            (!lost).then_some(next)
        };
        for visit in &state.visits {
            let Some(next) = goes_on(visit.zone) else {
                let reason = AlertReason::ZoneRemoved;
                changed.exits.push(Told { reason, ..Told::new(AlertKind::Exit, visit.zone, at, visit.since) });
                continue;
            };
            let was = old.due(visit);
            let mut visit = Visit { zone: next.zone, ..*visit };
            if visit.dwelled && was != new.due(&visit) {
                visit.dwelled = false;
                let time = was.unwrap_or(visit.since);
                changed.dwells.push(Known { kind: AlertKind::Dwell, zone: next.zone, time, shown: time, revision: 0 });
            }
            changed.state.visits.push(visit);
        }
        if let Some(open) = state.open {
            let visits = &changed.state.visits;
            let visited = |zone: u32| visits.iter().any(|visit| visit.zone == zone);
            let mut open = *open;
            open.entering.retain_mut(|entering| {
                goes_on(entering.zone).is_some_and(|next| {
                    entering.zone = next.zone;
                    true
                })
            });
            open.leaving.retain_mut(|leaving| {
                goes_on(leaving.zone).is_some_and(|next| {
                    leaving.zone = next.zone;
                    visited(next.zone) && (next.same_shape || !is_among(holding, next.zone))
                })
            });
            open.speeding.retain_mut(|speeding| {
                goes_on(speeding.zone).is_some_and(|next| {
                    speeding.zone = next.zone;
                    visited(next.zone)
                })
            });
            changed.state.open = Some(Box::new(open));
        }
        for zone in holding.iter().copied() {
            let is_new = self.before[zone as usize].is_none_or(|before| {
                let is_same = self.next[before as usize].is_some_and(|next| next.same_shape && next.same_rules);
                let counted = is_in_force(old, before) && trusts(old, before) && is_among(held, before);
                !is_same && !counted
            });
            let is_in = changed.state.visit(zone).is_some() || changed.state.entering(zone).is_some();
            if is_new && !is_in && is_in_force(new, zone) && trusts(new, zone) {
                changed.state.visits.push(Visit { zone, dwelled: false, since: at.time });
                let reason = AlertReason::ZoneAdded;
                changed.enters.push(Told { reason, ..Told::new(AlertKind::Enter, zone, at, at.time) });
            }
        }
        changed.state.visits.sort_unstable_by_key(|visit| visit.zone);
        changed.state.tidy();
        changed
    }

    /// Alerts of zones as they were, told by the new version.
    fn zones_before(&self) -> AlertZones {
        let AlertZones { ids, attributes, hashes, .. } = &*self.old.told;
        let (ids, attributes, hashes) = (ids.clone(), attributes.clone(), hashes.clone());
        AlertZones { ids, attributes, hashes, version: self.new.told.version }
    }
}

fn is_among(zones: &[u32], zone: u32) -> bool {
    zones.binary_search(&zone).is_ok()
}

impl Geofence {
    /// The zones are others from here on.
    pub(super) fn take_version(&mut self, new: Arc<Shared>, effects: &mut Effects) {
        let transition = Transition::new(std::mem::replace(&mut self.shared, new.clone()), new);
        if transition.is_nothing() {
            return;
        }
        let sets = std::mem::take(&mut self.tracks.sets);
        self.tracks.timers.iter_mut().for_each(|timers| timers.clear());
        self.tracks.paths.mark(transition.new.marked);
        let mut exits = AlertBatch::with_capacity(Arc::new(transition.zones_before()), 0);
        let mut enters = AlertBatch::with_capacity(transition.new.told.clone(), 0);
        let mut moved = ZonesMoved { ids: transition.new.told.ids.clone(), vehicles: Vec::new() };
        for slot in 0..self.tracks.of.len() as Slot {
            self.change_vehicle(&transition, &sets, slot, [&mut exits, &mut enters], &mut moved);
        }
        effects.alerts.extend([exits, enters].into_iter().filter(|alerts| !alerts.is_empty()).map(Arc::new));
        effects.zones_moved.push(moved);
    }

    fn change_vehicle(
        &mut self,
        transition: &Transition,
        sets: &ZoneSets,
        slot: Slot,
        [exits, enters]: [&mut AlertBatch; 2],
        moved: &mut ZonesMoved,
    ) {
        let Some(newest) = self.tracks.newest(slot) else { return };
        let vehicle = self.vehicles.get(slot);
        let group = self.groups.name(slot);
        let machines = [&transition.old, &transition.new].map(|shared| shared.machine(&vehicle.id, group.as_deref()));
        let clock = self.tracks.clocks[usize::from(vehicle.lane.0)];
        // By the lane's clock it happens now, though the vehicle may have been silent for long.
        let at = Fix { time: clock.max(newest.fix.time), ..newest.fix };
        let held = sets.zones(self.tracks.of[slot as usize].zones);
        let mut holding = Vec::new();
        hold(&machines[1], &newest, &mut holding);

        let before = std::mem::take(&mut self.tracks.of[slot as usize].state);
        let Changed { state, exits: left, enters: entered, dwells } =
            transition.of_vehicle(&machines, before, &held, &newest, &holding, at);
        self.tracks.cut(slot);
        let track = &mut self.tracks.of[slot as usize];
        track.state = state;
        track.zones = self.tracks.sets.code(&holding);
        if let Some(past) = &mut track.past {
            let next = |zone: u32| transition.next[zone as usize].map(|next| next.zone);
            past.corrections.renumber(next);
        }
        if !dwells.is_empty() {
            track.past.get_or_insert_default().corrections.know(dwells);
        }
        let shown = Shown { vehicle, slot, frame_time: newest.fix.time, received_at: at.time, late: false };
        let version = transition.new.told.version;
        for (told, alerts) in [(&left, exits), (&entered, &mut *enters)] {
            let told_by = alerts.zones.clone();
            let mut teller = Teller { told: &told_by, tells: transition.new.tells, alerts };
            teller.tell_change(told, shown, version);
        }
        // A `dwell` that is another now may be due already.
        self.told.clear();
        self.tracks.settle(&machines[1], slot, clock, &mut self.told);
        tell(
            &transition.new,
            &mut self.tracks,
            &self.told,
            Shown { frame_time: clock, received_at: clock, ..shown },
            enters,
        );
        self.tracks.start_timers(&machines[1], slot, vehicle.lane);

        let stays = |zone: &u32| transition.next[*zone as usize].map(|next| next.zone);
        let mut were: Vec<Option<u32>> = held.iter().map(stays).collect();
        were.sort_unstable();
        if were.iter().flatten().ne(&holding) || were.len() != holding.len() {
            moved.vehicles.push((slot, newest.fix.time, holding));
        }
    }
}
