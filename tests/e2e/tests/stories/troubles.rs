//! What goes wrong in practice: the status says what it is and what to do within seconds, and is
//! well again soon after somebody has done it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::api::{DeleteParams, ListParams, PostParams};
use serde_json::{Value, json};
use warren_core::topology::{Argument, Queue};
use warren_test_support::answered;

use super::harness::{Scene, stage, story, until};

/// Until the status tells.
const TOLD: Duration = Duration::from_secs(15);
/// Until all is well after it was mended.
const HEALED: Duration = Duration::from_secs(30);

/// A condition that is False.
struct Trouble<'a> {
    condition: &'a str,
    reason: &'a str,
    /// What the message must name: the thing, and what to do about it.
    says: &'a [&'a str],
}

/// Creates the pipeline, sees the trouble told, mends it, sees it healed.
async fn told_and_healed(
    scene: &Scene,
    manifest: &Value,
    trouble: Trouble<'_>,
    mend: impl AsyncFnOnce(),
) {
    let pipeline = scene.create(manifest).await;
    let created = Instant::now();
    let Trouble { condition, reason, says } = trouble;
    let message = pipeline.until_condition(condition, "False", reason, TOLD).await;
    for words in says {
        assert!(message.contains(words), "{reason} does not say {words:?}: {message}");
    }
    let ready = pipeline.until_condition("Ready", "False", reason, TOLD).await;
    assert_eq!(ready, message, "Ready says why it is not");
    let told = created.elapsed();
    mend().await;
    let mended = Instant::now();
    pipeline.until_ready(HEALED).await;
    println!("{reason} told after {told:.1?}: {message}\nhealed after {:.1?}", mended.elapsed());
}

/// A pipeline with one queue whose broker login is in the Secret `login`.
fn with_login(scene: &Scene) -> Value {
    let mut manifest = scene.manifest("orders", &[scene.queue("email")]);
    manifest["spec"]["broker"]["secretRef"]["name"] = json!("login");
    manifest
}

/// A login that is wrong in some keys, and then right.
async fn login_trouble(
    scene: &Scene,
    changes: &[(&str, Option<&str>)],
    reason: &str,
    says: &[&str],
) {
    scene.secret("login", changes).await;
    let trouble = Trouble { condition: "BrokerReachable", reason, says };
    told_and_healed(scene, &with_login(scene), trouble, async || scene.secret("login", &[]).await)
        .await;
}

#[test]
fn a_wrong_password_is_told_and_healed() {
    story("password", async |scene| {
        let wrong = [("password", Some("not-it"))];
        login_trouble(
            scene,
            &wrong,
            "Unauthorized",
            &["refuses user", "check username and password"],
        )
        .await;
    });
}

#[test]
fn a_virtual_host_that_does_not_exist_is_told_and_healed() {
    story("vhost", async |scene| {
        let wrong = [("vhost", Some("nowhere"))];
        login_trouble(scene, &wrong, "VhostNotFound", &["nowhere", "create it"]).await;
    });
}

#[test]
fn a_host_that_does_not_exist_is_told_and_healed() {
    story("host", async |scene| {
        let wrong = [("host", Some("nowhere.invalid")), ("management-uri", None)];
        login_trouble(scene, &wrong, "DnsFailed", &["nowhere.invalid", "check host"]).await;
    });
}

#[test]
fn a_closed_port_is_told_and_healed() {
    story("port", async |scene| {
        let pods = scene.cluster.api::<Pod>(stage::NAMESPACE);
        let labels = ListParams::default().labels("app.kubernetes.io/name=rabbitmq");
        let pods = pods.list(&labels).await.unwrap().items;
        let address = pods[0].status.as_ref().unwrap().pod_ip.clone().unwrap();
        // At the pod itself: what a Service does with a port that it does not have differs.
        let management = format!("http://{address}:15673");
        let wrong = [
            ("host", Some(address.as_str())),
            ("port", Some("5673")),
            ("management-uri", Some(management.as_str())),
        ];
        login_trouble(scene, &wrong, "ConnectionRefused", &["15673", "check management-uri"]).await;
    });
}

#[test]
fn a_missing_secret_is_told_and_healed() {
    story("no-secret", async |scene| {
        let trouble = Trouble {
            condition: "BrokerReachable",
            reason: "SecretNotFound",
            says: &["Secret login", "create it"],
        };
        let mend = async || scene.secret("login", &[]).await;
        told_and_healed(scene, &with_login(scene), trouble, mend).await;
    });
}

