//! The writer's thread: hands output to the sinks, and at each barrier makes the epoch real.

use crate::account::Account;
use crate::alert_log::AlertLog;
use crate::control::Control;
use crate::definition::Definitions;
use crate::inputs::Inputs;
use crate::lane::Lanes;
use crate::manifest::{Chain, Manifest, ManifestError};
use crate::message::{Barrier, BarrierKind, Message, Output, ReaderReport, ShardReport};
use crate::operator::Merger;
use crate::reference::after_barrier;
use crate::run::Progress;
use crate::shard::ToWriter;
use crate::sink::{Sink, SinkError};
use crate::state::{StateTable, StateWriter, merger_name};
use crate::time::EventTime;
use crate::totals::Totals;
use crossbeam_channel::Sender;
use std::collections::BTreeMap;
use std::sync::Arc;

/// So often in a row another instance may be quicker with its commit before we give up.
const COMMITS_TRIED_MAX: u32 = 1000;

#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

/// What puts together the parts of one operator.
pub struct TableMerger {
    pub operator: Arc<str>,
    /// Where its rows go.
    pub table: Arc<str>,
    pub merger: Box<dyn Merger>,
}

pub struct Writer {
    pub shards: Inputs<Output, ShardReport>,
    pub sinks: Vec<Box<dyn Sink>>,
    pub mergers: Vec<TableMerger>,
    pub chain: Chain,
    /// Of the operators of today.
    pub definitions: Definitions,
    /// Numbers the alerts.
    pub log: Box<dyn AlertLog>,
    pub offline_after_us: i64,
    pub progress: Arc<Progress>,
    /// Lanes of partitions, those included that are new.
    pub lanes: Arc<Lanes>,
    /// Hears of every epoch that is committed, by the number that epochs go on after.
    pub committed: Sender<u64>,
    /// So do the readers.
    pub control: Arc<Control>,
    /// What the run did so far, the epoch under way included.
    pub run: Written,
    /// What it had done at its last commit.
    pub committed_totals: Totals,
    /// The last epoch of the chain that is known to be visible.
    pub published: u64,
}

/// However the writer ends, nobody waits for a commit of it.
impl Drop for Writer {
    fn drop(&mut self) {
        self.control.end_commits();
    }
}

/// What a run did, whole epochs only.
#[derive(Debug, Clone, Default)]
pub struct Written {
    pub totals: Totals,
    /// By source.
    pub undecodable: BTreeMap<String, Undecodable>,
    /// By source and partition: records that were there and not read at the last commit.
    pub lags: BTreeMap<String, BTreeMap<String, u64>>,
}

/// Records of a source that its codec made no frame of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecodable {
    pub count: u64,
    /// What was wrong with the first of them, and its bytes.
    pub first: String,
    pub raw: Box<[u8]>,
}

fn count_undecodable(output: &Output, undecodable: &mut BTreeMap<String, Undecodable>) {
    for reject in output.effects.rejects.iter().filter(|reject| reject.reason.is_of_codec()) {
        if let Some(known) = undecodable.get_mut(&*reject.source) {
            known.count += 1;
            continue;
        }
        let first = Undecodable { count: 1, first: reject.detail.clone(), raw: reject.raw.clone() };
        undecodable.insert(reject.source.to_string(), first);
    }
}

impl Writer {
    /// Runs until the last barrier. `Ok(None)`: the shards are gone before that, and another thread says why.
    pub fn run(mut self) -> Result<Option<Written>, WriteError> {
        while let Some((shard, message)) = self.shards.receive() {
            if let Some(written) = self.take(shard, message)? {
                return Ok(Some(written));
            }
        }
        Ok(None)
    }

    /// Takes one message of a shard, if there is one; what the run did, after the last barrier.
    pub fn step(&mut self, shard: usize) -> Result<Option<Written>, WriteError> {
        self.shards.take(shard).map_or(Ok(None), |message| self.take(shard, message))
    }

    fn take(&mut self, shard: usize, message: ToWriter) -> Result<Option<Written>, WriteError> {
        match message {
            Message::Data(output) => {
                count_undecodable(&output, &mut self.run.undecodable);
                self.write(output)?;
            }
            Message::Tick(_) => {}
            Message::Barrier(barrier, report) => {
                let Some(reports) = self.shards.put(shard, report) else { return Ok(None) };
                self.run.lags = lags_of(&reports[0].readers);
                self.commit(&barrier, reports)?;
                for of in &mut self.mergers {
                    barrier.changes.iter().for_each(|new| of.merger.change(&new.change));
                }
                self.control.commit(barrier.epoch);
                if barrier.kind != BarrierKind::Epoch {
                    // The run may be over and not listening any more.
                    let _ = self.committed.send(barrier.epoch);
                    return Ok(Some(std::mem::take(&mut self.run)));
                }
                // Other instances have numbers of their own.
                let last = self.chain.next_epoch() - 1;
                if last != barrier.epoch {
                    self.sinks.iter_mut().try_for_each(|sink| sink.committed(last, &[]))?;
                }
                let _ = self.committed.send(last);
            }
        }
        Ok(None)
    }

    fn write(&mut self, mut output: Output) -> Result<(), WriteError> {
        for alerts in &mut output.effects.alerts {
            let alerts = Arc::get_mut(alerts).expect("nobody has seen them yet");
            alerts.sequence = Some(self.log.number(output.shard, alerts)?.into());
        }
        if !output.effects.alerts.is_empty() {
            self.log.write()?;
        }
        for partial in output.effects.partials.drain(..) {
            let of = self.mergers.iter_mut().find(|of| of.operator == partial.operator);
            of.expect("partials come from operators that have a merger").merger.accept(partial.part);
        }
        self.run.totals.add_output(&output);
        self.progress.add(&output);
        self.sinks.iter_mut().try_for_each(|sink| sink.write(&output))?;
        Ok(())
    }

