//! An engine without threads: the chains of some shards, their mergers, and restarts through the bytes of a snapshot.
#![allow(dead_code, reason = "each test file uses its part")]

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use rhumb_engine::builder::{ClockRules, FrameBuilder};
use rhumb_engine::chain::Chain;
use rhumb_engine::current::{CurrentShard, CurrentTable};
use rhumb_engine::frame::{Frame, Origin};
use rhumb_engine::message::{Output, Tick};
use rhumb_engine::operator::{Merger, OperatorPlan, ShardContext};
use rhumb_engine::reference::Change;
use rhumb_engine::state::{StateReader, StateTable, StateWriter, decode, encode, of_lanes};
use rhumb_engine::time::{EventTime, SECOND_US};
use rhumb_engine::timeline::Resumed;
use rhumb_engine::vehicle::Vehicles;
use std::sync::Arc;

/// When all frames were received: so long after that their times of receipt say nothing of their clocks.
const RECEIVED: EventTime = EventTime(100_000 * SECOND_US);

const SOURCE: &str = "test";
const IDLE_AFTER_US: i64 = 20 * SECOND_US;

pub struct Chains {
    plans: Vec<Arc<dyn OperatorPlan>>,
    lateness_us: i64,
    pub vehicles: Vec<Arc<Vehicles>>,
    chains: Vec<Chain>,
    /// With the name of each one's operator.
    mergers: Vec<(String, Box<dyn Merger>)>,
    builder: FrameBuilder,
    pub current: CurrentTable,
}

/// Rows that mergers gave, with the operator that each is of.
pub type Merged = Vec<(String, RecordBatch)>;

impl Chains {
    pub fn new(plans: Vec<Arc<dyn OperatorPlan>>, lateness_us: i64, shards: usize) -> Chains {
        let vehicles: Vec<Arc<Vehicles>> = (0..shards).map(|_| Arc::default()).collect();
        let currents: Vec<_> = vehicles.iter().map(|of_shard| Arc::new(CurrentShard::new(of_shard.clone()))).collect();
        let chain = |shard: usize| {
            let context = ShardContext { shard, shards, vehicles: vehicles[shard].clone() };
            Chain::new(&plans, &context, currents[shard].clone(), IDLE_AFTER_US, lateness_us)
        };
        let origin = Origin { source: SOURCE.into(), partition: "0".into() };
        let clocks = ClockRules { rollover: false, skew_max_us: 0 };
        Chains {
            chains: (0..shards).map(chain).collect(),
            mergers: plans.iter().filter_map(|p| p.merger(0).map(|m| (p.name().to_owned(), m))).collect(),
            builder: FrameBuilder::new(&vehicles, origin, clocks),
            current: CurrentTable::new(currents.clone()),
            vehicles,
            plans,
            lateness_us,
        }
    }

    /// Takes a frame into the batch.
    pub fn push(&mut self, offset: usize, frame: &Frame) {
        self.push_received(offset, frame, RECEIVED);
    }

    /// The same for a frame that was received then.
    pub fn push_received(&mut self, offset: usize, frame: &Frame, received_at: EventTime) {
        self.builder.at(offset as i64, received_at);
        self.builder.push(frame);
    }

    /// Ends the batch and gives what it caused, by shard, but what mergers are to put together.
    pub fn process(&mut self) -> Vec<Output> {
        let deliveries = self.builder.finish().into_iter();
        let outputs = deliveries.zip(&mut self.chains).map(|(delivery, chain)| chain.process(delivery, 0)).collect();
        self.merged(outputs)
    }

    /// The reader's clock has come so far.
    pub fn tick(&mut self, now: EventTime) -> Vec<Output> {
        let tick = Tick { reader: 0, now, away_us: 0 };
        let ticked = self.chains.iter_mut().enumerate();
        let outputs = ticked.map(|(shard, chain)| Output::of_effects(shard, chain.tick(tick))).collect();
        self.merged(outputs)
    }

