//! The connection of a command: open within its time, or a reason why not.

use std::time::Duration;

use tokio::{sync::watch, time::timeout};
use warren_broker::publisher::{Publisher, PublisherState, Settings, Trouble};
use warren_service::exit::{Exit, Failure};

use crate::{outlet::Outlet, serve, settings::Target};

/// How long the last confirms of a command may take; the publisher gives each message 5 s.
const FLUSH: Duration = Duration::from_secs(6);

/// A publisher that is connected.
pub(super) struct Connection {
    publisher: Publisher,
    outlet: Outlet,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
enum ConnectError {
    /// The broker refuses, and would again.
    #[error("{0}")]
    Refused(String),
    /// The time was over.
    #[error("the broker was not reached within {within:?}: {detail}")]
    Timeout {
        /// How long was waited.
        within: Duration,
        /// What happened last.
        detail: String,
    },
}

impl Connection {
    /// Connects within the target's time.
    pub(super) async fn open(target: Target) -> Result<Self, Failure> {
        let logins = target.broker.logins()?;
        let name = format!("{}/producer/command/publish", target.pipeline.prefix.as_str());
        let publisher = Publisher::start(logins, Settings::producer(name));
        if let Err(failure) = connected(&publisher, target.timeout).await {
            publisher.close(Duration::ZERO).await;
            return Err(failure);
        }
        let outlet = Outlet::new(target.pipeline, publisher.clone())
            .map_err(|error| Exit::Internal.because(error))?;
        Ok(Self { publisher, outlet })
    }

    pub(super) fn outlet(&self) -> &Outlet {
        &self.outlet
    }

    /// How it stands with the broker, now and later.
    pub(super) fn state(&self) -> watch::Receiver<PublisherState> {
        self.publisher.state()
    }

    /// Waits for the last confirms and disconnects.
    pub(super) async fn close(self) {
        serve::flush(&self.outlet, &self.publisher, FLUSH).await;
    }
}

/// Waits until the publisher is connected, or until it is clear that it will not be.
async fn connected(publisher: &Publisher, within: Duration) -> Result<(), Failure> {
    let mut state = publisher.state();
    let settled = |state: &PublisherState| state.is_up() || refusal(state).is_some();
    // Whether it settled or not, what counts is how it stands now.
    let _ = timeout(within, state.wait_for(settled)).await;
    let state = state.borrow();
    if state.is_up() {
        return Ok(());
    }
    if let Some((exit, trouble)) = refusal(&state) {
        return Err(exit.because(ConnectError::Refused(trouble.detail.clone())));
    }
    let detail = last_trouble(&state);
    Err(Exit::Unavailable.because(ConnectError::Timeout { within, detail }))
}

/// The trouble that waiting does not end, and the exit code it means.
fn refusal(state: &PublisherState) -> Option<(Exit, &Trouble)> {
    let PublisherState::Connecting { last_error: Some(trouble) } = state else {
        return None;
    };
    let exit = match trouble.reason {
        "Unauthorized" | "PermissionDenied" => Exit::AccessRefused,
        "VhostNotFound" | "TlsVerifyFailed" => Exit::BadConfiguration,
        _ => return None,
    };
    Some((exit, trouble))
}

fn last_trouble(state: &PublisherState) -> String {
    match state {
        PublisherState::Connecting { last_error: Some(trouble) } => trouble.detail.clone(),
        _ => "no answer yet".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trouble_that_stays_ends_the_waiting() {
        let with = |reason| PublisherState::Connecting {
            last_error: Some(Trouble { reason, detail: String::new() }),
        };
        for (reason, exit) in [
            ("Unauthorized", Some(Exit::AccessRefused)),
            ("PermissionDenied", Some(Exit::AccessRefused)),
            ("VhostNotFound", Some(Exit::BadConfiguration)),
            ("TlsVerifyFailed", Some(Exit::BadConfiguration)),
            ("ConnectionRefused", None),
            ("DnsFailed", None),
            ("Timeout", None),
        ] {
            assert_eq!(refusal(&with(reason)).map(|(exit, _)| exit), exit, "{reason}");
        }
        assert_eq!(refusal(&PublisherState::Up), None);
    }
}
