//! What remains of a pipeline that is deleted: nothing, or what must not be lost.

use std::{collections::BTreeSet, time::Duration};

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, api::DeleteParams};
use serde_json::json;
use warren_broker::management::ApiError;

use super::harness::{Scene, producer, story, until};

const READY: Duration = Duration::from_secs(60);
/// Workers have to start first, and then take messages that last a second each.
const RECEIVED: Duration = Duration::from_secs(180);
/// Tiers, main queues, dead-letter queues and the one of unrouted messages go one kind after the
/// other: cut off, seen empty, and seen again 15 s later. Before that, workers may have a minute.
const DELETED: Duration = Duration::from_secs(240);

#[test]
fn a_clean_pipeline_leaves_broker_and_namespace_as_they_were() {
    story("clean", async |scene| {
        let (broker, namespace) = listed(scene).await;
        let mut manifest = scene.manifest("orders", &[scene.queue("email"), scene.queue("audit")]);
        manifest["spec"]["producer"] = json!({});
        let orders = scene.create(&manifest).await;
        orders.until_ready(READY).await;
        let producer = scene.producer(&orders).await;
        producer.publish(&producer::ids("clean", 50), "").await;
        for queue in ["email", "audit"] {
            received(scene, queue, 50).await;
        }
        drop(producer);
        let (during, _) = listed(scene).await;
        assert!(during.len() > broker.len() + 10, "there is something to remove: {during:?}");

        orders.delete().await;
        orders.until_gone(DELETED).await;
        until(READY, "nothing is left", async || {
            let (broker_now, namespace_now) = listings(scene).await?;
            let left: Vec<_> = broker_now.symmetric_difference(&broker).collect();
            let more: Vec<_> = namespace_now.symmetric_difference(&namespace).collect();
            if left.is_empty() && more.is_empty() {
                Ok(())
            } else {
                Err(format!("{left:?} {more:?}"))
            }
        })
        .await;
    });
}

#[test]
fn a_dead_letter_keeps_its_queue_and_an_event_says_so() {
    story("dead-letter", async |scene| {
        let path = scene.path("email");
        scene.stage.receiver.tell(&json!({"path": path, "status": 400})).await;
        let mut manifest = scene.manifest("orders", &[scene.queue("email")]);
        manifest["spec"]["producer"] = json!({});
        let orders = scene.create(&manifest).await;
        orders.until_ready(READY).await;
        let producer = scene.producer(&orders).await;
        producer.publish(&producer::ids("dead", 3), "").await;
        let dead = scene.object("orders", ".email.dead");
        until(READY, "three dead letters", async || {
            let depth = scene.vhost.depth(&dead).await;
            if depth.ready == 3 { Ok(()) } else { Err(format!("{depth:?}")) }
        })
        .await;
        drop(producer);

        orders.delete().await;
        orders.until_gone(DELETED).await;
        let note = orders.until_event("QueueRetained", Duration::from_secs(10)).await;
        assert!(note.contains(&format!("{dead} with 3 messages")), "{note}");
        assert_eq!(scene.vhost.take(&dead, 3).await.len(), 3, "the dead letters are there");
    });
}

#[test]
fn a_namespace_deleted_with_pipeline_and_secret_ends() {
    story("namespace", async |scene| {
        let mut manifest = scene.manifest("orders", &[scene.queue("email")]);
        manifest["spec"]["producer"] = json!({});
        let (broker, _) = listed(scene).await;
        let orders = scene.create(&manifest).await;
        orders.until_ready(READY).await;
        let namespaces: Api<Namespace> = Api::all(scene.cluster.client.clone());
        namespaces.delete(&scene.namespace, &DeleteParams::default()).await.unwrap();
        until(DELETED, "the namespace is gone", async || {
            let found = namespaces.get_opt(&scene.namespace).await;
            match found.map_err(|error| error.to_string())? {
                None => Ok(()),
                Some(namespace) => Err(format!("{:?}", namespace.status)),
            }
        })
        .await;
        let left = until(READY, "the broker lists", async || on_broker(scene).await).await;
        assert_eq!(left, broker, "the login was remembered when its Secret was gone");
    });
}

