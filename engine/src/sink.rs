//! Sinks: where output goes.

use crate::bucket::{Bucket, DataPlace};
use crate::message::Output;
use crate::operator::TablePlan;
use crate::retry::{Failure, Retry};
use crate::vehicle::Vehicles;
use arrow::datatypes::FieldRef;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file that is durable but not yet visible, and becomes so when its epoch is committed.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Segment {
    pub table: String,
    /// Its final place, relative to the table's folder.
    pub path: String,
    pub rows: u64,
    pub bytes: u64,
    /// Of all its bytes (`Checksum`); `None` if an older version wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// Days since 1970-01-01.
    pub event_date: i32,
    /// What the table's log says of its columns, as JSON.
    pub statistics: String,
}

#[derive(Debug, thiserror::Error)]
#[error("{action}")]
pub struct SinkError {
    /// What was being done, to what.
    pub action: String,
    #[source]
    pub cause: Box<dyn std::error::Error + Send + Sync>,
}

impl SinkError {
    pub fn new(action: impl Into<String>, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> SinkError {
        SinkError { action: action.into(), cause: cause.into() }
    }
}

impl Failure for SinkError {
    fn with(self, more: &str) -> SinkError {
        SinkError { action: format!("{}{more}", self.action), ..self }
    }
}

/// Called from the writer's thread only, in this order: `write` any number of times, `prepare`, then (once the manifest
/// stands) `committed`. After a restart `committed` is called again with the segments of the last manifest.
pub trait Sink: Send {
    fn write(&mut self, output: &Output) -> Result<(), SinkError>;

    /// Makes everything written since the last call durable, and nothing of it visible.
    fn prepare(&mut self, epoch: u64) -> Result<Vec<Segment>, SinkError>;

    /// Makes it visible. Doing it again changes nothing. Rows that come after it are of a later epoch.
    fn committed(&mut self, epoch: u64, segments: &[Segment]) -> Result<(), SinkError>;

    /// Makes visible what another engine has committed, which may be doing it itself or have died: an instance of the
    /// pipeline, or (`None`) one that had it to itself. Doing it again changes nothing.
    fn help(&mut self, instance: Option<&str>, epoch: u64, segments: &[Segment]) -> Result<(), SinkError> {
        let _ = (instance, epoch, segments);
        Ok(())
    }
}

/// What a sink needs to know of the pipeline.
#[derive(Clone)]
pub struct SinkContext {
    pub pipeline: String,
    /// Folder on a disk of this machine.
    pub data: PathBuf,
    /// Where manifests, state and lake are, if not there.
    pub bucket: Option<Bucket>,
    /// For what is refused once the run has begun.
    pub retry: Arc<Retry>,
    /// Number of the engine's claim: unique for each start, so that names made from it never meet.
    pub claim: u64,
    /// Name of the instance, of a pipeline that several share.
    pub instance: Option<String>,
    /// Claims of the others that may still commit what they have prepared.
    pub live_claims: BTreeSet<u64>,
    /// Directory of each shard.
    pub vehicles: Vec<Arc<Vehicles>>,
    /// Columns of the history, beside `epoch` and `event_date`.
    pub history: Vec<FieldRef>,
    pub tables: Vec<TablePlan>,
}

impl SinkContext {
    /// Of manifests, state and lake.
    pub fn place(&self) -> DataPlace {
        match &self.bucket {
            Some(bucket) => DataPlace::Bucket(bucket.clone()),
            None => DataPlace::from(&self.data),
        }
    }

    /// Folder of what is this engine's alone: that of its instance, or the data folder.
    pub fn own_folder(&self) -> PathBuf {
        self.instance.as_deref().map_or(self.data.clone(), |instance| instance_folder(&self.data, instance))
    }
}

/// Folder of what is of one instance alone.
pub fn instance_folder(data: &Path, instance: &str) -> PathBuf {
    data.join(INSTANCES).join(instance)
}

/// Where these folders are, in the data folder.
pub const INSTANCES: &str = "instances";

/// A sink as planned.
pub trait SinkPlan: Send + Sync {
    fn name(&self) -> &str;

    fn describe(&self) -> Vec<(String, String)>;

    fn open(&self, context: &SinkContext) -> Result<Box<dyn Sink>, SinkError>;
}
