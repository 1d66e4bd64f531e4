//! One session of consuming, and each way it can end.

use std::{num::NonZeroU16, time::Duration};

use futures_util::StreamExt;
use tokio::time::timeout;
use warren_broker::{
    consumer::{ConsumeSession, Deliveries, Delivery, SessionEnd, SessionError, Source},
    login::Login,
};
use warren_core::{
    ledger::{Frame, Ledger, SessionNumber},
    topology::Argument,
};
use warren_test_support::{TestVhost, eventually, for_each_broker, wait_until};

use crate::{PATIENCE, message, trouble::close_connection};

const SESSION: SessionNumber = SessionNumber(7);

fn source(queue: &str) -> Source<'_> {
    Source { name: "test/consume", queue, session: SESSION }
}

fn prefetch(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).unwrap()
}

async fn open(vhost: &TestVhost) -> ConsumeSession {
    ConsumeSession::open(&vhost.login, source("q")).await.unwrap()
}

async fn next(deliveries: &mut Deliveries) -> Delivery {
    let next = timeout(PATIENCE, deliveries.next()).await.expect("a delivery in time");
    next.expect("the stream goes on").unwrap()
}

async fn fill(vhost: &TestVhost, count: usize) {
    vhost.queue("q", []).await;
    let publisher = vhost.patient_publisher().await;
    let publish = async |number: usize| {
        let publication = crate::publication("", "q", &format!("m{number}"));
        publisher.publish(publication).await.unwrap();
    };
    futures_util::future::join_all((0..count).map(publish)).await;
    publisher.close(PATIENCE).await;
}

#[tokio::test]
async fn finished_deliveries_leave_the_queue_and_the_others_come_back() {
    for_each_broker(async |vhost| {
        fill(vhost, 6).await;
        let session = open(vhost).await;
        let mut deliveries = session.consume(prefetch(10), "q.pod.7.1").await.unwrap();
        let mut ledger = Ledger::new(SESSION);
        let mut tags = Vec::new();
        for _ in 0..6 {
            let delivery = next(&mut deliveries).await;
            assert_eq!(&*delivery.consumer, "q.pod.7.1");
            assert_eq!(ledger.delivered(delivery.tag.number), delivery.tag);
            tags.push(delivery.tag);
        }
        for index in [0, 1, 3] {
            ledger.finished(tags[index]).unwrap();
        }
        session.settle(&ledger.flush()).await.unwrap();
        session.nack(tags[2]).await.unwrap();
        session.reject(tags[4]).await.unwrap();
        for _ in 0..2 {
            assert!(next(&mut deliveries).await.incoming.redelivered);
        }
        session.finish().await;
        wait_until(PATIENCE, "three of six are left", async || vhost.depth("q").await.ready == 3)
            .await;
    })
    .await;
}

#[tokio::test]
async fn no_more_than_the_prefetch_is_held_and_a_second_consumer_may_hold_more() {
    for_each_broker(async |vhost| {
        fill(vhost, 10).await;
        let session = open(vhost).await;
        let mut narrow = session.consume(prefetch(1), "q.pod.7.1").await.unwrap();
        let first = next(&mut narrow).await;
        let more = timeout(Duration::from_millis(200), narrow.next()).await;
        assert!(more.is_err(), "a second delivery came although one may be held: {more:?}");

        let mut wide = session.consume(prefetch(5), "q.pod.7.2").await.unwrap();
        session.cancel("q.pod.7.1").await.unwrap();
        let end = timeout(PATIENCE, narrow.next()).await.unwrap();
        assert_eq!(end, None, "our own cancel is no error");
        for _ in 0..5 {
            assert_eq!(&*next(&mut wide).await.consumer, "q.pod.7.2");
        }
        let more = timeout(Duration::from_millis(200), wide.next()).await;
        assert!(more.is_err(), "a sixth delivery came although five may be held: {more:?}");
        session.settle(&[Frame { number: first.tag.number, multiple: false }]).await.unwrap();
        let limits = eventually(PATIENCE, "the consumer is listed", async || {
            let consumers = vhost.management.consumers(&vhost.name).await.unwrap();
            (consumers.len() == 1).then(|| consumers[0].prefetch)
        });
        assert_eq!(limits.await, Some(5));
        session.finish().await;
    })
    .await;
}

