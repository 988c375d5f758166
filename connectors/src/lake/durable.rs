//! Files that survive a power cut, and errors that say what to do about the disk.

use rhumb_engine::durable;
use rhumb_engine::sink::SinkError;
use rhumb_engine::trouble::advice;
use std::error::Error;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// Turns an error into one that says what was being done to which path, and what helps.
pub fn failed<E: Into<Box<dyn Error + Send + Sync>>>(
    verb: &str,
    path: impl AsRef<Path>,
) -> impl FnOnce(E) -> SinkError {
    let action = format!("{verb} {}", path.as_ref().display());
    move |cause| {
        let cause = cause.into();
        let advice = advice(cause.as_ref());
        SinkError::new(format!("{action}{advice}"), cause)
    }
}

/// Makes names in a folder durable: what was created in it, moved into it, or deleted from it.
pub fn sync_folder(folder: &Path) -> Result<(), SinkError> {
    durable::sync_folder(folder).map_err(failed("make durable the folder", folder))
}

/// Creates a folder and its parents, durably. Nothing happens if it is there.
pub fn create_folder(folder: &Path) -> Result<(), SinkError> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(failed("create the folder", folder))?;
    folder.parent().map_or(Ok(()), sync_folder)
}

/// Creates a file whole or not at all, durably, if none is there; says whether it did. `scratch` is a name in the
/// same folder that nobody else uses; readers pass it over.
pub fn create_file(path: &Path, scratch: &Path, bytes: &[u8]) -> Result<bool, SinkError> {
    durable::create_file(path, scratch, bytes).map_err(failed("create", path))
}

/// Deletes a file. Nothing happens if somebody else has.
pub fn delete_file(path: &Path) -> Result<(), SinkError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        deleted => deleted.map_err(failed("delete", path)),
    }
}

/// Moves a file. Nothing happens if it has been moved before.
pub fn move_file(from: &Path, to: &Path) -> Result<(), SinkError> {
    match fs::rename(from, to) {
        Err(e) if e.kind() == ErrorKind::NotFound && to.is_file() => Ok(()),
        moved => moved.map_err(|e| failed(&format!("move {} to", from.display()), to)(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moving_twice_is_moving_once_and_moving_nothing_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&from, b"x").unwrap();
        move_file(&from, &to).unwrap();
        move_file(&from, &to).unwrap();
        fs::remove_file(&to).unwrap();
        assert!(move_file(&from, &to).is_err());
    }

    #[test]
    fn full_disk_says_what_to_do() {
        let cause = parquet::errors::ParquetError::External(Box::new(std::io::Error::from(ErrorKind::StorageFull)));
        let error = failed("write", "lake/x.parquet")(cause);
        assert_eq!(error.action, "write lake/x.parquet: the disk is full; free some space");
    }
}
