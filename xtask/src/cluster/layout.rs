//! Where the files of the cluster are, all below one folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::ensure;

use super::component::Component;
use crate::paths::Paths;

/// How long the path of the folder may be.
///
/// The kubelet's sockets lie up to 50 bytes below it, and `unix(7)` allows 107 in all.
const LONGEST: usize = 57;

/// Folders that the cluster sees one of its own in place of, so that the folder may not be in them.
const HIDDEN: [&str; 4] = ["/run", "/var/run", "/var/lib", "/var/log"];

/// The files of one cluster.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    root: PathBuf,
    lock: PathBuf,
}

impl Layout {
    /// The files of this user's cluster.
    pub(super) fn new(paths: &Paths) -> Self {
        let dev = paths.dev();
        Self { root: dev.join("cluster"), lock: dev.join("cluster.lock") }
    }

    /// Whether a cluster can live here at all.
    ///
    /// # Errors
    /// When it cannot; the message says what to change.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let remedy = "set XDG_STATE_HOME to another folder";
        let root = self.root.display();
        ensure!(
            !HIDDEN.iter().any(|hidden| self.root.starts_with(hidden)),
            "the cluster cannot keep its state in {root}: that folder is hidden from it; {remedy}"
        );
        ensure!(
            self.root.as_os_str().len() <= LONGEST,
            "the cluster cannot keep its state in {root}: longer than {LONGEST} bytes, and its \
             sockets would not fit; {remedy} with a shorter path"
        );
        Ok(())
    }

    /// The folder of everything.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Held by whoever changes the cluster.
    pub(super) fn lock(&self) -> &Path {
        &self.lock
    }

    /// What is remembered between runs.
    pub(super) fn record(&self) -> PathBuf {
        self.root.join("state.json")
    }

    /// The administrator's way in.
    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.root.join("kubeconfig")
    }

    /// Which images were loaded, by name.
    pub(super) fn images(&self) -> PathBuf {
        self.root.join("images.json")
    }

    /// What kubectl keeps of the API server's answers.
    pub(super) fn answers(&self) -> PathBuf {
        self.root.join("kubectl")
    }

    /// A configuration file, key or certificate.
    pub(super) fn configuration(&self, name: &str) -> PathBuf {
        self.root.join("etc").join(name)
    }

    /// Where a component keeps data.
    pub(super) fn data(&self, name: &str) -> PathBuf {
        self.root.join("data").join(name)
    }

    /// All that a component says.
    pub(super) fn log(&self, component: Component) -> PathBuf {
        self.root.join("log").join(format!("{}.log", component.name()))
    }

    /// The last lines of that.
    pub(super) fn end_of_log(&self, component: Component) -> String {
        const LINES: usize = 15;
        let log = fs::read(self.log(component)).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Homes;

    fn check(state_home: &str) -> anyhow::Result<()> {
        let homes = Homes {
            home: Some("/h".into()),
            state_home: Some(state_home.into()),
            cache_home: None,
        };
        Layout::new(&Paths::resolve(&homes)?).check()
    }

    #[test]
    fn a_folder_whose_sockets_would_not_fit_or_that_would_be_hidden_is_refused() {
        assert!(check("/tmp/tmp.AbCdEfGhIj").is_ok());
        let long = check(&format!("/{}", "x".repeat(50))).expect_err("too long");
        assert!(long.to_string().contains("shorter"), "{long}");
        let hidden = check("/run/user/0").expect_err("hidden");
        assert!(hidden.to_string().contains("XDG_STATE_HOME"), "{hidden}");
    }
}
