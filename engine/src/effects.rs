//! What operators cause beside the frames they pass on.

use crate::alert::AlertBatch;
use crate::reject::Reject;
use arrow::array::RecordBatch;
use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rows for a table that an operator owns, such as `windows_zone_speed`.
#[derive(Debug, Clone)]
pub struct TableRows {
    pub table: Arc<str>,
    pub rows: RecordBatch,
}

/// Something for the merger of an operator; what it is, only the two of them know.
pub struct Partial {
    /// Name of the operator.
    pub operator: Arc<str>,
    pub part: Box<dyn Any + Send>,
}

/// Collected over one batch, then sent down the FIFO together with its frames.
#[derive(Default)]
pub struct Effects {
    pub rejects: Vec<Reject>,
    /// Shared with sinks that keep them for a while.
    pub alerts: Vec<Arc<AlertBatch>>,
    pub rows: Vec<TableRows>,
    pub partials: Vec<Partial>,
    /// Counters by name, such as `too_late.zone_speed`.
    pub counts: BTreeMap<String, u64>,
}

impl Effects {
    pub fn reject(&mut self, reject: Reject) {
        self.rejects.push(reject);
    }

    /// Adds to a counter. For things that happen rarely, or once a batch.
    pub fn count(&mut self, name: &str, n: u64) {
        if n > 0 {
            *self.counts.entry(name.to_owned()).or_default() += n;
        }
    }

    pub fn is_empty(&self) -> bool {
        self.rejects.is_empty()
            && self.alerts.is_empty()
            && self.rows.is_empty()
            && self.partials.is_empty()
            && self.counts.is_empty()
    }
}
