//! The life of the release: an upgrade changes nothing for pipelines, and neither does its end.

use std::{
    collections::BTreeSet,
    fs,
    panic::{AssertUnwindSafe, resume_unwind},
    path::Path,
    time::Duration,
};

use futures_util::FutureExt;
use kube::ResourceExt;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::harness::{Pipeline, Scene, alone, diagnosis, operator, until, waiting::poll_for};

const READY: Duration = Duration::from_secs(60);
/// A value, so that an upgrade to it or away from it takes another operator.
const DEBUG: [&str; 2] = ["--set", "operator.log.level=debug"];
/// Longer than a pass and a decision of the scaler.
const WATCHED: Duration = Duration::from_secs(10);

#[test]
fn an_upgrade_restarts_no_worker_and_an_uninstall_keeps_definition_and_pipelines() {
    alone("release", async |scene| {
        let lived = AssertUnwindSafe(life(scene)).catch_unwind().await;
        if let Err(panic) = lived {
            diagnosis::print(scene).await;
            // Whatever was found, other stories need the operator as it was.
            operator::upgrade(scene.cluster, &["--install", "--create-namespace"]).await;
            resume_unwind(panic);
        }
    });
}

async fn life(scene: &Scene) {
    let mut queue = scene.queue("email");
    queue["scaling"] = json!({"mode": "Fixed", "minReplicas": 2});
    let orders = scene.create(&scene.manifest("orders", &[queue])).await;
    orders.until_ready(READY).await;
    let workers = uids(&orders).await;
    assert_eq!(workers.len(), 2);
    let tested = operator::test(scene.cluster).await;
    assert!(tested.contains("Succeeded"), "{tested}");

    becomes_an_operator_of_one_namespace(scene, &orders, &workers).await;
    operator::uninstall(scene.cluster).await;
    is_kept(scene, &orders, &workers).await;
    comes_back_older_and_is_upgraded(scene, &orders, &workers).await;
}

async fn becomes_an_operator_of_one_namespace(
    scene: &Scene,
    orders: &Pipeline,
    workers: &BTreeSet<String>,
) {
    let old = scene.operator.pod(READY).await.uid();
    let namespace = format!("watch.namespaces={{{}}}", scene.namespace);
    // Without rights on the cluster it has to be told which cluster it is in.
    let cluster = format!("clusterId={}", cluster_id(scene).await);
    operator::upgrade(scene.cluster, &["--set", &namespace, "--set", &cluster]).await;
    until_taken_over(scene, orders, old, workers).await;
}

async fn is_kept(scene: &Scene, orders: &Pipeline, workers: &BTreeSet<String>) {
    assert!(knows_suspend(scene).await, "the definition is kept");
    assert!(orders.get().await.is_ok(), "the pipeline is kept");
    assert_eq!(uids(orders).await, *workers, "its workers go on");
}

async fn comes_back_older_and_is_upgraded(
    scene: &Scene,
    orders: &Pipeline,
    workers: &BTreeSet<String>,
) {
    let older = older_chart();
    operator::install(scene.cluster, older.path(), &DEBUG).await;
    let old = scene.operator.pod(READY).await.uid();
    assert!(!knows_suspend(scene).await, "the older chart brings the older definition");
    operator::upgrade(scene.cluster, &[]).await;
    assert!(knows_suspend(scene).await, "an upgrade brings the newer one");
    until_taken_over(scene, orders, old, workers).await;
}

/// Waits until an operator that is not the old one does its work, and watches the workers stay.
async fn until_taken_over(
    scene: &Scene,
    orders: &Pipeline,
    old: Option<String>,
    workers: &BTreeSet<String>,
) {
    until(READY, "another operator runs", async || {
        let new = scene.operator.pod(READY).await.uid();
        if new == old { Err("the same".to_owned()) } else { Ok(()) }
    })
    .await;
    // A change that is no reason to restart anything: only who sees it can say so.
    let before = orders.get().await.unwrap().metadata.generation.unwrap_or_default();
    let timeout = format!("{}m", 10 + before);
    orders.patch(&json!({"spec": {"deletion": {"timeout": timeout}}})).await;
    orders.until_ready(READY).await;
    poll_for(WATCHED, async || assert_eq!(uids(orders).await, *workers)).await;
    orders.until_ready(READY).await;
}

/// What the operator calls the cluster where it may ask.
async fn cluster_id(scene: &Scene) -> String {
    let uid = ["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"];
    scene.cluster.kubectl(&uid).await
}

/// The chart as if pipelines could not be suspended yet.
fn older_chart() -> TempDir {
    let older = tempfile::tempdir().unwrap();
    copy(Path::new(operator::CHART), older.path());
    let path = older.path().join("templates/crd.yaml");
    let definition = fs::read_to_string(&path).unwrap();
    let mut lines: Vec<_> = definition.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let start = lines.iter().position(|line| line.trim() == "suspend:").expect("a field");
    let end = (start + 1..lines.len()).find(|line| indent(lines[*line]) <= indent(lines[start]));
    lines.drain(start..end.expect("more fields"));
    fs::write(&path, lines.join("\n")).unwrap();
    older
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Whether the API server knows the field `suspend`.
async fn knows_suspend(scene: &Scene) -> bool {
    let crd = ["get", "crd", "messagepipelines.warren.dev", "-o", "json"];
    let crd: Value = serde_json::from_str(&scene.cluster.kubectl(&crd).await).unwrap();
    let schema = "/spec/versions/0/schema/openAPIV3Schema";
    crd.pointer(&format!("{schema}/properties/spec/properties/suspend")).is_some()
}

async fn uids(orders: &Pipeline) -> BTreeSet<String> {
    orders.workers("email").await.iter().map(|pod| pod.uid().unwrap()).collect()
}
