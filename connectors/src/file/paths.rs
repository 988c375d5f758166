//! Which files a path or a pattern means.

use super::{FILES_MAX, Failure};
use std::io;
use std::path::{Component, Path, PathBuf};

/// One file to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Input {
    /// Its path from the pattern's folder, which names it in positions: the recording may be moved as a whole.
    pub name: String,
    pub path: PathBuf,
}

/// The files of a source, in the order of their names.
#[derive(Debug)]
pub(super) struct Inputs {
    /// The file's name, or the pattern without its folder.
    pub name: String,
    pub files: Vec<Input>,
}

impl Inputs {
    /// A path that exists is that file, also if its name would be a pattern.
    pub fn find(path: &Path) -> Result<Inputs, Failure> {
        let action = || format!("open {}", path.display());
        let is_pattern = path.components().any(is_pattern);
        match std::fs::metadata(path) {
            Ok(found) if found.is_dir() => Err(Failure::io(action(), folder(path))),
            Err(_) if is_pattern => matching(path).map_err(|cause| Failure::io(action(), cause)),
            Err(cause) => Err(Failure::io(action(), cause)),
            Ok(_) => {
                let name = path.file_name().map_or_else(|| path.to_string_lossy(), |name| name.to_string_lossy());
                let file = Input { name: name.to_string(), path: path.to_owned() };
                Ok(Inputs { name: file.name.clone(), files: vec![file] })
            }
        }
    }
}

fn folder(path: &Path) -> io::Error {
    let message = format!("is a folder; {} reads the files in it", path.join("*").display());
    io::Error::new(io::ErrorKind::IsADirectory, message)
}

fn is_pattern(component: Component) -> bool {
    component.as_os_str().as_encoded_bytes().iter().any(|b| b"*?[".contains(b))
}

fn invalid(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message.into())
}

fn matching(pattern: &Path) -> io::Result<Inputs> {
    let plain = |path: &Path| -> PathBuf { path.components().filter(|c| *c != Component::CurDir).collect() };
    let pattern = plain(pattern);
    let folder: PathBuf = pattern.components().take_while(|c| !is_pattern(*c)).collect();
    let rest = pattern.strip_prefix(&folder).expect("the folder is the pattern's head");
    let text = pattern.to_str().ok_or_else(|| invalid("a pattern must be UTF-8"))?;
    let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
    let found = glob::glob_with(text, options).map_err(|e| invalid(e.to_string()))?;
    let mut files = Vec::new();
    for path in found {
        let path = path.map_err(io::Error::from)?;
        if path.is_dir() {
            continue;
        }
        let short = path.strip_prefix(&folder).unwrap_or(&path);
        let name = short.to_str().ok_or_else(|| invalid(format!("{} is not UTF-8", path.display())))?.to_owned();
        files.push(Input { name, path });
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    match files.len() {
        0 => Err(io::Error::new(io::ErrorKind::NotFound, "no file matches")),
        many if many > FILES_MAX => Err(invalid(format!("{many} files match, the most is {FILES_MAX}"))),
        _ => Ok(Inputs { name: rest.to_string_lossy().into_owned(), files }),
    }
}
