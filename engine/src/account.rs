//! Accounts: what each epoch took in and gave out. Manifests come and go; accounts stay, so that whoever looks years
//! later can tell whether all is still there.

use crate::manifest::Manifest;
use crate::sink::Segment;
use crate::store::{Store, StoreError};
use crate::totals::Totals;
use std::collections::BTreeMap;

/// Folder of the accounts that the manifest no longer holds itself.
pub const FOLDER: &str = "accounts";
/// A manifest holds at most so many accounts itself; then they are put away in a file of their own.
const OPEN_MAX: usize = 128;

/// Of one epoch.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Account {
    pub epoch: u64,
    /// By source: frames and undecodable pieces.
    pub frames_in: BTreeMap<String, u64>,
    /// By table.
    pub rows: BTreeMap<String, u64>,
    /// The instance that committed it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
}

impl Account {
    /// Of an epoch that did so much, and left these segments.
    pub(crate) fn new(epoch: u64, done: &Totals, segments: &[Segment]) -> Account {
        let frames_in = done.frames_in.iter().map(|(source, n)| (source.clone(), *n));
        let mut rows = BTreeMap::new();
        for segment in segments {
            *rows.entry(segment.table.clone()).or_default() += segment.rows;
        }
        Account { epoch, frames_in: frames_in.filter(|(_, n)| *n > 0).collect(), rows, instance: None }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("accounts {path} cannot be read: {detail}")]
    Malformed { path: String, detail: String },
}

/// What the next manifest holds: the accounts of the last one and a new one. What grows too long is put away first; all of
/// it is committed, so that doing it again, or in another engine, writes the same.
pub(crate) fn keep(store: &Store, last: &Manifest, new: Account) -> Result<Vec<Account>, StoreError> {
    let mut open = last.accounts.clone();
    if let [first, .., newest] = &open[..]
        && open.len() >= OPEN_MAX
    {
        let json = serde_json::to_vec(&open).expect("accounts have a JSON form");
        store.put(&format!("{FOLDER}/{:010}-{:010}.json", first.epoch, newest.epoch), json)?;
        open.clear();
    }
    open.push(new);
    Ok(open)
}

/// All accounts of the epochs up to a manifest, by epoch. Epochs that an older version committed have none.
pub fn all(store: &Store, last: &Manifest) -> Result<BTreeMap<u64, Account>, AccountError> {
    let mut accounts = BTreeMap::new();
    for path in store.list(FOLDER)? {
        let of_file: Vec<Account> = serde_json::from_slice(&store.get(&path)?)
            .map_err(|e| AccountError::Malformed { path, detail: e.to_string() })?;
        accounts.extend(of_file.into_iter().map(|account| (account.epoch, account)));
    }
    accounts.extend(last.accounts.iter().map(|account| (account.epoch, account.clone())));
    // What instances have committed since has a number that was theirs by then.
    let is_later = |epoch: u64| last.instances.values().any(|instance| instance.next_epoch == epoch);
    accounts.retain(|epoch, _| *epoch <= last.epoch.max(last.epochs_given) && !is_later(*epoch));
    Ok(accounts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Chain;
    use object_store::memory::InMemory;
    use std::sync::Arc;

    #[test]
    fn accounts_of_all_epochs_are_found_however_many_the_manifest_holds() {
        let objects = Arc::new(InMemory::new());
        let store = || Store::new(objects.clone()).unwrap();
        let mut chain = Chain::claim(store(), "fleet").unwrap();
        let epochs = 3 * OPEN_MAX as u64 + 5;
        for epoch in 1..=epochs {
            let account =
                Account { epoch, frames_in: [("a".to_owned(), epoch)].into(), rows: BTreeMap::new(), instance: None };
            let accounts = keep(&store(), chain.last(), account).unwrap();
            chain.commit(Manifest { epoch, accounts, ..chain.last().clone() }).unwrap();
            assert!(chain.last().accounts.len() <= OPEN_MAX);
        }
        let all = all(&store(), chain.last()).unwrap();
        assert!(all.values().map(|account| account.epoch).eq(1..=epochs));
        assert!(all.values().all(|account| account.frames_in["a"] == account.epoch));
        assert_eq!(store().list(FOLDER).unwrap().len(), 3);
    }
}
