//! Running a pipeline: builds readers, shards and the writer, opens epochs, and ends them all.

use crate::builder::{ClockRules, FrameBuilder};
use crate::chain::Chain;
use crate::control::Control;
use crate::current::{CurrentShard, CurrentTable};
use crate::definition::{self, Definitions};
use crate::frame::{Origin, core_columns};
use crate::manifest::{Chain as Manifests, Manifest, ManifestError, newest};
use crate::message::{Barrier, BarrierKind, Output};
use crate::operator::{OperatorPlan, ShardContext};
use crate::reader::{Reader, ReaderEvent};
use crate::shard::Shard;
use crate::sink::{SinkContext, SinkError, SinkPlan};
use crate::source::{SourceError, SourcePlan};
use crate::state::{StateError, StateReader, of_lanes};
use crate::store::Store;
use crate::threads;
use crate::time::{Clock, EventTime, monotonic_now};
use crate::totals::Totals;
use crate::vehicle::{VehicleLimit, Vehicles};
pub use crate::writer::Undecodable;
use crate::writer::{TableMerger, WriteError, Writer, Written, merger_name};
use crossbeam_channel::{Receiver, Sender, bounded, select, tick};
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Batches that may wait between two threads. Together with a batch of 16k frames this bounds what is under way.
const CHANNEL_BATCHES: usize = 8;
/// Events of readers and threads that may wait for the run to look at them.
const EVENTS_MAX: usize = 1024;

/// How a pipeline runs.
#[derive(Debug, Clone)]
pub struct Settings {
    pub shards: usize,
    pub epoch: Duration,
    /// An epoch ends earlier when it has so many frames.
    pub epoch_rows: u64,
    pub lateness_us: i64,
    pub idle_after_us: i64,
    pub clock_skew_max_us: i64,
    /// Vehicles silent for longer are offline in the current table.
    pub offline_after_us: i64,
    /// Frames of further vehicles are rejected.
    pub vehicles_max: usize,
}

/// A pipeline, checked and ready to run.
pub struct Pipeline {
    pub name: String,
    /// Folder of manifests, state and lake.
    pub data: PathBuf,
    pub settings: Settings,
    /// With each source: whether week rollovers are repaired.
    pub sources: Vec<(Arc<dyn SourcePlan>, bool)>,
    pub operators: Vec<Arc<dyn OperatorPlan>>,
    pub sinks: Vec<Arc<dyn SinkPlan>>,
}

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("data folder {path}: {action}")]
    Data {
        path: PathBuf,
        action: String,
        #[source]
        cause: std::io::Error,
    },
    #[error(
        "data folder {path}: process {by} is running a pipeline there; stop it first, or give this one another folder"
    )]
    InUse { path: PathBuf, by: String },
    #[error(
        "the data folder {path} has state and tables of operators that have changed since ({changed}): set them back, or use \
         another data folder; a window may take another name, under which it starts anew beside the old table"
    )]
    Changed { path: PathBuf, changed: String },
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error("start a thread")]
    Thread(#[source] std::io::Error),
    #[error("thread {0} stopped by a bug; what it was doing stands above. Nothing after the last commit was kept")]
    Bug(String),
}

/// Counts that can be read while a pipeline runs.
#[derive(Debug, Default)]
pub struct Progress {
    pub history_rows: AtomicU64,
    pub rejects: AtomicU64,
    pub alerts: AtomicU64,
    pub epochs: AtomicU64,
}

impl Progress {
    pub(crate) fn add(&self, output: &Output) {
        self.history_rows.fetch_add(output.frames.len() as u64, Ordering::Relaxed);
        self.rejects.fetch_add(output.effects.rejects.len() as u64, Ordering::Relaxed);
        let alerts: usize = output.effects.alerts.iter().map(|alerts| alerts.len()).sum();
        self.alerts.fetch_add(alerts as u64, Ordering::Relaxed);
    }
}

/// What a run did.
#[derive(Debug, Clone)]
pub struct Summary {
    /// Of this run.
    pub totals: Totals,
    /// By source: what its codec could not read.
    pub undecodable: BTreeMap<String, Undecodable>,
    pub vehicles: usize,
    pub elapsed: Duration,
    /// What was wrong with inputs that were not whole. Everything of them that was, is committed.
    pub damaged: Option<String>,
}

