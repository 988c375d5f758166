//! Several instances on one chain.

use super::super::{Chain, Kind, StateFile, newest};
use super::*;
use crate::state::{StateWriter, merger_name};
use crate::store::Store;
use crate::totals::Totals;
use arrow::array::UInt16Array;
use object_store::memory::InMemory;
use std::sync::Arc;

/// Each engine has a store of its own, over the same objects.
fn stores() -> impl Fn() -> Store {
    let objects = Arc::new(InMemory::new());
    move || Store::new(objects.clone()).unwrap()
}

fn names(partitions: &[u16]) -> BTreeSet<String> {
    partitions.iter().map(|n| format!("gps/{n}")).collect()
}

/// An instance that has these of four partitions.
fn claim(store: Store, instance: &str, own: &[u16]) -> Chain {
    let partitions = Partitions { own: names(own), all: names(&[0, 1, 2, 3]) };
    let share = Share { instance: instance.to_owned(), partitions: [("kafka".to_owned(), partitions)].into() };
    Chain::claim_for(store, "fleet", Some(&share), |_, _| Ok(())).unwrap()
}

/// Partitions in the order of their names have lanes in the order of their numbers.
fn lane(partition: u16) -> u16 {
    HASH_LANES + partition
}

/// What an engine with these partitions commits next, having read so far: state of each lane, and something put together.
fn prepared(chain: &Chain, base: &Manifest, own: &[u16], offset: i64) -> Manifest {
    let epoch = chain.next_epoch();
    let mut state = StateWriter::default();
    state.begin("current");
    let lanes: Vec<u16> = own.iter().map(|n| lane(*n)).collect();
    let offsets = Arc::new(UInt16Array::from(vec![offset as u16; lanes.len()]));
    state.put("vehicles", 1, lanes.clone(), vec![("offset", offsets)]);
    state.begin(&merger_name("window"));
    state.put("open", 1, vec![0], Vec::new());
    let state = chain.write_state(epoch, state.finish()).unwrap();
    let mut positions = base.positions.clone();
    let offsets = &mut positions.entry("kafka".to_owned()).or_default().offsets;
    offsets.extend(names(own).into_iter().map(|name| (name, offset)));
    let mut totals = base.totals.clone();
    totals.add(&Totals { history_rows: 1, ..Totals::default() });
    let clocks = lanes.iter().map(|lane| (*lane, crate::time::EventTime(offset))).collect();
    Manifest { epoch, state, positions, totals, clocks, next_sequence: offset, ..base.clone() }
}

fn commit(chain: &mut Chain, own: &[u16], offset: i64) -> Result<(), ManifestError> {
    let base = chain.base()?;
    let next = prepared(chain, &base, own, offset);
    assert!(chain.follow(&base, next)?, "nobody came in between");
    chain.clean()
}

/// What the state says of each lane that an engine takes up.
fn restored(chain: &Chain) -> BTreeMap<u16, u16> {
    let mut found = BTreeMap::new();
    for table in chain.state().unwrap().iter().filter(|table| table.table == "vehicles") {
        let column = |n: usize| table.rows.column(n).as_any().downcast_ref::<UInt16Array>().unwrap().clone();
        for (lane, offset) in column(0).values().iter().zip(column(1).values()) {
            assert_eq!(found.insert(*lane - HASH_LANES, *offset), None, "a lane has one state");
        }
    }
    found
}

fn offsets(manifest: &Manifest) -> Vec<i64> {
    manifest.positions["kafka"].offsets.values().copied().collect()
}

