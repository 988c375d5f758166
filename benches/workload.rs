//! What benches work on: zones over a simulated town, frames of vehicles that drive in it, and operators over both.

use crate::traces::Row;
use rhumb_connectors::simulate::{Fleet, SimulateConfig};
use rhumb_engine::builder::{ClockRules, Delivery, FrameBuilder};
use rhumb_engine::chain::Chain;
use rhumb_engine::current::CurrentShard;
use rhumb_engine::frame::{Frame, Origin, core_columns};
use rhumb_engine::operator::{OperatorPlan, ShardContext};
use rhumb_engine::time::{EventTime, SECOND_US};
use rhumb_engine::vehicle::Vehicles;
use rhumb_geofence::{ZoneOptions, Zones};
use rhumb_operators::enrich::{Added, EnrichConfig, EnrichPlan};
use rhumb_operators::geofence::{GeofenceConfig, GeofencePlan};
use rhumb_operators::validate::{ValidateConfig, ValidatePlan};
use rhumb_operators::window::{Aggregate, Shape, WindowConfig, WindowPlan};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;

/// Whether times are measured (`cargo bench`), or every bench only runs once to see that it does (`cargo test`).
pub fn is_measured() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// How much there is of something: `full` where times are measured.
pub fn sized(full: usize, to_see_that_it_runs: usize) -> usize {
    if is_measured() { full } else { to_see_that_it_runs }
}

pub fn vehicles() -> u32 {
    sized(50_000, 2_000) as u32
}

/// Zones over the town.
pub fn zone_count() -> usize {
    sized(10_000, 400)
}

pub const LATENESS_US: i64 = 30 * SECOND_US;
const BATCH: usize = 8_192;

/// `count` rough circles of 64 vertices on a square grid over the town, such that a place is in about one of them.
/// GeoJSON.
pub fn zones_text(count: usize) -> String {
    let config = SimulateConfig::new(1, 1.0, 1);
    let side = (count as f64).sqrt().ceil() as usize;
    let span_deg = 2.0 * config.radius_m / 111_195.0;
    let cell = span_deg / side as f64;
    let mut text = r#"{"type":"FeatureCollection","features":["#.to_owned();
    for zone in 0..count {
        let (row, column) = (zone / side, zone % side);
        let lat = config.lat - span_deg / 2.0 + (row as f64 + 0.5) * cell;
        let lon = config.lon + (-span_deg / 2.0 + (column as f64 + 0.5) * cell) / config.lat.to_radians().cos();
        let corner = |n: usize| {
            let angle = std::f64::consts::TAU * (n % 64) as f64 / 64.0;
            let radius = cell * 0.56 * (1.0 + 0.08 * (5.0 * angle + zone as f64).sin());
            format!("[{},{}]", lon + radius * angle.cos() / config.lat.to_radians().cos(), lat + radius * angle.sin())
        };
        let ring: Vec<String> = (0..=64).map(corner).collect();
        let comma = if zone == 0 { "" } else { "," };
        write!(
            text,
            r#"{comma}{{"type":"Feature","id":"z{zone}","properties":{{}},"geometry":{{"type":"Polygon","coordinates":[[{}]]}}}}"#,
            ring.join(",")
        )
        .expect("writing to memory");
    }
    text.push_str("]}");
    text
}

/// # Panics
/// If the text is no zones.
pub fn zones(text: &str) -> Arc<Zones> {
    Arc::new(Zones::from_geojson(text, &ZoneOptions::default()).expect("valid zones").0)
}

/// Writes `rounds` frames of each vehicle, one each ten seconds, as CSV of vehicle, milliseconds, place and speed; gives
/// their number.
///
/// # Panics
/// If the file cannot be written.
pub fn write_csv(path: &Path, rounds: u32) -> u64 {
    let fleet = Fleet::new(SimulateConfig::new(vehicles(), f64::from(rounds) * 10.0, 7));
    let mut file = BufWriter::new(File::create(path).expect("a file to write to"));
    writeln!(file, "vehicle_id,ts,lat,lon,speed_mps").expect("room for the frames");
    let mut frames = 0;
    for simulated in fleet {
        let name = simulated.name();
        let frame = simulated.frame(&name);
        let (ms, speed) = (frame.event_time.0 / 1000, frame.speed_mps.unwrap_or_default());
        writeln!(file, "{},{ms},{:.6},{:.6},{speed:.1}", frame.vehicle, frame.lat, frame.lon)
            .expect("room for the frames");
        frames += 1;
    }
    file.flush().expect("room for the frames");
    frames
}

/// Operators by their names: `validate`, `enrich`, `geofence`, `window`.
pub fn plans(operators: &[&str], zones: &Arc<Zones>) -> Vec<Arc<dyn OperatorPlan>> {
    let plan = |name: &&str| -> Arc<dyn OperatorPlan> {
        match *name {
            "validate" => Arc::new(ValidatePlan::new("validate", ValidateConfig::default())),
            "enrich" => Arc::new(EnrichPlan::new(
                "enrich",
                EnrichConfig { add: vec![Added::DistanceM], ..EnrichConfig::default() },
            )),
            "geofence" => Arc::new(GeofencePlan::new("geofence", GeofenceConfig::plain(zones.clone(), "bench"))),
            "window" => Arc::new(WindowPlan::new(
                WindowConfig {
                    name: "zones".to_owned(),
                    shape: Shape::tumbling(60 * SECOND_US),
                    key: vec!["zone_id".to_owned()],
                    aggregates: vec![
                        ("frames".to_owned(), Aggregate::Count),
                        ("speed".to_owned(), Aggregate::Avg("speed_mps".to_owned())),
                    ],
                    lateness_us: LATENESS_US,
                    path_keep: 16,
                    empty_zones: Vec::new(),
                },
                &core_columns(),
            )),
            other => panic!("there is no operator {other}"),
        }
    };
    operators.iter().map(plan).collect()
}

