//! A virtual host that belongs to one test.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    num::NonZeroU16,
    time::Duration,
};

use futures_util::StreamExt;
use tokio::{sync::watch, time::timeout};
use warren_broker::{
    consumer::{ConsumeSession, Source},
    login::{Login, Secret},
    management::{ApiError, ApiErrorKind, Management},
    probe::{Depth, DepthProbe},
    publisher::{Publisher, PublisherState, Settings},
};
use warren_core::{
    ledger::{Frame, SessionNumber},
    message::{Incoming, Message, Publication},
    topology::{
        Argument, Binding, Change, Exchange, ExchangeKind, Found, Permissions, Queue, Topology,
    },
};

use crate::{
    brokers::TestBroker,
    waiting::{eventually, poll_while},
};

/// How long a test broker may take for one thing: others boot and are loaded on the same machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A virtual host that belongs to one test, with everything in it.
pub struct TestVhost {
    /// The version of the broker, such as `4.3`.
    pub version: String,
    /// Its name.
    pub name: String,
    /// The login of the administrator in it.
    pub login: Login,
    /// The management API of the broker.
    pub management: Management,
    deleted: bool,
}

impl TestVhost {
    /// Makes a virtual host under a name that no other test has.
    pub async fn create(broker: &TestBroker) -> Self {
        let name = unique("test");
        let management = broker.management.clone();
        answered("make a virtual host", async || management.put_vhost(&name).await).await;
        let vhost = Self {
            version: broker.version.clone(),
            login: Login { vhost: name.clone(), ..broker.login.clone() },
            name,
            management,
            deleted: false,
        };
        vhost.permit(&vhost.login.username, ".*", ".*", ".*").await;
        vhost
    }

    /// Deletes it, and the users that may enter it, but for the administrator.
    pub async fn delete(mut self) {
        self.deleted = true;
        clean_up(&self.management, &self.login).await;
    }

    /// The login as a receiver that never changes.
    pub fn logins(&self) -> watch::Receiver<Login> {
        watch::channel(self.login.clone()).1
    }

    /// A new user who may configure, write and read what these patterns match.
    pub async fn user(&self, configure: &str, write: &str, read: &str) -> Login {
        let name = unique("user");
        let password = Secret::new(unique("password"));
        let put = async || self.management.put_user(&name, &password, &[]).await;
        answered("make a user", put).await;
        self.permit(&name, configure, write, read).await;
        Login { username: name, password, ..self.login.clone() }
    }

    /// Says what a user may do here.
    pub async fn permit(&self, user: &str, configure: &str, write: &str, read: &str) {
        let permissions = Permissions {
            configure: configure.to_owned(),
            write: write.to_owned(),
            read: read.to_owned(),
        };
        let management = &self.management;
        let put = async || management.put_permissions(&self.name, user, &permissions).await;
        answered("put permissions", put).await;
    }

    /// Declares every object of a topology, in its order.
    pub async fn declare(&self, topology: &Topology) {
        let policies = topology.policies.iter().cloned().map(Change::PutPolicy);
        let exchanges = topology.exchanges.iter().cloned().map(Change::DeclareExchange);
        let queues = topology.queues.iter().cloned().map(Change::DeclareQueue);
        let bindings = topology.bindings.iter().cloned().map(Change::Bind);
        for change in policies.chain(exchanges).chain(queues).chain(bindings) {
            let apply = async || self.management.apply(&self.name, &change).await;
            answered(&change.to_string(), apply).await;
        }
    }

    /// Declares an exchange.
    pub async fn exchange(&self, name: &str, kind: ExchangeKind) {
        let exchange = Exchange { name: name.to_owned(), kind, arguments: [].into() };
        let put = async || self.management.put_exchange(&self.name, &exchange).await;
        answered("declare an exchange", put).await;
    }

    /// Declares a quorum queue with further arguments.
    pub async fn queue<const N: usize>(&self, name: &str, arguments: [(&str, Argument); N]) {
        let quorum = ("x-queue-type", Argument::from("quorum"));
        let arguments = arguments.into_iter().chain([quorum]);
        let queue = Queue {
            name: name.to_owned(),
            arguments: arguments.map(|(name, value)| (name.to_owned(), value)).collect(),
        };
        let put = async || self.management.put_queue(&self.name, &queue).await;
        answered("declare a queue", put).await;
    }

    /// Binds a queue to an exchange.
    pub async fn bind(&self, exchange: &str, routing_key: &str, queue: &str) {
        let binding = Binding {
            source: exchange.to_owned(),
            queue: queue.to_owned(),
            routing_key: routing_key.to_owned(),
            arguments: [].into(),
        };
        answered("bind a queue", async || self.management.bind(&self.name, &binding).await).await;
    }

    /// A publisher that is connected, for a test that is not about how long publishing takes: it
    /// keeps the order of messages, and has all the time that a busy broker needs.
    pub async fn patient_publisher(&self) -> Publisher {
        let settings = Settings::worker("test/publish");
        self.publisher(Settings { deadline: PATIENCE, place_wait: PATIENCE, ..settings }).await
    }

