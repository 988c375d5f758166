//! Manifests: the one record that makes an epoch real. A pipeline has one chain of them, numbered; creating the next
//! number is the commit. An engine starts with a claim, which takes a number too: whoever finds its number taken has
//! been overtaken by another engine, and stops.

use crate::account::{self, Account};
use crate::checksum::Checksum;
use crate::definition::Definitions;
use crate::lane::{Lane, LaneNumbers};
use crate::reference::{self, NewVersion, Records};
use crate::sink::Segment;
use crate::source::Position;
use crate::state::{self, StateError, StateTable};
use crate::store::{Store, StoreError};
use crate::time::{EventTime, SECOND_US};
use crate::totals::Totals;
use std::collections::BTreeMap;

const FOLDER: &str = "manifests";
const VERSION: u32 = 1;
/// Older manifests are deleted, with the state that only they name.
const KEPT: usize = 8;

#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error("manifest {path} cannot be read: {detail}")]
    Malformed { path: String, detail: String },
    #[error("manifest {path} has version {found}, this build reads up to {VERSION}: use the newer rhumb that wrote it")]
    Newer { path: String, found: u32 },
    #[error(
        "the data folder belongs to the pipeline \"{found}\", not to \"{wanted}\": give each pipeline a data folder of its own"
    )]
    OtherPipeline { found: String, wanted: String },
    #[error(
        "another engine has taken over this pipeline (manifest {number} is not ours): this one stops, and has committed nothing more"
    )]
    Fenced { number: u64 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An engine has started, and goes on from what the manifest before says, which is repeated here.
    Claim,
    Commit,
}

/// A state table in the store.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct StateFile {
    pub path: String,
    pub operator: String,
    pub table: String,
    pub version: u32,
    pub bytes: u64,
    /// Of all its bytes; `None` if an older version wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Manifest {
    pub version: u32,
    pub number: u64,
    pub pipeline: String,
    pub kind: Kind,
    /// Number of the claim of the engine that wrote it.
    pub claim: u64,
    /// Of which no other engine has the same: no two engines write the same bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub engine: String,
    /// The last epoch that is committed; 0 before the first.
    pub epoch: u64,
    pub positions: BTreeMap<String, Position>,
    /// Of sources whose partitions are lanes.
    #[serde(default, skip_serializing_if = "LaneNumbers::is_empty")]
    pub lanes: LaneNumbers,
    pub clocks: BTreeMap<u16, EventTime>,
    pub state: Vec<StateFile>,
    /// Of all operators that have ever committed here, as they were then.
    #[serde(default)]
    pub definitions: Definitions,
    /// Files that operators read beside frames, by operator: the version that the state was made under, and those that came
    /// after it. The last is in force for the rows after this commit.
    #[serde(default, skip_serializing_if = "Records::is_empty")]
    pub references: Records,
    pub segments: Vec<Segment>,
    /// Of the newest epochs; `account::all` gives those of all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<Account>,
    /// Number of the next alert.
    pub next_sequence: i64,
    /// Alerts of this number and later ones may stand in the alert log and will arise again; 0: as `next_sequence`.
    #[serde(default)]
    pub unmatched_sequence: i64,
    /// Vehicles silent for longer are offline, for whoever reads the current table of this commit.
    #[serde(default = "offline_after_us")]
    pub offline_after_us: i64,
    pub totals: Totals,
}

/// Of a manifest without it, and before the first commit.
fn offline_after_us() -> i64 {
    10 * 60 * SECOND_US
}

impl Manifest {
    /// How far event time had come in every lane that has seen a frame; `MIN` if none has.
    pub fn watermark(&self) -> EventTime {
        self.clocks.values().copied().min().unwrap_or(EventTime::MIN)
    }

    /// How far event time had come where it had come far: silence is measured against it.
    pub fn clock(&self) -> EventTime {
        EventTime::reached_by_some(self.clocks.values().copied())
    }

    pub fn clocks(&self) -> impl Iterator<Item = (Lane, EventTime)> + '_ {
        self.clocks.iter().map(|(lane, clock)| (Lane(*lane), *clock))
    }
}

fn path(number: u64) -> String {
    format!("{FOLDER}/{number:020}.json")
}

/// The chain of one pipeline, as seen by one engine.
pub struct Chain {
    store: Store,
    last: Manifest,
}

impl Chain {
    /// Reads the last manifest and claims the pipeline.
    pub fn claim(store: Store, pipeline: &str) -> Result<Chain, ManifestError> {
        Chain::claim_with(store, pipeline, |_, _| Ok(()))
    }

    /// As `claim`. `add` may add to what the claim says; it is called again where another engine was quicker.
    pub fn claim_with(
        store: Store,
        pipeline: &str,
        mut add: impl FnMut(&Store, &mut Manifest) -> Result<(), ManifestError>,
    ) -> Result<Chain, ManifestError> {
        loop {
            let mut last = match newest(&store)? {
                Some(last) => last,
                None => Manifest {
                    version: VERSION,
                    number: 0,
                    pipeline: pipeline.to_owned(),
                    kind: Kind::Claim,
                    claim: 0,
                    engine: String::new(),
                    epoch: 0,
                    positions: BTreeMap::new(),
                    lanes: LaneNumbers::new(),
                    clocks: BTreeMap::new(),
                    state: Vec::new(),
                    definitions: Definitions::new(),
                    references: Records::new(),
                    segments: Vec::new(),
                    accounts: Vec::new(),
                    next_sequence: 1,
                    unmatched_sequence: 1,
                    offline_after_us: offline_after_us(),
                    totals: Totals::default(),
                },
            };
            if last.pipeline != pipeline {
                return Err(ManifestError::OtherPipeline { found: last.pipeline, wanted: pipeline.to_owned() });
            }
            last.number += 1;
            last.kind = Kind::Claim;
            last.claim = last.number;
            last.engine = store.identity().to_owned();
            add(&store, &mut last)?;
            if create(&store, &last)? {
                return Ok(Chain { store, last });
            }
        }
    }

