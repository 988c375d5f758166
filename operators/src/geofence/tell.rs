//! From what is to be told to alerts with their ids.

use super::late::Difference;
use super::machine::Told;
use crate::fix::Fix;
use rhumb_engine::alert::{Alert, AlertBatch, AlertId, AlertKind, AlertPoint, AlertReason, AlertZones};
use rhumb_engine::time::EventTime;
use rhumb_engine::vehicle::{Slot, Vehicle};

/// Which ids of a vehicle's alerts are not the plain ones, because they were corrected.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Corrections {
    /// The highest revision given out.
    pub revision: u32,
    pub known: Vec<Known>,
}

/// An alert that was taken back at least once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Known {
    pub kind: AlertKind,
    pub zone: u32,
    pub time: i64,
    /// Of the newest frame that showed it, which may have come long after.
    pub shown: i64,
    /// That of its newest id.
    pub revision: u32,
}

impl Corrections {
    fn of(&mut self, told: &Told) -> Option<&mut Known> {
        self.known.iter_mut().find(|k| (k.kind, k.zone, k.time) == (told.kind, told.zone, told.at.time))
    }

    fn next(&mut self) -> u32 {
        self.revision += 1;
        self.revision
    }

    /// The revision of something that is told now: 0 unless it was taken back before.
    fn fresh(&mut self, told: &Told) -> u32 {
        if self.of(told).is_none() {
            return 0;
        }
        let next = self.next();
        self.of(told).map_or(0, |known| {
            (known.revision, known.shown) = (next, known.shown.max(told.shown_at()));
            next
        })
    }

    /// The revision under which something was told that is taken back now.
    fn taken_back(&mut self, told: &Told) -> u32 {
        if let Some(known) = self.of(told) {
            return known.revision;
        }
        let Told { kind, zone, at, .. } = *told;
        self.known.push(Known { kind, zone, time: at.time, shown: told.shown_at(), revision: 0 });
        0
    }

    /// Of a version of the zones with other ordinals; what is known of zones that are gone goes with them.
    pub fn renumber(&mut self, next: impl Fn(u32) -> Option<u32>) {
        self.known.retain_mut(|known| next(known.zone).map(|zone| known.zone = zone).is_some());
    }

    /// Alerts that stand and may be told again, with another id.
    pub fn know(&mut self, told: Vec<Known>) {
        for new in told {
            let same = |known: &Known| (known.kind, known.zone, known.time) == (new.kind, new.zone, new.time);
            if !self.known.iter().any(same) {
                self.known.push(new);
            }
        }
    }

    /// Forgets alerts shown before `time`, which no late frame reaches.
    pub fn forget_before(&mut self, time: i64) {
        self.known.retain(|known| known.shown >= time);
    }

    #[cfg(test)]
    pub fn memory_bytes(&self) -> usize {
        self.known.capacity() * size_of::<Known>()
    }
}

/// Marks revisions that are versions of the zones: no vehicle is corrected so often.
const BY_VERSION: u32 = 1 << 31;

/// Alerts on their way out, of one batch.
pub struct Teller<'a> {
    pub told: &'a AlertZones,
    /// By kind.
    pub tells: [bool; AlertKind::ALL.len()],
    pub alerts: &'a mut AlertBatch,
}

/// The frame by which something is told: it shows it, or it shows that another one did.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    pub vehicle: &'a Vehicle,
    pub slot: Slot,
    pub frame_time: i64,
    pub received_at: i64,
    pub late: bool,
}

impl Teller<'_> {
    /// In order.
    pub fn tell(&mut self, all: &[Told], shown: Shown, corrections: Option<&mut Corrections>) {
        let mut corrections = corrections;
        for told in all {
            match &mut corrections {
                Some(corrections) if told.retracts => self.retract(told, shown, corrections),
                Some(corrections) if told.moves => {
                    let superseded = self.id(told, shown, corrections.taken_back(told));
                    let revision = corrections.fresh(told);
                    self.push(told, shown, revision, Some(superseded));
                }
                Some(corrections) => {
                    let revision = corrections.fresh(told);
                    self.push(told, shown, revision, None);
                }
                None => self.push(told, shown, 0, None),
            }
        }
    }

    /// What a version of the zones means by itself. Told by two versions at one instant, it has two ids.
    pub fn tell_change(&mut self, all: &[Told], shown: Shown, version: i64) {
        all.iter().for_each(|told| self.push(told, shown, BY_VERSION | version as u32, None));
    }

    /// What a late frame corrects.
    pub fn correct(&mut self, difference: &Difference, shown: Shown, corrections: &mut Corrections) {
        for old in &difference.retracted {
            self.retract(old, shown, corrections);
        }
        for (new, old) in &difference.told {
            let superseded = old.map(|old| self.id(&old, shown, corrections.taken_back(&old)));
            let revision = corrections.fresh(new);
            self.push(new, shown, revision, superseded);
        }
    }

    fn retract(&mut self, old: &Told, shown: Shown, corrections: &mut Corrections) {
        let superseded = self.id(old, shown, corrections.taken_back(old));
        let revision = corrections.next();
        // Told again, it has another id than this.
        corrections.of(old).expect("it was taken back just now").revision = revision;
        let retraction = Told { reason: AlertReason::Retracted, retracts: true, shown: None, ..*old };
        self.push(&retraction, shown, revision, Some(superseded));
    }

    fn id(&self, told: &Told, shown: Shown, revision: u32) -> AlertId {
        let zone = self.told.hashes[told.zone as usize];
        AlertId::new(zone, shown.vehicle.hash, told.kind, EventTime(told.at.time), revision)
    }

    fn push(&mut self, told: &Told, shown: Shown, revision: u32, supersedes: Option<AlertId>) {
        if !self.tells[told.kind as usize] {
            return;
        }
        let id = self.id(told, shown, revision);
        // By when it began, and not by the id under which that stands: it is the same whatever of the visit is told again.
        let visit = match (told.kind, revision) {
            (AlertKind::Enter, 0) => id,
            _ => {
                let enter = Told { kind: AlertKind::Enter, at: Fix { time: told.since, ..told.at }, ..*told };
                self.id(&enter, shown, 0)
            }
        };
        // A dwell is shown by the passing of time, whichever frame came first after it.
        let by_time = told.kind == AlertKind::Dwell && !told.retracts;
        let frame_time = if by_time { told.at.time } else { told.shown.unwrap_or(shown.frame_time) };
        // A frame has shown how it was, too, where that was told otherwise before.
        let received_at = if by_time && supersedes.is_none() && !shown.late { told.at.time } else { shown.received_at };
        self.alerts.push(Alert {
            kind: told.kind,
            vehicle: shown.slot,
            zone: told.zone,
            event_time: EventTime(told.at.time),
            frame_time: EventTime(frame_time),
            received_at: EventTime(received_at),
            lat: told.at.lat,
            lon: told.at.lon,
            id,
            visit,
            reason: told.reason,
            late: shown.late,
            supersedes,
            left: told.left.map(|left| AlertPoint { time: EventTime(left.time), lat: left.lat, lon: left.lon }),
        });
    }
}
