//! Deleting a pipeline: what goes, what stays, and what is said about it.

use std::{
    num::NonZeroU16,
    time::{Duration, Instant},
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use warren_api::{
    MessagePipeline, MessagePipelineStatus,
    conditions::ConditionType::{Reconciling, TopologyInSync},
};
use warren_broker::{
    consumer::{ConsumeSession, Source},
    login::Login,
};
use warren_core::{
    ledger::SessionNumber,
    topology::{ExchangeKind, Found},
};
use warren_operator::{accounts, events::Event, pass::Pass};
use warren_service::clock;
use warren_test_support::{TestVhost, eventually, for_each_broker};

use super::{a_message, pipeline};
use crate::{
    scene::{MINIMAL, Scene, message, noon, object, says},
    server::Server,
};

/// Longer than a proof has to stand.
const AGAIN: Duration = Duration::from_secs(16);
/// The longest pause between two passes in real time.
const SOON: Duration = Duration::from_secs(3);
/// How long a test broker may take until its statistics have caught up, several times over.
const WITHIN: Duration = Duration::from_mins(2);

/// The pipeline of these lines, as it was deleted at noon.
fn deleted(yaml: &str) -> MessagePipeline {
    let mut object = object(yaml);
    object.metadata.deletion_timestamp = Some(Time(noon()));
    object
}

fn with_deletion(lines: &str) -> String {
    format!("{MINIMAL}  deletion: {{{lines}}}\n")
}

/// Passes until the pipeline is released, each as if a proof's time had gone by.
async fn poll_to_the_end(
    scene: &Scene,
    object: &MessagePipeline,
    status: &MessagePipelineStatus,
) -> Pass {
    let mut status = status.clone();
    eventually(WITHIN, "the pipeline is released", async || {
        let pass = scene.deletion(object, &status).await;
        status.clone_from(&pass.status);
        if pass.released {
            return Some(pass);
        }
        assert!(says(&status, Reconciling).starts_with("True Deleting"), "{status:?}");
        scene.wait(AGAIN);
        tokio::time::sleep(Duration::from_secs(1)).await;
        None
    })
    .await
}

/// A consumer that takes messages and settles none.
async fn hold(login: &Login, queue: &str) -> ConsumeSession {
    let source = Source { name: "test/hold", queue, session: SessionNumber(1) };
    let session = ConsumeSession::open(login, source).await.unwrap();
    session.consume(NonZeroU16::MIN, "test.hold").await.unwrap();
    session
}

/// The queues that a deletion says it left, with their messages.
fn retained(last: &Pass) -> Vec<(String, Option<u64>)> {
    let [Event::QueuesRetained { queues }] = &last.events[..] else {
        panic!("{:?}", last.events);
    };
    queues.iter().map(|queue| (queue.name.clone(), queue.messages)).collect()
}

async fn listing(vhost: &TestVhost) -> (Found, Vec<String>) {
    let objects = vhost.management.objects(&vhost.name).await.unwrap();
    let permissions = vhost.management.permissions(&vhost.name).await.unwrap();
    (objects, permissions.into_iter().map(|(user, _)| user).collect())
}

/// The users of a pipeline in this virtual host.
async fn users(vhost: &TestVhost, object: &MessagePipeline) -> Vec<String> {
    let pipeline = pipeline(object);
    let scope = pipeline.user_scope(&vhost.name);
    let all = vhost.management.users().await.unwrap().into_iter().map(|user| user.name);
    all.filter(|user| accounts::holder_of(&pipeline.prefix, &scope, user).is_some()).collect()
}

async fn queues(vhost: &TestVhost) -> Vec<String> {
    let (found, _) = listing(vhost).await;
    found
        .queues
        .keys()
        .filter_map(|name| name.strip_prefix("shop.orders."))
        .map(str::to_owned)
        .collect()
}

async fn exchanges(vhost: &TestVhost) -> Vec<String> {
    let (found, _) = listing(vhost).await;
    found.exchanges.into_keys().filter(|name| name.starts_with("shop.")).collect()
}

#[tokio::test]
async fn a_clean_pipeline_leaves_the_broker_as_it_was() {
    let object = deleted(MINIMAL);
    for_each_broker(async |vhost| {
        let before = listing(vhost).await;
        let scene = Scene::new(&vhost.login);
        let first = scene.first_pass(&object).await;
        assert_eq!(users(vhost, &object).await.len(), 2);
        let last = poll_to_the_end(&scene, &object, &first.status).await;
        assert_eq!(last.events, []);
        assert_eq!(listing(vhost).await, before);
        assert_eq!(users(vhost, &object).await, [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn a_dead_letter_keeps_its_queue_and_says_so() {
    let object = deleted(MINIMAL);
    for_each_broker(async |vhost| {
        let scene = Scene::new(&vhost.login);
        let first = scene.first_pass(&object).await;
        vhost.publish("shop.orders.internal", "email.dead", a_message()).await;
        let last = poll_to_the_end(&scene, &object, &first.status).await;
        let left = retained(&last);
        assert_eq!(left[0], ("shop.orders.email.dead".to_owned(), Some(1)));
        assert!(last.events[0].note().contains("shop.orders.email.dead with 1 message"));
        assert_eq!(queues(vhost).await, ["email.dead", "unrouted"]);
        assert_eq!(exchanges(vhost).await.len(), 3, "late publishes still have a place");
        assert_eq!(vhost.depth("shop.orders.email.dead").await.ready, 1);
        assert_eq!(users(vhost, &object).await, [""; 0]);
        let found = listing(vhost).await.0;
        let is_bound = |key: &str| found.bindings.iter().any(|b| b.binding.routing_key == key);
        assert!(is_bound("email.dead"));
        let policies: Vec<&String> = found.policies.keys().collect();
        assert_eq!(policies, ["shop.orders.email.dead", "shop.orders.unrouted"]);
    })
    .await;
}

#[tokio::test]
async fn a_message_that_waits_for_its_retry_comes_home_and_keeps_the_queue() {
    let retry = "    retry: {backoff: {type: Fixed, initial: 5s}}\n";
    let object = deleted(&format!("{MINIMAL}{retry}"));
    for_each_broker(async |vhost| {
        let scene = Scene::new(&vhost.login);
        let first = scene.first_pass(&object).await;
        vhost.publish("shop.orders.internal", "email.retry.5000", a_message()).await;
        let last = poll_to_the_end(&scene, &object, &first.status).await;
        let left = retained(&last);
        assert_eq!(left[0], ("shop.orders.email".to_owned(), Some(1)));
        assert_eq!(left[1], ("shop.orders.email.dead".to_owned(), None));
        assert_eq!(queues(vhost).await, ["email", "email.dead", "unrouted"]);
        assert_eq!(vhost.depth("shop.orders.email").await.ready, 1);
    })
    .await;
}

#[tokio::test]
async fn a_message_that_no_worker_took_may_still_be_deleted_on_demand() {
    let object = deleted(MINIMAL);
    let on_demand = deleted(&with_deletion("policy: Delete"));
    for_each_broker(async |vhost| {
        let before = listing(vhost).await;
        let scene = Scene::new(&vhost.login);
        let first = scene.first_pass(&object).await;
        let consumer = hold(&vhost.login, "shop.orders.email").await;
        vhost.publish("shop.orders", "", a_message()).await;
        let mut status = first.status;
        for _ in 0..5 {
            let pass = scene.deletion(&object, &status).await;
            assert!(!pass.released, "a consumer may still take the message");
            status = pass.status;
            scene.wait(AGAIN);
        }
        // Somebody changes the policy of the deletion while it waits.
        let last = poll_to_the_end(&scene, &on_demand, &status).await;
        consumer.abandon().await;
        assert_eq!(last.events, []);
        assert_eq!(listing(vhost).await, before);
    })
    .await;
}

#[tokio::test]
async fn workers_empty_the_queue_before_they_stop_and_lose_their_user() {
    let object = deleted(MINIMAL);
    for_each_broker(async |vhost| {
        let scene = Scene::new(&vhost.login);
        *scene.children.lock().unwrap() = Some(Server::default());
        let first = scene.first_pass(&object).await;
        scene.set_replicas("orders-email", 1, 1);
        vhost.publish("shop.orders", "", a_message()).await;
        let worker = hold(&vhost.login, "shop.orders.email").await;

        let mut pass = scene.deletion(&object, &first.status).await;
        assert_eq!(users(vhost, &object).await.len(), 1, "the producer's goes at once");
        pass = scene.deletion(&object, &pass.status).await;
        let text = message(&pass.status, Reconciling);
        assert!(text.starts_with("Draining: workers may empty queue shop.orders.email"), "{text}");
        let bindings = listing(vhost).await.0.bindings;
        assert!(!bindings.iter().any(|found| found.binding.source == "shop.orders"));
        assert_eq!(scene.replicas("orders-email"), (1, 1), "there is a minute to drain");

        scene.wait(Duration::from_mins(1));
        pass = scene.deletion(&object, &pass.status).await;
        assert_eq!(scene.replicas("orders-email"), (0, 1), "the pod is still ending");
        pass = scene.deletion(&object, &pass.status).await;
        assert_eq!(users(vhost, &object).await.len(), 1, "a worker that ends still needs it");
        let text = message(&pass.status, Reconciling);
        assert!(text.starts_with("Draining: the workers stop"), "{text}");

        worker.abandon().await;
        scene.set_replicas("orders-email", 0, 0);
        let last = poll_to_the_end(&scene, &object, &pass.status).await;
        assert_eq!(retained(&last)[0], ("shop.orders.email".to_owned(), Some(1)));
        assert_eq!(users(vhost, &object).await, [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn who_retains_everything_loses_the_users_alone() {
    let object = deleted(&with_deletion("policy: Retain"));
    for_each_broker(async |vhost| {
        let scene = Scene::new(&vhost.login);
        let first = scene.first_pass(&object).await;
        let (objects, _) = listing(vhost).await;
        let last = poll_to_the_end(&scene, &object, &first.status).await;
        assert_eq!(last.events, []);
        assert_eq!(listing(vhost).await.0, objects);
        assert_eq!(users(vhost, &object).await, [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn what_others_have_bound_keeps_its_exchange_and_not_the_pipeline() {
    let object = deleted(MINIMAL);
    for_each_broker(async |vhost| {
        let scene = Scene::new(&vhost.login);
        let first = scene.first_pass(&object).await;
        vhost.queue("their.queue", []).await;
        vhost.bind("shop.orders", "", "their.queue").await;
        let last = poll_to_the_end(&scene, &object, &first.status).await;
        let expected = Event::ExchangeRetained {
            exchange: "shop.orders".to_owned(),
            bound: vec!["queue their.queue".to_owned()],
        };
        assert_eq!(last.events, [expected]);
        assert_eq!(exchanges(vhost).await, ["shop.orders"]);
        assert_eq!(queues(vhost).await, [""; 0]);
        let found = listing(vhost).await.0;
        assert!(found.policies.is_empty(), "{:?}", found.policies);
        assert!(found.bindings.iter().any(|found| found.binding.queue == "their.queue"));
    })
    .await;
}

#[tokio::test]
async fn a_pipeline_that_came_second_takes_nothing_of_the_first_with_it() {
    let first = deleted(MINIMAL);
    let second = MINIMAL.replace("name: orders, namespace: shop", "name: letters, namespace: mail");
    let second = second.replace("spec:\n", "spec:\n  namePrefix: shop.orders\n");
    let second = deleted(&second);
    for_each_broker(async |vhost| {
        let before = listing(vhost).await;
        let (of_first, of_second) = (Scene::new(&vhost.login), Scene::new(&vhost.login));
        let declared = of_first.first_pass(&first).await;
        let objects = listing(vhost).await;
        let refused = of_second.first_pass(&second).await;
        assert_eq!(says(&refused.status, TopologyInSync), "False OwnershipConflict");

        let last = poll_to_the_end(&of_second, &second, &refused.status).await;
        assert_eq!(last.events, []);
        assert_eq!(listing(vhost).await, objects);
        assert_eq!(users(vhost, &first).await.len(), 2);

        poll_to_the_end(&of_first, &first, &declared.status).await;
        assert_eq!(listing(vhost).await, before);
    })
    .await;
}

#[tokio::test]
async fn a_queue_that_others_feed_is_not_proven_to_be_empty() {
    let object = deleted(MINIMAL);
    for_each_broker(async |vhost| {
        let scene = Scene::new(&vhost.login);
        let first = scene.first_pass(&object).await;
        vhost.exchange("their.exchange", ExchangeKind::Fanout).await;
        vhost.bind("their.exchange", "", "shop.orders.email").await;
        let last = poll_to_the_end(&scene, &object, &first.status).await;
        let note = last.events[0].note();
        assert!(note.contains("exchange their.exchange leads to it"), "{note}");
        assert_eq!(queues(vhost).await, ["email", "email.dead", "unrouted"]);
    })
    .await;
}

#[tokio::test]
async fn a_broker_that_is_gone_is_given_up_with_a_list_of_what_was_there() {
    let object = deleted(&with_deletion("timeout: 1m"));
    for_each_broker(async |vhost| {
        let scene = Scene::new(&vhost.login);
        let first = scene.first_pass(&object).await;
        let second = scene.pass(&object, &first.status).await;
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let nobody =
            Login { management_uri: Some(format!("http://{free}")), ..vhost.login.clone() };
        let lost = Scene { secrets: Scene::new(&nobody).secrets, ..scene };
        let waiting = lost.deletion(&object, &second.status).await;
        assert!(!waiting.released);
        assert!(message(&waiting.status, Reconciling).starts_with("BrokerUnreachable: "));
        lost.wait(Duration::from_secs(59));
        assert!(!lost.deletion(&object, &waiting.status).await.released);
        lost.wait(Duration::from_secs(1));
        let last = lost.deletion(&object, &waiting.status).await;
        assert!(last.released);
        let note = last.events[0].note();
        for object in ["queue shop.orders.email.dead", "exchange shop.orders.internal"] {
            assert!(note.contains(object), "{note}");
        }
        assert!(note.contains("nothing listens there"), "{note}");
        assert_eq!(queues(vhost).await.len(), 7, "nothing was touched");
    })
    .await;
}

#[tokio::test]
async fn a_secret_that_goes_before_its_pipeline_leaves_nothing_behind() {
    let object = deleted(MINIMAL);
    for_each_broker(async |vhost| {
        let before = listing(vhost).await;
        let scene = Scene::new(&vhost.login);
        let first = scene.first_pass(&object).await;
        let orphan = Scene { secrets: [].into(), ..scene };
        let last = poll_to_the_end(&orphan, &object, &first.status).await;
        assert_eq!(last.events, []);
        assert_eq!(listing(vhost).await, before);
    })
    .await;
}

#[tokio::test]
async fn an_order_ends_a_pipeline_at_once_and_tells_what_it_leaves() {
    let mut object = deleted(MINIMAL);
    object.metadata.uid = Some("u1".to_owned());
    let order = ("warren.dev/force-finalize".to_owned(), "u1".to_owned());
    object.metadata.annotations = Some([order].into());
    for_each_broker(async |vhost| {
        let scene = Scene::new(&vhost.login);
        let first = scene.first_pass(&object).await;
        let writes = scene.writes(&vhost.login);
        let last = scene.deletion(&object, &first.status).await;
        assert!(last.released);
        assert!(matches!(last.events[..], [Event::Orphaned(_)]), "{:?}", last.events);
        assert!(last.events[0].note().contains("queue shop.orders.email"));
        assert_eq!(scene.writes(&vhost.login), writes);
    })
    .await;
}

/// Passes as often as they ask for it, until the pipeline is released.
async fn poll_in_real_time(scene: &Scene, object: &MessagePipeline, first: Pass) -> Pass {
    let began = Instant::now();
    let mut pass = first;
    while !pass.released {
        *scene.now.lock().unwrap() = clock::now();
        pass = scene.deletion(object, &pass.status).await;
        assert!(began.elapsed() < WITHIN, "{:?}", pass.status.conditions);
        tokio::time::sleep(pass.requeue.after(WITHIN, 3, 0).min(SOON)).await;
    }
    pass
}

/// With the waits as they really are.
#[tokio::test]
async fn a_deletion_in_real_time_is_over_within_two_minutes() {
    let object = deleted(MINIMAL);
    for_each_broker(async |vhost| {
        let scene = Scene::new(&vhost.login);
        let first = scene.first_pass(&object).await;
        let began = Instant::now();
        let pass = poll_in_real_time(&scene, &object, first).await;
        assert_eq!(pass.events, []);
        assert!(began.elapsed() > AGAIN * 3, "each kind of queue is proven to be empty");
        assert_eq!(queues(vhost).await, [""; 0]);
    })
    .await;
}
