//! What a handler says about a message, and the closed sets of reasons that labels are made of.

use std::time::Duration;

/// Gives a closed enum its label text, its `Display` and the list of all its values.
macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident => $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$vdoc])* $variant),*
        }

        impl $name {
            /// Every value, so that each label exists at 0 from the start.
            pub const ALL: &[$name] = &[$($name::$variant),*];

            /// The text in labels, headers and logs.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $text),*
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use labels;

labels! {
    /// What kind of failure an attempt ended with.
    ErrorClass {
        /// An HTTP status 400 to 499.
        Http4xx => "http_4xx",
        /// An HTTP status 500 to 599.
        Http5xx => "http_5xx",
        /// HTTP status 429.
        RateLimited => "rate_limited",
        /// The request or the task took longer than it may.
        Timeout => "timeout",
        /// The host name could not be resolved.
        Dns => "dns",
        /// The connection could not be opened.
        Connect => "connect",
        /// The TLS handshake failed.
        Tls => "tls",
        /// The connection ended before the reply was complete.
        ConnectionReset => "connection_reset",
        /// A status that says the endpoint is not the right one: 3xx, 401, 403, 404, 405, 410.
        EndpointRejected => "endpoint_rejected",
        /// A command ended with a code other than 0.
        ExitCode => "exit_code",
        /// The handler panicked.
        Panic => "panic",
        /// The body could not be read as what it should be.
        Decode => "decode",
        /// Anything else.
        Other => "other",
    }
}

labels! {
    /// Why a worker made a message a dead letter.
    DeadReason {
        /// The last attempt failed.
        AttemptsExhausted => "attempts_exhausted",
        /// The handler says that no repetition can help.
        Permanent => "permanent",
        /// The body could not be read.
        DecodeError => "decode_error",
        /// The body is larger than `limits.maxMessageBytes`.
        TooLarge => "too_large",
        /// Workers died with this message in hand, again and again.
        PoisonCrash => "poison_crash",
    }
}

/// What a handler said about one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The work is done.
    Done,
    /// It failed; another try may succeed.
    Retry {
        /// What kind of failure.
        class: ErrorClass,
        /// Not before this long from now.
        after: Option<Duration>,
        /// For people.
        detail: String,
    },
    /// It failed, and no repetition can help.
    Dead {
        /// Why.
        reason: DeadReason,
        /// For people.
        detail: String,
    },
    /// Not yet; uses no attempt.
    Defer {
        /// Not before this long from now.
        after: Duration,
    },
    /// The endpoint is sick: stop consuming; uses no attempt.
    Pause {
        /// Not before this long from now.
        after: Duration,
        /// For people.
        detail: String,
    },
}

/// What an attempt tells about the health of the endpoint, apart from the message's own fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It did the work.
    Healthy,
    /// It answered; the answer says nothing about others.
    Neutral,
    /// It could not be reached, or says that it is not there: refused, timed out, reset, 502–504.
    Unreachable,
    /// It answers as if it were the wrong endpoint.
    Misconfigured,
    /// It asks for this long a pause.
    RateLimited(Duration),
    /// The handler itself asks for this long a pause.
    Paused(Duration),
}

/// The whole result of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The message's fate as the handler sees it.
    pub outcome: Outcome,
    /// The HTTP status, where there was one.
    pub status: Option<u16>,
    /// What it says about the endpoint.
    pub health: Health,
}

impl From<Outcome> for Report {
    /// What a handler's own word implies about its endpoint.
    fn from(outcome: Outcome) -> Self {
        let health = match &outcome {
            Outcome::Done => Health::Healthy,
            Outcome::Retry { class, .. } => class.health(),
            Outcome::Dead { .. } | Outcome::Defer { .. } => Health::Neutral,
            Outcome::Pause { after, .. } => Health::Paused(*after),
        };
        Self { outcome, status: None, health }
    }
}

impl ErrorClass {
    /// What a failure of this class implies about the endpoint.
    pub const fn health(self) -> Health {
        match self {
            ErrorClass::Timeout
            | ErrorClass::Dns
            | ErrorClass::Connect
            | ErrorClass::Tls
            | ErrorClass::ConnectionReset => Health::Unreachable,
            ErrorClass::EndpointRejected => Health::Misconfigured,
            ErrorClass::Http4xx
            | ErrorClass::Http5xx
            | ErrorClass::RateLimited
            | ErrorClass::ExitCode
            | ErrorClass::Panic
            | ErrorClass::Decode
            | ErrorClass::Other => Health::Neutral,
        }
    }
}