/// An input while it grows.
struct Building {
    vehicles: Arc<Vehicles>,
    builder: FrameBuilder,
    batches: Vec<Delivery>,
}

impl Building {
    fn new() -> Building {
        Building::over(Arc::default())
    }

    fn over(vehicles: Arc<Vehicles>) -> Building {
        let origin = Origin { source: "bench".into(), partition: "0".into() };
        let clocks = ClockRules { rollover: false, skew_max_us: i64::MAX };
        let mut builder = FrameBuilder::new(std::slice::from_ref(&vehicles), origin, clocks);
        builder.at(0, EventTime(0));
        Building { vehicles, builder, batches: Vec::new() }
    }

    fn push(&mut self, frame: &Frame) {
        self.builder.push(frame);
        if self.builder.len() == BATCH {
            self.batches.append(&mut self.builder.finish());
        }
    }

    fn finish(mut self) -> Input {
        self.batches.append(&mut self.builder.finish());
        let Building { vehicles, batches, .. } = self;
        Input { vehicles, frames: batches.iter().map(|d| d.frames.len()).sum(), batches }
    }
}

/// Decoded frames of one shard.
pub struct Input {
    pub vehicles: Arc<Vehicles>,
    pub batches: Vec<Delivery>,
    pub frames: usize,
}

impl Input {
    /// `rounds` frames of each vehicle, one each ten seconds.
    pub fn new(rounds: u32) -> Input {
        Input::every(10.0, rounds)
    }

    /// `rounds` frames of each vehicle, one each so many seconds.
    pub fn every(interval_s: f64, rounds: u32) -> Input {
        Input::of(interval_s, rounds, usize::MAX)
    }

    /// As `new`, but each so many frames one comes a round too late, after its vehicle's next one.
    pub fn late(rounds: u32, late_every: usize) -> Input {
        Input::of(10.0, rounds, late_every)
    }

    fn of(interval_s: f64, rounds: u32, late_every: usize) -> Input {
        let vehicles = vehicles();
        let config = SimulateConfig {
            rate_per_s: f64::from(vehicles) / interval_s,
            ..SimulateConfig::new(vehicles, f64::from(rounds) * interval_s, 7)
        };
        let mut frames: Vec<_> = Fleet::new(config).collect();
        // Vehicles do not report in the order of their numbers: shuffle each round the same way.
        let stride = 7_919;
        let whole = frames.len() / vehicles as usize;
        frames.truncate(whole * vehicles as usize);
        let mut input = Building::new();
        let mut held = Vec::new();
        for round in frames.chunks(vehicles as usize) {
            let shuffled = (0..round.len()).map(|n| &round[n * stride % round.len()]);
            let (late, in_time): (Vec<_>, Vec<_>) = shuffled.enumerate().partition(|(n, _)| n % late_every == 1);
            let held_before = std::mem::replace(&mut held, late);
            for (_, frame) in in_time.into_iter().chain(held_before) {
                let name = frame.name();
                input.push(&frame.frame(&name));
            }
        }
        input.finish()
    }

    /// A recording, as it is.
    pub fn recorded(rows: &[Row]) -> Input {
        let mut input = Building::new();
        rows.iter().for_each(|row| input.push(&row.frame()));
        input.finish()
    }

    /// Frames of any number of vehicles that come in the order of their numbers, batch by batch, for a chain over no input:
    /// so many would fill the memory.
    pub fn stream(&self, vehicles: u32, rounds: u32, mut take: impl FnMut(Delivery)) {
        let config = SimulateConfig {
            rate_per_s: f64::from(vehicles) / 10.0,
            ..SimulateConfig::new(vehicles, f64::from(rounds) * 10.0, 7)
        };
        let mut building = Building::over(self.vehicles.clone());
        for frame in Fleet::new(config) {
            let name = frame.name();
            building.push(&frame.frame(&name));
            building.batches.drain(..).for_each(&mut take);
        }
        building.finish().batches.into_iter().for_each(take);
    }

    pub fn none() -> Input {
        Building::new().finish()
    }

    /// The batches again; columns are shared.
    pub fn copy(&self) -> Vec<Delivery> {
        let copy =
            |d: &Delivery| Delivery { frames: d.frames.clone(), rejects: Vec::new(), rejected_after: Vec::new() };
        self.batches.iter().map(copy).collect()
    }

    pub fn context(&self) -> ShardContext {
        ShardContext { shard: 0, shards: 1, vehicles: self.vehicles.clone() }
    }

    pub fn chain(&self, plans: &[Arc<dyn OperatorPlan>]) -> Chain {
        let current = Arc::new(CurrentShard::new(self.vehicles.clone()));
        Chain::new(plans, &self.context(), current, 30 * SECOND_US, LATENESS_US)
    }
}
