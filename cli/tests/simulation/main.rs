//! The simulation: readers, shards, writer, coordinator, storage and clock of an engine in one thread, under a
//! scheduler that a seed drives and that lets engines die at any step and any write. However often they do, what is in
//! the lake in the end is what each record means by itself (`oracle.rs`).
//!
//! `RHUMB_SEED=N` runs that one seed and says what it left; `RHUMB_SEEDS=N` runs so many (`make soak`).

mod broken;
mod dice;
mod disk;
mod input;
mod log;
mod oracle;
mod sink;
mod world;

use broken::Broken;
use std::collections::BTreeSet;
use world::{Left, World};

const SEEDS: u64 = 2_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no whole number")))
}

/// What is wrong with what this seed left; `None` if nothing.
fn wrong(seed: u64, broken: Option<Broken>) -> (Left, Option<String>) {
    let world = World::new(seed, broken);
    let expected = oracle::expected(world.logs());
    let left = world.run();
    let differences = [
        ("history", &left.tables.history, &expected.history),
        ("rejects", &left.tables.rejects, &expected.rejects),
        ("alerts", &left.tables.alerts, &expected.alerts),
        ("windows", &left.tables.windows, &expected.windows),
    ];
    let mut wrong = None;
    for (table, found, expected) in differences {
        wrong = wrong.or_else(|| (found != expected).then(|| format!("{table}: {}", difference(found, expected))));
    }
    let mut numbered = left.numbered.clone();
    numbered.sort_unstable_by_key(|(_, number)| *number);
    if wrong.is_none() && !numbered.iter().map(|(_, number)| *number).eq(1..=numbered.len() as i64) {
        wrong = Some(format!("alerts are not numbered without gaps: {numbered:?}"));
    }
    let ids: BTreeSet<&str> = numbered.iter().map(|(id, _)| id.as_str()).collect();
    if wrong.is_none() && ids.len() != numbered.len() {
        wrong = Some("two alerts have one id".to_owned());
    }
    if wrong.is_none() && left.logged.as_ref().is_some_and(|logged| *logged != numbered) {
        wrong = Some("the alert log is not what the lake has".to_owned());
    }
    (left, wrong)
}

fn difference(found: &[String], expected: &[String]) -> String {
    let more = |these: &[String], than: &[String]| {
        let mut rest = than.to_vec();
        let is_more = |line: &&String| match rest.iter().position(|other| other == *line) {
            Some(at) => {
                rest.swap_remove(at);
                false
            }
            None => true,
        };
        these.iter().filter(is_more).take(5).cloned().collect::<Vec<_>>().join(", ")
    };
    format!("lacks [{}], and has too much [{}]", more(expected, found), more(found, expected))
}

#[test]
fn whatever_dies_whenever_the_lake_holds_each_record_once() {
    let seeds = match number("RHUMB_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("RHUMB_SEEDS").unwrap_or(SEEDS),
    };
    let mut deaths = 0;
    for seed in seeds {
        let (left, wrong) = wrong(seed, None);
        deaths += left.deaths;
        if let Some(wrong) = wrong {
            panic!("RHUMB_SEED={seed} shows it again: {wrong}");
        }
    }
    println!("{deaths} engines died");
}

#[test]
fn a_seed_says_everything() {
    for seed in 0..50 {
        assert_eq!(World::new(seed, None).run().trace, World::new(seed, None).run().trace, "seed {seed}");
    }
}

#[test]
fn protocols_that_are_wrong_are_caught() {
    for broken in Broken::ALL {
        let caught = (0..500).find(|seed| wrong(*seed, Some(*broken)).1.is_some());
        assert!(caught.is_some(), "{broken:?} was right for 500 seeds");
        println!("{broken:?}: seed {}", caught.unwrap_or_default());
    }
}