/// A pipeline that is running.
pub struct Running {
    threads: Vec<JoinHandle<()>>,
    writer: JoinHandle<Result<Option<Written>, WriteError>>,
    control: Arc<Control>,
    events: Receiver<ReaderEvent>,
    exits: Receiver<String>,
    committed: Receiver<u64>,
    epoch: u64,
    settings: Settings,
    readers: usize,
    ended: usize,
    current: CurrentTable,
    progress: Arc<Progress>,
    started: std::time::Instant,
    /// Held as long as the pipeline runs.
    lock: File,
}

/// File in the data folder that a running engine holds locked; its content is the engine's process id.
const LOCK: &str = "lock";

/// One engine a data folder: a second one started by mistake would take over from the first.
fn lock(data: &Path) -> Result<File, RunError> {
    let path = data.join(LOCK);
    let failed = |cause| RunError::Data { path: path.clone(), action: "lock it".to_owned(), cause };
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).map_err(failed)?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut by = String::new();
            // Who it is only helps the reader of the message.
            let _ = file.read_to_string(&mut by);
            Err(RunError::InUse { path: data.to_owned(), by })
        }
        Err(TryLockError::Error(cause)) => Err(failed(cause)),
    }
}

/// What operators are defined by; an error if the data folder was written by others of the same names.
fn unchanged_since_last(store: &Store, pipeline: &Pipeline) -> Result<Definitions, RunError> {
    let of_plan = |plan: &Arc<dyn OperatorPlan>| (plan.name().to_owned(), plan.definition());
    let mut all: Definitions = pipeline.operators.iter().map(of_plan).collect();
    all.retain(|_, definition| !definition.is_empty());
    let last = newest(store)?;
    let changed = last.map_or_else(Vec::new, |last| definition::changed(&last.definitions, &all));
    if changed.is_empty() {
        return Ok(all);
    }
    let changed: Vec<String> = changed.iter().map(ToString::to_string).collect();
    Err(RunError::Changed { path: pipeline.data.clone(), changed: changed.join("; ") })
}

fn tell_resumed(last: &Manifest) {
    let positions: Vec<String> =
        last.positions.iter().map(|(source, position)| format!("{source}: {position}")).collect();
    tracing::info!(
        epoch = last.epoch,
        frames_before = last.totals.frames(),
        positions = positions.join("; "),
        "resuming after the last commit"
    );
}

