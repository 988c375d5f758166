//! `rhumb run --instance`: one of several that share a pipeline. Whenever its consumer group gives it other partitions, the
//! engine commits and ends, and another one begins with what there is then: restored from the chain of manifests, as after
//! any end (docs/adr/0022).

use super::run::{Progress, tell_start};
use crate::build::{self, Members};
use crate::config::{Checked, SourceKind};
use anyhow::Context;
use crossbeam_channel::{Receiver, Sender, bounded, select};
use rhumb_connectors::kafka::Member;
use rhumb_engine::manifest::ManifestError;
use rhumb_engine::run::{Ended, RunError, Seat, Summary, Until, start, with_causes};
use rhumb_engine::time::{SystemClock, monotonic_now};
use rhumb_engine::trouble::{Verdict, verdict};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// So often in a row an instance may find its lanes claimed by others before it ends.
const FENCED_MAX: u32 = 5;
/// Between two starts while storage refuses.
const TRY_EVERY: Duration = Duration::from_secs(1);
/// Characters of a name.
const NAME_MAX: usize = 64;

/// The name of a folder, on every system.
pub(super) fn name(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    match text {
        "" => Err("an instance has a name".to_owned()),
        _ if text.len() > NAME_MAX => Err(format!("at most {NAME_MAX} characters")),
        _ if text.starts_with('.') || !text.chars().all(is_plain) => {
            Err("letters, digits, hyphens, underscores and dots, the first no dot".to_owned())
        }
        _ => Ok(text.to_owned()),
    }
}

/// Runs until it is told to stop, or has failed.
pub(super) fn run(
    checked: &Checked,
    name: &str,
    stop: &Receiver<()>,
    progress: &mut Progress,
) -> anyhow::Result<Summary> {
    let seat = Arc::new(Seat::take(&checked.data, name)?);
    // One word is enough, however many there are to say it.
    let (changed, leave) = bounded(1);
    let mut members = join(checked, &changed)?;
    let mut done: Option<Summary> = None;
    let (mut fenced, mut is_waiting) = (0, false);
    // It has run once; what a start then meets may be the trouble of a moment.
    let (mut has_begun, mut refused): (bool, Option<Instant>) = (false, None);
    tracing::info!(instance = name, "joining the consumer group");
    loop {
        members.values().for_each(|member| member.give_back());
        while leave.try_recv().is_ok() {}
        let taken: BTreeSet<String> = members.values().flat_map(|member| member.take().own).collect();
        if taken.is_empty() {
            if !std::mem::replace(&mut is_waiting, true) {
                tracing::info!(instance = name, "waiting for partitions");
            }
            select! {
                recv(stop) -> _ => break,
                recv(leave) -> _ => continue,
            }
        }
        is_waiting = false;
        let pipeline = build::shared(checked, false, Some(seat.clone()), &members)?;
        let partitions = taken.into_iter().collect::<Vec<_>>().join(", ");
        let started = start(&pipeline, Arc::new(SystemClock));
        if let Err(error) = &started
            && has_begun
            && may_mend(error)
            && refused.get_or_insert_with(monotonic_now).elapsed() < pipeline.settings.retry_for
        {
            tracing::warn!(instance = name, "storage refuses: {}; tried again while others go on", with_causes(error));
            select! {
                recv(stop) -> _ => break,
                default(TRY_EVERY) => continue,
            }
        }
        let ended = started.and_then(|running| {
            if !std::mem::replace(&mut has_begun, true) {
                tell_start(&pipeline, checked);
            }
            refused = None;
            tracing::info!(instance = name, partitions, "has these partitions");
            running.wait_or_leave(Until::Stopped, stop, &leave, |running| progress.show(running))
        });
        match ended {
            Ok((summary, why)) => {
                fenced = 0;
                match &mut done {
                    Some(done) => done.add(summary),
                    None => done = Some(summary),
                }
                if why != Ended::Left {
                    break;
                }
            }
            Err(RunError::Manifest(ManifestError::Fenced { .. })) if fenced < FENCED_MAX => {
                fenced += 1;
                tracing::warn!(
                    instance = name,
                    "others have taken over partitions of this instance, which the group thought gone: what was read since \
                     the last commit is theirs to read; joining the group again"
                );
                drop(std::mem::take(&mut members));
                members = join(checked, &changed)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    members.values().for_each(|member| member.give_back());
    Ok(done.unwrap_or_default())
}

/// Whether a start may succeed later, as it stands.
fn may_mend(error: &RunError) -> bool {
    let is_of_storage = matches!(error, RunError::Manifest(ManifestError::Store(_)) | RunError::Sink(_));
    is_of_storage && verdict(error) == Verdict::Again
}

/// A member of each source's group.
fn join(checked: &Checked, changed: &Sender<()>) -> anyhow::Result<Members> {
    let mut members = Members::new();
    for source in &checked.sources {
        if let SourceKind::Kafka(config) = &source.kind {
            let member = Member::join(&source.name, config, changed.clone()).context("join the consumer group")?;
            members.insert(source.name.clone(), Arc::new(member));
        }
    }
    Ok(members)
}
