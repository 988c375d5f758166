//! `rhumb run`: runs a pipeline until its input ends or it is told to stop.

use super::summary::{self, SummaryFile, SummaryPlace};
use super::{Exit, instance, load_to_run, unread, usage};
use crate::build;
use crate::config::{Checked, JournalKind, SourceKind};
use crate::terminal::{LogFormat, grouped, log_to_stderr};
use anyhow::Context;
use crossbeam_channel::{Receiver, bounded};
use indicatif::ProgressBar;
use rhumb_connectors::codec::UNREADABLE;
use rhumb_engine::health::Status;
use rhumb_engine::run::{Pipeline, Running, Summary, Until, start, with_causes};
use rhumb_engine::time::SystemClock;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Ctrl-C (or SIGTERM) commits what has come and ends with exit code 0; the next run goes on from there.
#[derive(clap::Args)]
pub struct Run {
    /// File of the pipeline
    pipeline: PathBuf,
    /// End when all input has ended, and close all windows
    #[arg(long)]
    until_end: bool,
    /// Be one of several that share a pipeline of Kafka sources and its data folder, under this name
    #[arg(long, value_name = "NAME", value_parser = instance::name)]
    instance: Option<String>,
    /// Write what was done to this file, as JSON
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// How the log is written to standard error; json is an object a line, errors too
    #[arg(long, value_enum, default_value = "text")]
    log_format: LogFormat,
}

/// Between two lines of progress where there is no terminal.
const LOG_EVERY: Duration = Duration::from_secs(10);

impl Run {
    pub fn run(self) -> anyhow::Result<Exit> {
        log_to_stderr(self.log_format);
        match (self.log_format, self.go()) {
            // Whoever reads the log as JSON reads its end as JSON too.
            (LogFormat::Json, Err(error)) => {
                tracing::error!("{}", with_causes(error.as_ref()));
                Ok(Exit::Failed)
            }
            (_, ended) => ended,
        }
    }

    fn go(&self) -> anyhow::Result<Exit> {
        let Some(checked) = load_to_run(&self.pipeline, self.log_format) else { return Ok(Exit::Configuration) };
        if let Some(wrong) = self.endless(&checked).or_else(|| self.unshared(&checked)) {
            return Ok(match self.log_format {
                LogFormat::Text => usage(wrong),
                LogFormat::Json => {
                    tracing::error!("{wrong}");
                    Exit::Usage
                }
            });
        }
        let place = self.summary.as_deref().map(SummaryPlace::open).transpose()?;
        let stop = stop_signals().context("listen for signals")?;
        let until = if self.until_end { Until::End } else { Until::Stopped };
        let mut progress = Progress::new(until);
        let cpu_before = cpu_seconds();
        let summary = match &self.instance {
            Some(name) => instance::run(&checked, name, &stop, &mut progress)?,
            None => {
                let pipeline = build::pipeline(&checked, self.until_end)?;
                let running = start(&pipeline, Arc::new(SystemClock))?;
                tell_start(&pipeline, &checked);
                running.wait(until, &stop, |running| progress.show(running))?
            }
        };
        progress.end();
        let file = SummaryFile::new(&summary, cpu_seconds() - cpu_before);
        say_done(&summary, &file);
        if let Some(place) = place {
            place.write(&file)?;
        }
        if !file.errors.is_empty() {
            tracing::warn!(
                errors = %serde_json::json!(file.errors),
                "expressions could not be worked out for so many frames: their columns are null there, and filters have \
                 refused them; docs/EXPRESSIONS.md says when that is so"
            );
        }
        let (unread, is_all) = unread::find(&checked, &summary);
        if self.until_end && is_all && summary.damaged.is_none() {
            let told: Vec<String> = unread.iter().map(|(source, what)| format!("source {source}: {what}")).collect();
            let again = "the input counts as read now: to read it again, choose another data folder";
            anyhow::bail!("{}; {again}", told.join("; "));
        }
        unread.iter().for_each(|(source, what)| tracing::warn!(source, "{what}"));
        match summary.damaged {
            Some(damaged) => anyhow::bail!("{damaged}; everything before it is committed"),
            None => Ok(Exit::Done),
        }
    }

    /// Why the pipeline cannot have instances.
    fn unshared(&self, checked: &Checked) -> Option<String> {
        self.instance.as_ref()?;
        if self.until_end {
            return Some(
                "--until-end: what is left of the topics when an instance ends is for the others; leave it out"
                    .to_owned(),
            );
        }
        let others = checked.sources.iter().filter(|source| !matches!(source.kind, SourceKind::Kafka(_)));
        let others: Vec<&str> = others.map(|source| source.name.as_str()).collect();
        (!others.is_empty()).then(|| {
            format!(
                "--instance: instances share the partitions of Kafka's topics, and other sources ({}) have none; let a \
                 pipeline of its own bring them into a topic, as pipelines/gateway.toml does",
                others.join(", ")
            )
        })
    }

    /// Why `--until-end` makes no sense, if no source ends; where only some do, that is told.
    fn endless(&self, checked: &Checked) -> Option<String> {
        let live = checked.sources.iter().filter(|source| !source.ends());
        let live: Vec<&str> = live.map(|source| source.name.as_str()).collect();
        if !self.until_end || live.is_empty() {
            return None;
        }
        let names = live.join(", ");
        if live.len() == checked.sources.len() {
            let what = "is live, and its input never ends; leave it out: Ctrl-C commits and ends the run";
            return Some(format!("--until-end: every source ({names}) {what}"));
        }
        tracing::warn!(sources = names, "live sources never end: the run will wait for Ctrl-C in spite of --until-end");
        None
    }
}

