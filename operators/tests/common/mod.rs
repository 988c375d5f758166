//! Runs the geofence alone over reports.
#![allow(dead_code, reason = "each test file uses its part")]

use rhumb_engine::alert::Alert;
use rhumb_engine::builder::{ClockRules, FrameBuilder};
use rhumb_engine::chain::Chain;
use rhumb_engine::current::CurrentShard;
use rhumb_engine::frame::{Frame, Origin};
use rhumb_engine::operator::{OperatorPlan, ShardContext};
use rhumb_engine::time::{DAY_US, EventTime, SECOND_US};
use rhumb_engine::vehicle::Vehicles;
use rhumb_operators::enrich::{EnrichConfig, EnrichPlan, VehicleTable};
use rhumb_operators::geofence::{GeofenceConfig, GeofencePlan};
use std::sync::Arc;

#[derive(Debug, Clone, Default)]
pub struct Report {
    pub vehicle: String,
    pub time_s: i64,
    pub lat: f64,
    pub lon: f64,
    pub accuracy_m: Option<f32>,
    pub speed_mps: Option<f32>,
}

/// The alerts in order, each with its vehicle. In batches of `cut` reports.
pub fn run(config: GeofenceConfig, reports: &[Report], cut: usize) -> Vec<(String, Alert)> {
    run_grouped(config, None, reports, cut)
}

/// With a table of vehicles before the geofence.
pub fn run_grouped(
    config: GeofenceConfig,
    table: Option<&str>,
    reports: &[Report],
    cut: usize,
) -> Vec<(String, Alert)> {
    let vehicles: Arc<Vehicles> = Arc::default();
    let mut plans: Vec<Arc<dyn OperatorPlan>> = vec![Arc::new(GeofencePlan::new("geofence", config))];
    if let Some(table) = table {
        let table = VehicleTable::from_csv(table.as_bytes(), "vehicle_id", None).expect("a table");
        let enrich = EnrichConfig { table: Some(Arc::new(table)), ..EnrichConfig::default() };
        plans.insert(0, Arc::new(EnrichPlan::new("enrich", enrich)));
    }
    let context = ShardContext { shard: 0, shards: 1, vehicles: vehicles.clone() };
    let mut chain = Chain::new(&plans, &context, Arc::new(CurrentShard::new(vehicles.clone())), i64::MAX, DAY_US);
    let origin = Origin { source: "test".into(), partition: "0".into() };
    let mut builder =
        FrameBuilder::new(std::slice::from_ref(&vehicles), origin, ClockRules { rollover: false, skew_max_us: 0 });
    let mut told = Vec::new();
    for (n, batch) in reports.chunks(cut).enumerate() {
        for (row, report) in batch.iter().enumerate() {
            builder.at((n * cut + row) as i64, EventTime(i64::MAX / 2));
            builder.push(&Frame {
                vehicle: &report.vehicle,
                event_time: EventTime(report.time_s * SECOND_US),
                lat: report.lat,
                lon: report.lon,
                accuracy_m: report.accuracy_m,
                speed_mps: report.speed_mps,
                ..Frame::default()
            });
        }
        for delivery in builder.finish() {
            for alerts in chain.process(delivery, 0).effects.alerts {
                let with_vehicle = |alert: Alert| (vehicles.id(alert.vehicle).to_owned(), alert);
                told.extend((0..alerts.len()).map(|row| with_vehicle(alerts.get(row))));
            }
        }
    }
    told
}
