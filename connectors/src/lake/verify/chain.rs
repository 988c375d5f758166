//! The chain of manifests, and the state, versions and accounts that the newest one names.

use super::report::{Report, Wrong};
use rhumb_engine::account::{self, Account, AccountError};
use rhumb_engine::checksum::Checksum;
use rhumb_engine::manifest::{self, Kind, Manifest, ManifestError};
use rhumb_engine::store::Store;
use std::collections::BTreeMap;

/// The newest manifest that can be read, once all are looked at; `None` if there is none.
pub fn newest(store: &Store, report: &mut Report) -> Result<Option<Manifest>, ManifestError> {
    let mut last: Option<Manifest> = None;
    for (path, read) in manifest::all(store)? {
        let manifest = match read {
            Ok(manifest) => manifest,
            // Deleted by a run since it was listed: newer ones follow.
            Err(ManifestError::Store(_)) => continue,
            Err(cause) => {
                report.wrong(Wrong::Manifest, path, cause.to_string());
                continue;
            }
        };
        if let Some(before) = &last {
            let (number, epoch) = (before.number + 1, epoch_after(before, &manifest));
            if manifest.number != number {
                report.wrong(Wrong::Manifest, path, format!("manifest {number} before it is missing"));
            } else if manifest.epoch != epoch {
                report.wrong(
                    Wrong::Manifest,
                    path,
                    format!("it is of epoch {}, after {}", manifest.epoch, before.epoch),
                );
            }
        }
        last = Some(manifest);
    }
    Ok(last)
}

/// The epoch that a manifest is to have which follows another.
fn epoch_after(before: &Manifest, manifest: &Manifest) -> u64 {
    let by = manifest.committed_by.as_ref().and_then(|name| before.instances.get(name));
    match (manifest.kind, by) {
        (Kind::Claim, _) => before.epoch,
        // An instance says at each commit what its next epoch will be called.
        (Kind::Commit, Some(instance)) => instance.next_epoch,
        (Kind::Commit, None) => before.epoch.max(before.epochs_given) + 1,
    }
}

/// State and versions of files that the newest manifest names, whole and as they were written.
pub fn check_state(store: &Store, last: &Manifest, report: &mut Report) {
    let mut unsure = 0;
    for file in &last.state {
        match store.get(&file.path) {
            Err(_) => report.wrong(Wrong::MissingFile, &file.path, "state of the last commit is gone"),
            Ok(bytes) if bytes.len() as u64 != file.bytes => {
                let detail = format!("it has {} bytes, {} were written", bytes.len(), file.bytes);
                report.wrong(Wrong::DamagedFile, &file.path, detail);
            }
            Ok(bytes) => match &file.checksum {
                Some(sum) if Checksum::of(&bytes) != *sum => {
                    report.wrong(Wrong::DamagedFile, &file.path, "its bytes do not have the checksum that was written");
                }
                Some(_) => {}
                None => unsure += 1,
            },
        }
    }
    if unsure > 0 {
        report.note(format!("{unsure} files of state have no checksum: an older version wrote them"));
    }
    let of_lanes = last.made_under.iter().flat_map(|group| group.references.values());
    for version in
        last.references.values().chain(of_lanes).flatten().filter(|version| store.get(&version.file).is_err())
    {
        report.wrong(Wrong::MissingFile, &version.file, format!("it held a version of {}, and is gone", version.path));
    }
}

/// The accounts of all epochs of which there are some, checked against the totals.
pub fn accounts(store: &Store, last: &Manifest, report: &mut Report) -> BTreeMap<u64, Account> {
    let accounts = match account::all(store, last) {
        Ok(accounts) => accounts,
        Err(cause @ AccountError::Malformed { .. }) => {
            report.wrong(Wrong::Manifest, account::FOLDER, cause.to_string());
            return BTreeMap::new();
        }
        Err(cause) => {
            report.wrong(Wrong::Manifest, account::FOLDER, rhumb_engine::run::with_causes(&cause));
            return BTreeMap::new();
        }
    };
    let first = accounts.keys().next().copied().unwrap_or(last.epoch + 1);
    // Epochs of instances that ended first were never committed.
    let is_shared = !last.instances.is_empty();
    if first > 1 && !is_shared {
        report.note(format!(
            "epochs 1 to {} were committed by an older version: what came in and went out in each of them is not known, \
             their files are checked as far as they tell themselves",
            first - 1
        ));
    }
    for epoch in (first..=last.epoch).filter(|epoch| !is_shared && !accounts.contains_key(epoch)) {
        report.wrong(Wrong::Manifest, account::FOLDER, format!("the account of epoch {epoch} is missing"));
    }
    let totals = &last.totals;
    let (frames_in, out) = (totals.frames(), totals.history_rows + totals.rejected());
    if frames_in != out {
        let detail = format!(
            "in all, {frames_in} frames came in, and {} history + {} rejects are {out}",
            totals.history_rows,
            totals.rejected()
        );
        report.wrong(Wrong::Frames, "manifests", detail);
    }
    if first == 1 || is_shared {
        for (source, total) in &totals.frames_in {
            let sum: u64 = accounts.values().filter_map(|account| account.frames_in.get(source)).sum();
            if sum != *total {
                let detail = format!("source {source}: {total} frames in all, {sum} in the accounts of the epochs");
                report.wrong(Wrong::Frames, account::FOLDER, detail);
            }
        }
    }
    accounts
}