#[test]
fn a_missing_key_is_told_and_healed() {
    story("no-key", async |scene| {
        let missing = [("password", None)];
        login_trouble(scene, &missing, "SecretInvalid", &["login", "password", "add it"]).await;
    });
}

#[test]
fn an_image_that_cannot_be_pulled_is_told_and_healed() {
    story("image", async |scene| {
        let mut queue = scene.queue("email");
        queue["worker"]["image"] = json!("registry.invalid/worker:1");
        queue["scaling"] = json!({"mode": "Fixed", "minReplicas": 1});
        let manifest = scene.manifest("orders", &[queue.clone()]);
        let trouble = Trouble {
            condition: "WorkersAvailable",
            reason: "ImagePull",
            says: &["registry.invalid/worker:1", "check worker.image"],
        };
        let mend = async || {
            queue["worker"].as_object_mut().unwrap().remove("image");
            let pipeline =
                super::harness::Pipeline::named(scene.cluster, &scene.namespace, "orders");
            pipeline.patch(&json!({"spec": {"queues": [queue]}})).await;
        };
        told_and_healed(scene, &manifest, trouble, mend).await;
    });
}

#[test]
fn a_deployment_of_somebody_else_with_the_same_name_is_told_left_alone_and_healed() {
    story("name", async |scene| {
        let foreign: Deployment = serde_json::from_value(json!({
            "metadata": {"name": "orders-email"},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": {"app": "foreign"}},
                "template": {
                    "metadata": {"labels": {"app": "foreign"}},
                    "spec": {"containers": [{"name": "a", "image": "foreign:1"}]},
                },
            },
        }))
        .unwrap();
        let deployments = scene.cluster.api::<Deployment>(&scene.namespace);
        deployments.create(&PostParams::default(), &foreign).await.unwrap();
        let trouble = Trouble {
            condition: "WorkersAvailable",
            reason: "NameConflict",
            says: &["orders-email", "delete or rename it"],
        };
        let mend = async || {
            let left = deployments.get("orders-email").await.unwrap();
            assert_eq!(left.metadata.generation, Some(1), "somebody else's stays as it is");
            deployments.delete("orders-email", &DeleteParams::default()).await.unwrap();
        };
        let manifest = scene.manifest("orders", &[scene.queue("email")]);
        told_and_healed(scene, &manifest, trouble, mend).await;
    });
}

#[test]
fn a_classic_queue_in_the_way_is_told_left_alone_and_healed() {
    story("classic", async |scene| {
        let queue = [("x-queue-type", "classic")];
        queue_in_the_way(scene, &queue, "AlreadyExists", &["delete it"]).await;
    });
}

#[test]
fn a_queue_of_another_pipeline_is_told_left_alone_and_healed() {
    story("owner", async |scene| {
        let owner = "another-cluster/elsewhere/orders/1b4e28ba-2fa1-11d2-883f-0016d3cca427";
        let queue = [("x-queue-type", "quorum"), ("x-warren-owner", owner)];
        queue_in_the_way(scene, &queue, "OwnershipConflict", &["elsewhere", "choose another"])
            .await;
    });
}

/// A queue that exists before the pipeline does, and is deleted by a person.
async fn queue_in_the_way(scene: &Scene, arguments: &[(&str, &str)], reason: &str, says: &[&str]) {
    let (management, vhost) = (&scene.vhost.management, &scene.vhost.name);
    let name = scene.object("orders", ".email");
    let arguments =
        arguments.iter().map(|(name, value)| ((*name).to_owned(), Argument::from(*value)));
    let queue = Queue { name: name.clone(), arguments: arguments.collect::<BTreeMap<_, _>>() };
    answered("declare a queue", async || management.put_queue(vhost, &queue).await).await;
    let says: Vec<_> = [name.as_str()].into_iter().chain(says.iter().copied()).collect();
    let trouble = Trouble { condition: "TopologyInSync", reason, says: &says };
    let mend = async || {
        let found = scene.vhost.objects().await;
        assert_eq!(found.queues[&name].arguments, queue.arguments, "it was left alone");
        scene.vhost.delete_queue(&name).await;
    };
    let manifest = scene.manifest("orders", &[scene.queue("email")]);
    told_and_healed(scene, &manifest, trouble, mend).await;
    until(HEALED, "the queue is the pipeline's own now", async || {
        let found = scene.vhost.objects().await;
        let own = found.queues.get(&name).ok_or("no queue")?;
        if own.arguments == queue.arguments { Err("the old one".to_owned()) } else { Ok(()) }
    })
    .await;
}
