//! One pipeline from its first start to the end of its input, in one thread: the parts of an engine take their steps in
//! the order that chance says, engines die at any step or any write, and others take over, at times while the dead one
//! still runs.

use crate::broken::Broken;
use crate::dice::Dice;
use crate::disk::{Fuse, Lake, Objects};
use crate::input::{Logs, Record};
use crate::log::{LogPlan, Synced, told};
use crate::oracle::{Tables, WINDOW_S, ZONES};
use crate::sink::LakePlan;
use crossbeam_channel::{Receiver, Sender, unbounded};
use object_store::memory::InMemory;
use rhumb_engine::alert_log::AlertLogPlan;
use rhumb_engine::frame::core_columns;
use rhumb_engine::message::{BarrierKind, Message};
use rhumb_engine::operator::OperatorPlan;
use rhumb_engine::reader::{Stepped, ToShard};
use rhumb_engine::retry::{Pause, Retry};
use rhumb_engine::run::{Parts, Pipeline, Settings, Until, assemble};
use rhumb_engine::shard::ToWriter;
use rhumb_engine::store::Store;
use rhumb_engine::time::{Clock, EventTime, SECOND_US};
use rhumb_geofence::{ZoneOptions, Zones};
use rhumb_operators::geofence::{GeofenceConfig, GeofencePlan};
use rhumb_operators::validate::{ValidateConfig, ValidatePlan};
use rhumb_operators::window::{Aggregate, Shape, WindowConfig, WindowPlan};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const LATENESS_US: i64 = 60 * SECOND_US;
/// Messages that may wait in one channel before who fills it waits.
const WAITING_MAX: usize = 6;
/// Engines that may die before one is left alone, so that every run ends.
const DEATHS_MAX: usize = 12;

/// What is left in the end.
#[derive(Debug)]
pub struct Left {
    pub tables: Tables,
    /// Ids and numbers of the alerts in the lake.
    pub numbered: Vec<(String, i64)>,
    /// Those of the alert log, if there is one.
    pub logged: Option<Vec<(String, i64)>>,
    pub deaths: usize,
    /// Of everything that was done, in order.
    pub trace: u64,
}

/// Patience of an engine: time that its waits make pass, and nothing else does.
#[derive(Default)]
struct Waits(Mutex<Duration>);

impl Pause for Waits {
    fn elapsed(&self) -> Duration {
        *self.0.lock().expect("one thread")
    }

    fn pause(&self, wait: Duration) {
        *self.0.lock().expect("one thread") += wait;
    }
}

struct Frozen;

impl Clock for Frozen {
    fn now(&self) -> EventTime {
        EventTime(2_000_000 * SECOND_US)
    }
}

fn operators() -> Vec<Arc<dyn OperatorPlan>> {
    let square = |(id, south, west, side): &(&str, i32, i32, i32)| {
        let [south, west, north, east] = [*south, *west, south + side, west + side].map(|at| f64::from(at) * 0.001);
        format!(
            r#"{{"type":"Feature","id":"{id}","properties":{{}},"geometry":{{"type":"Polygon","coordinates":
            [[[{west},{south}],[{east},{south}],[{east},{north}],[{west},{north}],[{west},{south}]]]}}}}"#
        )
    };
    let features: Vec<String> = ZONES.iter().map(square).collect();
    let text = format!(r#"{{"type":"FeatureCollection","features":[{}]}}"#, features.join(","));
    let zones = Arc::new(Zones::from_geojson(&text, &ZoneOptions::default()).expect("valid zones").0);
    let geofence = Arc::new(GeofencePlan::new("geofence", GeofenceConfig::plain(zones, "simulation")));
    let mut columns = core_columns();
    columns.extend(geofence.columns());
    let window = WindowConfig {
        name: "zones".to_owned(),
        shape: Shape::tumbling(WINDOW_S * SECOND_US),
        key: vec!["zone_id".to_owned()],
        aggregates: vec![("frames".to_owned(), Aggregate::parse("count").expect("an aggregate"))],
        lateness_us: LATENESS_US,
        path_keep: 4,
        empty_zones: Vec::new(),
    };
    let validate = ValidateConfig { speed_max_mps: None, ..ValidateConfig::default() };
    vec![Arc::new(ValidatePlan::new("validate", validate)), geofence, Arc::new(WindowPlan::new(window, &columns))]
}

