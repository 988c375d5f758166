//! Who may go on the chain, and who is stopped.

use super::*;
use object_store::memory::InMemory;
use std::sync::Arc;

/// Each engine has a store of its own, over the same objects.
fn stores() -> impl Fn() -> Store {
    let objects = Arc::new(InMemory::new());
    move || Store::new(objects.clone()).unwrap()
}

fn commit(chain: &mut Chain) -> Result<(), ManifestError> {
    let next = Manifest { epoch: chain.last().epoch + 1, ..chain.last().clone() };
    chain.commit(next)
}

#[test]
fn an_engine_that_was_overtaken_stops_before_its_next_commit() {
    let store = stores();
    let mut first = Chain::claim(store(), "fleet").unwrap();
    commit(&mut first).unwrap();
    let mut second = Chain::claim(store(), "fleet").unwrap();
    assert_eq!((second.last().epoch, second.last().kind), (1, Kind::Claim), "it goes on from the first one's commit");
    assert!(second.claim_number() > first.claim_number(), "names made from claims never meet");
    let before = store().list(FOLDER).unwrap();
    for _ in 0..2 {
        let error = commit(&mut first).unwrap_err();
        assert!(matches!(error, ManifestError::Fenced { number: 3 }), "{error}");
        assert_eq!(store().list(FOLDER).unwrap(), before, "nothing was committed");
    }
    commit(&mut second).unwrap();
    let newest = newest(&store()).unwrap().unwrap();
    assert_eq!((newest.claim, newest.epoch, newest.number), (second.claim_number(), 2, 4));
}

#[test]
fn engines_that_claim_one_after_the_other_each_overtake_the_one_before() {
    let store = stores();
    let mut chains: Vec<Chain> = (0..4).map(|_| Chain::claim(store(), "fleet").unwrap()).collect();
    let mut last = chains.pop().unwrap();
    assert!(chains.iter_mut().all(|chain| matches!(commit(chain), Err(ManifestError::Fenced { .. }))));
    commit(&mut last).unwrap();
}

#[test]
fn folder_of_one_pipeline_is_refused_to_another() {
    let store = stores();
    drop(Chain::claim(store(), "fleet").unwrap());
    let Err(error) = Chain::claim(store(), "cabs") else { panic!("it was given to both") };
    assert!(
        matches!(&error, ManifestError::OtherPipeline { found, wanted } if (&**found, &**wanted) == ("fleet", "cabs"))
    );
    assert_eq!(store().list(FOLDER).unwrap().len(), 1, "the refused one leaves nothing");
}

#[test]
fn manifest_of_a_newer_version_is_refused_and_a_broken_one_named() {
    let cases: [(&[u8], &str); 3] = [
        (
            br#"{"version": 3, "what": "nobody here knows"}"#,
            "manifest manifests/00000000000000000007.json has version 3, this build reads up to 2: use the newer rhumb that wrote it",
        ),
        (
            b"{",
            "manifest manifests/00000000000000000007.json cannot be read: EOF while parsing an object at line 1 column 1",
        ),
        (
            br#"{"version": 1}"#,
            "manifest manifests/00000000000000000007.json cannot be read: missing field `number` at line 1 column 14",
        ),
    ];
    for (bytes, expected) in cases {
        let store = stores();
        store().put(&path(7), bytes.to_vec()).unwrap();
        let Err(error) = Chain::claim(store(), "fleet") else { panic!("{expected}") };
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn cleaning_keeps_what_the_last_two_manifests_name() {
    let store = stores();
    let mut chain = Chain::claim(store(), "fleet").unwrap();
    for epoch in 1..=12 {
        let mut state = crate::state::StateWriter::default();
        state.begin("current");
        state.put("current", 1, vec![0], Vec::new());
        let state = chain.write_state(epoch, state.finish()).unwrap();
        let next = Manifest { epoch, state, ..chain.last().clone() };
        chain.commit(next).unwrap();
        chain.clean().unwrap();
    }
    assert_eq!(store().list(FOLDER).unwrap().len(), KEPT);
    assert_eq!(store().list("state").unwrap().len(), 2);
    let chain = Chain::claim(store(), "fleet").unwrap();
    assert_eq!((chain.last().epoch, chain.state().unwrap().len()), (12, 1));
}
