//! Somebody tries it for the first time: chart, demo, example, and a look at it.

use std::time::Duration;

use super::harness::{Pipeline, Producer, Scene, producer, stage, story, until};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/orders.yaml");

/// What the example promises.
const READY: Duration = Duration::from_secs(60);

#[test]
fn a_newcomer_installs_the_chart_applies_the_example_and_it_is_ready_within_a_minute() {
    story("newcomer", async |scene| {
        let orders = Pipeline::named(scene.cluster, stage::SHOP, "orders");
        if orders.get().await.is_ok() {
            orders.delete().await;
            orders.until_gone(READY * 3).await;
        }
        scene.cluster.kubectl(&["apply", "-f", EXAMPLE]).await;
        orders.until_ready(READY).await;
        reads_well(scene).await;
        takes_orders(scene, &orders).await;
        scene.cluster.kubectl(&["delete", "-f", EXAMPLE, "--timeout=240s"]).await;
    });
}

async fn reads_well(scene: &Scene) {
    let table = scene.cluster.kubectl(&["get", "mp", "-n", stage::SHOP]).await;
    let lines: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    let header = ["NAME", "READY", "REASON", "QUEUES", "WORKERS", "BROKER", "AGE"];
    assert_eq!(lines[0], header, "{table}");
    assert_eq!(lines[1][..4], ["orders", "True", "Reconciled", "3"], "{table}");
    assert!(lines[1][4].contains('/'), "ready and desired workers: {table}");
    assert!(lines[1][5].starts_with(&scene.stage.broker.version), "{table}");
    let wide = scene.cluster.kubectl(&["get", "mp", "-n", stage::SHOP, "-o", "wide"]).await;
    assert!(wide.contains("MESSAGE"), "{wide}");
}

/// The demo's receiver takes what the example's producer publishes, each order in each queue.
async fn takes_orders(scene: &Scene, orders: &Pipeline) {
    let receiver = &scene.stage.receiver;
    let paths = ["/email", "/invoice", "/audit"];
    for path in paths {
        receiver.forget(path).await;
    }
    let producer = Producer::open(scene.cluster, stage::SHOP, &orders.name).await;
    let accepted = producer.publish(&producer::ids("newcomer", 30), "order.created").await;
    assert_eq!(accepted.len(), 30, "a broker at rest takes everything");
    for path in paths {
        let what = format!("{path} has received every order");
        until(READY, &what, async || {
            let received = receiver.received(path).await?;
            if received.ids == 30 { Ok(()) } else { Err(format!("{received:?}")) }
        })
        .await;
    }
}
