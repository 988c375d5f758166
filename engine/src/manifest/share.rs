//! Instances that share a pipeline: each claims lanes, and commits what is of its own. A commit follows whatever the others
//! have put on the chain, as long as they have left its lanes alone (docs/adr/0022).

use super::{Kind, Manifest, ManifestError, StateFile, VERSION};
use crate::lane::{HASH_LANES, LaneNumbers};
use crate::reference::Records;
use crate::state::{StateError, StateTable, is_merged, of_lanes};
use std::collections::{BTreeMap, BTreeSet};

/// Parts that instances have are counted modulo this: by then what an older one of the number left is closed for long.
const PARTS: u64 = 1 << 16;

/// What the chain says of an instance.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Instance {
    /// Number of its last claim.
    pub claim: u64,
    /// Number of the last manifest that it wrote.
    pub number: u64,
    /// The lanes that nobody else has claimed since.
    pub lanes: BTreeSet<u16>,
    /// What its next epoch is called: nobody else's is called so.
    pub next_epoch: u64,
    /// Its part of what is put together from lanes; `None` once another goes on with that.
    pub part: Option<i32>,
    /// As of the manifest, for the alert log of this instance.
    pub next_sequence: i64,
    pub unmatched_sequence: i64,
}

/// Versions under which the state of lanes was made.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct MadeUnder {
    pub lanes: BTreeSet<u16>,
    pub references: Records,
}

/// Partitions of a source, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Partitions {
    /// That this instance is to read.
    pub own: BTreeSet<String>,
    /// That there are, as far as it knows.
    pub all: BTreeSet<String>,
}

/// What an instance is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    pub instance: String,
    /// By source.
    pub partitions: BTreeMap<String, Partitions>,
}

/// What an instance has claimed.
#[derive(Debug)]
pub struct Ours {
    instance: String,
    lanes: BTreeSet<u16>,
}

impl Manifest {
    /// Claims of instances that still have lanes: what they have made durable may be committed yet.
    pub fn live_claims(&self) -> BTreeSet<u64> {
        let live = self.instances.values().filter(|instance| !instance.lanes.is_empty());
        live.map(|instance| instance.claim).collect()
    }

    /// All lanes that there can be state of.
    fn all_lanes(&self) -> BTreeSet<u16> {
        (0..HASH_LANES).chain(self.lanes.values().flat_map(BTreeMap::values).copied()).collect()
    }

    /// Puts down by lane and instance what an engine has left that had the pipeline to itself.
    fn divide(&mut self) {
        if self.instances.is_empty() {
            self.epochs_given = self.epoch;
            self.parts_given = 1;
        }
        let own = self.instances.entry(String::new()).or_insert(Instance {
            claim: 0,
            number: 0,
            lanes: BTreeSet::new(),
            next_epoch: 0,
            part: Some(0),
            next_sequence: 0,
            unmatched_sequence: 0,
        });
        (own.next_sequence, own.unmatched_sequence) = (self.next_sequence, self.unmatched_sequence);
        let lanes = self.all_lanes();
        for file in self.state.iter_mut().filter(|file| file.lanes.is_none() && file.holder.is_none()) {
            match is_merged(&file.operator) {
                true => file.holder = Some(String::new()),
                false => file.lanes = Some(lanes.clone()),
            }
        }
        if self.made_under.is_empty() && !self.references.is_empty() {
            self.made_under = vec![MadeUnder { lanes, references: self.references.clone() }];
        }
        self.version = VERSION;
    }

    /// Gives what is put together from lanes to `heir`, where its holder has no lane left.
    fn inherit(&mut self, heir: &str) {
        let has_lanes = |name: &String| self.instances.get(name).is_some_and(|holder| !holder.lanes.is_empty());
        let holders = self.state.iter().filter_map(|file| file.holder.clone());
        let left: BTreeSet<String> = holders.filter(|name| *name != heir && !has_lanes(name)).collect();
        for name in left {
            for file in self.state.iter_mut().filter(|file| file.holder.as_ref() == Some(&name)) {
                file.holder = Some(heir.to_owned());
            }
            if let Some(former) = self.instances.get_mut(&name) {
                former.part = None;
            }
        }
    }