#[test]
fn a_queue_that_leaves_the_spec_is_emptied_by_its_workers_and_goes() {
    const MESSAGES: usize = 200;
    story("removed", async |scene| {
        let path = scene.path("audit");
        scene.stage.receiver.tell(&json!({"path": path, "delay": "1s"})).await;
        let email = scene.queue("email");
        let mut manifest = scene.manifest("orders", &[email.clone(), scene.queue("audit")]);
        manifest["spec"]["producer"] = json!({});
        let orders = scene.create(&manifest).await;
        orders.until_ready(READY).await;
        let producer = scene.producer(&orders).await;
        producer.publish(&producer::ids("removed", MESSAGES), "").await;
        drop(producer);
        until(READY, "workers of audit have begun", async || {
            let ids = scene.stage.receiver.received(&path).await?.ids;
            if ids > 0 { Ok(()) } else { Err("nothing received".to_owned()) }
        })
        .await;
        orders.patch(&json!({"spec": {"queues": [email]}})).await;
        received(scene, "audit", MESSAGES).await;

        let name = scene.object("orders", ".audit");
        until(DELETED, "nothing of audit is left", async || {
            let broker = on_broker(scene).await?;
            let objects = in_namespace(scene).await?;
            let all = broker.into_iter().chain(objects);
            let left: Vec<_> =
                all.filter(|one| one.contains(&name) || one.contains("orders-audit")).collect();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        })
        .await;
        orders.until_ready(READY).await;
        let events = orders.events().await;
        assert!(!events.iter().any(|(reason, _)| reason == "QueueRetained"), "{events:?}");
    });
}

async fn received(scene: &Scene, queue: &str, count: usize) {
    let path = scene.path(queue);
    until(RECEIVED, &format!("{path} has received {count}"), async || {
        let received = scene.stage.receiver.received(&path).await?;
        if received.ids == count { Ok(()) } else { Err(format!("{received:?}")) }
    })
    .await;
}

/// The listings, once they can be had: the way to a broker in a cluster breaks at times.
async fn listed(scene: &Scene) -> (BTreeSet<String>, BTreeSet<String>) {
    until(READY, "the broker and the API server list", async || listings(scene).await).await
}

/// Everything on the broker that may concern the story, and everything in its namespace.
async fn listings(scene: &Scene) -> Result<(BTreeSet<String>, BTreeSet<String>), String> {
    Ok((on_broker(scene).await?, in_namespace(scene).await?))
}

async fn on_broker(scene: &Scene) -> Result<BTreeSet<String>, String> {
    let management = &scene.vhost.management;
    let vhost = &scene.vhost.name;
    let told = |error: ApiError| error.to_string();
    let found = management.objects(vhost).await.map_err(told)?;
    let mut all: BTreeSet<String> = BTreeSet::new();
    all.extend(found.exchanges.iter().map(|one| format!("exchange {one:?}")));
    all.extend(found.queues.iter().map(|one| format!("queue {one:?}")));
    all.extend(found.bindings.iter().map(|one| format!("binding {one:?}")));
    all.extend(found.policies.iter().map(|one| format!("policy {one:?}")));
    let permissions = management.permissions(vhost).await.map_err(told)?;
    all.extend(permissions.iter().map(|one| format!("permission {one:?}")));
    // Users are global to a broker, and other stories make some at the same time.
    let users = management.users().await.map_err(told)?.into_iter().map(|user| user.name);
    let ours = users.filter(|user| user.starts_with(&scene.namespace));
    all.extend(ours.map(|user| format!("user {user}")));
    Ok(all)
}

async fn in_namespace(scene: &Scene) -> Result<BTreeSet<String>, String> {
    let kinds = ["api-resources", "--verbs=list", "--namespaced", "-o", "name"];
    let kinds = scene.cluster.try_kubectl(&kinds).await?;
    let kinds: Vec<_> = kinds.lines().filter(|kind| !kind.starts_with("events")).collect();
    let objects = ["get", &kinds.join(","), "-n", &scene.namespace, "-o", "name"];
    let objects = scene.cluster.try_kubectl(&objects).await?;
    Ok(objects.lines().map(str::to_owned).collect())
}
