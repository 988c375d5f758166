//! A reader's thread: polls one source, sends what came to the shards, and puts barriers between.

use crate::builder::{Delivery, FrameBuilder};
use crate::control::Control;
use crate::message::{Barrier, BarrierKind, Message, ReaderReport, Tick};
use crate::source::{Clocked, Polled, Position, Source, SourceError, Tempo};
use crate::time::{Clock, EventTime, SECOND_US};
use crossbeam_channel::Sender;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

pub type ToShard = Message<Delivery, Arc<ReaderReport>>;

/// A source is polled no longer than this before the reader looks for a barrier.
const POLL_TIMEOUT: Duration = Duration::from_millis(50);
/// A recording's clock is told to silent lanes after so many frames.
const TICK_FRAMES: u64 = 65_536;
/// A live source that is told to stop is polled at most so often for what has arrived already: a few million frames,
/// more than a socket's buffer holds. Whoever keeps sending does not keep it from stopping.
const LAST_POLLS_MAX: usize = 256;

/// What the run hears from its readers.
pub enum ReaderEvent {
    /// Frames of this epoch reached the limit.
    EpochFull,
    /// The input has ended; an error says why it was not the real end.
    Ended(Result<(), SourceError>),
}

pub struct Reader {
    pub index: usize,
    pub name: Arc<str>,
    /// Under which its position is kept.
    pub position_name: Arc<str>,
    pub tempo: Tempo,
    pub source: Box<dyn Source>,
    /// What is unread when the run is told to stop is there for the next run.
    pub keeps_unread: bool,
    pub builder: FrameBuilder,
    pub shards: Vec<Sender<ToShard>>,
    pub control: Arc<Control>,
    pub clock: Arc<dyn Clock>,
    pub events: Sender<ReaderEvent>,
    /// The last epoch that is committed.
    pub epoch: u64,
    pub done: Done,
}

/// How far a reader has come.
pub struct Done {
    frames_in: u64,
    /// Of a source that has ended nothing more is asked for.
    has_ended: bool,
    /// Frames before the newest tick, and what it said.
    ticked_at: u64,
    last_tick: EventTime,
    /// Positions at the end of epochs that are not committed yet.
    uncommitted: VecDeque<(u64, Position)>,
    /// The last barrier is out, with this epoch.
    last_epoch: Option<u64>,
}

impl Default for Done {
    fn default() -> Done {
        Done {
            frames_in: 0,
            has_ended: false,
            ticked_at: 0,
            last_tick: EventTime::MIN,
            uncommitted: VecDeque::new(),
            last_epoch: None,
        }
    }
}

/// Whether there is more for a reader to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stepped {
    Going,
    Over,
}

/// The shards are gone: the run is failing, and another thread says why.
struct Gone;

impl Reader {
    /// Reads until told to stop.
    pub fn run(mut self) {
        while self.step(POLL_TIMEOUT) == Stepped::Going {}
    }

    /// Polls once, or puts a barrier that is ordered; waits no longer than `patience` for either.
    pub fn step(&mut self, patience: Duration) -> Stepped {
        // A reader whose shards are gone has nothing to add to their error.
        self.advance(patience).unwrap_or(Stepped::Over)
    }

    fn advance(&mut self, patience: Duration) -> Result<Stepped, Gone> {
        if let Some(epoch) = self.done.last_epoch {
            let is_over = self.control.wait_committed(epoch, patience);
            self.tell_committed();
            return Ok(if is_over { Stepped::Over } else { Stepped::Going });
        }
        self.tell_committed();
        let ordered = match self.done.has_ended {
            true => self.control.wait_after(self.epoch, patience),
            false => self.control.ordered_after(self.epoch),
        };
        match ordered {
            Some(barrier) => self.pass(&barrier)?,
            // Sending to shards is how a reader with nothing to read learns that they are gone.
            None if self.done.has_ended => self.send_tick(self.done.last_tick, 0)?,
            None => self.poll(patience)?,
        }
        Ok(Stepped::Going)
    }

    fn pass(&mut self, barrier: &Barrier) -> Result<(), Gone> {
        let is_last = barrier.kind != BarrierKind::Epoch;
        if is_last && !self.done.has_ended {
            self.take_what_has_arrived()?;
        }
        // Where a recording's clock is told must not depend on when somebody wants an epoch.
        if self.tempo == Tempo::Live {
            self.tick()?;
        }
        self.send_barrier(barrier)?;
        self.done.last_epoch = is_last.then_some(barrier.epoch);
        Ok(())
    }

