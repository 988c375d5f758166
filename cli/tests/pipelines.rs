//! The pipelines of `pipelines/` as a person meets them: they are right, and do what their tests say.

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::process::Command;
use support::{Site, Told, root};

/// All of them, but those that are wrong on purpose.
fn pipelines() -> Vec<String> {
    let entries = std::fs::read_dir(root().join("pipelines")).expect("the folder of pipelines");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name of ours"));
    let mut names: Vec<String> =
        names.filter(|name| name.ends_with(".toml")).map(|n| format!("pipelines/{n}")).collect();
    names.sort();
    assert!(names.len() >= 5, "{names:?}");
    names
}

#[track_caller]
fn done(arguments: &[&str], pipelines: &[String]) -> Told {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rhumb"));
    command.args(arguments).args(pipelines).current_dir(root()).env_remove("RUST_LOG");
    let told = Told::of(command.output().expect("rhumb runs"));
    assert_eq!(told.exit, 0, "{}{}", told.stdout, told.stderr);
    told
}

#[test]
fn every_pipeline_is_right_without_a_warning() {
    let pipelines = pipelines();
    let told = done(&["check"], &pipelines).stderr;
    let right: Vec<String> = pipelines.iter().map(|name| format!("{name}: ok")).collect();
    assert_eq!(told.lines().collect::<Vec<_>>(), right);
}

#[test]
fn every_pipeline_passes_its_tests_and_has_some() {
    let pipelines = pipelines();
    let told = done(&["test"], &pipelines).stdout;
    assert!(!told.contains("no [[test]]"), "{told}");
    let passed = told.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(passed >= 30, "{told}");
}

/// The pipeline that README explains, with the zones that it shows.
#[test]
fn what_the_readme_explains_is_right_as_it_stands() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("the README");
    let shown = |kind: &str| {
        let block = readme.split(&format!("\n```{kind}\n")).nth(1).and_then(|rest| rest.split("\n```").next());
        block.unwrap_or_else(|| panic!("README shows some {kind}")).to_owned() + "\n"
    };
    let site = Site::new();
    site.write("buses.toml", shown("toml"));
    site.write("city.geojson", shown("json"));
    assert_eq!(site.done(&["check", "buses.toml"]).stderr, "buses.toml: ok\n");
}

/// README says "what it can do" in examples: each must stand in a pipeline that is tested.
#[test]
fn what_the_readme_says_rhumb_can_do_stands_in_a_tested_pipeline() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("the README");
    let section = readme.split("\n## What it can do\n").nth(1).and_then(|rest| rest.split("\n## ").next());
    let rows: Vec<Vec<&str>> = section
        .expect("the section")
        .lines()
        .filter(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let mut named = BTreeSet::new();
    for row in &rows {
        let [what, _, example, file] = row[..] else { panic!("four columns: {row:?}") };
        let file = file.split(['(', ')']).nth(1).expect("a link to the pipeline");
        let pipeline = std::fs::read_to_string(root().join(file)).expect("the pipeline");
        for part in example.trim_matches('`').split("` `") {
            assert!(pipeline.contains(part), "{file} has no {part:?}, which is to show {what}");
        }
        assert!(pipeline.contains("[[test]]"), "{file} is tested");
        named.insert(what.trim_matches('`'));
    }
    let kinds = ["enter", "exit", "dwell", "cross", "overspeed"];
    let shapes = ["tumbling", "sliding", "session", "H3 key", "quantiles"];
    let codecs = ["json", "csv", "binary", "teltonika", "nmea"];
    let missing: Vec<&str> =
        kinds.into_iter().chain(shapes).chain(codecs).filter(|what| !named.contains(what)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
