//! Which files a path or a pattern means.

use super::FILES_MAX;
use std::io;
use std::path::{Component, Path, PathBuf};

/// Why a path or a pattern means no files.
#[derive(Debug, thiserror::Error)]
pub enum NotFound {
    #[error("it is a folder; {} reads the files in it", .0.join("*").display())]
    Folder(PathBuf),
    #[error("no file is named like it")]
    Nothing,
    #[error("{0} files are named like it, and a source reads at most {most}", most = FILES_MAX)]
    TooMany(usize),
    #[error("it is not a pattern: {0}")]
    NoPattern(&'static str),
    #[error("the name of {0} is not UTF-8")]
    NotText(PathBuf),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<NotFound> for io::Error {
    fn from(cause: NotFound) -> io::Error {
        match cause {
            NotFound::Io(cause) => cause,
            NotFound::Nothing => io::Error::new(io::ErrorKind::NotFound, cause.to_string()),
            other => io::Error::new(io::ErrorKind::InvalidInput, other.to_string()),
        }
    }
}

/// The files that a path or a pattern means, in the order of their names; none of them has been opened.
pub fn find(path: &Path) -> Result<Vec<PathBuf>, NotFound> {
    Ok(Inputs::find(path)?.files.into_iter().map(|input| input.path).collect())
}

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
    pub fn find(path: &Path) -> Result<Inputs, NotFound> {
        let is_pattern = path.components().any(is_pattern);
        match std::fs::metadata(path) {
            Ok(found) if found.is_dir() => Err(NotFound::Folder(path.to_owned())),
            Err(_) if is_pattern => matching(path),
            Err(cause) => Err(cause.into()),
            Ok(_) => {
                let name = path.file_name().map_or_else(|| path.to_string_lossy(), |name| name.to_string_lossy());
                let file = Input { name: name.to_string(), path: path.to_owned() };
                Ok(Inputs { name: file.name.clone(), files: vec![file] })
            }
        }
    }
}

fn is_pattern(component: Component) -> bool {
    component.as_os_str().as_encoded_bytes().iter().any(|b| b"*?[".contains(b))
}

fn matching(pattern: &Path) -> Result<Inputs, NotFound> {
    let plain = |path: &Path| -> PathBuf { path.components().filter(|c| *c != Component::CurDir).collect() };
    let pattern = plain(pattern);
    let folder: PathBuf = pattern.components().take_while(|c| !is_pattern(*c)).collect();
    let rest = pattern.strip_prefix(&folder).expect("the folder is the pattern's head");
    let text = pattern.to_str().ok_or_else(|| NotFound::NotText(pattern.clone()))?;
    let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
    let found = glob::glob_with(text, options).map_err(|cause| NotFound::NoPattern(cause.msg))?;
    let mut files = Vec::new();
    for path in found {
        let path = path.map_err(io::Error::from)?;
        if path.is_dir() {
            continue;
        }
        let short = path.strip_prefix(&folder).unwrap_or(&path);
        let name = short.to_str().ok_or_else(|| NotFound::NotText(path.clone()))?.to_owned();
        files.push(Input { name, path });
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    match files.len() {
        0 => Err(NotFound::Nothing),
        many if many > FILES_MAX => Err(NotFound::TooMany(many)),
        _ => Ok(Inputs { name: rest.to_string_lossy().into_owned(), files }),
    }
}
