//! I/O in: what is there, as one value.
//!
//! Trouble with the broker is part of the value and ends nothing early, because a status must be
//! told in every case. Nothing is decided here but which questions make sense.

mod departure;
mod looks;

use std::collections::BTreeMap;

use jiff::Timestamp;
use tracing::{debug, warn};
use warren_broker::{
    login::Login,
    management::{ApiError, ApiErrorKind, concerning},
};
use warren_core::topology::{self, BrokerFacts, Found, Permissions};

pub use self::departure::{Departure, Remains, departure};
use crate::{
    accounts,
    brokers::{Brokers, View},
    children::ChildrenReading,
    login, pass,
    pipeline::{BrokerReference, CaChoice, Pipeline, Users},
    ports::Ports,
    proof::{Look, Runs},
    resources, rights,
    trouble::{Trouble, TroubleReason},
};

/// What is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The broker, or why it cannot be seen.
    pub broker: Result<BrokerState, Trouble>,
    /// The Kubernetes objects made for it.
    pub children: ChildrenReading,
    /// What is known from earlier passes.
    pub past: Past,
}

/// What is known from earlier passes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// How far the broker's objects have come.
    pub stage: Stage,
    /// The virtual host they are in; nothing before the first pass that reached the broker.
    pub vhost: Option<String>,
    /// What earlier looks at queues that nobody wants have said.
    pub runs: Runs,
    /// Since when it is known that a main queue is no longer in the spec.
    pub removed: BTreeMap<String, Timestamp>,
}

/// How far the broker's objects have come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stage {
    /// They were never all declared for the spec as it is now: what is missing is new.
    #[default]
    Declaring,
    /// They were all declared for the spec as it is now: what is missing was taken away.
    Declared,
}

/// A broker that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerState {
    /// How it was reached.
    pub login: Login,
    /// What it can do.
    pub facts: BrokerFacts,
    /// The tags of the login.
    pub tags: Vec<String>,
    /// The objects that may concern the pipeline.
    pub found: Found,
    /// Its users that may.
    pub users: UsersReading,
    /// What queues of ours that the spec no longer asks for say about themselves.
    pub looks: BTreeMap<String, Look>,
}

/// What is known of the broker's users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsersReading {
    /// Nobody asked: users are shared, or the login may not ask.
    NotAsked,
    /// Those of the users with our names that exist.
    Found(BTreeMap<String, FoundUser>),
}

/// A broker user as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundUser {
    /// Whether its password was kept.
    pub password: PasswordState,
    /// Its tags.
    pub tags: Vec<String>,
    /// What it may do in the virtual host; nothing at all when absent.
    pub permissions: Option<Permissions>,
}

/// What is known of a user's password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordState {
    /// It was kept.
    Kept,
    /// It was lost, or never was ours.
    Unknown,
}

/// Reads what is there for a pipeline.
pub async fn pipeline<P: Ports>(
    ports: &P,
    brokers: &Brokers,
    pipeline: &Pipeline,
    past: Past,
    at: Timestamp,
) -> Observed {
    let broker = broker(ports, brokers, pipeline, at).await;
    if let Err(trouble) = &broker {
        debug!(pipeline = %pipeline.id, %trouble, "broker cannot be seen");
    }
    let children = ports.children(&resources::keys(pipeline)).await;
    Observed { broker, children, past }
}

async fn broker<P: Ports>(
    ports: &P,
    brokers: &Brokers,
    pipeline: &Pipeline,
    at: Timestamp,
) -> Result<BrokerState, Trouble> {
    let login = login(ports, &pipeline.broker).await?;
    let address = pass::address(&login);
    read(ports, brokers, pipeline, login, at).await.map_err(|trouble| trouble.at(address))
}

async fn login<P: Ports>(ports: &P, broker: &BrokerReference) -> Result<Login, Trouble> {
    let secret = secret(ports, &broker.secret).await?;
    let ca = match &broker.ca {
        CaChoice::OfSecret => None,
        CaChoice::Key(key) => {
            let mut data = self::secret(ports, &key.name).await?;
            let found = data.remove(&key.key);
            let missing = || {
                let message = format!("Secret {} has no key {}: add it", key.name, key.key);
                Trouble::new(TroubleReason::SecretInvalid, message)
            };
            Some(found.ok_or_else(missing)?)
        }
    };
    login::resolve(broker, &secret, ca.as_deref())
}

