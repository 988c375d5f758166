//! `window`: aggregates over stretches of event time, by key.
//!
//! A window closes when its lane's clock is `lateness` past its end, and takes late frames, each second's worth giving
//! a new revision, until it is twice as far; frames after that are counted in `too_late.<name>`. Windows that overlap
//! decide each for itself, and an open session takes what lies in it (`own`). Keyed by vehicle a window closes in its shard
//! (`in_shard`). Keyed by anything else, shards sum each batch up (`deltas`), and the merger adds it to what there is
//! (`merge`). Which frames are too late their lane's clock and frames alone decide, in both.

mod cells;
mod config;
mod deltas;
mod distance;
mod group;
mod in_shard;
mod inputs;
mod key;
mod merge;
mod open;
mod own;
mod panes;
mod rows;
mod sessions;
mod side;
mod state;
mod sum;
mod values;
mod widths;

pub use config::{Aggregate, AggregateError, Shape, WindowConfig};

use arrow::datatypes::FieldRef;
use deltas::InDeltas;
use distance::Paths;
use in_shard::InShard;
use key::{VEHICLE, ZONE};
use merge::WindowMerger;
use rhumb_engine::definition::Definition;
use rhumb_engine::operator::{Merger, Operator, OperatorPlan, ShardContext, TablePlan};
use rows::RowPlan;
use std::sync::Arc;
use values::Of;

/// The H3 resolution that a key column such as `h3_9` asks for.
pub fn cell_resolution(column: &str) -> Option<u8> {
    key::cell_resolution(column).map(u8::from)
}

/// `[operator.window]`, planned.
pub struct WindowPlan {
    name: Arc<str>,
    table: Arc<str>,
    config: WindowConfig,
    rows: Arc<RowPlan>,
}

impl WindowPlan {
    /// `columns`: all columns of the frames that reach the window.
    pub fn new(config: WindowConfig, columns: &[FieldRef]) -> WindowPlan {
        WindowPlan {
            name: format!("window.{}", config.name).into(),
            table: format!("windows_{}", config.name).into(),
            rows: Arc::new(RowPlan::new(&config, columns)),
            config,
        }
    }

    /// Every frame of a vehicle is in the vehicle's lane, so that nothing is left to put together.
    fn closes_in_shard(&self) -> bool {
        self.config.key.iter().any(|column| column == VEHICLE)
    }

    /// The paths that `distance` needs.
    fn paths(&self) -> Option<Paths> {
        self.rows.layouts.distance().map(|_| Paths::new(self.config.path_keep))
    }

    /// Name of the counter of frames that came too late.
    fn too_late(&self) -> String {
        format!("too_late.{}", self.config.name)
    }
}

impl OperatorPlan for WindowPlan {
    fn name(&self) -> &str {
        &self.name
    }

    fn definition(&self) -> Definition {
        let mut definition = self.config.definition();
        let values = self.config.aggregates.iter().zip(&self.rows.layouts.all);
        let values = values.filter(|(_, layout)| layout.of != Of::Fractions);
        let values: Vec<String> = values.map(|((name, _), layout)| format!("{name} of {}", layout.of.name())).collect();
        if !values.is_empty() {
            definition.insert("values".to_owned(), values.join(", "));
        }
        definition
    }

    fn tables(&self) -> Vec<TablePlan> {
        vec![TablePlan { name: self.table.clone(), schema: self.rows.schema.clone(), date_from: "window_start" }]
    }

    fn build(&self, context: &ShardContext) -> Box<dyn Operator> {
        if self.closes_in_shard() {
            Box::new(InShard::new(self, context))
        } else {
            Box::new(InDeltas::new(self, context))
        }
    }

    fn merger(&self, part: i32) -> Option<Box<dyn Merger>> {
        if self.closes_in_shard() {
            return None;
        }
        let direct = self.config.key == [ZONE];
        Some(Box::new(WindowMerger::new(self.rows.clone(), part, direct).with_empty(&self.config.empty_zones)))
    }
}
