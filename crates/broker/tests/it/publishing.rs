//! What becomes of messages when all is well with the connection.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::join_all;
use warren_broker::publisher::{FailureReason, PublishError, PublisherState, Settings};
use warren_core::{
    message::Value,
    topology::{Argument, ExchangeKind},
};
use warren_test_support::{TestVhost, for_each_broker, wait_until};

use crate::{PATIENCE, message, publication};

/// A direct exchange `x` with a quorum queue `q` behind the key `q`.
pub(crate) async fn exchange_and_queue(vhost: &TestVhost) {
    vhost.exchange("x", ExchangeKind::Direct).await;
    vhost.queue("q", []).await;
    vhost.bind("x", "q", "q").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_200_publishers_and_a_fifth_unroutable_every_caller_is_told_the_truth() {
    const PUBLISHERS: usize = 200;
    const EACH: usize = 10;
    for_each_broker(async |vhost| {
        exchange_and_queue(vhost).await;
        // One channel makes the largest batches, and those the most chances to be wrong.
        let publisher = vhost.patient_publisher().await;
        let publish_some = async |number: usize| {
            let mut stored = Vec::new();
            for turn in 0..EACH {
                let id = format!("m{number}-{turn}");
                let routable = !(number + turn).is_multiple_of(5);
                let key = if routable { "q" } else { "nowhere" };
                match publisher.publish(publication("x", key, &id)).await {
                    Ok(()) => assert!(routable, "{id} was confirmed and has no queue"),
                    Err(PublishError::Unroutable { .. }) => assert!(!routable, "{id} has a queue"),
                    Err(other) => panic!("{id}: {other}"),
                }
                if routable {
                    stored.push(id);
                }
            }
            stored
        };
        let stored: Vec<Vec<String>> = join_all((0..PUBLISHERS).map(publish_some)).await;
        let stored: BTreeSet<String> = stored.into_iter().flatten().collect();
        assert_eq!(publisher.in_flight(), 0);
        assert_eq!(publisher.close(PATIENCE).await, 0);

        let taken = vhost.take("q", stored.len()).await;
        let ids = taken.into_iter().map(|incoming| incoming.message.properties.message_id.unwrap());
        assert_eq!(ids.collect::<BTreeSet<String>>(), stored);
        assert_eq!(vhost.depth("q").await.ready, 0);
    })
    .await;
}

#[tokio::test]
async fn equal_ids_at_the_same_time_get_an_outcome_each() {
    for_each_broker(async |vhost| {
        exchange_and_queue(vhost).await;
        let publisher = vhost.patient_publisher().await;
        let publish = async |number: usize| {
            let key = if number.is_multiple_of(2) { "q" } else { "nowhere" };
            publisher.publish(publication("x", key, "same")).await
        };
        let outcomes = join_all((0..40).map(publish)).await;
        for (number, outcome) in outcomes.iter().enumerate() {
            let unroutable = matches!(outcome, Err(PublishError::Unroutable { .. }));
            assert_eq!(unroutable, number % 2 == 1, "{number}: {outcome:?}");
        }
        assert_eq!(vhost.take("q", 20).await.len(), 20);
    })
    .await;
}

#[tokio::test]
async fn a_full_queue_refuses_and_takes_again_when_there_is_room() {
    for_each_broker(async |vhost| {
        vhost.exchange("x", ExchangeKind::Direct).await;
        let limits =
            [("x-max-length", Argument::Int(5)), ("x-overflow", Argument::from("reject-publish"))];
        vhost.queue("q", limits).await;
        vhost.bind("x", "q", "q").await;
        let publisher = vhost.patient_publisher().await;
        let mut nacked = 0;
        for number in 0..50 {
            match publisher.publish(publication("x", "q", &format!("m{number}"))).await {
                Ok(()) => {}
                Err(PublishError::Nacked) => nacked += 1,
                Err(other) => panic!("{other}"),
            }
        }
        assert!(nacked > 30, "only {nacked} of 50 were refused by a queue for 5");
        let stored = usize::try_from(vhost.depth("q").await.ready).unwrap();
        assert_eq!(stored, 50 - nacked, "a refused message was stored, or a stored one refused");
        vhost.take("q", stored).await;
        wait_until(PATIENCE, "the queue takes a message again", async || {
            publisher.publish(publication("x", "q", "later")).await.is_ok()
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_missing_exchange_is_told_and_harms_no_message_to_another() {
    for_each_broker(async |vhost| {
        exchange_and_queue(vhost).await;
        let publisher = vhost.patient_publisher().await;
        let publish = async |number: usize| {
            let exchange = if number.is_multiple_of(2) { "x" } else { "missing" };
            publisher.publish(publication(exchange, "q", &format!("m{number}"))).await
        };
        let outcomes = join_all((0..60).map(publish)).await;
        for (number, outcome) in outcomes.into_iter().enumerate() {
            if number.is_multiple_of(2) {
                assert_eq!(outcome, Ok(()), "{number}");
            } else {
                let missing = PublishError::ExchangeNotFound { exchange: "missing".to_owned() };
                assert_eq!(missing.reason(), FailureReason::Unroutable);
                assert_eq!(outcome, Err(missing), "{number}");
            }
        }
        assert_eq!(*publisher.state().borrow(), PublisherState::Up);
    })
    .await;
}

#[tokio::test]
async fn an_exchange_that_the_user_may_not_write_is_told() {
    for_each_broker(async |vhost| {
        exchange_and_queue(vhost).await;
        vhost.exchange("forbidden", ExchangeKind::Direct).await;
        let scoped = vhost.user("^$", "^x$", "^$").await;
        let logins = tokio::sync::watch::channel(scoped).1;
        let publisher = warren_broker::publisher::Publisher::start(logins, Settings::worker("t"));
        let mut state = publisher.state();
        state.wait_for(|state| *state == PublisherState::Up).await.unwrap();
        let refused = publisher.publish(publication("forbidden", "q", "m1")).await;
        assert!(matches!(refused, Err(PublishError::AccessRefused { .. })), "{refused:?}");
        assert_eq!(publisher.publish(publication("x", "q", "m2")).await, Ok(()));
    })
    .await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_told_and_its_batch_is_stored() {
    for_each_broker(async |vhost| {
        exchange_and_queue(vhost).await;
        let publisher = vhost.patient_publisher().await;
        // From 4.0 on the broker takes 16 MiB; before, more than may be under way at once.
        let bytes = if vhost.version.starts_with('3') { 65 << 20 } else { (16 << 20) + 1 };
        let mut large = publication("x", "q", "large");
        large.message.body = vec![0; bytes].into();
        let small = async |number: usize| {
            publisher.publish(publication("x", "q", &format!("m{number}"))).await
        };
        let (refused, stored) =
            tokio::join!(publisher.publish(large), join_all((0..20).map(small)));
        assert!(matches!(refused, Err(PublishError::TooLarge { .. })), "{refused:?}");
        assert_eq!(stored, vec![Ok(()); 20]);
        assert_eq!(*publisher.state().borrow(), PublisherState::Up);
    })
    .await;
}

#[tokio::test]
async fn large_headers_arrive_and_headers_beyond_a_frame_are_refused_without_harm() {
    for_each_broker(async |vhost| {
        exchange_and_queue(vhost).await;
        let publisher = vhost.patient_publisher().await;
        let with_headers = |id: &str, count: usize| {
            let mut publication = publication("x", "q", id);
            for number in 0..count {
                let name = format!("h{number}");
                publication.message.headers.set(&name, "v".repeat(2_000));
            }
            publication
        };
        let sent = with_headers("m1", 20);
        assert_eq!(publisher.publish(sent.clone()).await, Ok(()));
        assert_eq!(vhost.take("q", 1).await[0].message, sent.message);

        let refused = publisher.publish(with_headers("m2", 100)).await.unwrap_err();
        assert_eq!(refused.reason(), FailureReason::Malformed, "{refused}");
        let mut long_name = publication("x", "q", "m3");
        long_name.message.headers.set(&"n".repeat(256), Value::Void);
        let refused = publisher.publish(long_name).await.unwrap_err();
        assert_eq!(refused.reason(), FailureReason::Malformed, "{refused}");
        assert_eq!(publisher.publish(publication("x", "q", "m4")).await, Ok(()));
    })
    .await;
}

#[tokio::test]
async fn a_header_the_broker_refuses_harms_only_its_own_message() {
    for_each_broker(async |vhost| {
        exchange_and_queue(vhost).await;
        let publisher = vhost.patient_publisher().await;
        let publish = async |number: usize| {
            let mut publication = publication("x", "q", &format!("m{number}"));
            if number == 7 {
                // The broker wants a list of texts here, and closes the channel.
                publication.message.headers.set("CC", "not a list");
            }
            publisher.publish(publication).await
        };
        let outcomes = join_all((0..20).map(publish)).await;
        for (number, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Ok(()) => assert_ne!(number, 7),
                Err(error) => {
                    assert_eq!((number, error.reason()), (7, FailureReason::Malformed), "{error}");
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn messages_are_persistent_and_arrive_as_they_were_sent() {
    for_each_broker(async |vhost| {
        exchange_and_queue(vhost).await;
        let mut sent = message("m1");
        sent.properties.content_type = Some("application/json".to_owned());
        sent.properties.timestamp = Some(1_700_000_000);
        sent.properties.priority = Some(3);
        sent.headers.set("warren-attempt", 2_u32);
        sent.headers.set("blob", Value::Bytes(vec![0xff, 0]));
        vhost.publish("x", "q", sent.clone()).await;
        let taken = vhost.take("q", 1).await.remove(0);
        assert_eq!((taken.exchange.as_str(), taken.routing_key.as_str()), ("x", "q"));
        assert!(!taken.redelivered);
        // Up to 3.13 a quorum queue adds its own count from the first delivery on.
        let mut message = taken.message;
        message.headers.remove("x-delivery-count");
        assert_eq!(message, sent);
    })
    .await;
}

#[tokio::test]
async fn more_than_may_be_under_way_is_refused_after_a_short_wait() {
    for_each_broker(async |vhost| {
        exchange_and_queue(vhost).await;
        let settings = Settings {
            max_messages: 1,
            place_wait: Duration::from_millis(1),
            ..Settings::worker("test/publish")
        };
        let publisher = vhost.publisher(settings).await;
        let publish = async |number: usize| {
            publisher.publish(publication("x", "q", &format!("m{number}"))).await
        };
        let outcomes = join_all((0..500).map(publish)).await;
        let overloaded =
            |outcome: &&Result<(), PublishError>| matches!(outcome, Err(PublishError::Overloaded));
        let refused = outcomes.iter().filter(overloaded).count();
        let stored = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(refused + stored, 500);
        assert!(refused > 0, "500 messages had a place at once where one may be under way");
        assert_eq!(vhost.take("q", stored).await.len(), stored);
    })
    .await;
}

#[tokio::test]
async fn a_publish_goes_on_when_its_caller_has_gone_away() {
    for_each_broker(async |vhost| {
        exchange_and_queue(vhost).await;
        let publisher = vhost.patient_publisher().await;
        let publish = publisher.publish(publication("x", "q", "m1"));
        let gone = tokio::time::timeout(Duration::ZERO, publish).await;
        assert!(gone.is_err(), "the confirm came before the caller could go away");
        assert_eq!(vhost.take("q", 1).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_publisher_that_closes_confirms_what_it_has_and_takes_no_more() {
    for_each_broker(async |vhost| {
        exchange_and_queue(vhost).await;
        let settings = Settings { deadline: PATIENCE, ..Settings::producer("test/publish") };
        let publisher = vhost.publisher(settings).await;
        // Each publishes until it may no more.
        let many = (0..50).map(|number| {
            let publisher = publisher.clone();
            tokio::spawn(async move {
                let mut stored = 0;
                loop {
                    let publication = publication("x", "q", &format!("m{number}-{stored}"));
                    match publisher.publish(publication).await {
                        Ok(()) => stored += 1,
                        Err(error) => break (stored, error),
                    }
                }
            })
        });
        let many: Vec<_> = many.collect();
        wait_until(PATIENCE, "messages under way", async || publisher.in_flight() > 0).await;
        assert_eq!(publisher.close(PATIENCE).await, 0);
        assert_eq!(*publisher.state().borrow(), PublisherState::Closed);
        let mut stored = 0;
        for (count, error) in join_all(many).await.into_iter().map(Result::unwrap) {
            stored += count;
            assert!(!error.outcome_unknown(), "{error}");
        }
        assert_eq!(usize::try_from(vhost.depth("q").await.ready).unwrap(), stored);
        let late = publisher.publish(publication("x", "q", "late")).await.unwrap_err();
        assert_eq!(late.reason(), FailureReason::Disconnected);
    })
    .await;
}
