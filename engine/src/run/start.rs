//! Starting a pipeline: opens everything, restores the last committed state, and starts readers, shards and the writer.

use super::{Pipeline, Progress, RunError, Running};
use crate::builder::{ClockRules, FrameBuilder};
use crate::chain::Chain;
use crate::control::Control;
use crate::current::{CurrentShard, CurrentTable};
use crate::definition::{self, Definitions};
use crate::frame::{Origin, core_columns};
use crate::lane::Lanes;
use crate::lock::lock;
use crate::manifest::{Chain as Manifests, Manifest, newest};
use crate::operator::{OperatorPlan, ShardContext};
use crate::reader::{Reader, ReaderEvent, ToShard};
use crate::reference::{self, Change};
use crate::shard::{Shard, ToWriter};
use crate::sink::{Sink, SinkContext};
use crate::source::{Position, Source, SourcePlan, Tempo};
use crate::state::{StateReader, StateTable, of_lanes};
use crate::store::Store;
use crate::threads;
use crate::time::{Clock, EventTime, SECOND_US, monotonic_now};
use crate::timeline::Resumed;
use crate::vehicle::{VehicleLimit, Vehicles};
use crate::writer::{TableMerger, Writer, merger_name};
use arrow::datatypes::FieldRef;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::collections::VecDeque;
use std::fs::File;
use std::sync::Arc;
use std::thread::JoinHandle;

/// Batches that may wait between two threads. Together with a batch of 16k frames this bounds what is under way.
const CHANNEL_BATCHES: usize = 8;
/// Events of readers and threads that may wait for the run to look at them.
const EVENTS_MAX: usize = 1024;

/// Opens everything, restores the last committed state, and starts reading.
pub fn start(pipeline: &Pipeline, clock: Arc<dyn Clock>) -> Result<Running, RunError> {
    let settings = pipeline.settings.clone();
    let (store, lock) = open_data(pipeline)?;
    let definitions = unchanged_since_last(&store, pipeline)?;
    // Before the claim: a start that fails must not stop an engine that runs elsewhere.
    let mut sources = open_sources(pipeline, &clock)?;
    let mut references = reference::Start::of(&pipeline.operators);
    let manifests = Manifests::claim_with(store, &pipeline.name, |store, claim| references.take_up(store, claim))?;
    let last = manifests.last().clone();
    let state = manifests.state()?;

    let limit = Arc::new(VehicleLimit::new(settings.vehicles_max));
    let vehicles: Vec<_> = (0..settings.shards).map(|_| Arc::new(Vehicles::limited(limit.clone()))).collect();
    let sinks = open_sinks(pipeline, &last, manifests.claim_number(), &vehicles)?;
    let beginning = Position::default();
    for source in &mut sources {
        source.source.seek(last.positions.get(source.plan.name()).unwrap_or(&beginning))?;
    }
    if last.epoch > 0 {
        tell_resumed(&last);
    }

    let (exited, exits) = bounded(EVENTS_MAX);
    let (event_sender, events) = bounded(EVENTS_MAX);
    let (committed_sender, committed) = bounded(EVENTS_MAX);
    let control = Arc::new(Control::new(last.epoch, settings.epoch_rows));
    let lanes = Arc::new(Lanes::new(last.lanes.clone()));
    let progress = Arc::new(Progress::default());
    let (to_writer, from_shards): (Vec<_>, Vec<_>) = (0..settings.shards).map(|_| bounded(CHANNEL_BATCHES)).unzip();
    let writer = Writer {
        shards: from_shards,
        sinks,
        mergers: mergers(pipeline, &state)?,
        next_sequence: last.next_sequence,
        offline_after_us: settings.offline_after_us,
        chain: manifests,
        definitions,
        progress: progress.clone(),
        lanes: lanes.clone(),
        committed: committed_sender,
        control: control.clone(),
    };
    let writer =
        threads::spawn("rhumb-writer".to_owned(), exited.clone(), move || writer.run()).map_err(RunError::Thread)?;

    let currents: Vec<_> = vehicles.iter().map(|v| Arc::new(CurrentShard::new(v.clone()))).collect();
    let current = CurrentTable::new(currents.clone());
    let (to_shards, from_readers) = channels(sources.len(), settings.shards);
    let start = Start { pipeline, clock, vehicles, exited, control, lanes, last: &last };
    let chains = start.chains(&state, &sources, currents, &references)?;
    let mut threads = start.shards(chains, from_readers, to_writer, &references.after_state())?;
    let (references, watcher) = references.follow();
    if let Some(watcher) = watcher {
        threads.push(start.spawn("rhumb-references".to_owned(), move || watcher.run())?);
    }
    let readers = sources.len();
    threads.extend(start.readers(sources, to_shards, &event_sender)?);
    Ok(Running {
        threads,
        writer,
        control: start.control,
        events,
        exits,
        committed,
        epoch: last.epoch,
        settings,
        references,
        readers,
        ended: 0,
        current,
        progress,
        started: monotonic_now(),
        lock,
    })
}