#[test]
fn instances_commit_in_turn_and_each_says_what_is_of_its_own_lanes() {
    let store = stores();
    let mut a = claim(store(), "a", &[0, 1]);
    let mut b = claim(store(), "b", &[2, 3]);
    commit(&mut a, &[0, 1], 10).unwrap();
    commit(&mut b, &[2, 3], 20).unwrap();
    commit(&mut b, &[2, 3], 21).unwrap();
    commit(&mut a, &[0, 1], 11).unwrap();
    let last = newest(&store()).unwrap().unwrap();
    assert_eq!(offsets(&last), [11, 11, 21, 21]);
    assert_eq!(last.clocks.values().map(|clock| clock.0).collect::<Vec<_>>(), [11, 11, 21, 21]);
    assert_eq!((last.totals.history_rows, last.kind), (4, Kind::Commit));
    assert_eq!(
        (last.epoch, last.committed_by.as_deref(), last.epochs_given),
        (3, Some("a"), 6),
        "epochs along the chain are called 1, 2, 4, 3"
    );
    let of = |name: &str| &last.instances[name];
    assert_eq!((of("a").next_sequence, of("b").next_sequence), (11, 21), "each has an alert log of its own");
    assert_ne!(of("a").next_epoch, of("b").next_epoch, "epochs have different numbers");
    assert_ne!(of("a").part, of("b").part);
}

#[test]
fn instance_whose_lanes_were_claimed_is_fenced_and_leaves_nothing_and_others_go_on() {
    let store = stores();
    let mut a = claim(store(), "a", &[0, 1]);
    let mut c = claim(store(), "c", &[3]);
    commit(&mut a, &[0, 1], 10).unwrap();
    let mut b = claim(store(), "b", &[1, 2]);
    assert_eq!(restored(&b), [(1, 10)].into(), "what it has claimed, and no more");
    let before = store().list("manifests").unwrap();
    let error = commit(&mut a, &[0, 1], 11).unwrap_err();
    assert!(matches!(error, ManifestError::Fenced { .. }), "{error}");
    assert_eq!(store().list("manifests").unwrap(), before);
    commit(&mut b, &[1, 2], 12).unwrap();
    commit(&mut c, &[3], 30).unwrap();
    let a = claim(store(), "a", &[0]);
    assert_eq!(restored(&a), [(0, 10)].into(), "it goes on with what nobody has taken");
    assert_eq!(offsets(a.last()), [10, 12, 12, 30]);
}

#[test]
fn commit_that_another_was_quicker_than_follows_it() {
    let store = stores();
    let (mut a, mut b) = (claim(store(), "a", &[0]), claim(store(), "b", &[1]));
    let base = a.base().unwrap();
    let next = prepared(&a, &base, &[0], 5);
    commit(&mut b, &[1], 7).unwrap();
    assert!(!a.follow(&base, next).unwrap(), "the number is taken");
    commit(&mut a, &[0], 5).unwrap();
    assert_eq!(offsets(a.last()), [5, 7]);
}

#[test]
fn number_that_is_free_again_because_old_manifests_were_deleted_makes_no_commit() {
    let store = stores();
    let (mut a, mut b) = (claim(store(), "a", &[0]), claim(store(), "b", &[1]));
    let base = a.base().unwrap();
    let next = prepared(&a, &base, &[0], 5);
    (0..20).for_each(|n| commit(&mut b, &[1], n).unwrap());
    let error = a.follow(&base, next).unwrap_err();
    assert!(matches!(error, ManifestError::Fenced { .. }), "it slept too long to know: {error}");
    let last = newest(&store()).unwrap().unwrap();
    assert_eq!(last.positions["kafka"].offsets, [("gps/1".to_owned(), 19)].into(), "nobody saw it");
}

#[test]
fn lanes_go_from_hand_to_hand_with_their_state_and_windows_to_who_takes_the_last_one() {
    let store = stores();
    let mut a = claim(store(), "a", &[0, 1, 2]);
    commit(&mut a, &[0, 1, 2], 10).unwrap();
    let windows = |manifest: &Manifest| -> Vec<String> {
        manifest.state.iter().filter_map(|file: &StateFile| file.holder.clone()).collect()
    };
    let mut b = claim(store(), "b", &[2]);
    assert_eq!(windows(b.last()), ["a"], "the other still has lanes");
    commit(&mut b, &[2], 20).unwrap();
    let c = claim(store(), "c", &[0, 1]);
    assert_eq!(windows(c.last()), ["c", "b"]);
    assert_eq!(restored(&c), [(0, 10), (1, 10)].into());
    assert_eq!(c.state().unwrap().iter().filter(|table| is_merged(&table.operator)).count(), 1);
    let part = c.last().instances["c"].part;
    let again = claim(store(), "a", &[0]);
    let of_a = again.last().instances["a"].part;
    assert!(of_a.is_some() && of_a != part, "its old part is told by others now: it begins a new one");
    assert_eq!(restored(&again), [(0, 10)].into());
}

