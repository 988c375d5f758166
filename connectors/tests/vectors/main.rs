//! Other projects' test vectors against our codecs. Where we differ from one, `docs/VECTORS.md` says why; a difference
//! that is not written there fails here, and so does one that is written there and is none.
#![allow(clippy::unwrap_used, reason = "a vector that is not as it is described fails its test")]

mod nmea;
mod teltonika;

use rhumb_connectors::codec::CodecConfig;
use rhumb_connectors::codec::decode::{Transport, decode, shown};
use rhumb_connectors::codec::nmea::NmeaConfig;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The vectors of a file; `None` where the folder of vectors is not there, which is an error where everything should be.
fn vectors(name: &str) -> Option<Vec<Value>> {
    let path = project().join("../shared/data/vectors/open").join(name);
    let Ok(file) = std::fs::File::open(&path) else {
        assert!(std::env::var_os("CI").is_none(), "{} is missing", path.display());
        eprintln!("SKIPPED: {} is missing", path.display());
        return None;
    };
    let lines = BufReader::new(flate2::read::MultiGzDecoder::new(file)).lines();
    Some(lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect())
}

fn bytes_of_hex(hex: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = hex.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect::<Option<_>>()?;
    let pairs = digits.chunks_exact(2);
    pairs.remainder().is_empty().then(|| pairs.map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// The lines that `rhumb decode` prints; an error is one with the field `error`.
fn decoded(codec: &str, bytes: &[u8], transport: Transport) -> Vec<Value> {
    let mut lines = Vec::new();
    let config = shown(codec).unwrap();
    let done = decode(&config, bytes, transport, |line| lines.push(serde_json::from_str(&line).unwrap()));
    lines.extend(done.err().map(|error| serde_json::json!({ "error": error })));
    lines
}

fn is_frame(line: &Value) -> bool {
    line.get("lat").is_some()
}

/// Holds what differs, by vector, against the table of a protocol in `docs/VECTORS.md`.
fn check_differences(protocol: &str, found: &BTreeMap<String, String>) {
    let text = std::fs::read_to_string(project().join("docs/VECTORS.md")).unwrap();
    let section = text.split("\n## ").find(|section| section.starts_with(protocol)).unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let told: Vec<&str> = rows.flat_map(|row| row.split('|').next().unwrap().split("`, `")).collect();
    let told: Vec<&str> = told.into_iter().map(|id| id.trim().trim_matches('`')).collect();
    let untold: Vec<String> =
        found.iter().filter(|(id, _)| !told.contains(&id.as_str())).map(|(id, what)| format!("{id}: {what}")).collect();
    let vanished: Vec<&&str> = told.iter().filter(|id| !found.contains_key(**id)).collect();
    assert!(
        untold.is_empty() && vanished.is_empty(),
        "not in docs/VECTORS.md:\n{}\nthere, but no difference: {vanished:?}",
        untold.join("\n")
    );
}
