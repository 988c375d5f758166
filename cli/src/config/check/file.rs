//! Files that a pipeline names.

use super::Check;
use crate::config::mistake::Text;
use crate::config::value::At;
use rhumb_connectors::file::Unpacked;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files that one source reads at the same time.
const FILES_MAX: usize = 256;

impl Check {
    /// Opens a file, packed or not, or says why not.
    pub(super) fn open(&mut self, path: &At<PathBuf>, field: &str, component: &str) -> Option<Unpacked> {
        let At { value, at } = path;
        let opened = if value.is_dir() {
            Err("it is a folder".to_owned())
        } else {
            Unpacked::open(value).map_err(|e| reason(&e))
        };
        opened.map_err(|why| self.error(at, component, format!("{field}: cannot read {}: {why}", value.display()))).ok()
    }

    pub(super) fn read(&mut self, path: &At<PathBuf>, field: &str, component: &str) -> Option<Arc<Text>> {
        let mut bytes = Vec::new();
        let read = self.open(path, field, component)?.read_to_end(&mut bytes).map_err(|cause| reason(&cause));
        let name = path.value.display().to_string();
        match read.and_then(|_| text(bytes)) {
            Ok(content) => Some(Arc::new(Text { name, content })),
            Err(why) => {
                self.error(&path.at, component, format!("{field}: cannot read {name}: {why}"));
                None
            }
        }
    }

    /// The files that a path with `*`, `?` or `[..]` names, or the one that it is.
    pub(super) fn files(&mut self, path: &At<PathBuf>, component: &str) -> Option<Vec<PathBuf>> {
        let pattern = path.value.to_string_lossy();
        if !pattern.contains(['*', '?', '[']) || path.value.exists() {
            return self.open(path, "path", component).map(|_| vec![path.value.clone()]);
        }
        let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
        let found = match glob::glob_with(&pattern, options) {
            Ok(found) => found,
            Err(cause) => {
                self.error(&path.at, component, format!("path: {} is not a pattern: {}", pattern, cause.msg));
                return None;
            }
        };
        let mut files: Vec<PathBuf> = found.filter_map(Result::ok).filter(|file| file.is_file()).collect();
        files.sort();
        if files.is_empty() {
            self.error(&path.at, component, format!("path: no file is named like {pattern}"));
            return None;
        }
        if files.len() > FILES_MAX {
            let what =
                format!("path: {} files are named like {pattern}, and a source reads at most {FILES_MAX}", files.len());
            self.error(&path.at, component, format!("{what}; write a [[source]] for each part of them"));
            return None;
        }
        Some(files)
    }
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
