//! The targets of `fuzz/` on a stable toolchain: so many mutations of the corpus, the same ones in every run.
//! `RHUMB_FUZZ_ITERATIONS` sets how many a target has; see fuzz/README.md for `cargo fuzz`.

#[path = "../../fuzz/targets.rs"]
mod targets;

use std::path::{Path, PathBuf};

const ITERATIONS: u64 = 20_000;
const LENGTH_MAX: usize = 4096;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit.max(1) as u64) as usize
    }
}

/// Changes a seed in one to eight places: bits, bytes, numbers of note, cuts, copies, and pieces of other seeds.
fn mutate(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    bytes.truncate(LENGTH_MAX);
    for _ in 0..=random.below(8) {
        let at = random.below(bytes.len() + 1);
        let to = (at + 1 + random.below(16)).min(bytes.len());
        match random.below(8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 if at < bytes.len() => bytes[at] = random.below(256) as u8,
            2 if at < bytes.len() => bytes[at] = [0, 1, 0x7F, 0x80, 0xFF, b'"', b'\n', b'$'][random.below(8)],
            3 if at < to => drop(bytes.drain(at..to)),
            4 if at < to => {
                let piece = bytes[at..to].to_vec();
                let into = random.below(bytes.len() + 1);
                bytes.splice(into..into, piece);
            }
            5 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len());
                let piece = &other[from..other.len().min(from + 1 + random.below(64))];
                bytes.splice(at..at, piece.iter().copied());
            }
            6 => bytes.truncate(at),
            _ => bytes.insert(at, random.below(256) as u8),
        }
    }
    bytes
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn seeds(folders: &[&str]) -> Vec<Vec<u8>> {
    let mut files: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(root().join(folder)).expect("a folder of seeds"))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_file() && path.extension().is_none_or(|kind| kind != "txt" && kind != "md"))
        .collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).expect("a seed")).collect()
}

fn check(target: fn(&[u8]), folders: &[&str]) {
    let seeds = seeds(folders);
    assert!(!seeds.is_empty(), "{folders:?} have no seeds");
    seeds.iter().for_each(|seed| target(seed));
    let iterations = std::env::var("RHUMB_FUZZ_ITERATIONS").ok().map(|n| n.parse().expect("a number"));
    let mut random = Random(1);
    for _ in 0..iterations.unwrap_or(ITERATIONS) {
        let bytes = mutate(&seeds, &mut random);
        let shown = bytes.clone();
        if let Err(panic) = std::panic::catch_unwind(move || target(&bytes)) {
            eprintln!("these bytes did it: {}", shown.escape_ascii());
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn any_bytes_are_json_or_rejected() {
    check(targets::json, &["fuzz/corpus/json"]);
}

#[test]
fn any_bytes_are_csv_or_rejected() {
    check(targets::csv, &["fuzz/corpus/csv"]);
}

#[test]
fn any_bytes_are_binary_or_rejected() {
    check(targets::binary, &["fuzz/corpus/binary"]);
}

#[test]
fn any_bytes_are_teltonika_or_rejected() {
    check(targets::teltonika, &["fuzz/corpus/teltonika"]);
}

#[test]
fn any_bytes_are_nmea_or_rejected() {
    check(targets::nmea, &["fuzz/corpus/nmea"]);
}

#[test]
fn any_text_is_zones_or_refused() {
    check(targets::zones, &["pipelines/invalid/zones"]);
}

#[test]
fn any_text_is_a_pipeline_or_refused() {
    check(targets::config, &["pipelines/invalid", "pipelines"]);
}