/// A channel that somebody carries: what is sent into it arrives when the carrier comes by.
struct Wire<T> {
    from: Receiver<T>,
    to: Sender<T>,
    /// What is let past by the next message.
    overtaken: Option<T>,
}

impl<T> Wire<T> {
    fn waiting(&self) -> usize {
        self.from.len() + self.to.len()
    }
}

impl<T, B> Wire<Message<T, B>> {
    fn carry(&mut self, lets_barriers_past: bool, forge: impl FnOnce(&mut Message<T, B>)) {
        let Ok(mut message) = self.from.try_recv() else { return };
        forge(&mut message);
        let is_barrier = matches!(message, Message::Barrier(..));
        if lets_barriers_past && !is_barrier && self.overtaken.is_none() {
            self.overtaken = Some(message);
            return;
        }
        // Whoever should read it may be dead.
        let _ = match is_barrier {
            true => self.to.send(message).and_then(|()| self.overtaken.take().map_or(Ok(()), |m| self.to.send(m))),
            false => self.overtaken.take().map_or(Ok(()), |m| self.to.send(m)).and_then(|()| self.to.send(message)),
        };
    }
}

/// A running engine, taken apart.
struct Engine {
    parts: Parts,
    fuse: Arc<Fuse>,
    /// By reader, then by shard.
    to_shards: Vec<Vec<Wire<ToShard>>>,
    to_writer: Vec<Wire<ToWriter>>,
    /// How eager each kind of step is, in this life.
    eager: [usize; 6],
    readers_over: Vec<bool>,
    shards_over: Vec<bool>,
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The last barrier is committed.
    Ended,
    Failed,
}

impl Engine {
    /// Takes a step of those that can be taken; what kind of step that was is its trace.
    fn step(&mut self, dice: &mut Dice, broken: Option<Broken>, trace: &mut DefaultHasher) -> Option<End> {
        let kind = dice.weighted(&self.eager)?;
        kind.hash(trace);
        match kind {
            0 => {
                let reader = dice.below(self.parts.readers.len());
                let is_full = self.to_shards[reader].iter().any(|wire| wire.waiting() > WAITING_MAX);
                if !is_full && !self.readers_over[reader] {
                    self.readers_over[reader] = self.parts.readers[reader].step(Duration::ZERO) == Stepped::Over;
                }
            }
            1 => {
                let reader = dice.below(self.to_shards.len());
                let shard = dice.below(self.to_shards[reader].len());
                let wire = &mut self.to_shards[reader][shard];
                wire.carry(broken == Some(Broken::BarrierBeforeRowAtShard), |_| {});
            }
            2 => {
                let shard = dice.below(self.parts.shards.len());
                let listening = self.parts.shards[shard].readers.ready();
                let is_full = self.to_writer[shard].waiting() > WAITING_MAX;
                if !listening.is_empty() && !is_full && !self.shards_over[shard] {
                    let reader = listening[dice.below(listening.len())];
                    self.shards_over[shard] = !self.parts.shards[shard].step(reader);
                }
            }
            3 => {
                let wire = &mut self.to_writer[dice.below(self.parts.shards.len())];
                wire.carry(broken == Some(Broken::BarrierBeforeRowAtWriter), |message| {
                    if let (Some(Broken::StateForgotten), Message::Barrier(_, report)) = (broken, message) {
                        report.state.clear();
                    }
                });
            }
            4 => {
                let listening = self.parts.writer.shards.ready();
                if !listening.is_empty() {
                    let shard = listening[dice.below(listening.len())];
                    match self.parts.writer.step(shard) {
                        Ok(None) => {}
                        Ok(Some(_)) => return Some(End::Ended),
                        Err(_) => return Some(End::Failed),
                    }
                }
            }
            _ => self.coordinate(dice),
        }
        None
    }

