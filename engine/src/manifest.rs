//! Manifests: the one record that makes an epoch real. A pipeline has one chain of them, numbered; creating the next
//! number is the commit. An engine starts with a claim, which takes a number too: whoever finds its number taken has
//! been overtaken by another engine, and stops. Instances that share a pipeline claim lanes instead, and go on as long as
//! theirs are their own (`share`).

mod clean;
mod share;

pub use share::{Instance, MadeUnder, Partitions, Share};

use crate::account::{self, Account};
use crate::checksum::Checksum;
use crate::definition::Definitions;
use crate::lane::{Lane, LaneNumbers};
use crate::reference::{NewVersion, Records};
use crate::sink::Segment;
use crate::source::Position;
use crate::state::{self, StateError, StateTable};
use crate::store::{Store, StoreError};
use crate::time::{EventTime, SECOND_US};
use crate::totals::Totals;
use std::collections::{BTreeMap, BTreeSet};

const FOLDER: &str = "manifests";
/// Of a pipeline that instances share, or have shared; others write 1, which older versions read.
const VERSION: u32 = 2;
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
    #[error("{times} times in a row another instance was quicker with its commit: nothing more was committed here")]
    Overtaken { times: u32 },
    #[error("there are no more lanes: every partition that this data folder has ever read has one")]
    NoLane,
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
    /// Lanes whose rows of it count: those of others are older than what stands elsewhere. `None`: of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lanes: Option<BTreeSet<u16>>,
    /// Of what is put together from lanes: the instance that goes on with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
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
    /// The epoch of the last commit; 0 before the first.
    pub epoch: u64,
    /// The instance that committed it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed_by: Option<String>,
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
    /// By lanes, where instances share them: as `references`, which are those of whoever wrote last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub made_under: Vec<MadeUnder>,
    /// Of the last commit.
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
    /// By name: all instances that there have been. An engine that has the pipeline to itself has an empty name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub instances: BTreeMap<String, Instance>,
    /// The highest number that an epoch was given; epochs of instances that ended first are never committed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub epochs_given: u64,
    /// So many instances have had a part of their own in what is put together from lanes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub parts_given: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde wants it")]
