//! Group fsync: a thread that makes what was written safe, so that nobody who writes waits for the disk.

use crate::acknowledge::Durability;
use rhumb_engine::threads::spawn;
use rhumb_engine::time::monotonic_now;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// When what was written is synced: after so long, or sooner after so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    pub every: Duration,
    pub bytes: u64,
}

/// What has been written and not synced.
#[derive(Default)]
struct Unsynced {
    files: Vec<Arc<File>>,
    bytes: u64,
    /// Entries before this offset have been written.
    end: i64,
    since: Option<Instant>,
    /// Why syncing failed: what the disk then holds, nobody can say.
    failed: Option<io::ErrorKind>,
    is_over: bool,
}

struct Shared {
    unsynced: Mutex<Unsynced>,
    changed: Condvar,
    /// Entries before this offset are safe.
    synced: AtomicI64,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Unsynced> {
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How far a journal of one partition is synced: what acknowledgements wait for.
#[derive(Clone)]
pub struct Synced(Arc<Shared>);

impl Durability for Synced {
    fn safe_before(&self, _: &str, handed_over: i64) -> i64 {
        self.0.synced.load(Ordering::Acquire).min(handed_over)
    }
}

/// The thread and what it works on.
pub struct Syncer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    /// Entries before `end` are safe already.
    pub fn start(name: String, group: Group, end: i64) -> io::Result<Syncer> {
        let unsynced = Mutex::new(Unsynced { end, ..Unsynced::default() });
        let shared = Arc::new(Shared { unsynced, changed: Condvar::new(), synced: AtomicI64::new(end) });
        // Whoever writes hears of its errors; nobody else waits for its end.
        let (ended, _) = crossbeam_channel::unbounded();
        let of_thread = shared.clone();
        let thread = spawn(name, ended, move || run(&of_thread, group))?;
        Ok(Syncer { shared, thread: Some(thread) })
    }

    pub fn synced(&self) -> Synced {
        Synced(self.shared.clone())
    }

    /// Why nothing more is synced, if that is so.
    pub fn failure(&self) -> Option<io::Error> {
        self.shared.lock().failed.map(io::Error::from)
    }

    /// So many bytes were written to `file`, which make entries before `end` whole.
    pub fn wrote(&self, file: &Arc<File>, bytes: u64, end: i64) {
        let mut unsynced = self.shared.lock();
        if !unsynced.files.iter().any(|known| Arc::ptr_eq(known, file)) {
            unsynced.files.push(file.clone());
        }
        unsynced.bytes += bytes;
        unsynced.end = end;
        unsynced.since.get_or_insert_with(monotonic_now);
        drop(unsynced);
        self.shared.changed.notify_one();
    }
}

impl Drop for Syncer {
    /// Syncs what is left.
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

fn run(shared: &Shared, group: Group) {
    let mut unsynced = shared.lock();
    loop {
        let due = match unsynced.since {
            None if unsynced.is_over => return,
            None => None,
            Some(since) => Some(group.every.saturating_sub(monotonic_now().saturating_duration_since(since))),
        };
        unsynced = match due {
            None => shared.changed.wait(unsynced).unwrap_or_else(PoisonError::into_inner),
            Some(due) if !due.is_zero() && unsynced.bytes < group.bytes && !unsynced.is_over => {
                shared.changed.wait_timeout(unsynced, due).unwrap_or_else(PoisonError::into_inner).0
            }
            Some(_) => {
                let (files, end) = (std::mem::take(&mut unsynced.files), unsynced.end);
                (unsynced.bytes, unsynced.since) = (0, None);
                drop(unsynced);
                let synced = files.iter().try_for_each(|file| file.sync_data());
                let mut unsynced = shared.lock();
                match synced {
                    Ok(()) => shared.synced.store(end, Ordering::Release),
                    Err(error) => unsynced.failed = Some(error.kind()),
                }
                if unsynced.failed.is_some() {
                    return;
                }
                unsynced
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn what_was_written_is_safe_after_a_sync() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        let syncer =
            Syncer::start("sync".into(), Group { every: Duration::from_millis(1), bytes: 1 << 20 }, 5).unwrap();
        let synced = syncer.synced();
        assert_eq!(synced.safe_before("p", 100), 5);
        (&*file).write_all(b"x").unwrap();
        syncer.wrote(&file, 1, 9);
        drop(syncer);
        assert_eq!(synced.safe_before("p", 100), 9);
        assert_eq!(synced.safe_before("p", 7), 7, "no more than the engine has");
    }
}