    fn poll(&mut self, patience: Duration) -> Result<(), Gone> {
        let polled = self.source.poll(&mut self.builder, patience);
        if !self.builder.is_empty() && self.deliver()? {
            self.tell(ReaderEvent::EpochFull)?;
        }
        match polled {
            Ok(Polled::Some | Polled::Nothing) => {}
            Ok(Polled::End) => self.end(Ok(()))?,
            Err(error) => self.end(Err(error))?,
        }
        let Done { has_ended, frames_in, ticked_at, .. } = self.done;
        let is_due = has_ended || self.tempo == Tempo::Live || frames_in - ticked_at >= TICK_FRAMES;
        if is_due { self.tick() } else { Ok(()) }
    }

    fn end(&mut self, how: Result<(), SourceError>) -> Result<(), Gone> {
        self.done.has_ended = true;
        self.tell(ReaderEvent::Ended(how))
    }

    /// How far the source's clock has come: whole seconds of the wall clock, or how far a recording has come.
    fn now(&self) -> EventTime {
        match self.tempo {
            Tempo::Live => EventTime(self.clock.now().0 / SECOND_US * SECOND_US),
            Tempo::Recorded => self.builder.clock(),
            Tempo::Timeless => EventTime::MIN,
        }
    }

    /// Tells the shards how far the clock has come, if it has.
    fn tick(&mut self) -> Result<(), Gone> {
        let Some(Clocked { now, away_us }) = self.source.tick(self.now(), self.done.last_tick) else { return Ok(()) };
        (self.done.last_tick, self.done.ticked_at) = (now, self.done.frames_in);
        self.send_tick(now, away_us)
    }

    fn tell(&self, event: ReaderEvent) -> Result<(), Gone> {
        self.events.send(event).map_err(|_| Gone)
    }

    /// What a live source holds when it is told to stop has been sent to us and would be lost; a recording keeps it.
    /// An error of the source has no one left to act on it.
    fn take_what_has_arrived(&mut self) -> Result<(), Gone> {
        let polls = if self.keeps_unread { 0 } else { LAST_POLLS_MAX };
        for _ in 0..polls {
            let polled = self.source.poll(&mut self.builder, Duration::ZERO);
            self.deliver()?;
            self.tick()?;
            if !matches!(polled, Ok(Polled::Some)) {
                break;
            }
        }
        if self.tempo == Tempo::Live {
            self.source.stop(&mut self.builder);
            self.deliver()?;
        }
        Ok(())
    }

    /// Sends what the builder holds and says whether that makes the epoch full.
    fn deliver(&mut self) -> Result<bool, Gone> {
        let frames = self.builder.len() as u64;
        self.done.frames_in += frames;
        let is_full = self.control.add_frames(frames);
        for (shard, delivery) in self.shards.iter().zip(self.builder.finish()) {
            if !delivery.frames.is_empty() || !delivery.rejects.is_empty() {
                shard.send(Message::Data(delivery)).map_err(|_| Gone)?;
            }
        }
        Ok(is_full)
    }

    fn send_tick(&self, now: EventTime, away_us: i64) -> Result<(), Gone> {
        let tick = Tick { reader: self.index, now, away_us };
        self.shards.iter().try_for_each(|shard| shard.send(Message::Tick(tick)).map_err(|_| Gone))
    }

    /// Tells the source what is committed.
    fn tell_committed(&mut self) {
        let committed = self.control.committed();
        let mut newest = None;
        while let Some((_, position)) = self.done.uncommitted.pop_front_if(|(epoch, _)| *epoch <= committed) {
            newest = Some(position);
        }
        if let Some(position) = newest {
            self.source.committed(&position);
        }
    }

    fn send_barrier(&mut self, barrier: &Barrier) -> Result<(), Gone> {
        let report = Arc::new(ReaderReport {
            reader: self.index,
            source: self.name.clone(),
            position_name: self.position_name.clone(),
            position: self.source.position(),
            frames_in: self.done.frames_in,
            counters: self.source.counters(),
            lags: self.source.lags(),
            has_unheard: self.source.has_unheard(),
        });
        self.done.uncommitted.push_back((barrier.epoch, report.position.clone()));
        for shard in &self.shards {
            shard.send(Message::Barrier(barrier.clone(), report.clone())).map_err(|_| Gone)?;
        }
        self.epoch = barrier.epoch;
        Ok(())
    }
}
