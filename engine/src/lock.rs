//! One engine a data folder, or instances that share it, each under a name of its own.

use crate::run::RunError;
use crate::sink::instance_folder;
use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// File in a folder that a running engine holds locked; its content is the engine's process id.
const LOCK: &str = "lock";

/// One engine a data folder: a second one started by mistake would take over from the first.
pub fn lock(data: &Path) -> Result<File, RunError> {
    let (path, mut file) = open(data)?;
    match file.try_lock() {
        Ok(()) => {
            let told = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
            told.map_err(failed(&path))?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => Err(in_use(data, &mut file)),
        Err(TryLockError::Error(cause)) => Err(failed(&path)(cause)),
    }
}

/// The right to be an instance of a pipeline: nobody else is of that name, and nobody has the data folder to itself.
#[derive(Debug)]
pub struct Seat {
    name: String,
    /// Held as long as the seat is.
    _locks: [File; 2],
}

impl Seat {
    /// # Errors
    /// If another process is the instance of this name, or runs the pipeline alone.
    pub fn take(data: &Path, name: &str) -> Result<Seat, RunError> {
        let own = instance_folder(data, name);
        let action = "create the instance's folder".to_owned();
        std::fs::create_dir_all(&own).map_err(|cause| RunError::Data { path: own.clone(), action, cause })?;
        Ok(Seat { name: name.to_owned(), _locks: [lock(&own)?, lock_shared(data)?] })
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

/// As `lock`, for instances: any number of them, and nobody else.
fn lock_shared(data: &Path) -> Result<File, RunError> {
    let (path, mut file) = open(data)?;
    match file.try_lock_shared() {
        Ok(()) => {
            // Whose process it was says nothing of whoever shares the folder now.
            file.set_len(0).map_err(failed(&path))?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => Err(in_use(data, &mut file)),
        Err(TryLockError::Error(cause)) => Err(failed(&path)(cause)),
    }
}

fn in_use(folder: &Path, file: &mut File) -> RunError {
    let mut process = String::new();
    // Who it is only helps the reader of the message.
    let _ = file.read_to_string(&mut process);
    let by = if process.is_empty() { "an instance".to_owned() } else { format!("process {process}") };
    RunError::InUse { path: folder.to_owned(), by }
}

fn open(folder: &Path) -> Result<(PathBuf, File), RunError> {
    let path = folder.join(LOCK);
    let opened = File::options().read(true).write(true).create(true).truncate(false).open(&path);
    opened.map_err(failed(&path)).map(|file| (path, file))
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> RunError {
    let path = path.to_owned();
    move |cause| RunError::Data { path: path.clone(), action: "lock it".to_owned(), cause }
}
