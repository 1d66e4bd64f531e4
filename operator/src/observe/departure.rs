//! I/O in: what is left of a pipeline that is being deleted.

use std::collections::BTreeMap;

use jiff::Timestamp;
use warren_broker::{
    login::Login,
    management::{ApiError, Management},
};
use warren_core::topology::{BrokerVersion, Found};

use super::{looks, no_vhost};
use crate::{
    accounts,
    brokers::Brokers,
    children::ChildrenReading,
    departing::Departing,
    memory::Memory,
    pass,
    pipeline::{DeletionPolicy, Holder},
    ports::Ports,
    proof::Look,
    rights,
    trouble::{Trouble, TroubleReason},
};

/// What is left of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departure {
    /// On the broker, or why it cannot be seen.
    pub broker: Result<Remains, Trouble>,
    /// The Kubernetes objects that were made for it.
    pub children: ChildrenReading,
}

/// What is left on a broker that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remains {
    /// How it was reached.
    pub login: Login,
    /// Its version.
    pub version: BrokerVersion,
    /// The objects that may concern the pipeline.
    pub found: Found,
    /// The pipeline's users, and who logs in as them.
    pub users: BTreeMap<String, Holder>,
    /// What its queues say about themselves; nothing when nobody needs to know.
    pub looks: BTreeMap<String, Look>,
}

/// Reads what is left; nothing where somebody ordered the end, because that is no matter then and a
/// broker may take long to say nothing.
pub async fn departure<P: Ports>(
    ports: &P,
    brokers: &Brokers,
    departing: &Departing,
    memory: &Memory,
    at: Timestamp,
) -> Option<Departure> {
    if departing.is_forced {
        return None;
    }
    let children = ports.children(&[]).await;
    let login = login(ports, departing, memory).await;
    let broker = match login {
        Ok(login) => {
            let address = pass::address(&login);
            read(brokers, departing, login, at).await.map_err(|trouble| trouble.at(address))
        }
        Err(trouble) => Err(trouble),
    };
    Some(Departure { broker, children })
}

/// A Secret that went before its pipeline, as in a namespace that is deleted with both, is no
/// reason to leave objects behind: the login that worked last does.
async fn login<P: Ports>(
    ports: &P,
    departing: &Departing,
    memory: &Memory,
) -> Result<Login, Trouble> {
    let login = if let Some(broker) = &departing.broker {
        super::login(ports, broker).await
    } else {
        let message = "spec.broker does not say which broker: name its Secret";
        Err(Trouble::new(TroubleReason::SecretInvalid, message))
    };
    let is_gone = |trouble: &Trouble| {
        trouble.reason == TroubleReason::SecretNotFound || departing.broker.is_none()
    };
    let mut login = match (login, &memory.login) {
        (Err(trouble), Some(remembered)) if is_gone(&trouble) => remembered.clone(),
        (login, _) => login?,
    };
    // The Secret may name another virtual host by now; the objects are where they were made.
    if let Some(vhost) = &departing.vhost {
        login.vhost.clone_from(vhost);
    }
    Ok(login)
}

async fn read(
    brokers: &Brokers,
    departing: &Departing,
    login: Login,
    at: Timestamp,
) -> Result<Remains, Trouble> {
    let of_login = |error: ApiError| Trouble::of_reading(&error, &login);
    let management = brokers.client(&login).map_err(of_login)?;
    let overview = management.overview().await.map_err(of_login)?;
    let tags = management.whoami().await.map_err(of_login)?.tags;
    let secret = departing.broker.as_ref().map_or("of the broker", |broker| &broker.secret);
    if let Some(trouble) = rights::missing(departing.users, secret, &login, &tags) {
        return Err(trouble);
    }
    let is_administrator = tags.iter().any(|tag| tag == rights::ADMINISTRATOR);
    let vhost = login.vhost.as_str();
    let found = management.found(vhost, &departing.prefix).await.map_err(|error| {
        if error.is_not_found() { no_vhost(&login, is_administrator) } else { of_login(error) }
    })?;
    let users = if is_administrator {
        users(&management, departing, vhost).await.map_err(of_login)?
    } else {
        BTreeMap::new()
    };
    let looks = match departing.deletion.policy {
        DeletionPolicy::DeleteIfEmpty => {
            let queues = found.own_queues(&departing.owner).map(str::to_owned).collect();
            looks::read(&management, &login, queues, at).await
        }
        DeletionPolicy::Retain | DeletionPolicy::Delete => BTreeMap::new(),
    };
    Ok(Remains { version: overview.version, found, users, looks, login })
}

/// Also those of earlier specs, and those that were made and not permitted anything yet.
async fn users(
    management: &Management,
    departing: &Departing,
    vhost: &str,
) -> Result<BTreeMap<String, Holder>, ApiError> {
    let scope = departing.user_scope(vhost);
    let all = management.users().await?;
    let own = all.into_iter().filter_map(|user| {
        let holder = accounts::holder_of(&departing.prefix, &scope, &user.name)?;
        Some((user.name, holder))
    });
    Ok(own.collect())
}
