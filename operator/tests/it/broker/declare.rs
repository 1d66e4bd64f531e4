//! The first pass, and the ones after it.

use std::time::{Duration, Instant};

use warren_api::{
    MessagePipelineStatus,
    conditions::ConditionType::{BrokerReachable, Ready, TopologyInSync},
};
use warren_core::topology::{self, BrokerFacts, compare, desired};
use warren_operator::events::Event;
use warren_test_support::for_each_broker;

use super::pipeline;
use crate::scene::{MINIMAL, Scene, object, says};

#[tokio::test]
async fn the_smallest_pipeline_is_declared_and_a_second_process_writes_nothing() {
    let object = object(MINIMAL);
    for_each_broker(async |vhost| {
        let first = Scene::new(&vhost.login);
        let pass = first.first_pass(&object).await;
        assert_eq!(says(&pass.status, BrokerReachable), "True Connected");
        assert_eq!(says(&pass.status, TopologyInSync), "True InSync");
        assert_eq!(says(&pass.status, Ready), "Unknown WaitingForTopology");
        assert_eq!(pass.status.exchange.as_deref(), Some("shop.orders"));
        let ready = pass.ready.expect("workers may start");
        assert_eq!(ready.login.vhost, vhost.name);
        assert!(first.writes(&vhost.login) > 0);
        assert!(matches!(pass.events[..], [Event::Declared { .. }]), "{:?}", pass.events);

        let second = first.restarted();
        let pass = second.first_pass(&object).await;
        assert_eq!(says(&pass.status, TopologyInSync), "True InSync");
        assert_eq!(second.writes(&vhost.login), 0);
        assert_eq!(pass.events, []);

        let again = second.pass(&object, &pass.status).await;
        assert_eq!(second.writes(&vhost.login), 0);
        assert_eq!(second.published.lock().unwrap().len(), 1, "an idle pass shows no status");
        assert_eq!(again.status, pass.status);
    })
    .await;
}

/// As long as statistics, policies and node clocks take to move by themselves, and longer.
#[tokio::test]
async fn an_unchanged_pipeline_is_not_written_to_for_three_minutes() {
    let object = object(MINIMAL);
    for_each_broker(async |vhost| {
        let first = Scene::new(&vhost.login);
        first.first_pass(&object).await;
        let fresh = first.restarted();
        let mut pass = fresh.first_pass(&object).await;
        let end = Instant::now() + Duration::from_mins(3);
        let mut passes = 1;
        while Instant::now() < end {
            wait_for_the_next_pass().await;
            pass = fresh.pass(&object, &pass.status).await;
            passes += 1;
            assert_eq!(fresh.writes(&vhost.login), 0, "in pass {passes}");
        }
        assert!(passes >= 10, "only {passes} passes");
        assert_eq!(fresh.published.lock().unwrap().len(), 1, "an idle pass shows no status");
    })
    .await;
}

async fn wait_for_the_next_pass() {
    tokio::time::sleep(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn what_is_there_afterwards_is_exactly_what_should_be() {
    let object = object(MINIMAL);
    for_each_broker(async |vhost| {
        let scene = Scene::new(&vhost.login);
        scene.first_pass(&object).await;
        let pipeline = pipeline(&object);
        let version = vhost.management.overview().await.unwrap().version;
        let wanted = desired(&pipeline.layout(), BrokerFacts { version });
        let found = vhost.management.found(&vhost.name, &pipeline.prefix).await.unwrap();
        let judged = compare(&wanted, &found, &pipeline.owner);
        assert_eq!(judged, topology::Comparison::default());
        let found = (found.exchanges.len(), found.queues.len(), found.bindings.len());
        let wanted = (wanted.exchanges.len(), wanted.queues.len(), wanted.bindings.len());
        assert_eq!(found, wanted);
    })
    .await;
}

#[tokio::test]
async fn a_changed_spec_is_declared_and_not_called_drift() {
    let before = object(MINIMAL);
    let mut after =
        object(&MINIMAL.replace("{log: {}}", "{log: {}}\n  - name: audit\n    handler: {log: {}}"));
    after.metadata.generation = Some(2);
    for_each_broker(async |vhost| {
        let scene = Scene::new(&vhost.login);
        let first = scene.first_pass(&before).await;
        let second = scene.pass(&after, &first.status).await;
        assert!(second.repaired.is_empty(), "{:?}", second.repaired);
        assert!(matches!(second.events[..], [Event::Declared { .. }]), "{:?}", second.events);
        let queue = vhost.management.queue(&vhost.name, "shop.orders.audit.dead").await.unwrap();
        assert!(queue.is_some());

        // Nothing new reaches a queue that is gone from the spec, what is in it stays, and what
        // waits in its tiers still comes home.
        let mut removed = before.clone();
        removed.metadata.generation = Some(3);
        let third = scene.pass(&removed, &second.status).await;
        let message = crate::scene::message(&third.status, TopologyInSync);
        assert!(message.contains("shop.orders.audit"), "{message}");
        let pipeline = pipeline(&removed);
        let found = vhost.management.found(&vhost.name, &pipeline.prefix).await.unwrap();
        assert!(found.queues.contains_key("shop.orders.audit"));
        let bound: Vec<String> = found
            .bindings
            .iter()
            .filter(|b| b.binding.queue.starts_with("shop.orders.audit"))
            .map(|b| b.binding.to_string())
            .collect();
        let home = [
            "shop.orders.internal -[audit.dead]-> shop.orders.audit.dead",
            "shop.orders.internal -[audit]-> shop.orders.audit",
        ];
        assert_eq!(bound.len(), home.len(), "{bound:?}");
        assert!(home.iter().all(|binding| bound.iter().any(|b| b == binding)), "{bound:?}");
    })
    .await;
}

#[tokio::test]
async fn a_broker_that_is_too_old_for_the_spec_is_left_as_it_is() {
    let asks = object(&format!("{MINIMAL}    limits: {{consumerTimeout: 20m}}\n"));
    for_each_broker(async |vhost| {
        let scene = Scene::new(&vhost.login);
        let pass = scene.pass(&asks, &MessagePipelineStatus::default()).await;
        if vhost.version.starts_with("3.10") {
            assert_eq!(says(&pass.status, TopologyInSync), "False UnsupportedByBroker");
            assert_eq!(scene.writes(&vhost.login), 0);
        } else {
            assert_eq!(says(&pass.status, TopologyInSync), "True InSync");
        }
    })
    .await;
}