/// Opens everything, restores the last committed state, and starts reading.
pub fn start(pipeline: &Pipeline, clock: Arc<dyn Clock>) -> Result<Running, RunError> {
    let settings = pipeline.settings.clone();
    let data = |action: &str| {
        let action = action.to_owned();
        |cause| RunError::Data { path: pipeline.data.clone(), action, cause }
    };
    std::fs::create_dir_all(&pipeline.data).map_err(data("create it"))?;
    let store = Store::local(&pipeline.data).map_err(data("open it"))?;
    let lock = lock(&pipeline.data)?;
    let definitions = unchanged_since_last(&store, pipeline)?;
    // Before the claim: a start that fails must not stop an engine that runs elsewhere.
    let mut sources = Vec::new();
    for (plan, rollover) in &pipeline.sources {
        sources.extend(plan.open(clock.clone())?.into_iter().map(|source| (plan.clone(), *rollover, source)));
    }
    let manifests = Manifests::claim(store, &pipeline.name)?;
    let last = manifests.last().clone();
    let state = manifests.state()?;

    let limit = Arc::new(VehicleLimit::new(settings.vehicles_max));
    let vehicles: Vec<_> = (0..settings.shards).map(|_| Arc::new(Vehicles::limited(limit.clone()))).collect();
    let shard_context =
        |shard: usize| ShardContext { shard, shards: settings.shards, vehicles: vehicles[shard].clone() };
    let currents: Vec<_> = vehicles.iter().map(|v| Arc::new(CurrentShard::new(v.clone()))).collect();
    let current = CurrentTable::new(currents.clone());

    let mut history = core_columns();
    // Sources that have a column of one name share it.
    for column in pipeline.sources.iter().flat_map(|(plan, _)| plan.columns()) {
        if history.iter().all(|other| other.name() != column.name()) {
            history.push(column);
        }
    }
    history.extend(pipeline.operators.iter().flat_map(|plan| plan.columns()));
    let sink_context = SinkContext {
        pipeline: pipeline.name.clone(),
        data: pipeline.data.clone(),
        claim: manifests.claim_number(),
        vehicles: vehicles.clone(),
        history,
        tables: pipeline.operators.iter().flat_map(|plan| plan.tables()).collect(),
    };
    let mut sinks = Vec::new();
    for plan in &pipeline.sinks {
        let mut sink = plan.open(&sink_context)?;
        sink.committed(last.epoch, &last.segments)?;
        sinks.push(sink);
    }

    for (plan, _, source) in &mut sources {
        if let Some(position) = last.positions.get(plan.name()) {
            source.seek(position)?;
        }
    }
    if last.epoch > 0 {
        tell_resumed(&last);
    }

    let mut mergers = Vec::new();
    for plan in &pipeline.operators {
        if let (Some(mut merger), Some(table)) = (plan.merger(), plan.tables().first()) {
            merger.restore(&StateReader::new(&state, &merger_name(plan.name())))?;
            mergers.push(TableMerger { operator: plan.name().into(), table: table.name.clone(), merger });
        }
    }

    let (exited, exits) = bounded(EVENTS_MAX);
    let (event_sender, events) = bounded(EVENTS_MAX);
    let (committed_sender, committed) = bounded(EVENTS_MAX);
    let control = Arc::new(Control::new(last.epoch, settings.epoch_rows));
    let progress = Arc::new(Progress::default());
    let mut threads = Vec::new();

    let (to_writer, from_shards): (Vec<_>, Vec<_>) = (0..settings.shards).map(|_| bounded(CHANNEL_BATCHES)).unzip();
    let writer = Writer {
        shards: from_shards,
        sinks,
        mergers,
        next_sequence: last.next_sequence,
        offline_after_us: settings.offline_after_us,
        chain: manifests,
        definitions,
        progress: progress.clone(),
        committed: committed_sender,
    };
    let writer =
        threads::spawn("rhumb-writer".to_owned(), exited.clone(), move || writer.run()).map_err(RunError::Thread)?;

    let channels: Vec<Vec<_>> =
        sources.iter().map(|_| (0..settings.shards).map(|_| bounded(CHANNEL_BATCHES)).collect()).collect();
    for (shard, writer) in to_writer.into_iter().enumerate() {
        let context = shard_context(shard);
        let mut chain = Chain::new(
            &pipeline.operators,
            &context,
            currents[shard].clone(),
            settings.idle_after_us,
            settings.lateness_us,
        );
        chain.restore(&of_lanes(&state, |lane| lane.shard(settings.shards) == shard)?)?;
        let readers = channels.iter().map(|shards: &Vec<(Sender<_>, Receiver<_>)>| shards[shard].1.clone()).collect();
        let shard_thread = Shard { chain, readers, writer };
        let name = format!("rhumb-shard-{shard}");
        threads.push(threads::spawn(name, exited.clone(), move || shard_thread.run()).map_err(RunError::Thread)?);
    }
    let readers = sources.len();
    for (index, ((plan, rollover, source), shards)) in sources.into_iter().zip(channels).enumerate() {
        let name: Arc<str> = plan.name().into();
        let clocks = ClockRules { rollover, skew_max_us: settings.clock_skew_max_us };
        let origin = Origin { source: name.clone(), partition: name.clone() };
        let reader = Reader {
            index,
            name,
            tempo: plan.tempo(),
            source,
            builder: FrameBuilder::new(&vehicles, origin, clocks).with_columns(&plan.columns()),
            shards: shards.into_iter().map(|(sender, _)| sender).collect(),
            control: control.clone(),
            clock: clock.clone(),
            events: event_sender.clone(),
            epoch: last.epoch,
            last_tick: EventTime::MIN,
        };
        let name = format!("rhumb-reader-{index}");
        threads.push(threads::spawn(name, exited.clone(), move || reader.run()).map_err(RunError::Thread)?);
    }
    let started = monotonic_now();
    Ok(Running {
        threads,
        writer,
        control,
        events,
        exits,
        committed,
        epoch: last.epoch,
        settings,
        readers,
        ended: 0,
        current,
        progress,
        started,
        lock,
    })
}

