//! The arrows of docs/ARCHITECTURE.md: who may import whom, and where threads, the clock and heavy crates may appear.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn metadata(more: &[&str]) -> Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(more)
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

#[test]
fn folders_import_only_whom_they_may() {
    let may: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("rhumb-geofence", &[][..]),
        ("rhumb-engine", &[]),
        ("rhumb-operators", &["rhumb-engine", "rhumb-geofence"]),
        ("rhumb-connectors", &["rhumb-engine"]),
        ("rhumb-query", &["rhumb-engine"]),
        ("rhumb", &["rhumb-engine", "rhumb-geofence", "rhumb-operators", "rhumb-connectors", "rhumb-query"]),
    ]);
    let metadata = metadata(&["--no-deps"]);
    for package in metadata["packages"].as_array().expect("packages") {
        let name = package["name"].as_str().expect("a name");
        let Some(may) = may.get(name) else {
            assert_eq!(name, "rhumb-benches", "a new folder needs its arrows here and in docs/ARCHITECTURE.md");
            continue;
        };
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let to = dependency["name"].as_str().expect("a name");
            let for_tests = dependency["kind"].as_str() == Some("dev");
            assert!(!to.starts_with("rhumb") || may.contains(&to) || for_tests, "{name} imports {to}");
        }
    }
}

#[test]
fn there_is_one_arrow() {
    let metadata = metadata(&[]);
    let versions: Vec<&str> = metadata["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .filter(|package| package["name"] == "arrow-array")
        .filter_map(|package| package["version"].as_str())
        .collect();
    assert_eq!(versions.len(), 1, "versions of arrow: {versions:?}");
}

/// Packages of a part of the workspace, with the features that each is compiled with.
fn built(part: &[&str]) -> BTreeSet<String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let form = ["tree", "--locked", "--prefix", "none", "--format", "{p} with {f}"];
    let output = Command::new(cargo).args(form).args(part).current_dir(root()).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("text");
    lines.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).filter(|line| !line.is_empty()).collect()
}

/// A feature that only one of them switches on would have DataFusion and all else above it compiled twice.
#[test]
fn demo_and_tests_are_built_on_the_same_dependencies() {
    let demo = built(&["--package", "rhumb", "--edges", "normal,build"]);
    let tests = built(&["--workspace", "--edges", "normal,build,dev"]);
    let only_demo: Vec<&String> = demo.difference(&tests).collect();
    assert!(demo.len() > 100 && only_demo.is_empty(), "raise features in [workspace.dependencies]: {only_demo:#?}");
}

#[test]
fn rdkafka_appears_in_one_folder_of_connectors() {
    let found = files_with(&["use rdkafka", "rdkafka::"]);
    assert!(!found.is_empty());
    assert!(found.iter().all(|file| file.starts_with("connectors/src/kafka/")), "{found:?}");
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of ours") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Files below the `src` folders whose text outside of comments and tests has one of the words.
fn files_with(words: &[&str]) -> Vec<String> {
    let mut files = Vec::new();
    for folder in ["geofence", "engine", "operators", "connectors", "query", "cli"] {
        sources(&root().join(folder).join("src"), &mut files);
    }
    let has = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).expect("source");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        code.lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .any(|line| words.iter().any(|w| line.contains(w)))
    };
    let name = |path: &PathBuf| path.strip_prefix(root()).expect("below the root").display().to_string();
    let is_test = |path: &PathBuf| {
        path.file_stem().is_some_and(|s| s == "tests") || path.components().any(|c| c.as_os_str() == "tests")
    };
    let mut found: Vec<String> = files.iter().filter(|path| !is_test(path) && has(path)).map(name).collect();
    found.sort();
    found
}

#[test]
fn threads_of_the_data_path_start_in_one_file() {
    assert_eq!(files_with(&["thread::Builder", "thread::spawn"]), ["cli/src/commands/run.rs", "engine/src/threads.rs"]);
}

#[test]
fn the_clock_is_read_in_one_place() {
    assert_eq!(files_with(&["SystemTime::now(", "Instant::now("]), ["engine/src/time.rs"]);
}

#[test]
fn datafusion_appears_in_query_and_in_one_file_of_operators() {
    let found = files_with(&["use datafusion", "datafusion::"]);
    let (query, others): (Vec<String>, Vec<String>) = found.into_iter().partition(|file| file.starts_with("query/"));
    assert!(!query.is_empty());
    assert_eq!(others, ["operators/src/expression.rs"]);
}
