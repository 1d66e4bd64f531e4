//! The way into a cluster: `kubectl` and `helm` as a user runs them, and ports of this machine that
//! lead there.
//!
//! `kubectl proxy` turns the API server into plain HTTP, which is all that is asked and told from
//! then on; it cannot carry a login of the broker, which therefore has a forwarded port.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::SERVICES;
use crate::args::GivenCluster;
use crate::cluster::Cluster;
use crate::demo::folder::Folder;
use crate::demo::program::Program;
use crate::process::Process;
use crate::programs::{output, without_proxy};

/// Where the operator runs, and the name of its release.
const SYSTEM: &str = "warren-system";
const RELEASE: &str = "warren";
/// How what stays is removed.
pub(super) const END: &str = "Warren, the broker and the receiver stay; to remove them: helm uninstall \
                              warren -n warren-system, kubectl delete -k deploy/demo, kubectl \
                              delete crd messagepipelines.warren.dev";
/// The programs whose images the chart takes.
const IMAGES: [&str; 3] = ["operator", "worker", "producer"];

/// A cluster with the programs that reach it.
pub(super) struct Access {
    /// Whether it is on this machine, which no proxy stands before.
    local: bool,
    kubeconfig: PathBuf,
    kubectl: PathBuf,
    helm: PathBuf,
    /// What the cluster calls the images, by program.
    images: BTreeMap<String, String>,
}

/// Ports of this machine that lead to the cluster, until they are dropped.
pub(super) struct Services {
    /// The API server.
    proxy: Program,
    /// The management API of the broker.
    pub(super) management: Program,
}

impl Access {
    /// This machine's own cluster.
    pub(super) fn own(cluster: Cluster) -> Self {
        let Cluster { kubeconfig, kubectl, helm, references, .. } = cluster;
        Self { local: true, kubeconfig, kubectl, helm, images: references }
    }

    /// A cluster that the environment names.
    ///
    /// # Errors
    /// When it does not say which images to use.
    pub(super) fn given(kubeconfig: &Path, given: &GivenCluster) -> anyhow::Result<Self> {
        let path = given.images.as_ref().context(
            "WARREN_TEST_IMAGES names no file: with a cluster of your own, write one with what it \
             calls the images, as JSON: {\"operator\": \"REGISTRY/warren-operator:0.1.0\", \
             \"worker\": …, \"producer\": …, \"receiver\": …, \"rabbitmq\": …}",
        )?;
        let what = || format!("read {}", path.display());
        let text = fs::read(path).with_context(what)?;
        Ok(Self {
            local: false,
            kubeconfig: kubeconfig.to_owned(),
            kubectl: given.kubectl.clone(),
            helm: given.helm.clone(),
            images: serde_json::from_slice(&text).with_context(what)?,
        })
    }

    /// Installs the chart of this checkout, or brings it up to date, and waits for the operator.
    ///
    /// # Errors
    /// When helm fails.
    pub(super) fn install(&self, root: &Path) -> anyhow::Result<()> {
        self.heal()?;
        let mut helm = self.helm(["upgrade", "--install", RELEASE]);
        helm.arg(root.join("charts/warren"));
        helm.args(["--create-namespace", "--wait", "--timeout=3m"]);
        for program in IMAGES {
            let (repository, tag) = named(self.image(program)?);
            let name = format!("images.{program}");
            helm.arg("--set").arg(format!("{name}.repository={repository},{name}.tag={tag}"));
        }
        output(&mut helm).context("install Warren")?;
        Ok(())
    }

    /// Takes away an installation that was killed on its way, which helm would wait for in vain. The
    /// definition stays, and with it every pipeline.
    fn heal(&self) -> anyhow::Result<()> {
        let pending = output(&mut self.helm(["list", "--pending", "--short"]))?;
        if pending.lines().any(|release| release == RELEASE) {
            output(&mut self.helm(["uninstall", RELEASE, "--wait"]))?;
        }
        Ok(())
    }

    /// Applies `deploy/demo`, and waits for broker and receiver.
    ///
    /// # Errors
    /// When kubectl fails.
    pub(super) fn set_services(&self, root: &Path) -> anyhow::Result<()> {
        let text = output(self.kubectl(["kustomize"]).arg(root.join("deploy/demo")))?;
        let items: Vec<Value> =
            serde_saphyr::from_multiple(&text).context("read what kustomize writes")?;
        let items = items.into_iter().map(|item| self.with_images(item));
        let items = items.collect::<anyhow::Result<Vec<_>>>()?;
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        self.apply(&list.to_string()).context("apply deploy/demo")?;
        for workload in ["statefulset/rabbitmq", "deployment/receiver"] {
            let rolled = ["rollout", "status", workload, "--namespace", SERVICES, "--timeout=3m"];
            output(&mut self.kubectl(rolled))?;
        }
        Ok(())
    }

