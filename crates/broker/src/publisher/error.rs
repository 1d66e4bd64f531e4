//! Why a message was not confirmed, and which label that is.

use std::fmt;

/// Why a publish failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The broker returned it: no binding matches.
    #[error("no queue is bound to exchange {exchange:?} for routing key {routing_key:?}")]
    Unroutable {
        /// The exchange.
        exchange: String,
        /// The routing key.
        routing_key: String,
    },
    /// There is no such exchange.
    #[error("exchange {exchange:?} does not exist")]
    ExchangeNotFound {
        /// The exchange.
        exchange: String,
    },
    /// The user may not publish there.
    #[error("the broker refuses the publish: {detail}")]
    AccessRefused {
        /// What the broker says.
        detail: String,
    },
    /// The broker refused it: a queue is full, or has no leader.
    #[error("the broker refused the message; a queue is full or has no leader")]
    Nacked,
    /// No confirm came in time. The broker may have it, or get it later.
    #[error(
        "no confirm within the deadline; the message may be stored, repeat it with the same id"
    )]
    Timeout,
    /// The broker takes no publishes for now: memory or disk alarm.
    #[error("the broker takes no messages for now: {detail}")]
    Blocked {
        /// What the broker says.
        detail: String,
    },
    /// There is no connection, or it was lost before the confirm came.
    #[error("no connection to the broker: {detail}")]
    Disconnected {
        /// Why.
        detail: String,
        /// Whether the message had been sent, so that it may be stored.
        sent: bool,
    },
    /// Too much is in flight, and no place became free.
    #[error("too many messages wait for the broker")]
    Overloaded,
    /// The body is larger than the broker takes.
    #[error("the body has {bytes} bytes, more than the broker takes: {detail}")]
    TooLarge {
        /// The size of the body.
        bytes: usize,
        /// The limit, as far as it is known.
        detail: String,
    },
    /// It cannot be sent as AMQP.
    #[error("the message cannot be sent: {what}")]
    Malformed {
        /// What is wrong.
        what: String,
    },
}

/// The closed set of reasons in labels and answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureReason {
    /// No queue gets it, or there is no such exchange.
    Unroutable,
    /// The broker refused it.
    Nacked,
    /// No confirm in time.
    Timeout,
    /// Memory or disk alarm.
    Blocked,
    /// No connection, or no right to publish.
    Disconnected,
    /// Too much in flight.
    Overloaded,
    /// Larger than the broker takes.
    TooLarge,
    /// Not a message AMQP can carry; the sender's fault, so no metric counts it.
    Malformed,
}

impl PublishError {
    /// The reason in labels and answers.
    pub const fn reason(&self) -> FailureReason {
        match self {
            PublishError::Unroutable { .. } | PublishError::ExchangeNotFound { .. } => {
                FailureReason::Unroutable
            }
            PublishError::Nacked => FailureReason::Nacked,
            PublishError::Timeout => FailureReason::Timeout,
            PublishError::Blocked { .. } => FailureReason::Blocked,
            PublishError::AccessRefused { .. } | PublishError::Disconnected { .. } => {
                FailureReason::Disconnected
            }
            PublishError::Overloaded => FailureReason::Overloaded,
            PublishError::TooLarge { .. } => FailureReason::TooLarge,
            PublishError::Malformed { .. } => FailureReason::Malformed,
        }
    }

    /// Whether the message may be stored all the same. A repeat must then carry the same id.
    pub const fn outcome_unknown(&self) -> bool {
        matches!(self, PublishError::Timeout | PublishError::Disconnected { sent: true, .. })
    }
}

impl FailureReason {
    /// The reasons that metrics count.
    pub const COUNTED: &[FailureReason] = &[
        FailureReason::Unroutable,
        FailureReason::Nacked,
        FailureReason::Timeout,
        FailureReason::Blocked,
        FailureReason::Disconnected,
        FailureReason::Overloaded,
        FailureReason::TooLarge,
    ];

    /// The text in labels and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            FailureReason::Unroutable => "unroutable",
            FailureReason::Nacked => "nacked",
            FailureReason::Timeout => "timeout",
            FailureReason::Blocked => "blocked",
            FailureReason::Disconnected => "disconnected",
            FailureReason::Overloaded => "overloaded",
            FailureReason::TooLarge => "too_large",
            FailureReason::Malformed => "malformed",
        }
    }
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
