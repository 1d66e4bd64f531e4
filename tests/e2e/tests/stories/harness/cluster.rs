//! The cluster that the runner has made ready, and the programs that users have for it.

use std::{
    collections::BTreeMap, fmt::Debug, path::PathBuf, process::Stdio, sync::OnceLock,
    time::Duration,
};

use k8s_openapi::NamespaceResourceScope;
use kube::{
    Api, Client, Config, Resource,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde::de::DeserializeOwned;
use tokio::{io::AsyncWriteExt, process::Command, runtime::Runtime, time::timeout};

/// How long a program that was started may take: Helm waits for the operator.
const PROGRAM: Duration = Duration::from_secs(180);

/// A cluster, and how it is reached.
pub(crate) struct Cluster {
    /// A client of its API server.
    pub(crate) client: Client,
    kubeconfig: PathBuf,
    kubectl: PathBuf,
    helm: PathBuf,
    images: BTreeMap<String, String>,
}

/// The runtime of all stories. It outlives each of them, as the client and the forwarded ports
/// that they share must.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().expect("threads for a runtime"))
}

impl Cluster {
    /// The cluster; panics when the runner has named none, with what to do.
    pub(crate) async fn get() -> &'static Self {
        static CLUSTER: tokio::sync::OnceCell<Cluster> = tokio::sync::OnceCell::const_new();
        CLUSTER.get_or_init(Self::connect).await
    }

    async fn connect() -> Self {
        warren_service::crypto::install();
        let kubeconfig = PathBuf::from(variable("WARREN_TEST_KUBECONFIG"));
        let images = PathBuf::from(variable("WARREN_TEST_IMAGES"));
        let images = std::fs::read(&images)
            .map_err(|error| format!("{}: {error}", images.display()))
            .and_then(|text| serde_json::from_slice(&text).map_err(|error| error.to_string()))
            .unwrap_or_else(|error| panic!("WARREN_TEST_IMAGES: {error}"));
        let read = Kubeconfig::read_from(&kubeconfig)
            .unwrap_or_else(|error| panic!("{}: {error}", kubeconfig.display()));
        let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await;
        let mut config = config.expect("a kubeconfig that names a cluster");
        // Else that of the environment, which this client cannot use.
        config.proxy_url = None;
        Self {
            client: Client::try_from(config).expect("a usable kubeconfig"),
            kubeconfig,
            kubectl: variable("WARREN_TEST_KUBECTL").into(),
            helm: variable("WARREN_TEST_HELM").into(),
            images,
        }
    }

    /// The image of one of our programs.
    pub(crate) fn image(&self, program: &str) -> &str {
        let image = self.images.get(program);
        image.unwrap_or_else(|| panic!("WARREN_TEST_IMAGES names no image for {program}"))
    }

    /// The objects of a kind in a namespace.
    pub(crate) fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// What `kubectl` says; panics when it fails.
    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> String {
        self.run(&self.kubectl, arguments, "").await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// What `kubectl` says, or how it failed.
    pub(crate) async fn try_kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        self.run(&self.kubectl, arguments, "").await
    }

    /// Applies manifests.
    pub(crate) async fn apply(&self, manifests: &str) {
        let arguments = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        let applied = self.run(&self.kubectl, &arguments, manifests).await;
        applied.unwrap_or_else(|error| panic!("{error}"));
    }

    /// What `helm` says; panics when it fails.
    pub(crate) async fn helm(&self, arguments: &[&str]) -> String {
        self.try_helm(arguments).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// What `helm` says, or how it failed.
    pub(crate) async fn try_helm(&self, arguments: &[&str]) -> Result<String, String> {
        self.run(&self.helm, arguments, "").await
    }

    async fn run(
        &self,
        program: &PathBuf,
        arguments: &[&str],
        input: &str,
    ) -> Result<String, String> {
        let what = format!("{} {}", program.display(), arguments.join(" "));
        let mut child = Command::new(program)
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{what}: {error}"))?;
        let mut stdin = child.stdin.take().expect("a pipe was asked for");
        // A program that reads nothing closes the pipe, and says itself what is wrong.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = timeout(PROGRAM, child.wait_with_output()).await;
        let output = output.map_err(|_| format!("{what}: no end within {PROGRAM:?}"))?;
        let output = output.map_err(|error| format!("{what}: {error}"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            return Ok(text(&output.stdout));
        }
        let (said, complained) = (text(&output.stdout), text(&output.stderr));
        Err(format!("{what}: {}\n{said}{complained}", output.status))
    }
}

fn variable(name: &str) -> String {
    #[allow(
        clippy::disallowed_methods,
        reason = "test functions have no arguments to be given the cluster by"
    )]
    let value = std::env::var(name).unwrap_or_default();
    assert!(
        !value.is_empty(),
        "this test needs a Kubernetes cluster, and {name} is not set: run `cargo xtask test`, \
         which brings one up or uses the one of WARREN_TEST_KUBECONFIG"
    );
    value
}
