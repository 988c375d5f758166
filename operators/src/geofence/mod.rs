//! `geofence`: finds the zones of every frame and tells what vehicles do at them.
//!
//! A frame in order in the zones of the frame before only lengthens the vehicle's path (`path`). Any other goes
//! through the rules (`machine`), a pure function of what is remembered (`state`) and of the frame; so a late frame
//! can be put into the path and the stretch behind it run again (`late`).

mod ahead;
mod change;
mod config;
mod dwell;
mod groups;
mod late;
mod machine;
mod nearest;
mod path;
pub mod rules;
pub mod schedule;
mod snapshot;
mod state;
mod tell;
mod track;
mod undo;
pub mod why;

pub use change::difference;
pub use config::GeofenceConfig;
pub use glob;
pub use nearest::nearest_columns;
pub use rules::{RulesByZone, ZoneRules};

use crate::fix::Fix;
use ahead::{Ahead, View};
use arrow::array::{Array, Float32Array, StringArray};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::FieldRef;
use groups::Groups;
use late::Difference;
use machine::{Machine, Told};
use path::{Marks, Paths, Sample};
use rhumb_engine::alert::{AlertBatch, AlertKind, AlertZones};
use rhumb_engine::effects::Effects;
use rhumb_engine::frame::{FrameBatch, ZoneLists, zone_ids_column};
use rhumb_engine::lane::{Lane, hash_of};
use rhumb_engine::operator::{Operator, OperatorPlan, ShardContext};
use rhumb_engine::reference::{Change, Content, Reference};
use rhumb_engine::state::{StateError, StateReader, StateWriter};
use rhumb_engine::time::{DAY_US, EventTime};
use rhumb_engine::vehicle::{Slot, Vehicles};
use rhumb_geofence::{Nearest, Zones};
use std::collections::HashMap;
use std::sync::Arc;
use tell::{Shown, Teller};
use track::{Moment, Tracks};

/// `[operator.geofence]`, planned.
pub struct GeofencePlan {
    name: String,
    shared: Arc<Shared>,
    reference: Option<Arc<dyn Reference>>,
}

/// What all shards share of one version of the zones.
pub(crate) struct Shared {
    name: String,
    zones: Arc<Zones>,
    rules: RulesByZone,
    told: Arc<AlertZones>,
    /// By kind.
    tells: [bool; AlertKind::ALL.len()],
    /// Accuracy or speed of frames matters.
    marked: bool,
    path_keep: usize,
    group_column: Option<String>,
    nearest: Option<Nearest>,
}

/// A version of the zones of the operator of this name, as `Change` has it.
pub fn version(name: &str, config: GeofenceConfig, version: u32) -> Content {
    Arc::new(Shared::new(name.to_owned(), config, version))
}

impl GeofencePlan {
    pub fn new(name: impl Into<String>, config: GeofenceConfig) -> GeofencePlan {
        let name = name.into();
        GeofencePlan { shared: Arc::new(Shared::new(name.clone(), config, 1)), name, reference: None }
    }

    /// Its zones may change while it runs.
    pub fn with_reference(self, reference: Arc<dyn Reference>) -> GeofencePlan {
        GeofencePlan { reference: Some(reference), ..self }
    }
}

impl Shared {
    /// Of the content of a `Change`, if it is one of zones.
    pub fn of(content: &Content) -> Option<Arc<Shared>> {
        content.clone().downcast().ok()
    }

    /// By ordinal.
    pub fn zone_ids(&self) -> impl Iterator<Item = &str> {
        self.told.ids.iter().flatten()
    }

    fn new(name: String, config: GeofenceConfig, version: u32) -> Shared {
        assert_eq!(config.rules.len(), config.zones.len(), "one for each zone");
        let ids = || config.zones.iter().map(|zone| &zone.id);
        let attributes = config.zones.iter().map(|zone| serde_json::Value::from(zone.attributes.clone()).to_string());
        let hash = |id: &String| hash_of(format!("{}\0{name}\0{id}", config.pipeline).as_bytes());
        let told = AlertZones {
            hashes: ids().map(hash).collect(),
            ids: Arc::new(StringArray::from_iter_values(ids())),
            attributes: Arc::new(StringArray::from_iter_values(attributes)),
            version: i64::from(version),
        };
        let mut tells = [false; AlertKind::ALL.len()];
        config.alerts.iter().for_each(|kind| tells[*kind as usize] = true);
        let by_accuracy = !config.rules.accuracies_m().is_empty();
        let marked = by_accuracy || config.rules.iter().any(|rules| rules.speed_limit_mps.is_some());
        let nearest = config.nearest_within_m.map(|within_m| Nearest::new(&config.zones, within_m));
        Shared {
            name,
            zones: config.zones,
            rules: config.rules,
            told: Arc::new(told),
            tells,
            marked,
            path_keep: config.path_keep,
            group_column: config.group_column,
            nearest,
        }
    }
}

