//! One engine without threads: the chain of one shard and its mergers, fed with the frames of a test.

use super::found::{Rows, alerts, history, rejects, rows};
use super::newest::newest;
use crate::build;
use crate::config::{Checked, Found, SourceMeans, TestFrame, TestInput, TestMeans};
use anyhow::anyhow;
use rhumb_connectors::codec::{CodecConfig, Place};
use rhumb_connectors::lake::KEYS_KEY;
use rhumb_engine::builder::{ClockRules, Delivery, FrameBuilder};
use rhumb_engine::chain::Chain;
use rhumb_engine::current::CurrentShard;
use rhumb_engine::extra::Extra;
use rhumb_engine::frame::{Frame, Origin};
use rhumb_engine::message::{Output, Tick};
use rhumb_engine::operator::{Merger, OperatorPlan, ShardContext, TablePlan};
use rhumb_engine::time::EventTime;
use rhumb_engine::vehicle::{VehicleLimit, Vehicles};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The chain has one reader.
const READER: usize = 0;

/// All rows that a test's frames give, by table.
pub fn run(checked: &Checked, test: &TestMeans) -> anyhow::Result<BTreeMap<String, Rows>> {
    let plans = build::operators(&checked.operators, &checked.sources);
    let vehicles = Arc::new(Vehicles::limited(Arc::new(VehicleLimit::new(checked.engine.vehicles_max))));
    let mut shard = Shard::new(checked, &plans, vehicles.clone());
    let input = read(checked, test, &vehicles)?;
    let now = input.frames.received_at.values().iter().copied().max();
    shard.process(input);
    if let (Some(until), Some(now)) = (test.until, now) {
        // The first tells how far behind the clock the lanes are.
        for now in [EventTime(now), until] {
            shard.tick(now);
        }
    }
    shard.end();
    Ok(shard.tables)
}

struct Shard {
    chain: Chain,
    /// By name of the operator, with the table that its rows are for.
    mergers: Vec<(String, Arc<str>, Box<dyn Merger>)>,
    /// Of tables that are told anew: the columns that tell rows apart.
    keys: Vec<(Arc<str>, Vec<String>)>,
    vehicles: Arc<Vehicles>,
    tables: BTreeMap<String, Rows>,
}

impl Shard {
    fn new(checked: &Checked, plans: &[Arc<dyn OperatorPlan>], vehicles: Arc<Vehicles>) -> Shard {
        let context = ShardContext { shard: 0, shards: 1, vehicles: vehicles.clone() };
        let current = Arc::new(CurrentShard::new(vehicles.clone()));
        let (idle_after_us, lateness_us) = (checked.engine.idle_after_us, checked.engine.lateness_us);
        let merger = |plan: &Arc<dyn OperatorPlan>| {
            let table = plan.tables().first()?.name.clone();
            Some((plan.name().to_owned(), table, plan.merger(0)?))
        };
        Shard {
            chain: Chain::new(plans, &context, current, idle_after_us, lateness_us),
            mergers: plans.iter().filter_map(merger).collect(),
            keys: plans.iter().flat_map(|plan| plan.tables()).map(keys).collect(),
            vehicles,
            tables: BTreeMap::new(),
        }
    }

    fn process(&mut self, delivery: Delivery) {
        let output = self.chain.process(delivery, READER);
        self.take(output);
    }

    fn tick(&mut self, now: EventTime) {
        let effects = self.chain.tick(Tick { reader: READER, now, away_us: 0 });
        self.take(Output::of_effects(0, effects));
    }

    fn end(&mut self) {
        let effects = self.chain.end();
        self.take(Output::of_effects(0, effects));
        for (_, table, merger) in &mut self.mergers {
            for fired in merger.fire(EventTime::MAX) {
                self.tables.entry(table.to_string()).or_default().extend(rows(&fired));
            }
        }
        for (table, keys) in &self.keys {
            self.tables.entry(table.to_string()).and_modify(|rows| newest(rows, keys));
        }
    }

