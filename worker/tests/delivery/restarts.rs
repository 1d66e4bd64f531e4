//! A broker that stops or crashes again and again under load: workers come back whole each time.
//!
//! The brokers of the other tests must not be disturbed, so this one has its own.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    process::Command,
    time::{MissedTickBehavior, interval},
};
use warren_broker::{
    login::Login,
    management::Management,
    publisher::{Publisher, PublisherState},
};
use warren_core::message::{Message, Publication};
use warren_test_support::{Receiver, Reply, TestBroker, TestVhost, wait_until};

use crate::rig::{Rig, SOON, counted, id};

/// How often the broker starts again: after a stop and after a crash by turns.
const RESTARTS: usize = 20;
/// Messages between two restarts, which take longer than the two good seconds after which a
/// connection forgets its back-off.
const BETWEEN: usize = 500;
/// How soon the next message follows: more would only take from the brokers what they boot with.
const PACE: Duration = Duration::from_millis(5);

/// A broker of one test's own.
struct OwnBroker {
    version: &'static str,
    state: tempfile::TempDir,
}

impl OwnBroker {
    async fn up(version: &'static str) -> (Self, TestBroker) {
        let broker = Self { version, state: tempfile::tempdir().unwrap() };
        broker.xtask("up").await;
        let directory = broker.directory();
        let login = Login::read_dir(&directory).unwrap();
        let management = Management::new(&login).unwrap();
        (broker, TestBroker { version: version.to_owned(), login, management })
    }

    /// Even times it says good-bye to its clients and writes what it has; odd times it is gone at
    /// once and comes back with what it had written.
    async fn start_again(&self, time: usize) {
        if time.is_multiple_of(2) {
            self.xtask("restart").await;
        } else {
            self.xtask("kill").await;
            self.xtask("up").await;
        }
    }

    async fn down(self) {
        self.xtask("down").await;
    }

    async fn xtask(&self, verb: &str) {
        let output = self.command(verb).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "broker {verb} --version {}: {said}", self.version);
    }

    fn command(&self, verb: &str) -> Command {
        let programs = Path::new(env!("CARGO_BIN_EXE_warren-worker")).parent().unwrap();
        let xtask = programs.join("xtask");
        assert!(xtask.exists(), "{} is missing: run `cargo build -p xtask`", xtask.display());
        let mut command = Command::new(xtask);
        command
            .args(["broker", verb, "--version", self.version])
            .env("XDG_STATE_HOME", self.state.path())
            .stdin(Stdio::null());
        command
    }

    fn directory(&self) -> PathBuf {
        self.state.path().join(format!("warren/dev/broker-{}/broker-dir", self.version))
    }
}

impl Drop for OwnBroker {
    /// For tests that panic.
    fn drop(&mut self) {
        let _ = self.command("down").into_std().output();
    }
}

/// Publishes one message after the other, each until it is confirmed, and notes the ids: 200 a
/// second, and while the broker is away the one that it has not confirmed.
async fn load(
    publisher: Publisher,
    exchange: String,
    confirmed: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
) {
    let mut number = 0_u32;
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !stop.load(Ordering::SeqCst) {
        pace.tick().await;
        number += 1;
        let mut message = Message { body: "{}".into(), ..Message::default() };
        message.properties.message_id = Some(number.to_string());
        let (exchange, routing_key) = (exchange.clone(), "order.new".to_owned());
        let publication = Publication { exchange, routing_key, message };
        while publisher.publish(publication.clone()).await.is_err() {
            let mut state = publisher.state();
            let up = state.wait_for(|state| *state == PublisherState::Up);
            let _ = tokio::time::timeout(Duration::from_secs(1), up).await;
        }
        confirmed.lock().unwrap().push(number.to_string());
    }
}

async fn stops_and_crashes(version: &'static str) {
    let (own, broker) = OwnBroker::up(version).await;
    let vhost = TestVhost::create(&broker).await;
    let receiver = Receiver::start(|_| Reply::status(200)).await;
    let settings = format!(
        "handler: {{http: {{url: \"{}\", timeout: 5s}}}}\nconcurrency: 7\nprefetch: 7",
        receiver.url()
    );
    let rig = Rig::new(&vhost, &settings).await;
    let workers = [rig.worker("w1"), rig.worker("w2")];
    let confirmed = Arc::<Mutex<Vec<String>>>::default();
    let stop = Arc::<AtomicBool>::default();
    let exchange = rig.config.prefix.to_string();
    let publishing = load(rig.publisher.clone(), exchange, confirmed.clone(), stop.clone());
    let publishing = tokio::spawn(publishing);
    for time in 0..RESTARTS {
        let before = confirmed.lock().unwrap().len();
        wait_until(SOON * 2, "publishing goes on after a restart", async || {
            confirmed.lock().unwrap().len() > before + BETWEEN
        })
        .await;
        own.start_again(time).await;
    }
    // While messages flow: a session widens to its prefetch at the first harmless one.
    for worker in &workers {
        worker.shows("consuming", None).await;
    }
    wait_until(SOON, "each worker has one consumer with its prefetch", async || {
        let consumers = vhost.management.consumers(&vhost.name).await.unwrap_or_default();
        let of_main: Vec<Option<u64>> =
            consumers.iter().filter(|c| c.queue == rig.main()).map(|c| c.prefetch).collect();
        of_main == [Some(7), Some(7)]
    })
    .await;
    stop.store(true, Ordering::SeqCst);
    publishing.await.unwrap();
    let confirmed: BTreeSet<String> = confirmed.lock().unwrap().drain(..).collect();
    wait_until(SOON * 2, "everything confirmed is received", async || {
        let requests = receiver.requests();
        let seen = counted(requests.iter().map(id));
        confirmed.iter().all(|id| seen.contains_key(id))
    })
    .await;
    let requests = receiver.requests().len();
    let ids = confirmed.len();
    println!(
        "{version}: {ids} confirmed over {RESTARTS} stops and crashes, {} repeats",
        requests - ids
    );
    drop(workers);
    vhost.delete().await;
    own.down().await;
}

#[tokio::test]
async fn workers_survive_ten_stops_and_ten_crashes_of_rabbitmq_3_10() {
    stops_and_crashes("3.10").await;
}

#[tokio::test]
async fn workers_survive_ten_stops_and_ten_crashes_of_rabbitmq_4_0() {
    stops_and_crashes("4.0").await;
}

#[tokio::test]
async fn workers_survive_ten_stops_and_ten_crashes_of_rabbitmq_4_3() {
    stops_and_crashes("4.3").await;
}