    /// What the state of lanes was made under. State of several versions is taken for that of the newest.
    fn references_of(&self, lanes: &BTreeSet<u16>) -> Records {
        let mut found: Vec<&Records> = Vec::new();
        for group in self.made_under.iter().filter(|group| !group.lanes.is_disjoint(lanes)) {
            if !found.contains(&&group.references) {
                found.push(&group.references);
            }
        }
        let mut records = Records::new();
        for (operator, versions) in found.iter().flat_map(|records| records.iter()) {
            let last = versions.last().map(|version| version.version);
            match records.get(operator) {
                Some(other) if other == versions => {}
                Some(other) => {
                    tracing::warn!(
                        operator,
                        "lanes come together whose state was made under different versions: what changed between them is not told"
                    );
                    let newer = if other.last().map(|version| version.version) < last { versions } else { other };
                    let newer = newer.last().cloned().into_iter().collect();
                    records.insert(operator.clone(), newer);
                }
                None => drop(records.insert(operator.clone(), versions.clone())),
            }
        }
        for (operator, versions) in &self.references {
            if !records.contains_key(operator) {
                records.insert(operator.clone(), versions.last().cloned().into_iter().collect());
            }
        }
        records
    }
}

/// An engine claims the pipeline for itself: whoever has lanes is fenced.
pub(super) fn claim_all(claim: &mut Manifest) {
    if claim.instances.is_empty() {
        return;
    }
    claim.divide();
    claim.instances.values_mut().for_each(|instance| instance.lanes.clear());
    claim.inherit("");
    claim.references = claim.references_of(&claim.all_lanes());
    claim.made_under.clear();
    claim.give_part("");
}

/// What an engine commits that has the pipeline to itself.
pub(super) fn have_all(base: &Manifest, next: &mut Manifest) {
    next.committed_by = None;
    if base.instances.is_empty() {
        return;
    }
    next.epochs_given = next.epochs_given.max(next.epoch);
}

impl Manifest {
    /// Gives an instance a part of its own, unless it has one.
    fn give_part(&mut self, name: &str) {
        let given = self.parts_given;
        if let Some(instance) = self.instances.get_mut(name).filter(|instance| instance.part.is_none()) {
            instance.part = i32::try_from(given % PARTS).ok();
            self.parts_given += 1;
        }
    }
}

impl Share {
    /// Puts the claim of an instance's lanes into a manifest that repeats the one before. The instance need not have been
    /// there before, and what it had and is not to have any more is nobody's, until somebody claims it.
    pub(super) fn claim(&self, claim: &mut Manifest) -> Result<Ours, ManifestError> {
        claim.divide();
        let lanes = self.number(claim)?;
        let number = claim.number;
        for instance in claim.instances.values_mut() {
            instance.lanes.retain(|lane| !lanes.contains(lane));
        }
        // Whoever has the pipeline to itself has all lanes or none.
        claim.instances.entry(String::new()).and_modify(|own| own.lanes.clear());
        claim.epochs_given += 1;
        let next_epoch = claim.epochs_given;
        let new = Instance {
            claim: number,
            number,
            lanes: lanes.clone(),
            next_epoch,
            part: None,
            next_sequence: 1,
            unmatched_sequence: 1,
        };
        let own = claim.instances.entry(self.instance.clone()).or_insert(new);
        (own.claim, own.number, own.next_epoch) = (number, number, next_epoch);
        own.lanes.clone_from(&lanes);
        claim.inherit(&self.instance);
        claim.give_part(&self.instance);
        claim.references = claim.references_of(&lanes);
        Ok(Ours { instance: self.instance.clone(), lanes })
    }

    /// The lanes of our partitions. All that we know of get a number, so that one which comes later is known to be new:
    /// such a one is read from its beginning.
    fn number(&self, claim: &mut Manifest) -> Result<BTreeSet<u16>, ManifestError> {
        let mut last = claim.lanes.values().flat_map(BTreeMap::values).max().copied().unwrap_or(HASH_LANES - 1);
        let mut ours = BTreeSet::new();
        for (source, partitions) in &self.partitions {
            let topic = |name: &str| name.rsplit_once('/').map_or(name, |(topic, _)| topic).to_owned();
            let known: BTreeSet<String> =
                claim.lanes.get(source).into_iter().flat_map(BTreeMap::keys).map(|name| topic(name)).collect();
            let numbers = claim.lanes.entry(source.clone()).or_default();
            for name in partitions.all.union(&partitions.own) {
                if !numbers.contains_key(name) {
                    last = last.checked_add(1).ok_or(ManifestError::NoLane)?;
                    numbers.insert(name.clone(), last);
                    if known.contains(&topic(name)) {
                        claim.positions.entry(source.clone()).or_default().offsets.insert(name.clone(), 0);
                    }
                }
                if partitions.own.contains(name) {
                    ours.extend(numbers.get(name));
                }
            }
        }
        claim.lanes.retain(|_, of_source| !of_source.is_empty());
        Ok(ours)
    }
}

