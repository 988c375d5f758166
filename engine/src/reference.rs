//! References: what operators read beside frames and what may change while they run, such as a file of zones. A change is
//! an input like any other. It takes effect at a barrier, after the rows of its epoch and before those of the next; the
//! manifest of the barrier names the version, and the data folder keeps what it held, so that a replay meets it again.

mod follow;
mod start;
mod watch;

pub(crate) use follow::Followed;
pub use follow::InForce;
pub(crate) use start::Start;

use std::any::Any;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// What an operator takes of one version; what it is, only the operator and those who ask it know.
pub type Content = Arc<dyn Any + Send + Sync>;

/// A file that an operator reads beside frames.
pub trait Reference: Send + Sync {
    /// What it is called in the log, such as `zones`.
    fn noun(&self) -> &'static str;

    /// As it was named.
    fn path(&self) -> &Path;

    /// Whether a change takes effect while the pipeline runs. Otherwise it does at the next start.
    fn is_watched(&self) -> bool;

    /// Whether the operator's state names parts of it, so that state is taken up with the version that it was made under.
    fn is_named_by_state(&self) -> bool;

    /// What the file held when the operator was planned, unpacked.
    fn planned(&self) -> &[u8];

    /// What operators take of that.
    fn planned_content(&self, version: u32) -> Content;

    /// What the file holds now, unpacked; else why it cannot be read.
    fn fetch(&self) -> Result<Vec<u8>, String>;

    /// Checks what a file holds, completely, as it would be at a start: what operators take of it, or all that is wrong.
    fn read(&self, bytes: &[u8], version: u32) -> Result<Content, Vec<String>>;

    /// What is different, in a few words.
    fn difference(&self, before: &Content, after: &Content) -> String;
}

/// A version that is in force from here on.
#[derive(Clone)]
pub struct Change {
    /// Name of the operator.
    pub operator: Arc<str>,
    /// From 1 on.
    pub version: u32,
    pub content: Content,
}

/// A version as manifests name it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Record {
    pub version: u32,
    /// Where it was read from.
    pub path: String,
    /// Of what it held.
    pub hash: String,
    /// Where that is kept, in the data folder.
    pub file: String,
}

/// By operator, its versions in order: state was made under the first, the last is in force after the barrier.
pub type Records = BTreeMap<String, Vec<Record>>;

/// A version on its way to a barrier.
#[derive(Clone)]
pub struct NewVersion {
    pub change: Change,
    pub record: Record,
    pub bytes: Arc<[u8]>,
    /// For the log.
    pub said: String,
}

/// The folder of what versions held.
pub const FOLDER: &str = "reference";

impl Record {
    fn new(version: u32, path: &Path, bytes: &[u8]) -> Record {
        let hash = hash_of(bytes);
        let unpacked = path.extension().filter(|packing| ["gz", "zst"].iter().any(|known| packing == known));
        let name = unpacked.and(path.file_stem()).map_or(path, Path::new);
        let kind = name.extension().map_or_else(|| "txt".to_owned(), |kind| kind.to_string_lossy().into_owned());
        let is_plain = kind.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let file = format!("{FOLDER}/{hash}.{}", if is_plain { &kind } else { "txt" });
        Record { version, path: path.display().to_string(), hash, file }
    }
}

/// 32 hexadecimal digits.
fn hash_of(bytes: &[u8]) -> String {
    format!("{:032x}", twox_hash::XxHash3_128::oneshot(bytes))
}

/// What the manifest of a barrier says, `before` being that of the manifest before: state has been made under what was
/// in force.
pub(crate) fn after_barrier(before: &Records, changes: &[NewVersion]) -> Records {
    let last = |(operator, versions): (&String, &Vec<Record>)| {
        (operator.clone(), versions.last().cloned().into_iter().collect::<Vec<Record>>())
    };
    let mut records: Records = before.iter().map(last).collect();
    for new in changes {
        records.entry(new.change.operator.to_string()).or_default().push(new.record.clone());
    }
    records
}

impl std::fmt::Debug for NewVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_tuple("NewVersion").field(&self.record).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_kept_under_its_hash_and_kind() {
        for (path, kind) in [
            ("zones/city.geojson", "geojson"),
            ("zones/city.geojson.gz", "geojson"),
            ("vehicles.csv.zst", "csv"),
            ("vehicles", "txt"),
            ("odd.c s/v", "txt"),
            ("odd.a b", "txt"),
        ] {
            let record = Record::new(3, Path::new(path), b"abc");
            // What `xxhash.xxh3_128_hexdigest(b"abc")` of Python gives.
            assert_eq!(record.file, format!("reference/06b05ab6733a618578af5f94892f3950.{kind}"), "{path}");
            assert_eq!((record.version, &*record.path), (3, path));
        }
    }

    #[test]
    fn manifest_says_what_state_was_made_under_and_what_came_after() {
        let record = |version| Record::new(version, Path::new("z.geojson"), format!("{version}").as_bytes());
        let new = |version| NewVersion {
            change: Change { operator: "geofence".into(), version, content: Arc::new(()) },
            record: record(version),
            bytes: Arc::default(),
            said: String::new(),
        };
        let versions = |records: &Records| -> Vec<u32> { records["geofence"].iter().map(|r| r.version).collect() };
        let first = Records::from([("geofence".to_owned(), vec![record(1)])]);
        let changed = after_barrier(&first, &[new(2), new(3)]);
        assert_eq!(versions(&changed), [1, 2, 3]);
        assert_eq!(versions(&after_barrier(&changed, &[])), [3]);
    }
}