#[tokio::test]
async fn what_was_delivered_before_a_cancel_is_still_given_out() {
    for_each_broker(async |vhost| {
        fill(vhost, 5).await;
        let session = open(vhost).await;
        let mut deliveries = session.consume(prefetch(5), "q.pod.7.1").await.unwrap();
        wait_until(PATIENCE, "all are delivered", async || vhost.depth("q").await.ready == 0).await;
        session.cancel("q.pod.7.1").await.unwrap();
        for _ in 0..5 {
            next(&mut deliveries).await;
        }
        assert_eq!(timeout(PATIENCE, deliveries.next()).await.unwrap(), None);
        session.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_missing_queue_and_a_forbidden_one_are_told_apart() {
    for_each_broker(async |vhost| {
        fill(vhost, 0).await;
        let missing = ConsumeSession::open(&vhost.login, source("missing")).await.unwrap_err();
        assert!(
            matches!(&missing, SessionError::QueueNotFound { queue } if queue == "missing"),
            "{missing}"
        );
        let stranger = vhost.user("^$", "^$", "^$").await;
        let refused = match ConsumeSession::open(&stranger, source("q")).await {
            Ok(session) => session.consume(prefetch(1), "q.pod.7.1").await.unwrap_err(),
            Err(error) => error,
        };
        assert!(
            matches!(&refused, SessionError::AccessRefused { queue, .. } if queue == "q"),
            "{refused}"
        );
        let reader = vhost.user("^$", "^$", "^q$").await;
        let session = ConsumeSession::open(&reader, source("q")).await.unwrap();
        session.consume(prefetch(1), "q.pod.7.1").await.unwrap();
        session.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_deleted_queue_cancels_the_consumer_and_that_is_an_error() {
    for_each_broker(async |vhost| {
        fill(vhost, 0).await;
        let session = open(vhost).await;
        let mut deliveries = session.consume(prefetch(1), "q.pod.7.1").await.unwrap();
        vhost.management.delete_queue(&vhost.name, "q").await.unwrap();
        let end = timeout(PATIENCE, deliveries.next()).await.unwrap().unwrap().unwrap_err();
        assert_eq!(end.end, SessionEnd::Cancelled, "{end}");
        assert_eq!(deliveries.next().await, None);
        session.abandon().await;
    })
    .await;
}

#[tokio::test]
async fn a_closed_connection_ends_stream_and_session_also_while_nothing_is_consumed() {
    for_each_broker(async |vhost| {
        fill(vhost, 0).await;
        let session = open(vhost).await;
        let mut deliveries = session.consume(prefetch(1), "q.pod.7.1").await.unwrap();
        close_connection(vhost, "test/consume").await;
        let end = timeout(PATIENCE, deliveries.next()).await.unwrap().unwrap().unwrap_err();
        assert_eq!(end.end, SessionEnd::ConnectionError, "{end}");
        let end = timeout(PATIENCE, session.ended()).await.unwrap();
        assert_eq!(end.end, SessionEnd::ConnectionError, "{end}");

        let idle = open(vhost).await;
        let (end, ()) =
            tokio::join!(timeout(PATIENCE, idle.ended()), close_connection(vhost, "test/consume"));
        assert_eq!(end.unwrap().end, SessionEnd::ConnectionError);
    })
    .await;
}

#[tokio::test]
async fn settling_what_was_never_delivered_ends_the_channel_and_not_in_silence() {
    for_each_broker(async |vhost| {
        fill(vhost, 1).await;
        let session = open(vhost).await;
        let mut deliveries = session.consume(prefetch(1), "q.pod.7.1").await.unwrap();
        let delivery = next(&mut deliveries).await;
        let foreign = warren_core::ledger::Tag { session: SessionNumber(6), ..delivery.tag };
        assert!(matches!(session.nack(foreign).await, Err(SessionError::Tag(_))));

        session.settle(&[Frame { number: 99, multiple: false }]).await.unwrap();
        let end = timeout(PATIENCE, session.ended()).await.unwrap();
        assert_eq!(end.end, SessionEnd::ChannelError, "{end}");
        let end = timeout(PATIENCE, deliveries.next()).await.unwrap().unwrap().unwrap_err();
        assert_eq!(end.end, SessionEnd::ChannelError, "{end}");
        let late = session.settle(&[Frame { number: 1, multiple: false }]).await;
        assert!(late.is_err(), "a frame that cannot be sent was taken for sent");
    })
    .await;
}

#[tokio::test]
async fn a_consumer_timeout_ends_the_session_from_4_3_on() {
    for_each_broker(async |vhost| {
        // Before, the broker looks once a minute, so that a short timeout is no timeout.
        if vhost.version.starts_with("3.") || vhost.version.starts_with("4.0") {
            return;
        }
        vhost.queue("q", [("x-consumer-timeout", Argument::Int(2_000))]).await;
        vhost.publish("", "q", message("m1")).await;
        let session = open(vhost).await;
        let mut deliveries = session.consume(prefetch(1), "q.pod.7.1").await.unwrap();
        next(&mut deliveries).await;
        let end = timeout(PATIENCE, deliveries.next()).await.unwrap().unwrap().unwrap_err();
        assert_eq!(end.end, SessionEnd::Cancelled, "{end}");
        session.abandon().await;
    })
    .await;
}

#[tokio::test]
async fn the_last_settlements_of_a_finished_session_are_not_lost() {
    for_each_broker(async |vhost| {
        fill(vhost, 256).await;
        let session = open(vhost).await;
        let mut deliveries = session.consume(prefetch(256), "q.pod.7.1").await.unwrap();
        let mut tags = Vec::new();
        for _ in 0..256 {
            tags.push(next(&mut deliveries).await.tag);
        }
        session.cancel("q.pod.7.1").await.unwrap();
        // From the back, so that no prefix is contiguous and every frame is a single one.
        tags.reverse();
        for some in tags.chunks(warren_broker::consumer::LAST_FRAMES_MAX) {
            let single =
                |tag: &warren_core::ledger::Tag| Frame { number: tag.number, multiple: false };
            let frames: Vec<Frame> = some.iter().map(single).collect();
            session.settle(&frames).await.unwrap();
        }
        session.finish().await;
        let again = open(vhost).await;
        let mut deliveries = again.consume(prefetch(256), "q.pod.8.1").await.unwrap();
        let back = timeout(Duration::from_millis(500), deliveries.next()).await;
        assert!(back.is_err(), "a settled delivery came back: {back:?}");
        again.finish().await;
    })
    .await;
}

#[tokio::test]
async fn no_session_without_a_connection() {
    let mut login = Login::new("127.0.0.1", "shop", warren_broker::login::Secret::new("secret"));
    login.port = 1;
    let error = ConsumeSession::open(&login, source("q")).await.unwrap_err();
    assert_eq!((error.reason(), error.end()), ("ConnectionRefused", SessionEnd::ConnectionError));
}
