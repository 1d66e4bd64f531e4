//! The management API clients of a process, one for each login, so that connections are kept, and
//! what they have read for all pipelines at once.

mod shared;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use warren_broker::{
    login::Login,
    management::{ApiError, Management, Overview, User, WhoAmI, Witness},
};
use warren_core::topology::{Found, Permissions};

use self::shared::{Limit, Shared};

/// The most clients that are kept, and the most virtual hosts of each; the oldest go first.
///
/// More than any operator has: a login that changes leaves its old client behind.
const MOST: usize = 256;

/// The clients of a process.
#[derive(Default)]
pub struct Brokers {
    known: Mutex<Vec<(Login, Arc<Broker>)>>,
    witness: Option<Witness>,
    shared_for: Duration,
}

/// A broker with one login.
struct Broker {
    client: Management,
    doubts: AtomicU64,
    identity: Shared<Identity>,
    users: Shared<Vec<User>>,
    vhosts: Mutex<BTreeMap<String, Arc<Vhost>>>,
}

#[derive(Default)]
struct Vhost {
    objects: Shared<Found>,
    permissions: Shared<BTreeMap<String, Permissions>>,
}

/// Who talks to whom.
#[derive(Debug)]
pub(crate) struct Identity {
    /// The broker.
    pub(crate) overview: Overview,
    /// The login.
    pub(crate) whoami: WhoAmI,
}

/// A virtual host, seen with one login. What is read of it may be a moment old, and then has
/// served other pipelines as well.
pub(crate) struct View<'a> {
    broker: Arc<Broker>,
    vhost: Arc<Vhost>,
    name: &'a str,
    shared_for: Duration,
}

impl Brokers {
    /// Clients whose calls are all told to somebody, and whose readings serve all pipelines that
    /// ask within this time.
    pub fn witnessed(witness: Witness, shared_for: Duration) -> Self {
        Self { known: Mutex::default(), witness: Some(witness), shared_for }
    }

    /// The client for a login: the one there is, or a new one.
    ///
    /// # Errors
    /// When the login gives no client, such as by a certificate that cannot be read.
    pub fn client(&self, login: &Login) -> Result<Management, ApiError> {
        Ok(self.broker(login)?.client.clone())
    }

    /// What can be read with a login in its virtual host.
    ///
    /// # Errors
    /// As [`client`](Self::client).
    pub(crate) fn view<'a>(&self, login: &'a Login) -> Result<View<'a>, ApiError> {
        let broker = self.broker(login)?;
        let vhost = broker.vhost(&login.vhost);
        Ok(View { broker, vhost, name: &login.vhost, shared_for: self.shared_for })
    }

    /// Something on the broker is not as it was: what was read before serves nobody any more.
    pub(crate) fn doubt(&self, login: &Login) {
        if let Ok(broker) = self.broker(login) {
            broker.doubts.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn broker(&self, login: &Login) -> Result<Arc<Broker>, ApiError> {
        // A client is for all virtual hosts.
        let key = Login { vhost: String::new(), ..login.clone() };
        let mut known = lock(&self.known);
        if let Some((_, broker)) = known.iter().find(|(known, _)| *known == key) {
            return Ok(Arc::clone(broker));
        }
        let client = match &self.witness {
            Some(witness) => Management::witnessed(login, Arc::clone(witness))?,
            None => Management::new(login)?,
        };
        if known.len() == MOST {
            known.remove(0);
        }
        let broker = Arc::new(Broker::new(client));
        known.push((key, Arc::clone(&broker)));
        Ok(broker)
    }
}

impl Broker {
    fn new(client: Management) -> Self {
        Self {
            client,
            doubts: AtomicU64::default(),
            identity: Shared::default(),
            users: Shared::default(),
            vhosts: Mutex::default(),
        }
    }

    fn vhost(&self, name: &str) -> Arc<Vhost> {
        let mut vhosts = lock(&self.vhosts);
        if vhosts.len() >= MOST && !vhosts.contains_key(name) {
            vhosts.clear();
        }
        Arc::clone(vhosts.entry(name.to_owned()).or_default())
    }
}

impl View<'_> {
    /// The client of the broker.
    pub(crate) fn client(&self) -> &Management {
        &self.broker.client
    }

    /// Asks who talks to whom.
    pub(crate) async fn identity(&self) -> Result<Arc<Identity>, ApiError> {
        let client = self.client();
        let ask = async || {
            let overview = client.overview().await?;
            Ok(Identity { overview, whoami: client.whoami().await? })
        };
        self.broker.identity.read(|| self.limit(), ask).await
    }

    /// Asks for all objects of the virtual host.
    pub(crate) async fn objects(&self) -> Result<Arc<Found>, ApiError> {
        let ask = async || self.client().objects(self.name).await;
        self.vhost.objects.read(|| self.limit(), ask).await
    }

    /// Asks what each user may do in the virtual host.
    pub(crate) async fn permissions(&self) -> Result<Arc<BTreeMap<String, Permissions>>, ApiError> {
        let ask = async || Ok(self.client().permissions(self.name).await?.into_iter().collect());
        self.vhost.permissions.read(|| self.limit(), ask).await
    }

    /// Asks for all users of the broker.
    pub(crate) async fn users(&self) -> Result<Arc<Vec<User>>, ApiError> {
        let ask = async || self.client().users().await;
        self.broker.users.read(|| self.limit(), ask).await
    }

    fn limit(&self) -> Limit {
        let doubts = self.broker.doubts.load(Ordering::Relaxed);
        Limit { age: self.shared_for, changes: self.client().changes() + doubts }
    }
}

/// What is kept here is whole between any two statements, so a panic elsewhere spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
