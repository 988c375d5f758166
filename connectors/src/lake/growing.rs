//! The file of a segment while it grows. What the disk refuses is tried again where it stands, so that rows need not be
//! kept until they are safe; what was synced in vain is written anew.

use super::durable::failed;
use rhumb_engine::checksum::Checksum;
use rhumb_engine::retry::Retry;
use rhumb_engine::sink::SinkError;
use rhumb_engine::trouble::unsettled;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes that are copied at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// How files of a table are written.
#[derive(Clone)]
pub struct Writing {
    pub retry: Arc<Retry>,
    /// Makes a file durable; nothing where it is only on its way to a store.
    pub sync: fn(&File) -> io::Result<()>,
}

/// A file that is appended to, and the checksum of what it holds.
pub struct Growing {
    path: PathBuf,
    file: File,
    bytes: u64,
    sum: Checksum,
    writing: Writing,
}

impl Growing {
    /// Creates the file, in place of one of its name.
    pub fn create(path: &Path, writing: &Writing) -> Result<Growing, SinkError> {
        let file = writing.retry.run(format_args!("create {}", path.display()), || File::create(path));
        let file = file.map_err(failed("create", path))?;
        let (path, writing) = (path.to_owned(), writing.clone());
        Ok(Growing { path, file, bytes: 0, sum: Checksum::default(), writing })
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn checksum(&self) -> String {
        self.sum.text()
    }

    /// Makes it durable; its name is durable once the caller has synced the folder.
    pub fn settle(&mut self) -> Result<(), SinkError> {
        let (retry, sync) = (self.writing.retry.clone(), self.writing.sync);
        let path = self.path.clone();
        let mut is_first = true;
        let settled = retry.run(format_args!("make durable {}", path.display()), || {
            match std::mem::replace(&mut is_first, false) {
                true => sync(&self.file),
                false => self.write_anew(),
            }
        });
        settled.map_err(failed("make durable", &path))
    }

    /// After a sync that failed, the system may hold bytes for written that are not, and would say so to the next sync. They
    /// are read back, held against their checksum, and written to another file, which takes the name.
    fn write_anew(&mut self) -> io::Result<()> {
        let scratch = self.path.with_extension("anew");
        let (mut from, mut to) = (File::open(&self.path)?, File::create(&scratch)?);
        let (mut sum, mut chunk, mut bytes) = (Checksum::default(), vec![0; CHUNK_BYTES], 0);
        loop {
            let read = from.read(&mut chunk)?;
            if read == 0 {
                break;
            }
            sum.add(&chunk[..read]);
            bytes += read as u64;
            to.write_all(&chunk[..read])?;
        }
        if bytes != self.bytes || sum.text() != self.sum.text() {
            let what = "what was written does not read back as it was; nothing of it is committed, and the next run makes it anew";
            return Err(unsettled(io::Error::new(ErrorKind::InvalidData, what)));
        }
        let settled = (self.writing.sync)(&to).and_then(|()| fs::rename(&scratch, &self.path));
        settled.inspect_err(|_| {
            // It is in nobody's way.
            let _ = fs::remove_file(&scratch);
        })?;
        self.file = to;
        Ok(())
    }
}

impl Write for Growing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let at = self.bytes;
        // Wherever an error left the file, bytes go to their place.
        let written = self.writing.retry.run(format_args!("write {}", self.path.display()), || {
            match self.file.write_at(bytes, at)? {
                0 => Err(io::Error::from(ErrorKind::WriteZero)),
                written => Ok(written),
            }
        })?;
        self.sum.add(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rhumb_engine::retry::Pause;
    use rhumb_engine::time::SystemClock;
    use std::cell::Cell;
    use std::os::unix::fs::MetadataExt;
    use std::time::Duration;

    /// Time stands still.
    struct AtOnce;

    impl Pause for AtOnce {
        fn elapsed(&self) -> Duration {
            Duration::ZERO
        }

        fn pause(&self, _: Duration) {}
    }

    thread_local! {
        static FAILURES: Cell<u32> = const { Cell::new(0) };
    }

    fn writing(failures: u32) -> Writing {
        FAILURES.set(failures);
        let retry = Retry::new(Duration::from_secs(1), Arc::new(SystemClock), Arc::new(AtOnce), Arc::default(), 0);
        retry.begin();
        let sync = |_: &File| match FAILURES.get() {
            0 => Ok(()),
            left => {
                FAILURES.set(left - 1);
                Err(ErrorKind::StorageFull.into())
            }
        };
        Writing { retry: Arc::new(retry), sync }
    }

    #[test]
    fn file_that_could_not_be_synced_is_written_anew_with_the_same_bytes() {
        for failures in 0..4 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.parquet");
            let mut file = Growing::create(&path, &writing(failures)).unwrap();
            file.write_all(&[7; 3 * CHUNK_BYTES / 2]).unwrap();
            let before = fs::metadata(&path).unwrap().ino();
            file.settle().unwrap();
            assert_eq!(fs::read(&path).unwrap(), [7; 3 * CHUNK_BYTES / 2]);
            assert_eq!(fs::metadata(&path).unwrap().ino() == before, failures == 0, "another file took its name");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn bytes_that_are_gone_are_not_taken_for_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let mut file = Growing::create(&path, &writing(1)).unwrap();
        file.write_all(b"what was written").unwrap();
        file.file.write_at(b"X", 3).unwrap();
        let error = file.settle().unwrap_err();
        assert!(rhumb_engine::run::with_causes(&error).contains("does not read back"), "{error:?}");
    }
}
