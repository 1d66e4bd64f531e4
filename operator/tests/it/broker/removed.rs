//! Queues that the spec no longer has: they go when they are empty, and stay while they are not.

use std::time::Duration;

use warren_api::{MessagePipeline, conditions::ConditionType::TopologyInSync};
use warren_operator::{events::Event, interval::Requeue, pass::Pass};
use warren_test_support::{TestVhost, eventually, for_each_broker};

use super::a_message;
use crate::scene::{MINIMAL, Scene, message, object, says};

/// Longer than a proof has to stand.
const AGAIN: Duration = Duration::from_secs(16);
/// How long a test broker may take until its statistics have caught up, several times over.
const WITHIN: Duration = Duration::from_mins(2);

/// A pipeline with the queues `email` and `audit`, and the same without `audit`.
fn before_and_after() -> (MessagePipeline, MessagePipeline) {
    let both = MINIMAL.replace("{log: {}}", "{log: {}}\n  - name: audit\n    handler: {log: {}}");
    let mut after = object(MINIMAL);
    after.metadata.generation = Some(2);
    (object(&both), after)
}

/// Passes until something holds, each as if a proof's time had gone by.
async fn until(
    scene: &Scene,
    object: &MessagePipeline,
    mut pass: Pass,
    what: &str,
    holds: impl AsyncFn(&Pass) -> bool,
) -> Pass {
    let last = eventually(WITHIN, what, async || {
        if holds(&pass).await {
            return Some(());
        }
        scene.wait(AGAIN);
        tokio::time::sleep(Duration::from_secs(1)).await;
        pass = scene.pass(object, &pass.status).await;
        assert_eq!(says(&pass.status, TopologyInSync), "True InSync");
        assert!(pass.repaired.is_empty(), "{:?} is no drift", pass.repaired);
        None
    });
    last.await;
    pass
}

/// Passes until one tells that a queue which is removed stays.
async fn until_kept(scene: &Scene, object: &MessagePipeline, pass: Pass) -> Pass {
    let is_kept = |event: &Event| matches!(event, Event::RemovedQueueKept { .. });
    let kept = async |pass: &Pass| pass.events.iter().any(is_kept);
    until(scene, object, pass, "it is told that a queue stays", kept).await
}

/// What is left of `audit`: queues, bindings, policies and users.
async fn of_audit(vhost: &TestVhost) -> Vec<String> {
    let found = vhost.management.objects(&vhost.name).await.unwrap();
    let users = vhost.management.permissions(&vhost.name).await.unwrap();
    let bindings = found.bindings.iter().map(|found| found.binding.to_string());
    let names = found.queues.into_keys().chain(found.policies.into_keys()).chain(bindings);
    let names = names.chain(users.into_iter().map(|(user, _)| user));
    names.filter(|name| name.contains("audit")).collect()
}

#[tokio::test]
async fn an_empty_queue_that_is_removed_from_the_spec_goes_with_all_that_is_its_own() {
    let (before, after) = before_and_after();
    for_each_broker(async |vhost| {
        let scene = Scene::new(&vhost.login);
        let first = scene.first_pass(&before).await;
        let second = scene.pass(&after, &first.status).await;
        let gone = async |_: &Pass| of_audit(vhost).await.is_empty();
        let last = until(&scene, &after, second, "all of audit is gone", gone).await;
        let next = scene.pass(&after, &last.status).await;
        assert_eq!((next.requeue, &next.events[..]), (Requeue::Settled, &[][..]));
        let message = message(&next.status, TopologyInSync);
        assert!(!message.contains("audit"), "{message}");
        let email = vhost.management.queue(&vhost.name, "shop.orders.email.dead").await.unwrap();
        assert!(email.is_some(), "the others stay");
    })
    .await;
}

#[tokio::test]
async fn a_removed_queue_with_messages_stays_until_somebody_has_emptied_it() {
    let (before, after) = before_and_after();
    for_each_broker(async |vhost| {
        let scene = Scene::new(&vhost.login);
        let first = scene.first_pass(&before).await;
        vhost.publish("shop.orders.internal", "audit", a_message()).await;
        let second = scene.pass(&after, &first.status).await;
        let told = until_kept(&scene, &after, second).await;
        let queue = "shop.orders.audit".to_owned();
        assert_eq!(told.events, [Event::RemovedQueueKept { queue, messages: 1 }]);

        let mut pass = told;
        for _ in 0..3 {
            scene.wait(AGAIN);
            pass = scene.pass(&after, &pass.status).await;
            assert_eq!(pass.events, [], "told once");
        }
        let message = message(&pass.status, TopologyInSync);
        assert!(message.contains("shop.orders.audit"), "{message}");
        assert_eq!(vhost.depth("shop.orders.audit").await.ready, 1);

        vhost.take("shop.orders.audit", 1).await;
        let gone = async |_: &Pass| of_audit(vhost).await.is_empty();
        until(&scene, &after, pass, "all of audit is gone", gone).await;
    })
    .await;
}

#[tokio::test]
async fn a_dead_letter_of_a_removed_queue_stays_where_it_is_and_the_rest_goes() {
    let (before, after) = before_and_after();
    for_each_broker(async |vhost| {
        let scene = Scene::new(&vhost.login);
        let first = scene.first_pass(&before).await;
        vhost.publish("shop.orders.internal", "audit.dead", a_message()).await;
        let second = scene.pass(&after, &first.status).await;
        let told = until_kept(&scene, &after, second).await;
        let queue = "shop.orders.audit.dead".to_owned();
        assert_eq!(told.events, [Event::RemovedQueueKept { queue: queue.clone(), messages: 1 }]);
        let binding = format!("shop.orders.internal -[audit.dead]-> {queue}");
        assert_eq!(of_audit(vhost).await, [queue.clone(), queue.clone(), binding]);
        assert_eq!(vhost.depth(&queue).await.ready, 1);
    })
    .await;
}

#[tokio::test]
async fn a_queue_that_comes_back_into_the_spec_has_kept_its_messages() {
    let (before, after) = before_and_after();
    for_each_broker(async |vhost| {
        let scene = Scene::new(&vhost.login);
        let first = scene.first_pass(&before).await;
        vhost.publish("shop.orders", "", a_message()).await;
        let mut pass = scene.pass(&after, &first.status).await;
        for _ in 0..3 {
            scene.wait(AGAIN);
            pass = scene.pass(&after, &pass.status).await;
        }
        let mut again = before.clone();
        again.metadata.generation = Some(3);
        let back = scene.pass(&again, &pass.status).await;
        assert_eq!(says(&back.status, TopologyInSync), "True InSync");
        assert_eq!(vhost.depth("shop.orders.audit").await.ready, 1);
        assert_eq!(scene.pass(&again, &back.status).await.events, []);
    })
    .await;
}
