//! The real alert log, on a disk that forgets what was not synced when its machine goes down.

use crate::broken::Broken;
use crate::dice::Dice;
use crate::disk::{Fate, Fuse, failed};
use rhumb_connectors::alerts::{AlertLogFiles, Tail, Tailed, folder};
use rhumb_engine::alert::AlertBatch;
use rhumb_engine::alert_log::{AlertLog, AlertLogPlan, LogPosition};
use rhumb_engine::sink::{SinkContext, SinkError};
use rhumb_engine::time::{Clock, DAY_US};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// The newest file of the log, and its bytes when it was synced last.
#[derive(Default)]
pub struct Synced(Option<(PathBuf, u64)>);

impl Synced {
    fn note(&mut self, data: &Path) {
        self.0 = newest(data);
    }

    /// The machine goes down: of what was not synced, some beginning is left.
    pub fn crash(&self, data: &Path, dice: &mut Dice) {
        let Some((path, bytes)) = newest(data) else { return };
        let safe = self.0.as_ref().filter(|(synced, _)| *synced == path).map_or(0, |(_, bytes)| *bytes);
        let left = safe + dice.below((bytes - safe) as usize + 1) as u64;
        File::options().write(true).open(path).and_then(|file| file.set_len(left)).expect("the log's file");
    }
}

fn newest(data: &Path) -> Option<(PathBuf, u64)> {
    let files = fs::read_dir(folder(data)).ok()?;
    let newest = files.map(|file| file.expect("a file").path()).max()?;
    let bytes = fs::metadata(&newest).expect("a file").len();
    Some((newest, bytes))
}

pub struct LogPlan {
    pub fuse: Arc<Fuse>,
    pub synced: Arc<Mutex<Synced>>,
    pub broken: Option<Broken>,
}

impl AlertLogPlan for LogPlan {
    fn describe(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    fn open(
        &self,
        context: &SinkContext,
        position: LogPosition,
        clock: Arc<dyn Clock>,
    ) -> Result<Box<dyn AlertLog>, SinkError> {
        let unmatched = match self.broken {
            Some(Broken::LoggedAlertsForgotten) => i64::MAX,
            _ => position.unmatched,
        };
        let plan = AlertLogFiles { sync: None, keep_us: DAY_US };
        let log = plan.open(context, LogPosition { unmatched, ..position }, clock)?;
        let (fuse, synced, data) = (self.fuse.clone(), self.synced.clone(), context.data.clone());
        Ok(Box::new(Fused { log, fuse, synced, data }))
    }
}

struct Fused {
    log: Box<dyn AlertLog>,
    fuse: Arc<Fuse>,
    synced: Arc<Mutex<Synced>>,
    data: PathBuf,
}

impl Fused {
    fn act<T>(
        &mut self,
        what: &str,
        act: impl FnOnce(&mut dyn AlertLog) -> Result<T, SinkError>,
    ) -> Result<T, SinkError> {
        let fate = self.fuse.fate(what);
        let acted = match fate {
            Fate::Done | Fate::Unheard => act(&mut *self.log),
            _ => Err(SinkError::new(what, failed(fate))),
        };
        if fate == Fate::Done { acted } else { Err(SinkError::new(what, failed(fate))) }
    }
}

impl AlertLog for Fused {
    fn number(&mut self, shard: usize, alerts: &AlertBatch) -> Result<Vec<i64>, SinkError> {
        self.log.number(shard, alerts)
    }

    fn write(&mut self) -> Result<(), SinkError> {
        self.act("write alerts", |log| log.write())
    }

    fn prepare(&mut self, is_end: bool) -> Result<LogPosition, SinkError> {
        let position = self.act("sync alerts", |log| log.prepare(is_end))?;
        self.synced.lock().expect("one thread").note(&self.data);
        Ok(position)
    }

    fn committed(&mut self) -> Result<(), SinkError> {
        self.log.committed()
    }
}

/// Ids and numbers of all that is in the log.
pub fn told(data: &Path) -> Vec<(String, i64)> {
    let mut all = Vec::new();
    let mut tail = Tail::new(&folder(data), 1);
    let mut put = |number, _, record: &rhumb_connectors::alerts::Record| {
        all.push((String::from_utf8_lossy(&record.alert_id).into_owned(), number));
    };
    loop {
        match tail.next(&mut put).expect("a log that can be read") {
            Tailed::End => return all,
            Tailed::Some => {}
            Tailed::Gap(from, to) => panic!("alerts {from} to {} are missing in the log", to - 1),
        }
    }
}
