//! Files that survive a power cut. What is written anew after a failure is written to another file: a sync that failed is
//! not told twice, so that syncing the same file again would only seem to work.

use crate::trouble::unsettled;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// Makes names in a folder durable: what was created in it, moved into it, or deleted from it. Names cannot be written anew
/// elsewhere, so that a failure is final.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all().map_err(unsettled)
}

/// Writes a file under a name that nobody else uses, durably but for its name. After a failure it is gone.
fn write_scratch(scratch: &Path, bytes: &[u8]) -> io::Result<()> {
    // One that a crash left, or that could not be taken away.
    let _ = fs::remove_file(scratch);
    let write = || {
        let mut file = File::create_new(scratch)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().inspect_err(|_| {
        // It is in nobody's way.
        let _ = fs::remove_file(scratch);
    })
}

/// Creates a file whole or not at all, durably, if none is there; says whether it did.
pub fn create_file(path: &Path, scratch: &Path, bytes: &[u8]) -> io::Result<bool> {
    write_scratch(scratch, bytes)?;
    let linked = fs::hard_link(scratch, path);
    let _ = fs::remove_file(scratch);
    match linked {
        Ok(()) => {
            path.parent().map_or(Ok(()), sync_folder)?;
            Ok(true)
        }
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(cause) => Err(cause),
    }
}

/// Puts a file in the place of what may be there, whole or not at all, durably.
pub fn replace_file(path: &Path, scratch: &Path, bytes: &[u8]) -> io::Result<()> {
    write_scratch(scratch, bytes)?;
    fs::rename(scratch, path).inspect_err(|_| {
        // It is in nobody's way.
        let _ = fs::remove_file(scratch);
    })?;
    path.parent().map_or(Ok(()), sync_folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_is_created_once_and_leaves_no_scratch() {
        let folder = tempfile::tempdir().unwrap();
        let (path, scratch) = (folder.path().join("a"), folder.path().join("s"));
        assert!(create_file(&path, &scratch, b"first").unwrap());
        assert!(!create_file(&path, &scratch, b"second").unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"first");
        replace_file(&path, &scratch, b"third").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"third");
        assert!(!scratch.exists());
    }

    #[test]
    fn what_could_not_be_written_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (path, scratch) = (folder.path().join("no/a"), folder.path().join("s"));
        assert!(create_file(&path, &scratch, b"x").is_err());
        assert!(replace_file(&path, &scratch, b"x").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
