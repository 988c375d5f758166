//! `filter`: keeps the frames for which an expression is true. The others are rejects, like those of `validate`; but
//! clocks of lanes have heard them, and so have the operators above.

use crate::expression::Expression;
use crate::rows;
use arrow::array::{Array, AsArray};
use arrow::buffer::ScalarBuffer;
use rhumb_engine::effects::Effects;
use rhumb_engine::frame::FrameBatch;
use rhumb_engine::operator::{Operator, OperatorPlan, ShardContext};
use rhumb_engine::reject::{Reason, Reject};
use rhumb_engine::vehicle::Vehicles;
use std::sync::Arc;

/// `[operator.filter]`, planned.
pub struct FilterPlan {
    name: String,
    expression: Arc<Expression>,
}

impl FilterPlan {
    /// # Panics
    /// If the expression does not give true or false.
    pub fn new(name: impl Into<String>, expression: Arc<Expression>) -> FilterPlan {
        assert!(expression.is_condition(), "a filter needs a condition");
        FilterPlan { name: name.into(), expression }
    }
}

impl OperatorPlan for FilterPlan {
    fn name(&self) -> &str {
        &self.name
    }

    fn build(&self, context: &ShardContext) -> Box<dyn Operator> {
        Box::new(Filter {
            expression: self.expression.clone(),
            vehicles: context.vehicles.clone(),
            errors: format!("errors.{}", self.name),
        })
    }
}

/// The machine of one shard: it remembers nothing.
struct Filter {
    expression: Arc<Expression>,
    vehicles: Arc<Vehicles>,
    /// Name of the counter.
    errors: String,
}

impl Operator for Filter {
    fn process(&mut self, frames: FrameBatch, effects: &mut Effects) -> FrameBatch {
        if frames.is_empty() {
            return frames;
        }
        let found = self.expression.evaluate(&rows::of_frames(&frames, &self.vehicles, self.expression.schema()));
        effects.count(&self.errors, found.errors.len() as u64);
        let held = found.values.as_boolean();
        let keep: Vec<bool> = held.iter().map(|held| held == Some(true)).collect();
        let mut errors = found.errors.iter().peekable();
        for row in (0..frames.len()).filter(|row| !keep[*row]) {
            let detail = match errors.next_if(|(at, _)| *at == row) {
                Some((_, cause)) => format!("{}: {cause}", self.expression.text()),
                None if held.is_null(row) => format!("{} is null", self.expression.text()),
                None => format!("{} is false", self.expression.text()),
            };
            effects.reject(Reject::of_frame(&frames, row, &self.vehicles, Reason::Filter).detail(detail));
        }
        if keep.iter().all(|keep| *keep) {
            return frames;
        }
        let clock_before = Some(clocks_before(&frames));
        FrameBatch { clock_before, ..frames }.retain(&keep)
    }
}

/// The clock of its lane that each frame finds: the frames that go have moved it, and timers of vehicles follow it.
fn clocks_before(frames: &FrameBatch) -> ScalarBuffer<i64> {
    let lanes = frames.lane.values();
    let mut clocks = vec![i64::MIN; lanes.iter().max().map_or(0, |lane| usize::from(*lane) + 1)];
    let found = |(row, lane): (usize, &u16)| {
        let found = std::mem::replace(&mut clocks[usize::from(*lane)], frames.lane_clock[row]);
        frames.clock_before.as_ref().map_or(found, |before| before[row].max(found))
    };
    lanes.iter().enumerate().map(found).collect()
}
