//! Deleting manifests, and state that nothing needs any more. What another instance has made durable and not committed yet
//! is left to it.

use super::{Chain, FOLDER, KEPT, Manifest, ManifestError, read};
use crate::reference;
use std::collections::BTreeSet;

const STATE: &str = "state";

impl Chain {
    /// Deletes manifests and state that nothing needs any more.
    pub fn clean(&self) -> Result<(), ManifestError> {
        let manifests = self.store.list(FOLDER)?;
        let old = manifests.len().saturating_sub(KEPT);
        for path in &manifests[..old] {
            self.store.delete(path)?;
        }
        let mut needed = BTreeSet::new();
        let mut newest = None;
        for path in manifests[old..].iter().rev().take(2) {
            let manifest = match read(&self.store, path) {
                // Others have come, and whoever wrote them cleans.
                Err(ManifestError::Store(_)) if self.ours.is_some() => return Ok(()),
                read => read?,
            };
            needed.extend(manifest.state.iter().map(|file| file.path.clone()));
            needed.extend(manifest.references.values().flatten().map(|version| version.file.clone()));
            newest.get_or_insert(manifest);
        }
        let Some(newest) = newest else { return Ok(()) };
        for path in self.store.list(STATE)? {
            if !needed.contains(&path) && self.is_nobodys(&newest, &path) {
                self.store.delete(&path)?;
            }
        }
        // Another instance may be about to name a version that we know nothing of.
        if self.ours.is_none() {
            for path in self.store.list(reference::FOLDER)?.into_iter().filter(|path| !needed.contains(path)) {
                self.store.delete(&path)?;
            }
        }
        Ok(())
    }

    /// Whether state that no manifest names will never be named: it is of an epoch of ours that is over, or of a claim whose
    /// lanes have all been claimed by others since.
    fn is_nobodys(&self, newest: &Manifest, path: &str) -> bool {
        if self.ours.is_none() {
            return true;
        }
        let folder = path.split('/').nth(1).and_then(|folder| folder.split_once('-'));
        let Some((Ok(claim), Ok(epoch))) = folder.map(|(claim, epoch)| (claim.parse::<u64>(), epoch.parse::<u64>()))
        else {
            return false;
        };
        match claim == self.last.claim {
            true => epoch <= self.last.epoch,
            false => claim < self.last.claim && !newest.live_claims().contains(&claim),
        }
    }
}
