use super::*;
use object_store::memory::InMemory;

#[path = "../../../tests/faulty.rs"]
mod faulty;
use faulty::{Fault, Faulty};

fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

fn store(faults: &[Fault]) -> (Store, Arc<InMemory>) {
    let objects = Arc::new(InMemory::new());
    let faulty = Faulty::scripted(objects.clone(), faults.to_vec());
    (Store::new(Arc::new(faulty)).unwrap(), objects)
}

fn there(objects: &InMemory, path: &str) -> Option<Vec<u8>> {
    wait(async { Some(objects.get(&Path::from(path)).await.ok()?.bytes().await.unwrap().to_vec()) })
}

#[test]
fn answer_that_got_lost_is_settled_by_what_is_there() {
    let (store, objects) = store(&[Fault::AfterSuccess]);
    assert!(store.create("a", b"ours".to_vec()).unwrap());
    assert_eq!(there(&objects, "a").unwrap(), b"ours");
}

#[test]
fn what_another_has_created_is_not_ours_whatever_the_answer_was() {
    for fault in [Fault::Before, Fault::AfterSuccess, Fault::None] {
        let (store, objects) = store(&[Fault::None, fault]);
        wait(objects.put(&Path::from("a"), b"theirs".to_vec().into())).unwrap();
        store.list("").unwrap();
        assert!(!store.create("a", b"ours".to_vec()).unwrap(), "{fault:?}");
        assert_eq!(there(&objects, "a").unwrap(), b"theirs");
    }
}

#[test]
fn own_object_counts_as_created_when_the_store_says_that_it_exists() {
    // As a client does that tries again by itself and then meets what its first try wrote.
    let (store, objects) = store(&[]);
    wait(objects.put(&Path::from("a"), b"ours".to_vec().into())).unwrap();
    assert!(store.create("a", b"ours".to_vec()).unwrap());
}

#[test]
fn create_that_was_not_done_and_cannot_be_looked_at_is_an_error() {
    let (store, objects) = store(&[Fault::Before]);
    assert!(store.create("a", b"ours".to_vec()).is_err(), "it is tried once");
    assert_eq!(there(&objects, "a"), None);
}

#[test]
fn no_two_stores_have_one_identity() {
    assert_ne!(store(&[]).0.identity(), store(&[]).0.identity());
}

#[test]
fn local_files_are_replaced_created_once_and_listed_without_scratch() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::local(folder.path()).unwrap();
    store.put("state/1/a", b"one".to_vec()).unwrap();
    store.put("state/1/a", b"two".to_vec()).unwrap();
    assert!(store.create("manifests/1", b"ours".to_vec()).unwrap());
    assert!(store.create("manifests/1", b"ours".to_vec()).unwrap(), "it is there, and ours");
    assert!(!store.create("manifests/1", b"theirs".to_vec()).unwrap());
    assert_eq!(store.get("state/1/a").unwrap(), b"two");
    std::fs::write(folder.path().join("manifests/2#12"), b"half").unwrap();
    assert_eq!(store.list("").unwrap(), ["manifests/1", "state/1/a"]);
    store.delete("state/1/a").unwrap();
    store.delete("state/1/a").unwrap();
}
