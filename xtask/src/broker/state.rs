//! What is remembered of a broker between runs of xtask, and where its files are.
//!
//! The record is written whole or not at all, so that a killed run leaves either the old or the new
//! one. Nothing here starts or stops a process.

use std::fmt::{self, Write as _};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::ports::Ports;
use super::release::Release;
use crate::paths::{self, write_private};
use crate::process::Process;

/// The login of every broker that xtask starts; its password is drawn for each.
pub(super) const USER: &str = "warren";

/// A broker that was started and not taken down.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) release: Release,
    pub(super) ports: Ports,
    pub(super) password: Password,
    /// The one process whose end ends the whole broker.
    pub(super) process: Option<Process>,
    /// The version that the server reported once it answered. Before that its data may be half
    /// made, and nobody can have used it.
    pub(super) server: Option<String>,
}

impl Record {
    /// A broker that has not been started yet.
    pub(super) fn new(release: Release, ports: Ports, password: Password) -> Self {
        Self { release, ports, password, process: None, server: None }
    }

    /// Its process, when that still runs.
    pub(super) fn running(&self) -> Option<Process> {
        self.process.filter(Process::runs)
    }

    /// The AMQP address, without the login.
    pub(super) fn amqp(&self) -> String {
        format!("amqp://127.0.0.1:{}", self.ports.amqp)
    }

    /// The address of the management API and user interface.
    pub(super) fn management(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.management)
    }
}

/// A password that no log or error can show.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Password(String);

impl Password {
    /// 128 bits from the operating system.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub(super) fn random() -> anyhow::Result<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).context("draw a password")?;
        let text = bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a String takes every write");
            text
        });
        Ok(Self(text))
    }

    /// The password itself: for files that only this user reads, and for the login.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// The files of one broker, all below one folder.
#[derive(Debug, Clone)]
pub(super) struct Files(PathBuf);

impl Files {
    /// The files of the broker of `release` below the folder `dev`.
    pub(super) fn new(dev: &Path, release: Release) -> Self {
        Self(dev.join(format!("broker-{}", release.name())))
    }

    /// What the broker stores.
    pub(super) fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    /// The folder of its log.
    pub(super) fn logs(&self) -> PathBuf {
        self.0.join("log")
    }

    /// All that it says.
    pub(super) fn log(&self) -> PathBuf {
        self.logs().join("rabbit.log")
    }

    /// Its configuration.
    pub(super) fn configuration(&self) -> PathBuf {
        self.0.join("etc")
    }

    /// The folder that `--broker-dir` takes.
    pub(super) fn broker_dir(&self) -> PathBuf {
        self.0.join("broker-dir")
    }

    fn record(&self) -> PathBuf {
        self.0.join("state.json")
    }

    /// Whether there is anything of this broker.
    pub(super) fn exist(&self) -> bool {
        self.0.exists()
    }

    /// Makes the folders.
    ///
    /// # Errors
    /// When one cannot be made.
    pub(super) fn create(&self) -> anyhow::Result<()> {
        let folders = [self.data(), self.logs(), self.configuration(), self.broker_dir()];
        folders.iter().try_for_each(|folder| paths::create_private(folder))
    }

    /// Removes everything of this broker, its data too.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub(super) fn remove(&self) -> anyhow::Result<()> {
        paths::remove_folder(&self.0)
    }

    /// What is remembered, if anything.
    ///
    /// # Errors
    /// When the record cannot be read: then no process may be started or stopped by guess.
    pub(super) fn load(&self) -> anyhow::Result<Option<Record>> {
        let path = self.record();
        let text = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.with_context(|| format!("read {}", path.display()))?,
        };
        let record = serde_json::from_slice(&text).with_context(|| {
            format!(
                "understand {}; stop the broker that it names by hand, then delete {}",
                path.display(),
                self.0.display()
            )
        })?;
        Ok(Some(record))
    }

    /// Remembers `record`, and writes the login for `--broker-dir`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(super) fn save(&self, record: &Record) -> anyhow::Result<()> {
        for (name, value) in broker_dir(record) {
            write_private(&self.broker_dir().join(name), &value)?;
        }
        let text = serde_json::to_string_pretty(record).context("write the record")?;
        write_private(&self.record(), &text)
    }

    /// The last lines of the log.
    pub(super) fn end_of_log(&self) -> String {
        const LINES: usize = 15;
        let log = fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }
}

/// The files of a broker folder: one value each, nothing around it.
fn broker_dir(record: &Record) -> [(&'static str, String); 7] {
    [
        ("host", "127.0.0.1".to_owned()),
        ("port", record.ports.amqp.to_string()),
        ("username", USER.to_owned()),
        ("password", record.password.reveal().to_owned()),
        ("vhost", "/".to_owned()),
        ("management-uri", record.management()),
        // The port is not the usual one, by which a broker without TLS is known.
        ("tls-mode", "Plaintext".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn record() -> Record {
        let password = Password::random().expect("random bytes");
        Record::new(Release::V4_3, Ports::preferred(Release::V4_3), password)
    }

    #[test]
    fn a_record_is_read_back_as_it_was_written() {
        let dev = tempfile::tempdir().expect("a folder");
        let files = Files::new(dev.path(), Release::V4_3);
        files.create().expect("folders");
        assert!(files.load().expect("readable").is_none());

        let written = record();
        files.save(&written).expect("saved");
        let read = files.load().expect("readable").expect("a record");
        assert_eq!(read.ports, written.ports);
        assert_eq!(read.password.reveal(), written.password.reveal());
        assert_eq!(read.running(), None);
    }

    #[test]
    fn the_broker_folder_holds_bare_values_that_only_the_user_reads() {
        let dev = tempfile::tempdir().expect("a folder");
        let files = Files::new(dev.path(), Release::V3_10);
        files.create().expect("folders");
        files.save(&record()).expect("saved");
        let port = files.broker_dir().join("port");
        assert_eq!(fs::read_to_string(&port).expect("a port"), "21430");
        let mode = fs::metadata(&port).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_record_that_makes_no_sense_says_what_to_do() {
        let dev = tempfile::tempdir().expect("a folder");
        let files = Files::new(dev.path(), Release::V4_0);
        files.create().expect("folders");
        fs::write(files.record(), "{").expect("written");
        let error = files.load().expect_err("no record");
        assert!(error.to_string().contains("by hand"), "{error}");
    }

    #[test]
    fn no_debug_text_shows_a_password() {
        let record = record();
        assert!(!format!("{record:?}").contains(record.password.reveal()));
    }
}
