//! What the users of workers and producers may do: their own work, and nothing else.

use std::num::NonZeroU16;

use tokio::sync::watch;
use warren_broker::{
    connection,
    consumer::{ConsumeSession, SessionError, Source},
    login::Login,
    management::{ApiErrorKind, Management},
    publisher::{PublishError, Publisher, PublisherState, Settings},
};
use warren_core::{ledger::SessionNumber, message::Publication};
use warren_test_support::{TestVhost, eventually, for_each_broker};

use super::{a_message, pipeline};
use crate::scene::{MINIMAL, Scene, object};

const WITHIN: std::time::Duration = std::time::Duration::from_mins(1);

fn sibling() -> String {
    MINIMAL.replace("name: orders", "name: orders2")
}

/// The users of a pipeline with a sibling whose name begins alike.
struct Users {
    worker: Login,
    producer: Login,
}

async fn declared(vhost: &TestVhost) -> Users {
    let scene = Scene::new(&vhost.login);
    scene.first_pass(&object(&sibling())).await;
    let object = object(MINIMAL);
    scene.first_pass(&object).await;
    let pipeline = pipeline(&object);
    let worker = pipeline.worker_user(&pipeline.queues[0].name, &vhost.name);
    Users {
        worker: scene.login_of(&vhost.login, &worker),
        producer: scene.login_of(&vhost.login, &pipeline.producer_user(&vhost.name)),
    }
}

async fn publish(login: &Login, exchange: &str, routing_key: &str) -> Result<(), PublishError> {
    let settings = Settings { deadline: WITHIN, ..Settings::worker("test") };
    let publisher = Publisher::start(watch::channel(login.clone()).1, settings);
    let mut state = publisher.state();
    let up = state.wait_for(|state| *state == PublisherState::Up);
    tokio::time::timeout(WITHIN, up).await.expect("connects").unwrap();
    let publication = Publication {
        exchange: exchange.to_owned(),
        routing_key: routing_key.to_owned(),
        message: a_message(),
    };
    let result = publisher.publish(publication).await;
    publisher.close(WITHIN).await;
    result
}

async fn consume(login: &Login, queue: &str) -> Result<(), SessionError> {
    let source = Source { name: "test", queue, session: SessionNumber(1) };
    let session = ConsumeSession::open(login, source).await?;
    let consumed = session.consume(NonZeroU16::MIN, "test").await.map(|_| ());
    session.abandon().await;
    consumed
}

/// What a user may try beside publishing and consuming.
#[derive(Debug, Clone, Copy)]
enum Attempt {
    DeclareQueue(&'static str),
    DeleteQueue(&'static str),
    Purge(&'static str),
    DeleteExchange(&'static str),
}

/// Whether the broker answers an attempt with 403.
#[allow(
    clippy::default_trait_access,
    reason = "the AMQP library is the broker crate's own; its option types have no name here"
)]
async fn is_refused(login: &Login, attempt: Attempt) -> bool {
    let connection = connection::connect(login, "test").await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let refused = match attempt {
        Attempt::DeclareQueue(name) => {
            let declared =
                channel.queue_declare(name.into(), Default::default(), Default::default());
            declared.await.err()
        }
        Attempt::DeleteQueue(name) => {
            channel.queue_delete(name.into(), Default::default()).await.err()
        }
        Attempt::Purge(name) => channel.queue_purge(name.into(), Default::default()).await.err(),
        Attempt::DeleteExchange(name) => {
            channel.exchange_delete(name.into(), Default::default()).await.err()
        }
    };
    connection::close(&connection).await;
    refused.is_some_and(|error| error.to_string().contains("ACCESS_REFUSED"))
}

#[tokio::test]
async fn a_producer_publishes_to_its_exchange_and_nowhere_else() {
    for_each_broker(async |vhost| {
        let producer = declared(vhost).await.producer;
        publish(&producer, "shop.orders", "").await.unwrap();
        for (exchange, key) in [
            ("shop.orders.internal", "email"),
            ("shop.orders2", ""),
            ("", "shop.orders.email"),
            ("amq.direct", ""),
        ] {
            let refused = publish(&producer, exchange, key).await.unwrap_err();
            assert!(
                matches!(refused, PublishError::AccessRefused { .. }),
                "{exchange:?}: {refused:?}"
            );
        }
        for queue in ["shop.orders.email", "shop.orders.email.dead", "shop.orders.unrouted"] {
            let refused = consume(&producer, queue).await.unwrap_err();
            assert!(matches!(refused, SessionError::AccessRefused { .. }), "{queue}: {refused:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_worker_consumes_its_queue_and_returns_copies_and_no_more() {
    for_each_broker(async |vhost| {
        let worker = declared(vhost).await.worker;
        consume(&worker, "shop.orders.email").await.unwrap();
        publish(&worker, "shop.orders.internal", "email.retry.1000").await.unwrap();
        publish(&worker, "shop.orders.internal", "email.dead").await.unwrap();
        for queue in ["shop.orders2.email", "shop.orders.email.dead", "shop.orders.unrouted"] {
            let refused = consume(&worker, queue).await.unwrap_err();
            assert!(matches!(refused, SessionError::AccessRefused { .. }), "{queue}: {refused:?}");
        }
        for exchange in ["shop.orders", "shop.orders2.internal", ""] {
            let refused = publish(&worker, exchange, "shop.orders.email").await.unwrap_err();
            assert!(
                matches!(refused, PublishError::AccessRefused { .. }),
                "{exchange:?}: {refused:?}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn no_user_may_change_objects_enter_another_virtual_host_or_use_the_management_api() {
    for_each_broker(async |vhost| {
        let Users { worker, producer } = declared(vhost).await;
        for login in [&worker, &producer] {
            for attempt in [
                Attempt::DeclareQueue("shop.orders.email.mine"),
                Attempt::DeleteQueue("shop.orders.email"),
                Attempt::DeleteExchange("shop.orders"),
                Attempt::Purge("shop.orders2.email"),
            ] {
                assert!(is_refused(login, attempt).await, "{}: {attempt:?}", login.username);
            }
            let elsewhere = Login { vhost: "/".to_owned(), ..login.clone() };
            let refused = connection::connect(&elsewhere, "test").await.unwrap_err();
            assert_eq!(refused.reason(), "PermissionDenied", "{refused}");
            let management = Management::new(login).unwrap();
            let refused = management.whoami().await.unwrap_err().kind;
            assert!(matches!(refused, ApiErrorKind::PermissionDenied(_)), "{refused:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_a_producer_publishes_arrives_in_the_queue() {
    let object = object(MINIMAL);
    for_each_broker(async |vhost| {
        let scene = Scene::new(&vhost.login);
        scene.first_pass(&object).await;
        let user = pipeline(&object).producer_user(&vhost.name);
        let producer = scene.login_of(&vhost.login, &user);
        publish(&producer, "shop.orders", "any.key").await.unwrap();
        eventually(WITHIN, "the message is in the queue", async || {
            (vhost.depth("shop.orders.email").await.ready == 1).then_some(())
        })
        .await;
    })
    .await;
}
