//! Files that a pipeline names.

use super::Check;
use crate::config::mistake::Text;
use crate::config::value::At;
use rhumb_connectors::file::{NotFound, Unpacked};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl Check {
    /// Opens a file, packed or not, or says why not.
    pub(super) fn open(&mut self, path: &At<PathBuf>, field: &str, component: &str) -> Option<Unpacked> {
        let At { value, at } = path;
        opened(value)
            .map_err(|why| self.error(at, component, format!("{field}: cannot read {}: {why}", value.display())))
            .ok()
    }

    pub(super) fn read(&mut self, path: &At<PathBuf>, field: &str, component: &str) -> Option<Arc<Text>> {
        let bytes = self.read_bytes(path, field, component)?;
        let name = path.value.display().to_string();
        match text(bytes) {
            Ok(content) => Some(Arc::new(Text { name, content })),
            Err(why) => {
                self.error(&path.at, component, format!("{field}: cannot read {name}: {why}"));
                None
            }
        }
    }

    /// All of a file, unpacked.
    pub(super) fn read_bytes(&mut self, path: &At<PathBuf>, field: &str, component: &str) -> Option<Vec<u8>> {
        let At { value, at } = path;
        unpacked(value)
            .map_err(|why| self.error(at, component, format!("{field}: cannot read {}: {why}", value.display())))
            .ok()
    }

    /// The files that a path with `*`, `?` or `[..]` names, or the one that it is.
    pub(super) fn files(&mut self, path: &At<PathBuf>, component: &str) -> Option<Vec<PathBuf>> {
        let At { value, at } = path;
        let advice = |cause: &NotFound| match cause {
            NotFound::TooMany(_) => "; write a [[source]] for each part of them",
            _ => "",
        };
        let what = match rhumb_connectors::file::find(value) {
            // What only opening it tells, such as that this user may not read it.
            Ok(files) if files[..] == [value.clone()] => return self.open(path, "path", component).map(|_| files),
            Ok(files) => return Some(files),
            Err(NotFound::Io(cause)) => reason(&cause),
            Err(cause) => format!("{cause}{}", advice(&cause)),
        };
        self.error(at, component, format!("path: cannot read {}: {what}", value.display()));
        None
    }
}

fn opened(path: &Path) -> Result<Unpacked, String> {
    if path.is_dir() { Err("it is a folder".to_owned()) } else { Unpacked::open(path).map_err(|cause| reason(&cause)) }
}

/// What a file holds, or why it cannot be read.
pub(super) fn unpacked(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    opened(path)?.read_to_end(&mut bytes).map_err(|cause| reason(&cause))?;
    Ok(bytes)
}

/// What a file holds, if it is text.
pub fn text(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}

/// Why a file cannot be read.
pub fn reason(cause: &std::io::Error) -> String {
    match cause.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "this user may not read it".to_owned(),
        std::io::ErrorKind::UnexpectedEof => "it is cut short".to_owned(),
        _ => cause.to_string(),
    }
}

/// A file's name without its folder, for sentences.
pub(super) fn short(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
