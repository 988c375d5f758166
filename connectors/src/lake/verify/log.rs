//! One table's Delta log: its commits one by one, and the files that it names in the end.

use super::super::delta::{CHECKSUM_KEY, LOG_FOLDER};
use super::super::place::{Content, LakePlace};
use super::report::{Report, Wrong};
use futures::TryStreamExt;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{self, Read};
use tokio::runtime::Runtime;

/// A file that the log names.
pub struct Named {
    /// Relative to the table's folder.
    pub path: String,
    pub bytes: u64,
    pub rows: Option<u64>,
    pub checksum: Option<String>,
}

/// A table as its log has it.
pub struct Log {
    pub files: Vec<Named>,
    /// Files that are no longer part of the table, and may still stand there for readers of older versions.
    pub removed: HashSet<String>,
    /// The newest epoch in it of whoever made the last commit.
    pub epoch: Option<u64>,
}

/// Reads the log; `None` if it cannot be read, which has been told.
///
/// `application`: under which name the last commit is put there.
pub fn read(
    runtime: &Runtime,
    lake: &LakePlace,
    table: &str,
    pipeline: &str,
    application: &str,
    report: &mut Report,
) -> Option<Log> {
    let at = format!("lake/{table}/{LOG_FOLDER}");
    let broken = report.problems.len();
    commits(lake, table, &at, pipeline, report);
    #[allow(deprecated, reason = "the only way to a file's tags")]
    let read = runtime.block_on(async {
        let mut table = lake.handle(table)?;
        table.load().await?;
        let state = table.snapshot()?;
        let log_store = table.log_store();
        let epoch = state.transaction_version(log_store.as_ref(), application).await?;
        let removed =
            state.all_tombstones(log_store.as_ref()).map_ok(|gone| gone.path().into_owned()).try_collect().await?;
        let data = state.log_data();
        let files = data.iter().map(|view| {
            let add = view.add_action();
            let statistics: Value = add.stats.as_deref().and_then(|s| serde_json::from_str(s).ok()).unwrap_or_default();
            Named {
                bytes: u64::try_from(add.size).unwrap_or_default(),
                rows: statistics["numRecords"].as_u64(),
                checksum: add.tags.and_then(|mut tags| tags.remove(CHECKSUM_KEY)).flatten(),
                path: add.path,
            }
        });
        let epoch = epoch.and_then(|epoch| u64::try_from(epoch).ok());
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(Log { files: files.collect(), removed, epoch })
    });
    match read {
        Ok(log) => Some(log),
        Err(cause) => {
            // What is wrong with a single commit is the reason, and has been told with its file.
            if report.problems.len() == broken {
                report.wrong(Wrong::Log, at, format!("the table's log cannot be read: {cause}"));
            }
            None
        }
    }
}

fn text_of(content: Content) -> io::Result<String> {
    let mut text = String::new();
    match content {
        Content::File(mut file) => file.read_to_string(&mut text)?,
        Content::Bytes(bytes) => (&bytes[..]).read_to_string(&mut text)?,
    };
    Ok(text)
}

/// Looks at the commits that are not summed up yet: each there once, each epoch once, each file once.
fn commits(lake: &LakePlace, table: &str, at: &str, pipeline: &str, report: &mut Report) {
    let names = match lake.log_names(table) {
        Ok(names) => names,
        Err(cause) => return report.wrong(Wrong::Log, at, cause.to_string()),
    };
    let version = |name: &str, rest: &str| -> Option<u64> {
        let digits = name.get(..20)?;
        (name[20..].starts_with(rest) && name.ends_with(rest.trim_start_matches('.'))).then_some(digits.parse().ok()?)
    };
    let versions: BTreeSet<u64> = names.iter().filter_map(|name| version(name, ".json")).collect();
    let summed_up = names
        .iter()
        .filter(|name| name.ends_with(".parquet"))
        .filter_map(|name| name.get(..20)?.parse::<u64>().ok())
        .max();
    let Some(last) = versions.last().copied().max(summed_up) else {
        return report.wrong(Wrong::Log, at, "there is no commit in it");
    };
    for missing in (summed_up.map_or(0, |up_to| up_to + 1)..=last).filter(|version| !versions.contains(version)) {
        report.wrong(Wrong::MissingCommit, format!("{at}/{missing:020}.json"), "the commit is missing");
    }
    // Each instance of the pipeline counts epochs of its own.
    let (mut epochs, mut files) = (HashMap::<String, u64>::new(), HashSet::new());
    let is_ours =
        |application: &str| application.strip_prefix(pipeline).is_some_and(|of| of.is_empty() || of.starts_with('/'));
    for version in versions {
        let at = format!("{at}/{version:020}.json");
        let path = format!("{table}/{LOG_FOLDER}/{version:020}.json");
        let text = match lake.open(&path).and_then(text_of) {
            Ok(text) => text,
            // Summed up and deleted by a run since it was listed.
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => continue,
            Err(cause) => {
                report.wrong(Wrong::Log, at, cause.to_string());
                continue;
            }
        };
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let Ok(action) = serde_json::from_str::<Value>(line) else {
                report.wrong(Wrong::Log, &at, "it is not JSON");
                break;
            };
            let transaction = &action["txn"];
            if let (Some(by), Some(of)) = (transaction["appId"].as_str(), transaction["version"].as_u64())
                && is_ours(by)
            {
                let newest = epochs.entry(by.to_owned()).or_default();
                if of <= *newest {
                    report.wrong(Wrong::DoubledCommit, &at, format!("epoch {of} is committed a second time"));
                }
                *newest = of.max(*newest);
            }
            if let Some(path) = action["add"]["path"].as_str()
                && !files.insert(path.to_owned())
            {
                report.wrong(Wrong::DoubledCommit, &at, format!("it adds {path}, which the table has already"));
            }
            if let Some(path) = action["remove"]["path"].as_str() {
                files.remove(path);
            }
        }
    }
}