impl Ours {
    pub fn name(&self) -> &str {
        &self.instance
    }

    /// Whether the chain still says so.
    pub(super) fn are_ours(&self, newest: &Manifest, claim: u64) -> bool {
        newest.instances.get(&self.instance).is_some_and(|own| own.claim == claim && own.lanes == self.lanes)
    }

    /// Whether a manifest of ours is in the chain that leads to the newest.
    pub(super) fn is_in(&self, newest: &Manifest, written: &Manifest) -> bool {
        let own = newest.instances.get(&self.instance);
        own.is_some_and(|own| own.claim == written.claim && own.number == written.number)
    }

    /// Whether state is to be taken up by us.
    pub(super) fn restores(&self, file: &StateFile) -> bool {
        match &file.holder {
            Some(holder) => *holder == self.instance,
            None => file.lanes.as_ref().is_none_or(|lanes| !lanes.is_disjoint(&self.lanes)),
        }
    }

    /// Without the rows of others' lanes.
    pub(super) fn of_ours(&self, tables: Vec<StateTable>) -> Result<Vec<StateTable>, StateError> {
        let (mut ours, of_lane): (Vec<_>, Vec<_>) = tables.into_iter().partition(|table| is_merged(&table.operator));
        ours.extend(of_lanes(&of_lane, |lane| self.lanes.contains(&lane.0))?);
        Ok(ours)
    }

    /// Says of state that it is ours.
    pub(super) fn mark(&self, file: StateFile) -> StateFile {
        match is_merged(&file.operator) {
            true => StateFile { holder: Some(self.instance.clone()), ..file },
            false => StateFile { lanes: Some(self.lanes.clone()), ..file },
        }
    }

    /// The versions under which our lanes' state was made, and those after, stand in `references`: puts them beside the
    /// others'.
    pub(super) fn keep_references(&self, next: &mut Manifest) {
        for group in &mut next.made_under {
            group.lanes.retain(|lane| !self.lanes.contains(lane));
        }
        next.made_under.retain(|group| !group.lanes.is_empty());
        if !next.references.is_empty() {
            next.made_under.push(MadeUnder { lanes: self.lanes.clone(), references: next.references.clone() });
        }
    }

    /// Puts what others have, and `base` says, beside what is ours in `next`.
    pub(super) fn join(&self, base: &Manifest, next: &mut Manifest) {
        debug_assert_eq!(next.kind, Kind::Commit, "claims repeat what was");
        let mut state = base.state.clone();
        for lanes in state.iter_mut().filter_map(|file| file.lanes.as_mut()) {
            lanes.retain(|lane| !self.lanes.contains(lane));
        }
        state.retain(|file| file.holder.as_ref() != Some(&self.instance));
        state.retain(|file| file.lanes.as_ref().is_none_or(|lanes| !lanes.is_empty()));
        state.append(&mut next.state);
        next.state = state;
        let others = base.clocks.iter().filter(|(lane, _)| !self.lanes.contains(lane));
        next.clocks.extend(others.map(|(lane, clock)| (*lane, *clock)));
        next.lanes = LaneNumbers::clone(&base.lanes);
        next.committed_by = Some(self.instance.clone());
        next.version = VERSION;
        next.made_under.clone_from(&base.made_under);
        self.keep_references(next);
        next.instances.clone_from(&base.instances);
        (next.parts_given, next.epochs_given) = (base.parts_given, base.epochs_given + 1);
        if let Some(own) = next.instances.get_mut(&self.instance) {
            (own.number, own.next_epoch) = (next.number, next.epochs_given);
            (own.next_sequence, own.unmatched_sequence) = (next.next_sequence, next.unmatched_sequence);
        }
        (next.next_sequence, next.unmatched_sequence) = (base.next_sequence, base.unmatched_sequence);
    }
}

#[cfg(test)]
mod tests;
