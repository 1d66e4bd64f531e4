//! I/O in: what is there, as one value.
//!
//! Trouble with the broker is part of the value and ends nothing early, because a status must be
//! told in every case. Nothing is decided here but which questions make sense.

use std::collections::BTreeMap;

use tracing::debug;
use warren_broker::{
    login::Login,
    management::{ApiError, ApiErrorKind, Management},
};
use warren_core::topology::{BrokerFacts, Found, Permissions};

use crate::{
    brokers::Brokers,
    children::ChildrenReading,
    login,
    pipeline::{CaChoice, Pipeline, Users},
    ports::Ports,
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
    /// What the last status says.
    pub past: Past,
}

/// What the last status says about earlier passes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// How far the broker's objects have come.
    pub stage: Stage,
    /// The virtual host they are in; nothing before the first pass that reached the broker.
    pub vhost: Option<String>,
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
) -> Observed {
    let broker = broker(ports, brokers, pipeline).await;
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
) -> Result<BrokerState, Trouble> {
    let login = login(ports, pipeline).await?;
    read(ports, brokers, pipeline, login).await
}

async fn login<P: Ports>(ports: &P, pipeline: &Pipeline) -> Result<Login, Trouble> {
    let broker = &pipeline.broker;
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

async fn secret<P: Ports>(ports: &P, name: &str) -> Result<login::SecretData, Trouble> {
    let missing = |why: String| Trouble::new(TroubleReason::SecretNotFound, why);
    match ports.secret(name).await {
        Ok(Some(data)) => Ok(data),
        Ok(None) => Err(missing(format!(
            "there is no Secret {name}: create it with host, port, username and password"
        ))),
        Err(error) => Err(missing(error.to_string())),
    }
}

async fn read<P: Ports>(
    ports: &P,
    brokers: &Brokers,
    pipeline: &Pipeline,
    login: Login,
) -> Result<BrokerState, Trouble> {
    let of_login = |error: ApiError| Trouble::of_reading(&error, &login);
    let management = brokers.client(&login).map_err(|error| {
        let message = format!("Secret {}: {}", pipeline.broker.secret, error.kind);
        Trouble::new(TroubleReason::SecretInvalid, message)
    })?;
    // Without any tag a login may ask nothing at all.
    let untagged = |error: ApiError| {
        match error.kind {
            ApiErrorKind::PermissionDenied(_) => rights::missing(pipeline, &login, &[]),
            _ => None,
        }
        .unwrap_or_else(|| of_login(error))
    };
    let overview = management.overview().await.map_err(untagged)?;
    let whoami = management.whoami().await.map_err(untagged)?;
    let vhost = login.vhost.as_str();
    let is_administrator = whoami.tags.iter().any(|tag| tag == rights::ADMINISTRATOR);
    let found = management.found(vhost, &pipeline.prefix).await;
    let found = found.map_err(|error| {
        if error.is_not_found() { no_vhost(&login, is_administrator) } else { of_login(error) }
    })?;
    let users = if pipeline.users == Users::Scoped && is_administrator {
        let found = users(ports, &management, pipeline, vhost).await.map_err(of_login)?;
        UsersReading::Found(found)
    } else {
        UsersReading::NotAsked
    };
    Ok(BrokerState {
        facts: BrokerFacts { version: overview.version },
        tags: whoami.tags,
        found,
        users,
        login,
    })
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
    management: &Management,
    pipeline: &Pipeline,
    vhost: &str,
) -> Result<BTreeMap<String, FoundUser>, ApiError> {
    let mut permissions: BTreeMap<_, _> =
        management.permissions(vhost).await?.into_iter().collect();
    let mut found = BTreeMap::new();
    for holder in pipeline.holders() {
        let name = pipeline.user_of(&holder, vhost);
        let Some(user) = management.user(&name).await? else {
            continue;
        };
        // A store that cannot be read may still hold it: only a clear no makes a new password.
        let lost = matches!(ports.password(&holder, &name).await, Ok(None));
        let user = FoundUser {
            password: if lost { PasswordState::Unknown } else { PasswordState::Kept },
            tags: user.tags,
            permissions: permissions.remove(&name),
        };
        found.insert(name, user);
    }
    Ok(found)
}