/// A source that is open: one reader's.
struct Opened {
    plan: Arc<dyn SourcePlan>,
    rollover: bool,
    source: Box<dyn Source>,
}

/// What all threads of a run are started with.
struct Start<'a> {
    pipeline: &'a Pipeline,
    clock: Arc<dyn Clock>,
    /// By shard.
    vehicles: Vec<Arc<Vehicles>>,
    exited: Sender<String>,
    control: Arc<Control>,
    lanes: Arc<Lanes>,
    last: &'a Manifest,
}

impl Start<'_> {
    fn spawn(&self, name: String, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, RunError> {
        threads::spawn(name, self.exited.clone(), run).map_err(RunError::Thread)
    }

    /// One for each shard, with the state that there is.
    fn chains(
        &self,
        state: &[StateTable],
        sources: &[Opened],
        currents: Vec<Arc<CurrentShard>>,
        references: &reference::Start,
    ) -> Result<Vec<Chain>, RunError> {
        let settings = &self.pipeline.settings;
        let now = EventTime(self.clock.now().0 / SECOND_US * SECOND_US);
        let resumed = |source: &Opened| Resumed {
            source: source.plan.name().into(),
            now: (source.plan.tempo() == Tempo::Live && !source.source.remembers_ticks()).then_some(now),
        };
        let resumed: Vec<Resumed> = sources.iter().map(resumed).collect();
        let mut chains = Vec::new();
        for (shard, current) in currents.into_iter().enumerate() {
            let vehicles = self.vehicles[shard].clone();
            let context = ShardContext { shard, shards: settings.shards, vehicles };
            let operators = &self.pipeline.operators;
            let mut chain = Chain::new(operators, &context, current, settings.idle_after_us, settings.lateness_us);
            references.of_state().for_each(|change| drop(chain.change(change)));
            chain.restore(&of_lanes(state, |lane| lane.shard(settings.shards) == shard)?, &resumed)?;
            chains.push(chain);
        }
        Ok(chains)
    }

    /// All are by shard. `begin`: what came after the state that the chains have taken up.
    fn shards(
        &self,
        chains: Vec<Chain>,
        from_readers: Vec<Vec<Receiver<ToShard>>>,
        to_writer: Vec<Sender<ToWriter>>,
        begin: &Arc<[Change]>,
    ) -> Result<Vec<JoinHandle<()>>, RunError> {
        let mut threads = Vec::new();
        for (shard, ((chain, readers), writer)) in chains.into_iter().zip(from_readers).zip(to_writer).enumerate() {
            let runs = Shard { chain, readers, writer, begin: begin.clone() };
            threads.push(self.spawn(format!("rhumb-shard-{shard}"), move || runs.run())?);
        }
        Ok(threads)
    }

    /// `to_shards` are by reader.
    fn readers(
        &self,
        sources: Vec<Opened>,
        to_shards: Vec<Vec<Sender<ToShard>>>,
        events: &Sender<ReaderEvent>,
    ) -> Result<Vec<JoinHandle<()>>, RunError> {
        let mut threads = Vec::new();
        for (index, (Opened { plan, rollover, source }, shards)) in sources.into_iter().zip(to_shards).enumerate() {
            let name: Arc<str> = plan.name().into();
            let clocks = ClockRules { rollover, skew_max_us: self.pipeline.settings.clock_skew_max_us };
            let origin = Origin { source: name.clone(), partition: name.clone() };
            let reader = Reader {
                index,
                name,
                tempo: plan.tempo(),
                source,
                keeps_unread: plan.keeps_unread(),
                builder: FrameBuilder::new(&self.vehicles, origin, clocks)
                    .with_columns(&plan.columns())
                    .with_lanes(self.lanes.clone()),
                shards,
                control: self.control.clone(),
                clock: self.clock.clone(),
                events: events.clone(),
                epoch: self.last.epoch,
                uncommitted: VecDeque::new(),
                last_tick: EventTime::MIN,
            };
            threads.push(self.spawn(format!("rhumb-reader-{index}"), move || reader.run())?);
        }
        Ok(threads)
    }
}