    /// The same object with what this cluster calls its images; a container is named after its
    /// program.
    fn with_images(&self, mut item: Value) -> anyhow::Result<Value> {
        let containers = item.pointer_mut("/spec/template/spec/containers");
        for container in containers.and_then(Value::as_array_mut).into_iter().flatten() {
            let program = container["name"].as_str().context("a container has a name")?;
            container["image"] = json!(self.image(program)?);
        }
        Ok(item)
    }

    /// Makes objects as a manifest says.
    ///
    /// # Errors
    /// When the API server refuses one.
    pub(super) fn apply(&self, manifest: &str) -> anyhow::Result<()> {
        let words = ["apply", "--server-side", "--force-conflicts", "--filename=-"];
        let mut child = self
            .kubectl(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("start kubectl")?;
        let mut stdin = child.stdin.take().context("write to kubectl")?;
        let written = stdin.write_all(manifest.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().context("wait for kubectl")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`kubectl apply` failed: {}", said.trim());
        written.context("write to kubectl")
    }

    /// The text under a key of a Secret.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn secret(&self, namespace: &str, name: &str, key: &str) -> anyhow::Result<String> {
        let path = format!("jsonpath={{.data.{key}}}");
        let words = ["get", "secret", name, "--namespace", namespace, "--output", &path];
        let text = STANDARD.decode(output(&mut self.kubectl(words))?);
        let text = text.with_context(|| format!("read {key} of Secret {namespace}/{name}"))?;
        String::from_utf8(text).with_context(|| format!("{key} of Secret {namespace}/{name}"))
    }

    /// Deletes the pipelines of a namespace with all that is theirs, and waits for it.
    ///
    /// # Errors
    /// When they stay.
    pub(super) fn remove_pipelines(&self, namespace: &str) -> anyhow::Result<()> {
        let delete = ["delete", "messagepipelines", "--all", "--timeout=150s"];
        output(self.kubectl(delete).args(["--namespace", namespace])).map(drop)
    }

    /// Deletes a namespace, and waits for it.
    ///
    /// # Errors
    /// When it stays.
    pub(super) fn remove_namespace(&self, name: &str) -> anyhow::Result<()> {
        let words = ["delete", "namespace", name, "--ignore-not-found", "--timeout=120s"];
        output(&mut self.kubectl(words)).map(drop)
    }

    /// Deletes a pod at once, without a grace.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub(super) fn kill_pod(&self, namespace: &str, name: &str) -> anyhow::Result<()> {
        let words =
            ["delete", "pod", name, "--namespace", namespace, "--grace-period=0", "--force"];
        output(&mut self.kubectl(words)).map(drop)
    }

    fn image(&self, program: &str) -> anyhow::Result<&str> {
        let image = self.images.get(program).map(String::as_str);
        image.with_context(|| format!("nobody has said what the cluster calls the image {program}"))
    }

    fn helm<const N: usize>(&self, words: [&str; N]) -> Command {
        let mut command = self.command(&self.helm);
        command.args(words).args(["--namespace", SYSTEM]);
        command
    }

    fn kubectl<const N: usize>(&self, words: [&str; N]) -> Command {
        let mut command = self.command(&self.kubectl);
        command.args(words);
        command
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if self.local {
            without_proxy(&mut command);
        }
        command.arg("--kubeconfig").arg(&self.kubeconfig);
        command
    }
}

impl Services {
    /// Opens the ports.
    ///
    /// # Errors
    /// When kubectl cannot.
    pub(super) fn open(access: &Access, folder: &Folder) -> anyhow::Result<Self> {
        let mut proxy = access.kubectl(["proxy", "--port=0"]);
        let mut management = access.kubectl(["port-forward", "service/rabbitmq", ":15672"]);
        management.args(["--namespace", SERVICES, "--address=127.0.0.1"]);
        Ok(Self {
            proxy: Program::start(&mut proxy, "proxy", folder)?,
            management: Program::start(&mut management, "management", folder)?,
        })
    }

    /// Where a port of a Service, `name:port`, is reached.
    pub(super) fn url(&self, namespace: &str, service: &str) -> String {
        self.api(&format!("/api/v1/namespaces/{namespace}/services/{service}/proxy"))
    }

    /// Where a path of the API server is reached.
    pub(super) fn api(&self, path: &str) -> String {
        format!("http://{}{path}", self.proxy.address())
    }

    /// The processes behind the ports.
    pub(super) fn processes(&self) -> Vec<Process> {
        [&self.proxy, &self.management].into_iter().filter_map(Program::process).collect()
    }
}

/// An image as repository and tag; the host of a registry may have a port.
fn named(image: &str) -> (&str, &str) {
    let name = image.rfind('/').map_or(0, |slash| slash + 1);
    match image[name..].split_once(':') {
        Some((last, tag)) => (&image[..name + last.len()], tag),
        None => (image, "latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_a_repository_and_a_tag() {
        assert_eq!(named("warren.dev/operator:abc"), ("warren.dev/operator", "abc"));
        assert_eq!(named("localhost:5000/operator"), ("localhost:5000/operator", "latest"));
    }
}
