//! `rhumb rejects`: what was refused, how much of it waits, and the rows.

use super::Exit;
use super::query::{Answer, Whose};
use super::redrive::Redrive;
use crate::terminal::Instant;
use anyhow::Context;
use rhumb_connectors::redrive::{EPOCH_PLACES, POSITION};
use rhumb_engine::bucket::DataPlace;
use rhumb_engine::manifest;
use rhumb_engine::reject::Reason;
use rhumb_engine::source::Position;
use rhumb_query::{Limits, Session};

#[derive(clap::Args)]
pub struct Rejects {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Count them by source, reason and state, or show them (--rows)
    List(List),
    /// Run them through the pipeline again, as it is now: each once
    Redrive(Redrive),
}

/// Which rejects.
#[derive(clap::Args)]
pub(super) struct Which {
    /// Of these reasons, separated by commas (docs/REJECTS.md has all)
    #[arg(long, value_name = "REASON", value_delimiter = ',', value_parser = reason)]
    pub reason: Vec<Reason>,
    /// Of these sources
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub source: Vec<String>,
}

#[derive(clap::Args)]
struct List {
    #[command(flatten)]
    whose: Whose,
    #[command(flatten)]
    which: Which,
    /// Of these vehicles
    #[arg(long, value_name = "ID")]
    vehicle: Vec<String>,
    /// From this time on, such as 2026-01-05T06:00:00Z: the frame's own, or where it has none that could be read, of receipt
    #[arg(long, value_name = "TIME")]
    from: Option<Instant>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    to: Option<Instant>,
    /// Show the rejects themselves, in the order in which they were refused
    #[arg(long)]
    rows: bool,
    /// With --rows: at most so many
    #[arg(long, value_name = "N", requires = "rows")]
    limit: Option<u64>,
    #[command(flatten)]
    answer: Answer,
}

fn reason(name: &str) -> Result<Reason, String> {
    Reason::named(name).ok_or_else(|| {
        let all: Vec<&str> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        format!("there is no such reason; there are {}", all.join(", "))
    })
}

impl Rejects {
    pub fn run(self) -> anyhow::Result<Exit> {
        match self.what {
            What::List(command) => command.run(),
            What::Redrive(command) => command.run(),
        }
    }
}

impl List {
    fn run(self) -> anyhow::Result<Exit> {
        let Some(lake) = self.whose.lake()? else { return Ok(Exit::Configuration) };
        let session = lake.open(Limits::default())?;
        let with_state = with_state(&session, &position(&lake.data)?)?;
        let wanted = self.condition();
        let sql = match self.rows {
            true => {
                let limit = self.limit.map_or_else(String::new, |rows| format!(" limit {rows}"));
                format!(
                    "select * exclude (place, event_date) from ({with_state}) where {wanted} order by epoch, number{limit}"
                )
            }
            false => format!(
                "select source, reason, state, count(*) as rejects, count(distinct vehicle_id) as vehicles, \
                 min(coalesce(event_time, received_at)) as first, max(coalesce(event_time, received_at)) as last \
                 from ({with_state}) where {wanted} group by source, reason, state order by source, rejects desc, reason, state"
            ),
        };
        self.answer.give(&session, &sql)
    }

    fn condition(&self) -> String {
        let time = "coalesce(event_time, received_at)";
        let bound = |at: Instant, compare: &str| format!("{time} {compare} {}", at.sql());
        let mut all = self.which.conditions();
        all.extend((!self.vehicle.is_empty()).then(|| one_of("vehicle_id", &self.vehicle)));
        all.extend(self.from.map(|at| bound(at, ">=")));
        all.extend(self.to.map(|at| bound(at, "<")));
        all_of(&all)
    }
}

impl Which {
    pub fn conditions(&self) -> Vec<String> {
        let reasons: Vec<&str> = self.reason.iter().map(|reason| reason.name()).collect();
        let reasons = (!reasons.is_empty()).then(|| one_of("reason", &reasons));
        let sources = (!self.source.is_empty()).then(|| one_of("source", &self.source));
        reasons.into_iter().chain(sources).collect()
    }
}

pub(super) fn all_of(conditions: &[String]) -> String {
    if conditions.is_empty() { "true".to_owned() } else { conditions.join(" and ") }
}

pub(super) fn one_of(column: &str, values: &[impl AsRef<str>]) -> String {
    let values: Vec<String> = values.iter().map(|value| quoted(value.as_ref())).collect();
    format!("{column} in ({})", values.join(", "))
}

/// A text in SQL.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// How far rejects of a data folder have been redriven.
pub(super) fn position(data: &DataPlace) -> anyhow::Result<Position> {
    let store = data.store().with_context(|| format!("open the data folder {data}"))?;
    let last = manifest::newest(&store)?;
    Ok(last.and_then(|mut last| last.positions.remove(POSITION)).unwrap_or_default())
}

/// The rejects, with `place` and `state`: `waiting` to be redriven; `redriven`; `failed_again`, which had been redriven
/// when they were refused; `unnumbered`, which an older version wrote and cannot be redriven.
pub(super) fn with_state(session: &Session, position: &Position) -> anyhow::Result<String> {
    let sql = "select column_name from information_schema.columns where table_name = 'rejects'";
    let (_, batches) = session.collect(sql)?;
    let has = |column: &str| {
        batches.iter().any(|batch| {
            let names = arrow::compute::cast(batch.column(0), &arrow::datatypes::DataType::Utf8);
            names.is_ok_and(|names| {
                arrow::array::AsArray::as_string::<i32>(&names).iter().flatten().any(|n| n == column)
            })
        })
    };
    anyhow::ensure!(has("reason"), "the lake has no table rejects: nothing was ever run there");
    // A table that an older version wrote has neither until the next run.
    let (number, again) = match has("number") && has("redriven") {
        true => ("number", "coalesce(redriven, false)"),
        false => ("cast(null as bigint)", "false"),
    };
    let whens: Vec<String> =
        position.offsets.iter().map(|(partition, place)| format!("when {} then {place}", quoted(partition))).collect();
    let next = match whens.is_empty() {
        true => "0".to_owned(),
        false => format!(
            "case source || '/' || reason || case when {again} then '/again' else '' end {} else 0 end",
            whens.join(" ")
        ),
    };
    let place = format!("epoch * {EPOCH_PLACES} + {number}");
    let exclude: Vec<&str> = ["number", "redriven"].into_iter().filter(|column| has(column)).collect();
    let rest = if exclude.is_empty() { "*".to_owned() } else { format!("* exclude ({})", exclude.join(", ")) };
    Ok(format!(
        "select {rest}, {number} as number, {again} as redriven, {place} as place, case when {number} is null then 'unnumbered' \
         when {place} < {next} then 'redriven' when {again} then 'failed_again' else 'waiting' end as state from rejects"
    ))
}
