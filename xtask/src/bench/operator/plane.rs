//! The cluster that the operator is measured on: made for it, and removed with all in it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context;

use super::NAMESPACE;
use super::pipelines::{self, SECRET};
use super::programs::View;
use crate::cluster::{self, Empty};
use crate::paths::Paths;
use crate::programs;

/// Where its files are, beside those of the cluster for development.
const APART: &str = "bench";
/// That a definition is served. kubectl fails on a `condition` of what has no conditions yet.
const ESTABLISHED: &str =
    r#"--for=jsonpath={.status.conditions[?(@.type=="Established")].status}=True"#;
/// How long the definition of a kind may take to be served.
const SERVED: &str = "--timeout=1m";
/// How long all pipelines may take to become ready, a thousand of them on a slow machine.
const READY: &str = "--timeout=10m";

/// The cluster.
pub(super) struct Plane {
    paths: Paths,
    cluster: Empty,
}

impl Plane {
    /// Makes it.
    ///
    /// # Errors
    /// When it does not come up.
    pub(super) fn make(paths: &Paths, root: &Path) -> anyhow::Result<Self> {
        let paths = paths.apart(APART);
        let cluster = cluster::empty(&paths, root);
        let cluster = cluster.inspect_err(|_| drop(cluster::down(&paths)))?;
        Ok(Self { paths, cluster })
    }

    /// Makes the pipelines, whose broker has this login; the definition of their kind is what the
    /// given program says. Files are written into `folder`.
    ///
    /// # Errors
    /// When the API server refuses something.
    pub(super) fn fill(
        &self,
        definition: &mut Command,
        login: &Path,
        count: u16,
        folder: &Path,
    ) -> anyhow::Result<()> {
        self.apply(&programs::output(definition)?, &folder.join("definition.yaml"))?;
        let kind = "customresourcedefinition/messagepipelines.warren.dev";
        self.ask(&["wait", ESTABLISHED, SERVED, kind])?;
        self.ask(&["create", "namespace", NAMESPACE])?;
        let mut secret = self.kubectl(&["create", "secret", "generic", SECRET]);
        secret.args(["--namespace", NAMESPACE]);
        secret.arg(format!("--from-file={}", login.display()));
        programs::output(&mut secret)?;
        let pipelines = pipelines::manifest(count).to_string();
        self.apply(&pipelines, &folder.join("pipelines.json"))
    }

    /// Waits until every pipeline is ready.
    ///
    /// # Errors
    /// When one does not become so.
    pub(super) fn ready(&self) -> anyhow::Result<()> {
        let all = ["wait", "--for=condition=Ready", READY, "messagepipelines", "--all"];
        self.ask(&[&all[..], &["--namespace", NAMESPACE]].concat())
    }

    /// What the programs look at.
    pub(super) fn view(&self) -> View<'_> {
        View { kubeconfig: &self.cluster.kubeconfig, namespace: NAMESPACE, secret: SECRET }
    }

    /// Removes it.
    ///
    /// # Errors
    /// When something of it stays.
    pub(super) fn remove(&self) -> anyhow::Result<()> {
        cluster::down(&self.paths)
    }

    fn apply(&self, text: &str, file: &Path) -> anyhow::Result<()> {
        fs::write(file, text).with_context(|| format!("write {}", file.display()))?;
        let mut apply = self.kubectl(&["apply", "--server-side", "--filename"]);
        programs::output(apply.arg(file)).map(drop)
    }

    fn ask(&self, words: &[&str]) -> anyhow::Result<()> {
        programs::output(&mut self.kubectl(words)).map(drop)
    }

    fn kubectl(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.cluster.kubectl);
        programs::without_proxy(&mut command);
        command.arg("--kubeconfig").arg(&self.cluster.kubeconfig).args(words);
        command
    }
}
