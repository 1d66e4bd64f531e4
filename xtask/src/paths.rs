//! Where xtask keeps its files: state that must survive, and a cache that may be deleted.
//!
//! One place per user, not per checkout, so that a second checkout uses the brokers that run.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::args::Homes;

/// The two directories of this user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Paths {
    state: PathBuf,
    cache: PathBuf,
}

impl Paths {
    /// Chooses the directories; creates nothing.
    ///
    /// # Errors
    /// When the home directory is needed and unknown.
    pub(crate) fn resolve(homes: &Homes) -> anyhow::Result<Self> {
        let place = |chosen: Option<&OsString>, fallback: &str| {
            // The specification: "If an implementation encounters a relative path in any of these
            // variables it should consider the path invalid and ignore it."
            let chosen = chosen.map(PathBuf::from).filter(|path| path.is_absolute());
            let below_home = || Some(Path::new(homes.home.as_ref()?).join(fallback));
            chosen.or_else(below_home).map(|path| path.join("warren"))
        };
        Ok(Self {
            state: place(homes.state_home.as_ref(), ".local/state")
                .context("find a place for state: set HOME or XDG_STATE_HOME")?,
            cache: place(homes.cache_home.as_ref(), ".cache")
                .context("find a place for downloads: set HOME or XDG_CACHE_HOME")?,
        })
    }

    /// What runs for development on this machine.
    pub(crate) fn dev(&self) -> PathBuf {
        self.state.join("dev")
    }

    /// The same cache, and state of its own: what is started there is nobody else's.
    pub(crate) fn apart(&self, name: &str) -> Self {
        Self { state: self.state.join(name), cache: self.cache.clone() }
    }

    /// What was downloaded and unpacked.
    pub(crate) fn cache(&self) -> &Path {
        &self.cache
    }
}

/// Creates `path` and its parents for this user alone: data and passwords live below.
///
/// # Errors
/// When it cannot be created.
pub(crate) fn create_private(path: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("create {}", path.display()))
}

/// Removes the folder `path` and all in it; one that does not exist is as good.
///
/// # Errors
/// When something in it stays.
pub(crate) fn remove_folder(path: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other.with_context(|| format!("remove {}", path.display())),
    }
}

/// Replaces `path` by a file with `text` that only this user reads.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let new = path.with_added_extension("new");
    let write = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        fs::rename(&new, path)
    };
    write().with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn homes(home: Option<&str>, state_home: Option<&str>) -> Homes {
        Homes {
            home: home.map(OsString::from),
            state_home: state_home.map(OsString::from),
            cache_home: None,
        }
    }

    #[test]
    fn a_relative_or_empty_state_home_is_ignored() {
        for ignored in [None, Some(""), Some("state")] {
            let paths = Paths::resolve(&homes(Some("/h"), ignored)).expect("a home");
            assert_eq!(paths.dev(), Path::new("/h/.local/state/warren/dev"));
            assert_eq!(paths.cache(), Path::new("/h/.cache/warren"));
        }
    }

    #[test]
    fn an_absolute_state_home_wins() {
        let paths = Paths::resolve(&homes(Some("/h"), Some("/s"))).expect("a home");
        assert_eq!(paths.dev(), Path::new("/s/warren/dev"));
    }

    #[test]
    fn without_any_home_the_variable_to_set_is_named() {
        let error = Paths::resolve(&homes(None, None)).expect_err("no home");
        assert!(error.to_string().contains("XDG_STATE_HOME"), "{error}");
    }
}