    pub fn last(&self) -> &Manifest {
        &self.last
    }

    pub fn claim_number(&self) -> u64 {
        self.last.claim
    }

    /// The state that the last manifest names.
    pub fn state(&self) -> Result<Vec<StateTable>, ManifestError> {
        read_state(&self.store, &self.last, |_| true)
    }

    /// Makes state durable under names that no other engine uses.
    pub fn write_state(&self, epoch: u64, tables: Vec<StateTable>) -> Result<Vec<StateFile>, ManifestError> {
        let write = |(n, t): (usize, StateTable)| {
            let path = format!("state/{:010}-{epoch:010}/{n:04}-{}-{}.arrow", self.last.claim, t.operator, t.table);
            let bytes = state::encode(&t.rows);
            let file = StateFile {
                path: path.clone(),
                operator: t.operator,
                table: t.table,
                version: t.version,
                bytes: bytes.len() as u64,
                checksum: Some(Checksum::of(&bytes)),
            };
            self.store.put(&path, bytes)?;
            Ok(file)
        };
        tables.into_iter().enumerate().map(write).collect()
    }

    /// Makes durable what new versions hold.
    pub fn write_references(&self, changes: &[NewVersion]) -> Result<(), ManifestError> {
        changes.iter().try_for_each(|new| Ok(self.store.put(&new.record.file, new.bytes.to_vec())?))
    }

    /// The accounts that the next manifest holds: those of the last one, and a new one.
    pub fn accounts(&self, new: Account) -> Result<Vec<Account>, ManifestError> {
        Ok(account::keep(&self.store, &self.last, new)?)
    }

    /// **The commit.** `next` has everything but number, kind and claim.
    pub fn commit(&mut self, next: Manifest) -> Result<(), ManifestError> {
        let number = self.last.number + 1;
        let next =
            Manifest { number, kind: Kind::Commit, claim: self.last.claim, engine: self.last.engine.clone(), ..next };
        if !create(&self.store, &next)? {
            return Err(ManifestError::Fenced { number });
        }
        self.last = next;
        Ok(())
    }

    /// Deletes manifests and state that nothing needs any more.
    pub fn clean(&self) -> Result<(), ManifestError> {
        let manifests = self.store.list(FOLDER)?;
        let old = manifests.len().saturating_sub(KEPT);
        for path in &manifests[..old] {
            self.store.delete(path)?;
        }
        let mut needed = std::collections::BTreeSet::new();
        for path in manifests[old..].iter().rev().take(2) {
            let manifest = read(&self.store, path)?;
            needed.extend(manifest.state.into_iter().map(|file| file.path));
            needed.extend(manifest.references.into_values().flatten().map(|version| version.file));
        }
        for folder in ["state", reference::FOLDER] {
            for path in self.store.list(folder)?.into_iter().filter(|path| !needed.contains(path)) {
                self.store.delete(&path)?;
            }
        }
        Ok(())
    }
}

/// All manifests that there still are, by number, with their paths: each, or what is wrong with it.
#[allow(clippy::type_complexity, reason = "a list of paths and what is there")]
pub fn all(store: &Store) -> Result<Vec<(String, Result<Manifest, ManifestError>)>, ManifestError> {
    let of_path = |path: String| {
        let manifest = read(store, &path);
        (path, manifest)
    };
    Ok(store.list(FOLDER)?.into_iter().map(of_path).collect())
}

/// The newest manifest of a data folder, for readers that claim nothing.
pub fn newest(store: &Store) -> Result<Option<Manifest>, ManifestError> {
    match store.list(FOLDER)?.last() {
        Some(path) => read(store, path).map(Some),
        None => Ok(None),
    }
}

/// The state that a manifest names, as far as it is wanted.
pub fn read_state(
    store: &Store,
    manifest: &Manifest,
    wanted: impl Fn(&StateFile) -> bool,
) -> Result<Vec<StateTable>, ManifestError> {
    let read = |file: &StateFile| {
        let rows = state::decode(&file.table, &store.get(&file.path)?)?;
        Ok(StateTable { operator: file.operator.clone(), table: file.table.clone(), version: file.version, rows })
    };
    manifest.state.iter().filter(|file| wanted(file)).map(read).collect()
}

fn create(store: &Store, manifest: &Manifest) -> Result<bool, ManifestError> {
    let json = serde_json::to_vec_pretty(manifest).expect("a manifest has a JSON form");
    Ok(store.create(&path(manifest.number), json)?)
}

fn read(store: &Store, path: &str) -> Result<Manifest, ManifestError> {
    let bytes = store.get(path)?;
    let malformed = |e: serde_json::Error| ManifestError::Malformed { path: path.to_owned(), detail: e.to_string() };
    #[derive(serde::Deserialize)]
    struct Version {
        version: u32,
    }
    let Version { version } = serde_json::from_slice(&bytes).map_err(malformed)?;
    if version > VERSION {
        return Err(ManifestError::Newer { path: path.to_owned(), found: version });
    }
    serde_json::from_slice(&bytes).map_err(malformed)
}

#[cfg(test)]
mod tests;