pub(super) fn tell_start(pipeline: &Pipeline, checked: &Checked) {
    tracing::info!(pipeline = pipeline.name, data = %pipeline.place(), shards = pipeline.settings.shards, "running");
    for source in &checked.sources {
        let promise = match &source.kind {
            SourceKind::Udp(udp) => udp.journal.promise(),
            SourceKind::Tcp(_) => JournalKind::Off.promise().to_owned(),
            SourceKind::Kafka(_) | SourceKind::File(_) => continue,
        };
        tracing::info!(source = source.name, "{promise}");
    }
}

fn say_done(summary: &Summary, file: &SummaryFile) {
    tracing::info!(
        frames_in = file.frames_in,
        history_rows = file.history_rows,
        rejects = summary.totals.rejected(),
        alerts = summary.totals.alerts.values().sum::<u64>(),
        late = summary.totals.late,
        too_late = file.too_late.values().sum::<u64>(),
        seconds = (file.seconds * 10.0).round() / 10.0,
        frames_per_second = file.frames_per_second.round() as u64,
        "done"
    );
    for (operator, too_late) in &file.too_late {
        tracing::warn!(
            operator,
            too_late,
            "frames came too late for this operator and are in the history only: give them a longer lateness (a geofence \
             a longer path_keep), or sort the recording by time"
        );
    }
    for (source, counters) in &file.sources {
        for (counter, count) in counters {
            if let Some(field) = counter.strip_suffix(UNREADABLE) {
                tracing::warn!(source, field, count, "values that cannot be read were left out of their frames");
            }
        }
    }
}

/// Hears of Ctrl-C and SIGTERM. A second Ctrl-C ends the process at once.
pub(super) fn stop_signals() -> std::io::Result<Receiver<()>> {
    use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
    let (sender, stop) = bounded(1);
    let asked = Arc::new(std::sync::atomic::AtomicBool::new(false));
    // Somebody hears it, so that a write beyond a limit (`ulimit -f`) is an error like any other, not the end.
    signal_hook::flag::register(SIGXFSZ, Arc::default())?;
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, asked.clone())?;
        signal_hook::flag::register(signal, asked.clone())?;
    }
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    #[allow(clippy::disallowed_methods, reason = "waits for signals; no part of the data path")]
    std::thread::Builder::new().name("rhumb-signals".to_owned()).spawn(move || {
        if signals.forever().next().is_some() {
            // The run may be over already.
            let _ = sender.send(());
        }
    })?;
    Ok(stop)
}

/// A line that is rewritten on a terminal; a log line now and then elsewhere.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    frames: u64,
    /// By socket: dropped so far; none before the first look.
    shed: Vec<u32>,
    silent_s: u64,
    /// It has been said that all input has ended, or need not be.
    end_is_said: bool,
}

impl Progress {
    pub(super) fn new(until: Until) -> Progress {
        let bar = std::io::stderr().is_terminal().then(ProgressBar::new_spinner);
        Progress { bar, frames: 0, shed: Vec::new(), silent_s: 0, end_is_said: until != Until::Stopped }
    }

    /// Called once a second.
    pub(super) fn show(&mut self, running: &Running) {
        if running.has_all_input_ended() && !std::mem::replace(&mut self.end_is_said, true) {
            tracing::info!("all input has ended; waiting for more or Ctrl-C (use --until-end to end here)");
        }
        self.show_shed(running);
        let frames = running.frames();
        // An instance counts anew after each change of its partitions.
        let rate = frames.saturating_sub(std::mem::replace(&mut self.frames, frames));
        let counts = running.progress();
        let [rows, rejects, alerts, epochs] = [&counts.history_rows, &counts.rejects, &counts.alerts, &counts.epochs]
            .map(|count| count.load(Ordering::Relaxed));
        match &self.bar {
            Some(bar) => {
                let [frames, rate, rows, rejects, alerts, epochs] =
                    [frames, rate, rows, rejects, alerts, epochs].map(grouped);
                bar.set_message(format!(
                    "{frames} frames in, {rate}/s; {rows} in history, {rejects} rejected, {alerts} alerts, \
                     {epochs} epochs committed{}",
                    degraded(&running.status())
                ));
                bar.tick();
            }
            None => {
                self.silent_s += 1;
                if self.silent_s >= LOG_EVERY.as_secs() {
                    self.silent_s = 0;
                    let status = running.status();
                    tracing::info!(frames, frames_per_second = rate, rows, rejects, alerts, epochs, %status, "progress");
                }
            }
        }
    }

    /// Tells of each second in which datagrams came that nobody could read.
    fn show_shed(&mut self, running: &Running) {
        let now = running.shed();
        for ((source, now), before) in now.iter().zip(&self.shed) {
            let dropped = now.wrapping_sub(*before);
            if dropped > 0 {
                tracing::warn!(
                    source,
                    dropped,
                    "datagrams were dropped at the socket in the last second: they came faster than they were read"
                );
            }
        }
        self.shed = now.into_iter().map(|(_, count)| count).collect();
    }

    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// What is wrong, behind a line of progress.
fn degraded(status: &Status) -> String {
    match status {
        Status::Degraded { .. } => format!("; {status}"),
        Status::Ready | Status::Stopping => String::new(),
    }
}

/// CPU time of this process, user and system.
fn cpu_seconds() -> f64 {
    summary::usage().0
}