    fn commit(&mut self, barrier: &Barrier, reports: Vec<ShardReport>) -> Result<(), WriteError> {
        let clocks: BTreeMap<u16, EventTime> =
            reports.iter().flat_map(|report| &report.clocks).map(|(lane, clock)| (lane.0, *clock)).collect();
        let is_unheard = reports[0].readers.iter().any(|reader| reader.has_unheard);
        self.fire_mergers(barrier, &clocks, is_unheard)?;
        let mut segments = Vec::new();
        for sink in &mut self.sinks {
            segments.extend(sink.prepare(barrier.epoch)?);
        }
        let position = self.log.prepare(barrier.kind == BarrierKind::End)?;
        let readers = reports[0].readers.clone();
        let run = &mut self.run.totals;
        run.clear_sources();
        readers.iter().for_each(|r| run.add_source(&r.source, r.frames_in, &r.counters));
        let done = run.since(&self.committed_totals);
        let account = Account::new(barrier.epoch, &done, &segments);
        let mut state: Vec<StateTable> = reports.into_iter().flat_map(|report| report.state).collect();
        state.extend(self.merger_state());
        self.chain.write_references(&barrier.changes)?;
        let state = self.chain.write_state(barrier.epoch, state)?;
        let references = after_barrier(&self.chain.last().references, &barrier.changes);
        self.append(|writer, base| {
            let mut totals = base.totals.clone();
            totals.add(&done);
            Ok(Manifest {
                epoch: barrier.epoch,
                positions: positions(base, &readers),
                lanes: writer.lanes.numbers(),
                clocks: clocks.clone(),
                state: state.clone(),
                definitions: definitions(base, &writer.definitions),
                references: references.clone(),
                segments: segments.clone(),
                accounts: writer.chain.accounts(base, account.clone())?,
                next_sequence: position.next,
                unmatched_sequence: position.unmatched,
                offline_after_us: writer.offline_after_us,
                totals,
                ..base.clone()
            })
        })?;
        self.committed_totals = self.run.totals.clone();
        let segments = &self.chain.last().segments;
        self.sinks.iter_mut().try_for_each(|sink| sink.committed(barrier.epoch, segments))?;
        self.published = barrier.epoch;
        self.log.committed()?;
        self.chain.clean()?;
        Ok(())
    }

    /// Puts the next manifest on the chain: behind our last one, or behind what other instances have put there since, once
    /// that is visible. There is never more than one commit that is not.
    fn append(&mut self, next: impl Fn(&Writer, &Manifest) -> Result<Manifest, WriteError>) -> Result<(), WriteError> {
        for _ in 0..COMMITS_TRIED_MAX {
            let base = self.chain.base()?;
            if base.epoch != self.published {
                let (by, epoch) = (base.committed_by.as_deref(), base.epoch);
                self.sinks.iter_mut().try_for_each(|sink| sink.help(by, epoch, &base.segments))?;
                self.published = base.epoch;
            }
            let next = next(self, &base)?;
            if self.chain.follow(&base, next)? {
                return Ok(());
            }
        }
        Err(ManifestError::Overtaken { times: COMMITS_TRIED_MAX }.into())
    }

    fn fire_mergers(
        &mut self,
        barrier: &Barrier,
        clocks: &BTreeMap<u16, EventTime>,
        is_unheard: bool,
    ) -> Result<(), WriteError> {
        let clock = match barrier.kind {
            BarrierKind::End => EventTime::MAX,
            // How far that lane has come nobody knows.
            _ if is_unheard => EventTime::MIN,
            // Of an instance whose lanes have had no frames yet, and which goes on with windows of others.
            _ if clocks.is_empty() && self.chain.instance().is_some() => self.chain.last().watermark(),
            // Silent lanes do not hold this back for long: readers tick them on, at the latest before each barrier.
            _ => clocks.values().copied().min().unwrap_or(EventTime::MIN),
        };
        for at in 0..self.mergers.len() {
            let table = self.mergers[at].table.clone();
            for rows in self.mergers[at].merger.fire(clock) {
                let mut output = Output::of_effects(0, Default::default());
                output.effects.rows.push(crate::effects::TableRows { table: table.clone(), rows });
                self.write(output)?;
            }
        }
        Ok(())
    }

    fn merger_state(&self) -> Vec<StateTable> {
        let mut state = StateWriter::default();
        for of in &self.mergers {
            state.begin(&merger_name(&of.operator));
            of.merger.snapshot(&mut state);
        }
        state.finish()
    }
}

fn lags_of(readers: &[Arc<ReaderReport>]) -> BTreeMap<String, BTreeMap<String, u64>> {
    let mut lags: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for reader in readers.iter().filter(|reader| !reader.lags.is_empty()) {
        lags.entry(reader.source.to_string()).or_default().extend(reader.lags.iter().cloned());
    }
    lags
}

/// Tables of operators that are gone stay in the lake, and so does what they were made by.
fn definitions(last: &Manifest, of_today: &Definitions) -> Definitions {
    let mut all = last.definitions.clone();
    all.extend(of_today.clone());
    all
}

/// Positions of sources that do not run today stay as they were.
fn positions(last: &Manifest, readers: &[Arc<ReaderReport>]) -> BTreeMap<String, crate::source::Position> {
    let mut positions = last.positions.clone();
    for reader in readers {
        let position = positions.entry(reader.position_name.to_string()).or_default();
        position.offsets.extend(reader.position.offsets.clone());
        position.heads.extend(reader.position.heads.clone());
        position.received_at = reader.position.received_at.or(position.received_at);
    }
    positions
}
