//! A lock between runs of xtask: two at once must not download or start the same thing.

use std::fs::{File, TryLockError};
use std::path::Path;

use anyhow::Context;

use crate::paths;

/// Held until dropped. The kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "open means locked")] File);

impl Lock {
    /// Takes the lock at `path`, waiting for whoever has it.
    ///
    /// # Errors
    /// When the file cannot be made or locked.
    pub(crate) fn acquire(path: &Path) -> anyhow::Result<Self> {
        let what = || format!("lock {}", path.display());
        if let Some(folder) = path.parent() {
            paths::create_private(folder)?;
        }
        let file = File::create(path).with_context(what)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                eprintln!("waiting for another `cargo xtask` to finish ({})", path.display());
                file.lock().with_context(what)?;
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(what),
        }
        Ok(Self(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_gets_the_lock_until_it_is_dropped() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("below/lock");
        let lock = Lock::acquire(&path).expect("free");
        let other = File::open(&path).expect("the file");
        assert!(matches!(other.try_lock(), Err(TryLockError::WouldBlock)));
        drop(lock);
        assert!(other.try_lock().is_ok());
    }
}
