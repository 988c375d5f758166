//! Starting a pipeline: opens everything, restores the last committed state, and starts readers, shards and the writer.

use super::{Coordinator, Pipeline, Progress, RunError, Running};
use crate::alert_log::{AlertLog, LogPosition, Unlogged};
use crate::builder::{ClockRules, FrameBuilder};
use crate::chain::Chain;
use crate::control::Control;
use crate::current::{CurrentShard, CurrentTable};
use crate::definition::{self, Definitions};
use crate::frame::{Origin, core_columns};
use crate::inputs::Inputs;
use crate::lane::Lanes;
use crate::lock::lock;
use crate::manifest::{Chain as Manifests, Manifest, ManifestError, Share, newest};
use crate::operator::{OperatorPlan, ShardContext};
use crate::reader::{Done, Reader, ReaderEvent, ToShard};
use crate::reference::{self, Watcher};
use crate::retry::{Retry, SystemPause};
use crate::shard::Shard;
use crate::sink::{Sink, SinkContext};
use crate::source::{Position, Shed, Source, SourcePlan, Tempo};
use crate::state::{StateReader, StateTable, merger_name, of_lanes};
use crate::store::{Store, StoreError};
use crate::threads;
use crate::time::{Clock, EventTime, SECOND_US, monotonic_now};
use crate::timeline::Resumed;
use crate::totals::Totals;
use crate::trouble::advice;
use crate::vehicle::{VehicleLimit, Vehicles};
use crate::writer::{TableMerger, Writer, Written};
use arrow::datatypes::FieldRef;
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use std::fs::File;
use std::sync::Arc;

/// Batches that may wait between two threads. Together with a batch of 16k frames this bounds what is under way.
const CHANNEL_BATCHES: usize = 8;
/// Events of readers and threads that may wait for the run to look at them.
const EVENTS_MAX: usize = 1024;

/// An engine that is ready to run: each part takes its steps when somebody lets it, in `start` a thread for each.
pub struct Parts {
    pub readers: Vec<Reader>,
    pub shards: Vec<Shard>,
    pub writer: Writer,
    pub coordinator: Coordinator,
    /// Of the readers, for the coordinator.
    pub events: Receiver<ReaderEvent>,
    /// Epochs, of the writer, for the coordinator.
    pub committed: Receiver<u64>,
    /// What looks at the files of references.
    pub watcher: Option<Watcher>,
    pub current: CurrentTable,
    pub progress: Arc<Progress>,
    pub control: Arc<Control>,
    /// With the name of the source.
    pub sheds: Vec<(String, Shed)>,
}

/// Opens everything, restores the last committed state, and starts reading.
pub fn start(pipeline: &Pipeline, clock: Arc<dyn Clock>) -> Result<Running, RunError> {
    let (store, lock) = open_data(pipeline)?;
    let (pause, salt) = (Arc::new(SystemPause::default()), u64::from(std::process::id()));
    let retry = Retry::new(pipeline.settings.retry_for, clock.clone(), pause, Arc::default(), salt);
    let store = store.with_retry(Arc::new(retry));
    let health = store.retry().health().clone();
    let parts = assemble(pipeline, clock, store, Some(CHANNEL_BATCHES))?;
    let Parts { readers, shards, writer, coordinator, events, committed, watcher, current, progress, control, sheds } =
        parts;
    let (exited, exits) = bounded(EVENTS_MAX);
    let spawn = |name: String, run: Box<dyn FnOnce() + Send>| threads::spawn(name, exited.clone(), run);
    let mut threads = Vec::new();
    let writer = threads::spawn("rhumb-writer".to_owned(), exited.clone(), move || writer.run());
    let writer = writer.map_err(RunError::Thread)?;
    for (n, shard) in shards.into_iter().enumerate() {
        threads.push(spawn(format!("rhumb-shard-{n}"), Box::new(|| shard.run())).map_err(RunError::Thread)?);
    }
    if let Some(watcher) = watcher {
        threads.push(spawn("rhumb-references".to_owned(), Box::new(|| watcher.run())).map_err(RunError::Thread)?);
    }
    for (n, reader) in readers.into_iter().enumerate() {
        threads.push(spawn(format!("rhumb-reader-{n}"), Box::new(|| reader.run())).map_err(RunError::Thread)?);
    }
    Ok(Running {
        threads,
        writer,
        coordinator,
        control,
        events,
        exits,
        committed,
        epoch: pipeline.settings.epoch,
        current,
        progress,
        health,
        sheds,
        started: monotonic_now(),
        lock,
    })
}

