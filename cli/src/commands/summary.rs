//! What `rhumb run --summary` writes.

use anyhow::Context;
use rhumb_engine::health::{Degraded, Status};
use rhumb_engine::reference::InForce;
use rhumb_engine::run::Summary;
use rhumb_engine::totals::Totals;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The fields of the file, by the names that they have in it.
#[derive(Debug, Clone)]
pub struct SummaryFile {
    pub frames_in: u64,
    pub history_rows: u64,
    pub late: u64,
    pub vehicles: u64,
    pub rejects: BTreeMap<String, u64>,
    pub alerts: BTreeMap<String, u64>,
    pub tables: BTreeMap<String, u64>,
    /// Frames of windows that had closed for good, by window.
    pub too_late: BTreeMap<String, u64>,
    /// What each source took in, and its counters that are not 0.
    pub sources: BTreeMap<String, BTreeMap<String, u64>>,
    /// Frames for which an expression could not be worked out, by operator and column.
    pub errors: BTreeMap<String, u64>,
    /// Of sources that know it: records of each partition that were there and not read.
    pub lag: BTreeMap<String, BTreeMap<String, u64>>,
    pub udp_datagrams: u64,
    pub udp_kernel_drops: u64,
    pub seconds: f64,
    pub frames_per_second: f64,
    pub cpu_seconds: f64,
    pub peak_rss_bytes: u64,
    /// Files that operators read beside frames, by operator.
    pub versions: BTreeMap<String, Version>,
    pub damaged: Option<String>,
    /// In the end.
    pub status: Status,
    pub degraded: Degraded,
}

/// Which version of a file is in force in the end.
#[derive(Debug, Clone)]
pub struct Version {
    pub path: String,
    pub version: u32,
    pub hash: String,
    /// What is wrong with what the file holds now, and why it is not in force.
    pub refused: Option<String>,
}

impl From<&InForce> for Version {
    fn from(InForce { record, refused }: &InForce) -> Version {
        let (path, hash) = (record.path.clone(), record.hash.clone());
        Version { path, version: record.version, hash, refused: refused.clone() }
    }
}

impl SummaryFile {
    pub fn new(summary: &Summary, cpu_seconds: f64) -> SummaryFile {
        let totals = &summary.totals;
        let frames_in = totals.frames();
        let seconds = summary.elapsed.as_secs_f64();
        let counted = |kind: &str| -> BTreeMap<String, u64> {
            totals.counts.iter().filter_map(|(name, n)| Some((name.strip_prefix(kind)?.to_owned(), *n))).collect()
        };
        SummaryFile {
            frames_in,
            history_rows: totals.history_rows,
            late: totals.late,
            vehicles: summary.vehicles as u64,
            rejects: totals.rejects.clone(),
            alerts: totals.alerts.clone(),
            tables: totals.tables.clone(),
            too_late: counted("too_late."),
            errors: counted("errors."),
            sources: totals.frames_in.keys().map(|source| (source.clone(), of_source(totals, source))).collect(),
            lag: summary.lags.clone(),
            udp_datagrams: totals.of_sources("datagrams"),
            udp_kernel_drops: totals.of_sources("kernel_drops"),
            seconds,
            frames_per_second: frames_in as f64 / seconds.max(1e-9),
            cpu_seconds,
            peak_rss_bytes: usage().1,
            versions: summary.versions.iter().map(|(operator, of)| (operator.clone(), of.into())).collect(),
            damaged: summary.damaged.clone(),
            status: summary.status.clone(),
            degraded: summary.degraded,
        }
    }
}

fn of_source(totals: &Totals, source: &str) -> BTreeMap<String, u64> {
    let counters = totals.sources.get(source).into_iter().flatten().filter(|(_, count)| **count > 0);
    let mut all: BTreeMap<String, u64> = counters.map(|(name, count)| (name.clone(), *count)).collect();
    all.insert("frames_in".to_owned(), totals.frames_in.get(source).copied().unwrap_or(0));
    all
}

fn text(summary: &SummaryFile) -> anyhow::Result<String> {
    let version = |(operator, of): (&String, &Version)| {
        let json = json!({ "path": of.path, "version": of.version, "hash": of.hash, "refused": of.refused });
        (operator.clone(), json)
    };
    let versions: serde_json::Map<String, serde_json::Value> = summary.versions.iter().map(version).collect();
    let json = json!({
        "frames_in": summary.frames_in,
        "history_rows": summary.history_rows,
        "late": summary.late,
        "vehicles": summary.vehicles,
        "rejects": summary.rejects,
        "alerts": summary.alerts,
        "tables": summary.tables,
        "too_late": summary.too_late,
        "sources": summary.sources,
        "lag": summary.lag,
        "errors": summary.errors,
        "udp": { "datagrams": summary.udp_datagrams, "kernel_drops": summary.udp_kernel_drops },
        "seconds": summary.seconds,
        "frames_per_second": summary.frames_per_second,
        "cpu_seconds": summary.cpu_seconds,
        "peak_rss_bytes": summary.peak_rss_bytes,
        "versions": versions,
        "damaged": summary.damaged,
        "status": status(&summary.status),
        "degraded": { "times": summary.degraded.times, "seconds": summary.degraded.for_us as f64 / 1e6 },
    });
    Ok(serde_json::to_string_pretty(&json)? + "\n")
}

fn status(status: &Status) -> serde_json::Value {
    match status {
        Status::Degraded { since, why } => json!({ "is": status.name(), "since_us": since.0, "why": why }),
        Status::Ready | Status::Stopping => json!({ "is": status.name() }),
    }
}

/// The file that the summary goes to, opened before the run so that a mistake is told at once. What stands in it is
/// replaced by `write` and not before; a file that was not there is taken away again if there is nothing to write.
pub struct SummaryPlace {
    path: PathBuf,
    file: File,
    is_new: bool,
}

impl SummaryPlace {
    pub fn open(path: &Path) -> anyhow::Result<SummaryPlace> {
        let opened = match File::create_new(path) {
            Ok(file) => Ok((file, true)),
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
                File::options().write(true).open(path).map(|file| (file, false))
            }
            Err(cause) => Err(cause),
        };
        let (file, is_new) = opened.with_context(|| writing(path))?;
        Ok(SummaryPlace { path: path.to_owned(), file, is_new })
    }

    pub fn write(mut self, summary: &SummaryFile) -> anyhow::Result<()> {
        self.is_new = false;
        self.replace(&text(summary)?).with_context(|| writing(&self.path))
    }

    fn replace(&mut self, text: &str) -> io::Result<()> {
        // Pipes and terminals cannot be cut.
        if self.file.metadata()?.is_file() {
            self.file.set_len(0)?;
        }
        self.file.write_all(text.as_bytes())
    }
}

impl Drop for SummaryPlace {
    fn drop(&mut self) {
        if self.is_new {
            // The run has failed and says why; an empty file more or less does not matter.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn writing(path: &Path) -> String {
    format!("write the summary to {}", path.display())
}

/// CPU seconds of this process so far, and the most memory it has had, in bytes.
#[allow(unsafe_code, reason = "getrusage has no safe form in the standard library")]
pub fn usage() -> (f64, u64) {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: getrusage writes one rusage to the place it is given, and zeroes are a valid one if it fails.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    (seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_maxrss as u64 * 1024)
}