impl OperatorPlan for GeofencePlan {
    fn name(&self) -> &str {
        &self.name
    }

    fn columns(&self) -> Vec<FieldRef> {
        let nearest = self.shared.nearest.iter().flat_map(|_| nearest_columns());
        std::iter::once(zone_ids_column()).chain(nearest).collect()
    }

    fn reference(&self) -> Option<Arc<dyn Reference>> {
        self.reference.clone()
    }

    fn build(&self, context: &ShardContext) -> Box<dyn Operator> {
        Box::new(Geofence {
            tracks: Tracks::new(Paths::new(self.shared.path_keep, self.shared.marked)),
            groups: Groups::default(),
            told: Vec::new(),
            near: Vec::new(),
            room: 0,
            shared: self.shared.clone(),
            vehicles: context.vehicles.clone(),
        })
    }
}

/// So long before a late frame nothing is corrected any more.
const FORGET_US: i64 = 30 * DAY_US;

/// The machine of one shard.
struct Geofence {
    shared: Arc<Shared>,
    vehicles: Arc<Vehicles>,
    tracks: Tracks,
    groups: Groups,
    /// Memory that is used again.
    told: Vec<Told>,
    near: Vec<u32>,
    /// For so many alerts of the next batch, going by the last.
    room: usize,
}

impl Shared {
    fn machine<'a>(&'a self, vehicle: &'a str, group: Option<&'a str>) -> Machine<'a> {
        Machine {
            zones: &self.zones,
            rules: &self.rules,
            crosses: self.tells[AlertKind::Cross as usize],
            vehicle,
            group,
        }
    }
}

impl Operator for Geofence {
    fn process(&mut self, mut frames: FrameBatch, effects: &mut Effects) -> FrameBatch {
        let shared = self.shared.clone();
        let mut found = rhumb_geofence::ZoneLists::default();
        shared.zones.containing_batch(frames.lat.values(), frames.lon.values(), &mut found);
        let (slots, lanes, late) = (frames.slots(), frames.lane.values(), frames.late.values());
        self.tracks.reach(self.vehicles.len(), lanes.iter().max().map_or(0, |lane| usize::from(*lane) + 1));
        let mut alerts = AlertBatch::with_capacity(shared.told.clone(), self.room);
        let marked = Marked::of(&frames, &shared);
        let groups = self.groups.of_batch(&frames, shared.group_column.as_deref());
        let received_at = frames.received_at.values();
        let mut too_late = 0;
        let mut ahead = Ahead::new();
        for row in 0..frames.len() {
            ahead.look(
                &View {
                    frames: &frames,
                    found: &found,
                    tracks: &self.tracks,
                    vehicles: &self.vehicles,
                    zones: &shared.zones,
                },
                row,
            );
            let (slot, lane) = (slots[row], Lane(lanes[row]));
            let sample = Sample { fix: Fix::of(&frames, row), marks: marked.marks(row) };
            let holding = found.row(row);
            let clock = frames.lane_clock[row];
            let clock_before = std::mem::replace(&mut self.tracks.clocks[usize::from(lane.0)], clock);
            let clock_before =
                frames.clock_before.as_ref().map_or(clock_before, |dropped| dropped[row].max(clock_before));
            let moment = Moment { slot, lane, clock_before, clock };
            let received_at = received_at[row];
            if late.value(row) {
                too_late += u64::from(!self.late(&shared, moment, &sample, received_at, &mut alerts));
                continue;
            }
            let stirs = self.tracks.stirs(slot, sample.fix.time, holding)
                | marked.is_doubtful(row)
                | groups.as_ref().is_some_and(|groups| self.groups.moves(slot, groups[row]));
            if stirs && self.tracks.is_refuted(slot, sample.fix.time) {
                self.take_back(&shared, moment, sample.fix.time, received_at, &mut alerts);
            }
            if stirs || shared.tells[AlertKind::Cross as usize] && self.may_cross(&shared, slot, &sample, holding) {
                if let Some(groups) = &groups
                    && self.groups.moves(slot, groups[row])
                {
                    if self.tracks.newest(slot).is_some() {
                        self.tracks.cut(slot);
                    }
                    self.groups.set(slot, groups[row]);
                }
                self.step(&shared, moment, &sample, holding, received_at, &mut alerts);
            } else {
                self.tracks.push(slot, &sample);
            }
        }
        effects.count(&format!("too_late.{}", shared.name), too_late);
        self.room = alerts.len() + alerts.len() / 8;
        if !alerts.is_empty() {
            effects.alerts.push(Arc::new(alerts));
        }
        if let Some(nearest) = &shared.nearest {
            nearest::add(nearest, &shared.zones, &found, &shared.told.ids, &mut frames);
        }
        frames.zones = Some(ZoneLists {
            offsets: OffsetBuffer::new(ScalarBuffer::from(found.offsets)),
            zones: found.zones.into(),
            ids: shared.told.ids.clone(),
        });
        frames
    }

