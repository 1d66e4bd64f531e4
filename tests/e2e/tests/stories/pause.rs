//! A pause: what somebody does to broker and workers meanwhile is told, and left as it is.

use std::time::Duration;

use serde_json::{Value, json};

use super::harness::{Pipeline, Scene, story, until, waiting::poll_for};

const READY: Duration = Duration::from_secs(60);
/// Annotations are watched, and a queue that is gone is noticed by the scaler's next looks: neither
/// waits for the interval of a minute.
const TOLD: Duration = Duration::from_secs(45);
/// Longer than the scaler and a watch need to repair what is not paused.
const WATCHED: Duration = Duration::from_secs(15);
/// Two proofs of empty queues, 15 s apart.
const DELETED: Duration = Duration::from_secs(150);

#[test]
fn a_paused_pipeline_is_told_of_and_not_written_to_until_it_is_resumed_or_deleted() {
    story("paused", async |scene| {
        let orders = scene.create(&scene.manifest("orders", &[scene.queue("email")])).await;
        orders.until_ready(READY).await;
        let queue = scene.object("orders", ".email");

        pause(&orders, json!("true")).await;
        let note = orders.until_event("Paused", TOLD).await;
        assert!(note.contains("the broker moves"), "why: {note}");
        let deployment = format!("deployment/{}", orders.deployment("email"));
        let namespace = scene.namespace.as_str();
        scene.cluster.kubectl(&["scale", &deployment, "--replicas=1", "-n", namespace]).await;
        scene.cluster.kubectl(&["delete", "pdb", "orders-email", "-n", namespace]).await;
        scene.vhost.delete_queue(&queue).await;
        let told = orders.until_condition("TopologyInSync", "False", "Drifted", TOLD).await;
        assert!(told.contains(&queue) && told.contains("warren.dev/paused"), "{told}");
        poll_for(WATCHED, async || {
            assert_eq!(written(scene, &orders).await, [false, false, false]);
        })
        .await;

        pause(&orders, Value::Null).await;
        orders.until_event("Resumed", TOLD).await;
        until(READY, "all is as the spec says again", async || {
            let written = written(scene, &orders).await;
            if written == [true; 3] { Ok(()) } else { Err(format!("{written:?}")) }
        })
        .await;
        orders.until_ready(READY).await;

        pause(&orders, json!("true")).await;
        orders.delete().await;
        orders.until_gone(DELETED).await;
        assert!(!has_queue(scene).await, "a pause keeps nobody from deleting");
    });
}

/// Sets the annotation, or takes it away.
async fn pause(orders: &Pipeline, paused: Value) {
    let annotations =
        json!({"warren.dev/paused": paused, "warren.dev/paused-reason": "the broker moves"});
    orders.patch(&json!({"metadata": {"annotations": annotations}})).await;
}

/// Whether queue, disruption budget and number of workers are as the spec says.
async fn written(scene: &Scene, orders: &Pipeline) -> [bool; 3] {
    let budgets = ["get", "pdb", "-n", &scene.namespace, "-o", "name"];
    let budgets = scene.cluster.kubectl(&budgets).await;
    let replicas = orders.replicas("email").await.unwrap();
    [has_queue(scene).await, budgets.contains("orders-email"), replicas == 0]
}

async fn has_queue(scene: &Scene) -> bool {
    scene.vhost.objects().await.queues.contains_key(&scene.object("orders", ".email"))
}
