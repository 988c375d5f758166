//! Running a pipeline: opens epochs until its input ends or it is told to stop, and ends all threads.

mod coordinator;
mod start;

pub use coordinator::Coordinator;
pub use start::{Parts, assemble, start};

use crate::alert_log::AlertLogPlan;
use crate::bucket::{Bucket, DataPlace};
use crate::control::Control;
use crate::current::CurrentTable;
use crate::health::{Degraded, Health, Status};
pub use crate::lock::Seat;
use crate::manifest::ManifestError;
use crate::message::Output;
use crate::operator::OperatorPlan;
use crate::reader::ReaderEvent;
use crate::reference::InForce;
use crate::sink::{SinkError, SinkPlan};
use crate::source::{Shed, SourceError, SourcePlan};
use crate::state::StateError;
use crate::totals::Totals;
pub use crate::writer::Undecodable;
use crate::writer::{WriteError, Written};
use crossbeam_channel::{Receiver, never, select, tick};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

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
    /// How long storage that refuses is tried again before the run ends.
    pub retry_for: Duration,
}

/// A pipeline, checked and ready to run.
pub struct Pipeline {
    pub name: String,
    /// Folder of what must be on a disk of this machine, and of manifests, state and lake if they are in no bucket.
    pub data: PathBuf,
    /// Where manifests, state and lake are instead.
    pub bucket: Option<Bucket>,
    pub settings: Settings,
    /// With each source: whether week rollovers are repaired.
    pub sources: Vec<(Arc<dyn SourcePlan>, bool)>,
    pub operators: Vec<Arc<dyn OperatorPlan>>,
    pub sinks: Vec<Arc<dyn SinkPlan>>,
    /// Where alerts can be read as they arise.
    pub alert_log: Option<Arc<dyn AlertLogPlan>>,
    /// If several instances share the pipeline: which one this is. It reads the partitions that its sources say
    /// (`SourcePlan::partitions`), and no others.
    pub instance: Option<Arc<Seat>>,
}

impl Pipeline {
    /// Of manifests, state and lake.
    pub fn place(&self) -> DataPlace {
        match &self.bucket {
            Some(bucket) => DataPlace::Bucket(bucket.clone()),
            None => DataPlace::from(&self.data),
        }
    }
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
    #[error("data folder {path}: {by} is running a pipeline there; stop it first, or give this one another folder")]
    InUse { path: PathBuf, by: String },
    #[error(
        "the data folder {place} has state and tables of operators that have changed since ({changed}): set them back, or use \
         another data folder; a window may take another name, under which it starts anew beside the old table"
    )]
    Changed { place: DataPlace, changed: String },
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error(
        "source {0} has no partitions that instances could share: only pipelines that read Kafka alone can be shared"
    )]
    NotShared(String),
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
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Of this run.
    pub totals: Totals,
    /// By source: what its codec could not read.
    pub undecodable: BTreeMap<String, Undecodable>,
    /// By source and partition: records that were there and not read at the last commit.
    pub lags: BTreeMap<String, BTreeMap<String, u64>>,
    pub vehicles: usize,
    pub elapsed: Duration,
    /// By operator: which version of its file is in force in the end.
    pub versions: BTreeMap<String, InForce>,
    /// What was wrong with inputs that were not whole. Everything of them that was, is committed.
    pub damaged: Option<String>,
    /// As it was at the end, but for being told to stop.
    pub status: Status,
    pub degraded: Degraded,
}

impl Summary {
    /// Adds what was done after it.
    pub fn add(&mut self, later: Summary) {
        self.totals.add(&later.totals);
        for (source, more) in later.undecodable {
            match self.undecodable.get_mut(&source) {
                Some(known) => known.count += more.count,
                None => drop(self.undecodable.insert(source, more)),
            }
        }
        self.elapsed += later.elapsed;
        (self.lags, self.vehicles, self.versions) = (later.lags, later.vehicles, later.versions);
        self.damaged = later.damaged;
    }
}

/// How long a pipeline runs, if nobody stops it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// On and on.
    Stopped,
    /// Until all input has ended; windows close then.
    End,
    /// Until what there is has been read; windows stay open, for what others will still read.
    Read,
}

