//! What operators cause beside the frames they pass on.

use crate::alert::AlertBatch;
use crate::reject::Reject;
use crate::vehicle::Slot;
use arrow::array::{RecordBatch, StringArray};
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

/// Vehicles whose zones are others though they have not moved: the zones have.
#[derive(Debug, Clone)]
pub struct ZonesMoved {
    pub ids: Arc<StringArray>,
    /// With the time of the newest frame, and places in `ids`.
    pub vehicles: Vec<(Slot, i64, Vec<u32>)>,
}

/// Collected over one batch, then sent down the FIFO together with its frames.
#[derive(Default)]
pub struct Effects {
    pub rejects: Vec<Reject>,
    /// Shared with sinks that keep them for a while.
    pub alerts: Vec<Arc<AlertBatch>>,
    pub rows: Vec<TableRows>,
    pub partials: Vec<Partial>,
    /// For the current table, which takes them out.
    pub zones_moved: Vec<ZonesMoved>,
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
