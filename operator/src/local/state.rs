//! The state directory of one pipeline: what its processes read, and what outlives this one.
//!
//! Logins are in it, so everything is for this user alone. A file is replaced in one step and only
//! when it differs, because running workers read theirs again. It decides no content.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use warren_core::names::{PipelineId, QueueName};

use crate::{args::LocalArgs, login::SecretData};

/// The directory, locked for as long as this lives.
#[derive(Debug)]
pub(super) struct State {
    root: PathBuf,
    /// The kernel lets go of it when the process ends, however it ends.
    _lock: File,
}

/// What could not be done with the state directory.
#[derive(Debug, thiserror::Error)]
pub(super) enum StateError {
    #[error("find a place for state: set HOME or XDG_STATE_HOME, or give --state-dir")]
    NoHome,
    #[error("create the state directory {}", path.display())]
    Create { path: PathBuf, source: io::Error },
    #[error("lock {}", path.display())]
    Lock { path: PathBuf, source: io::Error },
    #[error(
        "{pipeline} is run by another `warren-operator local` (process {process}); end that one, \
         or give this one another --state-dir and another pipeline"
    )]
    Taken { pipeline: PipelineId, process: String },
    #[error("write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
}

/// Where a program finds its configuration and login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files {
    /// `worker.yaml` or `producer.yaml`.
    pub(super) config: PathBuf,
    /// The broker's login.
    pub(super) broker: PathBuf,
}

/// The directory below which each pipeline has its own.
///
/// # Errors
/// When neither the command line nor the environment names one.
pub(super) fn base(args: &LocalArgs) -> Result<PathBuf, StateError> {
    if let Some(chosen) = &args.state_dir {
        return std::path::absolute(chosen)
            .map_err(|source| StateError::Create { path: chosen.clone(), source });
    }
    // The specification: "If an implementation encounters a relative path in any of these variables
    // it should consider the path invalid and ignore it."
    let absolute =
        |path: &Option<_>| path.as_ref().map(PathBuf::from).filter(|path| path.is_absolute());
    let homes = &args.homes;
    absolute(&homes.state_home)
        .or_else(|| absolute(&homes.home).map(|home| home.join(".local/state")))
        .map(|state| state.join("warren/local"))
        .ok_or(StateError::NoHome)
}

impl State {
    /// Opens the directory of a pipeline, and makes it where it does not exist.
    ///
    /// # Errors
    /// When it cannot be made, or another process has it.
    pub(super) fn open(base: &Path, pipeline: &PipelineId) -> Result<Self, StateError> {
        let root = base.join(format!("{}.{}", pipeline.namespace(), pipeline.name()));
        create_private(&root)?;
        let lock = lock(&root.join("lock"), pipeline)?;
        Ok(Self { root, _lock: lock })
    }

    /// The files of a queue's workers.
    pub(super) fn of_worker(&self, queue: &QueueName) -> Files {
        // The name `producer` is reserved among queues, so nothing collides.
        self.of(queue.as_str(), "worker.yaml")
    }

    /// The files of the producer.
    pub(super) fn of_producer(&self) -> Files {
        self.of("producer", "producer.yaml")
    }

    fn of(&self, name: &str, config: &str) -> Files {
        let folder = self.root.join("programs").join(name);
        Files { config: folder.join(config), broker: folder.join("broker") }
    }

    /// The directory of the Secrets that handlers name, as `<secret>/<key>`.
    pub(super) fn handler(&self) -> PathBuf {
        self.root.join("handler")
    }

    /// The passwords of broker users.
    pub(super) fn credentials(&self) -> PathBuf {
        self.root.join("credentials.json")
    }

    /// The records of processes that run.
    pub(super) fn processes(&self) -> PathBuf {
        self.root.join("processes")
    }

    /// The logs of the processes.
    pub(super) fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }
}

/// Makes a directory and its parents for this user alone.
///
/// # Errors
/// When it cannot be made.
pub(super) fn create_private(path: &Path) -> Result<(), StateError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| StateError::Create { path: path.to_owned(), source })
}

/// Gives a file this content, in one step, and only when it has another one.
///
/// # Errors
/// When it cannot be written.
pub(super) fn write(path: &Path, content: &[u8]) -> Result<(), StateError> {
    if fs::read(path).is_ok_and(|present| present == content) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        create_private(folder)?;
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let written = private(&partial)
        .and_then(|mut file| file.write_all(content))
        .and_then(|()| fs::rename(&partial, path));
    written.map_err(|source| StateError::Write { path: path.to_owned(), source })
}

