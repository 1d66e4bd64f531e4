//! A sick endpoint pauses the queue; a sick message does not.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use warren_core::headers;
use warren_test_support::{Receiver, Reply, for_each_broker};

use crate::rig::{Rig, SOON, counted, header, id};

fn settings(url: &str) -> String {
    format!(
        "handler: {{http: {{url: \"{url}\", timeout: 5s, connectTimeout: 1s}}}}\n\
         breaker: {{consecutiveFailures: 5, openFor: 1s, maxOpenFor: 2s}}"
    )
}

#[tokio::test]
async fn one_404_among_successes_ends_as_a_dead_letter() {
    for_each_broker(async |vhost| {
        let receiver =
            Receiver::start(|request| Reply::status(if id(request) == "7" { 404 } else { 200 }))
                .await;
        let rig = Rig::new(vhost, &settings(&receiver.url())).await;
        let worker = rig.worker("w1");
        rig.publish_many(50).await;
        rig.settled(&receiver, 50).await;
        let dead = rig.dead_letters(1).await;
        assert_eq!(dead[0].message.properties.message_id.as_deref(), Some("7"));
        assert_eq!(header(&dead[0], headers::ERROR_CLASS), "endpoint_rejected");
        worker.shows("consuming", None).await;
        let requests = receiver.requests();
        assert_eq!(counted(requests.iter().map(id)).len(), 50);
    })
    .await;
}

#[tokio::test]
async fn a_wrong_endpoint_opens_the_breaker_and_keeps_every_message() {
    for_each_broker(async |vhost| {
        let right = Arc::new(AtomicBool::new(false));
        let answer = Arc::clone(&right);
        let receiver = Receiver::start(move |_| {
            Reply::status(if answer.load(Ordering::SeqCst) { 200 } else { 404 })
        })
        .await;
        let rig = Rig::new(vhost, &settings(&receiver.url())).await;
        rig.publish_many(100).await;
        let worker = rig.worker("w1");
        worker.shows("paused", Some("config")).await;
        let asked = receiver.requests();
        let different = counted(asked.iter().map(id)).len();
        assert!(different <= 5 + 10, "{different} messages were tried before it opened");
        right.store(true, Ordering::SeqCst);
        rig.settled(&receiver, 100).await;
        worker.shows("consuming", None).await;
        assert_eq!(vhost.depth(&rig.dead()).await.ready, 0);
        let requests = receiver.requests();
        assert_eq!(counted(requests.iter().map(id)).len(), 100);
    })
    .await;
}

#[tokio::test]
async fn an_unavailable_endpoint_uses_no_attempts_and_gets_everything_once_it_is_back() {
    for_each_broker(async |vhost| {
        let back = Arc::new(AtomicBool::new(false));
        let answer = Arc::clone(&back);
        let receiver = Receiver::start(move |_| {
            Reply::status(if answer.load(Ordering::SeqCst) { 200 } else { 503 })
        })
        .await;
        let rig = Rig::new(vhost, &settings(&receiver.url())).await;
        rig.publish_many(60).await;
        let worker = rig.worker("w1");
        worker.shows("paused", Some("endpoint")).await;
        let shown = worker.readiness().await.unwrap();
        assert_eq!(shown["last_status"], 503);
        // Probes go on failing; they must not use up anybody's attempts.
        let before = receiver.requests().len();
        receiver.wait_for(before + 3, SOON).await;
        back.store(true, Ordering::SeqCst);
        rig.settled(&receiver, 60).await;
        assert_eq!(vhost.depth(&rig.dead()).await.ready, 0);
        let requests = receiver.requests();
        let done = requests.iter().filter(|r| r.status == 200).map(id);
        assert_eq!(counted(done).len(), 60);
    })
    .await;
}

#[tokio::test]
async fn an_endpoint_that_is_gone_gets_everything_once_it_is_back() {
    for_each_broker(async |vhost| {
        let place = Receiver::start(|_| Reply::status(200)).await;
        let (address, url) = (place.address(), place.url());
        drop(place);
        let rig = Rig::new(vhost, &settings(&url)).await;
        rig.publish_many(60).await;
        let worker = rig.worker("w1");
        worker.shows("paused", Some("endpoint")).await;
        let receiver = Receiver::start_at(address, |_| Reply::status(200)).await;
        rig.settled(&receiver, 60).await;
        worker.shows("consuming", None).await;
        assert_eq!(vhost.depth(&rig.dead()).await.ready, 0);
        let requests = receiver.requests();
        assert_eq!(counted(requests.iter().map(id)).len(), 60);
    })
    .await;
}

#[tokio::test]
async fn a_429_with_retry_after_pauses_the_queue_for_that_long() {
    for_each_broker(async |vhost| {
        let first = AtomicBool::new(true);
        let receiver = Receiver::start(move |_| {
            if first.swap(false, Ordering::SeqCst) {
                Reply::status(429).header("retry-after", "2")
            } else {
                Reply::status(200)
            }
        })
        .await;
        let settings = format!("{}\nconcurrency: 1\nprefetch: 1", settings(&receiver.url()));
        let rig = Rig::new(vhost, &settings).await;
        rig.publish_many(5).await;
        let worker = rig.worker("w1");
        worker.shows("paused", Some("rate")).await;
        rig.settled(&receiver, 5).await;
        let requests = receiver.requests();
        let pause = requests[1].at.duration_since(requests[0].at);
        assert!(pause >= Duration::from_secs(2), "{pause:?}");
        let open = worker.metric("warren_worker_breaker_open", "").await;
        assert!(open < 0.5, "{open}");
    })
    .await;
}

#[tokio::test]
async fn a_full_dead_letter_queue_holds_its_messages_back() {
    for_each_broker(async |vhost| {
        let receiver = Receiver::start(|_| Reply::status(400)).await;
        let settings = format!("{}\ntaskTimeout: 10s", settings(&receiver.url()));
        let rig = Rig::new(vhost, &settings).await;
        rig.limit_dead(10).await;
        let _worker = rig.worker("w1");
        rig.publish_many(20).await;
        rig.wait_ready(&rig.dead(), 1).await;
        receiver.wait_for(10, SOON).await;
        let kept = vhost.depth(&rig.dead()).await.ready;
        assert!(kept < 20, "the limit has no effect: {kept} dead letters");
        rig.limit_dead(1_000_000).await;
        rig.dead_letters(20).await;
    })
    .await;
}
