//! A reader's thread: polls one source, sends what came to the shards, and puts barriers between.

use crate::builder::{Delivery, FrameBuilder};
use crate::control::Control;
use crate::message::{Barrier, BarrierKind, Message, ReaderReport, Tick};
use crate::source::{Polled, Source, SourceError, Tempo};
use crate::time::{Clock, EventTime, SECOND_US};
use crossbeam_channel::Sender;
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
    pub builder: FrameBuilder,
    pub shards: Vec<Sender<ToShard>>,
    pub control: Arc<Control>,
    pub clock: Arc<dyn Clock>,
    pub events: Sender<ReaderEvent>,
    /// The last epoch that is committed.
    pub epoch: u64,
}

/// The shards are gone: the run is failing, and another thread says why.
struct Gone;

impl Reader {
    /// Reads until told to stop.
    pub fn run(mut self) {
        // A reader whose shards are gone has nothing to add to their error.
        let _ = self.read();
    }

    fn read(&mut self) -> Result<(), Gone> {
        let mut frames_in = 0;
        let mut ended = false;
        let mut ticked_at = 0;
        let mut last_tick = EventTime::MIN;
        loop {
            let ordered = match ended {
                true => self.control.wait_after(self.epoch, POLL_TIMEOUT),
                false => self.control.ordered_after(self.epoch),
            };
            if let Some(barrier) = ordered {
                if barrier.kind != BarrierKind::Epoch && !ended {
                    frames_in += self.take_what_has_arrived()?;
                }
                // Where a recording's clock is told must not depend on when somebody wants an epoch.
                if self.tempo == Tempo::Live {
                    last_tick = self.now().max(last_tick);
                    self.send_tick(last_tick)?;
                }
                self.send_barrier(&barrier, frames_in)?;
                if barrier.kind != BarrierKind::Epoch {
                    return Ok(());
                }
                continue;
            }
            if ended {
                // Sending to shards is how a reader with nothing to read learns that they are gone.
                self.send_tick(last_tick)?;
                continue;
            }
            let polled = self.source.poll(&mut self.builder, POLL_TIMEOUT);
            let frames = self.builder.len() as u64;
            if frames > 0 {
                frames_in += frames;
                if self.deliver(frames)? {
                    self.tell(ReaderEvent::EpochFull)?;
                }
            }
            match polled {
                Ok(Polled::Some | Polled::Nothing) => {}
                Ok(Polled::End) => {
                    ended = true;
                    self.tell(ReaderEvent::Ended(Ok(())))?;
                }
                Err(error) => {
                    ended = true;
                    self.tell(ReaderEvent::Ended(Err(error)))?;
                }
            }
            let is_due = ended || self.tempo == Tempo::Live || frames_in - ticked_at >= TICK_FRAMES;
            if is_due && self.now() > last_tick {
                (last_tick, ticked_at) = (self.now(), frames_in);
                self.send_tick(last_tick)?;
            }
        }
    }

    /// How far the source's clock has come: whole seconds of the wall clock, or how far a recording has come.
    fn now(&self) -> EventTime {
        match self.tempo {
            Tempo::Live => EventTime(self.clock.now().0 / SECOND_US * SECOND_US),
            Tempo::Recorded => self.builder.clock(),
            Tempo::Timeless => EventTime::MIN,
        }
    }

    fn tell(&self, event: ReaderEvent) -> Result<(), Gone> {
        self.events.send(event).map_err(|_| Gone)
    }

    /// What a live source holds when it is told to stop has been sent to us and would be lost; a recording keeps it.
    /// Says how many frames that was. An error of the source has no one left to act on it.
    fn take_what_has_arrived(&mut self) -> Result<u64, Gone> {
        let mut taken = 0;
        let polls = if self.tempo == Tempo::Live { LAST_POLLS_MAX } else { 0 };
        for _ in 0..polls {
            let polled = self.source.poll(&mut self.builder, Duration::ZERO);
            let frames = self.builder.len() as u64;
            self.deliver(frames)?;
            taken += frames;
            if !matches!(polled, Ok(Polled::Some)) {
                break;
            }
        }
        Ok(taken)
    }

    /// Sends what the builder holds and says whether that makes the epoch full.
    fn deliver(&mut self, frames: u64) -> Result<bool, Gone> {
        let is_full = self.control.add_frames(frames);
        for (shard, delivery) in self.shards.iter().zip(self.builder.finish()) {
            if !delivery.frames.is_empty() || !delivery.rejects.is_empty() {
                shard.send(Message::Data(delivery)).map_err(|_| Gone)?;
            }
        }
        Ok(is_full)
    }

    fn send_tick(&self, now: EventTime) -> Result<(), Gone> {
        let tick = Tick { reader: self.index, now };
        self.shards.iter().try_for_each(|shard| shard.send(Message::Tick(tick)).map_err(|_| Gone))
    }

    fn send_barrier(&mut self, barrier: &Barrier, frames_in: u64) -> Result<(), Gone> {
        let report = Arc::new(ReaderReport {
            reader: self.index,
            source: self.name.clone(),
            position_name: self.position_name.clone(),
            position: self.source.position(),
            frames_in,
            counters: self.source.counters(),
        });
        for shard in &self.shards {
            shard.send(Message::Barrier(barrier.clone(), report.clone())).map_err(|_| Gone)?;
        }
        self.epoch = barrier.epoch;
        Ok(())
    }
}