/// Channels from every reader to every shard: the near ends by reader, the far ends by shard.
#[allow(clippy::type_complexity, reason = "the two ends of one thing")]
fn channels(readers: usize, shards: usize) -> (Vec<Vec<Sender<ToShard>>>, Vec<Vec<Receiver<ToShard>>>) {
    let mut near: Vec<Vec<_>> = (0..readers).map(|_| Vec::with_capacity(shards)).collect();
    let mut far = Vec::with_capacity(shards);
    for _ in 0..shards {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..readers).map(|_| bounded(CHANNEL_BATCHES)).unzip();
        near.iter_mut().zip(senders).for_each(|(of_reader, sender)| of_reader.push(sender));
        far.push(receivers);
    }
    (near, far)
}

/// The data folder, made if need be, and locked.
fn open_data(pipeline: &Pipeline) -> Result<(Store, File), RunError> {
    let failed = |action: &str| {
        let action = action.to_owned();
        |cause| RunError::Data { path: pipeline.data.clone(), action, cause }
    };
    std::fs::create_dir_all(&pipeline.data).map_err(failed("create it"))?;
    let store = Store::local(&pipeline.data).map_err(failed("open it"))?;
    Ok((store, lock(&pipeline.data)?))
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

fn open_sources(pipeline: &Pipeline, clock: &Arc<dyn Clock>) -> Result<Vec<Opened>, RunError> {
    let mut sources = Vec::new();
    for (plan, rollover) in &pipeline.sources {
        let opened = plan.open(clock.clone())?.into_iter();
        sources.extend(opened.map(|source| Opened { plan: plan.clone(), rollover: *rollover, source }));
    }
    Ok(sources)
}

/// Opens the sinks and has them finish what the last commit began.
fn open_sinks(
    pipeline: &Pipeline,
    last: &Manifest,
    claim: u64,
    vehicles: &[Arc<Vehicles>],
) -> Result<Vec<Box<dyn Sink>>, RunError> {
    let context = SinkContext {
        pipeline: pipeline.name.clone(),
        data: pipeline.data.clone(),
        claim,
        vehicles: vehicles.to_vec(),
        history: history(pipeline),
        tables: pipeline.operators.iter().flat_map(|plan| plan.tables()).collect(),
    };
    let mut sinks = Vec::new();
    for plan in &pipeline.sinks {
        let mut sink = plan.open(&context)?;
        sink.committed(last.epoch, &last.segments)?;
        sinks.push(sink);
    }
    Ok(sinks)
}

/// Columns of the history.
fn history(pipeline: &Pipeline) -> Vec<FieldRef> {
    let mut history = core_columns();
    // Sources that have a column of one name share it.
    for column in pipeline.sources.iter().flat_map(|(plan, _)| plan.columns()) {
        if history.iter().all(|other| other.name() != column.name()) {
            history.push(column);
        }
    }
    history.extend(pipeline.operators.iter().flat_map(|plan| plan.columns()));
    history
}

fn mergers(pipeline: &Pipeline, state: &[StateTable]) -> Result<Vec<TableMerger>, RunError> {
    let mut mergers = Vec::new();
    for plan in &pipeline.operators {
        if let (Some(mut merger), Some(table)) = (plan.merger(), plan.tables().first()) {
            merger.restore(&StateReader::new(state, &merger_name(plan.name())))?;
            mergers.push(TableMerger { operator: plan.name().into(), table: table.name.clone(), merger });
        }
    }
    Ok(mergers)
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
