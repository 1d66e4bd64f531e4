//! The management API of RabbitMQ: the few calls Warren makes, with types of their own.
//!
//! Every count is optional, because a broker leaves fields out while it is busy electing a leader
//! or when statistics are off: missing means unknown and never zero. A call that may be done
//! twice is sent once more when its connection ends without an answer; what to do about any other
//! error is the caller's decision.

mod arguments;
mod call;
mod connections;
mod error;
mod objects;
mod queues;
mod users;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use reqwest::{Client, redirect, retry};
use serde::Deserialize;
use tokio::sync::Semaphore;
use url::Url;
use warren_core::topology::BrokerVersion;

pub use self::{
    connections::{Channel, Connection, Consumer},
    error::{ApiError, ApiErrorKind},
    objects::concerning,
    queues::{QueueStatistics, QueueTotals},
    users::User,
};
use crate::{
    login::{Login, Secret, Tls},
    tls,
};

/// How long a read may take.
pub const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a write may take: a cluster without a majority gives up a new queue after 30 s, and
/// its answer says more than a time-out would.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(35);
/// How many calls may be under way at the same time.
const CONCURRENCY: usize = 4;
/// How long an idle connection is kept. RabbitMQ 4 closes it after 5 s, which is Cowboy's default
/// `request_timeout` (3.10 waits a minute), and a call that is sent just then gets no answer.
const KEEP_ALIVE: Duration = Duration::from_secs(3);

/// A client of one broker's management API, with the login of one user. Clones share it.
#[derive(Clone)]
pub struct Management {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    base: Url,
    username: String,
    password: Secret,
    calls: Semaphore,
    writes: AtomicU64,
    changes: AtomicU64,
    witness: Option<Witness>,
}

/// Is told of every call when it has ended.
pub type Witness = Arc<dyn Fn(EndedCall) + Send + Sync>;

/// A call that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedCall {
    /// What came of it.
    pub result: CallResult,
    /// Whether it was to change something.
    pub is_write: bool,
}

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallResult {
    /// It was answered, be it with "there is none".
    Ok,
    /// The broker said no.
    Refused,
    /// There was no answer, or none that can be used.
    Failed,
}

/// What the broker says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// The version of the node that answered.
    pub version: BrokerVersion,
    /// The name of the cluster.
    pub cluster_name: Option<String>,
}

/// Who is logged in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct WhoAmI {
    /// The user.
    pub name: String,
    /// Its tags, such as `administrator`.
    #[serde(default)]
    pub tags: Vec<String>,
}

#[derive(Deserialize)]
struct RawOverview {
    rabbitmq_version: Option<String>,
    cluster_name: Option<String>,
}

impl Management {
    /// A client; nothing is sent yet.
    ///
    /// # Errors
    /// When the address is not an http(s) one, or the certificates cannot be used.
    pub fn new(login: &Login) -> Result<Self, ApiError> {
        Self::build(login, None)
    }

    /// As [`new`](Self::new), with somebody who is told of every call.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn witnessed(login: &Login, witness: Witness) -> Result<Self, ApiError> {
        Self::build(login, Some(witness))
    }

    fn build(login: &Login, witness: Option<Witness>) -> Result<Self, ApiError> {
        let url = login.management_url();
        let base = Url::parse(&url).ok();
        let base = base.filter(|base| matches!(base.scheme(), "http" | "https"));
        // The address itself is not shown: somebody may have put a password into it.
        let base = base.ok_or_else(|| {
            ApiError::set_up("management-uri is not an http:// or https:// address".to_owned())
        })?;
        let mut builder = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .pool_idle_timeout(KEEP_ALIVE);
        if let Tls::Verify(verify) = &login.tls {
            let config = tls::client_config(verify);
            let config = config.map_err(|error| ApiError::set_up(error.to_string()))?;
            builder = builder.tls_backend_preconfigured(config);
        }
        let client = builder.build();
        Ok(Self {
            inner: Arc::new(Inner {
                client: client.map_err(|error| ApiError::set_up(error.to_string()))?,
                base,
                username: login.username.clone(),
                password: login.password.clone(),
                calls: Semaphore::new(CONCURRENCY),
                writes: AtomicU64::new(0),
                changes: AtomicU64::new(0),
                witness,
            }),
        })
    }

    /// How many calls that change something were sent.
    pub fn writes(&self) -> u64 {
        self.inner.writes.load(Ordering::Relaxed)
    }

    /// A number that is another one whenever a call that changes something has begun or ended: what
    /// was read while it stayed the same has seen all changes of this client or none.
    pub fn changes(&self) -> u64 {
        self.inner.changes.load(Ordering::SeqCst)
    }

    /// Asks which version answers.
    ///
    /// # Errors
    /// When the call fails, or the version cannot be read.
    pub async fn overview(&self) -> Result<Overview, ApiError> {
        let call = self.get(&["overview"]);
        let raw: RawOverview = call.clone().json().await?;
        let version = raw.rabbitmq_version.as_deref().and_then(|text| text.parse().ok());
        Ok(Overview {
            version: version.ok_or_else(|| call.unexpected("no version in the answer"))?,
            cluster_name: raw.cluster_name,
        })
    }

    /// Asks who is logged in.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn whoami(&self) -> Result<WhoAmI, ApiError> {
        self.get(&["whoami"]).json().await
    }

    /// Asks whether there is a virtual host of this name.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn vhost_exists(&self, vhost: &str) -> Result<bool, ApiError> {
        let found = self.get(&["vhosts", vhost]).json_if_found::<serde::de::IgnoredAny>();
        Ok(found.await?.is_some())
    }

    /// Makes a virtual host; one that is there stays as it is.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn put_vhost(&self, vhost: &str) -> Result<(), ApiError> {
        self.put(&["vhosts", vhost]).with(&serde_json::json!({}))?.done().await
    }

    /// Deletes a virtual host with everything in it.
    ///
    /// # Errors
    /// When the call fails; a virtual host that is not there is no error.
    pub async fn delete_vhost(&self, vhost: &str) -> Result<(), ApiError> {
        self.delete(&["vhosts", vhost]).gone().await
    }
}

impl CallResult {
    fn of(error: &ApiErrorKind) -> Self {
        match error {
            ApiErrorKind::NotFound => CallResult::Ok,
            ApiErrorKind::Unauthorized
            | ApiErrorKind::PermissionDenied(_)
            | ApiErrorKind::Inequivalent(_)
            | ApiErrorKind::InUse(_)
            | ApiErrorKind::Invalid(_) => CallResult::Refused,
            ApiErrorKind::Transient(_)
            | ApiErrorKind::Timeout
            | ApiErrorKind::ConnectionRefused
            | ApiErrorKind::Dns
            | ApiErrorKind::Tls(_)
            | ApiErrorKind::Unexpected(_) => CallResult::Failed,
        }
    }
}

impl std::fmt::Debug for Management {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Management")
            .field("host", &self.inner.base.host_str())
            .field("username", &self.inner.username)
            .finish_non_exhaustive()
    }
}