    fn advance(&mut self, lane: Lane, now: EventTime, effects: &mut Effects) {
        // The end of the input is not the passing of time.
        if now == EventTime::MAX {
            return;
        }
        let shared = self.shared.clone();
        let mut alerts = AlertBatch::with_capacity(shared.told.clone(), 0);
        for slot in self.tracks.due(lane, now.0) {
            self.told.clear();
            let vehicle = self.vehicles.get(slot);
            let group = self.groups.name(slot);
            self.tracks.settle(&shared.machine(&vehicle.id, group.as_deref()), slot, now.0, &mut self.told);
            let shown = Shown { vehicle, slot, frame_time: now.0, received_at: now.0, late: false };
            tell(&shared, &mut self.tracks, &self.told, shown, &mut alerts);
        }
        if !alerts.is_empty() {
            effects.alerts.push(Arc::new(alerts));
        }
    }

    fn change(&mut self, change: &Change, effects: &mut Effects) {
        if *change.operator == *self.shared.name
            && let Some(new) = Shared::of(&change.content)
        {
            self.take_version(new, effects);
        }
    }

    fn snapshot(&self, state: &mut StateWriter) {
        snapshot::write(&self.tracks, &self.groups, &self.vehicles, &self.shared.zones, state);
    }

    fn restore(&mut self, state: &StateReader) -> Result<(), StateError> {
        let shared = self.shared.clone();
        let mut reader = snapshot::Reader {
            vehicles: &self.vehicles,
            zones: &shared.zones,
            tracks: &mut self.tracks,
            groups: &mut self.groups,
            first: HashMap::new(),
        };
        let slots = reader.read(state)?;
        let mut first = reader.first;
        for slot in slots {
            let first = first.remove(&slot).unwrap_or_default();
            let vehicle = self.vehicles.get(slot);
            let group = self.groups.name(slot);
            snapshot::resume(
                &mut self.tracks,
                &shared.machine(&vehicle.id, group.as_deref()),
                slot,
                vehicle.lane,
                first,
            );
        }
        Ok(())
    }
}

impl Geofence {
    /// Whether a zone may lie between the vehicle's newest fix and this one.
    #[inline]
    fn may_cross(&mut self, shared: &Shared, slot: Slot, to: &Sample, holding: &[u32]) -> bool {
        let Some(from) = self.tracks.newest(slot).and_then(|from| from.fix.position()) else { return false };
        let Some(to) = to.fix.position() else { return false };
        from != to && shared.zones.may_pass(from, to, holding, &mut self.near)
    }

    fn step(
        &mut self,
        shared: &Shared,
        moment: Moment,
        to: &Sample,
        holding: &[u32],
        received_at: i64,
        alerts: &mut AlertBatch,
    ) {
        let slot = moment.slot;
        let vehicle = self.vehicles.get(slot);
        let group = self.groups.name(slot);
        let machine = shared.machine(&vehicle.id, group.as_deref());
        self.told.clear();
        self.tracks.step(&machine, moment, to, holding, &mut self.told);
        let shown = Shown { vehicle, slot, frame_time: to.fix.time, received_at, late: false };
        tell(shared, &mut self.tracks, &self.told, shown, alerts);
    }

