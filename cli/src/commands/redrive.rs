//! `rhumb rejects redrive`: rejects through the pipeline again, as it is now, each once.

use super::query::Lake;
use super::rejects::{Which, all_of, one_of, position, quoted, with_state};
use super::run::{Progress, stop_signals};
use super::{Exit, load_pipeline, print_line, usage};
use crate::build;
use crate::config::{Checked, SourceKind, SourceMeans};
use crate::terminal::{LogFormat, log_to_stderr};
use anyhow::Context;
use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use rhumb_connectors::file::head;
use rhumb_connectors::lake::LakePlan;
use rhumb_connectors::redrive::{
    Came, EPOCH_PLACES, OpenRejected, RedrivePlan, Rejected, is_kept, is_only_if_named, partition,
};
use rhumb_engine::bucket::DataPlace;
use rhumb_engine::reject::Reason;
use rhumb_engine::run::{Pipeline, Summary, Until, start};
use rhumb_engine::source::SourcePlan;
use rhumb_engine::time::SystemClock;
use rhumb_query::{Limits, RowStream, Session};
use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(clap::Args)]
pub(super) struct Redrive {
    /// File of the pipeline, which must not be running
    pipeline: PathBuf,
    #[command(flatten)]
    which: Which,
    /// Also those that were redriven before and failed again
    #[arg(long)]
    again: bool,
}

/// What is to go in: by source and reason how many, in their states.
type Waiting = BTreeMap<(String, String, String), u64>;

impl Redrive {
    pub fn run(self) -> anyhow::Result<Exit> {
        if let Some(lost) = self.which.reason.iter().find(|reason| !is_kept(**reason)) {
            return Ok(usage(format!(
                "--reason {}: of such a datagram too little was kept to redrive it",
                lost.name()
            )));
        }
        log_to_stderr(LogFormat::Text);
        let Some(checked) = load_pipeline(&self.pipeline) else { return Ok(Exit::Configuration) };
        if let Some(unknown) = self.which.source.iter().find(|name| checked.sources.iter().all(|of| of.name != **name))
        {
            let names: Vec<&str> = checked.sources.iter().map(|source| source.name.as_str()).collect();
            return Ok(usage(format!(
                "--source {unknown}: the pipeline has no such source; it has {}",
                names.join(", ")
            )));
        }
        let Some(lake) = Lake::of_pipeline(&self.pipeline)? else { return Ok(Exit::Configuration) };
        let waiting = waiting(&lake, &all_of(&self.which.conditions()))?;
        let sources = self.sources(&checked, &lake.data, &waiting)?;
        self.tell_left(&checked, &waiting);
        if sources.is_empty() {
            print_line("nothing to redrive")?;
            return Ok(Exit::Done);
        }
        let pipeline = Pipeline {
            sources,
            sinks: vec![Arc::new(LakePlan::default().redriving())],
            ..build::pipeline(&checked, false)?
        };
        let stop = stop_signals().context("listen for signals")?;
        let running = start(&pipeline, Arc::new(SystemClock))?;
        let mut progress = Progress::new(Until::Read);
        let summary = running.wait(Until::Read, &stop, |running| progress.show(running))?;
        progress.end();
        print_line(&told(&summary))?;
        match summary.damaged {
            Some(damaged) => anyhow::bail!("{damaged}; everything before it is committed"),
            None => Ok(Exit::Done),
        }
    }

    /// Whether a reason is to go in.
    fn takes(&self, reason: Reason) -> bool {
        match self.which.reason.is_empty() {
            true => is_kept(reason) && !is_only_if_named(reason),
            false => self.which.reason.contains(&reason),
        }
    }

    fn takes_state(&self, state: &str) -> bool {
        state == "waiting" || (self.again && state == "failed_again")
    }

    /// One for each source of the pipeline, so that each goes on knowing how long its vehicles have been silent; none if
    /// nothing is to go in.
    fn sources(
        &self,
        checked: &Checked,
        data: &DataPlace,
        waiting: &Waiting,
    ) -> anyhow::Result<Vec<(Arc<dyn SourcePlan>, bool)>> {
        let mut plans: Vec<(Arc<dyn SourcePlan>, bool)> = Vec::new();
        let due_of = |means: &SourceMeans| -> Vec<Reason> {
            let is_due = |reason: &Reason| {
                let of = |(source, name, state): &(String, String, String)| {
                    *source == means.name && self.takes_state(state) && name == reason.name()
                };
                self.takes(*reason) && waiting.keys().any(of)
            };
            Reason::ALL.iter().copied().filter(is_due).collect()
        };
        if checked.sources.iter().all(|means| due_of(means).is_empty()) {
            return Ok(plans);
        }
        for means in &checked.sources {
            let plan = RedrivePlan {
                source: means.name.clone(),
                codec: build::codec(&means.codec)?,
                came: came(means),
                open: opener(data, &means.name, due_of(means), self.again),
            };
            plans.push((Arc::new(plan), means.rollover));
        }
        Ok(plans)
    }