/// Opens everything and restores the last committed state. Channels hold so many messages; with `None` any number, for
/// one thread that steps all parts.
pub fn assemble(
    pipeline: &Pipeline,
    clock: Arc<dyn Clock>,
    store: Store,
    channel: Option<usize>,
) -> Result<Parts, RunError> {
    let settings = pipeline.settings.clone();
    let definitions = unchanged_since_last(&store, pipeline)?;
    // Before the claim: a start that fails must not stop an engine that runs elsewhere.
    let mut sources = open_sources(pipeline, &clock)?;
    let mut references = reference::Start::of(&pipeline.operators);
    let retry = store.retry().clone();
    let share = share(pipeline)?;
    let take_up = |store: &Store, claim: &mut Manifest| references.take_up(store, claim);
    let manifests = Manifests::claim_for(store, &pipeline.name, share.as_ref(), take_up)?;
    let last = manifests.last().clone();
    // Epochs go on after this one.
    let epoch = manifests.next_epoch() - 1;
    let state = manifests.state()?;

    let limit = Arc::new(VehicleLimit::new(settings.vehicles_max));
    let vehicles: Vec<_> = (0..settings.shards).map(|_| Arc::new(Vehicles::limited(limit.clone()))).collect();
    let context = sink_context(pipeline, &last, &vehicles, &retry);
    let sinks = open_sinks(pipeline, &last, epoch, &context)?;
    let log = open_log(pipeline, log_position(&manifests), &context, &clock)?;
    let beginning = Position::default();
    for source in &mut sources {
        source.source.seek(last.positions.get(source.plan.position_name()).unwrap_or(&beginning))?;
    }
    if last.epoch > 0 {
        tell_resumed(&last);
    }

    let (event_sender, events) = bounded(EVENTS_MAX);
    let (committed_sender, committed) = bounded(EVENTS_MAX);
    let control = Arc::new(Control::new(epoch, settings.epoch_rows));
    let lanes = Arc::new(Lanes::new(last.lanes.clone()));
    let progress = Arc::new(Progress::default());
    let (to_writer, from_shards): (Vec<_>, Vec<_>) = (0..settings.shards).map(|_| new_channel(channel)).unzip();
    let writer = Writer {
        shards: Inputs::new(from_shards),
        sinks,
        mergers: mergers(pipeline, manifests.own().and_then(|own| own.part).unwrap_or_default(), &state)?,
        log,
        offline_after_us: settings.offline_after_us,
        chain: manifests,
        definitions,
        progress: progress.clone(),
        lanes: lanes.clone(),
        committed: committed_sender,
        control: control.clone(),
        run: Written::default(),
        committed_totals: Totals::default(),
        published: last.epoch,
    };

    let currents: Vec<_> = vehicles.iter().map(|v| Arc::new(CurrentShard::new(v.clone()))).collect();
    let current = CurrentTable::new(currents.clone());
    let (to_shards, from_readers) = channels(sources.len(), settings.shards, channel);
    let start = Start { pipeline, clock, vehicles, control: control.clone(), lanes, epoch };
    let chains = start.chains(&state, &sources, currents, &references)?;
    let begin = references.after_state();
    let shard =
        |((chain, readers), writer)| Shard { chain, readers: Inputs::new(readers), writer, begin: begin.clone() };
    let shards = chains.into_iter().zip(from_readers).zip(to_writer).map(shard).collect();
    let (references, watcher) = references.follow();
    let coordinator = Coordinator::new(control.clone(), progress.clone(), references, epoch, sources.len());
    let shed = |of: &Opened| Some((of.plan.name().to_owned(), of.source.shed()?));
    let sheds = sources.iter().filter_map(shed).collect();
    let readers = start.readers(sources, to_shards, &event_sender);
    retry.begin();
    Ok(Parts { readers, shards, writer, coordinator, events, committed, watcher, current, progress, control, sheds })
}