/// A Secret is missing only where that is clear: who cannot be asked may have it.
async fn secret<P: Ports>(ports: &P, name: &str) -> Result<login::SecretData, Trouble> {
    let error = match ports.secret(name).await {
        Ok(Some(data)) => return Ok(data),
        Ok(None) => {
            let why = format!(
                "there is no Secret {name}: create it with host, port, username and password"
            );
            return Err(Trouble::new(TroubleReason::SecretNotFound, why));
        }
        Err(error) => error,
    };
    if error.is_refusal() {
        return Err(Trouble::new(TroubleReason::SecretNotFound, error.to_string()));
    }
    warn!(%error, "nothing is known of the broker");
    Err(Trouble::new(TroubleReason::SecretUnread, error.to_string()))
}

async fn read<P: Ports>(
    ports: &P,
    brokers: &Brokers,
    pipeline: &Pipeline,
    login: Login,
    at: Timestamp,
) -> Result<BrokerState, Trouble> {
    let of_login = |error: ApiError| Trouble::of_reading(&error, &login);
    let view = brokers.view(&login).map_err(|error| {
        let message = format!("Secret {}: {}", pipeline.broker.secret, error.kind);
        Trouble::new(TroubleReason::SecretInvalid, message)
    })?;
    // Without any tag a login may ask nothing at all.
    let untagged = |error: ApiError| {
        match error.kind {
            ApiErrorKind::PermissionDenied(_) => {
                rights::missing(pipeline.users, &pipeline.broker.secret, &login, &[])
            }
            _ => None,
        }
        .unwrap_or_else(|| of_login(error))
    };
    let identity = view.identity().await.map_err(untagged)?;
    let tags = &identity.whoami.tags;
    let is_administrator = tags.iter().any(|tag| tag == rights::ADMINISTRATOR);
    let all = view.objects().await.map_err(|error| {
        if error.is_not_found() { no_vhost(&login, is_administrator) } else { of_login(error) }
    })?;
    let found = concerning(&all, &pipeline.prefix);
    let users = if pipeline.users == Users::Scoped && is_administrator {
        let found = users(ports, &view, pipeline, &login.vhost).await.map_err(of_login)?;
        UsersReading::Found(found)
    } else {
        UsersReading::NotAsked
    };
    let facts = BrokerFacts { version: identity.overview.version };
    let wanted = topology::desired(&pipeline.layout(), facts);
    let unwanted = found.unwanted_queues(&wanted, &pipeline.owner).map(str::to_owned).collect();
    let looks = looks::read(view.client(), &login, unwanted, at).await;
    Ok(BrokerState { facts, tags: tags.clone(), found, users, looks, login })
}

/// Some versions hide a virtual host from users who may not enter it, but never from an
/// administrator.
fn no_vhost(login: &Login, is_administrator: bool) -> Trouble {
    let Login { vhost, username, .. } = login;
    let message = if is_administrator {
        format!("virtual host {vhost} does not exist: create it, or name another")
    } else {
        format!(
            "virtual host {vhost} does not exist, or user {username} may not enter it: create it, \
             name another, or give the user permissions in it"
        )
    };
    Trouble::new(TroubleReason::VhostNotFound, message)
}

async fn users<P: Ports>(
    ports: &P,
    view: &View<'_>,
    pipeline: &Pipeline,
    vhost: &str,
) -> Result<BTreeMap<String, FoundUser>, ApiError> {
    let (permissions, users) = (view.permissions().await?, view.users().await?);
    let mut found = BTreeMap::new();
    for holder in pipeline.holders() {
        let name = pipeline.user_of(&holder, vhost);
        let Some(user) = users.iter().find(|user| user.name == name) else {
            continue;
        };
        // A store that cannot be read may still hold it: only a clear no makes a new password.
        let lost = matches!(ports.password(&holder, &name).await, Ok(None));
        let user = FoundUser {
            password: if lost { PasswordState::Unknown } else { PasswordState::Kept },
            tags: user.tags.clone(),
            permissions: permissions.get(&name).cloned(),
        };
        found.insert(name, user);
    }
    found.extend(former(pipeline, vhost, &permissions));
    Ok(found)
}

/// The users of queues that the spec no longer has.
fn former(
    pipeline: &Pipeline,
    vhost: &str,
    permissions: &BTreeMap<String, Permissions>,
) -> impl Iterator<Item = (String, FoundUser)> {
    let scope = pipeline.user_scope(vhost);
    permissions.iter().filter_map(move |(name, permissions)| {
        let holder = accounts::holder_of(&pipeline.prefix, &scope, name)?;
        let is_former = !pipeline.holders().any(|wanted| wanted == holder);
        let (password, tags) = (PasswordState::Unknown, Vec::new());
        let permissions = Some(permissions.clone());
        is_former.then(|| (name.clone(), FoundUser { password, tags, permissions }))
    })
}
