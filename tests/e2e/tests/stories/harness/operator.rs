//! The operator, installed with Helm as a user would: once for all stories.
//!
//! What an earlier run left is removed first, so that the installation itself is part of what is
//! tested. It stays afterwards, for whoever wants to look.

use std::{collections::BTreeMap, path::Path, time::Duration};

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, LogParams},
};
use tokio::sync::OnceCell;

use super::{
    Cluster,
    forward::{Forward, is_ready},
    process,
    waiting::until,
};

/// Where it runs.
pub(crate) const NAMESPACE: &str = "warren-system";
/// The name of the release.
pub(crate) const RELEASE: &str = "warren";
/// The chart.
pub(crate) const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../charts/warren");
/// Its program.
const PROGRAM: &str = "warren-operator";
/// The port of its metrics.
const PORT: u16 = 8080;

/// The installed operator.
pub(crate) struct Operator {
    cluster: &'static Cluster,
    labels: String,
    port: Forward,
}

impl Operator {
    /// The operator; installs it for the first story that asks.
    pub(crate) async fn get() -> &'static Self {
        static OPERATOR: OnceCell<Operator> = OnceCell::const_new();
        OPERATOR.get_or_init(Self::fresh).await
    }

    async fn fresh() -> Self {
        let cluster = Cluster::get().await;
        let left = cluster.try_helm(&["status", RELEASE, "-n", NAMESPACE]).await;
        if left.is_ok() {
            uninstall(cluster).await;
        }
        install(cluster, Path::new(CHART), &[]).await;
        let deployments: Api<Deployment> = cluster.api(NAMESPACE);
        let deployments = deployments.list(&ListParams::default()).await.unwrap();
        let selector = deployments.items.iter().find_map(|deployment| {
            let ours = deployment.labels().get("app.kubernetes.io/instance");
            ours.filter(|instance| *instance == RELEASE)?;
            deployment.spec.as_ref()?.selector.match_labels.clone()
        });
        let selector = selector.expect("the release has a Deployment");
        let labels: Vec<_> = selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let labels = labels.join(",");
        let port = Forward::open(cluster, NAMESPACE, &labels, PORT).await;
        Self { cluster, labels, port }
    }

    /// Its pods.
    pub(crate) fn pods(&self) -> Api<Pod> {
        self.cluster.api(NAMESPACE)
    }

    /// The pod that is ready, once there is just one.
    pub(crate) async fn pod(&self, within: Duration) -> Pod {
        until(within, "one operator pod is ready", async || {
            let pods = self.pods().list(&ListParams::default().labels(&self.labels)).await;
            let pods = pods.map_err(|error| error.to_string())?.items;
            match pods.as_slice() {
                [pod] if is_ready(pod) => Ok(pod.clone()),
                pods => Err(format!("{} pods", pods.len())),
            }
        })
        .await
    }

    /// Kills it with signal 9, as a machine short of memory does; where its process is not on this
    /// machine the pod goes at once instead.
    pub(crate) async fn kill(&self, pod: &Pod) {
        if process::kill(pod, PROGRAM) {
            return;
        }
        println!("{} is not on this machine: the pod is deleted at once", pod.name_any());
        let at_once = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
        self.pods().delete(&pod.name_any(), &at_once).await.unwrap();
    }

    /// The sum of each of its metrics over all labels, by name.
    pub(crate) async fn figures(&self) -> Result<BTreeMap<String, f64>, String> {
        let client = reqwest::Client::builder().no_proxy().build();
        let client = client.map_err(|error| error.to_string())?;
        let answer = client.get(format!("{}/metrics", self.port.url())).send().await;
        let text = answer.map_err(|error| error.to_string())?.text().await;
        Ok(sums(&text.map_err(|error| error.to_string())?))
    }

    /// The end of its log.
    pub(crate) async fn log(&self, lines: i64) -> String {
        let mut log = String::new();
        let pods = self.pods().list(&ListParams::default().labels(&self.labels)).await;
        for pod in pods.into_iter().flatten() {
            let parameters = LogParams { tail_lines: Some(lines), ..LogParams::default() };
            let text = self.pods().logs(&pod.name_any(), &parameters).await;
            log += &text.unwrap_or_else(|error| format!("no log: {error}\n"));
        }
        log
    }
}

/// What tells one run of an operator from the next.
pub(crate) fn run_of(pod: &Pod) -> Option<String> {
    let containers = pod.status.as_ref()?.container_statuses.as_ref()?;
    containers.first()?.container_id.clone()
}

/// Installs the chart with the images of this checkout, and more arguments for Helm.
async fn deploy(cluster: &Cluster, command: &str, chart: &Path, more: &[&str]) {
    let chart = chart.to_str().expect("a path that is text");
    let mut arguments = vec![command, RELEASE, chart, "-n", NAMESPACE, "--wait"];
    arguments.extend(["--timeout", "120s"]);
    let values: Vec<_> = ["operator", "worker", "producer"]
        .iter()
        .map(|program| {
            let (repository, tag) = named(cluster.image(program));
            format!("images.{program}.repository={repository},images.{program}.tag={tag}")
        })
        .collect();
    for value in &values {
        arguments.extend(["--set", value]);
    }
    arguments.extend(more);
    cluster.helm(&arguments).await;
}

/// `helm install` of this or another state of the chart, with more arguments.
pub(crate) async fn install(cluster: &Cluster, chart: &Path, more: &[&str]) {
    let more: Vec<_> = ["--create-namespace"].iter().chain(more).copied().collect();
    deploy(cluster, "install", chart, &more).await;
}

/// `helm upgrade` to the chart of this checkout, with more arguments.
pub(crate) async fn upgrade(cluster: &Cluster, more: &[&str]) {
    deploy(cluster, "upgrade", Path::new(CHART), more).await;
}

/// `helm test`; gives what Helm says, with the log of the test's pod.
pub(crate) async fn test(cluster: &Cluster) -> String {
    cluster.helm(&["test", RELEASE, "-n", NAMESPACE, "--timeout", "120s"]).await
}

/// `helm uninstall`.
pub(crate) async fn uninstall(cluster: &Cluster) {
    cluster.helm(&["uninstall", RELEASE, "-n", NAMESPACE, "--wait"]).await;
}

/// An image reference as repository and tag; the host of a registry may have a port.
fn named(image: &str) -> (&str, &str) {
    let name = image.rfind('/').map_or(0, |slash| slash + 1);
    match image[name..].split_once(':') {
        Some((last, tag)) => (&image[..name + last.len()], tag),
        None => (image, "latest"),
    }
}

fn sums(text: &str) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some((series, value)) = line.rsplit_once(' ') {
            let name = series.split('{').next().unwrap_or_default().to_owned();
            *sums.entry(name).or_insert(0.0) += value.parse::<f64>().unwrap_or_default();
        }
    }
    sums
}

#[test]
fn an_image_is_a_repository_and_a_tag() {
    assert_eq!(named("warren/operator:abc"), ("warren/operator", "abc"));
    assert_eq!(named("localhost:5000/operator"), ("localhost:5000/operator", "latest"));
    assert_eq!(named("localhost:5000/w/operator:1"), ("localhost:5000/w/operator", "1"));
}

#[test]
fn a_metric_is_summed_over_its_labels() {
    let text = "# HELP a A.\n# TYPE a counter\na{x=\"1 2\"} 3\na{x=\"2\"} 4\nb 0.5\n";
    assert_eq!(sums(text), BTreeMap::from([("a".to_owned(), 7.0), ("b".to_owned(), 0.5)]));
}