/// Gives a directory exactly these files.
///
/// # Errors
/// When a file cannot be written or removed.
pub(super) fn write_dir(path: &Path, files: &SecretData) -> Result<(), StateError> {
    create_private(path)?;
    for (name, content) in files {
        write(&path.join(name), content)?;
    }
    let failed = |source| StateError::Write { path: path.to_owned(), source };
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let wanted = entry.file_name().to_str().is_some_and(|name| files.contains_key(name));
        if !wanted {
            fs::remove_file(entry.path()).map_err(failed)?;
        }
    }
    Ok(())
}

/// Opens a log to be written on at its end.
///
/// # Errors
/// When it cannot be opened.
pub(super) fn append(path: &Path) -> Result<File, StateError> {
    if let Some(folder) = path.parent() {
        create_private(folder)?;
    }
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| StateError::Write { path: path.to_owned(), source })
}

fn private(path: impl AsRef<Path>) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

fn lock(path: &Path, pipeline: &PipelineId) -> Result<File, StateError> {
    let failed = |source| StateError::Lock { path: path.to_owned(), source };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut process = String::new();
            file.read_to_string(&mut process).map_err(failed)?;
            return Err(StateError::Taken {
                pipeline: pipeline.clone(),
                process: process.trim().to_owned(),
            });
        }
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    // For the message above; the lock itself needs no content.
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(failed)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::{
        ffi::OsString,
        os::unix::fs::{MetadataExt, PermissionsExt},
    };

    use clap::Parser;

    use super::*;
    use crate::args::{Args, Command};

    fn orders() -> PipelineId {
        PipelineId::new("shop", "orders").unwrap()
    }

    fn files(pairs: &[(&str, &str)]) -> SecretData {
        let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), text.as_bytes().to_vec());
        pairs.iter().map(owned).collect()
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_pipeline_is_run_once_at_a_time() {
        let base = tempfile::tempdir().unwrap();
        let first = State::open(base.path(), &orders()).unwrap();
        let error = State::open(base.path(), &orders()).unwrap_err();
        let me = std::process::id().to_string();
        assert!(error.to_string().contains(&me), "{error}");
        let other = PipelineId::new("shop", "invoices").unwrap();
        State::open(base.path(), &other).unwrap();
        drop(first);
        State::open(base.path(), &orders()).unwrap();
    }

    #[test]
    fn logins_are_for_this_user_alone() {
        let base = tempfile::tempdir().unwrap();
        let state = State::open(base.path(), &orders()).unwrap();
        let broker = state.of_producer().broker;
        write_dir(&broker, &files(&[("password", "secret")])).unwrap();
        assert_eq!(mode(&broker.join("password")), 0o600);
        assert_eq!(mode(&broker), 0o700);
        assert_eq!(mode(&state.root), 0o700);
    }

    #[test]
    fn a_directory_holds_what_was_written_last_and_nothing_else() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("broker");
        write_dir(&folder, &files(&[("host", "a"), ("ca.crt", "x")])).unwrap();
        write_dir(&folder, &files(&[("host", "b")])).unwrap();
        assert_eq!(fs::read_to_string(folder.join("host")).unwrap(), "b");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn an_equal_file_is_not_written_again() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("worker.yaml");
        write(&path, b"a").unwrap();
        let file = || fs::metadata(&path).unwrap().ino();
        let first = file();
        write(&path, b"a").unwrap();
        assert_eq!(file(), first);
        write(&path, b"b").unwrap();
        assert_ne!(file(), first);
    }

    #[test]
    fn state_is_kept_where_the_user_or_the_environment_says() {
        let chosen = |typed: &[&str], state_home: Option<&str>, home: Option<&str>| {
            let typed = ["warren-operator", "local", "-f", "a"].iter().chain(typed);
            let Command::Local(args) = Args::try_parse_from(typed).unwrap().command else {
                panic!("another command");
            };
            let mut args = *args;
            args.homes.state_home = state_home.map(OsString::from);
            args.homes.home = home.map(OsString::from);
            base(&args).ok()
        };
        let path = |text| Some(PathBuf::from(text));
        assert_eq!(chosen(&["--state-dir", "/x"], Some("/s"), None), path("/x"));
        assert_eq!(chosen(&[], Some("/s"), Some("/h")), path("/s/warren/local"));
        let below_home = path("/h/.local/state/warren/local");
        assert_eq!(chosen(&[], Some("relative"), Some("/h")), below_home);
        assert_eq!(chosen(&[], None, None), None);
    }
}
