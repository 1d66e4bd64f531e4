//! Why a session ended, or was never opened.

use std::fmt;

use lapin::{
    ErrorKind,
    protocol::{AMQPErrorKind, AMQPSoftError},
};
use warren_core::ledger::TagError;

use crate::{connection::ConnectError, probe::ProbeError, wire::Malformed};

/// The closed set of ends, as metrics label them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionEnd {
    /// What the broker sent could not be read.
    StreamError,
    /// The broker cancelled the consumer: the queue was deleted, or a consumer timeout.
    Cancelled,
    /// The broker closed the channel.
    ChannelError,
    /// The connection broke, or could not be opened.
    ConnectionError,
    /// The login changed.
    Credentials,
    /// Messages wait although nothing is delivered.
    Watchdog,
    /// The program ends.
    Shutdown,
}

/// The end of a session, with what was said at its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{end}: {detail}")]
pub struct Ended {
    /// The label.
    pub end: SessionEnd,
    /// For people.
    pub detail: String,
}

/// Why a session could not be opened or used.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// There is no such queue.
    #[error("queue {queue:?} does not exist; it is made with the pipeline")]
    QueueNotFound {
        /// The queue.
        queue: String,
    },
    /// The user may not consume the queue.
    #[error("the broker refuses queue {queue:?}: {detail}")]
    AccessRefused {
        /// The queue.
        queue: String,
        /// What the broker says.
        detail: String,
    },
    /// The broker did not answer.
    #[error("the broker took too long to {what}")]
    Timeout {
        /// What it was asked to do.
        what: &'static str,
    },
    /// A tag that this session must not settle.
    #[error(transparent)]
    Tag(#[from] TagError),
    /// A name that AMQP cannot carry.
    #[error("{what}")]
    NotAName {
        /// What is wrong with it.
        what: String,
    },
    /// The session is over.
    #[error(transparent)]
    Ended(#[from] Ended),
}

impl SessionEnd {
    /// Every end, so that each label exists from the start.
    pub const ALL: &[SessionEnd] = &[
        SessionEnd::StreamError,
        SessionEnd::Cancelled,
        SessionEnd::ChannelError,
        SessionEnd::ConnectionError,
        SessionEnd::Credentials,
        SessionEnd::Watchdog,
        SessionEnd::Shutdown,
    ];

    /// The text in labels and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            SessionEnd::StreamError => "stream_error",
            SessionEnd::Cancelled => "cancelled",
            SessionEnd::ChannelError => "channel_error",
            SessionEnd::ConnectionError => "connection_error",
            SessionEnd::Credentials => "credentials",
            SessionEnd::Watchdog => "watchdog",
            SessionEnd::Shutdown => "shutdown",
        }
    }
}

impl SessionError {
    /// The end that this error means for a session.
    pub const fn end(&self) -> SessionEnd {
        match self {
            SessionError::Connect(_) | SessionError::Timeout { .. } => SessionEnd::ConnectionError,
            SessionError::QueueNotFound { .. }
            | SessionError::AccessRefused { .. }
            | SessionError::Tag(_)
            | SessionError::NotAName { .. } => SessionEnd::ChannelError,
            SessionError::Ended(ended) => ended.end,
        }
    }

    /// The reason in one word, as `BrokerReachable` spells it where it has one.
    pub const fn reason(&self) -> &'static str {
        match self {
            SessionError::Connect(error) => error.reason(),
            SessionError::QueueNotFound { .. } => "QueueNotFound",
            SessionError::AccessRefused { .. } => "PermissionDenied",
            SessionError::Timeout { .. } => "Timeout",
            SessionError::Tag(_) | SessionError::NotAName { .. } => "Other",
            SessionError::Ended(_) => "ConnectionLost",
        }
    }

    /// The same error, with the queue it is about.
    pub(super) fn about(self, name: &str) -> Self {
        match self {
            SessionError::QueueNotFound { .. } => {
                SessionError::QueueNotFound { queue: name.to_owned() }
            }
            SessionError::AccessRefused { detail, .. } => {
                SessionError::AccessRefused { queue: name.to_owned(), detail }
            }
            other => other,
        }
    }
}

impl fmt::Display for SessionEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<&lapin::Error> for Ended {
    fn from(error: &lapin::Error) -> Self {
        let end = match error.kind() {
            ErrorKind::ProtocolError(amqp) if matches!(amqp.kind(), AMQPErrorKind::Soft(_)) => {
                SessionEnd::ChannelError
            }
            ErrorKind::InvalidChannel(_) | ErrorKind::InvalidChannelState(..) => {
                SessionEnd::ChannelError
            }
            ErrorKind::ParsingError(_) | ErrorKind::SerialisationError(_) => {
                SessionEnd::StreamError
            }
            _ => SessionEnd::ConnectionError,
        };
        Self { end, detail: error.to_string() }
    }
}

impl From<lapin::Error> for SessionError {
    fn from(error: lapin::Error) -> Self {
        if let ErrorKind::ProtocolError(amqp) = error.kind() {
            let (queue, detail) = (String::new(), amqp.get_message().to_string());
            match amqp.kind() {
                AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND) => {
                    return SessionError::QueueNotFound { queue };
                }
                AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => {
                    return SessionError::AccessRefused { queue, detail };
                }
                _ => {}
            }
        }
        SessionError::Ended(Ended::from(&error))
    }
}

impl From<ProbeError> for SessionError {
    fn from(error: ProbeError) -> Self {
        match error {
            ProbeError::Connect(error) => SessionError::Connect(error),
            ProbeError::QueueNotFound { queue } => SessionError::QueueNotFound { queue },
            ProbeError::AccessRefused { queue, detail } => {
                SessionError::AccessRefused { queue, detail }
            }
            ProbeError::Timeout { .. } => SessionError::Timeout { what: "tell about the queue" },
            ProbeError::Lost { detail, .. } => {
                SessionError::Ended(Ended { end: SessionEnd::ConnectionError, detail })
            }
            ProbeError::NotAName { what } => SessionError::NotAName { what },
        }
    }
}

impl From<Malformed> for SessionError {
    fn from(malformed: Malformed) -> Self {
        SessionError::NotAName { what: malformed.0 }
    }
}
