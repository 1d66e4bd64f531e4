//! The operator dies in the middle of it: nothing but a pause in its own work may come of that.

use std::{collections::BTreeSet, time::Duration};

use kube::ResourceExt;
use serde_json::json;

use super::harness::{
    Pipeline, Scene, alone, forward::is_ready, operator, producer, until, waiting::poll_for,
};

const READY: Duration = Duration::from_secs(60);
const MESSAGES: usize = 5_000;
const WORKERS: i32 = 6;
/// All of them, 6 workers with 10 handlers of 700 ms each: about a minute.
const RECEIVED: Duration = Duration::from_secs(180);
/// How long after the restart nothing may change: longer than a scaler needs for a decision, and
/// than a pass, and shorter than the backlog lasts.
const WATCHED: Duration = Duration::from_secs(10);

#[test]
fn an_operator_killed_while_workers_rise_changes_no_replicas_and_no_pod_and_loses_nothing() {
    alone("killed", async |scene| {
        let path = scene.path("email");
        scene.stage.receiver.tell(&json!({"path": path, "delay": "700ms"})).await;
        let mut queue = scene.queue("email");
        queue["scaling"]["maxReplicas"] = json!(WORKERS);
        let mut manifest = scene.manifest("orders", &[queue]);
        manifest["spec"]["producer"] = json!({});
        let orders = scene.create(&manifest).await;
        orders.until_ready(READY).await;
        let old = scene.operator.pod(READY).await;

        let producer = scene.producer(&orders).await;
        let accepted = producer.publish(&producer::ids("killed", MESSAGES), "").await;
        assert_eq!(accepted.len(), MESSAGES, "a broker at rest takes everything");
        orders.until_replicas("email", WORKERS, READY).await;
        let ready = orders.workers("email").await.iter().filter(|pod| is_ready(pod)).count();
        let backlog = scene.vhost.depth(&scene.object("orders", ".email")).await.ready;
        scene.operator.kill(&old).await;
        println!("killed at {ready} of {WORKERS} ready workers and a backlog of {backlog}");
        assert!(backlog > 3_000, "a backlog of {backlog} does not last until the restart is over");

        nothing_moves(scene, &orders, &operator::run_of(&old).unwrap()).await;
        let received = until(RECEIVED, "every message is received", async || {
            let received = scene.stage.receiver.received(&path).await?;
            if received.ids == MESSAGES { Ok(received) } else { Err(format!("{received:?}")) }
        })
        .await;
        assert_eq!(received.deliveries, MESSAGES as u64, "finished work was done again");
        orders.until_replicas("email", 0, RECEIVED).await;
    });
}

/// From the kill until a while after another operator has judged the pipeline: no pod that was
/// there goes, and the replicas stay.
async fn nothing_moves(scene: &Scene, orders: &Pipeline, old: &str) {
    let mut seen = BTreeSet::new();
    let mut look = async || {
        let pods = orders.workers("email").await;
        let now: BTreeSet<_> = pods.iter().map(|pod| pod.uid().unwrap()).collect();
        assert!(seen.is_subset(&now), "a worker went: {seen:?} became {now:?}");
        seen = now;
        assert_eq!(orders.replicas("email").await, Ok(WORKERS));
    };
    // What only another operator can have seen, and what is no reason to restart anything.
    orders.patch(&json!({"spec": {"deletion": {"timeout": "11m"}}})).await;
    until(READY, "another operator has made a pass", async || {
        look().await;
        let new = operator::run_of(&scene.operator.pod(READY).await);
        let object = orders.get().await?;
        let observed = object.status.and_then(|status| status.observed_generation);
        let passed = observed == object.metadata.generation;
        if new.as_deref() != Some(old) && passed { Ok(()) } else { Err(format!("{observed:?}")) }
    })
    .await;
    poll_for(WATCHED, look).await;
    let backlog = scene.vhost.depth(&scene.object("orders", ".email")).await.ready;
    assert!(backlog > 0, "with an empty queue this shows nothing");
    assert_eq!(seen.len(), usize::try_from(WORKERS).unwrap(), "all workers came");
}
