//! What must be known before anything can be watched: which cluster this is, and that it serves our
//! kind. Both are waited for, because neither a restart nor a crash would bring them sooner.

use std::time::Duration;

use kube::Client;
use tokio::{sync::watch, time::sleep};
use tracing::{info, warn};
use warren_service::{
    exit::{Exit, Failure},
    health::Readiness,
};

use super::{
    identity::{self, IdentityError},
    scope::Scope,
    served::{self, NotServed},
};
use crate::settings::Run;

/// How often it is looked again.
const PAUSE: Duration = Duration::from_secs(2);

/// Waits until pipelines can be watched; the id of the cluster.
///
/// # Errors
/// When no waiting helps: a setting is wrong, or a right is missing that another setting makes
/// needless.
pub(crate) async fn of(
    client: &Client,
    settings: &Run,
    scopes: &[Scope],
    readiness: &watch::Sender<Readiness>,
) -> Result<String, Failure> {
    let mut told = Told { readiness, last: String::new() };
    let id = loop {
        match identity::of(client, &settings.cluster).await {
            Ok(id) => break id,
            Err(error @ IdentityError::Unavailable(_)) => told.wait(&error.to_string()).await,
            Err(error) => return Err(Exit::AccessRefused.because(error)),
        }
    };
    for scope in scopes {
        loop {
            match served::ask(client, scope, settings.watched.labels.as_deref()).await {
                Ok(()) => break,
                Err(error @ NotServed::Selector(_)) => {
                    return Err(Exit::BadConfiguration.because(error));
                }
                Err(error) => told.wait(&error.to_string()).await,
            }
        }
    }
    info!(cluster = id, "pipelines are served");
    Ok(id)
}

/// Tells what is waited for: in the log once, in the readiness all along.
struct Told<'a> {
    readiness: &'a watch::Sender<Readiness>,
    last: String,
}

impl Told<'_> {
    async fn wait(&mut self, what: &str) {
        if self.last != what {
            warn!(reason = what, "waiting for the cluster");
            what.clone_into(&mut self.last);
            self.readiness.send_replace(Readiness::not_ready("waiting").detail(what));
        }
        sleep(PAUSE).await;
    }
}