    /// A frame of the vehicle that is not late is older than its path: what was told of a wrong clock is taken back.
    #[cold]
    fn take_back(&mut self, shared: &Shared, moment: Moment, time: i64, received_at: i64, alerts: &mut AlertBatch) {
        let slot = moment.slot;
        let vehicle = self.vehicles.get(slot);
        let group = self.groups.name(slot);
        let machine = shared.machine(&vehicle.id, group.as_deref());
        let shown = Shown { vehicle, slot, frame_time: time, received_at, late: false };
        // As before a late frame.
        self.told.clear();
        self.tracks.settle(&machine, slot, moment.clock_before, &mut self.told);
        tell(shared, &mut self.tracks, &self.told, shown, alerts);
        let difference = self.tracks.take_back(&machine, moment, time);
        correct(shared, &mut self.tracks, &difference, shown, alerts);
    }

    /// False if the frame is older than the vehicle's path.
    #[cold]
    fn late(
        &mut self,
        shared: &Shared,
        moment: Moment,
        late: &Sample,
        received_at: i64,
        alerts: &mut AlertBatch,
    ) -> bool {
        let slot = moment.slot;
        let vehicle = self.vehicles.get(slot);
        let group = self.groups.name(slot);
        let machine = shared.machine(&vehicle.id, group.as_deref());
        // What became due before it is told first, whether or not a batch ended in between.
        self.told.clear();
        self.tracks.settle(&machine, slot, moment.clock, &mut self.told);
        let shown = Shown { vehicle, slot, frame_time: late.fix.time, received_at, late: false };
        tell(shared, &mut self.tracks, &self.told, shown, alerts);
        let Ok(difference) = self.tracks.insert(&machine, moment, late) else { return false };
        correct(shared, &mut self.tracks, &difference, shown, alerts);
        true
    }
}

fn tell(shared: &Shared, tracks: &mut Tracks, told: &[Told], shown: Shown, alerts: &mut AlertBatch) {
    if told.is_empty() {
        return;
    }
    let past = &mut tracks.of[shown.slot as usize].past;
    if told.iter().any(|told| told.retracts || told.moves) {
        past.get_or_insert_default().corrections.forget_before(shown.frame_time - FORGET_US);
    }
    let mut teller = Teller { told: &shared.told, tells: shared.tells, alerts };
    teller.tell(told, shown, past.as_mut().map(|past| &mut past.corrections));
}

/// Tells what is not true of what was told, and what is.
fn correct(shared: &Shared, tracks: &mut Tracks, difference: &Difference, shown: Shown, alerts: &mut AlertBatch) {
    if difference.retracted.is_empty() && difference.told.is_empty() {
        return;
    }
    let past = tracks.of[shown.slot as usize].past.get_or_insert_default();
    let mut teller = Teller { told: &shared.told, tells: shared.tells, alerts };
    teller.correct(difference, Shown { late: true, ..shown }, &mut past.corrections);
    past.corrections.forget_before(shown.frame_time - FORGET_US);
}

/// What frames say of their accuracy and speed, where that matters.
struct Marked<'a> {
    accuracy_m: Option<&'a Float32Array>,
    speed_mps: Option<&'a Float32Array>,
    /// Up to it every zone trusts a fix.
    trusted_m: f32,
}

impl<'a> Marked<'a> {
    fn of(frames: &'a FrameBatch, shared: &Shared) -> Marked<'a> {
        fn of(column: &Option<Float32Array>, on: bool) -> Option<&Float32Array> {
            column.as_ref().filter(|_| on)
        }
        let accuracies_m = shared.rules.accuracies_m();
        Marked {
            accuracy_m: of(&frames.accuracy_m, !accuracies_m.is_empty()),
            speed_mps: of(&frames.speed_mps, shared.marked),
            trusted_m: accuracies_m.first().copied().unwrap_or(f32::INFINITY),
        }
    }

    #[inline]
    fn marks(&self, row: usize) -> Marks {
        Marks { accuracy_m: value(self.accuracy_m, row), speed_mps: value(self.speed_mps, row) }
    }

    #[inline]
    fn is_doubtful(&self, row: usize) -> bool {
        self.accuracy_m.is_some() && value(self.accuracy_m, row) > self.trusted_m
    }
}

#[inline]
fn value(column: Option<&Float32Array>, row: usize) -> f32 {
    column.filter(|column| column.is_valid(row)).map_or(f32::NAN, |column| column.value(row))
}
