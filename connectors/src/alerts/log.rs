//! Writing the alert log.

use super::record::Record;
use super::tail::{Tail, Tailed};
use crate::journal::{Entry, Group, JournalConfig, Log};
use hashbrown::HashMap;
use rhumb_engine::alert::{ALERT_ID_DIGITS, AlertBatch};
use rhumb_engine::alert_log::{AlertLog, AlertLogPlan, LogPosition};
use rhumb_engine::retry::Retry;
use rhumb_engine::sink::{SinkContext, SinkError};
use rhumb_engine::time::{Clock, EventTime, duration_text};
use rhumb_engine::vehicle::Vehicles;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file that is this long is followed by another.
const SEGMENT_BYTES: u64 = 64 << 20;

/// `[alerts]`, planned.
#[derive(Debug, Clone)]
pub struct AlertLogFiles {
    /// `None`: left to the operating system.
    pub sync: Option<Group>,
    /// For so long alerts can be read again.
    pub keep_us: i64,
}

impl AlertLogPlan for AlertLogFiles {
    fn describe(&self) -> Vec<(String, String)> {
        let sync = self.sync.map_or("never".to_owned(), |group| format!("every {} ms", group.every.as_millis()));
        vec![("synced".to_owned(), sync), ("kept".to_owned(), duration_text(self.keep_us))]
    }

    fn open(
        &self,
        context: &SinkContext,
        position: LogPosition,
        clock: Arc<dyn Clock>,
    ) -> Result<Box<dyn AlertLog>, SinkError> {
        let folder = super::folder(&context.own_folder());
        let is_shared = context.instance.is_some();
        let (vehicles, retry) = (context.vehicles.clone(), context.retry.clone());
        let opened = Writing::open(&folder, self, position, vehicles, clock, retry, is_shared);
        Ok(Box::new(opened.map_err(|cause| failed("open", &folder, cause))?))
    }
}

fn failed(what: &str, folder: &Path, cause: io::Error) -> SinkError {
    let advice = rhumb_engine::trouble::advice(&cause);
    SinkError::new(format!("{what} the alert log {}{advice}", folder.display()), cause)
}

/// Number of an alert that stands in the log, and when it was put there.
type Logged = HashMap<[u8; ALERT_ID_DIGITS], (i64, EventTime), foldhash::fast::FixedState>;

struct Writing {
    folder: PathBuf,
    keep_us: i64,
    log: Log,
    vehicles: Vec<Arc<Vehicles>>,
    clock: Arc<dyn Clock>,
    retry: Arc<Retry>,
    /// What does not arise again here may arise at another instance, which has the lane now.
    is_shared: bool,
    /// Alerts from before a crash, which will arise again.
    logged: Logged,
    /// Those that have been numbered and not written yet.
    unwritten: i64,
    record: Vec<u8>,
    position: LogPosition,
}

impl Writing {
    fn open(
        folder: &Path,
        plan: &AlertLogFiles,
        position: LogPosition,
        vehicles: Vec<Arc<Vehicles>>,
        clock: Arc<dyn Clock>,
        retry: Arc<Retry>,
        is_shared: bool,
    ) -> io::Result<Writing> {
        let config = JournalConfig { sync: plan.sync, segment_bytes: SEGMENT_BYTES, keep_us: plan.keep_us };
        let (mut log, found) = Log::open(folder, config)?;
        if found.cut_bytes > 0 {
            let folder = folder.display();
            tracing::warn!(
                "alert log {folder}: {} bytes at its end were half-written and are cut off",
                found.cut_bytes
            );
        }
        let mut logged = Logged::default();
        let mut tail = Tail::new(folder, position.unmatched);
        let mut put = |number, told_at, record: &Record| {
            logged.insert(record.alert_id, (number, told_at));
        };
        // Mostly there is nothing beyond the last commit, and the file need not be read once more.
        while log.next() > position.unmatched && tail.next(&mut put)? != Tailed::End {}
        log.start("alerts", position.next)?;
        Ok(Writing {
            folder: folder.to_owned(),
            keep_us: plan.keep_us,
            log,
            vehicles,
            clock,
            retry,
            is_shared,
            logged,
            unwritten: 0,
            record: Vec::new(),
            position,
        })
    }

    /// The least number of those that have not arisen again.
    fn unmatched(&self, next: i64) -> i64 {
        self.logged.values().map(|(number, _)| *number).min().unwrap_or(next)
    }

    fn failed(&self, what: &str, cause: io::Error) -> SinkError {
        failed(what, &self.folder, cause)
    }
}

impl AlertLog for Writing {
    fn number(&mut self, shard: usize, alerts: &AlertBatch) -> Result<Vec<i64>, SinkError> {
        let mut numbers = Vec::with_capacity(alerts.len());
        for row in 0..alerts.len() {
            if !self.logged.is_empty()
                && let Some((number, _)) = self.logged.remove(&alerts.id[row].digits())
            {
                numbers.push(number);
                continue;
            }
            let record = Record::of(alerts, row, &self.vehicles[shard]);
            let bytes = std::mem::take(&mut self.record);
            self.record =
                postcard::to_extend(&record, bytes).map_err(|cause| SinkError::new("encode an alert", cause))?;
            self.log.push(Entry::Record(&self.record));
            self.record.clear();
            numbers.push(self.log.next() + self.unwritten);
            self.unwritten += 1;
        }
        Ok(numbers)
    }

    fn write(&mut self) -> Result<(), SinkError> {
        self.unwritten = 0;
        let (log, now) = (&mut self.log, self.clock.now());
        let written =
            self.retry.run(format_args!("write the alert log {}", self.folder.display()), || log.try_write(now));
        written.map_err(|cause| self.failed("write", cause))
    }

    fn prepare(&mut self, is_end: bool) -> Result<LogPosition, SinkError> {
        self.log.sync().map_err(|cause| self.failed("sync", cause))?;
        let kept_from = self.clock.now().minus(self.keep_us);
        let logged = self.logged.len();
        self.logged.retain(|_, (_, told_at)| !is_end && *told_at >= kept_from);
        if self.logged.len() < logged && !self.is_shared {
            let gone = logged - self.logged.len();
            tracing::warn!("{gone} alerts were told before a crash and did not arise again: their frames are lost");
        }
        let next = self.log.next();
        self.position = LogPosition { next, unmatched: self.unmatched(next) };
        Ok(self.position)
    }

    fn committed(&mut self) -> Result<(), SinkError> {
        let LogPosition { next, unmatched } = self.position;
        let kept_from = self.clock.now().minus(self.keep_us);
        let removed = self.log.remove_before(next.min(unmatched), kept_from);
        removed.map_err(|cause| self.failed("remove old files of", cause))
    }
}
