//! One server per data folder: `data_dir/whimbreld.lock`, locked while a server runs. The lock is
//! the kernel's, so it goes with the process however that ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The name of the lock file in the data folder.
const LOCK: &str = "whimbreld.lock";

/// The right to run a server on a data folder, held until dropped.
#[derive(Debug)]
pub struct DataDirLock {
    _file: File,
}

/// Why the data folder cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another server runs on it.
    #[error("another whimbreld{} uses {}: stop it first, or give this one a data_dir of its own", process(*pid), data_dir.display())]
    Held {
        /// The folder.
        data_dir: PathBuf,
        /// The other process, when it could be read.
        pid: Option<u32>,
    },
    /// The lock file cannot be used.
    #[error("cannot lock {}: {source}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

fn process(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

impl DataDirLock {
    /// Takes the lock, or says who has it.
    ///
    /// # Errors
    /// [`LockError::Held`] when another server runs, [`LockError::Io`] when the file cannot be used.
    pub fn acquire(data_dir: &Path) -> Result<Self, LockError> {
        let path = data_dir.join(LOCK);
        let failed = |source| LockError::Io { path: path.clone(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Who has it is a courtesy: that it is held is known without it.
                let _ = file.take(20).read_to_string(&mut text);
                return Err(LockError::Held { data_dir: data_dir.to_owned(), pid: text.trim().parse().ok() });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_server_is_told_who_has_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDirLock::acquire(dir.path()).unwrap();
        let refused = DataDirLock::acquire(dir.path()).unwrap_err().to_string();
        assert!(refused.contains(&std::process::id().to_string()), "{refused}");
        drop(first);
        DataDirLock::acquire(dir.path()).unwrap();
    }
}
