//! `geofence`: finds the zones of every frame and tells when a vehicle enters or leaves one.

mod config;
mod track;

pub use config::GeofenceConfig;

use crate::fix::Fix;
use arrow::array::StringArray;
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::FieldRef;
use rhumb_engine::alert::{AlertBatch, AlertKind, AlertZones};
use rhumb_engine::effects::Effects;
use rhumb_engine::frame::{FrameBatch, ZoneLists, zone_ids_column};
use rhumb_engine::lane::hash_of;
use rhumb_engine::operator::{Operator, OperatorPlan, ShardContext};
use rhumb_engine::state::{StateError, StateReader, StateWriter};
use rhumb_engine::vehicle::Vehicles;
use rhumb_geofence::Zones;
use std::sync::Arc;
use track::Tracks;

/// `[operator.geofence]`, planned.
pub struct GeofencePlan {
    name: String,
    zones: Arc<Zones>,
    told: Arc<AlertZones>,
    tells: Tells,
}

/// Which kinds are told.
#[derive(Debug, Clone, Copy)]
struct Tells {
    enter: bool,
    exit: bool,
}

impl GeofencePlan {
    pub fn new(name: impl Into<String>, config: GeofenceConfig) -> GeofencePlan {
        let name = name.into();
        let ids = || config.zones.iter().map(|zone| &zone.id);
        let attributes = config.zones.iter().map(|zone| serde_json::Value::from(zone.attributes.clone()).to_string());
        let hash = |id: &String| hash_of(format!("{}\0{name}\0{id}", config.pipeline).as_bytes());
        let told = AlertZones {
            hashes: ids().map(hash).collect(),
            ids: Arc::new(StringArray::from_iter_values(ids())),
            attributes: Arc::new(StringArray::from_iter_values(attributes)),
            version: 1,
        };
        let tells =
            Tells { enter: config.alerts.contains(&AlertKind::Enter), exit: config.alerts.contains(&AlertKind::Exit) };
        GeofencePlan { name, zones: config.zones, told: Arc::new(told), tells }
    }
}

impl OperatorPlan for GeofencePlan {
    fn name(&self) -> &str {
        &self.name
    }

    fn columns(&self) -> Vec<FieldRef> {
        vec![zone_ids_column()]
    }

    fn build(&self, context: &ShardContext) -> Box<dyn Operator> {
        Box::new(Geofence {
            zones: self.zones.clone(),
            told: self.told.clone(),
            tells: self.tells,
            vehicles: context.vehicles.clone(),
            tracks: Tracks::default(),
        })
    }
}

/// The machine of one shard.
struct Geofence {
    zones: Arc<Zones>,
    told: Arc<AlertZones>,
    tells: Tells,
    vehicles: Arc<Vehicles>,
    tracks: Tracks,
}

impl Operator for Geofence {
    fn process(&mut self, mut frames: FrameBatch, effects: &mut Effects) -> FrameBatch {
        let mut found = rhumb_geofence::ZoneLists::default();
        self.zones.containing_batch(frames.lat.values(), frames.lon.values(), &mut found);
        self.tracks.reach(self.vehicles.len());
        let mut alerts = AlertBatch::new(self.told.clone());
        let batch = track::Batch { zones: &self.zones, told: &self.told, tells: self.tells, vehicles: &self.vehicles };
        for row in 0..frames.len() {
            // A late frame changes neither state nor alerts.
            if frames.late.value(row) {
                continue;
            }
            let fix = Fix::of(&frames, row);
            let slot = frames.slots()[row];
            if let Some(change) = self.tracks.go(slot, fix, found.row(row)) {
                let received_at = frames.received_at.value(row);
                batch.apply(self.tracks.of(slot), &change, fix, received_at, found.row(row), slot, &mut alerts);
            }
        }
        if !alerts.is_empty() {
            effects.alerts.push(Arc::new(alerts));
        }
        frames.zones = Some(ZoneLists {
            offsets: OffsetBuffer::new(ScalarBuffer::from(found.offsets)),
            zones: found.zones.into(),
            ids: self.told.ids.clone(),
        });
        frames
    }

    fn snapshot(&self, state: &mut StateWriter) {
        self.tracks.snapshot(&self.vehicles, &self.zones, state);
    }

    fn restore(&mut self, state: &StateReader) -> Result<(), StateError> {
        self.tracks.restore(&self.vehicles, &self.zones, state)
    }
}
