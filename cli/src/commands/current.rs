//! The table `current` as `rhumb query` shows it: the newest frames as of the last commit, with what can be said of
//! them at its watermark.

use anyhow::Context;
use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{Field, Float32Type, Schema, TimestampMicrosecondType};
use rhumb_engine::bucket::DataPlace;
use rhumb_engine::current::{NAME, Status};
use rhumb_engine::frame::timestamps;
use rhumb_engine::manifest::{self, Manifest};
use rhumb_engine::state::LANE;
use rhumb_engine::time::SECOND_US;
use std::sync::Arc;

/// The current table of a data folder; `None` before the first commit. Without a limit of the caller's own, vehicles
/// are offline after as long as the last run said.
pub fn current(data: &DataPlace, offline_after_us: Option<i64>) -> anyhow::Result<Option<RecordBatch>> {
    let store = data.store().with_context(|| format!("open the data folder {data}"))?;
    let Some(last) = manifest::newest(&store)? else { return Ok(None) };
    let tables = manifest::read_state(&store, &last, |file| file.operator == NAME)?;
    let Some(first) = tables.first() else { return Ok(None) };
    let rows = concat_batches(&first.rows.schema(), tables.iter().map(|table| &table.rows))?;
    let keep: Vec<usize> = (0..rows.num_columns()).filter(|at| rows.schema().field(*at).name() != LANE).collect();
    let offline_after_us = offline_after_us.unwrap_or(last.offline_after_us);
    Ok(Some(with_status(&rows.project(&keep)?, &last, offline_after_us)?))
}

/// Adds `status`, `freshness_s` (how long the vehicle has been silent, by the clock of the input) and `as_of` (the
/// watermark: how far event time had come in every lane). A vehicle may be ahead of the clock, and is as fresh as can
/// be then.
fn with_status(rows: &RecordBatch, at: &Manifest, offline_after_us: i64) -> anyhow::Result<RecordBatch> {
    let (clock, as_of) = (at.clock(), at.watermark());
    let column = |name: &str| rows.column_by_name(name).with_context(|| format!("the state has no column {name}"));
    let times = column("event_time")?.as_primitive::<TimestampMicrosecondType>();
    let speeds = column("speed_mps")?.as_primitive::<Float32Type>();
    // State of an older version lacks it.
    let ignition = rows.column_by_name("ignition").and_then(|values| values.as_boolean_opt());
    let silent_us = |row: usize| clock.0.saturating_sub(times.value(row)).max(0);
    let status = |row: usize| {
        let speed_mps = speeds.is_valid(row).then(|| speeds.value(row));
        let ignition = ignition.filter(|on| on.is_valid(row)).map(|on| on.value(row));
        Status::of(silent_us(row) > offline_after_us, speed_mps, ignition).name()
    };
    let all = 0..rows.num_rows();
    let added: [(&str, ArrayRef); 3] = [
        ("status", Arc::new(StringArray::from_iter_values(all.clone().map(status)))),
        (
            "freshness_s",
            Arc::new(Float64Array::from_iter_values(all.clone().map(|row| silent_us(row) as f64 / SECOND_US as f64))),
        ),
        ("as_of", Arc::new(timestamps(vec![as_of.0; all.len()]))),
    ];
    let schema = rows.schema();
    let fields = schema.fields().iter().cloned();
    let fields = fields.chain(added.iter().map(|(name, a)| Arc::new(Field::new(*name, a.data_type().clone(), false))));
    let columns = rows.columns().iter().cloned().chain(added.iter().map(|(_, a)| a.clone())).collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), columns)?)
}