    fn take(&mut self, output: Output) {
        let mut put = |table: &str, rows: Rows| self.tables.entry(table.to_owned()).or_default().extend(rows);
        put("history", history(&output.frames, &self.vehicles));
        put("rejects", rejects(&output.effects.rejects));
        output.effects.alerts.iter().for_each(|batch| put("alerts", alerts(batch, &self.vehicles)));
        output.effects.rows.iter().for_each(|of| put(&of.table, rows(&of.rows)));
        for partial in output.effects.partials {
            let merger = self.mergers.iter_mut().find(|(name, ..)| **name == *partial.operator);
            merger.expect("partials come from operators that have a merger").2.accept(partial.part);
        }
    }
}

fn keys(table: TablePlan) -> (Arc<str>, Vec<String>) {
    let keys = table.schema.metadata().get(KEYS_KEY).map_or("", String::as_str);
    (table.name, keys.split(',').map(str::to_owned).collect())
}

/// The frames of a test, as its source hands them on.
fn read(checked: &Checked, test: &TestMeans, vehicles: &Arc<Vehicles>) -> anyhow::Result<Delivery> {
    let source = &checked.sources[test.source];
    let codec = build::codec(&source.codec)?;
    let builder = |vehicles: &Arc<Vehicles>, clocks: ClockRules| {
        let origin = Origin { source: source.name.as_str().into(), partition: "test".into() };
        FrameBuilder::new(std::slice::from_ref(vehicles), origin, clocks).with_columns(&codec.columns())
    };
    let clocks = ClockRules { rollover: source.rollover, skew_max_us: checked.engine.clock_skew_max_us };
    let mut out = builder(vehicles, clocks);
    match &test.input {
        TestInput::Frames(frames) => push(frames, &mut out),
        TestInput::Bytes { pieces, received_at: Some(received_at) } => {
            decode(source, &codec, pieces, *received_at, &mut out)?;
        }
        TestInput::Bytes { pieces, received_at: None } => {
            // Received when the newest of it was taken: so it has to be looked at once before.
            let mut look = builder(&Arc::default(), ClockRules { rollover: false, skew_max_us: i64::MAX });
            decode(source, &codec, pieces, EventTime::LAST, &mut look)?;
            let newest = look.finish().iter().flat_map(|d| d.frames.times().to_vec()).max();
            decode(source, &codec, pieces, newest.map_or(test.start, EventTime), &mut out)?;
        }
    }
    Ok(out.finish().remove(0))
}

fn push(frames: &[TestFrame], out: &mut FrameBuilder) {
    let mut received_at = EventTime::MIN;
    for (offset, TestFrame { frame, vehicle, extra }) in (0..).zip(frames) {
        // Frames come one after the other, late ones too.
        received_at = received_at.max(frame.received_at.unwrap_or(frame.event_time));
        out.at(offset, frame.received_at.unwrap_or(received_at));
        let row = out.push_row(&Frame { vehicle, ..*frame });
        // A frame that was refused has no row.
        let Some(mut row) = row else { continue };
        for (column, value) in extra {
            match value {
                Found::Text(text) => row.set(*column, Extra::Text(text)),
                Found::Whole(number) => row.set(*column, Extra::Int(*number)),
                Found::Fraction(number) => row.set(*column, Extra::Float(*number)),
                Found::Flag(flag) => row.set(*column, Extra::Bool(*flag)),
                Found::Null | Found::Time(_) | Found::List(_) => {}
            }
        }
    }
}

fn decode(
    source: &SourceMeans,
    codec: &CodecConfig,
    pieces: &[Vec<u8>],
    received_at: EventTime,
    out: &mut FrameBuilder,
) -> anyhow::Result<()> {
    let mut codec = codec.open();
    codec.called("test");
    if source.has_datagrams() {
        for (offset, piece) in (0..).zip(pieces) {
            out.at(offset, received_at);
            codec.datagram(piece, out);
        }
        codec.release(None, out);
        return Ok(());
    }
    let bytes = pieces.concat();
    let head = codec.preamble(&bytes, true).map_err(|cause| anyhow!("source {}: {cause}", source.name))?;
    let head = head.unwrap_or_default();
    codec.stream(&bytes[head..], true, Place { offset: head as i64, received_at }, out);
    Ok(())
}
