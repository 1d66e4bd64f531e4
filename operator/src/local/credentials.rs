//! The passwords of broker users, kept from one run to the next.
//!
//! One file for this user alone; it never leaves the state directory but into the directories that
//! workers and producers read.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use warren_broker::login::Secret;

use super::state::{self, StateError};

/// The passwords of broker users.
pub(super) struct Credentials {
    file: PathBuf,
    /// By user.
    passwords: Mutex<BTreeMap<String, String>>,
}

/// What the file that should hold passwords holds instead.
#[derive(Debug, thiserror::Error)]
#[error("no passwords are in it: remove it, and the operator makes new ones")]
struct NoPasswords;

impl Credentials {
    /// Reads what was kept.
    ///
    /// # Errors
    /// When there is a file that cannot be read.
    pub(super) fn read(file: &Path) -> Result<Self, StateError> {
        let failed = |source| StateError::Read { path: file.to_owned(), source };
        let passwords = match fs::read(file) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|_| failed(io::Error::new(io::ErrorKind::InvalidData, NoPasswords)))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(failed(error)),
        };
        Ok(Self { file: file.to_owned(), passwords: Mutex::new(passwords) })
    }

    /// The password of a user; nothing when none was kept.
    pub(super) fn get(&self, user: &str) -> Option<Secret> {
        let passwords = self.passwords.lock().unwrap_or_else(PoisonError::into_inner);
        passwords.get(user).map(Secret::new)
    }

    /// Keeps the password of a user.
    ///
    /// # Errors
    /// When the file cannot be written; the password is then not kept at all.
    pub(super) fn keep(&self, user: &str, password: &Secret) -> Result<(), StateError> {
        let mut passwords = self.passwords.lock().unwrap_or_else(PoisonError::into_inner);
        let mut more = passwords.clone();
        more.insert(user.to_owned(), password.reveal().to_owned());
        let text = serde_json::to_vec(&more).expect("texts by text are plain data");
        state::write(&self.file, &text)?;
        *passwords = more;
        Ok(())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("file", &self.file).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_there_in_the_next_run() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("credentials.json");
        let first = Credentials::read(&file).unwrap();
        assert!(first.get("u").is_none());
        first.keep("u", &Secret::new("p")).unwrap();
        let second = Credentials::read(&file).unwrap();
        assert_eq!(second.get("u").unwrap().reveal(), "p");
        assert!(!format!("{second:?}").contains("\"p\""), "{second:?}");
    }

    #[test]
    fn a_broken_file_is_told_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("credentials.json");
        fs::write(&file, "hunter2").unwrap();
        let error = Credentials::read(&file).unwrap_err();
        let text = format!("{error:?}");
        assert!(error.to_string().contains("credentials.json"), "{error}");
        assert!(!text.contains("hunter2"), "{text}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "hunter2");
    }
}
