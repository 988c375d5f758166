//! `rhumb tap`: what a running pipeline tells, as it tells it.

use super::{Exit, print_line, print_refused};
use crate::config::{Place, place};
use anyhow::Context;
use crossbeam_channel::after;
use rhumb_connectors::alerts::{Tail, Tailed, folder};
use rhumb_engine::sink::{INSTANCES, instance_folder};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often it is looked whether there is more.
const LOOK_EVERY: Duration = Duration::from_millis(20);

#[derive(clap::Args)]
pub struct Tap {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Alerts as they arise, from the alert log: one JSON object a line, in the order of their numbers
    Alerts(Alerts),
}

#[derive(clap::Args)]
struct Alerts {
    /// The pipeline's file
    pipeline: PathBuf,
    /// Number of the first alert
    #[arg(long, value_name = "SEQUENCE", default_value_t = 1)]
    from: i64,
    /// Of this instance, if several share the pipeline: each has a log of its own
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
    /// Wait for more, until Ctrl-C
    #[arg(long)]
    follow: bool,
}

/// Names of instances that have an alert log.
fn instances(data: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(data.join(INSTANCES)).into_iter().flatten().flatten();
    let with_log = entries.filter(|entry| folder(&entry.path()).is_dir());
    let mut names: Vec<String> = with_log.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    names
}

impl Tap {
    pub fn run(self) -> anyhow::Result<Exit> {
        let What::Alerts(alerts) = self.what;
        alerts.run()
    }
}

impl Alerts {
    fn run(&self) -> anyhow::Result<Exit> {
        let data = match place(&self.pipeline, &|name| std::env::var(name).ok()) {
            Ok(Place { data, .. }) => data,
            Err(mistakes) => {
                print_refused(&self.pipeline, mistakes);
                return Ok(Exit::Configuration);
            }
        };
        let folder = match &self.instance {
            Some(instance) => folder(&instance_folder(&data, instance)),
            None => folder(&data),
        };
        let instances = instances(&data);
        if !folder.is_dir() && !instances.is_empty() {
            let names = instances.join(", ");
            anyhow::bail!(
                "there is no alert log in {}: instances have their own; choose one with --instance: {names}",
                folder.display()
            );
        }
        if !self.follow && !folder.is_dir() {
            anyhow::bail!(
                "there is no alert log in {}: `rhumb run {}` writes one if a source is live, or with alert_log = \"fsync\" \
                 in [engine]; all committed alerts are in the lake: rhumb query {} \"select * from alerts\"",
                folder.display(),
                self.pipeline.display(),
                self.pipeline.display()
            );
        }
        let mut tail = Tail::new(&folder, self.from);
        loop {
            let mut lines = Vec::new();
            let found = tail.next(|number, _, record| lines.push(record.json(number).to_string()));
            match found.with_context(|| format!("read the alert log {}", folder.display()))? {
                Tailed::Some => {}
                Tailed::Gap(from, to) => {
                    lines.push(serde_json::json!({ "gap": { "from": from, "to": to - 1 } }).to_string());
                }
                Tailed::End if !self.follow => return Ok(Exit::Done),
                Tailed::End => drop(after(LOOK_EVERY).recv()),
            }
            for line in lines {
                if !print_line(&line)? {
                    return Ok(Exit::Done);
                }
            }
        }
    }
}