/// A pipeline that is running.
pub struct Running {
    threads: Vec<JoinHandle<()>>,
    writer: JoinHandle<Result<Option<Written>, WriteError>>,
    coordinator: Coordinator,
    control: Arc<Control>,
    events: Receiver<ReaderEvent>,
    exits: Receiver<String>,
    committed: Receiver<u64>,
    epoch: Duration,
    current: CurrentTable,
    progress: Arc<Progress>,
    health: Arc<Health>,
    /// With the name of the source.
    sheds: Vec<(String, Shed)>,
    started: std::time::Instant,
    /// Held as long as the pipeline runs.
    lock: Option<File>,
}

/// Why a run has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Its input has, or it failed.
    ByItself,
    /// It was told to stop.
    Stopped,
    /// It was told to leave what it reads to others, or to take up more.
    Left,
}

impl Running {
    pub fn current(&self) -> CurrentTable {
        self.current.clone()
    }

    pub fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }

    pub fn status(&self) -> Status {
        self.health.status()
    }

    /// By socket, with the name of its source: what the kernel dropped before it could be read; begins anew after 2^32.
    pub fn shed(&self) -> Vec<(&str, u32)> {
        self.sheds.iter().map(|(source, count)| (source.as_str(), count())).collect()
    }

    /// Frames read so far.
    pub fn frames(&self) -> u64 {
        self.control.frames()
    }

    /// Whether nothing more will come from any source.
    pub fn has_all_input_ended(&self) -> bool {
        self.coordinator.has_all_input_ended()
    }

    /// Opens epochs until all input has ended (if `until` says so) or something comes from `stop`, then commits the last
    /// one and gives what was done. `watch` is called about once a second.
    pub fn wait(self, until: Until, stop: &Receiver<()>, watch: impl FnMut(&Running)) -> Result<Summary, RunError> {
        self.wait_or_leave(until, stop, &never(), watch).map(|(summary, _)| summary)
    }

    /// As `wait`, but it also ends when something comes from `leave`; says why it ended.
    pub fn wait_or_leave(
        mut self,
        until: Until,
        stop: &Receiver<()>,
        leave: &Receiver<()>,
        mut watch: impl FnMut(&Running),
    ) -> Result<(Summary, Ended), RunError> {
        let mut why = Ended::ByItself;
        let epochs = tick(self.epoch);
        let seconds = tick(Duration::from_secs(1));
        self.coordinator.ends(until);
        // The first exit tells of a failure, which the others follow.
        let mut is_failing = false;
        loop {
            self.coordinator.order_what_is_due();
            if self.coordinator.last().is_some() {
                break;
            }
            select! {
                recv(self.events) -> event => match event {
                    Ok(event) => self.coordinator.hear(event),
                    Err(_) => {
                        self.coordinator.stop();
                        self.events = never();
                    }
                },
                recv(self.committed) -> epoch => match epoch {
                    Ok(epoch) => self.coordinator.hear_committed(epoch),
                    Err(_) => {
                        self.coordinator.forsake();
                        self.committed = never();
                    }
                },
                recv(self.coordinator.references.events) -> event => match event {
                    Ok(event) => if self.coordinator.references.hear(event) { self.coordinator.epoch_is_due() },
                    // It has gone, and `exits` says so.
                    Err(_) => self.coordinator.references.events = never(),
                },
                recv(self.exits) -> _ => {
                    self.coordinator.stop();
                    if std::mem::replace(&mut is_failing, true) {
                        self.coordinator.forsake();
                    }
                },
                recv(stop) -> _ => {
                    why = Ended::Stopped;
                    self.health.stops();
                    self.coordinator.stop();
                },
                recv(leave) -> _ => {
                    why = Ended::Left;
                    self.coordinator.stop();
                },
                recv(epochs) -> _ => self.coordinator.epoch_is_due(),
                recv(seconds) -> _ => watch(&self),
            }
        }
        self.join().map(|summary| (summary, why))
    }

    fn join(self) -> Result<Summary, RunError> {
        // Readers, shards and writer hang on one another by channels: whichever stops, the others follow.
        let Running { threads, writer, coordinator, started, current, events, exits, committed, lock, health, .. } =
            self;
        let damaged = coordinator.damaged();
        let versions = coordinator.references.end();
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
            (None, Some(Written { totals, undecodable, lags })) => {
                let (vehicles, elapsed) = (current.len(), started.elapsed());
                let status = match health.status() {
                    Status::Stopping => Status::Ready,
                    status => status,
                };
                let degraded = health.so_far();
                Ok(Summary { totals, undecodable, lags, vehicles, elapsed, versions, damaged, status, degraded })
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