/// A source that is open: one reader's.
struct Opened {
    plan: Arc<dyn SourcePlan>,
    rollover: bool,
    source: Box<dyn Source>,
}

/// What all parts of a run are made with.
struct Start<'a> {
    pipeline: &'a Pipeline,
    clock: Arc<dyn Clock>,
    /// By shard.
    vehicles: Vec<Arc<Vehicles>>,
    control: Arc<Control>,
    lanes: Arc<Lanes>,
    /// The one that epochs go on after.
    epoch: u64,
}

impl Start<'_> {
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
            is_timeless: source.plan.tempo() == Tempo::Timeless,
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

    /// `to_shards` are by reader.
    fn readers(
        &self,
        sources: Vec<Opened>,
        to_shards: Vec<Vec<Sender<ToShard>>>,
        events: &Sender<ReaderEvent>,
    ) -> Vec<Reader> {
        let mut readers = Vec::new();
        for (index, (Opened { plan, rollover, source }, shards)) in sources.into_iter().zip(to_shards).enumerate() {
            let name: Arc<str> = plan.name().into();
            let clocks = ClockRules { rollover, skew_max_us: self.pipeline.settings.clock_skew_max_us };
            let origin = Origin { source: name.clone(), partition: name.clone() };
            readers.push(Reader {
                index,
                name,
                position_name: plan.position_name().into(),
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
                epoch: self.epoch,
                done: Done::default(),
            });
        }
        readers
    }
}

/// Of so many messages; `None`: of any number.
fn new_channel<T>(messages: Option<usize>) -> (Sender<T>, Receiver<T>) {
    messages.map_or_else(unbounded, bounded)
}

/// Channels from every reader to every shard: the near ends by reader, the far ends by shard.
#[allow(clippy::type_complexity, reason = "the two ends of one thing")]
fn channels(
    readers: usize,
    shards: usize,
    channel: Option<usize>,
) -> (Vec<Vec<Sender<ToShard>>>, Vec<Vec<Receiver<ToShard>>>) {
    let mut near: Vec<Vec<_>> = (0..readers).map(|_| Vec::with_capacity(shards)).collect();
    let mut far = Vec::with_capacity(shards);
    for _ in 0..shards {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..readers).map(|_| new_channel(channel)).unzip();
        near.iter_mut().zip(senders).for_each(|(of_reader, sender)| of_reader.push(sender));
        far.push(receivers);
    }
    (near, far)
}

/// The data folder, made if need be, and locked; an instance has its seat.
fn open_data(pipeline: &Pipeline) -> Result<(Store, Option<File>), RunError> {
    let failed = |action: &str| {
        let action = action.to_owned();
        |cause| RunError::Data { path: pipeline.data.clone(), action, cause }
    };
    std::fs::create_dir_all(&pipeline.data).map_err(failed("create it"))?;
    let store = pipeline.place().store().map_err(failed("open it"))?;
    let lock = if pipeline.instance.is_none() { Some(lock(&pipeline.data)?) } else { None };
    if let Some(bucket) = &pipeline.bucket {
        store.wait(bucket.must_honour_create()).map_err(|cause| {
            let action = format!("try the store {}{}", bucket.url(), advice(&cause));
            ManifestError::Store(StoreError { action, cause })
        })?;
    }
    Ok((store, lock))
}

/// What an instance is to claim.
fn share(pipeline: &Pipeline) -> Result<Option<Share>, RunError> {
    let Some(seat) = &pipeline.instance else { return Ok(None) };
    let of_source = |(plan, _): &(Arc<dyn SourcePlan>, bool)| {
        let partitions = plan.partitions().ok_or_else(|| RunError::NotShared(plan.name().to_owned()))?;
        Ok((plan.position_name().to_owned(), partitions))
    };
    let partitions = pipeline.sources.iter().map(of_source).collect::<Result<_, RunError>>()?;
    Ok(Some(Share { instance: seat.name().to_owned(), partitions }))
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
    Err(RunError::Changed { place: pipeline.place(), changed: changed.join("; ") })
}

