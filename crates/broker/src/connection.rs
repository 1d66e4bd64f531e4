//! One AMQP connection: opening it within a deadline, saying why it cannot be opened, noticing its
//! end, and closing it.
//!
//! The library's recovery stays off. With it on, even a refused first connection is retried in
//! silence, and a consumer whose queue is gone never ends.

use std::{io, pin::Pin, sync::Arc, time::Duration};

use futures_util::{Stream, StreamExt};
use lapin::{
    Connection, ConnectionProperties, ErrorKind, Event,
    protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError},
    tcp::{AMQPUriTcpExt, RustlsConnector},
    uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo},
};
use tokio::time::timeout;

use crate::{
    login::{Login, Tls},
    tls::{self, TlsError},
};

/// How long name resolution, TCP, TLS and the AMQP handshake may take together.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The heartbeat, in seconds; RabbitMQ advises 5 to 20
/// (<https://www.rabbitmq.com/docs/heartbeats>).
pub const HEARTBEAT: u16 = 20;

/// How long a broker may take to agree that a connection ends.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// AMQP's reply code for a wanted end.
const REPLY_SUCCESS: u16 = 200;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The host has no address.
    #[error("cannot find an address for the broker's host {host}")]
    DnsFailed {
        /// The host.
        host: String,
        /// What the resolver says.
        source: io::Error,
    },
    /// Nothing listens there.
    #[error("nothing listens at {broker}")]
    ConnectionRefused {
        /// Host and port.
        broker: String,
    },
    /// It took too long.
    #[error("no answer from {broker} within {CONNECT_TIMEOUT:?}")]
    Timeout {
        /// Host and port.
        broker: String,
    },
    /// One side could not prove its name.
    #[error("no trust between this client and {broker}: {detail}")]
    TlsVerifyFailed {
        /// Host and port.
        broker: String,
        /// What does not fit.
        detail: String,
    },
    /// The broker does not know the user, or not with this password.
    #[error("{broker} refuses the login of user {username}")]
    Unauthorized {
        /// Host and port.
        broker: String,
        /// The user.
        username: String,
    },
    /// There is no such virtual host.
    #[error("{broker} has no vhost {vhost:?}")]
    VhostNotFound {
        /// Host and port.
        broker: String,
        /// The virtual host.
        vhost: String,
    },
    /// The user may not enter the virtual host.
    #[error("{broker} refuses user {username} in vhost {vhost:?}")]
    PermissionDenied {
        /// Host and port.
        broker: String,
        /// The user.
        username: String,
        /// The virtual host.
        vhost: String,
    },
    /// Anything else.
    #[error("cannot connect to {broker}: {detail}")]
    Other {
        /// Host and port.
        broker: String,
        /// What the library says.
        detail: String,
    },
}

impl ConnectError {
    /// The reason as the condition `BrokerReachable` spells it; `Other` where it has none.
    pub const fn reason(&self) -> &'static str {
        match self {
            ConnectError::DnsFailed { .. } => "DnsFailed",
            ConnectError::ConnectionRefused { .. } => "ConnectionRefused",
            ConnectError::Timeout { .. } => "Timeout",
            ConnectError::TlsVerifyFailed { .. } => "TlsVerifyFailed",
            ConnectError::Unauthorized { .. } => "Unauthorized",
            ConnectError::VhostNotFound { .. } => "VhostNotFound",
            ConnectError::PermissionDenied { .. } => "PermissionDenied",
            ConnectError::Other { .. } => "Other",
        }
    }
}

/// Opens a connection that the broker lists under `name`.
///
/// # Errors
/// Within [`CONNECT_TIMEOUT`], with what stands in the way.
pub async fn connect(login: &Login, name: &str) -> Result<Connection, ConnectError> {
    let broker = format!("{}:{}", login.host, login.port);
    timeout(CONNECT_TIMEOUT, open(login, name, &broker))
        .await
        .unwrap_or(Err(ConnectError::Timeout { broker }))
}

async fn open(login: &Login, name: &str, broker: &str) -> Result<Connection, ConnectError> {
    // The library reports a name that cannot be resolved as an I/O error without a kind.
    let resolved = tokio::net::lookup_host((login.host.as_str(), login.port)).await;
    let _addresses =
        resolved.map_err(|source| ConnectError::DnsFailed { host: login.host.clone(), source })?;
    let connector = connector(&login.tls).map_err(|error| ConnectError::TlsVerifyFailed {
        broker: broker.to_owned(),
        detail: chain(&error),
    })?;
    let failed = |error: lapin::Error| classify(&error, login, broker);
    let runtime = lapin::runtime::default_runtime().map_err(failed)?;
    let server = server_name(login);
    let stream = async move |uri: AMQPUri, runtime| {
        // The library's thread outlives a caller that stops waiting; this ends it.
        let connecting = async {
            let plain = uri.connect_async(&runtime).await?;
            match &connector {
                Some(connector) => plain.into_rustls(connector, &server).await,
                None => Ok(plain),
            }
        };
        let result = timeout(CONNECT_TIMEOUT, connecting).await;
        result.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(Into::into)
    };
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    Connection::connector(uri(login), runtime, stream, properties).await.map_err(failed)
}