    /// Says what stays, and why.
    fn tell_left(&self, checked: &Checked, waiting: &Waiting) {
        for ((source, reason, state), rejects) in waiting {
            let why = match (Reason::named(reason), state.as_str()) {
                (_, "redriven") => continue,
                (_, "unnumbered") => "an older version wrote them, without numbers to tell them apart by",
                _ if checked.sources.iter().all(|of| of.name != *source) => "the pipeline no longer has the source",
                (None, _) => "this version does not know the reason",
                (Some(reason), _) if !is_kept(reason) => "too little was kept of them",
                (Some(reason), _) if !self.takes(reason) => {
                    "they come from strangers: name the reason with --reason to redrive them"
                }
                (_, "failed_again") if !self.again => {
                    "they were redriven before and refused again: --again redrives them"
                }
                _ => continue,
            };
            tracing::info!(source, reason, rejects, "{why}");
        }
    }
}

fn told(summary: &Summary) -> String {
    let totals = &summary.totals;
    let [redriven, empty] = ["redriven", "redriven_empty"].map(|counter| totals.of_sources(counter));
    let reasons: Vec<String> = totals.rejects.iter().map(|(reason, n)| format!("{reason} {n}")).collect();
    let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
    let empty = if empty == 0 { String::new() } else { format!(", {empty} held no frame") };
    format!(
        "{redriven} rejects redriven: {} frames accepted, {} refused again{reasons}{empty}",
        totals.history_rows,
        totals.rejected()
    )
}

fn waiting(lake: &Lake, wanted: &str) -> anyhow::Result<Waiting> {
    let session = lake.open(Limits::default())?;
    let all = with_state(&session, &position(&lake.data)?)?;
    let sql = format!(
        "select source, reason, state, count(*) as n from ({all}) where {wanted} group by source, reason, state"
    );
    let mut waiting = Waiting::new();
    for batch in session.collect(&sql)?.1 {
        let texts = (0..3).map(|at| cast(batch.column(at), &DataType::Utf8)).collect::<Result<Vec<_>, _>>()?;
        let counts = batch.column(3).as_primitive::<Int64Type>();
        for row in 0..batch.num_rows() {
            let [source, reason, state] = [0, 1, 2].map(|at| texts[at].as_string::<i32>().value(row).to_owned());
            waiting.insert((source, reason, state), counts.value(row).unsigned_abs());
        }
    }
    Ok(waiting)
}

fn came(means: &SourceMeans) -> Came {
    match &means.kind {
        SourceKind::Udp(_) => Came::Datagrams,
        SourceKind::Kafka(_) => Came::Records,
        SourceKind::Tcp(_) => Came::Stream(Arc::new(|_| None)),
        SourceKind::File(file) => {
            let files = file.files.clone();
            // A partition is named by the end of its file's path.
            let of_partition = move |partition: &str| {
                let file = files.iter().find(|file| file.ends_with(Path::new(partition)))?;
                head(file).ok().map(|head| head.bytes)
            };
            Came::Stream(Arc::new(of_partition))
        }
    }
}

/// Reads rejects of one source in the order in which they were refused, from where its partitions have come.
fn opener(data: &DataPlace, source: &str, reasons: Vec<Reason>, again: bool) -> OpenRejected {
    struct Rows(RowStream);
    impl Rejected for Rows {
        fn next(&mut self) -> Result<Option<RecordBatch>, Box<dyn Error + Send + Sync>> {
            Ok(self.0.next_batch()?)
        }
    }
    struct Nothing;
    impl Rejected for Nothing {
        fn next(&mut self) -> Result<Option<RecordBatch>, Box<dyn Error + Send + Sync>> {
            Ok(None)
        }
    }
    let (data, source) = (data.clone(), source.to_owned());
    Arc::new(move |next: &BTreeMap<String, i64>| {
        if reasons.is_empty() {
            return Ok(Box::new(Nothing) as Box<dyn Rejected>);
        }
        let of_partition = |reason: &Reason, again: bool| {
            let from = next.get(&partition(&source, reason.name(), again)).copied().unwrap_or(0);
            let redriven = if again { "coalesce(redriven, false)" } else { "not coalesce(redriven, false)" };
            format!(
                "({} and {redriven} and epoch * {EPOCH_PLACES} + number >= {from})",
                one_of("reason", &[reason.name()])
            )
        };
        let mut partitions: Vec<String> = reasons.iter().map(|reason| of_partition(reason, false)).collect();
        if again {
            partitions.extend(reasons.iter().map(|reason| of_partition(reason, true)));
        }
        let sql = format!(
            "select epoch, number, reason, redriven, \"partition\", \"offset\", received_at, lat, lon, raw from rejects \
             where source = {} and number is not null and ({}) order by epoch, number",
            quoted(&source),
            partitions.join(" or ")
        );
        // One thread: the engine runs beside it.
        let limits = Limits { threads: 1, ..Limits::default() };
        Ok(Box::new(Rows(Session::open(&data, limits)?.stream(&sql)?)) as Box<dyn Rejected>)
    })
}