fn open_sources(pipeline: &Pipeline, clock: &Arc<dyn Clock>) -> Result<Vec<Opened>, RunError> {
    let mut sources = Vec::new();
    for (plan, rollover) in &pipeline.sources {
        let opened = plan.open(clock.clone())?.into_iter();
        sources.extend(opened.map(|source| Opened { plan: plan.clone(), rollover: *rollover, source }));
    }
    Ok(sources)
}

fn sink_context(pipeline: &Pipeline, last: &Manifest, vehicles: &[Arc<Vehicles>], retry: &Arc<Retry>) -> SinkContext {
    let mut live_claims = last.live_claims();
    live_claims.remove(&last.claim);
    SinkContext {
        pipeline: pipeline.name.clone(),
        data: pipeline.data.clone(),
        bucket: pipeline.bucket.clone(),
        retry: retry.clone(),
        claim: last.claim,
        instance: pipeline.instance.as_ref().map(|seat| seat.name().to_owned()),
        live_claims,
        vehicles: vehicles.to_vec(),
        history: history(pipeline),
        tables: pipeline.operators.iter().flat_map(|plan| plan.tables()).collect(),
    }
}

/// Opens the sinks and has them finish what the last commit began, whoever made it. Epochs go on after `epoch`.
fn open_sinks(
    pipeline: &Pipeline,
    last: &Manifest,
    epoch: u64,
    context: &SinkContext,
) -> Result<Vec<Box<dyn Sink>>, RunError> {
    let mut sinks = Vec::new();
    for plan in &pipeline.sinks {
        let mut sink = plan.open(context)?;
        match last.committed_by == context.instance {
            true => sink.committed(last.epoch, &last.segments)?,
            false => sink.help(last.committed_by.as_deref(), last.epoch, &last.segments)?,
        }
        if epoch != last.epoch {
            sink.committed(epoch, &[])?;
        }
        sinks.push(sink);
    }
    Ok(sinks)
}

/// Where the alert log of this engine was at its last commit.
fn log_position(manifests: &Manifests) -> LogPosition {
    let last = manifests.last();
    let (next, unmatched) = match manifests.own() {
        Some(own) if manifests.instance().is_some() => (own.next_sequence, own.unmatched_sequence),
        _ => (last.next_sequence, last.unmatched_sequence),
    };
    LogPosition { next, unmatched: if unmatched == 0 { next } else { unmatched } }
}

fn open_log(
    pipeline: &Pipeline,
    position: LogPosition,
    context: &SinkContext,
    clock: &Arc<dyn Clock>,
) -> Result<Box<dyn AlertLog>, RunError> {
    Ok(match &pipeline.alert_log {
        Some(plan) => plan.open(context, position, clock.clone())?,
        None => Box::new(Unlogged { next: position.next }),
    })
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

fn mergers(pipeline: &Pipeline, part: i32, state: &[StateTable]) -> Result<Vec<TableMerger>, RunError> {
    let mut mergers = Vec::new();
    for plan in &pipeline.operators {
        if let (Some(mut merger), Some(table)) = (plan.merger(part), plan.tables().first()) {
            merger.restore(&StateReader::new(state, &merger_name(plan.name())))?;
            mergers.push(TableMerger { operator: plan.name().into(), table: table.name.clone(), merger });
        }
    }
    Ok(mergers)
}

fn tell_resumed(last: &Manifest) {
    let positions: Vec<String> = last
        .positions
        .iter()
        .filter(|(source, _)| !source.starts_with('/'))
        .map(|(source, position)| format!("{source}: {position}"))
        .collect();
    tracing::info!(
        epoch = last.epoch,
        frames_before = last.totals.frames(),
        positions = positions.join("; "),
        "resuming after the last commit"
    );
}
