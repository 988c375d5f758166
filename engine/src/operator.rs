//! Operators: what a pipeline does to frames, and the law they keep.

use crate::definition::Definition;
use crate::effects::Effects;
use crate::frame::FrameBatch;
use crate::lane::Lane;
use crate::reference::{Change, Reference};
use crate::state::{StateError, StateReader, StateWriter};
use crate::time::EventTime;
use crate::vehicle::Vehicles;
use arrow::array::RecordBatch;
use arrow::datatypes::{FieldRef, SchemaRef};
use std::any::Any;
use std::sync::Arc;

/// One operator of one shard.
///
/// **The law.** Output is a function of the rows of each lane, in order, and of the clock of each lane; of nothing
/// else. An operator does no I/O, reads no clock, draws no random numbers and cannot fail: a row it does not like
/// goes to `effects.reject`. Hence, and tests hold every operator to it: however the rows were cut into batches or
/// spread over shards, and whether state went through `snapshot` and `restore` in between, the output is the same.
pub trait Operator: Send {
    /// Takes a batch and gives what is passed on to the next operator, rows in the same order.
    fn process(&mut self, frames: FrameBatch, effects: &mut Effects) -> FrameBatch;

    /// The clock of a lane reached `now`: no frame of it so far is newer. `EventTime::MAX` once its input has ended.
    fn advance(&mut self, lane: Lane, now: EventTime, effects: &mut Effects) {
        let _ = (lane, now, effects);
    }

    /// A version of a reference is in force from here on, the operator's own or that of another. Comes between two
    /// epochs, and before `restore` with the version that the state was made under.
    fn change(&mut self, change: &Change, effects: &mut Effects) {
        let _ = (change, effects);
    }

    /// Writes all state, by lane. The operator goes on as before.
    fn snapshot(&self, state: &mut StateWriter) {
        let _ = state;
    }

    /// Called once, before any frame, with the rows of the lanes that this shard owns.
    fn restore(&mut self, state: &StateReader) -> Result<(), StateError> {
        let _ = state;
        Ok(())
    }
}

/// What an operator is built from, once for each shard.
#[derive(Clone)]
pub struct ShardContext {
    pub shard: usize,
    pub shards: usize,
    pub vehicles: Arc<Vehicles>,
}

/// An operator as planned: checked configuration that can build the machine for any shard.
pub trait OperatorPlan: Send + Sync {
    /// Unique in the pipeline; names its state and its counters.
    fn name(&self) -> &str;

    /// True for operators that decide which frames are accepted: they run before lateness is known.
    fn accepts(&self) -> bool {
        false
    }

    /// Columns that it adds to frames.
    fn columns(&self) -> Vec<FieldRef> {
        Vec::new()
    }

    /// The settings that its state and its tables depend on: with others, what is in a data folder is of no use to it. Empty
    /// if it takes up its state under any.
    fn definition(&self) -> Definition {
        Definition::new()
    }

    /// Tables that it writes, without the columns `epoch` and `event_date` that the lake adds; the second is the
    /// name of the column that a row's `event_date` is taken from.
    fn tables(&self) -> Vec<TablePlan> {
        Vec::new()
    }

    /// The file that it reads beside frames, if a change of it is to be an input like frames are.
    fn reference(&self) -> Option<Arc<dyn Reference>> {
        None
    }

    fn build(&self, context: &ShardContext) -> Box<dyn Operator>;

    /// What puts together the partial results of all lanes of an engine, if the operator has such. `part`: which engine it
    /// is, among those that share a pipeline.
    fn merger(&self, part: i32) -> Option<Box<dyn Merger>> {
        let _ = part;
        None
    }
}

/// A table that an operator writes.
#[derive(Debug, Clone)]
pub struct TablePlan {
    pub name: Arc<str>,
    pub schema: SchemaRef,
    /// The timestamp column that a row's `event_date` comes from.
    pub date_from: &'static str,
}

/// Puts together what shards found by lane. Lives at the writer, sees the same FIFO, and gives rows at barriers only,
/// when it has heard from every lane: that is what makes its output independent of how threads ran.
pub trait Merger: Send {
    fn accept(&mut self, part: Box<dyn Any + Send>);

    /// All parts before a barrier are in; `clock` is the least over the lanes that are not idle.
    fn fire(&mut self, clock: EventTime) -> Vec<RecordBatch>;

    /// As `Operator::change`: all parts of before it are in, none of after it.
    fn change(&mut self, change: &Change) {
        let _ = change;
    }

    fn snapshot(&self, state: &mut StateWriter);

    fn restore(&mut self, state: &StateReader) -> Result<(), StateError>;
}