#[test]
fn pipeline_goes_from_one_engine_to_instances_and_back() {
    let store = stores();
    let mut alone = Chain::claim(store(), "fleet").unwrap();
    assert_eq!(alone.last().version, 1, "older versions read it");
    let base = alone.last().clone();
    let numbers = [("kafka".to_owned(), (0..4).map(|n| (format!("gps/{n}"), lane(n))).collect())].into();
    let next = Manifest { lanes: numbers, ..prepared(&alone, &base, &[0, 1, 2, 3], 10) };
    alone.commit(next).unwrap();
    let mut a = claim(store(), "a", &[0, 1]);
    assert_eq!(restored(&a), [(0, 10), (1, 10)].into());
    assert_eq!(a.state().unwrap().len(), 2, "windows of all lanes are its, too");
    assert!(matches!(commit(&mut alone, &[0], 11).unwrap_err(), ManifestError::Fenced { .. }));
    commit(&mut a, &[0, 1], 12).unwrap();
    let mut alone = Chain::claim(store(), "fleet").unwrap();
    assert_eq!(restored(&alone), [(0, 12), (1, 12), (2, 10), (3, 10)].into());
    assert!(matches!(commit(&mut a, &[0, 1], 13).unwrap_err(), ManifestError::Fenced { .. }));
    commit(&mut alone, &[0, 1, 2, 3], 14).unwrap();
    let given = alone.last().epoch;
    let a = claim(store(), "a", &[3]);
    assert_eq!(restored(&a), [(3, 14)].into());
    assert!(a.next_epoch() > given, "no number is given twice");
}

#[test]
fn partition_that_a_topic_has_gained_is_read_from_its_beginning_and_others_as_the_pipeline_says() {
    let store = stores();
    let a = claim(store(), "a", &[0]);
    assert!(a.last().positions.is_empty(), "the first look at a topic");
    let partitions = Partitions { own: names(&[1, 4]), all: names(&[0, 1, 2, 3, 4]) };
    let share = Share { instance: "b".to_owned(), partitions: [("kafka".to_owned(), partitions)].into() };
    let b = Chain::claim_for(store(), "fleet", Some(&share), |_, _| Ok(())).unwrap();
    assert_eq!(b.last().positions["kafka"].offsets, [("gps/4".to_owned(), 0)].into());
    assert_eq!(b.last().lanes["kafka"]["gps/4"], lane(4));
}

#[test]
fn cleaning_leaves_what_another_instance_has_prepared_and_deletes_what_a_fenced_one_has() {
    let store = stores();
    let (mut a, mut b) = (claim(store(), "a", &[0]), claim(store(), "b", &[1]));
    let base = b.base().unwrap();
    let next = prepared(&b, &base, &[1], 5);
    (0..12).for_each(|n| commit(&mut a, &[0], n).unwrap());
    let base = b.base().unwrap();
    assert!(b.follow(&base, Manifest { state: next.state, ..prepared(&b, &base, &[1], 5) }).unwrap());
    b.state().expect("nobody has deleted it");
    drop(prepared(&b, &b.base().unwrap(), &[1], 6));
    let mut c = claim(store(), "c", &[1]);
    (0..2).for_each(|n| commit(&mut c, &[1], n).unwrap());
    commit(&mut a, &[0], 12).unwrap();
    let of_b = format!("state/{:010}", b.claim_number());
    let left: Vec<String> = store().list("state").unwrap().into_iter().filter(|path| path.starts_with(&of_b)).collect();
    // What it prepared last no manifest names, and none will; its windows are with who has its lane.
    assert!(left.iter().all(|path| !path.contains("vehicles")), "{left:?}");
}
