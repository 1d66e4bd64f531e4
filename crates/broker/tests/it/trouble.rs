//! What becomes of messages when the connection does not hold.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{broadcast, watch},
    time::Instant,
};
use warren_broker::{
    login::Login,
    publisher::{PublishError, Publisher, PublisherState, Settings},
};
use warren_test_support::{TestVhost, answered, eventually, for_each_broker, wait_until};

use crate::{PATIENCE, publication, publishing::exchange_and_queue};

/// How long publishes may take here: longer than a busy broker does.
const DEADLINE: Duration = Duration::from_secs(4);

/// Closes the connection that the broker lists under a name, as an administrator would.
pub(crate) async fn close_connection(vhost: &TestVhost, name: &str) {
    let id = eventually(PATIENCE, "the connection is listed", async || {
        let connections = vhost.management.connections(&vhost.name).await.ok()?;
        let named = connections.into_iter().find(|one| one.name.as_deref() == Some(name));
        named.map(|connection| connection.id)
    });
    let id = id.await;
    answered("close a connection", async || vhost.management.close_connection(&id).await).await;
}

#[tokio::test]
async fn callers_learn_that_a_connection_was_closed_and_a_later_publish_works() {
    for_each_broker(async |vhost| {
        exchange_and_queue(vhost).await;
        let patient = Settings { deadline: PATIENCE, ..Settings::producer("test/killed") };
        let publisher = vhost.publisher(patient).await;
        let busy = publisher.clone();
        let publishing = tokio::spawn(async move {
            let mut stored = 0_usize;
            for number in 0.. {
                match busy.publish(publication("x", "q", &format!("m{number}"))).await {
                    Ok(()) => stored += 1,
                    Err(error) => return (stored, error),
                }
            }
            unreachable!("the loop ends with an error");
        });
        close_connection(vhost, "test/killed").await;
        let (stored, error) = tokio::time::timeout(PATIENCE, publishing).await.unwrap().unwrap();
        assert!(matches!(error, PublishError::Disconnected { .. }), "{error}");
        wait_until(PATIENCE, "a publish works again", async || {
            publisher.publish(publication("x", "q", "later")).await.is_ok()
        })
        .await;
        // The message whose outcome is unknown may or may not be there as well.
        let ready = usize::try_from(vhost.depth("q").await.ready).unwrap();
        assert!((stored + 1..=stored + 2).contains(&ready), "{stored} confirmed, {ready} stored");
    })
    .await;
}

#[tokio::test]
async fn a_publisher_without_a_broker_refuses_at_once_and_says_why() {
    let mut login = Login::new("127.0.0.1", "shop", warren_broker::login::Secret::new("secret"));
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    login.port = free.local_addr().unwrap().port();
    drop(free);
    let settings = Settings { deadline: PATIENCE, ..Settings::worker("test/none") };
    let publisher = Publisher::start(watch::channel(login).1, settings);
    let mut state = publisher.state();
    let told = state.wait_for(|state| {
        matches!(state, PublisherState::Connecting { last_error: Some(trouble) }
            if trouble.reason == "ConnectionRefused")
    });
    tokio::time::timeout(PATIENCE, told).await.unwrap().unwrap();
    let since = Instant::now();
    let refused = publisher.publish(publication("x", "q", "m1")).await.unwrap_err();
    assert!(since.elapsed() < PATIENCE / 2, "it waited for the deadline");
    assert!(!refused.outcome_unknown() && refused.to_string().contains("nothing listens"));
    assert_eq!(publisher.close(PATIENCE).await, 0);
    assert_eq!(*publisher.state().borrow(), PublisherState::Closed);
}