/// The address as the library wants it. A URI is never parsed: a password with a reserved
/// character, or a trailing slash that means an empty vhost, would change it. The scheme is the
/// plain one because [`open`] puts TLS on top itself.
fn uri(login: &Login) -> AMQPUri {
    AMQPUri {
        scheme: AMQPScheme::AMQP,
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo {
                username: login.username.clone(),
                password: login.password.reveal().to_owned(),
            },
            host: login.host.clone(),
            port: login.port,
        },
        vhost: login.vhost.clone(),
        query: AMQPQueryString { heartbeat: Some(HEARTBEAT), ..AMQPQueryString::default() },
    }
}

fn connector(tls: &Tls) -> Result<Option<RustlsConnector>, TlsError> {
    match tls {
        Tls::Plaintext => Ok(None),
        Tls::Verify(verify) => Ok(Some(Arc::new(tls::client_config(verify)?).into())),
    }
}

fn server_name(login: &Login) -> String {
    match &login.tls {
        Tls::Verify(verify) => verify.server_name.clone(),
        Tls::Plaintext => None,
    }
    .unwrap_or_else(|| login.host.clone())
}

fn classify(error: &lapin::Error, login: &Login, broker: &str) -> ConnectError {
    let broker = broker.to_owned();
    let (username, vhost) = (login.username.clone(), login.vhost.clone());
    match error.kind() {
        ErrorKind::IOError(io) => classify_io(io, broker),
        ErrorKind::ProtocolError(amqp) => match amqp.kind() {
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => {
                ConnectError::Unauthorized { broker, username }
            }
            AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED)
                if amqp.get_message().as_str().contains("refused for user") =>
            {
                ConnectError::PermissionDenied { broker, username, vhost }
            }
            AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED)
                if amqp.get_message().as_str().contains("not found") =>
            {
                ConnectError::VhostNotFound { broker, vhost }
            }
            _ => ConnectError::Other { broker, detail: error.to_string() },
        },
        _ => ConnectError::Other { broker, detail: error.to_string() },
    }
}

fn classify_io(error: &io::Error, broker: String) -> ConnectError {
    let inner = error.get_ref();
    if inner.is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>) {
        return ConnectError::TlsVerifyFailed { broker, detail: error.to_string() };
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ConnectError::ConnectionRefused { broker },
        io::ErrorKind::TimedOut => ConnectError::Timeout { broker },
        _ => ConnectError::Other { broker, detail: error.to_string() },
    }
}

/// An error and what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

/// Ends a connection. A broker that does not answer is not waited for.
pub async fn close(connection: &Connection) {
    let farewell = connection.close(REPLY_SUCCESS, "closed".into());
    // An error says that the connection has ended already, which is what was wanted.
    let _ = timeout(CLOSE_TIMEOUT, farewell).await;
}

/// What a connection tells about itself while it is used.
pub(crate) enum Notice {
    /// The broker takes no publishes for now.
    Blocked(String),
    /// It takes them again.
    Unblocked,
    /// The connection is over.
    Lost(String),
    /// A channel is over; the connection is not.
    ChannelLost,
}

/// The notices of a connection, from the moment this is made.
///
/// A connection has one list of them, and each is given once: two listeners would share them.
pub(crate) struct Notices {
    connection: Arc<Connection>,
    events: Pin<Box<dyn Stream<Item = Event> + Send>>,
}

impl Notices {
    pub(crate) fn of(connection: &Arc<Connection>) -> Self {
        Self { events: Box::pin(connection.events_listener()), connection: Arc::clone(connection) }
    }

    /// The next notice. May be dropped and called again.
    pub(crate) async fn next(&mut self) -> Notice {
        loop {
            // The state first: what happened before the first call sends no event.
            if !self.connection.status().connected() {
                return Notice::Lost(self.last_words().await);
            }
            match self.events.next().await {
                Some(Event::ConnectionBlocked(reason)) => return Notice::Blocked(reason),
                Some(Event::ConnectionUnblocked) => return Notice::Unblocked,
                Some(Event::Error(_)) if self.connection.status().connected() => {
                    return Notice::ChannelLost;
                }
                Some(Event::Error(error)) => return Notice::Lost(error.to_string()),
                Some(_) => {}
                None => return Notice::Lost("the connection is gone".to_owned()),
            }
        }
    }

    /// The error that ended the connection, if it is already there.
    async fn last_words(&mut self) -> String {
        let mut words = "the connection is not open".to_owned();
        while let Ok(Some(event)) = timeout(Duration::ZERO, self.events.next()).await {
            if let Event::Error(error) = event {
                words = error.to_string();
            }
        }
        words
    }
}

#[cfg(test)]
mod tests;