fn is_zero(n: &u64) -> bool {
    *n == 0
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
    /// Our newest, which an instance's next one need not follow.
    last: Manifest,
    /// Of an instance.
    ours: Option<share::Ours>,
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
        add: impl FnMut(&Store, &mut Manifest) -> Result<(), ManifestError>,
    ) -> Result<Chain, ManifestError> {
        Chain::claim_for(store, pipeline, None, add)
    }

    /// As `claim_with`; of an instance, which claims lanes alone.
    pub fn claim_for(
        store: Store,
        pipeline: &str,
        share: Option<&Share>,
        mut add: impl FnMut(&Store, &mut Manifest) -> Result<(), ManifestError>,
    ) -> Result<Chain, ManifestError> {
        loop {
            let mut last = newest(&store)?.unwrap_or_else(|| none_yet(pipeline));
            if last.pipeline != pipeline {
                return Err(ManifestError::OtherPipeline { found: last.pipeline, wanted: pipeline.to_owned() });
            }
            last.number += 1;
            last.kind = Kind::Claim;
            last.claim = last.number;
            last.engine = store.identity().to_owned();
            let ours = match share {
                Some(share) => Some(share.claim(&mut last)?),
                None => {
                    share::claim_all(&mut last);
                    None
                }
            };
            add(&store, &mut last)?;
            if let Some(ours) = &ours {
                ours.keep_references(&mut last);
            }
            if create(&store, &last)? {
                return Ok(Chain { store, last, ours });
            }
        }
    }

    /// Our newest manifest.
    pub fn last(&self) -> &Manifest {
        &self.last
    }

    pub fn claim_number(&self) -> u64 {
        self.last.claim
    }

    /// The name of this instance, if it is one.
    pub fn instance(&self) -> Option<&str> {
        self.ours.as_ref().map(share::Ours::name)
    }

    /// What our last manifest says of us, if instances share the pipeline or have shared it.
    pub fn own(&self) -> Option<&Instance> {
        self.last.instances.get(self.instance().unwrap_or_default())
    }

    /// The number of our next epoch.
    pub fn next_epoch(&self) -> u64 {
        match (&self.ours, self.own()) {
            (Some(_), Some(own)) => own.next_epoch,
            _ => self.last.epoch.max(self.last.epochs_given) + 1,
        }
    }

    /// The state that the last manifest names, as far as it is ours.
    pub fn state(&self) -> Result<Vec<StateTable>, ManifestError> {
        let is_ours = |file: &StateFile| self.ours.as_ref().is_none_or(|ours| ours.restores(file));
        let tables = read_state(&self.store, &self.last, is_ours)?;
        match &self.ours {
            Some(ours) => Ok(ours.of_ours(tables)?),
            None => Ok(tables),
        }
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
                lanes: None,
                holder: None,
            };
            self.store.put(&path, bytes)?;
            Ok(self.ours.as_ref().map_or(file.clone(), |ours| ours.mark(file)))
        };
        tables.into_iter().enumerate().map(write).collect()
    }

    /// Makes durable what new versions hold.
    pub fn write_references(&self, changes: &[NewVersion]) -> Result<(), ManifestError> {
        changes.iter().try_for_each(|new| Ok(self.store.put(&new.record.file, new.bytes.to_vec())?))
    }

    /// What the next manifest follows: our last one; of an instance the newest there is.
    ///
    /// # Errors
    /// If lanes of this instance have been claimed by another engine: it is fenced.
    pub fn base(&self) -> Result<Manifest, ManifestError> {
        let Some(ours) = &self.ours else { return Ok(self.last.clone()) };
        let newest = newest(&self.store)?.ok_or(ManifestError::Fenced { number: self.last.number })?;
        match ours.are_ours(&newest, self.last.claim) {
            true => Ok(newest),
            false => Err(ManifestError::Fenced { number: newest.number }),
        }
    }

    /// The accounts that a manifest holds which follows `base`: those of it, and a new one.
    pub fn accounts(&self, base: &Manifest, new: Account) -> Result<Vec<Account>, ManifestError> {
        let new = Account { instance: self.instance().map(str::to_owned), ..new };
        Ok(account::keep(&self.store, base, new)?)
    }

    /// **The commit.** `next` has everything but number, kind and claim.
    pub fn commit(&mut self, next: Manifest) -> Result<(), ManifestError> {
        let base = self.base()?;
        match self.follow(&base, next)? {
            true => Ok(()),
            false => Err(ManifestError::Fenced { number: base.number + 1 }),
        }
    }

    /// As `commit`, right after `base`. What `next` says of lanes and instances it says of ours; the others' are those of
    /// the base. False: another instance was quicker, and the base is another now.
    ///
    /// # Errors
    /// If another engine was quicker and this one is no instance: it is fenced.
    pub fn follow(&mut self, base: &Manifest, next: Manifest) -> Result<bool, ManifestError> {
        let number = base.number + 1;
        let (claim, engine) = (self.last.claim, self.last.engine.clone());
        let mut next = Manifest { number, kind: Kind::Commit, claim, engine, ..next };
        match &self.ours {
            Some(ours) => ours.join(base, &mut next),
            None => share::have_all(base, &mut next),
        }
        if !create(&self.store, &next)? {
            return if self.ours.is_some() { Ok(false) } else { Err(ManifestError::Fenced { number }) };
        }
        // Whoever slept for long may have taken a number that was free again, because old manifests are deleted.
        let newest = newest(&self.store)?.ok_or(ManifestError::Fenced { number })?;
        let is_in = match &self.ours {
            Some(ours) => ours.is_in(&newest, &next),
            None => newest.number == number,
        };
        if !is_in {
            return Err(ManifestError::Fenced { number });
        }
        self.last = next;
        Ok(true)
    }
}

/// Before the first claim.
fn none_yet(pipeline: &str) -> Manifest {
    Manifest {
        version: 1,
        number: 0,
        pipeline: pipeline.to_owned(),
        kind: Kind::Claim,
        claim: 0,
        engine: String::new(),
        epoch: 0,
        committed_by: None,
        positions: BTreeMap::new(),
        lanes: LaneNumbers::new(),
        clocks: BTreeMap::new(),
        state: Vec::new(),
        definitions: Definitions::new(),
        references: Records::new(),
        made_under: Vec::new(),
        segments: Vec::new(),
        accounts: Vec::new(),
        next_sequence: 1,
        unmatched_sequence: 1,
        offline_after_us: offline_after_us(),
        totals: Totals::default(),
        instances: BTreeMap::new(),
        epochs_given: 0,
        parts_given: 0,
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

/// Looks for the newest manifest that find it deleted, at most: so many others have come each time.
const LOOKS_MAX: usize = 8;

/// The newest manifest of a data folder, for readers that claim nothing.
pub fn newest(store: &Store) -> Result<Option<Manifest>, ManifestError> {
    let mut looks = 1;
    loop {
        let Some(path) = store.list(FOLDER)?.pop() else { return Ok(None) };
        match read(store, &path) {
            Err(ManifestError::Store(_)) if looks < LOOKS_MAX => looks += 1,
            read => return read.map(Some),
        }
    }
}

/// The state that a manifest names, as far as it is wanted, without rows that count no more.
pub fn read_state(
    store: &Store,
    manifest: &Manifest,
    wanted: impl Fn(&StateFile) -> bool,
) -> Result<Vec<StateTable>, ManifestError> {
    let read = |file: &StateFile| {
        let rows = state::decode(&file.table, &store.get(&file.path)?)?;
        let table =
            StateTable { operator: file.operator.clone(), table: file.table.clone(), version: file.version, rows };
        Ok(match &file.lanes {
            Some(lanes) => state::of_lanes(&[table], |lane| lanes.contains(&lane.0))?.remove(0),
            None => table,
        })
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