    fn coordinate(&mut self, dice: &mut Dice) {
        let Parts { coordinator, events, committed, .. } = &mut self.parts;
        if let Ok(event) = events.try_recv() {
            coordinator.hear(event);
        }
        if let Ok(epoch) = committed.try_recv() {
            coordinator.hear_committed(epoch);
        }
        if dice.once_in(3) {
            coordinator.epoch_is_due();
        }
        if dice.once_in(40) {
            coordinator.stop();
        }
        coordinator.order_what_is_due();
    }
}

pub struct World {
    dice: Dice,
    logs: Arc<Vec<Vec<Record>>>,
    objects: Arc<InMemory>,
    lake: Arc<Mutex<Lake>>,
    /// With an alert log, which is on a disk of this machine: no other engine takes over before this one is gone.
    log: Option<(tempfile::TempDir, Arc<Mutex<Synced>>)>,
    broken: Option<Broken>,
    trace: DefaultHasher,
}

impl World {
    pub fn new(seed: u64, broken: Option<Broken>) -> World {
        let mut dice = Dice::new(seed);
        let logs = Arc::new(crate::input::logs(&mut dice));
        let log = dice.once_in(2).then(|| (tempfile::tempdir().expect("a folder"), Arc::default()));
        let (objects, lake, trace) = (Arc::default(), Arc::default(), DefaultHasher::new());
        World { dice, logs, objects, lake, log, broken, trace }
    }

    pub fn logs(&self) -> &[Vec<Record>] {
        &self.logs
    }

