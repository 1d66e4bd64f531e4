//! The files of a demo, below one folder for each user; and what a killed demo left.
//!
//! One demo of a user runs at a time. What it made outside of the folder is recorded before it is
//! made, so that the next one can remove it when this one could not. The logs stay until then.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::lock::Lock;
use crate::paths;

/// The folder, for this run alone.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: Lock,
}

/// What the files of a broker folder are called.
const BROKER_FILES: [&str; 11] = [
    "host",
    "port",
    "username",
    "password",
    "vhost",
    "management-uri",
    "ca.crt",
    "tls.crt",
    "tls.key",
    TLS_MODE,
    "tls-server-name",
];

/// Whether a broker is spoken to with TLS.
const TLS_MODE: &str = "tls-mode";

/// The port that means TLS when nothing else says it.
const AMQPS: &str = "5671";

impl Folder {
    /// Takes the folder, waiting for another demo of this user to end.
    ///
    /// # Errors
    /// When it cannot be made or locked.
    pub(super) fn take(path: &Path) -> anyhow::Result<Self> {
        let lock = Lock::acquire(&path.with_added_extension("lock"))?;
        paths::create_private(path)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// What an earlier demo did not remove.
    ///
    /// # Errors
    /// When its record cannot be read.
    pub(super) fn left<Record: DeserializeOwned>(&self) -> anyhow::Result<Option<Record>> {
        let path = self.record();
        let text = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.with_context(|| format!("read {}", path.display()))?,
        };
        let record = serde_json::from_slice(&text);
        record.map(Some).with_context(|| {
            let path = path.display();
            format!("understand {path}; delete it when the demo that wrote it is gone")
        })
    }

    /// Removes all files of the demo before.
    ///
    /// # Errors
    /// When one cannot be removed.
    pub(super) fn empty(&self) -> anyhow::Result<()> {
        let path = &self.path;
        fs::remove_dir_all(path).with_context(|| format!("empty {}", path.display()))?;
        paths::create_private(path)
    }

    /// Remembers what is to be removed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn remember(&self, record: &impl Serialize) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(record).context("write the record")?;
        paths::write_private(&self.record(), &text)
    }

    /// Forgets: it is removed.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub(super) fn forget(&self) -> anyhow::Result<()> {
        let login = self.broker_dir();
        match fs::remove_dir_all(&login) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            other => other.with_context(|| format!("remove {}", login.display()))?,
        }
        let record = self.record();
        fs::remove_file(&record).with_context(|| format!("remove {}", record.display()))
    }

    /// Copies a broker folder, with another virtual host; gives the copy.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub(super) fn login(&self, broker_dir: &Path, vhost: &str) -> anyhow::Result<PathBuf> {
        let mut files = BTreeMap::new();
        for name in BROKER_FILES {
            let path = broker_dir.join(name);
            match fs::read_to_string(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                other => {
                    let text = other.with_context(|| format!("read {}", path.display()))?;
                    files.insert(name, text);
                }
            }
        }
        if says_nothing_of_tls(&files) {
            files.insert(TLS_MODE, "Plaintext".to_owned());
        }
        files.insert("vhost", vhost.to_owned());
        let copy = self.broker_dir();
        paths::create_private(&copy)?;
        for (name, text) in files {
            paths::write_private(&copy.join(name), &text)?;
        }
        Ok(copy)
    }

    /// The pipeline that is shown.
    pub(super) fn manifest(&self) -> PathBuf {
        self.path.join("orders.yaml")
    }

    /// What a program that runs beside the demo says.
    pub(super) fn log(&self, program: &str) -> PathBuf {
        self.path.join(format!("{program}.log"))
    }

    /// The operator's own state: configurations and logs of the workers.
    pub(super) fn state(&self) -> PathBuf {
        self.path.join("state")
    }

    /// The broker folder of the demo itself, until it is forgotten.
    pub(super) fn broker_dir(&self) -> PathBuf {
        self.path.join("broker-dir")
    }

    fn record(&self) -> PathBuf {
        self.path.join("left.json")
    }
}

/// Whether neither a file nor the port asks for TLS. Workers and producers then do without; the
/// operator does so only at the usual port, and a broker for demos often has another.
fn says_nothing_of_tls(files: &BTreeMap<&str, String>) -> bool {
    let none = ["ca.crt", "tls.crt", TLS_MODE].iter().all(|name| !files.contains_key(name));
    none && files.get("port").is_none_or(|port| port.trim_end() != AMQPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let base = tempfile::tempdir().expect("a folder");
        let folder = Folder::take(&base.path().join("demo")).expect("free");
        (base, folder)
    }

    #[test]
    fn what_was_made_is_remembered_until_it_is_removed() {
        let (_base, folder) = folder();
        let left = || folder.left::<String>().expect("readable");
        assert_eq!(left(), None);
        folder.remember(&"a virtual host").expect("written");
        assert_eq!(left().as_deref(), Some("a virtual host"));
        folder.forget().expect("removed");
        assert_eq!(left(), None);
    }

    #[test]
    fn a_login_is_copied_with_another_virtual_host_and_gone_afterwards() {
        let (base, folder) = folder();
        let given = base.path().join("given");
        fs::create_dir(&given).expect("made");
        for (name, text) in [("host", "h"), ("password", "p"), ("vhost", "/")] {
            fs::write(given.join(name), text).expect("written");
        }
        let copy = folder.login(&given, "mine").expect("copied");
        let read = |name| fs::read_to_string(copy.join(name)).ok();
        assert_eq!(read("vhost").as_deref(), Some("mine"));
        assert_eq!(read("password").as_deref(), Some("p"));
        assert_eq!(read("ca.crt"), None);
        assert_eq!(read("tls-mode").as_deref(), Some("Plaintext"));
        folder.empty().expect("emptied");
        assert!(!copy.exists());
    }

    #[test]
    fn encryption_that_somebody_asked_for_is_kept() {
        for (name, text) in [("ca.crt", "x"), ("tls-mode", "Verify"), ("port", "5671\n")] {
            let files = BTreeMap::from([(name, text.to_owned())]);
            assert!(!says_nothing_of_tls(&files), "{name}");
        }
        assert!(says_nothing_of_tls(&BTreeMap::from([("port", "21430".to_owned())])));
    }
}
