//! The one message type: data, clock and barriers in one FIFO, so that position decides which epoch a row is in.

use crate::alert::AlertBatch;
use crate::effects::Effects;
use crate::frame::FrameBatch;
use crate::lane::Lane;
use crate::reference::NewVersion;
use crate::source::Position;
use crate::state::StateTable;
use crate::time::EventTime;
use std::sync::Arc;

/// From reader to shard with `T` = `Delivery`, from shard to writer with `T` = `Output`; `B` is what rides on a barrier.
#[derive(Debug)]
pub enum Message<T, B> {
    Data(T),
    /// How far a reader's clock has come: what lets lanes go on that have fallen silent.
    Tick(Tick),
    /// Rows before it are of this epoch, rows after it of the next.
    Barrier(Barrier, B),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    pub reader: usize,
    /// Whole seconds of the wall clock, or how far a recording has come.
    pub now: EventTime,
    /// For so long before it nobody could be heard, because nothing ran. Microseconds.
    pub away_us: i64,
}

#[derive(Debug, Clone)]
pub struct Barrier {
    pub epoch: u64,
    pub kind: BarrierKind,
    /// Versions that are in force for the rows after it.
    pub changes: Arc<[NewVersion]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BarrierKind {
    /// More follows.
    Epoch,
    /// The last one of this run; what is open stays open, in the snapshot.
    Stop,
    /// The last one, because all input has ended: windows close.
    End,
}

/// What a reader says at a barrier.
#[derive(Debug, Clone)]
pub struct ReaderReport {
    pub reader: usize,
    pub source: Arc<str>,
    pub position_name: Arc<str>,
    pub position: Position,
    /// Frames and undecodable pieces since the start of the run.
    pub frames_in: u64,
    pub counters: Vec<(&'static str, u64)>,
    /// By partition: records that are there and not read.
    pub lags: Vec<(String, u64)>,
    /// As `Source::has_unheard`.
    pub has_unheard: bool,
}

/// What a shard says at a barrier.
#[derive(Debug)]
pub struct ShardReport {
    pub readers: Vec<Arc<ReaderReport>>,
    pub state: Vec<StateTable>,
    /// Clock of each lane that has seen a frame.
    pub clocks: Vec<(Lane, EventTime)>,
}

/// One batch after the whole chain, with all that it caused.
pub struct Output {
    pub shard: usize,
    pub frames: FrameBatch,
    pub effects: Effects,
}

impl Output {
    /// What happened without a frame: time passed.
    pub fn of_effects(shard: usize, effects: Effects) -> Output {
        Output { shard, frames: FrameBatch::empty(), effects }
    }

    /// Alerts of all operators.
    pub fn alerts(&self) -> &[Arc<AlertBatch>] {
        &self.effects.alerts
    }
}