    /// A publisher that is connected.
    pub async fn publisher(&self, settings: Settings) -> Publisher {
        let publisher = Publisher::start(self.logins(), settings);
        let mut state = publisher.state();
        let up = timeout(PATIENCE, state.wait_for(|state| *state == PublisherState::Up));
        up.await.expect("a publisher connects").unwrap();
        publisher
    }

    /// Publishes one message, confirmed, on a connection of its own.
    pub async fn publish(&self, exchange: &str, routing_key: &str, message: Message) {
        let publisher = self.patient_publisher().await;
        let publication = Publication {
            exchange: exchange.to_owned(),
            routing_key: routing_key.to_owned(),
            message,
        };
        publisher.publish(publication).await.unwrap();
        publisher.close(PATIENCE).await;
    }

    /// How many messages are ready in a queue, and how many consumers it has.
    pub async fn depth(&self, queue: &str) -> Depth {
        let probe = DepthProbe::new(self.login.clone(), "test/probe");
        // A busy broker may take longer than the probe's own limit.
        let what = format!("the depth of {queue}");
        let depth = eventually(PATIENCE, &what, async || probe.ready(queue).await.ok()).await;
        probe.close().await;
        depth
    }

    /// Everything in it.
    pub async fn objects(&self) -> Found {
        answered("list all objects", async || self.management.objects(&self.name).await).await
    }

    /// Deletes a queue, whatever is in it.
    pub async fn delete_queue(&self, queue: &str) {
        let delete = async || self.management.delete_queue(&self.name, queue).await;
        answered(&format!("delete queue {queue}"), delete).await;
    }

    /// Takes this many messages out of a queue; panics when there are fewer.
    pub async fn take(&self, queue: &str, count: usize) -> Vec<Incoming> {
        let session = SessionNumber(1);
        let source = Source { name: "test/take", queue, session };
        let session = ConsumeSession::open(&self.login, source).await.unwrap();
        let prefetch = NonZeroU16::new(500).unwrap();
        let mut deliveries = session.consume(prefetch, "test.take").await.unwrap();
        let mut taken = Vec::new();
        while taken.len() < count {
            let next = timeout(PATIENCE, deliveries.next()).await;
            let have = taken.len();
            let next = next.unwrap_or_else(|_| panic!("{queue} gave {have} of {count} messages"));
            let delivery = next.unwrap().unwrap();
            let frame = Frame { number: delivery.tag.number, multiple: false };
            session.settle(&[frame]).await.unwrap();
            taken.push(delivery.incoming);
        }
        session.finish().await;
        taken
    }
}

impl Drop for TestVhost {
    /// For tests that panic: on a thread with a runtime of its own, because the one of the test
    /// may be about to end.
    fn drop(&mut self) {
        if self.deleted {
            return;
        }
        let login = self.login.clone();
        let cleaning = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let management = Management::new(&login);
            if let (Ok(runtime), Ok(management)) = (runtime, management) {
                runtime.block_on(clean_up(&management, &login));
            }
        });
        let _ = cleaning.join();
    }
}

/// Makes a call until the broker has answered: the way to a broker in a cluster breaks at times.
/// Only for calls that may be made twice. Panics with an answer that is an error.
pub async fn answered<T>(what: &str, call: impl AsyncFnMut() -> Result<T, ApiError>) -> T {
    poll_until_answered(call).await.unwrap_or_else(|error| panic!("{what}: {error}"))
}

async fn poll_until_answered<T>(
    call: impl AsyncFnMut() -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    poll_while(PATIENCE, call, |answer| answer.as_ref().is_err_and(may_pass)).await
}

fn may_pass(error: &ApiError) -> bool {
    matches!(error.kind, ApiErrorKind::Transient(_) | ApiErrorKind::Timeout)
}

/// Deletes the virtual host of a login, and before it the other users that may enter it: users are
/// global to a broker. Says what it could not delete: no test fails for that.
async fn clean_up(management: &Management, login: &Login) {
    let vhost = &login.vhost;
    let permissions = poll_until_answered(async || management.permissions(vhost).await).await;
    let permissions = permissions.unwrap_or_else(|error| {
        println!("left behind: the users of vhost {vhost}: {error}");
        Vec::new()
    });
    let users = permissions.into_iter().map(|(user, _)| user);
    for user in users.filter(|user| *user != login.username) {
        let deleted = poll_until_answered(async || management.delete_user(&user).await);
        if let Err(error) = deleted.await {
            println!("left behind: user {user}: {error}");
        }
    }
    let deleted = poll_until_answered(async || management.delete_vhost(vhost).await);
    if let Err(error) = deleted.await {
        println!("left behind: vhost {vhost}: {error}");
    }
}

/// A name that no other test has, on this machine or another one.
fn unique(what: &str) -> String {
    // Each `RandomState` has keys of its own.
    let random = RandomState::new().build_hasher().finish();
    format!("{what}-{random:016x}")
}