impl Running {
    pub fn current(&self) -> CurrentTable {
        self.current.clone()
    }

    pub fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }

    /// Frames read so far.
    pub fn frames(&self) -> u64 {
        self.control.frames()
    }

    /// Whether nothing more will come from any source.
    pub fn has_all_input_ended(&self) -> bool {
        self.ended == self.readers
    }

    /// Opens epochs until all input has ended (with `until_end`) or something comes from `stop`, then commits the last
    /// one and gives what was done. `watch` is called about once a second.
    ///
    /// A source that fails ends there; the others run on. Once all have ended and one has failed, there is nothing to
    /// wait for, so the run ends too; windows stay open then, for the rest of that input.
    pub fn wait(
        mut self,
        until_end: bool,
        stop: &Receiver<()>,
        mut watch: impl FnMut(&Running),
    ) -> Result<Summary, RunError> {
        let epochs = tick(self.settings.epoch);
        let seconds = tick(Duration::from_secs(1));
        let mut under_way = false;
        let mut full = false;
        let mut damaged: Vec<String> = Vec::new();
        let last = loop {
            if self.has_all_input_ended() && (until_end || !damaged.is_empty()) {
                break if damaged.is_empty() { BarrierKind::End } else { BarrierKind::Stop };
            }
            select! {
                recv(self.events) -> event => match event {
                    Ok(ReaderEvent::EpochFull) => full = true,
                    Ok(ReaderEvent::Ended(how)) => {
                        self.ended += 1;
                        if let Err(error) = how {
                            tracing::error!("{}", with_causes(&error));
                            damaged.push(with_causes(&error));
                        }
                    }
                    Err(_) => break BarrierKind::Stop,
                },
                recv(self.committed) -> epoch => {
                    under_way = false;
                    if epoch.is_ok() { self.progress.epochs.fetch_add(1, Ordering::Relaxed); }
                },
                recv(self.exits) -> _ => break BarrierKind::Stop,
                recv(stop) -> _ => break BarrierKind::Stop,
                recv(epochs) -> _ => full = true,
                recv(seconds) -> _ => watch(&self),
            }
            if full && !under_way {
                self.order(BarrierKind::Epoch);
                (under_way, full) = (true, false);
            }
        };
        // A barrier must reach every reader before the next is ordered.
        if under_way {
            select! {
                recv(self.committed) -> _ => {}
                recv(self.exits) -> _ => {}
            }
        }
        self.order(last);
        self.join((!damaged.is_empty()).then(|| damaged.join("; ")))
    }

    fn order(&mut self, kind: BarrierKind) {
        self.epoch += 1;
        self.control.order(Barrier { epoch: self.epoch, kind });
    }

    fn join(self, damaged: Option<String>) -> Result<Summary, RunError> {
        // Readers, shards and writer hang on one another by channels: whichever stops, the others follow.
        let Running { threads, writer, started, current, events, exits, committed, lock, .. } = self;
        let mut bug = None;
        for thread in threads {
            let name = thread.thread().name().unwrap_or("?").to_owned();
            if thread.join().is_err() {
                bug.get_or_insert(name);
            }
        }
        let written = writer.join().map_err(|_| RunError::Bug("rhumb-writer".to_owned()))?;
        drop((events, exits, committed, lock));
        let written = match written {
            Err(WriteError::Sink(error)) => return Err(error.into()),
            Err(WriteError::Manifest(error)) => return Err(error.into()),
            Ok(written) => written,
        };
        match (bug, written) {
            (Some(thread), _) => Err(RunError::Bug(thread)),
            (None, None) => Err(RunError::Bug("rhumb-shard".to_owned())),
            (None, Some(Written { totals, undecodable })) => {
                Ok(Summary { totals, undecodable, vehicles: current.len(), elapsed: started.elapsed(), damaged })
            }
        }
    }
}

/// An error with all that caused it, on one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