    fn merged(&mut self, mut outputs: Vec<Output>) -> Vec<Output> {
        for partial in outputs.iter_mut().flat_map(|output| output.effects.partials.drain(..)) {
            let merger = self.mergers.iter_mut().find(|(name, _)| **name == *partial.operator);
            merger.expect("a merger of that name").1.accept(partial.part);
        }
        outputs
    }

    /// What mergers give at a barrier.
    pub fn barrier(&mut self) -> Merged {
        let clock = self.chains.iter().flat_map(Chain::clocks).map(|(_, clock)| clock).min();
        clock.map_or_else(Vec::new, |clock| self.fire(clock))
    }

    fn fire(&mut self, clock: EventTime) -> Merged {
        let of = |(name, merger): &mut (String, Box<dyn Merger>)| {
            let fired = merger.fire(clock);
            fired.into_iter().map(|rows| (name.clone(), rows)).collect::<Vec<_>>()
        };
        self.mergers.iter_mut().flat_map(of).collect()
    }

    /// A version of a reference, at a barrier.
    pub fn change(&mut self, change: &Change) -> Vec<Output> {
        self.mergers.iter_mut().for_each(|(_, merger)| merger.change(change));
        let changed = self.chains.iter_mut().enumerate();
        changed.map(|(shard, chain)| Output::of_effects(shard, chain.change(change))).collect()
    }

    /// Stops here and goes on as another engine with another number of shards.
    pub fn restart(self, shards: usize) -> Chains {
        self.restart_under(shards, &[])
    }

    /// The same, the state having been made under these versions.
    pub fn restart_under(self, shards: usize, under: &[Change]) -> Chains {
        let mut state: Vec<StateTable> = self.chains.iter().flat_map(Chain::snapshot).collect();
        let mut of_mergers = StateWriter::default();
        for (name, merger) in &self.mergers {
            of_mergers.begin(name);
            merger.snapshot(&mut of_mergers);
        }
        let through_bytes = |table: StateTable| {
            let rows = decode(&table.table, &encode(&table.rows)).expect("its own bytes");
            StateTable { rows, ..table }
        };
        state = state.into_iter().map(through_bytes).collect();
        let of_mergers: Vec<StateTable> = of_mergers.finish().into_iter().map(through_bytes).collect();
        let mut next = Chains::new(self.plans, self.lateness_us, shards);
        for change in under {
            assert!(next.change(change).iter().all(|output| output.effects.is_empty()), "nothing was there to change");
        }
        for (shard, chain) in next.chains.iter_mut().enumerate() {
            let own = of_lanes(&state, |lane| lane.shard(shards) == shard).expect("state");
            let reader = Resumed { source: SOURCE.into(), now: None, is_timeless: false };
            chain.restore(&own, &[reader]).expect("its own state");
        }
        for (name, merger) in &mut next.mergers {
            merger.restore(&StateReader::new(&of_mergers, name)).expect("its own state");
        }
        next
    }

    /// All input has ended: what that causes, and what mergers give then.
    pub fn end(&mut self) -> (Vec<Output>, Merged) {
        let ended = self.chains.iter_mut().enumerate();
        let outputs = ended.map(|(shard, chain)| Output::of_effects(shard, chain.end())).collect();
        let outputs = self.merged(outputs);
        (outputs, self.fire(EventTime::MAX))
    }
}

/// One line a row; times as numbers.
pub fn lines(table: &str, rows: &RecordBatch) -> Vec<String> {
    let plain = |array: &arrow::array::ArrayRef| match array.data_type() {
        DataType::Timestamp(..) => arrow::compute::cast(array, &DataType::Int64).expect("a time is a number"),
        _ => array.clone(),
    };
    let columns: Vec<_> = rows.columns().iter().map(plain).collect();
    let value = |array, row| arrow::util::display::array_value_to_string(array, row).expect("a value");
    let line = |row: usize| columns.iter().map(|array| value(array, row)).collect::<Vec<_>>().join(" | ");
    (0..rows.num_rows()).map(|row| format!("{table}: {}", line(row))).collect()
}
