//! One engine a data folder.

use crate::run::RunError;
use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

/// File in the data folder that a running engine holds locked; its content is the engine's process id.
const LOCK: &str = "lock";

/// One engine a data folder: a second one started by mistake would take over from the first.
pub fn lock(data: &Path) -> Result<File, RunError> {
    let path = data.join(LOCK);
    let failed = |cause| RunError::Data { path: path.clone(), action: "lock it".to_owned(), cause };
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).map_err(failed)?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut by = String::new();
            // Who it is only helps the reader of the message.
            let _ = file.read_to_string(&mut by);
            Err(RunError::InUse { path: data.to_owned(), by })
        }
        Err(TryLockError::Error(cause)) => Err(failed(cause)),
    }
}
