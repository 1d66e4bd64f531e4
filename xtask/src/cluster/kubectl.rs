//! Asks the cluster's API server, by the `kubectl` that was built for it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::layout::Layout;
use super::tools::Tools;
use crate::programs::{output, without_proxy};

/// How to ask.
#[derive(Debug, Clone)]
pub(super) struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    /// Not the user's, where every cluster there ever was would be remembered.
    cache: PathBuf,
}

impl Kubectl {
    /// The administrator of the cluster of `layout`.
    pub(super) fn new(layout: &Layout, tools: &Tools) -> Self {
        Self { program: tools.kubectl(), kubeconfig: layout.kubeconfig(), cache: layout.answers() }
    }

    /// Whether the API server says that it is ready.
    pub(super) fn serves(&self) -> bool {
        self.ask(&["get", "--raw", "/readyz"]).is_ok()
    }

    /// Whether pods can be made: the node is ready, and `default` has its service account.
    pub(super) fn takes_pods(&self) -> bool {
        const READY: &str = r#"jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}"#;
        let ready = self.ask(&["get", "nodes", "--output", READY]);
        let account = ["get", "serviceaccount", "default", "--namespace", "default"];
        ready.is_ok_and(|ready| ready == "True") && self.ask(&account).is_ok()
    }

    /// Makes the objects of a manifest as they are there.
    ///
    /// # Errors
    /// When the API server refuses one.
    pub(super) fn apply(&self, manifest: &Path) -> anyhow::Result<()> {
        let words = ["apply", "--server-side", "--force-conflicts", "--filename"];
        output(self.command().args(words).arg(manifest))?;
        Ok(())
    }

    fn ask(&self, words: &[&str]) -> anyhow::Result<String> {
        output(self.command().args(words))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        without_proxy(&mut command);
        command.arg("--kubeconfig").arg(&self.kubeconfig).arg("--cache-dir").arg(&self.cache);
        command.arg("--request-timeout=5s");
        command
    }
}