    /// Lives until all input is read and committed.
    pub fn run(mut self) -> Left {
        let mut deaths = 0;
        let mut zombie: Option<Engine> = None;
        'lives: loop {
            let once_in = if deaths < DEATHS_MAX { 10 + self.dice.below(200) } else { usize::MAX };
            let Some(mut engine) = self.start(once_in) else {
                deaths += 1;
                self.crash();
                continue;
            };
            let dies_once_in = if deaths < DEATHS_MAX { 50 + self.dice.below(1_500) } else { usize::MAX };
            loop {
                if let Some(other) = zombie.as_mut().filter(|_| self.dice.once_in(2))
                    && other.step(&mut self.dice, self.broken, &mut self.trace).is_some()
                {
                    zombie = None;
                }
                let end = match self.dice.once_in(dies_once_in) {
                    true => Some(End::Failed),
                    false => engine.step(&mut self.dice, self.broken, &mut self.trace),
                };
                match end {
                    None => {}
                    Some(End::Ended) if engine.parts.coordinator.last() == Some(BarrierKind::End) => break 'lives,
                    // It was told to stop, and all that it read is committed.
                    Some(End::Ended) => continue 'lives,
                    Some(End::Failed) => {
                        deaths += 1;
                        engine.fuse.trace().hash(&mut self.trace);
                        // Somebody believes it dead, and it runs on.
                        if self.log.is_none() && self.dice.once_in(3) {
                            zombie = Some(engine);
                        } else {
                            engine.fuse.blow();
                            drop(engine);
                            self.crash();
                        }
                        continue 'lives;
                    }
                }
            }
        }
        self.left(deaths)
    }

    /// The machine goes down.
    fn crash(&mut self) {
        self.lake.lock().expect("one thread").crash(&mut self.dice);
        if let Some((data, synced)) = &self.log {
            synced.lock().expect("one thread").crash(data.path(), &mut self.dice);
        }
    }

    fn start(&mut self, once_in: usize) -> Option<Engine> {
        let fuse = Arc::new(Fuse::new(self.dice.below(usize::MAX) as u64, once_in));
        let shards = 1 + self.dice.below(3);
        let logs = Logs {
            partitions: self.logs.clone(),
            dice: Arc::new(Mutex::new(Dice::new(self.dice.below(usize::MAX) as u64))),
            broken: self.broken,
        };
        let lake = LakePlan { lake: self.lake.clone(), fuse: fuse.clone(), broken: self.broken };
        let log = self.log.as_ref().map(|(_, synced)| {
            let log = LogPlan { fuse: fuse.clone(), synced: synced.clone(), broken: self.broken };
            Arc::new(log) as Arc<dyn AlertLogPlan>
        });
        let pipeline = Pipeline {
            name: "simulation".to_owned(),
            data: self.log.as_ref().map_or("nowhere".into(), |(data, _)| data.path().to_owned()),
            bucket: None,
            settings: Settings {
                shards,
                epoch: Duration::from_secs(1),
                epoch_rows: 1 + self.dice.below(200) as u64,
                lateness_us: LATENESS_US,
                idle_after_us: 3_600 * SECOND_US,
                clock_skew_max_us: 0,
                offline_after_us: 3_600 * SECOND_US,
                vehicles_max: 1_000,
                retry_for: Duration::from_secs(60),
            },
            sources: vec![(Arc::new(logs), false)],
            operators: operators(),
            sinks: vec![Arc::new(lake)],
            alert_log: log,
            instance: None,
        };
        let objects = Objects { objects: self.objects.clone(), fuse: fuse.clone(), broken: self.broken };
        let waits = Arc::new(Waits::default());
        let retry = Retry::new(pipeline.settings.retry_for, Arc::new(Frozen), waits, Arc::default(), 0);
        let store = Store::new(Arc::new(objects)).expect("a runtime").with_retry(Arc::new(retry));
        let mut parts = assemble(&pipeline, Arc::new(Frozen), store, None).ok()?;
        parts.coordinator.ends(Until::End);
        let mut to_shards: Vec<Vec<_>> = parts.readers.iter().map(|_| Vec::new()).collect();
        for shard in &mut parts.shards {
            for (reader, wires) in to_shards.iter_mut().enumerate() {
                wires.push(interpose(&mut shard.readers.channels[reader]));
            }
        }
        let to_writer = parts.writer.shards.channels.iter_mut().map(interpose).collect();
        let eager = std::array::from_fn(|_| 1 + self.dice.below(12));
        let (readers_over, shards_over) = (vec![false; parts.readers.len()], vec![false; parts.shards.len()]);
        Some(Engine { parts, fuse, to_shards, to_writer, eager, readers_over, shards_over })
    }

    fn left(self, deaths: usize) -> Left {
        let lake = self.lake.lock().expect("one thread");
        let mut tables = Tables { history: lake.rows("history"), rejects: lake.rows("rejects"), ..Tables::default() };
        let mut numbered = Vec::new();
        for line in lake.rows("alerts") {
            let (rest, number) = line.rsplit_once(' ').expect("a number");
            let (alert, id) = rest.rsplit_once(' ').expect("an id");
            tables.alerts.push(alert.to_owned());
            numbered.push((id.to_owned(), number.parse().expect("a number")));
        }
        tables.windows = windows(&lake.rows("windows_zones"));
        for table in [&mut tables.history, &mut tables.rejects, &mut tables.alerts, &mut tables.windows] {
            table.sort();
        }
        let logged = self.log.as_ref().map(|(data, _)| told(data.path()));
        Left { tables, numbered, logged, deaths, trace: self.trace.finish() }
    }
}

fn interpose<T>(near: &mut Receiver<T>) -> Wire<T> {
    let (to, arrives) = unbounded();
    let from = std::mem::replace(near, arrives);
    Wire { from, to, overtaken: None }
}

/// Of each window the newest revision.
fn windows(rows: &[String]) -> Vec<String> {
    let mut newest: BTreeMap<(i64, String), (i64, u64)> = BTreeMap::new();
    for row in rows {
        let columns: BTreeMap<&str, &str> = row.split(' ').filter_map(|column| column.split_once('=')).collect();
        let start_s = columns["window_start"].parse::<i64>().expect("a time") / SECOND_US;
        let revision: i64 = columns["revision"].parse().expect("a number");
        let frames = columns["frames"].parse().expect("a number");
        let entry = newest.entry((start_s, columns["zone_id"].to_owned())).or_insert((revision, frames));
        if revision >= entry.0 {
            *entry = (revision, frames);
        }
    }
    let named = newest.into_iter().filter(|((_, zone), _)| !zone.is_empty());
    named.map(|((start_s, zone), (_, frames))| format!("{start_s} {zone} {frames}")).collect()
}
