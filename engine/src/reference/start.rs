//! What a run begins with: the versions that the last manifest names, and what the files hold today.

use super::watch::{Input, Watcher};
use super::{Change, Followed, InForce, Record, Reference, hash_of};
use crate::manifest::{Manifest, ManifestError};
use crate::operator::OperatorPlan;
use crate::store::Store;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The references of a pipeline.
pub struct Start {
    inputs: Vec<Begun>,
}

struct Begun {
    operator: Arc<str>,
    reference: Arc<dyn Reference>,
    /// In order; at least one once they are taken up. State was made under the first.
    versions: Vec<(Change, Record)>,
}

impl Start {
    pub fn of(plans: &[Arc<dyn OperatorPlan>]) -> Start {
        let begun = |plan: &Arc<dyn OperatorPlan>| {
            let reference = plan.reference()?;
            Some(Begun { operator: plan.name().into(), reference, versions: Vec::new() })
        };
        Start { inputs: plans.iter().filter_map(begun).collect() }
    }

    /// Reads what the manifest names, and adds what has changed since. What is new is in the data folder before the
    /// manifest is.
    pub fn take_up(&mut self, store: &Store, manifest: &mut Manifest) -> Result<(), ManifestError> {
        for input in &mut self.inputs {
            let records = manifest.references.remove(&*input.operator).unwrap_or_default();
            input.versions = input.take_up(store, records)?;
            let records = input.versions.iter().map(|(_, record)| record.clone()).collect();
            manifest.references.insert(input.operator.to_string(), records);
        }
        Ok(())
    }

    /// What state was made under.
    pub fn of_state(&self) -> impl Iterator<Item = &Change> {
        self.inputs.iter().filter_map(|input| input.versions.first()).map(|(change, _)| change)
    }

    /// What has been in force after it, in order: to be met before any frame.
    pub fn after_state(&self) -> Arc<[Change]> {
        self.inputs.iter().flat_map(|input| input.versions.iter().skip(1)).map(|(change, _)| change.clone()).collect()
    }

    /// Says what has changed since the last run, and gives what follows further changes.
    pub fn follow(self) -> (Followed, Option<Watcher>) {
        let in_force: BTreeMap<String, InForce> = self.inputs.iter().filter_map(Begun::in_force).collect();
        let watched = self.inputs.iter().filter(|input| input.reference.is_watched());
        let inputs: Vec<Input> = watched.filter_map(Begun::watched).collect();
        for input in &self.inputs {
            input.tell();
        }
        Followed::new(in_force, inputs)
    }
}

impl Begun {
    fn take_up(&self, store: &Store, known: Vec<Record>) -> Result<Vec<(Change, Record)>, ManifestError> {
        let Begun { operator, reference, .. } = self;
        let (path, planned) = (reference.path(), reference.planned());
        let change = |version, content| Change { operator: operator.clone(), version, content };
        let mut versions = Vec::new();
        let number = known.last().map_or(1, |last| last.version);
        let mut record = Record::new(number, path, planned);
        let is_same = known.last().is_none_or(|last| last.hash == record.hash);
        if !is_same {
            record.version += 1;
        }
        let named = if reference.is_named_by_state() { &known[..] } else { &[] };
        let before = if is_same { named.len().saturating_sub(1) } else { named.len() };
        for old in &named[..before] {
            let bytes = kept(store, old)?;
            match reference.read(&bytes, old.version) {
                Ok(content) => versions.push((change(old.version, content), old.clone())),
                Err(wrong) => {
                    // Other settings than then: what they make of it nobody can say.
                    let (noun, path, version) = (reference.noun(), &old.path, old.version);
                    tracing::warn!(
                        operator = &**operator,
                        "{noun} {path}: version {version}, which state was made under, cannot be read with the settings of \
                         today: what was begun there ends without a word: {}",
                        wrong.join("; ")
                    );
                    versions.clear();
                }
            }
        }
        if known.is_empty() || !is_same {
            store.put(&record.file, planned.to_vec())?;
        }
        let content = reference.planned_content(record.version);
        versions.push((change(record.version, content), record));
        Ok(versions)
    }

    fn in_force(&self) -> Option<(String, InForce)> {
        let (_, record) = self.versions.last()?;
        Some((self.operator.to_string(), InForce { record: record.clone(), refused: None }))
    }

    fn watched(&self) -> Option<Input> {
        let (change, record) = self.versions.last()?;
        Some(Input::new(self.operator.clone(), self.reference.clone(), change.content.clone(), record.clone()))
    }

    fn tell(&self) {
        for [(before, _), (after, record)] in self.versions.array_windows() {
            let what = self.reference.difference(&before.content, &after.content);
            let noun = self.reference.noun();
            tracing::info!("{noun} {}: version {}, {what}", record.path, record.version);
        }
    }
}

/// What a version held.
fn kept(store: &Store, record: &Record) -> Result<Vec<u8>, ManifestError> {
    let bytes = store.get(&record.file)?;
    if hash_of(&bytes) == record.hash {
        return Ok(bytes);
    }
    let detail = format!("is not what {} held as version {}", Path::new(&record.path).display(), record.version);
    Err(ManifestError::Malformed { path: record.file.clone(), detail })
}
