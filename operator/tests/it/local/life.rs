//! A whole life on every broker: up with the backlog, through crashes, back to zero, and the end.

use std::{
    fs,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use rustix::process::Signal;
use serde_json::Value;
use warren_core::message::{Message, Properties, Publication};
use warren_test_support::{TestVhost, for_each_broker, wait_until};

use super::run::{Local, PATIENCE, Place, is_there, kill, leads_a_group};

const MANIFEST: &str = "\
apiVersion: warren.dev/v1alpha1
kind: MessagePipeline
metadata: {name: local-life, namespace: shop}
spec:
  broker:
    secretRef: {name: rabbitmq}
  queues:
  - name: email
    handler: {simulate: {duration: 300ms}}
    worker: {concurrency: 4, drainTimeout: 10s}
    scaling:
      maxReplicas: 3
      scaleToZero: {idle: 15s}
      behavior: {scaleDown: {stabilizationWindowSeconds: 5}}
  producer: {}
";

const EXCHANGE: &str = "shop.local-life";
const QUEUE: &str = "shop.local-life.email";

/// The same, with all queues and no worker.
fn suspended() -> String {
    format!("{MANIFEST}  suspend: true\n")
}

/// Runs a test on every broker.
async fn live(manifest: &str, test: impl AsyncFn(&TestVhost, &Place)) {
    let test = &test;
    for_each_broker(async |vhost| {
        let place = Place::new(manifest, &vhost.login);
        place.test(test(vhost, &place)).await;
    })
    .await;
}

async fn publish(vhost: &TestVhost, count: usize) {
    let publisher = vhost.patient_publisher().await;
    let publications = (0..count).map(|number| {
        let properties =
            Properties { message_id: Some(format!("m-{number}")), ..Properties::default() };
        publisher.publish(Publication {
            exchange: EXCHANGE.to_owned(),
            routing_key: String::new(),
            message: Message { properties, body: "{}".into(), ..Message::default() },
        })
    });
    for published in join_all(publications).await {
        published.unwrap();
    }
    publisher.close(PATIENCE).await;
}

/// The most that one worker does in a time.
fn done_within(time: Duration) -> u64 {
    let rounds = time.as_millis().div_ceil(300) + 1;
    4 * u64::try_from(rounds).unwrap()
}

async fn wait_for_condition(local: &Local, condition: &str, reason: &str) {
    local
        .wait_for("condition", |event| event["condition"] == condition && event["reason"] == reason)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_follow_the_backlog_survive_crashes_and_leave_nothing_behind() {
    live(&suspended(), async |vhost, place| {
        // A busy broker takes its time with so many: the first look is to see them all.
        let mut suspended = place.start(&["-o", "json"]);
        wait_for_condition(&suspended, "TopologyInSync", "InSync").await;
        publish(vhost, 300).await;
        suspended.signal(Signal::TERM);
        assert_eq!(suspended.end().await, Some(0));
        fs::write(place.manifest(), MANIFEST).unwrap();

        let began = Instant::now();
        let mut local = place.start(&["-o", "json"]);
        let up = local.wait_for("scaled", |event| event["from"] == 0).await;
        assert_eq!(up["reason"], "Waking");
        let full = local.wait_for("scaled", |event| event["to"] == 3).await;
        assert_eq!(full["limitedBy"], "MaxReplicas");

        wait_for_condition(&local, "WorkersAvailable", "Available").await;
        // One whose port somebody else took meanwhile was started twice.
        let worker = |(name, id): &(String, i64)| name.contains("email") && is_there(*id);
        let (name, id) = local.started().into_iter().find(worker).unwrap();
        let starts = || local.started().iter().filter(|(other, _)| *other == name).count();
        let before = starts();
        kill(id);
        let uncounted = done_within(began.elapsed());
        let killed = |event: &Value| event["name"] == *name && event["how"] == "signal 9";
        local.wait_for("crashed", killed).await;
        wait_until(PATIENCE, "the worker starts again", async || starts() > before).await;

        local.wait_for("scaled", |event| event["to"] == 0).await;
        wait_until(PATIENCE, "the last worker is gone", async || {
            let depth = vhost.depth(QUEUE).await;
            (depth.ready, depth.consumers) == (0, 0)
        })
        .await;
        wait_for_condition(&local, "WorkersAvailable", "ScaledToZero").await;

        local.signal(Signal::TERM);
        assert_eq!(local.end().await, Some(0));
        let ended = local.events("ended");
        // What the killed worker did since it was asked last nobody has counted: on a busy machine
        // that may be all it ever did.
        let done = ended[0]["done"].as_u64().unwrap();
        assert!(
            (300_u64.saturating_sub(uncounted)..=310).contains(&done),
            "{uncounted}, {ended:?}"
        );
        for (name, id) in local.started() {
            assert!(!is_there(id), "{name} ({id}) is still there");
        }
        assert_eq!(vhost.depth(QUEUE).await.ready, 0, "the queue stays");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_lets_busy_workers_finish_what_they_have_begun() {
    // They are still at it when the signal comes, and end well within the drain.
    let unhurried = MANIFEST.replace("10s", "60s").replace("300ms", "10s");
    live(&unhurried, async |vhost, place| {
        let mut local = place.start(&["-o", "json"]);
        wait_for_condition(&local, "TopologyInSync", "InSync").await;
        publish(vhost, 4).await;
        wait_for_condition(&local, "WorkersAvailable", "Available").await;
        for (name, id) in local.started() {
            assert!(leads_a_group(id), "a terminal's Ctrl-C would reach {name}");
        }
        wait_until(PATIENCE, "the messages to be taken", async || {
            vhost.depth(QUEUE).await.ready == 0
        })
        .await;
        local.signal(Signal::INT);
        assert_eq!(local.end().await, Some(0));
        assert!(local.events("killed").is_empty(), "all of them drained");
        assert_eq!(vhost.depth(QUEUE).await.ready, 0, "what was begun was given back");
        let done = local.events("ended")[0]["done"].as_u64().unwrap();
        assert!(done <= 4, "{done} done");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_does_not_wait_for_what_has_begun() {
    let slow = MANIFEST.replace("300ms", "10m").replace("10s", "10m");
    live(&slow, async |vhost, place| {
        let mut local = place.start(&["-o", "json"]);
        wait_for_condition(&local, "TopologyInSync", "InSync").await;
        publish(vhost, 4).await;
        wait_for_condition(&local, "WorkersAvailable", "Available").await;
        let idle = async || vhost.depth(QUEUE).await.ready > 0;
        wait_until(PATIENCE, "the messages to be taken", async || !idle().await).await;
        local.signal(Signal::INT);
        local.wait_for("draining", |_| true).await;
        local.signal(Signal::INT);
        assert_eq!(local.end().await, Some(0));
        let back = async || vhost.depth(QUEUE).await.ready == 4;
        wait_until(PATIENCE, "the messages to be back", back).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_pipeline_has_its_queues_and_no_worker() {
    live(&suspended(), async |vhost, place| {
        let mut local = place.start(&["-o", "json"]);
        wait_for_condition(&local, "TopologyInSync", "InSync").await;
        publish(vhost, 10).await;
        wait_for_condition(&local, "WorkersAvailable", "Suspended").await;
        local.signal(Signal::TERM);
        assert_eq!(local.end().await, Some(0));
        assert!(local.events("scaled").is_empty(), "{:?}", local.lines());
        assert_eq!(vhost.depth(QUEUE).await.ready, 10);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_run_left_behind_ends_by_itself_and_the_next_run_goes_on() {
    live(MANIFEST, async |vhost, place| {
        let mut first = place.start(&["-o", "json"]);
        wait_for_condition(&first, "TopologyInSync", "InSync").await;
        publish(vhost, 20).await;
        wait_for_condition(&first, "WorkersAvailable", "Available").await;
        let left = first.started();
        assert!(left.len() >= 2, "a producer and a worker: {left:?}");
        first.signal(Signal::KILL);
        assert_eq!(first.end().await, None);
        for (name, id) in left {
            let what = format!("the end of {name}");
            wait_until(PATIENCE, &what, async || !is_there(id)).await;
        }

        let mut second = place.start(&["-o", "json"]);
        wait_for_condition(&second, "TopologyInSync", "InSync").await;
        publish(vhost, 20).await;
        // The same users with the same passwords still log in.
        wait_for_condition(&second, "WorkersAvailable", "Available").await;
        second.signal(Signal::TERM);
        assert_eq!(second.end().await, Some(0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_somebody_deletes_is_declared_again_at_once() {
    live(MANIFEST, async |vhost, place| {
        let mut local = place.start(&["-o", "json"]);
        wait_for_condition(&local, "ScalingActive", "ObservationFresh").await;
        vhost.delete_queue(QUEUE).await;
        let repaired = local.wait_for("broker", |event| event["reason"] == "DriftRepaired");
        // Long before the interval of a minute.
        let soon = Duration::from_secs(30);
        tokio::time::timeout(soon, repaired).await.unwrap();
        local.signal(Signal::TERM);
        assert_eq!(local.end().await, Some(0));
    })
    .await;
}
