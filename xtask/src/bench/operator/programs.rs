//! The operator and its floor, and how each is started.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::super::programs::program;
use crate::cargo::Built;
use crate::programs;

/// How the floor is called.
pub(super) const BARE: &str = "bare-watch";
/// How the operator is called.
pub(super) const OPERATOR: &str = "warren-operator";

/// Where the programs are.
#[derive(Debug)]
pub(in crate::bench) struct Programs {
    bare: PathBuf,
    operator: PathBuf,
}

/// What both are to look at.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) kubeconfig: &'a Path,
    pub(super) namespace: &'a str,
    /// The Secret that the pipelines name.
    pub(super) secret: &'a str,
}

impl Programs {
    /// Builds them as they are released.
    ///
    /// # Errors
    /// When the build fails.
    pub(in crate::bench) fn build(cargo: &Path, root: &Path) -> anyhow::Result<Self> {
        let built = Built::new(cargo, root, ["--release", "-p", "warren-bench", "-p", OPERATOR])?;
        Ok(Self { bare: built.program(BARE)?, operator: built.program(OPERATOR)? })
    }

    /// What makes the kind known to a cluster.
    pub(super) fn definition(&self) -> Command {
        let mut command = program(&self.operator);
        command.arg("crd");
        command
    }

    /// The operator of one namespace, with its admin server on this port. It runs until it is
    /// told to end, so the kernel ends it with this process.
    pub(super) fn operate(&self, view: View<'_>, port: u16) -> Command {
        let mut command = program(Path::new("setpriv"));
        command.env("PATH", programs::PATH).env("KUBECONFIG", view.kubeconfig);
        command.args(["--pdeathsig", "KILL", "--"]).arg(&self.operator).arg("run");
        // No pod is ever made of them: idle pipelines have none.
        command.args(["--worker-image", "none", "--producer-image", "none", "--pod-name", "bench"]);
        command.args(["--watch-namespaces", view.namespace]);
        command.args(["--http-host", "127.0.0.1", "--http-port", &port.to_string()]);
        command
    }

    /// The operator's floor, which counts its calls between two moments.
    pub(super) fn watch(
        &self,
        view: View<'_>,
        login: &Path,
        queues: &Path,
        when: [Duration; 2],
    ) -> Command {
        let mut command = program(&self.bare);
        command.env("KUBECONFIG", view.kubeconfig);
        command.arg(login).args([view.namespace, view.secret]).arg(queues);
        command.args(when.map(|after| after.as_secs().to_string()));
        command
    }
}
