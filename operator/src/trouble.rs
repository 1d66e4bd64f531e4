//! Why a broker cannot be used, as the condition `BrokerReachable` tells it.

use std::fmt;

use url::Url;
use warren_api::conditions::ConditionReason;
use warren_broker::{
    login::Login,
    management::{ApiError, ApiErrorKind},
};

/// Why a broker cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The class.
    pub reason: TroubleReason,
    /// What happened, to what, and what to do.
    pub message: String,
    /// Host and port of the broker; nothing when no login could be read.
    pub broker: Option<String>,
}

/// The classes of trouble with a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TroubleReason {
    /// The broker does not accept the login.
    Unauthorized,
    /// The login may not do what it must.
    PermissionDenied,
    /// The broker's certificate does not prove what it should.
    TlsVerifyFailed,
    /// The broker's name does not resolve.
    DnsFailed,
    /// The broker does not answer in time.
    Timeout,
    /// Nothing listens there.
    ConnectionRefused,
    /// The virtual host does not exist.
    VhostNotFound,
    /// A Secret does not exist.
    SecretNotFound,
    /// Nobody could say whether a Secret exists, so nothing is known of the broker.
    SecretUnread,
    /// A Secret does not hold a login.
    SecretInvalid,
    /// The broker's nodes have no majority.
    Minority,
}

impl Trouble {
    /// Trouble of a class.
    pub fn new(reason: TroubleReason, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { reason, message, broker: None }
    }

    /// Trouble with the broker at this address.
    #[must_use]
    pub fn at(self, broker: String) -> Self {
        Self { broker: Some(broker), ..self }
    }

    /// The trouble a call of the management API ran into; nothing when the fault is with the one
    /// object of the call.
    pub fn of_call(error: &ApiError) -> Option<Self> {
        let reason = match &error.kind {
            ApiErrorKind::Unauthorized => TroubleReason::Unauthorized,
            ApiErrorKind::PermissionDenied(_) => TroubleReason::PermissionDenied,
            ApiErrorKind::Timeout => TroubleReason::Timeout,
            ApiErrorKind::ConnectionRefused => TroubleReason::ConnectionRefused,
            ApiErrorKind::Dns => TroubleReason::DnsFailed,
            ApiErrorKind::Tls(_) => TroubleReason::TlsVerifyFailed,
            ApiErrorKind::Transient(text) if is_minority(text) => TroubleReason::Minority,
            ApiErrorKind::Transient(_)
            | ApiErrorKind::NotFound
            | ApiErrorKind::Inequivalent(_)
            | ApiErrorKind::InUse(_)
            | ApiErrorKind::Invalid(_)
            | ApiErrorKind::Unexpected(_) => return None,
        };
        Some(Self::new(reason, error.to_string()))
    }
}

impl Trouble {
    /// The trouble that reading with a login ran into: always some, because nothing can be planned
    /// without having seen the broker.
    pub fn of_reading(error: &ApiError, login: &Login) -> Self {
        let address = management_address(login);
        let what = &error.kind;
        let Login { username, vhost, .. } = login;
        let Some(Self { reason, .. }) = Self::of_call(error) else {
            let message = format!("{address} gives no answer that can be used: {error}");
            return Self::new(TroubleReason::Timeout, message);
        };
        let message = match reason {
            TroubleReason::Unauthorized => format!(
                "{address} refuses user {username}: check username and password in the broker \
                 Secret"
            ),
            TroubleReason::PermissionDenied => format!(
                "{address}: user {username} is {what}: give it permissions in virtual host {vhost}"
            ),
            TroubleReason::DnsFailed => {
                format!("{address}: the host has no address: check host in the broker Secret")
            }
            TroubleReason::ConnectionRefused => format!(
                "{address}: nothing listens there: check management-uri, or host, in the broker \
                 Secret, and that the broker runs with its management plugin"
            ),
            TroubleReason::TlsVerifyFailed => format!("{address}: {what}"),
            TroubleReason::Timeout
            | TroubleReason::Minority
            | TroubleReason::VhostNotFound
            | TroubleReason::SecretNotFound
            | TroubleReason::SecretUnread
            | TroubleReason::SecretInvalid => format!("{address}: {error}"),
        };
        Self::new(reason, message)
    }
}

/// Host and port of the management API; nothing else of its address, which may hold a password.
fn management_address(login: &Login) -> String {
    let url = Url::parse(&login.management_url()).ok();
    let parts = url.as_ref().and_then(|url| Some((url.host_str()?, url.port_or_known_default()?)));
    parts.map_or_else(|| login.host.clone(), |(host, port)| format!("{host}:{port}"))
}

impl TroubleReason {
    /// Whether the broker gave it, so that it is there.
    pub const fn is_an_answer(self) -> bool {
        match self {
            TroubleReason::Unauthorized
            | TroubleReason::PermissionDenied
            | TroubleReason::VhostNotFound
            | TroubleReason::Minority => true,
            TroubleReason::TlsVerifyFailed
            | TroubleReason::DnsFailed
            | TroubleReason::Timeout
            | TroubleReason::ConnectionRefused
            | TroubleReason::SecretNotFound
            | TroubleReason::SecretUnread
            | TroubleReason::SecretInvalid => false,
        }
    }

    /// The reason in the condition; nothing where the broker cannot be judged.
    pub const fn as_condition(self) -> Option<ConditionReason> {
        Some(match self {
            TroubleReason::SecretUnread => return None,
            TroubleReason::Unauthorized => ConditionReason::Unauthorized,
            TroubleReason::PermissionDenied => ConditionReason::PermissionDenied,
            TroubleReason::TlsVerifyFailed => ConditionReason::TlsVerifyFailed,
            TroubleReason::DnsFailed => ConditionReason::DnsFailed,
            TroubleReason::Timeout => ConditionReason::Timeout,
            TroubleReason::ConnectionRefused => ConditionReason::ConnectionRefused,
            TroubleReason::VhostNotFound => ConditionReason::VhostNotFound,
            TroubleReason::SecretNotFound => ConditionReason::SecretNotFound,
            TroubleReason::SecretInvalid => ConditionReason::SecretInvalid,
            TroubleReason::Minority => ConditionReason::Minority,
        })
    }
}

/// How a broker whose metadata store has lost its majority words a refusal.
fn is_minority(text: &str) -> bool {
    text.contains("metadata store") || text.contains("minority")
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason.as_condition() {
            Some(reason) => write!(f, "{reason}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}