#[tokio::test]
async fn a_broker_that_never_answers_is_a_timeout_and_the_connection_is_replaced() {
    for_each_broker(async |vhost| {
        exchange_and_queue(vhost).await;
        let relay = Relay::to(vhost.login.port).await;
        let login = Login { port: relay.port, ..vhost.login.clone() };
        let settings = Settings { deadline: DEADLINE, ..Settings::worker("test/silent") };
        let publisher = Publisher::start(watch::channel(login).1, settings);
        let mut state = publisher.state();
        state.wait_for(|state| *state == PublisherState::Up).await.unwrap();
        assert_eq!(publisher.publish(publication("x", "q", "m1")).await, Ok(()));

        relay.silence(true);
        let publish = publisher.publish(publication("x", "q", "m2"));
        let outcome = tokio::time::timeout(PATIENCE, publish).await.unwrap().unwrap_err();
        assert_eq!(outcome, PublishError::Timeout);
        assert!(outcome.outcome_unknown());
        relay.silence(false);
        wait_until(PATIENCE, "a publish works again", async || {
            publisher.publish(publication("x", "q", "m3")).await.is_ok()
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_new_login_takes_over_without_a_failed_publish() {
    for_each_broker(async |vhost| {
        exchange_and_queue(vhost).await;
        let old = vhost.user("^$", "^x$", "^$").await;
        let new = vhost.user("^$", "^x$", "^$").await;
        let (logins, login) = watch::channel(old.clone());
        let publisher = Publisher::start(login, Settings::producer("test/rotated"));
        let mut state = publisher.state();
        state.wait_for(|state| *state == PublisherState::Up).await.unwrap();

        let busy = publisher.clone();
        let (stop, stopped) = watch::channel(false);
        let publishing = tokio::spawn(async move {
            let mut number = 0;
            while !*stopped.borrow() {
                number += 1;
                let publish = busy.publish(publication("x", "q", &format!("m{number}")));
                publish.await.unwrap();
            }
        });
        logins.send(new.clone()).unwrap();
        wait_until(PATIENCE, "only the new user is connected", async || {
            let connections = vhost.management.connections(&vhost.name).await.unwrap_or_default();
            let of = |user: &Login| {
                let is = |name: &Option<String>| name.as_ref() == Some(&user.username);
                connections.iter().filter(|connection| is(&connection.user)).count()
            };
            of(&new) == 1 && of(&old) == 0
        })
        .await;
        stop.send(true).unwrap();
        publishing.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_new_login_that_does_not_work_leaves_the_old_connection_alone() {
    for_each_broker(async |vhost| {
        exchange_and_queue(vhost).await;
        let (logins, login) = watch::channel(vhost.login.clone());
        let publisher = Publisher::start(login, Settings::worker("test/typo"));
        let mut state = publisher.state();
        state.wait_for(|state| *state == PublisherState::Up).await.unwrap();
        let typo = warren_broker::login::Secret::new("typo");
        logins.send(Login { password: typo, ..vhost.login.clone() }).unwrap();
        let until = Instant::now() + Duration::from_secs(1);
        let mut number = 0;
        while Instant::now() < until {
            number += 1;
            let publish = publisher.publish(publication("x", "q", &format!("m{number}")));
            publish.await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn while_the_broker_blocks_publishes_are_refused_at_once_on_the_same_connection() {
    for_each_broker(async |vhost| {
        exchange_and_queue(vhost).await;
        let relay = Relay::to(vhost.login.port).await;
        let login = Login { port: relay.port, ..vhost.login.clone() };
        let settings = Settings { deadline: DEADLINE, ..Settings::worker("test/blocked") };
        let publisher = Publisher::start(watch::channel(login).1, settings);
        let mut state = publisher.state();
        state.wait_for(|state| *state == PublisherState::Up).await.unwrap();

        // The broker tells of an alarm once it has got a publish, which then hangs.
        relay.silence(true);
        let first = publisher.publish(publication("x", "q", "first"));
        let (first, ()) = tokio::join!(first, async { relay.say(&blocked("low on memory")) });
        assert_eq!(first, Err(PublishError::Timeout));
        state.wait_for(PublisherState::is_blocked).await.unwrap();
        // Beyond the deadline of the publish that hangs.
        let mut turns = tokio::time::interval(DEADLINE / 8);
        for _ in 0..10 {
            turns.tick().await;
            // At its deadline it would be a timeout.
            let refused = publisher.publish(publication("x", "q", "refused")).await.unwrap_err();
            let detail = "low on memory".to_owned();
            assert_eq!(refused, PublishError::Blocked { detail });
        }
        assert_eq!(relay.connections(), 1, "a blocked connection was replaced");

        relay.silence(false);
        relay.say(&UNBLOCKED);
        state.wait_for(|state| *state == PublisherState::Up).await.unwrap();
        assert_eq!(publisher.publish(publication("x", "q", "later")).await, Ok(()));
        let taken = vhost.take("q", 2).await.into_iter();
        let ids = taken.map(|incoming| incoming.message.properties.message_id.unwrap());
        assert_eq!(ids.collect::<Vec<String>>(), ["first", "later"]);
        assert_eq!(relay.connections(), 1);
    })
    .await;
}

/// `connection.unblocked`: a method frame on channel 0, class 10, method 61.
const UNBLOCKED: [u8; 12] = [1, 0, 0, 0, 0, 0, 4, 0, 10, 0, 61, 0xce];

/// `connection.blocked`: class 10, method 60, with the reason as a short string.
fn blocked(reason: &str) -> Vec<u8> {
    let length = u8::try_from(reason.len()).unwrap();
    let mut frame = vec![1, 0, 0, 0, 0, 0, 5 + length, 0, 10, 0, 60, length];
    frame.extend_from_slice(reason.as_bytes());
    frame.push(0xce);
    frame
}

/// A relay before a broker. It can hold back what a client sends, and say something in the
/// broker's name.
struct Relay {
    port: u16,
    silent: watch::Sender<bool>,
    said: broadcast::Sender<Vec<u8>>,
    accepted: Arc<AtomicUsize>,
}

impl Relay {
    async fn to(broker: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = Self {
            port: listener.local_addr().unwrap().port(),
            silent: watch::Sender::new(false),
            said: broadcast::Sender::new(16),
            accepted: Arc::default(),
        };
        let (silent, said) = (relay.silent.clone(), relay.said.clone());
        let accepted = Arc::clone(&relay.accepted);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::Relaxed);
                let broker = TcpStream::connect(("127.0.0.1", broker)).await.unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_broker, to_broker) = broker.into_split();
                tokio::spawn(relay_client(from_client, to_broker, silent.subscribe()));
                tokio::spawn(relay_broker(from_broker, to_client, said.subscribe()));
            }
        });
        relay
    }

    fn silence(&self, silent: bool) {
        self.silent.send_replace(silent);
    }

    fn say(&self, frame: &[u8]) {
        self.said.send(frame.to_vec()).unwrap();
    }

    fn connections(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }
}

async fn relay_client(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut silent: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count) = from.read(&mut buffer).await {
        let over = count == 0 || silent.wait_for(|silent| !silent).await.is_err();
        if over || to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

/// Frames are said between those of the broker as long as it is quiet itself.
async fn relay_broker(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut said: broadcast::Receiver<Vec<u8>>,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let written = tokio::select! {
            count = from.read(&mut buffer) => match count {
                Ok(count) if count > 0 => to.write_all(&buffer[..count]).await,
                _ => return,
            },
            Ok(frame) = said.recv() => to.write_all(&frame).await,
        };
        if written.is_err() {
            return;
        }
    }
}
