//! Messages go in at the producer and come out at every queue's endpoint, once.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::json;

use super::harness::{Pipeline, Scene, producer, story, until};

const QUEUES: [&str; 3] = ["email", "invoice", "audit"];
const MESSAGES: usize = 5_000;
/// A broker under pressure may refuse some, and says so.
const ACCEPTED: usize = 4_000;
const READY: Duration = Duration::from_secs(60);
/// All of them, on two cores that also run broker and cluster.
const RECEIVED: Duration = Duration::from_secs(180);
/// An idle time of 15 s, its proof, and the workers' end.
const ASLEEP: Duration = Duration::from_secs(120);

#[test]
fn every_message_with_a_2xx_reaches_every_queue_and_the_workers_come_and_go() {
    story("messages", async |scene| {
        let queues = QUEUES.map(|queue| scene.queue(queue));
        let mut manifest = scene.manifest("orders", &queues);
        manifest["spec"]["producer"] = json!({});
        for queue in QUEUES {
            let path = scene.path(queue);
            // Slow enough that one worker is not enough.
            scene.stage.receiver.tell(&json!({"path": path, "delay": "50ms"})).await;
        }
        let orders = scene.create(&manifest).await;
        orders.until_ready(READY).await;
        for queue in QUEUES {
            assert_eq!(orders.replicas(queue).await, Ok(0), "{queue} is empty and sleeps");
        }

        let producer = scene.producer(&orders).await;
        let accepted = producer.publish(&producer::ids("order", MESSAGES), "").await;
        assert!(accepted.len() >= ACCEPTED, "only {} of {MESSAGES} were taken", accepted.len());
        let peak = watched_until_received(scene, &orders, &accepted).await;
        for queue in QUEUES {
            assert!(peak[queue] >= 2, "{queue} had {} workers at most", peak[queue]);
        }
        for queue in QUEUES {
            orders.until_replicas(queue, 0, ASLEEP).await;
            until(ASLEEP, "the last pod is gone", async || {
                let pods = orders.workers(queue).await;
                if pods.is_empty() { Ok(()) } else { Err(format!("{} pods", pods.len())) }
            })
            .await;
        }
        for queue in QUEUES {
            let path = scene.path(queue);
            let all = async || scene.stage.receiver.received_in_full(&path).await;
            let received = until(READY, "the receiver answers", all).await;
            let ids: BTreeSet<_> = received.messages.as_ref().unwrap().keys().cloned().collect();
            assert!(accepted.is_subset(&ids), "{queue} lost messages");
            let repeats = received.deliveries - u64::try_from(received.ids).unwrap();
            assert_eq!(repeats, 0, "{queue} did finished work again");
        }
    });
}

/// Waits until every queue's endpoint has finished every message; gives the most workers that each
/// queue asked for meanwhile.
async fn watched_until_received(
    scene: &Scene,
    orders: &Pipeline,
    accepted: &BTreeSet<String>,
) -> BTreeMap<&'static str, i32> {
    let mut peak = BTreeMap::from(QUEUES.map(|queue| (queue, 0)));
    until(RECEIVED, "every queue has received every message", async || {
        let mut all = true;
        let mut seen = Vec::new();
        for (queue, most) in &mut peak {
            *most = orders.replicas(queue).await?.max(*most);
            let received = scene.stage.receiver.received(&scene.path(queue)).await?;
            all &= received.ids >= accepted.len();
            seen.push(format!("{queue}: {} with {most} workers", received.ids));
        }
        if all { Ok(()) } else { Err(seen.join(", ")) }
    })
    .await;
    peak
}
