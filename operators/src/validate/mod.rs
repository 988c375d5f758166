//! `validate`: refuses frames that cannot be true or are not wanted, and keeps each with the rule that refused it.

mod config;
mod overrides;
mod path;
mod rate;
mod rules;
mod verdicts;

pub use config::{Rule, ValidateConfig};
pub use overrides::{OVERRIDES, OverrideError, Overrides, Thresholds};

use crate::fix;
use arrow::array::{ArrayRef, Int64Array, UInt32Array};
use arrow::datatypes::{Int64Type, UInt32Type};
use path::Paths;
use rate::Rate;
use rhumb_engine::effects::Effects;
use rhumb_engine::frame::FrameBatch;
use rhumb_engine::lane::Lane;
use rhumb_engine::operator::{Operator, OperatorPlan, ShardContext};
use rhumb_engine::state::{StateError, StateReader, StateWriter};
use rhumb_engine::vehicle::{Slot, Vehicles};
use std::sync::Arc;
use verdicts::Verdicts;

const VERSION: u32 = 1;

/// `[operator.validate]`, planned.
pub struct ValidatePlan {
    name: String,
    config: ValidateConfig,
}

impl ValidatePlan {
    pub fn new(name: impl Into<String>, config: ValidateConfig) -> ValidatePlan {
        ValidatePlan { name: name.into(), config }
    }
}

impl OperatorPlan for ValidatePlan {
    fn name(&self) -> &str {
        &self.name
    }

    fn accepts(&self) -> bool {
        true
    }

    fn build(&self, context: &ShardContext) -> Box<dyn Operator> {
        Box::new(Validate {
            paths: Paths::new(self.config.path_keep),
            vehicles: context.vehicles.clone(),
            config: self.config.clone(),
            rates: Vec::new(),
            known: Vec::new(),
            own: Vec::new(),
            verdicts: Verdicts::default(),
        })
    }
}

/// Whether the table of known vehicles has one: looked up once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Known {
    #[default]
    NotLooked,
    Yes,
    No,
}

/// The rule that a frame broke, with what it measured.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Broken {
    rule: Rule,
    measured: f64,
    threshold: f64,
}

/// The machine of one shard.
struct Validate {
    config: ValidateConfig,
    vehicles: Arc<Vehicles>,
    /// By slot.
    paths: Paths,
    /// By slot; empty while the rule is off.
    rates: Vec<Rate>,
    known: Vec<Known>,
    /// The thresholds of each vehicle, by slot; empty if all have the same.
    own: Vec<Thresholds>,
    /// Of the batch at hand, reused.
    verdicts: Verdicts,
}

impl Operator for Validate {
    fn process(&mut self, frames: FrameBatch, effects: &mut Effects) -> FrameBatch {
        let slots = self.vehicles.len();
        self.paths.reach(slots);
        if let Some(overrides) = &self.config.overrides {
            let new = (self.own.len()..slots).map(|slot| overrides.of(self.vehicles.id(slot as Slot), &self.config));
            self.own.extend(new);
        }
        if (self.config.rate_max_per_minute.is_some() || !self.own.is_empty()) && self.rates.len() < slots {
            self.rates.resize(slots, Rate::default());
        }
        if self.config.known_vehicles.is_some() && self.known.len() < slots {
            self.known.resize(slots, Known::NotLooked);
        }
        let mut verdicts = std::mem::take(&mut self.verdicts);
        verdicts.start(frames.len());
        rules::judge_alone(&self.config, &frames, &mut verdicts);
        match &self.config.overrides {
            None => {
                let common = Thresholds::of(&self.config);
                rules::judge_signal(&common, &frames, |_| &common, &mut verdicts);
            }
            Some(overrides) => {
                let own = |row: usize| &self.own[frames.slots()[row] as usize];
                rules::judge_signal(&overrides.any(&self.config), &frames, own, &mut verdicts);
            }
        }
        self.judge_by_path(&frames, &mut verdicts);
        let kept = match verdicts.are_none() {
            true => frames,
            false => {
                for (row, broken) in verdicts.broken() {
                    effects.reject(rules::reject(&frames, row, &self.vehicles, broken));
                }
                frames.retain(&verdicts.kept())
            }
        };
        self.verdicts = verdicts;
        kept
    }

    fn snapshot(&self, state: &mut StateWriter) {
        let fixes = self.paths.slots().flat_map(|slot| self.paths.of(slot).map(move |fix| (slot, fix)));
        fix::put(state, "path", &self.vehicles, fixes);
        let counted = (0..).zip(&self.rates).flat_map(|(slot, rate)| rate.counts().map(move |count| (slot, count)));
        let (slots, counts): (Vec<u32>, Vec<(i64, u32)>) = counted.unzip();
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("vehicle_id", fix::vehicle_ids(&self.vehicles, &slots)),
            ("minute", Arc::new(Int64Array::from_iter_values(counts.iter().map(|(minute, _)| *minute)))),
            ("frames", Arc::new(UInt32Array::from_iter_values(counts.iter().map(|(_, frames)| *frames)))),
        ];
        state.put("rate", VERSION, fix::lanes(&self.vehicles, &slots), columns);
    }

    fn restore(&mut self, state: &StateReader) -> Result<(), StateError> {
        fix::read(state, "path", &self.vehicles, |slot, fix| {
            self.paths.reach(slot as usize + 1);
            self.paths.insert(slot, fix);
        })?;
        for rows in state.rows("rate", VERSION)? {
            let (lanes, ids) = (rows.lanes()?, rows.strings("vehicle_id")?);
            let (minutes, frames) = (rows.primitive::<Int64Type>("minute")?, rows.primitive::<UInt32Type>("frames")?);
            for row in 0..rows.len() {
                let slot = self.vehicles.intern(ids.value(row), Lane(lanes.value(row))) as usize;
                self.rates.resize(self.rates.len().max(slot + 1), Rate::default());
                self.rates[slot].put(minutes.value(row), frames.value(row));
            }
        }
        Ok(())
    }
}
